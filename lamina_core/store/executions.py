"""Recording and finding executions. Functions take the connection first and never commit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Execution, Generation, Kind, Origin, Registration, Status
from lamina_core.polling import schedule
from lamina_core.store.hints import Aside
from lamina_core.store.remote import Outputs, read_status
from lamina_core.store.tables import ExecutionTable, PayloadTable

ROW = [
    col(getattr(ExecutionTable, name))
    for name in Execution.__dataclass_fields__  # the record's fields are the row's columns
]
_SEARCHED = 1_000  # rows among which those that fit a lost start are looked for


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
    """What is wide of an execution; `inputs` None: others started it, and nobody told us with what."""

    inputs: Mapping[str, Any] | None
    chosen_outputs: tuple[str, ...]
    outputs: Outputs
    last_report: Mapping[str, Any] | None
    problems: tuple[Mapping[str, Any], ...]


def execution_from(row: sa.Row[Any]) -> Execution:
    """Return the record of a row selected as ROW, whatever follows in it."""
    fields = dict(zip(Execution.__dataclass_fields__, row, strict=False))
    fields.update(status=read_status(row.status), kind=Kind(row.kind), origin=Origin(row.origin))
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


def insert_registered(
    connection: sa.Connection,
    registrations: Sequence[Registration],
    apps: Mapping[str, tuple[str, Kind]],
    generation: Generation,
    now: datetime,
) -> list[int]:
    """Record executions that others started and return their rows' ids; `apps` gives the name and kind of each app.

    They count as queued until they are read, which may be at once; the late ones wait behind all others.
    """
    rows = [
        {
            "execution_id": each.execution_id,
            "app_id": each.app_id,
            "app_name": apps[each.app_id][0],
            "status": Status.QUEUED,
            "kind": apps[each.app_id][1],
            "generation": generation,
            "created_at": each.started_at or now,
            "updated_at": now,
            "missing_count": 0,
            "poll_count": 0,
            "next_poll_at": each.started_at if _is_late(each, now) else now,
            "origin": each.origin,
            "started_by": each.origin,
            "webhook_expected": False,
            "reference": each.reference,
        }
        for each in registrations
    ]
    insert = sa.insert(ExecutionTable).returning(col(ExecutionTable.id), sort_by_parameter_order=True)
    ids = list(connection.execute(insert, rows).scalars()) if rows else []
    payloads = [
        {"execution": row_id, "inputs": each.inputs and dict(each.inputs)}
        for row_id, each in zip(ids, registrations, strict=True)
    ]
    if payloads:
        connection.execute(sa.insert(PayloadTable), payloads)
    return ids


def _is_late(registration: Registration, now: datetime) -> bool:
    return registration.started_at is not None and now - registration.started_at > schedule.LATE_AFTER


def find(connection: sa.Connection, row_id: int, *, for_update: bool = False) -> Execution | None:
    """Return one execution by our own id; `for_update` keeps it from others until the transaction ends."""
    wanted = sa.select(*ROW).where(col(ExecutionTable.id) == row_id)
    row = connection.execute(wanted.with_for_update() if for_update else wanted).one_or_none()
    return execution_from(row) if row else None


def find_payload(connection: sa.Connection, row_id: int) -> Payload | None:
    """Return the wide part of one execution."""
    wanted = sa.select(PayloadTable).where(col(PayloadTable.execution) == row_id)
    row = connection.execute(wanted).one_or_none()
    return _payload(row) if row else None


def _payload(row: sa.Row[Any]) -> Payload:
    return Payload(
        inputs=row.inputs,
        chosen_outputs=tuple(row.chosen_outputs or ()),
        outputs=tuple(row.outputs or ()),
        last_report=row.last_report,
        problems=tuple(row.problems or ()),
    )


def find_with_errors(
    connection: sa.Connection, after: int, limit: int
) -> list[tuple[Execution, Outputs, Sequence[Mapping[str, Any]]]]:
    """Return the executions after this one that ended with an error, with their outputs and refused inputs."""
    status = Aside(col(ExecutionTable.status))  # by its index, each call would sort all that failed
    wanted = (
        sa.select(*ROW, col(PayloadTable.outputs), col(PayloadTable.problems))
        .join(PayloadTable, col(PayloadTable.execution) == col(ExecutionTable.id), isouter=True)
        .where(
            col(ExecutionTable.id) > after,
            status.in_([Status.FAILED, Status.START_FAILED])
            | ((status == Status.COMPLETED) & col(ExecutionTable.error_message).is_not(None)),
        )
        .order_by(col(ExecutionTable.id))
        .limit(limit)
    )
    rows: Iterable[sa.Row[Any]] = connection.execute(wanted)
    return [(execution_from(row), tuple(row.outputs or ()), row.problems or ()) for row in rows]


def find_inputs(connection: sa.Connection, ids: Collection[int]) -> dict[int, Mapping[str, Any] | None]:
    """Return the inputs of executions, None for those that nobody told us."""
    wanted = sa.select(col(PayloadTable.execution), col(PayloadTable.inputs))
    rows = connection.execute(wanted.where(col(PayloadTable.execution).in_(ids)))
    return {row.execution: row.inputs for row in rows}


def find_replays(connection: sa.Connection, ids: Collection[int]) -> dict[int, list[Execution]]:
    """Return the replays of executions, those without any left out."""
    wanted = sa.select(*ROW).where(col(ExecutionTable.replay_of).in_(ids)).order_by(col(ExecutionTable.id))
    found: dict[int, list[Execution]] = {}
    for replay in (execution_from(row) for row in connection.execute(wanted)):
        if replay.replay_of is not None:
            found.setdefault(replay.replay_of, []).append(replay)
    return found


def id_by_token(connection: sa.Connection, token: str) -> int | None:
    """Return the execution whose start carried this token."""
    wanted = sa.select(col(PayloadTable.execution)).where(col(PayloadTable.start_token) == token)
    return connection.execute(wanted).scalar_one_or_none()


def replays_of(connection: sa.Connection, row_id: int) -> list[Execution]:
    """Return the executions that were replayed from this one, oldest first."""
    wanted = sa.select(*ROW).where(col(ExecutionTable.replay_of) == row_id).order_by(col(ExecutionTable.id))
    return [execution_from(row) for row in connection.execute(wanted)]


@dataclass(frozen=True)
class Known:
    """What is here already of an execution that somebody registers."""

    id: int
    execution_id: str
    app_id: str
    reference: str | None
    has_inputs: bool
    is_ours: bool  # started here: nobody else may say with which inputs


# Built once: to build it takes longer than to run it.
_KNOWN = (
    sa.select(
        col(ExecutionTable.id),
        col(ExecutionTable.execution_id),
        col(ExecutionTable.app_id),
        col(ExecutionTable.reference),
        col(PayloadTable.inputs).is_not(None).label("has_inputs"),
        col(PayloadTable.start_token).is_not(None).label("is_ours"),
    )
    .join(PayloadTable, col(PayloadTable.execution) == col(ExecutionTable.id))
    .where(col(ExecutionTable.execution_id).in_(sa.bindparam("names", expanding=True)))
)


def known_by_execution_id(connection: sa.Connection, execution_ids: Collection[str]) -> dict[str, Known]:
    """Return what is here of executions by Lamina's ids."""
    if not execution_ids:
        return {}
    return {
        row.execution_id: Known(**row._mapping) for row in connection.execute(_KNOWN, {"names": list(execution_ids)})
    }


def keep_inputs(connection: sa.Connection, row_id: int, inputs: Mapping[str, Any]) -> None:
    """Write the inputs of an execution that others started."""
    connection.execute(sa.update(PayloadTable).where(col(PayloadTable.execution) == row_id).values(inputs=dict(inputs)))


def name_app(connection: sa.Connection, row_id: int, app_id: str, app_name: str) -> None:
    """Write of which app an execution is, where that was not known."""
    connection.execute(
        sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(app_id=app_id, app_name=app_name)
    )


def refer(connection: sa.Connection, row_id: int, reference: str) -> None:
    """Write the customer's own number of an execution."""
    connection.execute(sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(reference=reference))


def unnamed_before(connection: sa.Connection, before: datetime) -> list[int]:
    """Return the starts recorded before this instant of which no answer was recorded."""
    wanted = sa.select(col(ExecutionTable.id)).where(
        col(ExecutionTable.status) == Status.STARTING, col(ExecutionTable.created_at) < before
    )
    return list(connection.execute(wanted).scalars())


def find_unclaimed(
    connection: sa.Connection,
    app_id: str,
    inputs: Mapping[str, Any],
    since: datetime,
    until: datetime,
    limit: int,
) -> list[Execution]:
    """Return executions of an app that nobody here started, oldest first.

    Those known to have other inputs are left out, and those that Lamina no longer knows: nobody could link them.
    """
    wanted = (
        sa.select(*ROW, col(PayloadTable.inputs))
        .join(PayloadTable, col(PayloadTable.execution) == col(ExecutionTable.id))
        .where(
            col(ExecutionTable.app_id) == app_id,
            # Named one by one, for the index has the instants of one status after each other.
            col(ExecutionTable.status).in_(sorted(set(Status) - {Status.GONE})),
            col(ExecutionTable.created_at).between(since, until),
            Aside(col(PayloadTable.start_token)).is_(None),  # most have none
        )
        .order_by(Aside(col(ExecutionTable.created_at)), col(ExecutionTable.id))
        .limit(_SEARCHED)
    )
    rows: Iterable[sa.Row[Any]] = connection.execute(wanted)
    fitting = (row for row in rows if row.inputs is None or row.inputs == dict(inputs))
    return [execution_from(row) for row in islice(fitting, limit)]
