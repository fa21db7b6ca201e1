"""The one path of every write of this process: a thread that commits in groups.

Whatever was handed in while the last commit ran is committed together: the disk is asked once for all
of it, and everybody is told only after it is durable. Items of the same sort of work are done in one go.
Each go runs in a savepoint, and where it fails, each of its items alone, so that a bad one takes nothing
else with it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.store import engine

log = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")

CAPACITY = 2_000  # pieces of work waiting; more are refused
_GROUP = 500  # pieces of work in one commit

Work = Callable[[sa.Connection, Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class _Piece:
    work: Work
    item: Any
    order: int
    answer: Future[Any]


class Writer:
    """Runs work given as functions of a connection; they must be repeatable, for a group may be retried."""

    def __init__(self, to: sa.Engine, clock: Clock, capacity: int = CAPACITY) -> None:
        self._engine = to
        self._clock = clock
        self._capacity = capacity
        self._waiting: deque[_Piece] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
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

    @property
    def backlog(self) -> int:
        """Return how many pieces of work are waiting."""
        return len(self._waiting)

    def submit(self, work: Callable[[sa.Connection], T], *, order: int = 0) -> Future[T]:
        """Hand in work; the future answers after the commit, or with the work's own error.

        `order` is the id of the row that the work touches: a group runs in that order, so that two
        processes on one PostgreSQL cannot wait for each other. StoreBusy when too much is waiting.
        """
        return self._enqueue(_Piece(lambda connection, _: [work(connection)], None, order, Future()))

    def submit_item(self, work: Callable[[sa.Connection, Sequence[Item]], Sequence[T]], item: Item) -> Future[T]:
        """Hand in one item of work that is done for many at once: it is given items, and returns as many results."""
        return self._enqueue(_Piece(work, item, 0, Future()))

    def _enqueue(self, piece: _Piece) -> Future[Any]:
        with self._changed:
            if self._stopping:
                raise errors.StoreBusy("The dashboard is stopping and writes nothing more.")
            if len(self._waiting) >= self._capacity:
                raise errors.StoreBusy("Too much is waiting to be written. Try again in a few seconds.")
            self._waiting.append(piece)
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
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP))]
            # From here on nobody can take a piece back; those whose owner has gone are dropped.
            group = [piece for piece in taken if piece.answer.set_running_or_notify_cancel()]
            self._commit(sorted(group, key=lambda piece: piece.order))

    def _commit(self, group: list[_Piece]) -> None:
        try:
            outcomes = self._attempt(group)
        except Exception as error:
            explained = engine.explain(error)
            if len(group) > 1 and not isinstance(explained, errors.StoreBusy):
                for piece in group:  # one of them may be the reason: each on its own
                    self._commit([piece])
                return
            log.exception("a write failed")
            self.trouble = engine.Trouble(self.trouble.since if self.trouble else self._clock.now(), str(explained))
            outcomes = [(piece, None, explained) for piece in group]
        else:
            self.trouble = None
        for piece, result, failure in outcomes:
            if failure is None:
                piece.answer.set_result(result)
            else:
                piece.answer.set_exception(failure)

    def _attempt(self, group: list[_Piece]) -> list[tuple[_Piece, Any, Exception | None]]:
        sorts: dict[Work, list[_Piece]] = {}
        for piece in group:
            sorts.setdefault(piece.work, []).append(piece)
        with self._engine.begin() as connection:
            return [outcome for pieces in sorts.values() for outcome in _do(connection, pieces)]


def _do(connection: sa.Connection, pieces: list[_Piece]) -> list[tuple[_Piece, Any, Exception | None]]:
    try:
        with connection.begin_nested():
            results = pieces[0].work(connection, [piece.item for piece in pieces])
    except sa.exc.OperationalError:
        raise  # the database's trouble, not these pieces': full, locked, gone
    except Exception as error:  # noqa: BLE001 - it belongs to the piece's owner, who gets it
        if len(pieces) == 1:
            return [(pieces[0], None, engine.explain(error))]
        return [outcome for piece in pieces for outcome in _do(connection, [piece])]
    return [(piece, result, None) for piece, result in zip(pieces, results, strict=True)]
