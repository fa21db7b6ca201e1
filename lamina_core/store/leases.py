"""Leases: which process may do what only one may do at a time, decided by the database's own clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.store.tables import LeaseTable

POLLER = "poller"
TERM = timedelta(seconds=10)  # a holder that shows no sign of life this long loses the lease


@dataclass(frozen=True)
class Lease:
    """Who holds a lease, and when it last showed a sign of life."""

    holder: str
    heartbeat_at: datetime
    expires_at: datetime


def hold(connection: sa.Connection, name: str, holder: str, now: datetime) -> bool:
    """Take or keep a lease, and say whether it is held; `now` counts on SQLite, where all share one machine."""
    if connection.dialect.name == "postgresql":
        now = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    values = {"holder": holder, "heartbeat_at": now, "expires_at": now + TERM}
    free = (col(LeaseTable.holder) == holder) | (col(LeaseTable.expires_at) < now)
    mine = col(LeaseTable.name) == name
    if connection.execute(sa.update(LeaseTable).where(mine, free).values(**values)).rowcount:
        return True
    if connection.execute(sa.select(col(LeaseTable.name)).where(mine)).one_or_none():
        return False
    connection.execute(sa.insert(LeaseTable).values(name=name, **values))
    return True


def release(connection: sa.Connection, name: str, holder: str) -> None:
    """Give a lease back, so that another process need not wait for its end."""
    mine = (col(LeaseTable.name) == name) & (col(LeaseTable.holder) == holder)
    connection.execute(sa.delete(LeaseTable).where(mine))


def read(connection: sa.Connection, name: str) -> Lease | None:
    """Return who holds a lease, None if nobody ever did or it was given back."""
    wanted = sa.select(col(LeaseTable.holder), col(LeaseTable.heartbeat_at), col(LeaseTable.expires_at))
    row = connection.execute(wanted.where(col(LeaseTable.name) == name)).one_or_none()
    return Lease(*row) if row else None
