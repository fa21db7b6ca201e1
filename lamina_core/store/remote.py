"""What Lamina has said of executions so far. Only `intake` may write it; functions never commit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Kind, Status
from lamina_core.store.tables import AppKindTable, DeliveryTable, EventTable, ExecutionTable, PayloadTable

Outputs = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class RemoteState:
    """One execution as news is compared with it; `kind_set` is what an operator decided for the app."""

    id: int
    execution_id: str | None
    app_id: str
    kind: Kind
    kind_set: Kind | None
    webhook_expected: bool
    created_at: datetime
    last_poll_at: datetime | None
    poll_count: int
    next_poll_at: datetime | None
    status: Status
    raw_status: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    reported_as_of: datetime | None
    delivered_at: datetime | None
    confirm_from: datetime | None
    missing_count: int


@dataclass(frozen=True)
class PayloadChange:
    """What is wide and has changed; None leaves a part as it is."""

    execution: int
    report: Mapping[str, Any] | None = None
    outputs: Outputs | None = None
    problems: Sequence[Mapping[str, Any]] | None = None


_STATE = [
    *(col(getattr(ExecutionTable, name)) for name in RemoteState.__dataclass_fields__ if name != "kind_set"),
    col(AppKindTable.kind).label("kind_set"),
]
_NEVER_WRITTEN = {"id", "execution_id", "app_id", "kind_set", "webhook_expected", "created_at", "last_poll_at"}
_WRITTEN = [name for name in RemoteState.__dataclass_fields__ if name not in _NEVER_WRITTEN | {"poll_count"}]


def read_status(word: str) -> Status:
    """Return the status of a stored word; one written by newer code is unknown, not an error."""
    return Status(word) if word in set(Status) else Status.UNKNOWN


def lock(connection: sa.Connection, ids: Collection[int]) -> dict[int, RemoteState]:
    """Return what is known of executions, and keep other processes from changing it until the commit.

    On SQLite the transaction itself keeps them out; FOR UPDATE is PostgreSQL's, taken in the order of the ids.
    """
    wanted = (
        sa.select(*_STATE)
        .outerjoin(AppKindTable, col(AppKindTable.app_id) == col(ExecutionTable.app_id))
        .where(col(ExecutionTable.id).in_(ids))
        .order_by(col(ExecutionTable.id))
        .with_for_update(of=ExecutionTable)
    )
    return {row.id: _state(row) for row in connection.execute(wanted)} if ids else {}


def _state(row: sa.Row[Any]) -> RemoteState:
    fields = dict(row._mapping)
    kind_set = row.kind_set and Kind(row.kind_set)
    return RemoteState(**fields | {"status": read_status(row.status), "kind": Kind(row.kind), "kind_set": kind_set})


def outputs_of(connection: sa.Connection, ids: Collection[int]) -> dict[int, Outputs]:
    """Return the outputs that are known of executions, those without any left out."""
    wanted = sa.select(col(PayloadTable.execution), col(PayloadTable.outputs)).where(
        col(PayloadTable.execution).in_(ids)
    )
    return {row_id: tuple(outputs) for row_id, outputs in connection.execute(wanted) if outputs} if ids else {}


def write_remote(connection: sa.Connection, states: Sequence[RemoteState], changes: Sequence[PayloadChange]) -> None:
    """Write what Lamina said; for `intake` alone."""
    if states:
        update = sa.update(ExecutionTable).where(col(ExecutionTable.id) == sa.bindparam("row_id"))
        update = update.values({name: sa.bindparam(name) for name in _WRITTEN})
        connection.execute(
            update, [{"row_id": state.id, **{name: getattr(state, name) for name in _WRITTEN}} for state in states]
        )
    rows = [
        {
            "last_report": change.report and dict(change.report),
            "outputs": None if change.outputs is None else [dict(output) for output in change.outputs],
            "problems": change.problems and [dict(problem) for problem in change.problems],
            "row_id": change.execution,
        }
        for change in changes
    ]
    for parts in {tuple(name for name, value in row.items() if value is not None) for row in rows}:
        update = (
            sa.update(PayloadTable)
            .where(col(PayloadTable.execution) == sa.bindparam("row_id"))
            .values({name: sa.bindparam(name) for name in parts if name != "row_id"})
        )
        same = [row for row in rows if tuple(name for name, value in row.items() if value is not None) == parts]
        connection.execute(update, [{name: row[name] for name in parts} for row in same])


def name(connection: sa.Connection, row_id: int, execution_id: str) -> None:
    """Give an execution the id that Lamina knows it by; for `intake` alone."""
    connection.execute(
        sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(execution_id=execution_id)
    )


def absorb(connection: sa.Connection, row_id: int, other: int) -> None:
    """Make two rows of one execution one: what hangs on the other row moves here, and that row is gone.

    Its deliveries wait again for an execution: applied anew, they tell this row what they told the other.
    """
    mine = col(DeliveryTable.execution) == other
    connection.execute(sa.update(DeliveryTable).where(mine).values(execution=None, duplicate_of=None))
    connection.execute(sa.update(EventTable).where(col(EventTable.execution) == other).values(execution=row_id))
    replays = col(ExecutionTable.replay_of) == other
    connection.execute(sa.update(ExecutionTable).where(replays).values(replay_of=row_id))
    reference = sa.select(col(ExecutionTable.reference)).where(col(ExecutionTable.id) == other).scalar_subquery()
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id) == row_id)
        .values(reference=sa.func.coalesce(col(ExecutionTable.reference), reference))
    )
    connection.execute(sa.delete(PayloadTable).where(col(PayloadTable.execution) == other))
    connection.execute(sa.delete(ExecutionTable).where(col(ExecutionTable.id) == other))
