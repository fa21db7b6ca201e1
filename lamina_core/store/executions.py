"""Reading and writing executions. Functions take the connection first and never commit.

What Lamina says of an execution is written by `write_remote` alone, and only `intake` may call that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import POLLED, Execution, Generation, Kind, Origin, Status
from lamina_core.store.tables import ExecutionTable, PayloadTable

ROW = [
    col(getattr(ExecutionTable, name))
    for name in Execution.__dataclass_fields__  # the record's fields are the row's columns
]


@dataclass(frozen=True)
class Intent:
    """A start that is about to be sent."""

    token: str
    app_id: str
    app_name: str
    kind: Kind
    generation: Generation
    inputs: Mapping[str, Any]
    chosen_outputs: Sequence[str]
    origin: Origin
    replay_of: int | None
    started_by: str
    webhook_expected: bool


@dataclass(frozen=True)
class Payload:
    """What is wide of an execution."""

    inputs: Mapping[str, Any]
    chosen_outputs: tuple[str, ...]
    outputs: tuple[Mapping[str, Any], ...]
    last_report: Mapping[str, Any] | None
    problems: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class RemoteState:
    """What Lamina has told of an execution so far, as intake compares and changes it."""

    id: int
    execution_id: str | None
    app_id: str
    kind: Kind
    webhook_expected: bool
    created_at: datetime
    last_poll_at: datetime | None
    poll_count: int
    status: Status
    raw_status: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    reported_as_of: datetime | None
    delivered_at: datetime | None
    confirm_from: datetime | None
    missing_count: int
    outputs: tuple[Mapping[str, Any], ...] | None


def _status(word: str) -> Status:
    return Status(word) if word in set(Status) else Status.UNKNOWN


def execution_from(row: sa.Row[Any]) -> Execution:
    """Return the record of a row selected as ROW."""
    fields = dict(row._mapping)
    fields.update(status=_status(row.status), kind=Kind(row.kind), origin=Origin(row.origin))
    return Execution(**fields)


def insert_intent(connection: sa.Connection, intent: Intent, now: datetime) -> int:
    """Record a start before it is sent, and return its row's id."""
    columns = sa.insert(ExecutionTable).values(
        app_id=intent.app_id,
        app_name=intent.app_name,
        status=Status.STARTING,
        kind=intent.kind,
        generation=intent.generation,
        created_at=now,
        updated_at=now,
        missing_count=0,
        poll_count=0,
        origin=intent.origin,
        replay_of=intent.replay_of,
        started_by=intent.started_by,
        webhook_expected=intent.webhook_expected,
    )
    row_id = int(connection.execute(columns.returning(col(ExecutionTable.id))).scalar_one())
    connection.execute(
        sa.insert(PayloadTable).values(
            execution=row_id,
            start_token=intent.token,
            inputs=dict(intent.inputs),
            chosen_outputs=list(intent.chosen_outputs) or None,
        )
    )
    return row_id


def find(connection: sa.Connection, row_id: int) -> Execution | None:
    """Return one execution by our own id."""
    row = connection.execute(sa.select(*ROW).where(col(ExecutionTable.id) == row_id)).one_or_none()
    return execution_from(row) if row else None


def find_payload(connection: sa.Connection, row_id: int) -> Payload | None:
    """Return the wide part of one execution."""
    wanted = sa.select(PayloadTable).where(col(PayloadTable.execution) == row_id)
    row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    return Payload(
        inputs=row.inputs,
        chosen_outputs=tuple(row.chosen_outputs or ()),
        outputs=tuple(row.outputs or ()),
        last_report=row.last_report,
        problems=tuple(row.problems or ()),
    )


def id_by_execution_id(connection: sa.Connection, execution_id: str) -> int | None:
    """Return our own id for Lamina's."""
    wanted = sa.select(col(ExecutionTable.id)).where(col(ExecutionTable.execution_id) == execution_id)
    return connection.execute(wanted).scalar_one_or_none()


def id_by_token(connection: sa.Connection, token: str) -> int | None:
    """Return the execution whose start carried this token."""
    wanted = sa.select(col(PayloadTable.execution)).where(col(PayloadTable.start_token) == token)
    return connection.execute(wanted).scalar_one_or_none()


def lock(connection: sa.Connection, row_id: int) -> RemoteState | None:
    """Return what is known of an execution and keep other processes from changing it until the commit.

    On SQLite the transaction itself keeps them out; FOR UPDATE is PostgreSQL's.
    """
    wanted = (
        sa.select(
            *(col(getattr(ExecutionTable, name)) for name in RemoteState.__dataclass_fields__ if name != "outputs"),
            col(PayloadTable.outputs),
        )
        .join(PayloadTable, col(PayloadTable.execution) == col(ExecutionTable.id))
        .where(col(ExecutionTable.id) == row_id)
        .with_for_update()
    )
    row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    fields = dict(row._mapping)
    fields.update(
        status=_status(row.status), kind=Kind(row.kind), outputs=None if row.outputs is None else tuple(row.outputs)
    )
    return RemoteState(**fields)


def write_remote(
    connection: sa.Connection, row_id: int, columns: Mapping[str, Any], payload: Mapping[str, Any]
) -> None:
    """Write what Lamina said; for `intake.apply_update` alone."""
    connection.execute(sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(**columns))
    if payload:
        connection.execute(sa.update(PayloadTable).where(col(PayloadTable.execution) == row_id).values(**payload))


def record_poll(connection: sa.Connection, row_id: int, polled_at: datetime, error: str | None) -> None:
    """Count a poll; what it said, if anything, goes through intake."""
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id) == row_id)
        .values(poll_count=col(ExecutionTable.poll_count) + 1, last_poll_at=polled_at, poll_error=error)
    )


def schedule_poll(connection: sa.Connection, row_id: int, next_poll_at: datetime) -> None:
    """Set when an execution that is polled at all is polled next."""
    connection.execute(
        sa.update(ExecutionTable)
        .where(col(ExecutionTable.id) == row_id, col(ExecutionTable.next_poll_at).is_not(None))
        .values(next_poll_at=next_poll_at)
    )


def due(connection: sa.Connection, now: datetime, limit: int) -> list[Execution]:
    """Return the executions whose poll is due, the longest due first."""
    wanted = (
        sa.select(*ROW)
        .where(col(ExecutionTable.next_poll_at) <= now)
        .order_by(col(ExecutionTable.next_poll_at))
        .limit(limit)
    )
    return [execution_from(row) for row in connection.execute(wanted)]


def next_due_at(connection: sa.Connection) -> datetime | None:
    """Return when the next poll is due, None when nothing is polled."""
    wanted = (
        sa.select(col(ExecutionTable.next_poll_at))
        .where(col(ExecutionTable.next_poll_at).is_not(None))
        .order_by(col(ExecutionTable.next_poll_at))
        .limit(1)
    )
    return connection.execute(wanted).scalar_one_or_none()


def stale_starts(connection: sa.Connection, before: datetime) -> list[int]:
    """Return the starts recorded before this instant of which no answer was recorded."""
    wanted = sa.select(col(ExecutionTable.id)).where(
        col(ExecutionTable.status) == Status.STARTING, col(ExecutionTable.created_at) < before
    )
    return list(connection.execute(wanted).scalars())


def learned_kind(connection: sa.Connection, app_id: str) -> Kind | None:
    """Return what the last completed execution of the app turned out to be."""
    wanted = (
        sa.select(col(ExecutionTable.kind))
        .where(col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == Status.COMPLETED)
        .order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc())
        .limit(1)
    )
    kind = connection.execute(wanted).scalar_one_or_none()
    return Kind(kind) if kind else None


def replays_of(connection: sa.Connection, row_id: int) -> list[Execution]:
    """Return the executions that were replayed from this one, oldest first."""
    wanted = sa.select(*ROW).where(col(ExecutionTable.replay_of) == row_id).order_by(col(ExecutionTable.id))
    return [execution_from(row) for row in connection.execute(wanted)]


def count_in_flight(connection: sa.Connection, late_before: datetime, cap: int) -> tuple[int, int]:
    """Return how many executions Lamina works on, and how many of them started before `late_before`.

    Both stop at `cap`.
    """
    in_flight = col(ExecutionTable.status).in_([*POLLED, Status.STARTING])
    late = in_flight & (col(ExecutionTable.created_at) < late_before)
    return _count(connection, in_flight, cap), _count(connection, late, cap)


def _count(connection: sa.Connection, condition: sa.ColumnElement[bool], cap: int) -> int:
    matching = sa.select(sa.literal(1)).select_from(ExecutionTable).where(condition).limit(cap).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(matching)).scalar_one())
