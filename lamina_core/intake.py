"""The one door for what Lamina says of an execution: `apply_update`.

Start answers, deliveries and polls come in any order, twice, or at once, and the row ends the same.
Arrival decides nothing, nor does a signature's time (each retry is signed anew): a terminal report beats
an open one; between terminal ones the later `completedAt` wins, because feedback refines a completed
execution in place; where that does not decide, one confirming read is asked for, and the read that began
last is the truth.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from lamina_core.api import wire
from lamina_core.domain import POLLED, UNSETTLED_START, Absence, Event, Kind, Report, Source, Status, Update, Verdict
from lamina_core.polling import schedule
from lamina_core.store import deliveries, events, executions
from lamina_core.store.executions import RemoteState

log = logging.getLogger(__name__)

_REASON_LENGTH = 2_000  # characters kept in the row that lists read


class Effect(StrEnum):
    """What an update did."""

    CHANGED = "changed"
    SAME = "same"  # it said what we knew
    STALE = "stale"  # we know better
    DISPUTED = "disputed"  # it contradicts what we know; a confirming read is due
    UNKNOWN_EXECUTION = "unknown_execution"  # it belongs to no execution of ours


@dataclass(frozen=True)
class Outcome:
    """What an update did, and to which row."""

    effect: Effect
    execution: int | None


def apply_update(connection: sa.Connection, update: Update, now: datetime) -> Outcome:
    """Bring an execution up to what Lamina said, in the caller's transaction; idempotent and monotonic."""
    row_id = _find_row(connection, update)
    state = executions.lock(connection, row_id) if row_id is not None else None
    if state is None:
        return Outcome(Effect.UNKNOWN_EXECUTION, None)
    report = update.report
    if report is None:
        return Outcome(_apply_absence(connection, state, update, now), state.id)
    if state.execution_id not in {None, report.execution_id}:
        # Lamina's id of a start was settled before by its token; a second id for one start cannot be ours to choose.
        log.error("execution %s is known as %s, not %s", state.id, state.execution_id, report.execution_id)
        return Outcome(Effect.STALE, state.id)
    if state.execution_id is None and executions.id_by_execution_id(connection, report.execution_id) is not None:
        reason = f"Lamina answered with the id of another execution, {report.execution_id}."
        lost = replace(update, report=None, absence=Absence.START_LOST, reason=reason)
        return Outcome(_apply_absence(connection, state, lost, now), state.id)
    effect = judge(state, update, report)
    _write_report(connection, state, update, report, effect, now)
    if state.execution_id is None:
        for kept in deliveries.waiting_for(connection, report.execution_id):
            _apply_delivery(connection, kept, now)
    return Outcome(effect, state.id)


def _find_row(connection: sa.Connection, update: Update) -> int | None:
    if update.execution is not None:
        return update.execution
    if update.report is None:
        return None
    row_id = executions.id_by_execution_id(connection, update.report.execution_id)
    if row_id is not None or not update.token:
        return row_id
    # The webhook URL is not signed: its token may settle a start that waits for an answer, nothing else.
    started = executions.id_by_token(connection, update.token)
    state = executions.lock(connection, started) if started is not None else None
    waits = state is not None and state.status in UNSETTLED_START and state.app_id == update.report.app_id
    return started if waits else None


def judge(state: RemoteState, update: Update, report: Report) -> Effect:
    """Compare a report with what is known; pure."""
    if report.status.terminal and state.status.terminal:
        return _judge_ends(state, update, report)
    if state.status.terminal:
        return Effect.STALE
    if report.status.terminal or state.status not in POLLED:
        return Effect.CHANGED
    if update.source is Source.DELIVERY or not _began_later(update.as_of, state.reported_as_of):
        return Effect.STALE
    return Effect.SAME if report.raw_status == state.raw_status else Effect.CHANGED


def _judge_ends(state: RemoteState, update: Update, report: Report) -> Effect:
    if _content(report.status, report.error_message, report.outputs) == _content(
        state.status, state.error_message, state.outputs
    ):
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


def _content(status: Status, error: str | None, outputs: tuple[Mapping[str, Any], ...] | None) -> object:
    kept = [
        [output.get(name) for name in ("id", "label", "type", "value", "status", "error")] for output in outputs or ()
    ]
    return status, _reason(error, outputs), kept


def _reason(error: str | None, outputs: tuple[Mapping[str, Any], ...] | None) -> str | None:
    """Return the trimmed top-level message, else the first error of an output; the raw report keeps it whole."""
    found = (error, *(wire.output_from(output).error for output in outputs or ()))
    return next((text.strip()[:_REASON_LENGTH] for text in found if text and text.strip()), None)


def _write_report(
    connection: sa.Connection, state: RemoteState, update: Update, report: Report, effect: Effect, now: datetime
) -> None:
    columns: dict[str, Any] = {"missing_count": 0}
    payload: dict[str, Any] = {}
    status = state.status
    if state.execution_id is None:
        columns["execution_id"] = report.execution_id
    if effect is Effect.CHANGED:
        status = report.status
        columns |= {
            "status": status,
            "raw_status": report.raw_status,
            "error_message": _reason(report.error_message, report.outputs),
            "started_at": report.started_at or state.started_at,
            "completed_at": report.completed_at,
            "updated_at": now,
            "kind": _learn_kind(state, report),
        }
        payload["last_report"] = dict(report.raw)
        if report.outputs is not None:
            payload["outputs"] = [dict(output) for output in report.outputs]
        _note_change(connection, state, update.source, report, now)
    elif effect is Effect.SAME and not status.terminal and report.outputs is not None:
        payload = {"last_report": dict(report.raw), "outputs": [dict(output) for output in report.outputs]}
    elif effect is Effect.SAME and status.terminal:
        columns["completed_at"] = state.completed_at or report.completed_at
    if effect in {Effect.CHANGED, Effect.SAME}:
        columns["delivered_at" if update.source is Source.DELIVERY else "reported_as_of"] = update.as_of
    columns |= _plan_reads(state, update, effect, status, now)
    executions.write_remote(connection, state.id, columns, payload)


def _learn_kind(state: RemoteState, report: Report) -> Kind:
    """Return what the outputs show: their types when they are done, their number before."""
    types = [str(output.get("type")) for output in report.outputs or ()]
    if report.status is Status.COMPLETED and types:
        return Kind.of_outputs(types)
    return Kind.MULTI_STEP if len(types) > 1 and state.kind is Kind.IMAGE else state.kind


def _plan_reads(
    state: RemoteState, update: Update, effect: Effect, status: Status, now: datetime
) -> dict[str, datetime | None]:
    """Decide the next read: none after the end, unless two ends contradict each other."""
    if not status.terminal:
        next_poll_at = schedule.next_poll_at(
            state.kind,
            webhook_expected=state.webhook_expected,
            polls=state.poll_count,
            created_at=state.created_at,
            now=now,
        )
        return {"next_poll_at": next_poll_at}
    settles = update.source is not Source.DELIVERY and (not state.confirm_from or update.as_of >= state.confirm_from)
    if effect is Effect.DISPUTED:
        return {
            "confirm_from": now,
            "next_poll_at": schedule.earliest_poll_at(state.kind, state.last_poll_at, now),
        }
    if state.confirm_from and not settles:
        return {}
    return {"confirm_from": None, "next_poll_at": None}


def _note_change(connection: sa.Connection, state: RemoteState, source: Source, report: Report, now: datetime) -> None:
    kind = "refined" if state.status.terminal and state.status is report.status else "status"
    detail = {"from": state.status, "to": report.status, "word": report.raw_status}
    events.append(connection, Event(at=now, kind=kind, actor=source, detail=detail, execution=state.id))


def _apply_absence(connection: sa.Connection, state: RemoteState, update: Update, now: datetime) -> Effect:
    if update.absence is Absence.NOT_FOUND:
        return _count_missing(connection, state, now)
    if state.status is not Status.STARTING:
        return Effect.STALE  # settled meanwhile
    status = Status.START_UNCONFIRMED if update.absence is Absence.START_LOST else Status.START_FAILED
    problems = [asdict(problem) for problem in update.problems] or None
    columns = {"status": status, "error_message": update.reason, "updated_at": now, "next_poll_at": None}
    executions.write_remote(connection, state.id, columns, {"problems": problems})
    detail = {"from": state.status, "to": status, "reason": update.reason}
    events.append(connection, Event(at=now, kind="status", actor=update.source, detail=detail, execution=state.id))
    return Effect.CHANGED


def _count_missing(connection: sa.Connection, state: RemoteState, now: datetime) -> Effect:
    if state.status.terminal:
        executions.write_remote(connection, state.id, {"confirm_from": None, "next_poll_at": None}, {})
        return Effect.STALE  # an end that was reported stays, even if Lamina has forgotten the execution
    count = state.missing_count + 1
    columns: dict[str, Any] = {"missing_count": count}
    if count < schedule.MISSING_LIMIT:
        columns["next_poll_at"] = schedule.next_poll_at(
            state.kind, webhook_expected=False, polls=state.poll_count, created_at=state.created_at, now=now
        )
        executions.write_remote(connection, state.id, columns, {})
        return Effect.SAME
    columns |= {"status": Status.GONE, "next_poll_at": None, "updated_at": now}
    executions.write_remote(connection, state.id, columns, {})
    detail = {"from": state.status, "to": Status.GONE}
    events.append(connection, Event(at=now, kind="status", actor=Source.POLL, detail=detail, execution=state.id))
    return Effect.CHANGED


def take_delivery(connection: sa.Connection, arrival: deliveries.Arrival, now: datetime) -> int:
    """Record a POST, apply it if it is verified, and return its row's id."""
    row_id = deliveries.insert(connection, arrival)
    if arrival.verdict is Verdict.ACCEPTED:
        _apply_delivery(connection, deliveries.find_kept(connection, row_id), now)
    return row_id


def _apply_delivery(connection: sa.Connection, kept: deliveries.Kept, now: datetime) -> None:
    try:
        report = wire.report_from(wire.data_of(wire.parse_json(kept.body)))
    except ValueError:
        deliveries.link(connection, kept.id, execution=None, reason="unreadable_body")
        return
    deliveries.name_execution(connection, kept.id, report.execution_id)
    original = deliveries.first_same(connection, kept.id, report.execution_id, kept.content_hash)
    if original is not None:
        known = executions.id_by_execution_id(connection, report.execution_id)
        deliveries.link(connection, kept.id, execution=known, reason="duplicate", duplicate_of=original)
        return
    update = Update(Source.DELIVERY, as_of=kept.received_at, report=report, token=kept.start_token)
    outcome = apply_update(connection, update, now)
    reason = None if outcome.effect is Effect.CHANGED else outcome.effect
    deliveries.link(connection, kept.id, execution=outcome.execution, reason=reason)


def settle_delivery(
    connection: sa.Connection,
    delivery: int,
    *,
    verdict: Verdict,
    reason: str | None,
    key_id: str | None,
    now: datetime,
) -> None:
    """Write the verdict of a delivery that could not be checked when it came, and apply it if it verifies."""
    deliveries.settle(connection, delivery, verdict=verdict, reason=reason, key_id=key_id)
    if verdict is Verdict.ACCEPTED:
        _apply_delivery(connection, deliveries.find_kept(connection, delivery), now)
