"""The chore that deletes what is too old, in batches so small that the receiver hardly waits for one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from lamina_core import keep
from lamina_core.clock import Clock
from lamina_core.domain import Status
from lamina_core.keep import Keep
from lamina_core.store import purge, space
from lamina_core.store.engine import Engines
from lamina_core.store.purge import Place
from lamina_core.store.writer import Writer

T = TypeVar("T")

BATCH = 50  # rows deleted in one transaction, which others wait for: a tenth of a second on a busy machine
_WALKED = 1_000  # rows looked at in one read for payloads that are there still
_REST = timedelta(hours=1)  # between two times that nothing too old is left


class Retention:
    """Deletes batch by batch, then rests; a restart in the middle goes on with what is left."""

    def __init__(self, engines: Engines, writer: Writer, clock: Clock, kept: Keep) -> None:
        self._engines = engines
        self._writer = writer
        self._clock = clock
        self._keep = kept
        self._rests_until: datetime | None = None
        self._batches: Iterator[int] | None = None

    def is_due(self) -> bool:
        """Say whether there may be something too old."""
        return self._rests_until is None or self._clock.now() >= self._rests_until

    def purge_next(self) -> None:
        """Delete, or empty, the next few."""
        self._batches = self._batches or self._go_through()
        try:
            if next(self._batches, None) is not None:
                return
        except Exception:
            self._batches = None  # what it was at is found again
            raise
        self._batches = None
        self._rests_until = self._clock.now() + _REST
        space.shorten_log(self._engines)

    def _go_through(self) -> Iterator[int]:
        """Give how many rows each step has changed, until nothing is too old."""
        for status, days in self._keep.executions.items():
            yield from self._delete_executions(status, days)
        if self._keep.deliveries is not None:
            yield from self._delete_deliveries(self._keep.deliveries)
        if self._keep.payloads is not None:
            for status in sorted(keep.ENDED):
                yield from self._empty_payloads(status, self._keep.payloads)

    def _delete_executions(self, status: Status, days: int) -> Iterator[int]:
        now = self._clock.now()
        limit = keep.before(days, now)
        while ids := self._read(lambda connection: purge.find_old(connection, status, limit, BATCH)):
            deleted = self._writer.run(partial(purge.delete, ids=ids, status=status, before=limit, now=now))
            yield deleted
            if not deleted:  # other processes hold all of them: the next time will do
                return

    def _delete_deliveries(self, days: int) -> Iterator[int]:
        limit = keep.before(days, self._clock.now())
        while ids := self._read(lambda connection: purge.find_old_deliveries(connection, limit, BATCH)):
            yield self._writer.run(partial(purge.delete_deliveries, ids=ids))

    def _empty_payloads(self, status: Status, days: int) -> Iterator[int]:
        """Walk from the oldest on each time: one that came late, or was told of anew, is found too."""
        limit = keep.before(days, self._clock.now())
        after: Place | None = None
        while seen := self._walk(status, limit, after):
            full = [place for place in seen if place.is_full][:BATCH]
            after = full[-1] if len(full) == BATCH else seen[-1]
            ids = [place.id for place in full]
            yield self._writer.run(partial(purge.empty, ids=ids, status=status)) if ids else 0

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        with self._engines.reading() as connection:
            return query(connection)

    def _walk(self, status: Status, limit: datetime, after: Place | None) -> Sequence[Place]:
        return self._read(lambda connection: purge.find_payloads(connection, status, limit, after, _WALKED))
