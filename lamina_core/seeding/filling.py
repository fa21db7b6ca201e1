"""Storing a history: the next batch is made up while the last one is written."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from lamina_core.clock import Clock
from lamina_core.domain import Generation
from lamina_core.seeding.apps import Model
from lamina_core.seeding.history import BATCH, History
from lamina_core.store import seeding
from lamina_core.store.seeding import Batch, Progress
from lamina_core.store.writer import Writer


@dataclass(frozen=True)
class Wish:
    """What a history is to be like; its last executions go on at its end."""

    number: int
    seed: int
    end: datetime
    days: int
    batch: int = BATCH  # executions in one transaction


class Filling:
    """Fills a store; each batch is stored whole, and the same wish again goes on after the last one."""

    def __init__(self, writer: Writer, clock: Clock, models: tuple[Model, ...], generation: Generation) -> None:
        self._writer = writer
        self._clock = clock
        self._models = models
        self._generation = generation

    def run(self, wish: Wish, tell: Callable[[Progress], None]) -> Progress:
        """Store a history and return what is stored.

        OperationRefused where the store holds something else: see `store.seeding.open_history`.
        """

        def begin(connection: sa.Connection) -> Progress:
            return seeding.open_history(connection, wish.number, wish.seed, wish.end, self._clock.now())

        progress = self._writer.run(begin)
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
        waiting: Future[Progress] | None = None
        for batch in history.batches(progress.done):
            if waiting is not None:
                progress = waiting.result()
                tell(progress)
            waiting = self._writer.submit(self._write(progress, batch))
        if waiting is not None:
            progress = waiting.result()
            tell(progress)
        return progress if progress.closed else self._writer.run(self._close(history, progress))

    def _write(self, progress: Progress, batch: Batch) -> Callable[[sa.Connection], Progress]:
        return lambda connection: seeding.write_batch(connection, progress, batch, self._clock.now())

    def _close(self, history: History, progress: Progress) -> Callable[[sa.Connection], Progress]:
        def work(connection: sa.Connection) -> Progress:
            settled = history.settle(seeding.find_groups(connection))
            return seeding.settle_groups(connection, progress, settled, self._clock.now())

        return work
