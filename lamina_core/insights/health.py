"""Is everything working? One reading of the store for the frame, the Overview and the System screen."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lamina_core.domain import Delivery, Verdict
from lamina_core.polling import schedule
from lamina_core.polling.health import ApiHealth
from lamina_core.store import deliveries, executions, leases, notes
from lamina_core.store.engine import Engines
from lamina_core.store.leases import Lease

FLIGHT_CAP = 1_000
_DELIVERIES_WINDOW = timedelta(hours=24)


@dataclass(frozen=True)
class Health:
    """How the desk is doing as of an instant; `in_flight` and `late` stop at FLIGHT_CAP."""

    as_of: datetime
    api: ApiHealth
    paused_by: str | None
    lease: Lease | None
    in_flight: int
    late: int
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
        in_flight, late = executions.count_in_flight(connection, now - schedule.LATE_AFTER, FLIGHT_CAP)
        return Health(
            as_of=now,
            api=ApiHealth.from_document(api.document) if api else ApiHealth(),
            paused_by=polling.document["paused_by"] if polling else None,
            lease=leases.read(connection, leases.POLLER),
            in_flight=in_flight,
            late=late,
            next_due_at=executions.next_due_at(connection),
            last_accepted=deliveries.newest(connection, Verdict.ACCEPTED),
            deliveries=deliveries.count_since(connection, now - _DELIVERIES_WINDOW),
        )
