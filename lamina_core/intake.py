"""The one door for what Lamina says of executions, `apply_updates`, and for executions that others started.

Start answers, deliveries and polls come in any order, twice, or at once, and the row ends the same: `progress`
decides, here it is looked up, locked and written, for many executions in a few statements.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from lamina_core import progress
from lamina_core.api import wire
from lamina_core.domain import Absence, Event, Report, Source, Update, Verdict
from lamina_core.progress import Effect
from lamina_core.store import deliveries, events, executions, failures, remote
from lamina_core.store.deliveries import DUPLICATE, Arrival, Finding, Kept
from lamina_core.store.remote import PayloadChange, RemoteState
from lamina_core.triage.noting import note_failures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What an update did, and to which row."""

    effect: Effect
    execution: int | None

    @property
    def finding(self) -> Finding:
        """Return what a delivery's row says of it: nothing odd where it changed what it should."""
        return Finding(self.execution, None if self.effect is Effect.CHANGED else self.effect)


def apply_update(connection: sa.Connection, update: Update, now: datetime) -> Outcome:
    """Bring one execution up to what Lamina said; see `apply_updates`."""
    return apply_updates(connection, [update], now)[0]


def apply_updates(connection: sa.Connection, updates: Sequence[Update], now: datetime) -> list[Outcome]:
    """Bring executions up to what Lamina said, in the caller's transaction; idempotent and monotonic."""
    states, rows = _lock_rows(connection, updates)
    outputs = remote.outputs_of(connection, [state.id for state in states.values() if state.status.terminal])
    before = {state.id: state.status for state in states.values()}
    named: dict[int, str] = {}
    dated: dict[int, datetime] = {}
    inherited: list[Update] = []
    changes: list[PayloadChange] = []
    told: list[Event] = []
    outcomes = []
    for update, row_id in zip(updates, rows, strict=True):
        state = states.get(row_id) if row_id is not None else None
        checked = _check_name(connection, state, update, inherited, now) if state is not None else None
        if state is None or checked is None:
            outcomes.append(Outcome(Effect.STALE if state else Effect.UNKNOWN_EXECUTION, state.id if state else None))
            continue
        step = progress.advance(state, outputs.get(state.id, ()), checked, now)
        states[state.id] = step.state
        if checked.report is not None and state.execution_id is None:
            named[state.id] = checked.report.execution_id
            states[state.id] = replace(step.state, execution_id=checked.report.execution_id)
        if step.state.created_at != state.created_at:
            dated[state.id] = step.state.created_at
        if step.change != PayloadChange(state.id):
            changes.append(step.change)
        if step.change.outputs is not None:
            outputs[state.id] = step.change.outputs
        told += [step.event] if step.event else []
        outcomes.append(Outcome(step.effect, state.id))
    for row_id, execution_id in named.items():
        remote.name(connection, row_id, execution_id)
    remote.date(connection, dated)
    remote.write_remote(connection, list(states.values()), changes)
    events.append_all(connection, told)
    changed = {outcome.execution for outcome in outcomes if outcome.effect is Effect.CHANGED}
    problems = {change.execution: change.problems for change in changes if change.problems}
    failed = [state for state in states.values() if state.id in changed]
    note_failures(connection, failed, before, outputs, problems, now)
    apply_waiting(connection, named.values(), now)
    if inherited:
        apply_updates(connection, inherited, now)
    return outcomes


def _lock_rows(connection: sa.Connection, updates: Sequence[Update]) -> tuple[dict[int, RemoteState], list[int | None]]:
    """Return the executions that updates are about, and for each update which one, None where it is not here."""
    ids = {update.execution for update in updates if update.execution is not None}
    states = {state.id: state for state in remote.lock(connection, ids)}
    unfound = [update for update in updates if update.report is not None and not _is_about(states, update)]
    known = {
        state.execution_id: state
        for state in remote.lock_named(connection, {update.report.execution_id for update in unfound if update.report})
    }
    states |= {state.id: state for state in known.values()}
    rows = []
    for update in updates:
        row_id = update.execution if _is_about(states, update) else None
        if row_id is None and update.report is not None:
            state = known.get(update.report.execution_id)
            if state is None or not state.is_ours:
                state = _find_by_token(connection, update, update.report) or state
            if state is not None:
                states.setdefault(state.id, state)
                row_id = state.id
        rows.append(row_id)
    return states, rows


def _is_about(states: Mapping[int, RemoteState], update: Update) -> bool:
    """Say whether an update is about the row that it names.

    A row that was read may have become one with another since, and its number may be another execution's by now:
    then Lamina's id says which it is.
    """
    state = states.get(update.execution) if update.execution is not None else None
    if state is None or update.source is not Source.POLL:
        return state is not None
    return state.execution_id is not None and (
        update.report is None or update.report.execution_id == state.execution_id
    )


def _find_by_token(connection: sa.Connection, update: Update, report: Report) -> RemoteState | None:
    """Return the start that a token belongs to: the webhook URL is not signed, so it settles nothing else."""
    started = executions.id_by_token(connection, update.token) if update.token else None
    for state in remote.lock(connection, {started}) if started is not None else ():
        if state.execution_id is None and state.app_id == report.app_id:
            return state
    return None


def _check_name(
    connection: sa.Connection, state: RemoteState, update: Update, inherited: list[Update], now: datetime
) -> Update | None:
    """Return what an update says once its id is compared with ours; None if it is about another execution.

    A row of somebody else's execution that turns out to be this start of ours becomes one with it; what was last
    read of that row is added to `inherited`.
    """
    if update.report is None or state.execution_id == update.report.execution_id:
        return update
    said = update.report.execution_id
    if state.execution_id is not None:
        # Lamina's id of a start was settled before by its token; a second id for one start cannot be ours to choose.
        log.error("execution %s is known as %s, not %s", state.id, state.execution_id, said)
        return None
    for other in remote.lock_named(connection, {said}):
        if other.is_ours:
            reason = f"Lamina answered with the id of another execution, {said}."
            return replace(update, report=None, absence=Absence.START_LOST, reason=reason)
        report = remote.last_report(connection, other.id)
        if report is not None and other.reported_as_of is not None:
            read = wire.report_from(report)
            inherited.append(Update(Source.POLL, other.reported_as_of, state.id, report=read))
        failures.forget(connection, other.id, state.id, now)
        remote.absorb(connection, state.id, other.id)
    return update


def take_deliveries(connection: sa.Connection, arrivals: Sequence[Arrival], now: datetime) -> list[int]:
    """Record POSTs, apply those that are verified and readable, and return their rows' ids in order."""
    contents = [(arrival.report.execution_id, arrival.content_hash) if arrival.report else None for arrival in arrivals]
    originals = deliveries.find_same(connection, [content for content in contents if content])
    first: dict[tuple[str, str], int] = {}  # place in this group of what was not here before
    for place, content in enumerate(contents):
        # What was here before and belongs to nothing yet may belong to the start that this one's token names.
        known = content is not None and content in originals
        if content and (not known or (arrivals[place].start_token and originals[content][1] is None)):
            first.setdefault(content, place)
    outcomes = apply_updates(connection, [_update(arrivals[place]) for place in first.values()], now)
    found = dict(zip(first.values(), outcomes, strict=True))
    findings, copies = [], {}
    for place, (arrival, content) in enumerate(zip(arrivals, contents, strict=True)):
        if content is None:
            findings.append(Finding(None, arrival.reason))
        elif place in found:
            findings.append(found[place].finding)
        elif content in originals:
            original, execution = originals[content]
            findings.append(Finding(execution, DUPLICATE, original))
        else:
            copies[place] = first[content]
            findings.append(Finding(found[first[content]].execution, DUPLICATE))
    ids = deliveries.insert_all(connection, list(zip(arrivals, findings, strict=True)))
    for place, original in copies.items():
        deliveries.link(connection, ids[place], replace(findings[place], duplicate_of=ids[original]))
    return ids


def _update(arrival: Arrival) -> Update:
    return Update(Source.DELIVERY, as_of=arrival.received_at, report=arrival.report, token=arrival.start_token)


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
    if verdict is Verdict.ACCEPTED and reason is None:
        _apply_kept(connection, deliveries.find_kept(connection, delivery), now)


def apply_waiting(connection: sa.Connection, execution_ids: Iterable[str], now: datetime) -> None:
    """Apply the verified deliveries that came before the executions that they are about."""
    for kept in deliveries.waiting_for(connection, list(execution_ids)):
        _apply_kept(connection, kept, now)


def _apply_kept(connection: sa.Connection, kept: Kept, now: datetime) -> None:
    report = wire.report_from(wire.data_of(wire.parse_json(kept.body)))
    key = (report.execution_id, kept.content_hash)
    original, known = deliveries.find_same(connection, [key], before=kept.id).get(key, (None, None))
    if original is not None:
        deliveries.link(connection, kept.id, Finding(known, DUPLICATE, original))
        return
    update = Update(Source.DELIVERY, as_of=kept.received_at, report=report, token=kept.start_token)
    deliveries.link(connection, kept.id, apply_update(connection, update, now).finding)
