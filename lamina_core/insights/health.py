"""Is everything working? One reading of the store for the frame, the Overview, the System screen and the metrics."""

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta

from lamina_core.domain import Delivery, Source, Verdict
from lamina_core.polling import schedule
from lamina_core.polling.health import ApiHealth
from lamina_core.store import deliveries, events, leases, notes, polls
from lamina_core.store.engine import Engines
from lamina_core.store.leases import Lease

FLIGHT_CAP = 1_000
_DELIVERIES_WINDOW = timedelta(hours=24)
_LINES = 500  # of the timeline, from which the detection latency is taken


@dataclass(frozen=True)
class Latency:
    """How long after their end executions were seen here, in seconds, and of how many that is told."""

    median: float
    p95: float
    count: int


@dataclass(frozen=True)
class Health:
    """How the desk is doing as of an instant; `in_flight`, `late` and `due` stop at FLIGHT_CAP."""

    as_of: datetime
    api: ApiHealth
    paused_by: str | None
    lease: Lease | None
    in_flight: int
    late: int
    due: int
    next_due_at: datetime | None
    last_accepted: Delivery | None
    deliveries: dict[Verdict, int]  # of the last 24 hours

    @property
    def poller_alive(self) -> bool:
        """Say whether some process holds the poller's lease and shows signs of life."""
        return self.lease is not None and self.lease.expires_at > self.as_of


def read_health(engines: Engines, now: datetime) -> Health:
    """Read how the desk is doing."""
    with engines.reading() as connection:
        api = notes.read(connection, notes.API_HEALTH)
        polling = notes.read(connection, notes.POLLING)
        in_flight, late = polls.count_in_flight(connection, now - schedule.LATE_AFTER, FLIGHT_CAP)
        return Health(
            as_of=now,
            api=ApiHealth.from_document(api.document) if api else ApiHealth(),
            paused_by=polling.document["paused_by"] if polling else None,
            lease=leases.read(connection, leases.POLLER),
            in_flight=in_flight,
            late=late,
            due=polls.count_due(connection, now, FLIGHT_CAP),
            next_due_at=polls.next_due_at(connection),
            last_accepted=deliveries.newest(connection, Verdict.ACCEPTED),
            deliveries=deliveries.count_since(connection, now - _DELIVERIES_WINDOW),
        )


def read_latencies(engines: Engines) -> dict[Source, Latency]:
    """Read how soon the last ends were seen here, by who told of them: deliveries or polls."""
    with engines.reading() as connection:
        told = events.seconds_after_end(connection, _LINES)
    found = {}
    for source in (Source.DELIVERY, Source.POLL):
        seconds = sorted(each for actor, each in told if actor == source)
        if seconds:
            p95 = seconds[round(0.95 * (len(seconds) - 1))]
            found[source] = Latency(statistics.median(seconds), p95, len(seconds))
    return found
