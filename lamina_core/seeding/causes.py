"""Why executions fail: words as the sandbox has them, with ids, numbers and addresses that vary."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from lamina_core.errors import FieldProblem
from lamina_core.sandbox.catalogue import Parameter


@dataclass(frozen=True)
class Trouble:
    """One cause: what the execution says and what its outputs say; `{...}` stands for what varies.

    Some causes came up only in a part of the history, from `begins` to `ends` as shares of it.
    """

    message: str
    output: str
    begins: float = 0.0
    ends: float = 1.0


TROUBLES = (
    Trouble(
        'Image generation timed out: the provider "northlight-relight-{digit}" did not answer within {seconds} s',
        "Provider northlight-relight-{digit} timed out after {seconds} s (attempt 3 of 3)",
    ),
    Trouble(
        'Could not download the file given for "Product Photo": the server answered 404',
        "Input image could not be downloaded (HTTP 404)",
    ),
    Trouble(
        "Request refused by content moderation: prompts may not depict real people (policy likeness-{digit})",
        "Content moderation: depiction of a real person",
    ),
    Trouble(
        "Video generation was stopped by the safety review: the storyboard describes violent content",
        "Safety review refused the storyboard",
    ),
    Trouble("Service temporarily unavailable", "Provider answered 503 Service Unavailable (request {id})"),
    Trouble("Internal server error", "Internal server error in node aiDesignerNode-{millis}-{short}"),
    Trouble(
        "Failed to fetch {url}: connection reset by peer", "Failed to fetch {url}: connection reset by peer", 0.1, 0.35
    ),
    Trouble("Could not download {url}: the server answered 403", "Input image could not be downloaded (HTTP 403)"),
    Trouble(
        "Provider prism-video-{digit} is overloaded, request {id} was dropped after {seconds} s",
        "Provider prism-video-{digit} is overloaded",
        0.4,
        0.48,
    ),
    Trouble(
        "Insufficient credits: this run needs {number} credits, the workspace has {digit}",
        "Not started: insufficient credits",
        0.62,
        0.66,
    ),
    Trouble(
        "Rate limit of the image provider reached, try again in {seconds} s", "Provider answered 429 Too Many Requests"
    ),
    Trouble(
        "Unsupported image format in {file}: cannot identify image file", "Input image could not be decoded ({file})"
    ),
    Trouble(
        "Input image too large: {number}x{number} pixels, 8192x8192 at most",
        "Input image rejected: {number} MB is over 20 MB",
    ),
    Trouble("Worker worker-{number} was lost while running node {id}", "Worker lost (pod gpu-{number}-{short})"),
    Trouble("CUDA out of memory on gpu-{number}: tried to allocate {number} MiB", "CUDA out of memory", 0.7, 0.78),
    Trouble(
        "Generated image did not pass the quality check after 3 attempts: hands have {digit} fingers",
        "Quality check failed: hands",
    ),
    Trouble("Upscaling stopped at {percent}: no progress for {seconds} s", "Upscaler stalled at {percent}", 0.25, 0.6),
    Trouble("Deadline exceeded while waiting for segment {hex}", "Segment {hex} was never rendered"),
    Trouble("Invalid aspect ratio: {number} must be one of 1:1, 4:3, 16:9", "Invalid setting: aspect ratio"),
    Trouble("Prompt too long: {number} characters, 4000 at most", "Prompt rejected: too long"),
    Trouble("Signed URL {url} expired at {time}", "Input expired before it was read"),
    Trouble("Template {id} does not exist in workspace {id}", "Template not found", 0.5, 0.55),
    Trouble("Model flux-pro-{digit} is not available in this region", "Model unavailable", 0.88, 1.0),
    Trouble("TLS handshake with {host} failed: certificate has expired", "Upload to {host} failed", 0.3, 0.33),
    Trouble("Storage answered 507 Insufficient Storage for {file}", "Result could not be stored ({file})"),
    Trouble("Face detection found {digit} faces in {file}, exactly one is needed", "No usable face in {file}"),
    Trouble("Audio track of {file} could not be decoded: invalid sample rate {number}", "Audio could not be decoded"),
    Trouble('Layer "{id}" of {file} has no pixels', "Empty layer in {file}"),
    Trouble("Webhook to the render farm was refused by {host}: 401 Unauthorized", "Render farm refused the job"),
    Trouble("Content policy: the text contains a trademark of a third party (case {number})", "Trademark found"),
    Trouble("Temporary failure in name resolution for {host}", "Could not reach {host}", 0.8, 0.83),
    Trouble('Node "Scene" could not read its settings: number of props must be between 0 and 6', "Invalid setting"),
    Trouble("Job {id} was preempted {digit} times and given up", "Preempted {digit} times"),
    Trouble("The colour profile of {file} is not supported (ICC v{digit})", "Unsupported image: colour profile"),
    Trouble("Motion model diverged at frame {number} of {number}", "Frame {number} is not finite", 0.55, 0.9),
    Trouble("Text rendering failed: font {file} has no glyph for U+{hex}", "Glyph missing in {file}"),
    Trouble("Sprachmodell antwortet nicht (Anfrage {id}, {seconds} s)", "Keine Antwort nach {seconds} s"),
    Trouble("Cache entry {hex} is corrupt, checksum mismatch", "Corrupt cache entry {hex}", 0.9, 0.97),
    Trouble("Background removal left nothing of {file}: mask covers {percent}", "Mask covers {percent} of {file}"),
    Trouble("Too many redirects while downloading {url}", "Failed to fetch {url}"),
)

REFUSALS = (
    "Too many requests from this IP, please try again in a minute",
    "Lamina cannot be reached: the connection was refused.",
    "Service temporarily unavailable",
)
"""Why starts were refused, whatever they were sent."""


def refuse_option(parameter: Parameter, value: str) -> FieldProblem:
    """Return why an option was refused that the app had not got at that time."""
    others = ", ".join(option for option in parameter.options if option != value)
    return FieldProblem(parameter.name, "invalid_option", f'invalid option "{value}". Must be one of: {others}')


def vary(rng: random.Random) -> Mapping[str, str]:
    """Return what stands in the places of a cause's words, this time."""
    bits = rng.getrandbits(64)
    number = str(bits % 8_900 + 1_100)
    return {
        "digit": str(bits % 8 + 2),
        "seconds": str(30 + bits % 270),
        "number": number,
        "id": f"exec_{bits:016x}",
        "short": f"{bits:016x}"[:9],
        "hex": f"{bits:016x}",
        "millis": str(1_760_000_000_000 + bits % 30_000_000_000),
        "percent": f"{bits % 1000 / 10} %",
        "url": f"https://files.example.com/in/{bits:016x}.png",
        "file": f"in/{bits:016x}.png",
        "host": f"node-{bits % 97}.example.com",
        "time": f"2026-{bits % 12 + 1:02}-{bits % 28 + 1:02}T{bits % 24:02}:{bits % 60:02}:00Z",
    }
