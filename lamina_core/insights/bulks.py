"""What screens read of operations on many executions: their history, and how far one has come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lamina_core.bulk.records import Bulk, BulkKind, BulkState, ItemState
from lamina_core.domain import Execution, Status
from lamina_core.store import bulks, executions, search
from lamina_core.store.bulks import ItemView
from lamina_core.store.engine import Engines

HISTORY = 50  # operations
ITEMS = 200  # executions of one operation


class Outcome(StrEnum):
    """What has become of one execution of an operation, in people's words."""

    WAITING = "waiting"
    UNDER_WAY = "under way"
    COMPLETED = "completed"
    ASKED = "asked to cancel"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCONFIRMED = "unconfirmed"  # Lamina may or may not have accepted the start
    NOT_SENT = "not sent"  # it waited when the operation was aborted
    LEFT_OUT = "left out"


_ENDS: Mapping[Status, Outcome] = {
    Status.COMPLETED: Outcome.COMPLETED,
    Status.FAILED: Outcome.FAILED,
    Status.START_FAILED: Outcome.FAILED,
    Status.GONE: Outcome.FAILED,
    Status.CANCELLED: Outcome.CANCELLED,
    Status.START_UNCONFIRMED: Outcome.UNCONFIRMED,
}
_OPEN = frozenset({Outcome.WAITING, Outcome.UNDER_WAY})
_LIVE = frozenset({BulkState.RUNNING, BulkState.PAUSED, BulkState.STOPPED})


@dataclass(frozen=True)
class Progress:
    """One operation, and how many of its executions have come to what; `time_left` None: nothing is to be sent."""

    bulk: Bulk
    numbers: Mapping[Outcome, int]
    time_left: timedelta | None
    as_of: datetime

    @property
    def total(self) -> int:
        """Return how many executions were chosen."""
        return sum(self.numbers.values())

    @property
    def to_do(self) -> int:
        """Return how many were not left out."""
        return self.total - self.numbers[Outcome.LEFT_OUT]

    @property
    def ended(self) -> int:
        """Return how many of those have ended, however."""
        return self.to_do - sum(self.numbers[outcome] for outcome in (*_OPEN, Outcome.NOT_SENT))

    @property
    def percent(self) -> int:
        """Return how much is done, rounded down: only what is done whole is 100."""
        return 100 * self.ended // self.to_do if self.to_do else 100

    @property
    def awaits_canaries(self) -> bool:
        """Say whether the others wait for the ends of those that went first."""
        bulk = self.bulk
        sent = self.to_do - self.numbers[Outcome.WAITING]
        held = bulk.kind is BulkKind.REPLAY and not bulk.checked and bool(self.numbers[Outcome.UNDER_WAY])
        return (
            bulk.state is BulkState.RUNNING and held and sent >= bulk.canaries and bool(self.numbers[Outcome.WAITING])
        )


@dataclass(frozen=True)
class ItemRow:
    """One execution of an operation and what it became; `problem` is why it was left out or how the replay failed."""

    execution: int
    app_name: str
    outcome: Outcome
    replay: int | None
    problem: str | None


@dataclass(frozen=True)
class BulkDetail:
    """One operation, and the first of its executions."""

    progress: Progress
    items: tuple[ItemRow, ...]


def read_history(engines: Engines, now: datetime) -> list[Progress]:
    """Read the newest operations."""
    with engines.reading() as connection:
        found = bulks.find_newest(connection, HISTORY)
        return [_progress(each, bulks.count(connection, each.id), now) for each in found]


def read_bulk(engines: Engines, bulk_id: int, now: datetime) -> BulkDetail | None:
    """Read one operation; None if the store has none with this id."""
    with engines.reading() as connection:
        bulk = bulks.find(connection, bulk_id)
        if bulk is None:
            return None
        progress = _progress(bulk, bulks.count(connection, bulk_id), now)
        items = bulks.find_items(connection, bulk_id, ITEMS)
        replays = [view.item.replay for view in items if view.item.replay is not None]
        known = search.find_by_ids(connection, [view.item.execution for view in items] + replays)
    return BulkDetail(progress, tuple(_row(bulk, view, known) for view in items))


def count_fields(engines: Engines, ids: Sequence[int]) -> dict[str, int]:
    """Return the names of the executions' inputs with how many have each, the most frequent first."""
    with engines.reading() as connection:
        inputs = executions.find_inputs(connection, ids)
    counts = Counter(name for each in inputs.values() for name in each or {})
    return dict(counts.most_common())


def count_apps(engines: Engines, ids: Sequence[int]) -> dict[str, int]:
    """Return how many of the executions each app has, by the app's id."""
    with engines.reading() as connection:
        found = search.find_by_ids(connection, ids)
    return dict(Counter(row.app_id for row in found.values()))


def count_waiting_apps(engines: Engines, bulk_id: int) -> dict[str, int]:
    """Return how many of the executions that an operation has not sent yet each app has, by the app's id."""
    with engines.reading() as connection:
        return bulks.count_waiting(connection, bulk_id)


def _progress(bulk: Bulk, counts: Mapping[tuple[ItemState, Status | None], int], now: datetime) -> Progress:
    numbers = dict.fromkeys(Outcome, 0)
    for (state, status), number in counts.items():
        numbers[_outcome(bulk, state, status)] += number
    waiting, time_left = numbers[Outcome.WAITING], None
    if waiting and bulk.state in _LIVE:
        until_next = max(bulk.next_at - now, timedelta()) if bulk.next_at else timedelta()
        time_left = until_next + (waiting - 1) * timedelta(minutes=1) / bulk.per_minute
    return Progress(bulk, numbers, time_left, now)


def _outcome(bulk: Bulk, state: ItemState, status: Status | None) -> Outcome:
    if state is ItemState.LEFT_OUT:
        return Outcome.LEFT_OUT
    if state is ItemState.WAITING:
        return Outcome.NOT_SENT if bulk.state is BulkState.ABORTED else Outcome.WAITING
    if state is ItemState.SENDING:
        return Outcome.UNDER_WAY
    if bulk.kind is BulkKind.CANCEL:
        return Outcome.ASKED
    return _ENDS.get(status, Outcome.UNDER_WAY) if status else Outcome.UNCONFIRMED


def _row(bulk: Bulk, view: ItemView, known: Mapping[int, Execution]) -> ItemRow:
    item = view.item
    original, replay = known.get(item.execution), known.get(item.replay) if item.replay is not None else None
    return ItemRow(
        execution=item.execution,
        app_name=original.app_name if original else "",
        outcome=_outcome(bulk, item.state, view.status),
        replay=item.replay,
        problem=item.problem or (replay.error_message if replay else None),
    )
