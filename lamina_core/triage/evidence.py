"""What a ticket needs to know of one execution: a note in Markdown, and the same as a document, nothing secret in it.

Whatever came from outside is redacted first; the note is written from the redacted document alone. There it stands
in code, behind fences longer than any of its own, so that it cannot become markup, a link or a mention.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lamina_core.domain import Event
from lamina_core.insights import wording
from lamina_core.insights.detail import Detail
from lamina_core.triage import redaction

TIMELINE_LIMIT = 30  # lines, the newest
DELIVERY_LIMIT = 20  # the newest
_OUTPUT_LIMIT = 50
_SENTENCE_LIMIT = 300  # characters of a text within a sentence or a cell
_BLOCK_LIMIT = 20_000  # characters of a block
_OUTPUT_CELLS = ("label", "type", "status", "error")
_DELIVERY_CELLS = ("verdict", "reason", "key_id", "body_size", "duplicate_of")


@dataclass(frozen=True)
class Evidence:
    """One execution as a note to paste into a ticket, and as a document to attach to it."""

    markdown: str
    bundle: dict[str, Any]


def write_evidence(
    found: Detail, *, link: str, versions: Mapping[str, str], secrets: Sequence[str], now: datetime
) -> Evidence:
    """Write down what is known of an execution; `secrets` are known ones that must not be in it."""
    bundle = {name: redaction.redact(section, secrets) for name, section in _gather(found, link, versions, now).items()}
    return Evidence("\n".join(_write_note(bundle)) + "\n", bundle)


def _gather(found: Detail, link: str, versions: Mapping[str, str], now: datetime) -> dict[str, Any]:
    execution = found.execution
    took = wording.duration_of(execution)
    return {
        "written_at": now,
        "link": link,
        "execution": {
            **asdict(execution),
            "took_seconds": None if took is None else took.total_seconds(),
            "replays": [node.execution.id for node in found.lineage.nodes if node.execution.replay_of == execution.id],
        },
        "error": execution.error_message,
        "problems": list(found.payload.problems),
        "outputs": [asdict(output) for output in found.outputs[:_OUTPUT_LIMIT]],
        "inputs": found.payload.inputs,
        "chosen_outputs": found.payload.chosen_outputs,
        "timeline": [_tell_event(event) for event in reversed(found.timeline[:TIMELINE_LIMIT])],
        "deliveries": [asdict(delivery) for delivery in reversed(found.deliveries[:DELIVERY_LIMIT])],
        "left_out": {
            "outputs": max(0, len(found.outputs) - _OUTPUT_LIMIT),
            "timeline": max(0, len(found.timeline) - TIMELINE_LIMIT),
            "deliveries": max(0, len(found.deliveries) - DELIVERY_LIMIT),
        },
        "last_report": found.payload.last_report,
        "versions": dict(versions),
    }


def _tell_event(event: Event) -> dict[str, Any]:
    return {"at": event.at, "kind": event.kind, "actor": event.actor, "detail": event.detail}


def _write_note(bundle: Mapping[str, Any]) -> Iterator[str]:
    execution, left_out = bundle["execution"], bundle["left_out"]
    word = wording.STATUS_WORDS[execution["status"]]
    yield f"# Execution {execution['id']} of {_code(execution['app_name'])}: {word}"
    yield ""
    yield _write_sentence(bundle, word)
    yield ""
    yield from _write_table(("Fact", "Value"), ((name, _cell(value)) for name, value in _list_facts(bundle)))
    yield from _write_error(bundle)
    yield from _write_section("Inputs")
    if bundle["inputs"] is None:
        yield "Not known: others started this execution."
    else:
        yield from _write_json(bundle["inputs"])
    yield from _write_section("Timeline", left_out["timeline"])
    yield from [] if bundle["timeline"] else ["Nothing is recorded."]
    yield from _write_table(
        ("Time", "What", "By", "Detail"),
        (map(_cell, (_time(line["at"]), line["kind"], line["actor"], line["detail"])) for line in bundle["timeline"]),
    )
    yield from _write_section("Webhook deliveries", left_out["deliveries"])
    expected = "One was asked for." if execution["webhook_expected"] else "None is known to have been asked for."
    yield from [] if bundle["deliveries"] else [f"None has come. {expected}"]
    yield from _write_table(
        ("Received", "Verdict", "Reason", "Key", "Bytes", "Copy of"),
        (
            map(_cell, (_time(each["received_at"]), *(each[name] for name in _DELIVERY_CELLS)))
            for each in bundle["deliveries"]
        ),
    )
    yield from _write_section("Versions")
    yield from _write_table(("Part", "Version"), (map(_cell, part) for part in bundle["versions"].items()))


def _write_sentence(bundle: Mapping[str, Any], word: str) -> str:
    failed = [output for output in bundle["outputs"] if _has_failed(output)]
    reason = f": {_code(bundle['error'])}" if bundle["error"] else ""
    text = f"Its status is {word}{reason}."
    if failed:
        named = ", ".join(_code(output["label"]) for output in failed[:3])
        text += f" {len(failed)} of {len(bundle['outputs'])} outputs failed: {named}{', …' if len(failed) > 3 else ''}."
    return text


def _has_failed(output: Mapping[str, Any]) -> bool:
    return output["status"] == "error" or bool(output["error"])


def _list_facts(bundle: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    execution = bundle["execution"]
    yield "Link", bundle["link"]
    yield "Our id", execution["id"]
    yield "Lamina's id", execution["execution_id"]
    yield "Reference", execution["reference"]
    yield "App", execution["app_name"]
    yield "App's id", execution["app_id"]
    yield "Status", execution["status"]
    yield "Lamina's word", execution["raw_status"]
    yield "Started by", execution["started_by"]
    yield "Came in by", execution["origin"]
    yield "Replay of", execution["replay_of"]
    yield "Replayed as", ", ".join(map(str, execution["replays"]))
    yield "Created", _time(execution["created_at"])
    yield "Begun", _time(execution["started_at"])
    yield "Ended", _time(execution["completed_at"])
    yield "Took", None if execution["took_seconds"] is None else f"{execution['took_seconds']:,.1f} s"
    yield "Polls", f"{execution['poll_count']}, last {_time(execution['last_poll_at']) or 'never'}"
    yield "Last poll's error", execution["poll_error"]
    yield "Written", _time(bundle["written_at"])


def _write_error(bundle: Mapping[str, Any]) -> Iterator[str]:
    if bundle["error"]:
        yield from _write_section("Error as Lamina gave it")
        yield from _write_block(bundle["error"])
    if bundle["problems"]:
        yield from _write_section("Why Lamina refused the start")
        yield from _write_json(bundle["problems"])
    failed = [output for output in bundle["outputs"] if _has_failed(output)]
    if failed:
        yield from _write_section("Outputs that failed", bundle["left_out"]["outputs"])
        cells = (map(_cell, (output[name] for name in _OUTPUT_CELLS)) for output in failed)
        yield from _write_table(("Output", "Type", "Status", "Error"), cells)


def _write_section(title: str, left_out: int = 0) -> list[str]:
    return ["", f"## {title}", "", *([f"{left_out} more are left out.", ""] if left_out else [])]


def _write_table(titles: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}", *lines] if lines else []


def _write_json(value: Any) -> list[str]:
    return _write_block(json.dumps(value, indent=2, ensure_ascii=False), "json")


def _write_block(text: str, language: str = "text") -> list[str]:
    if len(text) > _BLOCK_LIMIT:
        text = f"{text[:_BLOCK_LIMIT]}\n[cut]"
    fence = "`" * max(3, _longest_run(text) + 1)
    return [f"{fence}{language}", text, fence]


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False) if value else None
    if value is None or value == "":
        return "–"
    # A backslash before the pipe's own would take its meaning away.
    return re.sub(r"(\\?)\|", lambda found: f"{found[1]} \\|" if found[1] else "\\|", _code(str(value)))


def _code(text: str) -> str:
    """Return a text as one line of Markdown's code."""
    text = " ".join(text.split())
    if len(text) > _SENTENCE_LIMIT:
        text = f"{text[:_SENTENCE_LIMIT]}…"
    fence = "`" * (_longest_run(text) + 1)
    edge = " " if "`" in text or not text else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _time(instant: str | None) -> str | None:
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M:%S %Z") if instant else None
