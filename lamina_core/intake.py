"""The one door for what Lamina says of executions, `apply_updates`, and for executions that others started.

Start answers, deliveries and polls come in any order, twice, or at once, and the row ends the same: `progress`
decides, here it is looked up, locked and written, for many executions in a few statements.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from lamina_core import progress
from lamina_core.api import wire
from lamina_core.domain import Absence, Event, Report, Source, Update, Verdict
from lamina_core.progress import Effect
from lamina_core.store import deliveries, events, executions, remote
from lamina_core.store.deliveries import Arrival, Kept
from lamina_core.store.remote import PayloadChange, RemoteState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What an update did, and to which row."""

    effect: Effect
    execution: int | None

    @property
    def oddity(self) -> str | None:
        """Return what a delivery's row says of it, nothing where it changed what it should."""
        return None if self.effect is Effect.CHANGED else self.effect


def apply_update(connection: sa.Connection, update: Update, now: datetime) -> Outcome:
    """Bring one execution up to what Lamina said; see `apply_updates`."""
    return apply_updates(connection, [update], now)[0]


def apply_updates(connection: sa.Connection, updates: Sequence[Update], now: datetime) -> list[Outcome]:
    """Bring executions up to what Lamina said, in the caller's transaction; idempotent and monotonic."""
    rows = _find_rows(connection, updates)
    states = remote.lock(connection, {row_id for row_id in rows if row_id is not None})
    ended = [state.id for state in states.values() if state.status.terminal]
    outputs = remote.outputs_of(connection, ended)
    named: dict[int, str] = {}
    changes: list[PayloadChange] = []
    told: list[Event] = []
    outcomes = []
    for update, row_id in zip(updates, rows, strict=True):
        state = states.get(row_id) if row_id is not None else None
        if state is None:
            outcomes.append(Outcome(Effect.UNKNOWN_EXECUTION, None))
            continue
        checked = _check_name(connection, state, update)
        if checked is None:
            outcomes.append(Outcome(Effect.STALE, state.id))
            continue
        step = progress.advance(state, outputs.get(state.id, ()), checked, now)
        states[state.id] = step.state
        if checked.report is not None and state.execution_id is None:
            named[state.id] = checked.report.execution_id
            states[state.id] = replace(step.state, execution_id=checked.report.execution_id)
        if step.change != PayloadChange(state.id):
            changes.append(step.change)
        if step.change.outputs is not None:
            outputs[state.id] = step.change.outputs
        told += [step.event] if step.event else []
        outcomes.append(Outcome(step.effect, state.id))
    for row_id, execution_id in named.items():
        remote.name(connection, row_id, execution_id)
    remote.write_remote(connection, list(states.values()), changes)
    events.append_all(connection, told)
    apply_waiting(connection, named.values(), now)
    return outcomes


def _find_rows(connection: sa.Connection, updates: Sequence[Update]) -> list[int | None]:
    names = {update.report.execution_id for update in updates if update.report}
    known = executions.known_by_execution_id(connection, names)
    rows = []
    for update in updates:
        stranger = known.get(update.report.execution_id) if update.report else None
        row_id = update.execution
        if row_id is None and stranger is not None and stranger.is_ours:
            row_id, stranger = stranger.id, None
        if row_id is None and update.report is not None:
            row_id = _find_by_token(connection, update, update.report)
        if row_id is None and stranger is not None:
            row_id = stranger.id
        elif row_id is not None and stranger is not None and row_id != stranger.id and not stranger.is_ours:
            remote.absorb(connection, row_id, stranger.id)  # somebody else's execution proves to be a start of ours
            del known[stranger.execution_id]
        rows.append(row_id)
    return rows


def _find_by_token(connection: sa.Connection, update: Update, report: Report) -> int | None:
    """Return the start that a token belongs to: the webhook URL is not signed, so it settles nothing else."""
    started = executions.id_by_token(connection, update.token) if update.token else None
    state = remote.lock(connection, {started}).get(started) if started is not None else None
    waits = state is not None and state.execution_id is None and state.app_id == report.app_id
    return started if waits else None


def _check_name(connection: sa.Connection, state: RemoteState, update: Update) -> Update | None:
    """Return what an update says once its id is compared with ours; None if it is about another execution."""
    if update.report is None or state.execution_id == update.report.execution_id:
        return update
    said = update.report.execution_id
    if state.execution_id is not None:
        # Lamina's id of a start was settled before by its token; a second id for one start cannot be ours to choose.
        log.error("execution %s is known as %s, not %s", state.id, state.execution_id, said)
        return None
    if executions.known_by_execution_id(connection, {said}):
        reason = f"Lamina answered with the id of another execution, {said}."
        return replace(update, report=None, absence=Absence.START_LOST, reason=reason)
    return update


def take_deliveries(connection: sa.Connection, arrivals: Sequence[Arrival], now: datetime) -> list[int]:
    """Record POSTs, apply those that are verified and readable, and return their rows' ids in order."""
    same = [(arrival.report.execution_id, arrival.content_hash) for arrival in arrivals if arrival.report]
    originals = deliveries.find_same(connection, same)
    first: dict[tuple[str, str], int] = {}  # place in this group
    for place, arrival in enumerate(arrivals):
        if arrival.report and (arrival.report.execution_id, arrival.content_hash) not in originals:
            first.setdefault((arrival.report.execution_id, arrival.content_hash), place)
    fresh = sorted(first.values())
    outcomes = dict(
        zip(fresh, apply_updates(connection, [_update(arrivals[place]) for place in fresh], now), strict=True)
    )
    rows = []
    for place, arrival in enumerate(arrivals):
        if place in outcomes:
            outcome = outcomes[place]
            arrival = replace(arrival, execution=outcome.execution, reason=outcome.oddity)  # noqa: PLW2901
        elif arrival.report and (key := (arrival.report.execution_id, arrival.content_hash)):
            original, execution = originals.get(key) or (None, outcomes[first[key]].execution)
            arrival = replace(arrival, reason="duplicate", duplicate_of=original, execution=execution)  # noqa: PLW2901
        rows.append(arrival)
    ids = deliveries.insert_all(connection, rows)
    for place, arrival in enumerate(rows):
        if arrival.reason == "duplicate" and arrival.duplicate_of is None and arrival.report:
            original = ids[first[arrival.report.execution_id, arrival.content_hash]]
            deliveries.link(connection, ids[place], arrival.execution, "duplicate", original)
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
        deliveries.link(connection, kept.id, known, "duplicate", original)
        return
    update = Update(Source.DELIVERY, as_of=kept.received_at, report=report, token=kept.start_token)
    outcome = apply_update(connection, update, now)
    deliveries.link(connection, kept.id, outcome.execution, outcome.oddity)
