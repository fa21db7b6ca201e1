"""Writing histories that were made up, batch by batch: what is counted is counted as the product's own code would.

A store that holds anything else takes none. Functions take the connection first and never commit.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from lamina_core import errors
from lamina_core.domain import Event
from lamina_core.store import engine, events, failures, notes, resolutions, tally
from lamina_core.store.tables import (
    DeliveryTable,
    EventTable,
    ExecutionTable,
    FailureGroupTable,
    FailureHourTable,
    FailureTable,
    PayloadTable,
)
from lamina_core.triage.fingerprint import VERSION, Cause
from lamina_core.triage.records import Failure, FailureGroup, GroupState, Triage

T = TypeVar("T")

NOTE = "seeded"  # see `Progress`; its `end` in ISO 8601

_SQLITE_CACHE = "PRAGMA cache_size = -262144"  # KiB: the indexes' pages are written many times over


@dataclass(frozen=True)
class Progress:
    """How far a history is stored: rows `first` to `first + done - 1`; `end` is its last instant."""

    number: int
    seed: int
    end: datetime
    first: int
    done: int = 0
    closed: bool = False  # what support did about whole groups is stored too


@dataclass(frozen=True)
class SeededFailure:
    """A failure with what its group needs."""

    failure: Failure
    cause: Cause
    app_name: str
    sample: str | None


@dataclass
class Batch:
    """Rows that are written together, each complete; executions have ids, and those they refer to lie before them."""

    executions: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    failures: list[SeededFailure] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def commit(to: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    """Do work in a transaction of its own; StoreError where the database cannot take it.

    Not by the writer: in its savepoint SQLite keeps each page as it was before every single row, 55 KB a row.
    """
    try:
        with to.begin() as connection:
            return work(connection)
    except sa.exc.DBAPIError as error:
        raise engine.explain(error) from error


def read_progress(connection: sa.Connection) -> Progress | None:
    """Return how far the last history is stored, None if there is none."""
    note = notes.read(connection, NOTE)
    if note is None:
        return None
    return Progress(**{**note.document, "end": datetime.fromisoformat(note.document["end"])})


def find_last(connection: sa.Connection) -> int | None:
    """Return the id of the execution that was stored last, None if there is none."""
    last: int | None = connection.execute(sa.select(sa.func.max(col(ExecutionTable.id)))).scalar_one()
    return last


def open_history(connection: sa.Connection, number: int, seed: int, end: datetime, now: datetime) -> Progress:
    """Return where to go on: of this history, if it was begun before, else of a new one after all that are stored.

    OperationRefused where the store holds executions of life, or another history that was begun and not ended.
    """
    known, last = read_progress(connection), find_last(connection)
    if last is not None and (known is None or last >= known.first + known.done):
        raise errors.OperationRefused(
            "This database holds executions that were not made up. Choose an empty one, with --database URL."
        )
    if known is not None and (known.number, known.seed) == (number, seed):
        return known
    if known is not None and not known.closed:
        raise errors.OperationRefused(
            f"This database holds {known.done:,} of {known.number:,} executions of another history. "
            f"Finish it first: --executions {known.number} --seed {known.seed}."
        )
    if last is None:
        # Nothing has failed here before, and what comes is grouped as it is written.
        notes.write(connection, notes.FINGERPRINTS, {"version": VERSION, "until": None}, now)
    begun = Progress(number, seed, end, (last or 0) + 1)
    _write_progress(connection, begun, now)
    return begun


def write_batch(connection: sa.Connection, progress: Progress, batch: Batch, now: datetime) -> Progress:
    """Write the next rows of a history and return how far it is stored now."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        connection.exec_driver_sql(_SQLITE_CACHE)
    _insert(connection, ExecutionTable, batch.executions)
    _insert(connection, PayloadTable, batch.payloads)
    _insert(connection, FailureTable, [dict(vars(each.failure)) for each in batch.failures])
    _count_groups(connection, batch.failures)
    _insert(connection, DeliveryTable, batch.deliveries)
    _insert(connection, EventTable, [dict(vars(each)) for each in batch.events])
    if not is_sqlite:
        _pass_ids(connection)
        # Without figures on as many rows PostgreSQL folds them in a time that grows with their square.
        connection.exec_driver_sql("ANALYZE tally_change")
    while tally.fold(connection):
        pass
    stored = replace(progress, done=progress.done + len(batch.executions))
    _write_progress(connection, stored, now)
    return stored


def _insert(connection: sa.Connection, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.execute(sa.insert(table), rows)


def _copy(connection: sa.Connection, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Hand rows to PostgreSQL in one stream: it would parse each statement of many anew."""
    names = list(rows[0])
    columns = sa.inspect(table).columns
    wide = {name for name in names if isinstance(columns[name].type, sa.JSON)}
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.__tablename__} ({', '.join(names)}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(
                [json.dumps(row[name]) if name in wide and row[name] is not None else row[name] for name in names]
            )


def _pass_ids(connection: sa.Connection) -> None:
    """Let PostgreSQL number the next execution after those that came with their ids."""
    last = sa.select(sa.func.max(col(ExecutionTable.id))).scalar_subquery()
    sequence = sa.func.pg_get_serial_sequence("execution", "id")
    connection.execute(sa.select(sa.func.setval(sequence, last)))


def _count_groups(connection: sa.Connection, found: Sequence[SeededFailure]) -> None:
    groups: dict[str, FailureGroup] = {}
    hours: Counter[tuple[str, datetime]] = Counter()
    for each in found:
        at, name = each.failure.failed_at, each.cause.fingerprint
        group = groups.get(name) or _new_group(each)
        groups[name] = replace(
            group,
            app_name=each.app_name,
            sample=each.sample,
            first_seen=min(group.first_seen, at),
            last_seen=max(group.last_seen, at),
            number=group.number + 1,
            open_number=group.open_number + (each.failure.triage is not Triage.RESOLVED),
        )
        hours[name, at.replace(minute=0, second=0, microsecond=0)] += 1
    if groups:
        _add_groups(connection, [asdict(group) for _, group in sorted(groups.items())])
        rows = [{"fingerprint": name, "hour": hour, "number": number} for (name, hour), number in sorted(hours.items())]
        _add_hours(connection, rows)


def _new_group(first: SeededFailure) -> FailureGroup:
    return FailureGroup(
        fingerprint=first.cause.fingerprint,
        app_id=first.cause.app_id,
        app_name=first.app_name,
        error_class=first.cause.error_class,
        title=first.cause.title,
        sample=first.sample,
        first_seen=first.failure.failed_at,
        last_seen=first.failure.failed_at,
        number=0,
        open_number=0,
        state=GroupState.OPEN,
        state_by=None,
        state_at=None,
        ignored_until=None,
        ignored_limit=None,
        reopened_at=None,
    )


def _add_groups(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    insert = _upsert(connection, FailureGroupTable)
    here, more = FailureGroupTable, insert.excluded
    added = {
        "app_name": more.app_name,
        "sample": more.sample,
        "first_seen": sa.case((col(here.first_seen) > more.first_seen, more.first_seen), else_=col(here.first_seen)),
        "last_seen": sa.case((col(here.last_seen) < more.last_seen, more.last_seen), else_=col(here.last_seen)),
        "number": col(here.number) + more.number,
        "open_number": col(here.open_number) + more.open_number,
    }
    connection.execute(insert.on_conflict_do_update(index_elements=["fingerprint"], set_=added), rows)


def _add_hours(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    insert = _upsert(connection, FailureHourTable)
    added = {"number": col(FailureHourTable.number) + insert.excluded.number}
    connection.execute(insert.on_conflict_do_update(index_elements=["fingerprint", "hour"], set_=added), rows)


def _upsert(connection: sa.Connection, table: type[SQLModel]) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def find_groups(connection: sa.Connection) -> list[FailureGroup]:
    """Return all groups that have failures, those that failed longest ago first."""
    wanted = sa.select(*failures.GROUP_FIELDS).order_by(
        col(FailureGroupTable.last_seen), col(FailureGroupTable.fingerprint)
    )
    return [failures.group_from(row) for row in connection.execute(wanted)]


def settle_groups(
    connection: sa.Connection, progress: Progress, settled: Sequence[FailureGroup], now: datetime
) -> Progress:
    """Write what support did about whole groups, close the failures of those that are resolved, and end the history."""
    for group in settled:
        by, at = group.state_by or "", group.state_at or now
        if group.state is GroupState.RESOLVED:
            number = resolutions.resolve_all(connection, group.fingerprint, by, at)
            group = replace(group, open_number=group.open_number - number)  # noqa: PLW2901
        failures.write_group(connection, group)
        detail = {"fingerprint": group.fingerprint}
        events.append(connection, Event(at, f"group_{group.state}", by, detail))
    closed = replace(progress, closed=True)
    _write_progress(connection, closed, now)
    return closed


def _write_progress(connection: sa.Connection, progress: Progress, now: datetime) -> None:
    notes.write(connection, NOTE, {**asdict(progress), "end": progress.end.isoformat()}, now)


def measure_size(connection: sa.Connection) -> int:
    """Return how many bytes the database takes."""
    if connection.dialect.name == "sqlite":
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return int(pages) * int(size)
    return int(connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one())
