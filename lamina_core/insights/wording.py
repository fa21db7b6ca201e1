"""Sentences for people: what a status means, how long ago, how long it took."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from lamina_core.domain import Execution, Origin, Output, Status
from lamina_core.polling import schedule

STATUS_WORDS: Mapping[Status, str] = {
    Status.STARTING: "starting",
    Status.QUEUED: "queued",
    Status.RUNNING: "running",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.START_UNCONFIRMED: "start unconfirmed",
    Status.START_FAILED: "start failed",
    Status.GONE: "gone",
    Status.UNKNOWN: "unknown",
}

ORIGIN_WORDS: Mapping[Origin, str] = {
    Origin.FORM: "form",
    Origin.REPLAY: "replay",
    Origin.BULK: "bulk replay",
    Origin.REGISTERED: "backend",
    Origin.IMPORTED: "import",
    Origin.WEBHOOK: "webhook",
}

_SENTENCES: Mapping[Status, str] = {
    Status.STARTING: "The start was sent to Lamina; its answer is on the way.",
    Status.QUEUED: "Lamina has accepted it and will begin soon.",
    Status.RUNNING: "Lamina is working on it.",
    Status.COMPLETED: "It is done. The results are below.",
    Status.FAILED: "It did not work out. The reason that Lamina gave is below; the inputs are kept for a replay.",
    Status.CANCELLED: "It was cancelled before it was done.",
    Status.START_UNCONFIRMED: "We do not know whether Lamina accepted this start, and send nothing again by ourselves: "
    "it may be billed twice. A webhook may still settle it.",
    Status.START_FAILED: "Nothing was started. Correct what is named below and start again.",
    Status.GONE: "Lamina says that it knows no such execution. It is not polled any more.",
    Status.UNKNOWN: "Lamina sent a status that Lamina Desk does not know. It goes on being polled.",
}


def describe(execution: Execution, outputs: tuple[Output, ...], now: datetime) -> str:
    """Return a friendly sentence on where the execution stands."""
    failed = [output for output in outputs if output.status == "error"]
    if execution.status is Status.COMPLETED and failed:
        return f"It is done, but {len(failed)} of {len(outputs)} outputs failed. The others are below."
    if is_late(execution, now):
        return f"{_SENTENCES[execution.status]} It is late: in flight for {format_span(now - execution.created_at)}."
    return _SENTENCES[execution.status]


def is_late(execution: Execution, now: datetime) -> bool:
    """Say whether an execution that Lamina works on should have ended long ago."""
    open_still = execution.status in {Status.QUEUED, Status.RUNNING, Status.UNKNOWN}
    return open_still and now - execution.created_at > schedule.LATE_AFTER


def format_age(instant: datetime | None, now: datetime) -> str:
    """Return how long ago an instant was, in one unit."""
    if instant is None:
        return "never"
    seconds = (now - instant).total_seconds()
    return f"{format_short(timedelta(seconds=seconds))} ago" if seconds >= 1 else "now"


def format_short(span: timedelta) -> str:
    """Return a length of time in one unit, for columns."""
    seconds = max(0.0, span.total_seconds())
    for limit, length, unit in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds / 86_400)} d"


def format_span(span: timedelta) -> str:
    """Return a length of time in one or two units."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if round(seconds) < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    if round(seconds / 60) < 1440:
        hours, rest = divmod(round(seconds / 60), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{seconds / 86_400:.0f} d"


def duration_of(execution: Execution) -> timedelta | None:
    """Return how long the execution took from its start here to its end, None while it is open."""
    return execution.completed_at - execution.created_at if execution.completed_at else None


def shorten_reason(execution: Execution, length: int) -> str:
    """Return the last line of why it failed, where tracebacks say what matters; empty where there is none."""
    lines = (execution.error_message or "").strip().splitlines()
    last = lines[-1].strip() if lines else ""
    return last if len(last) <= length else last[: length - 1] + "…"
