"""A history: which executions there were, what became of each, and what support did about those that failed.

Deterministic: the same seed and end give the same rows, each batch by itself, so that one may go on after any of them.
Only the newest have a whole timeline, a last report and deliveries: see `telling`.
"""

import heapq
import random
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any

from lamina_core.domain import Event, Generation, Origin, Status
from lamina_core.seeding import fates, support, telling, words
from lamina_core.seeding.apps import Model
from lamina_core.seeding.fates import Fate
from lamina_core.seeding.inputs import make_inputs, mend_inputs
from lamina_core.seeding.rhythm import Rhythm
from lamina_core.signing import SigningKey
from lamina_core.store.remote import milliseconds_of
from lamina_core.store.seeding import Batch, SeededFailure
from lamina_core.triage.fingerprint import find_cause
from lamina_core.triage.records import Failure, FailureGroup, Triage

BATCH = 10_000  # executions in one transaction

_IN_FLIGHT = 3  # newest executions that have not ended
_DETAILED, _DETAILED_LEAST = 20_000, 500  # newest executions with a whole timeline and their deliveries
_REPLAYED = 0.4  # of failures
_BULK = 0.3  # of replays
_REPLAY_FAILS = 0.25
_MENDED = 0.5  # of the replays of what its inputs had failed
_OURS = frozenset({Origin.FORM, Origin.REPLAY, Origin.BULK})
_ORIGINS = (
    [Origin.FORM] * 25 + [Origin.REGISTERED] * 45 + [Origin.IMPORTED] * 18 + [Origin.WEBHOOK] * 12
)  # percent of what is no replay
_REFERRED = {Origin.REGISTERED: 0.6, Origin.IMPORTED: 0.3}


@dataclass(frozen=True)
class Start:
    """An execution as it begins."""

    id: int
    model: Model
    inputs: Mapping[str, Any]
    created_at: datetime
    origin: Origin
    started_by: str
    replay_of: int | None


@dataclass(frozen=True)
class History:
    """What is to be told; `first` is the first execution's id, `in_flight` says whether the last ones go on."""

    models: tuple[Model, ...]
    seed: int
    number: int
    first: int
    end: datetime
    days: int
    generation: Generation
    in_flight: bool
    batch: int = BATCH
    samples: str | None = None  # where the pictures of inputs are: see `make_inputs`
    key: SigningKey | None = None  # with which its webhooks are signed; without one they only look so

    @cached_property
    def rhythm(self) -> Rhythm:
        """When its executions begin."""
        return Rhythm(self.end, self.days)

    @cached_property
    def shares(self) -> list[float]:
        """Return how the apps share the executions, added up."""
        return list(accumulate(model.weight for model in self.models))

    def batches(self, done: int) -> Iterator[Batch]:
        """Give the batches after the first executions, as many as are stored already."""
        for begin in range(done, self.number, self.batch):
            yield _Chapter(self, begin, min(begin + self.batch, self.number)).write()

    def settle(self, groups: list[FailureGroup]) -> list[FailureGroup]:
        """Return the groups of the whole history about which support did something, changed so."""
        rng = random.Random(f"{self.seed}:{self.first}:groups")  # noqa: S311 - demo data
        return support.settle(rng, groups, self.end)


class _Chapter:
    """One batch of a history; replays are of what failed in the same batch."""

    def __init__(self, history: History, begin: int, until: int) -> None:
        self._history = history
        self._places = range(begin, until)
        self._rng = random.Random(f"{history.seed}:{history.first}:{begin}")  # noqa: S311 - demo data
        self._batch = Batch()
        self._replays: list[tuple[datetime, int, Start]] = []  # a heap: when, and what is replayed
        self._failures: dict[int, SeededFailure] = {}
        self._parents: dict[int, int] = {}
        detailed = max(min(_DETAILED, history.number // 50), _DETAILED_LEAST)
        self._detailed_from = history.number - detailed

    def write(self) -> Batch:
        """Return the batch, whole."""
        for place in self._places:
            self._add(place)
        for each in self._failures.values():
            triaged, event = support.triage(self._rng, each, self._history.end)
            self._batch.failures.append(triaged)
            self._batch.events += [event] if event else []
        return self._batch

    def _add(self, place: int) -> None:
        history = self._history
        start = self._begin(place)
        fate = fates.draw_fate(self._rng, start.model, start.inputs, self._conditions(start, place))
        execution_id = None if fate.is_unnamed else _new_id(self._rng)
        row = self._row(start, fate, execution_id)
        is_detailed = place >= self._detailed_from
        report = telling.make_report(row, fate) if is_detailed and execution_id and fate.is_reported else None
        token = f"{self._rng.getrandbits(128):032x}" if start.origin in _OURS else None
        self._batch.executions.append(row)
        self._batch.payloads.append(
            {
                "execution": start.id,
                "start_token": token,
                "inputs": start.inputs if start.origin is not Origin.WEBHOOK else None,
                "chosen_outputs": None,
                "outputs": fate.outputs,
                "last_report": report,
                "problems": fate.problems,
            }
        )
        if is_detailed:
            self._batch.events += telling.tell_timeline(row, fate)
        if report is not None and row["delivered_at"] is not None:
            self._batch.deliveries += telling.make_deliveries(self._rng, row, report, token, history.key)
        self._follow(start, fate, row)

    def _begin(self, place: int) -> Start:
        history, rng = self._history, self._rng
        at, row_id = self._instant(place), history.first + place
        if self._replays and self._replays[0][0] <= at:
            _, _, original = heapq.heappop(self._replays)
            inputs = original.inputs
            if original.model.find_rule(inputs) and rng.random() < _MENDED:
                inputs = mend_inputs(rng, original.model.app, inputs, history.samples)
            origin = Origin.BULK if rng.random() < _BULK else Origin.REPLAY
            self._parents[row_id] = original.id
            return Start(row_id, original.model, inputs, at, origin, rng.choice(words.OPERATORS), original.id)
        model = history.models[bisect(history.shares, rng.random() * history.shares[-1], hi=len(history.models) - 1)]
        origin = rng.choice(_ORIGINS)
        by = rng.choice(words.OPERATORS) if origin is Origin.FORM else str(origin)
        return Start(row_id, model, make_inputs(rng, model.app, history.samples), at, origin, by, None)

    def _instant(self, place: int) -> datetime:
        history = self._history
        if history.in_flight and place >= history.number - _IN_FLIGHT:
            return history.end - timedelta(seconds=2 * (history.number - place))
        return history.rhythm.instant((place + self._rng.random()) / history.number)

    def _conditions(self, start: Start, place: int) -> fates.Conditions:
        history = self._history
        return fates.Conditions(
            share=place / history.number,
            created_at=start.created_at,
            end=history.end,
            in_flight=history.in_flight,
            is_ours=start.origin in _OURS,
            fails=_REPLAY_FAILS if start.replay_of else fates.FAILS,
        )

    def _row(self, start: Start, fate: Fate, execution_id: str | None) -> dict[str, Any]:
        rng, created_at = self._rng, start.created_at
        by_webhook = start.origin is Origin.WEBHOOK or (start.origin in _OURS and rng.random() < 0.85)
        delay = 0.2 + rng.random() * (1.5 if by_webhook else 5.0)
        seen_at = (fate.completed_at or fate.started_at or created_at) + timedelta(milliseconds=int(delay * 1000))
        is_told = fate.is_reported and fate.completed_at is not None
        polls = 0 if fate.is_unnamed else int(rng.random() * 3) + (not by_webhook)
        referred = rng.random() < _REFERRED.get(start.origin, 0.02)
        return {
            "id": start.id,
            "execution_id": execution_id,
            "app_id": start.model.app.app_id,
            "app_name": start.model.app.name,
            "status": fate.status,
            "raw_status": None if fate.is_unnamed else str(fate.word),
            "kind": start.model.kind,
            "generation": self._history.generation,
            "error_message": fate.error,
            "created_at": created_at,
            "started_at": fate.started_at,
            "completed_at": fate.completed_at,
            "duration": milliseconds_of(created_at, fate.completed_at),
            "updated_at": seen_at,
            "reported_as_of": None if is_told and by_webhook else seen_at,
            "delivered_at": seen_at if is_told and by_webhook else None,
            "confirm_from": None,
            "missing_count": 3 if fate.status is Status.GONE else 0,
            "next_poll_at": None,
            "last_poll_at": seen_at if polls else None,
            "poll_count": polls,
            "poll_error": None,
            "origin": start.origin,
            "replay_of": start.replay_of,
            "started_by": start.started_by,
            "webhook_expected": by_webhook and start.origin in _OURS,
            "reference": words.write_reference(rng) if referred else None,
        }

    def _follow(self, start: Start, fate: Fate, row: Mapping[str, Any]) -> None:
        """Note what an end means for failures: one more, perhaps to be replayed, or some that are mended."""
        app, rng = start.model.app, self._rng
        if start.replay_of is not None:
            self._tell(row["created_at"], "replayed", start.started_by, start.replay_of, {"replay": start.id})
        cause = find_cause(app.app_id, fate.status, fate.error, fate.outputs or (), fate.problems or ())
        if cause is None:
            if fate.status is Status.COMPLETED:
                self._mend(start, row["updated_at"])
            return
        failed_at = fate.completed_at or row["updated_at"]
        failure = Failure(start.id, cause.fingerprint, failed_at, Triage.OPEN, None, None, None, None, None)
        self._failures[start.id] = SeededFailure(failure, cause, app.name, fate.error)
        if start.origin is not Origin.WEBHOOK and rng.random() < _REPLAYED:
            due = failed_at + timedelta(seconds=60 + rng.expovariate(1 / 5_000))
            heapq.heappush(self._replays, (due, start.id, start))

    def _mend(self, start: Start, at: datetime) -> None:
        """Close what a replay has mended: its original's failure, and that of what this one was a replay of."""
        parent = start.replay_of
        while parent is not None:
            known = self._failures.get(parent)
            if known is not None and known.failure.triage is not Triage.RESOLVED:
                closed = replace(known.failure, triage=Triage.RESOLVED, triage_at=at, resolved_by=start.id)
                self._failures[parent] = replace(known, failure=closed)
                self._tell(at, "resolved", "replay", parent, {"replay": start.id})
            parent = self._parents.get(parent)

    def _tell(self, at: datetime, kind: str, actor: str, execution: int, detail: Mapping[str, Any]) -> None:
        self._batch.events.append(Event(at, kind, actor, detail, execution))


def _new_id(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
