"""Which failed executions share a cause: the words of an error without what changes from one to the next.

Pure. Fingerprints are stored: whoever changes a table here raises VERSION, for what was stored no longer compares.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamina_core.domain import Status

VERSION = 1
READ_LENGTH = 2_000  # signs of an error that are looked at; the execution's row keeps as many
MESSAGE_LENGTH = 300  # signs of a normalised message
TITLE_LENGTH = 90  # signs of a title
_INPUTS_NAMED = 5  # of those that Lamina refused

_START, _END = r"(?<![a-z0-9_-])", r"(?![a-z0-9_])"
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_AMOUNT = r"[+-]?\d+(?:[.,]\d+)*(?:[–-]\d+(?:[.,]\d+)*)?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:[ap]m|z|utc|gmt|[+-]\d{2}:?\d{2})(?![a-z0-9]))?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_SPAN = _AMOUNT + (
    r" ?(?:ms|milliseconds?|[µμun]s|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|weeks?)(?![a-z_])"
)
_ID_PREFIX = (
    "executions?|exec|runs?|requests?|req|lma|jobs?|tasks?|files?|img|images?|assets?|media|usr|users?|org|ws|apps?|wf"
    "|workflows?|nodes?|msg|evt|key|sk|pk|trace|span|sess|sessions?|batch|pred|uploads?|obj|workers?|shard|gpu|pod|host"
    "|replica|instance"
)
_SUFFIX = (
    "png|jpe?g|webp|gif|heic|avif|svg|bmp|tiff?|psd|mp4|mov|webm|mkv|avi|m4v|mp3|wav|m4a|ogg|flac|pdf|txt|csv|json"
    "|ya?ml|xml|html?|docx?|xlsx?|zip|tar|gz|safetensors|ckpt|pth?|onnx|bin|py|js|mjs|ts|log|tmp"
)
_NO_URL_SIGN = r"\s\"'`<>“”‘’«»"


@dataclass(frozen=True)
class Variable:
    """Something in errors that changes from one to the next; placeholder None: it tells causes apart and stays.

    The patterns are tried on text with white space folded, whatever the case, all at once from left to right; where
    two begin at the same sign, the earlier one of the table wins.
    """

    name: str
    pattern: str
    placeholder: str | None
    before: str
    after: str


VARIABLES = (
    Variable(
        "url",
        rf"{_START}(?:(?:https?|ftp|wss?|s3|gs|blob|file)://|www\.)[^{_NO_URL_SIGN}]*[^{_NO_URL_SIGN}.,;:!?)\]]"
        rf"|{_START}data:[\w.+/-]{{1,60}}[;,][^{_NO_URL_SIGN}]*",
        "<url>",
        "GET https://files.example.com/a/b.png?token=x, then stop",
        "get <url>, then stop",
    ),
    Variable(
        "double_quoted",
        r'"(?:[^"\\]|\\.){0,2000}"|“[^”]{0,2000}”|„[^“”]{0,2000}[“”]|«[^»]{0,2000}»|`[^`]{0,2000}`',
        "<value>",
        'No "Soft linen", “Deep navy” or `Sage green` here',
        "no <value>, <value> or <value> here",
    ),
    Variable(
        "single_quoted",
        r"(?<![a-z0-9_])'[^']{1,400}(?:'(?=[a-z])[^']{0,400}){0,8}'(?![a-z0-9_])"
        r"|(?<![a-z0-9_])‘[^’]{1,400}(?:’(?=[a-z])[^’]{0,400}){0,8}’(?![a-z0-9_])",
        "<value>",
        "It can't find 'Bob's photo' or ‘another one’",
        "it can't find <value> or <value>",
    ),
    Variable(
        "email",
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
        "<email>",
        "Nobody is called anna.b+shop@mail.example.com.",
        "nobody is called <email>",
    ),
    Variable(
        "file",
        rf"(?<![\w./\\@-])(?:[\w@%+~=-]{{1,200}}[./\\]){{1,30}}(?<=\.)(?:{_SUFFIX}){_END}",
        "<file>",
        "Cannot read sneaker-01.final.png, shoes/left.jpeg, img_20260314.jpg or 2026-03-14.png",
        "cannot read <file>, <file>, <file> or <file>",
    ),
    Variable(
        "month",
        rf"{_START}(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}},? )?"
        rf"(?:\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},?|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,?) \d{{4}}(?:,? {_CLOCK})?{_END}",
        "<time>",
        "Expired Sat, 14 Mar 2026 09:00:00 GMT, March 14th, 2026 or 14. May",
        "expired <time>, <time> or <n>. may",
    ),
    Variable(
        "date",
        rf"{_START}(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{8}}(?=t\d{{6}}))(?:[t ](?:{_CLOCK}|\d{{6}}z?))?{_END}"
        rf"|{_START}(?:\d{{1,2}}[./]\d{{1,2}}[./](?:19|20)\d{{2}}|(?:19|20)\d{{2}}[./]\d{{1,2}}[./]\d{{1,2}})"
        rf"(?:,? {_CLOCK})?{_END}",
        "<time>",
        "Expired 2026-03-14T09:00:00.123Z, 20260314T090000Z, 14.03.2026 09:00 or 2026-03-14",
        "expired <time>, <time>, <time> or <time>",
    ),
    Variable(
        "clock",
        rf"{_START}\d{{1,2}}:\d{{2}}"
        rf"(?::\d{{2}}(?:[.,]\d{{1,9}})?(?: ?(?:[ap]m|z|utc|gmt))?| ?(?:[ap]m|utc|gmt)){_END}",
        "<time>",
        "Closed from 09:00:01 to 5:30 pm",
        "closed from <time> to <time>",
    ),
    Variable(
        "uuid",
        rf"(?<![0-9a-f]){_UUID}{_END}",
        "<id>",
        "App 7a62d16d-dbe6-47f2-875e-efb4c6dea863 is closed",
        "app <id> is closed",
    ),
    Variable(
        "node",
        rf"(?<=[a-z])-\d{{13}}-[a-z0-9]{{6,12}}{_END}",
        "-<id>",
        "Step klingVideoNode-1760178978989-h679qhl9n stopped",
        "step klingvideonode-<id> stopped",
    ),
    Variable(
        "prefixed_id",
        rf"{_START}(?:{_ID_PREFIX})[_-](?:live_|test_|mcp_at_)?"
        rf"(?:{_UUID}|\d+|(?=[a-z]{{0,40}}\d)[a-z0-9]{{4,}}(?:[_-][a-z0-9]{{4,}}){{0,9}}|[a-z0-9]{{20,}}){_END}"
        rf"|{_START}[a-z]{{2,10}}_(?=[a-z]{{0,40}}\d)[a-z0-9]{{10,}}{_END}",
        "<id>",
        "exec_9f3kd02m, run-001 and req-7f3a9c with lma_k2j4h5 on worker-12, cus_9s6XKzkNRiz8i3",
        "<id>, <id> and <id> with <id> on <id>, <id>",
    ),
    Variable(
        "ip",
        rf"(?<![\w.-])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?(?!\.?\d){_END}"
        rf"|(?<![\w:])(?=[0-9a-f:]{{0,39}}\d)(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{1,4}}(?![\w:])",
        "<ip>",
        "Refused by 10.0.0.7:8443 and 2001:db8::8a2e:370:7334",
        "refused by <ip> and <ip>",
    ),
    Variable(
        "path",
        rf"{_START}[a-z]:[\\/][^{_NO_URL_SIGN}|,;)]*|\\\\[^{_NO_URL_SIGN}|,;)]+"
        r"|(?<![\w/:.<])~?/[\w.@%+~=/-]{0,1000}[\w@%+~=/-]",
        "<file>",
        r"Cannot open C:\Users\anna\photo.png, \\share\in\a.png or /tmp/uploads/a-1.png.",
        "cannot open <file>, <file> or <file>",
    ),
    Variable(
        "blob",
        r"(?<![\w+/=-])(?![a-z]{1,60}-\d{13}-)(?-i:(?=[\w+/-]{0,300}\d)(?=[\w+/-]{0,300}[a-z])(?=[\w+/-]{0,300}[A-Z]))"
        r"[\w+/-]{32,}={0,2}(?:\.[\w-]{10,}){0,4}",
        "<data>",
        "Bad token eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ== given",
        "bad token <data> given",
    ),
    Variable(
        "hex",  # shares its placeholder with numbers: some hex ids happen to have no letter
        rf"(?<![a-z0-9_])(?:0x[0-9a-f]+|(?=\d*[a-f])[0-9a-f]{{8,}}){_END}",
        "<n>",
        "Segment 9f86d081884c at 0x7ffd is lost",
        "segment <n> at <n> is lost",
    ),
    Variable(
        "duration",
        rf"{_START}{_SPAN}(?: ?{_SPAN}){{0,3}}",
        "<duration>",
        "No answer within 90 s, 1h 30m, 2.5 seconds, 3-5 minutes or 250ms",
        "no answer within <duration>, <duration>, <duration>, <duration> or <duration>",
    ),
    Variable("percent", rf"{_START}{_AMOUNT} ?%", "<percent>", "Stopped at 87.5 %", "stopped at <percent>"),
    Variable(
        "size",
        rf"{_START}{_AMOUNT} ?(?:[kmgt]i?b|bytes?|px|pixels?|mp|megapixels?|dpi|fps|k?hz|[km]bps){_END}"
        rf"|{_START}\d+ ?[x×] ?\d+(?: ?(?:px|pixels?))?{_END}",
        "<size>",
        "48.2 MB is over 20MB, 1024x768 below 800 px",
        "<size> is over <size>, <size> below <size>",
    ),
    Variable(
        "status",
        rf"{_START}(?:http(?:/\d(?:\.\d)?)?|status(?: code)?|code|answered|returned|responded(?: with)?|error)"
        rf"[ :=(]{{0,3}}[45]\d\d(?![.,:]?\d){_END}"
        rf"|{_START}[45]\d\d(?= (?:bad|unauthori[sz]ed|payment|forbidden|not found|method|request|conflict|gone|payload"
        rf"|unsupported|unprocessable|too many|internal|service|gateway))",
        None,
        "The server answered 404, then 502 Bad Gateway, 417 times",
        "the server answered 404, then 502 bad gateway, <n> times",
    ),
    Variable(
        "number",
        rf"{_START}[+-]?\d+(?:[.,:/–-]\d+)*(?:e[+-]?\d+|st|nd|rd|th)?{_END}",
        "<n>",
        "Attempt 3 of 3 at 1773478800000: -12.5 is not 1,024 nor 16:9 (policy likeness-1)",
        "attempt <n> of <n> at <n>: <n> is not <n> nor <n> (policy likeness-1)",
    ),
)

ERROR_CLASSES = (  # (name, words that tell it), tried in this order on the normalised message
    ("missing_no_default", "missing_no_default|has no default and was not supplied|missing required"),
    ("unknown_parameter", "unknown_parameter|unknown input|unknown parameter"),
    ("invalid_option", "invalid_option|invalid option|must be one of"),
    ("invalid_media", "invalid_media|must be an http|must be one http"),
    ("invalid_type", "invalid_type|expected a text value"),
    (
        "media_unreachable",
        "not download|not be downloaded|to download|not fetch|to fetch|downloading|invalid_image_url",
    ),
    (
        "media_unreadable",
        "unsupported image|unsupported file|unsupported media|unsupported format|cannot identify image"
        "|corrupt|decode|invalid image|not a valid image",
    ),
    (
        "credits",
        "insufficient credit|not enough credit|out of credit|insufficient_quota|current quota|insufficient balance"
        "|payment required|http 402|billing",
    ),
    ("rate_limit", "too many requests|rate limit|rate_limit|http 429|throttl|resource_exhausted"),
    ("moderation", "moderation|moderated|safety|content policy|content_policy|nsfw|prohibited|sensitive content"),
    ("quality", "quality check|quality control"),
    ("timeout", "timed out|timeout|time-out|deadline|did not answer"),
    ("auth", "api key|unauthori|forbidden|permission denied|http 401|http 403"),
    ("validation", "invalid|validation|must be|does not fit|too long|too large|too small"),
    ("not_found", "not found|does not exist|http 404|answered 404"),
    (
        "provider",
        "provider|overloaded|unavailable|internal server error|internal_error|bad gateway|connection|reached"
        "|answered 5|http 5|status 5|code 5|error 5",
    ),
)

_CLASS_WORDS = tuple((name, tuple(words.split("|"))) for name, words in ERROR_CLASSES)
_MAY_BEGIN_WITH_A_WORD = ("month", "status")
_FIRST = [item for item in VARIABLES if item.name in _MAY_BEGIN_WITH_A_WORD]
_ANY = re.compile(
    "|".join(
        [
            *(f"(?P<{item.name}>{item.pattern})" for item in _FIRST),
            r"[a-z]+(?:[,;:]? |$)",  # a plain word is passed over at once: it halves the time
            *(f"(?P<{item.name}>{item.pattern})" for item in VARIABLES if item not in _FIRST),
        ]
    ),
    re.IGNORECASE,
)
_PLACEHOLDERS: Mapping[str | None, str | None] = {item.name: item.placeholder for item in VARIABLES}
_JSON_WORDS = re.compile(r'"(?:message|msg|error|detail|reason|title|code|type)"\s*:\s*"((?:[^"\\]|\\.){1,1000})"')
_NODE_KIND = re.compile(r"([A-Za-z]{1,60})-\d")
_SILENT = {Status.START_FAILED: "The start failed", Status.FAILED: "It failed", Status.COMPLETED: "Outputs failed"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Cause:
    """Why an execution failed: `message` is the normalised error, `title` one line of it for people."""

    fingerprint: str
    app_id: str
    error_class: str
    title: str
    message: str


def find_cause(
    app_id: str,
    status: Status,
    error_message: str | None,
    outputs: Sequence[Mapping[str, Any]],
    problems: Sequence[Mapping[str, Any]] = (),
) -> Cause | None:
    """Return the cause of a failure, None for an execution that did not fail; no shape of its parts makes it raise.

    Which inputs Lamina refused, its `problems` with a start, belong to the cause. A completed execution failed in part
    if outputs are in error. It does not matter whether `error_message` is Lamina's own or, where it gave none, the
    error of the first output, as the execution's row keeps it.
    """
    parts = [output for output in outputs or () if isinstance(output, Mapping)]
    partial = status is Status.COMPLETED
    if partial:
        parts = [output for output in parts if output.get("status") == "error"]
    if not (parts if partial else status in {Status.FAILED, Status.START_FAILED}):
        return None
    said = [text for text in (_extract(output.get("error")) for output in parts) if text]
    top = _extract(error_message)
    if refused := _name_inputs(problems):
        top = f"{top} ({refused})"
    if top and not (said if partial else top in said):
        said = [top]
    samples = {normalise(text): text for text in said}
    samples.pop("", None)
    if not samples:
        return _silent_cause(app_id, status, parts)
    first, *others = sorted(samples)
    message = "; ".join([first, *others])[:MESSAGE_LENGTH]
    title = _shorten(_make_title(samples[first]), TITLE_LENGTH - (17 if others else 0))
    more = f" (and {len(others)} more)" if others else ""
    return _cause(app_id, _classify(message), title + more, message, partial=partial)


def _name_inputs(problems: Sequence[Mapping[str, Any]]) -> str:
    named = {(str(problem.get("field") or ""), str(problem.get("code") or "")) for problem in problems}
    return ", ".join(" ".join(part for part in pair if part) for pair in sorted(named)[:_INPUTS_NAMED])


def normalise(text: str) -> str:
    """Return the words of an error with placeholders for what varies; cut, in small letters, without a full stop."""
    words = _ANY.sub(_mark, _fold(text[:READ_LENGTH]))
    return words.casefold()[:MESSAGE_LENGTH].strip(" .!")


def _mark(found: re.Match[str]) -> str:
    return _PLACEHOLDERS.get(found.lastgroup) or found[0]


def _ellipse(found: re.Match[str]) -> str:
    placeholder = _PLACEHOLDERS.get(found.lastgroup)
    if placeholder is None:
        return found[0]
    if placeholder == "<value>":
        return f"{found[0][0]}…{found[0][-1]}"
    return placeholder.partition("<")[0] + "…"


def _make_title(text: str) -> str:
    title = re.sub(r"…(?:[ ,]*…)+", "…", _ANY.sub(_ellipse, _fold(text[:READ_LENGTH])))
    return title[:1].upper() + title[1:].rstrip(" .!")


def _shorten(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    whole = cut.rpartition(" ")[0]
    return (whole if len(whole) > length // 2 else cut).rstrip(" ,;:…") + "…"


def _fold(text: str) -> str:
    return " ".join(text.split())


def _classify(message: str) -> str:
    return next((name for name, words in _CLASS_WORDS if any(word in message for word in words)), "other")


def _extract(error: object) -> str:
    """Return what an error says: of a traceback its last line, of an object the parts that are words."""
    if error is None:
        return ""
    try:
        text = error if isinstance(error, str) else json.dumps(error)
    except (TypeError, ValueError, RecursionError):
        text = type(error).__name__
    text = text.strip()
    if text.startswith("Traceback"):
        text = text.rpartition("\n")[2]
    text = _CONTROL.sub(" ", text[:READ_LENGTH]).encode("utf-8", "replace").decode("utf-8")
    opening = text.find("{")
    said = _JSON_WORDS.findall(text, opening) if opening >= 0 else []
    return text[:opening] + ": ".join(said) if said else text


def _silent_cause(app_id: str, status: Status, parts: Iterable[Mapping[str, Any]]) -> Cause:
    """Return the cause of a failure without a word: the kinds of the steps that failed keep such ones apart."""
    nodes = (output.get("id") for output in parts if output.get("status") == "error")
    found = (_NODE_KIND.match(node) for node in nodes if isinstance(node, str))
    kinds = ", ".join(sorted({match[1] for match in found if match}))
    title = f"{_SILENT[status]} without a message" + (f": {kinds}" if kinds else "")
    message = title.casefold()[:MESSAGE_LENGTH]
    return _cause(app_id, "silent", _shorten(title, TITLE_LENGTH), message, partial=status is Status.COMPLETED)


def _cause(app_id: str, error_class: str, title: str, message: str, *, partial: bool) -> Cause:
    error_class = f"partial_{error_class}" if partial else error_class
    hashed = json.dumps([VERSION, app_id, error_class, message]).encode()
    fingerprint = f"f{VERSION}-{hashlib.sha256(hashed).hexdigest()[:16]}"
    return Cause(fingerprint, app_id, error_class, title, message)
