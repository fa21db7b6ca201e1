"""How an app's executions go: which kind they are taken for, and how long they took."""

import statistics
from dataclasses import dataclass

from lamina_core.domain import Kind
from lamina_core.polling import pace, schedule
from lamina_core.store import catalogue, polls
from lamina_core.store.engine import Engines


@dataclass(frozen=True)
class AppPace:
    """What decides how often executions of an app are polled; `median` in seconds, of `count` executions."""

    kind: Kind
    is_set: bool  # by an operator, not learned
    median: float | None
    count: int


def read_pace(engines: Engines, app_id: str) -> AppPace:
    """Read how an app goes."""
    with engines.reading() as connection:
        seconds = polls.durations(connection, app_id, schedule.HISTORY)
        decided = polls.set_kinds(connection).get(app_id)
        return AppPace(
            kind=decided or pace.learn_kind(connection, app_id, catalogue.find(connection, app_id), seconds),
            is_set=decided is not None,
            median=statistics.median(seconds) if seconds else None,
            count=len(seconds),
        )
