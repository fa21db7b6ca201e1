"""What Lamina has said of executions so far. Only `intake` may write it; functions never commit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Kind, Status
from lamina_core.store.tables import (
    AppKindTable,
    BulkItemTable,
    DeliveryTable,
    EventTable,
    ExecutionTable,
    PayloadTable,
)

Outputs = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class RemoteState:
    """One execution as news is compared with it.

    `kind_set` is what an operator decided for the app; `is_ours` says whether it was started here.
    """

    id: int
    execution_id: str | None
    app_id: str
    status: Status
    kind: Kind
    kind_set: Kind | None
    is_ours: bool
    webhook_expected: bool
    created_at: datetime
    last_poll_at: datetime | None
    poll_count: int
    next_poll_at: datetime | None
    raw_status: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    reported_as_of: datetime | None
    delivered_at: datetime | None
    confirm_from: datetime | None
    missing_count: int
    app_name: str
    replay_of: int | None


@dataclass(frozen=True)
class PayloadChange:
    """What is wide and has changed; None leaves a part as it is."""

    execution: int
    report: Mapping[str, Any] | None = None
    outputs: Outputs | None = None
    problems: Sequence[Mapping[str, Any]] | None = None


_ELSEWHERE = {
    "kind_set": col(AppKindTable.kind),
    "is_ours": col(PayloadTable.start_token).is_not(None),
}
_NEVER_WRITTEN = {
    "id",
    "execution_id",
    "app_id",
    "app_name",
    "webhook_expected",
    "created_at",
    "last_poll_at",
    "poll_count",
    "replay_of",
}
_WRITTEN = [name for name in RemoteState.__dataclass_fields__ if name not in _NEVER_WRITTEN | _ELSEWHERE.keys()]
_LONGEST = 2**31 - 1  # milliseconds: what the column can hold, 24 days
_STATUSES = {str(status): status for status in Status}

# Statements are built once: to build one takes longer than to run it.
_STATES = (
    sa.select(
        *(
            _ELSEWHERE[name] if name in _ELSEWHERE else col(getattr(ExecutionTable, name))
            for name in RemoteState.__dataclass_fields__
        )
    )
    .join(PayloadTable, col(PayloadTable.execution) == col(ExecutionTable.id))
    .outerjoin(AppKindTable, col(AppKindTable.app_id) == col(ExecutionTable.app_id))
    .order_by(col(ExecutionTable.id))
    .with_for_update(of=ExecutionTable)
)
_LOCK = _STATES.where(col(ExecutionTable.id).in_(sa.bindparam("ids", expanding=True)))
_LOCK_NAMED = _STATES.where(col(ExecutionTable.execution_id).in_(sa.bindparam("names", expanding=True)))
_OUTPUTS = sa.select(col(PayloadTable.execution), col(PayloadTable.outputs)).where(
    col(PayloadTable.execution).in_(sa.bindparam("ids", expanding=True))
)
_WRITE = (
    sa.update(ExecutionTable)
    .where(col(ExecutionTable.id) == sa.bindparam("row_id"))
    .values({name: sa.bindparam(name) for name in [*_WRITTEN, "duration"]})
)
_DATE = (
    sa.update(ExecutionTable)
    .where(col(ExecutionTable.id) == sa.bindparam("row_id"))
    .values(created_at=sa.bindparam("began"))
)


def read_status(word: str) -> Status:
    """Return the status of a stored word; one written by newer code is unknown, not an error."""
    return _STATUSES.get(word, Status.UNKNOWN)


def lock(connection: sa.Connection, ids: Collection[int]) -> list[RemoteState]:
    """Return what is known of executions, and keep other processes from changing it until the commit.

    On SQLite the transaction itself keeps them out; FOR UPDATE is PostgreSQL's, taken in the order of the ids.
    """
    return [_state(row) for row in connection.execute(_LOCK, {"ids": list(ids)})] if ids else []


def lock_named(connection: sa.Connection, execution_ids: Collection[str]) -> list[RemoteState]:
    """Return the same by Lamina's ids, of those that are here."""
    names = {"names": list(execution_ids)}
    return [_state(row) for row in connection.execute(_LOCK_NAMED, names)] if execution_ids else []


def _state(row: sa.Row[Any]) -> RemoteState:
    row_id, execution_id, app_id, status, kind, kind_set, *others = tuple(row)
    kind_set = kind_set and Kind(kind_set)
    return RemoteState(row_id, execution_id, app_id, read_status(status), Kind(kind), kind_set, *others)


def outputs_of(connection: sa.Connection, ids: Collection[int]) -> dict[int, Outputs]:
    """Return the outputs that are known of executions, those without any left out."""
    if not ids:
        return {}
    rows = connection.execute(_OUTPUTS, {"ids": list(ids)})
    return {row_id: tuple(outputs) for row_id, outputs in rows if outputs}


def last_report(connection: sa.Connection, row_id: int) -> Mapping[str, Any] | None:
    """Return what Lamina said last of an execution, as it said it."""
    wanted = sa.select(col(PayloadTable.last_report)).where(col(PayloadTable.execution) == row_id)
    return connection.execute(wanted).scalar_one_or_none()


def write_remote(connection: sa.Connection, states: Sequence[RemoteState], changes: Sequence[PayloadChange]) -> None:
    """Write what Lamina said; for `intake` alone."""
    if states:
        connection.execute(_WRITE, [_columns(state) for state in states])
    same_parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for change in changes:
        row = _payload_columns(change)
        same_parts.setdefault(tuple(row), []).append(row | {"row_id": change.execution})
    for parts, rows in same_parts.items():
        connection.execute(_payload_update(parts), rows)


def _columns(state: RemoteState) -> dict[str, Any]:
    columns = {name: getattr(state, name) for name in _WRITTEN}
    return {"row_id": state.id, "duration": milliseconds_of(state.created_at, state.completed_at), **columns}


def milliseconds_of(created_at: datetime, completed_at: datetime | None) -> int | None:
    """Return an execution's duration as it is stored, None before its end."""
    if completed_at is None:
        return None
    return min(max(round((completed_at - created_at) / timedelta(milliseconds=1)), 0), _LONGEST)


def _payload_columns(change: PayloadChange) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if change.report is not None:
        columns["last_report"] = dict(change.report)
    if change.outputs is not None:
        columns["outputs"] = [dict(output) for output in change.outputs]
    if change.problems is not None:
        columns["problems"] = [dict(problem) for problem in change.problems]
    return columns


@cache
def _payload_update(parts: tuple[str, ...]) -> sa.Update:
    columns: dict[str, Any] = {name: sa.bindparam(name) for name in parts}
    return sa.update(PayloadTable).where(col(PayloadTable.execution) == sa.bindparam("row_id")).values(columns)


def name(connection: sa.Connection, row_id: int, execution_id: str) -> None:
    """Give an execution the id that Lamina knows it by; for `intake` alone."""
    connection.execute(
        sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(execution_id=execution_id)
    )


def date(connection: sa.Connection, created: Mapping[int, datetime]) -> None:
    """Write when executions that others started began, by their rows' ids; for `intake` alone.

    Apart from the rest, which is written often: the column is in most indexes.
    """
    if created:
        connection.execute(_DATE, [{"row_id": row_id, "began": instant} for row_id, instant in created.items()])


def absorb(connection: sa.Connection, row_id: int, other: int) -> None:
    """Make two rows of one execution one: what hangs on the other row moves here, and that row is gone.

    Its deliveries wait again for an execution: applied anew, they tell this row what they told the other.
    """
    mine = col(DeliveryTable.execution) == other
    connection.execute(sa.update(DeliveryTable).where(mine).values(execution=None, duplicate_of=None))
    connection.execute(sa.update(EventTable).where(col(EventTable.execution) == other).values(execution=row_id))
    replays = col(ExecutionTable.replay_of) == other
    connection.execute(sa.update(ExecutionTable).where(replays).values(replay_of=row_id))
    for column in (col(BulkItemTable.execution), col(BulkItemTable.replay)):
        connection.execute(sa.update(BulkItemTable).where(column == other).values({column: row_id}))
    reference = sa.select(col(ExecutionTable.reference)).where(col(ExecutionTable.id) == other).scalar_subquery()
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id) == row_id)
        .values(reference=sa.func.coalesce(col(ExecutionTable.reference), reference))
    )
    connection.execute(sa.delete(PayloadTable).where(col(PayloadTable.execution) == other))
    connection.execute(sa.delete(ExecutionTable).where(col(ExecutionTable.id) == other))
