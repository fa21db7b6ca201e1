"""The one path of every write of this process: a thread that commits in groups.

Whatever was handed in while the last commit ran is committed together: the disk is asked once for all
of it, and everybody is told only after it is durable. Each piece of work runs in a savepoint of its
own, so that a failing one takes nothing else with it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from lamina_core import errors

log = logging.getLogger(__name__)

T = TypeVar("T")

CAPACITY = 2_000  # pieces of work waiting; more are refused
_GROUP = 500  # pieces of work in one commit


@dataclass(frozen=True)
class _Piece(Generic[T]):
    work: Callable[[sa.Connection], T]
    order: int
    answer: Future[T]


class Writer:
    """Runs work given as functions of a connection; they must be repeatable, for a group may be retried."""

    def __init__(self, engine: sa.Engine, capacity: int = CAPACITY) -> None:
        self._engine = engine
        self._capacity = capacity
        self._waiting: deque[_Piece[Any]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

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
        piece = _Piece(work, order, Future())
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

    def _commit(self, group: list[_Piece[Any]]) -> None:
        try:
            outcomes = self._attempt(group)
        except Exception as error:
            explained = _explain(error)
            if len(group) > 1 and not isinstance(explained, errors.StoreBusy):
                for piece in group:  # one of them may be the reason: each on its own
                    self._commit([piece])
                return
            log.exception("a write failed")
            for piece in group:
                piece.answer.set_exception(explained)
            return
        for piece, (result, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                piece.answer.set_result(result)
            else:
                piece.answer.set_exception(failure)

    def _attempt(self, group: list[_Piece[Any]]) -> list[tuple[Any, Exception | None]]:
        outcomes: list[tuple[Any, Exception | None]] = []
        with self._engine.begin() as connection:
            for piece in group:
                try:
                    with connection.begin_nested():
                        outcomes.append((piece.work(connection), None))
                except sa.exc.OperationalError:
                    raise  # the database's trouble, not this piece's: full, locked, gone
                except Exception as error:  # noqa: BLE001 - it belongs to the piece's owner, who gets it
                    outcomes.append((None, _explain(error)))
        return outcomes


def _explain(error: Exception) -> Exception:
    if not isinstance(error, sa.exc.DBAPIError):
        return error
    trouble = _first_trouble(error)
    cause = str(trouble.orig)
    if not isinstance(trouble, sa.exc.OperationalError):
        return errors.StoreError(f"The database refused a write: {cause}.")
    if "locked" in cause:
        return errors.StoreBusy("Another process holds the database. Try again in a few seconds.")
    if "full" in cause:
        return errors.StoreError("The disk of the database is full. Make room; what was stored is safe.")
    if "readonly" in cause:
        return errors.StoreError("The database file cannot be written. Check its permissions.")
    return errors.StoreError(f"The database refused a write: {cause}.")


def _first_trouble(error: sa.exc.DBAPIError) -> sa.exc.DBAPIError:
    """Return what went wrong first: on a full disk SQLite undoes all at once, and then misses the savepoint."""
    first, link = error, error.__context__
    while link is not None:
        if isinstance(link, sa.exc.DBAPIError):
            first = link
        link = link.__context__
    return first
