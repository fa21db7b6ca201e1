"""The one path of every write of this process: a thread that commits in groups.

Whatever was handed in while the last commit ran is committed together: the disk is asked once for all of it, and
everybody is told only after it is durable. Items of the same work are done in one go, in a savepoint; where that
fails, each item alone, so that a bad one takes nothing else with it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.store import engine

log = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")

CAPACITY = 2_000  # items of work waiting; more are refused

Work = Callable[[sa.Connection, Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class _Piece:
    work: Work
    items: Sequence[Any]
    order: int
    answer: Future[Any]
    is_single: bool  # its answer is the one item's result, else a list of them

    def settle(self, results: Sequence[Any]) -> None:
        if self.is_single and isinstance(results[0], Exception):
            self.answer.set_exception(results[0])
        else:
            self.answer.set_result(results[0] if self.is_single else results)


class Writer:
    """Runs work given as functions of a connection; they must be repeatable, for a group may be retried."""

    def __init__(self, to: sa.Engine, clock: Clock, capacity: int = CAPACITY) -> None:
        self._engine = to
        self._clock = clock
        self._capacity = capacity
        self._waiting: list[_Piece] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.backlog = 0  # items that wait to be written
        self.trouble: engine.Trouble | None = None  # set by a commit that failed, gone with one that did not

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end; nothing more is taken."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, work: Callable[[sa.Connection], T], *, order: int = 0) -> Future[T]:
        """Hand in work; the future answers after the commit, or with the work's own error.

        `order` is the id of the row that the work touches: a group runs in that order, so that two
        processes on one PostgreSQL cannot wait for each other. StoreBusy when too much is waiting.
        """
        return self._enqueue(_Piece(lambda connection, _: [work(connection)], [None], order, Future(), is_single=True))

    def submit_items(
        self, work: Callable[[sa.Connection, Sequence[Item]], Sequence[T]], items: Sequence[Item]
    ) -> Future[list[T | Exception]]:
        """Hand in items of work that is done for many at once; the future has a result or an error for each."""
        return self._enqueue(_Piece(work, items, 0, Future(), is_single=False))

    def _enqueue(self, piece: _Piece) -> Future[Any]:
        with self._changed:
            if self._stopping:
                raise errors.StoreBusy("The dashboard is stopping and writes nothing more.")
            if self.backlog + len(piece.items) > self._capacity:
                raise errors.StoreBusy("Too much is waiting to be written. Try again in a few seconds.")
            self._waiting.append(piece)
            self.backlog += len(piece.items)
            self._changed.notify()
        return piece.answer

    def run(self, work: Callable[[sa.Connection], T], *, order: int = 0) -> T:
        """Hand in work and wait until it is durable."""
        return self.submit(work, order=order).result()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                taken, self._waiting, self.backlog = self._waiting, [], 0
            # From here on nobody can take a piece back; those whose owner has gone are dropped.
            group = [piece for piece in taken if piece.answer.set_running_or_notify_cancel()]
            self._commit(sorted(group, key=lambda piece: piece.order))

    def _commit(self, group: list[_Piece]) -> None:
        try:
            results = self._attempt(group)
        except Exception as error:
            explained = engine.explain(error)
            if len(group) > 1 and not isinstance(explained, errors.StoreBusy):
                for piece in group:  # one of them may be the reason: each on its own
                    self._commit([piece])
                return
            if self.trouble is None:  # once: a full disk must not fill up with what we say of it
                log.exception("a write failed")
            self.trouble = engine.Trouble(self.trouble.since if self.trouble else self._clock.now(), str(explained))
            results = [[explained] * len(piece.items) for piece in group]
        else:
            self.trouble = None
        for piece, result in zip(group, results, strict=True):
            piece.settle(result)

    def _attempt(self, group: list[_Piece]) -> list[list[Any]]:
        sorts: dict[Work, list[Any]] = {}
        for piece in group:
            sorts.setdefault(piece.work, []).extend(piece.items)
        with self._engine.begin() as connection:
            done = {work: iter(_do(connection, work, items)) for work, items in sorts.items()}
        return [list(islice(done[piece.work], len(piece.items))) for piece in group]


def _do(connection: sa.Connection, work: Work, items: Sequence[Any]) -> list[Any]:
    try:
        with connection.begin_nested():
            return list(work(connection, items))
    except sa.exc.OperationalError:
        raise  # the database's trouble, not these items': full, locked, gone
    except Exception as error:  # noqa: BLE001 - it belongs to the item's owner, who gets it
        if len(items) == 1:
            return [engine.explain(error)]
    return [result for item in items for result in _do(connection, work, [item])]
