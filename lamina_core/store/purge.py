"""Deleting what is too old, a few rows at a time. Functions take the connection first and never commit.

What still waits for something is never too old: an execution to be read again, one that an operation has not done
with, one whose replay is under way, a delivery that was not judged or not claimed yet.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col

from lamina_core.bulk.records import BulkState
from lamina_core.domain import Status, Verdict
from lamina_core.keep import ENDED
from lamina_core.store import deliveries, failures
from lamina_core.store.columns import UtcDateTime
from lamina_core.store.tables import (
    BulkItemTable,
    BulkTable,
    DeliveryTable,
    EventTable,
    ExecutionTable,
    FailureTable,
    PayloadTable,
)

_ID = col(ExecutionTable.id)
_OVER = [BulkState.DONE, BulkState.ABORTED]
_REPLAY = aliased(ExecutionTable)
_HANGING: tuple[tuple[type[SQLModel], str], ...] = (
    (BulkItemTable, "execution"),
    (BulkItemTable, "replay"),
    (EventTable, "execution"),
    (PayloadTable, "execution"),
    (ExecutionTable, "id"),
)  # in this order: what refers to another goes first


@dataclass(frozen=True)
class Place:
    """An execution's place among those of its status, oldest first, and whether it still has its payload."""

    id: int
    created_at: datetime
    is_full: bool


def _waits_for_nothing() -> list[sa.ColumnElement[bool]]:
    under_way = sa.select(col(BulkItemTable.execution)).join(BulkTable, col(BulkTable.id) == col(BulkItemTable.bulk))
    under_way = under_way.where(col(BulkTable.state).not_in(_OVER))
    replayed = sa.select(col(_REPLAY.id)).where(col(_REPLAY.replay_of) == _ID, col(_REPLAY.status).not_in(ENDED))
    return [
        col(ExecutionTable.next_poll_at).is_(None),
        ~under_way.where(col(BulkItemTable.execution) == _ID).correlate(ExecutionTable).exists(),
        ~under_way.where(col(BulkItemTable.replay) == _ID).correlate(ExecutionTable).exists(),
        ~replayed.correlate(ExecutionTable).exists(),
    ]


def find_old(connection: sa.Connection, status: Status, before: datetime, limit: int) -> list[int]:
    """Return the executions of a status that are too old, oldest first."""
    begun = col(ExecutionTable.created_at)
    wanted = sa.select(_ID).where(col(ExecutionTable.status) == status, begun < before, *_waits_for_nothing())
    return list(connection.execute(wanted.order_by(begun, _ID).limit(limit)).scalars())


def delete(connection: sa.Connection, ids: Collection[int], status: Status, before: datetime, now: datetime) -> int:
    """Delete those of these executions that are too old still, with all that hangs on them; return how many.

    What refers to them stays, and refers to nothing: replays forget their original, failures the replay that mended
    them (their timelines name both). An operation that is over loses its items of them, and keeps its own row.
    """
    wanted = sa.select(_ID, col(ExecutionTable.status), col(ExecutionTable.created_at))
    wanted = wanted.where(_ID.in_(ids), *_waits_for_nothing()).order_by(_ID)
    # What another process holds is in use, and not worth waiting for.
    rows = connection.execute(wanted.with_for_update(skip_locked=True, of=ExecutionTable))
    # Compared here, for asked for these too SQLite would walk through all that has the status.
    old = [row.id for row in rows if row.status == status and row.created_at < before]
    if not old:
        return 0
    failures.write(connection, list(failures.lock(connection, old).values()), [], now)
    _unlink(connection, FailureTable, "resolved_by", old)
    _unlink(connection, ExecutionTable, "replay_of", old)
    theirs = sa.select(col(DeliveryTable.id)).where(col(DeliveryTable.execution).in_(old))
    delete_deliveries(connection, list(connection.execute(theirs).scalars()))
    for table, column in _HANGING:
        connection.execute(sa.delete(table).where(getattr(table, column).in_(old)))
    return len(old)


def _unlink(connection: sa.Connection, table: type[SQLModel], column: str, ids: Collection[int]) -> None:
    connection.execute(sa.update(table).where(getattr(table, column).in_(ids)).values({column: None}))


def find_oldest(connection: sa.Connection) -> datetime | None:
    """Return when the oldest execution was started."""
    begun = col(ExecutionTable.created_at)
    return connection.execute(sa.select(begun).order_by(begun).limit(1)).scalar_one_or_none()


def find_payloads(
    connection: sa.Connection, status: Status, before: datetime, after: Place | None, limit: int
) -> list[Place]:
    """Return the next executions of a status that are older than an instant, oldest first."""
    place = sa.tuple_(col(ExecutionTable.created_at), _ID)
    wanted = (
        sa.select(
            _ID,
            col(ExecutionTable.created_at),
            (col(PayloadTable.inputs).is_not(None) | col(PayloadTable.last_report).is_not(None)).label("is_full"),
        )
        .join(PayloadTable, col(PayloadTable.execution) == _ID)
        .where(col(ExecutionTable.status) == status, col(ExecutionTable.created_at) < before)
        .order_by(col(ExecutionTable.created_at), _ID)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(place > sa.tuple_(sa.literal(after.created_at, UtcDateTime()), sa.literal(after.id)))
    return [Place(row.id, row.created_at, bool(row.is_full)) for row in connection.execute(wanted)]


def empty(connection: sa.Connection, ids: Collection[int], status: Status) -> int:
    """Take inputs, outputs and the last report out of those that have this status still; return how many.

    Of outputs in error what they say stays: failures are grouped by it.
    """
    wanted = (
        sa.select(_ID, col(ExecutionTable.status), col(PayloadTable.outputs))
        .join(PayloadTable, col(PayloadTable.execution) == _ID)
        .where(_ID.in_(ids), col(ExecutionTable.next_poll_at).is_(None))
        .order_by(_ID)
    )
    locked = connection.execute(wanted.with_for_update(skip_locked=True))
    rows = [row for row in locked if row.status == status]
    if not rows:
        return 0
    nothing = {"inputs": None, "outputs": None, "last_report": None}
    here = col(PayloadTable.execution)
    connection.execute(sa.update(PayloadTable).where(here.in_([row.id for row in rows])).values(nothing))
    broken = [{"row_id": row.id, "kept": kept} for row in rows if (kept := _errors_of(row.outputs or ()))]
    if broken:
        change = sa.update(PayloadTable).where(here == sa.bindparam("row_id")).values(outputs=sa.bindparam("kept"))
        connection.execute(change, broken)
    return len(rows)


def _errors_of(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**output, "value": None} for output in outputs if output.get("status") == "error"]


def find_old_deliveries(connection: sa.Connection, before: datetime, limit: int) -> list[int]:
    """Return the deliveries that are too old, oldest first."""
    waits = col(DeliveryTable.reason).is_not_distinct_from(deliveries.UNKNOWN_EXECUTION)
    wanted = (
        sa.select(col(DeliveryTable.id))
        .where(col(DeliveryTable.received_at) < before, col(DeliveryTable.verdict) != Verdict.UNCHECKED, ~waits)
        .order_by(col(DeliveryTable.received_at), col(DeliveryTable.id))
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def delete_deliveries(connection: sa.Connection, ids: Collection[int]) -> int:
    """Delete deliveries; copies of them stay, and are copies of nothing known."""
    if not ids:
        return 0
    _unlink(connection, DeliveryTable, "duplicate_of", ids)
    return connection.execute(sa.delete(DeliveryTable).where(col(DeliveryTable.id).in_(ids))).rowcount
