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
        return AppPace(
            kind=pace.read_kind(connection, app_id, catalogue.find(connection, app_id)),
            is_set=app_id in polls.set_kinds(connection),
            median=statistics.median(seconds) if seconds else None,
            count=len(seconds),
        )
