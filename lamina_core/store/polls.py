"""What the poller asks the store: who may be read, how often they were, and how long apps take."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import POLLED, TERMINAL, Kind, Pollable, Status
from lamina_core.store.hints import Aside
from lamina_core.store.tables import AppKindTable, ExecutionTable

_POLLABLE = [
    *(col(getattr(ExecutionTable, name)) for name in Pollable.__dataclass_fields__ if name not in {"due_at", "ended"}),
    col(ExecutionTable.next_poll_at).label("due_at"),
    col(ExecutionTable.status).in_(sorted(TERMINAL)).label("ended"),
]


def due(connection: sa.Connection, now: datetime, limit: int, *, longest_first: bool = False) -> list[Pollable]:
    """Return executions that may be read now: those that have been due for the shortest time, or for the longest."""
    place = col(ExecutionTable.next_poll_at)
    wanted = (
        sa.select(*_POLLABLE)
        .where(place <= now, Aside(col(ExecutionTable.execution_id)).is_not(None))
        .order_by(place if longest_first else place.desc())
        .limit(limit)
    )
    return [_pollable(row._mapping) for row in connection.execute(wanted)]


def in_flight(connection: sa.Connection, limit: int) -> list[Pollable]:
    """Return the newest executions that Lamina works on, due or not."""
    wanted = (
        sa.select(*_POLLABLE)
        # Few are polled at all, and have an index of their own.
        .where(Aside(col(ExecutionTable.status)).in_(sorted(POLLED)), col(ExecutionTable.next_poll_at).is_not(None))
        .order_by(Aside(col(ExecutionTable.created_at)).desc())
        .limit(limit)
    )
    return [_pollable(row._mapping) for row in connection.execute(wanted)]


def _pollable(fields: sa.RowMapping) -> Pollable:
    return Pollable(**{**fields, "kind": Kind(fields["kind"])})


def next_due_at(connection: sa.Connection) -> datetime | None:
    """Return when the next poll is due, None when nothing is polled."""
    place = col(ExecutionTable.next_poll_at)
    wanted = sa.select(place).where(place.is_not(None)).order_by(place).limit(1)
    return connection.execute(wanted).scalar_one_or_none()


def count_due(connection: sa.Connection, now: datetime, cap: int) -> int:
    """Return how many executions wait to be read, counting no further than the cap."""
    return _count(connection, col(ExecutionTable.next_poll_at) <= now, cap)


def count_in_flight(connection: sa.Connection, late_before: datetime, cap: int) -> tuple[int, int]:
    """Return how many executions Lamina works on, and how many of them started before `late_before`.

    Both stop at `cap`.
    """
    open_still = col(ExecutionTable.status).in_([*POLLED, Status.STARTING])
    late = open_still & (col(ExecutionTable.created_at) < late_before)
    return _count(connection, open_still, cap), _count(connection, late, cap)


def _count(connection: sa.Connection, condition: sa.ColumnElement[bool], cap: int) -> int:
    matching = sa.select(sa.literal(1)).select_from(ExecutionTable).where(condition).limit(cap).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(matching)).scalar_one())


def record(connection: sa.Connection, ids: Collection[int], polled_at: datetime, error: str | None) -> None:
    """Count a poll of these executions; what it said, if anything, goes through intake."""
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id).in_(ids))
        .values(poll_count=col(ExecutionTable.poll_count) + 1, last_poll_at=polled_at, poll_error=error)
    )


def postpone(connection: sa.Connection, row_id: int, next_poll_at: datetime) -> None:
    """Set when an execution that is polled at all may be read next."""
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id) == row_id, col(ExecutionTable.next_poll_at).is_not(None))
        .values(next_poll_at=next_poll_at)
    )


def durations(connection: sa.Connection, app_id: str, limit: int) -> list[float]:
    """Return how many seconds the app's last executions took, from their start to the end that Lamina reported."""
    found: list[tuple[datetime, datetime]] = []
    for status in (Status.COMPLETED, Status.FAILED):  # one by one: each is a range of the index, newest first
        wanted = (
            sa.select(col(ExecutionTable.created_at), col(ExecutionTable.completed_at))
            .where(col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == status)
            .order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc())
            .limit(limit)
        )
        found += [(began, ended) for began, ended in connection.execute(wanted) if ended is not None]
    newest = sorted(found, reverse=True)[:limit]
    return [seconds for began, ended in newest if (seconds := (ended - began).total_seconds()) > 0]


def shown_kind(connection: sa.Connection, app_id: str) -> Kind | None:
    """Return what the outputs of the app's last completed execution showed."""
    wanted = (
        sa.select(col(ExecutionTable.kind))
        .where(col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == Status.COMPLETED)
        .order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc())
        .limit(1)
    )
    kind = connection.execute(wanted).scalar_one_or_none()
    return Kind(kind) if kind else None


def set_kinds(connection: sa.Connection) -> dict[str, Kind]:
    """Return the kinds that operators have set, by app."""
    rows = connection.execute(sa.select(col(AppKindTable.app_id), col(AppKindTable.kind)))
    return {app_id: Kind(kind) for app_id, kind in rows}


def set_kind(connection: sa.Connection, app_id: str, kind: Kind | None) -> None:
    """Set the kind of an app, for the executions in flight too; None goes back to what its executions show."""
    connection.execute(sa.delete(AppKindTable).where(col(AppKindTable.app_id) == app_id))
    if kind is None:
        return
    connection.execute(sa.insert(AppKindTable).values(app_id=app_id, kind=kind))
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status).in_(sorted(POLLED)))
        .values(kind=kind)
    )
