"""Storing a history: the next batch is made up while the last one is written."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from lamina_core.clock import Clock
from lamina_core.domain import Generation
from lamina_core.seeding.apps import Model
from lamina_core.seeding.history import BATCH, History
from lamina_core.store import seeding
from lamina_core.store.seeding import Batch, Progress


@dataclass(frozen=True)
class Wish:
    """What a history is to be like; its last executions go on at its end."""

    number: int
    seed: int
    end: datetime
    days: int
    batch: int = BATCH  # executions in one transaction


class Filling:
    """Fills a store; each batch is stored whole, and the same wish again goes on after the last one.

    Nothing else of this process may write meanwhile.
    """

    def __init__(self, to: sa.Engine, clock: Clock, models: tuple[Model, ...], generation: Generation) -> None:
        self._to = to
        self._clock = clock
        self._models = models
        self._generation = generation

    def run(self, wish: Wish, tell: Callable[[Progress], None]) -> Progress:
        """Store a history and return what is stored.

        OperationRefused where the store holds something else: see `store.seeding.open_history`.
        """

        def begin(connection: sa.Connection) -> Progress:
            return seeding.open_history(connection, wish.number, wish.seed, wish.end, self._clock.now())

        progress = seeding.commit(self._to, begin)
        history = History(
            models=self._models,
            seed=wish.seed,
            number=wish.number,
            first=progress.first,
            end=progress.end,
            days=wish.days,
            generation=self._generation,
            in_flight=True,
            batch=wish.batch,
        )
        progress = self._write_all(history, progress, tell)
        return progress if progress.closed else seeding.commit(self._to, self._close(history, progress))

    def _write_all(self, history: History, progress: Progress, tell: Callable[[Progress], None]) -> Progress:
        waiting: Future[Progress] | None = None
        # Whatever ends it, a batch that is handed in is written before the pool is gone.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="filling") as pool:
            for batch in history.batches(progress.done):
                if waiting is not None:
                    progress = waiting.result()
                    tell(progress)
                waiting = pool.submit(seeding.commit, self._to, self._write(progress, batch))
            if waiting is not None:
                progress = waiting.result()
                tell(progress)
        return progress

    def _write(self, progress: Progress, batch: Batch) -> Callable[[sa.Connection], Progress]:
        return lambda connection: seeding.write_batch(connection, progress, batch, self._clock.now())

    def _close(self, history: History, progress: Progress) -> Callable[[sa.Connection], Progress]:
        def work(connection: sa.Connection) -> Progress:
            settled = history.settle(seeding.find_groups(connection))
            return seeding.settle_groups(connection, progress, settled, self._clock.now())

        return work
