"""What a piece of news makes of an execution: pure, so that any order of the same news can be tried.

Arrival decides nothing, nor does a signature's time (each retry is signed anew): a terminal report beats
an open one; between terminal ones the later `completedAt` wins, because feedback refines a completed
execution in place; where that does not decide, one confirming read is asked for, and the read that began
last is the truth.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lamina_core.api import wire
from lamina_core.domain import POLLED, UNSETTLED_START, Absence, Event, Kind, Report, Source, Status, Update
from lamina_core.polling import schedule
from lamina_core.store.remote import Outputs, PayloadChange, RemoteState

_REASON_LENGTH = 2_000  # characters kept in the row that lists read


class Effect(StrEnum):
    """What an update did."""

    CHANGED = "changed"
    SAME = "same"  # it said what we knew
    STALE = "stale"  # we know better
    DISPUTED = "disputed"  # it contradicts what we know; a confirming read is due
    UNKNOWN_EXECUTION = "unknown_execution"  # it belongs to no execution of ours


@dataclass(frozen=True)
class Advance:
    """An execution after an update: its state, what is wide of it, and the line for its timeline."""

    effect: Effect
    state: RemoteState
    change: PayloadChange
    event: Event | None = None


def advance(state: RemoteState, outputs: Outputs, update: Update, now: datetime) -> Advance:
    """Return what an update makes of an execution whose outputs are known so far; idempotent and monotonic."""
    if update.report is None:
        return _take_absence(state, update, now)
    report, change, event = update.report, PayloadChange(state.id), None
    if report.created_at is not None and not state.is_ours:
        state = replace(state, created_at=report.created_at)  # of others' starts Lamina's clock knows best
    effect = judge(state, outputs, update, report)
    columns: dict[str, Any] = {"missing_count": 0, "started_at": state.started_at or report.started_at}
    if effect is Effect.CHANGED:
        columns |= {
            "status": report.status,
            "raw_status": report.raw_status,
            "error_message": _reason(report.error_message, report.outputs),
            "started_at": report.started_at or state.started_at,
            "completed_at": report.completed_at,
            "updated_at": now,
            "kind": _learn_kind(state, report),
        }
        change = PayloadChange(state.id, report.raw, report.outputs)
        event = _tell_change(state, update.source, report, now)
    elif effect is Effect.SAME and not state.status.terminal:
        change = PayloadChange(state.id, report.raw, report.outputs) if report.outputs is not None else change
    elif effect is Effect.SAME:
        columns["completed_at"] = state.completed_at or report.completed_at
    is_less = report.outputs is None and effect is Effect.SAME and state.status.terminal  # a list's word, again
    if effect in {Effect.CHANGED, Effect.SAME} and not is_less:
        columns["delivered_at" if update.source is Source.DELIVERY else "reported_as_of"] = update.as_of
    columns |= _plan_reads(state, update, report, effect, now)
    return Advance(effect, replace(state, **columns), change, event)


def judge(state: RemoteState, outputs: Outputs, update: Update, report: Report) -> Effect:
    """Compare a report with what is known."""
    if report.status.terminal and state.status.terminal:
        return _judge_ends(state, outputs, update, report)
    if state.status.terminal:
        return Effect.STALE
    if report.status.terminal or state.status not in POLLED:
        return Effect.CHANGED
    if update.source is Source.DELIVERY or not _began_later(update.as_of, state.reported_as_of):
        return Effect.STALE
    return Effect.SAME if report.raw_status == state.raw_status else Effect.CHANGED


def _judge_ends(state: RemoteState, outputs: Outputs, update: Update, report: Report) -> Effect:
    if report.outputs is None:  # a row of a list: it tells the end, not what was made
        same = report.status is state.status
    else:
        known = _content(state.status, state.error_message, outputs)
        same = _content(report.status, report.error_message, report.outputs) == known
    if same:
        return Effect.SAME
    if report.completed_at and state.completed_at and report.completed_at != state.completed_at:
        return Effect.CHANGED if report.completed_at > state.completed_at else Effect.STALE
    if update.source is Source.DELIVERY:
        return Effect.DISPUTED
    if not _began_later(update.as_of, state.reported_as_of):
        return Effect.STALE
    # A read that began before the contradicting delivery came cannot know better than it.
    return Effect.DISPUTED if state.delivered_at and update.as_of < state.delivered_at else Effect.CHANGED


def _began_later(as_of: datetime, known: datetime | None) -> bool:
    return known is None or as_of > known


def _content(status: Status, error: str | None, outputs: Outputs | None) -> object:
    kept = [
        [output.get(name) for name in ("id", "label", "type", "value", "status", "error")] for output in outputs or ()
    ]
    return status, _reason(error, outputs), kept


def _reason(error: str | None, outputs: Outputs | None) -> str | None:
    """Return the trimmed top-level message, else the first error of an output; the raw report keeps it whole."""
    found = (error, *(wire.output_from(output).error for output in outputs or ()))
    return next((text.strip()[:_REASON_LENGTH] for text in found if text and text.strip()), None)


def _learn_kind(state: RemoteState, report: Report) -> Kind:
    """Return what the outputs show at the end, and before it what an operator has set, else how many there are."""
    types = [str(output.get("type")) for output in report.outputs or ()]
    if report.status is Status.COMPLETED and types:
        return Kind.of_outputs(types)
    if state.kind_set is not None:
        return state.kind_set
    return Kind.MULTI_STEP if len(types) > 1 and state.kind is Kind.IMAGE else state.kind


def _plan_reads(
    state: RemoteState, update: Update, report: Report, effect: Effect, now: datetime
) -> dict[str, datetime | None]:
    """Decide the next read: none after the end, unless two ends contradict each other or the results are unread."""
    kind = _learn_kind(state, report) if effect is Effect.CHANGED else state.kind
    if not (report.status if effect is Effect.CHANGED else state.status).terminal:
        next_poll_at = schedule.next_poll_at(
            kind,
            webhook_expected=state.webhook_expected,
            polls=state.poll_count,
            created_at=state.created_at,
            now=now,
        )
        return {"next_poll_at": next_poll_at}
    if effect is Effect.CHANGED and report.outputs is None:
        return {"confirm_from": now, "next_poll_at": now}  # a list tells the end, but not what was made
    if effect is Effect.DISPUTED:
        return {"confirm_from": now, "next_poll_at": schedule.earliest_poll_at(kind, state.last_poll_at, now)}
    if state.confirm_from is None:
        return {"next_poll_at": None}
    if update.source is Source.DELIVERY or update.as_of < state.confirm_from or report.outputs is None:
        return {}  # only a whole read that began later settles it
    if effect is Effect.STALE:  # Lamina itself is not of one mind yet: ask again
        return {"next_poll_at": now + timedelta(seconds=schedule.INTERVALS[kind][0])}
    return {"confirm_from": None, "next_poll_at": None}


def _tell_change(state: RemoteState, source: Source, report: Report, now: datetime) -> Event:
    kind = "refined" if state.status.terminal and state.status is report.status else "status"
    if kind == "refined" and state.completed_at == report.completed_at:
        kind = "results"
    detail: dict[str, Any] = {"from": state.status, "to": report.status, "word": report.raw_status}
    if report.status.terminal and not state.status.terminal and report.completed_at:
        detail["seconds_after_end"] = round(max(0.0, (now - report.completed_at).total_seconds()), 3)
    return Event(at=now, kind=kind, actor=source, detail=detail, execution=state.id)


def _take_absence(state: RemoteState, update: Update, now: datetime) -> Advance:
    if update.absence is Absence.NOT_FOUND:
        return _count_missing(state, now)
    asked_for = UNSETTLED_START if update.source is Source.OPERATOR else {Status.STARTING}
    if state.status not in asked_for:
        return Advance(Effect.STALE, state, PayloadChange(state.id))  # settled meanwhile
    status = Status.START_UNCONFIRMED if update.absence is Absence.START_LOST else Status.START_FAILED
    after = replace(state, status=status, error_message=update.reason, updated_at=now, next_poll_at=None)
    problems = [asdict(problem) for problem in update.problems] or None
    detail = {"from": state.status, "to": status, "reason": update.reason}
    return Advance(
        Effect.CHANGED,
        after,
        PayloadChange(state.id, problems=problems),
        _tell_status(state, update.source, detail, now),
    )


def _count_missing(state: RemoteState, now: datetime) -> Advance:
    nothing = PayloadChange(state.id)
    if state.status.terminal:  # an end that was reported stays, even if Lamina has forgotten the execution
        return Advance(Effect.STALE, replace(state, confirm_from=None, next_poll_at=None), nothing)
    count = state.missing_count + 1
    if count < schedule.MISSING_LIMIT:
        next_poll_at = schedule.next_poll_at(
            state.kind, webhook_expected=False, polls=state.poll_count, created_at=state.created_at, now=now
        )
        return Advance(Effect.SAME, replace(state, missing_count=count, next_poll_at=next_poll_at), nothing)
    after = replace(state, missing_count=count, status=Status.GONE, next_poll_at=None, updated_at=now)
    detail = {"from": state.status, "to": Status.GONE}
    return Advance(Effect.CHANGED, after, nothing, _tell_status(state, Source.POLL, detail, now))


def _tell_status(state: RemoteState, source: Source, detail: Mapping[str, Any], now: datetime) -> Event:
    return Event(at=now, kind="status", actor=source, detail=detail, execution=state.id)
