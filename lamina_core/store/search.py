"""Finding executions: pages by keyset, and counts that never read more than a bounded number of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Execution, Status
from lamina_core.store.executions import ROW, execution_from
from lamina_core.store.remote import read_status
from lamina_core.store.tables import ExecutionTable, UtcDateTime

COUNT_CAP = 1_000  # a count above this is shown as "1,000+"


@dataclass(frozen=True)
class Criteria:
    """Which executions; an empty or missing part does not restrict."""

    statuses: frozenset[Status] = frozenset()
    app_id: str | None = None
    since: datetime | None = None
    text: str | None = None


@dataclass(frozen=True)
class Cursor:
    """A place in the list, newest first: the row that a page ends or begins with."""

    created_at: datetime
    id: int


@dataclass(frozen=True)
class Page:
    """A page of rows, and whether there are older and newer ones."""

    rows: tuple[Execution, ...]
    has_older: bool
    has_newer: bool


@dataclass(frozen=True)
class Count:
    """A number that stops at COUNT_CAP."""

    number: int
    capped: bool


def _matches(criteria: Criteria) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if criteria.statuses:
        conditions.append(col(ExecutionTable.status).in_(sorted(criteria.statuses)))
    if criteria.app_id:
        conditions.append(col(ExecutionTable.app_id) == criteria.app_id)
    if criteria.since:
        conditions.append(col(ExecutionTable.created_at) >= criteria.since)
    if criteria.text:
        conditions.append(
            col(ExecutionTable.execution_id).istartswith(criteria.text, autoescape=True)
            | col(ExecutionTable.error_message).icontains(criteria.text, autoescape=True)
            | col(ExecutionTable.app_name).icontains(criteria.text, autoescape=True)
            | col(ExecutionTable.reference).icontains(criteria.text, autoescape=True)
        )
    return conditions


def _place(cursor: Cursor) -> Any:
    return sa.tuple_(sa.literal(cursor.created_at, UtcDateTime()), sa.literal(cursor.id, sa.BigInteger()))


_HERE = sa.tuple_(col(ExecutionTable.created_at), col(ExecutionTable.id))


def find_page(
    connection: sa.Connection,
    criteria: Criteria,
    limit: int,
    *,
    older_than: Cursor | None = None,
    newer_than: Cursor | None = None,
) -> Page:
    """Return a page, newest first: the newest rows, those after a cursor, or those just before one."""
    upwards = newer_than is not None
    wanted = sa.select(*ROW).where(*_matches(criteria)).limit(limit + 1)
    if newer_than is not None:
        wanted = wanted.where(_place(newer_than) < _HERE)
    elif older_than is not None:
        wanted = wanted.where(_place(older_than) > _HERE)
    order = [col(ExecutionTable.created_at), col(ExecutionTable.id)]
    wanted = wanted.order_by(*(order if upwards else [part.desc() for part in order]))
    found = [execution_from(row) for row in connection.execute(wanted)]
    more, rows = len(found) > limit, found[:limit]
    if upwards:
        return Page(tuple(reversed(rows)), has_older=True, has_newer=more)
    return Page(tuple(rows), has_older=more, has_newer=older_than is not None)


def find_by_ids(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Execution]:
    """Return executions by our own ids, for rows that are on a screen already."""
    wanted = sa.select(*ROW).where(col(ExecutionTable.id).in_(ids))
    return {row.id: execution_from(row) for row in connection.execute(wanted)}


def find_ids(connection: sa.Connection, criteria: Criteria, until: datetime, limit: int) -> list[tuple[int, Status]]:
    """Return executions that match and were started by an instant, newest first, each with its status."""
    wanted = sa.select(col(ExecutionTable.id), col(ExecutionTable.status)).where(*_matches(criteria))
    wanted = wanted.where(col(ExecutionTable.created_at) <= until)
    wanted = wanted.order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc()).limit(limit)
    return [(row.id, read_status(row.status)) for row in connection.execute(wanted)]


def count(connection: sa.Connection, criteria: Criteria, newer_than: Cursor | None = None) -> Count:
    """Return how many executions match, counting no further than COUNT_CAP."""
    conditions = _matches(criteria)
    if newer_than is not None:
        conditions.append(_place(newer_than) < _HERE)
    inner = sa.select(sa.literal(1)).select_from(ExecutionTable).where(*conditions).limit(COUNT_CAP + 1).subquery()
    number = int(connection.execute(sa.select(sa.func.count()).select_from(inner)).scalar_one())
    return Count(min(number, COUNT_CAP), number > COUNT_CAP)


def count_by_status(connection: sa.Connection, criteria: Criteria) -> dict[Status, Count]:
    """Return a count for every status, zeros too, following every part of the criteria but the statuses."""
    return {status: count(connection, replace(criteria, statuses=frozenset({status}))) for status in Status}


def find_ids_by_text(connection: sa.Connection, text: str, limit: int) -> list[int]:
    """Return executions that a pasted text means: Lamina's id or the customer's reference, else how one begins."""
    columns = (col(ExecutionTable.execution_id), col(ExecutionTable.reference))
    exactly, begun = (
        [column == text for column in columns],
        [column.startswith(text, autoescape=True) for column in columns],
    )
    for conditions in (exactly, begun):
        found: list[int] = []
        for condition in conditions:
            wanted = sa.select(col(ExecutionTable.id)).where(condition).limit(limit)
            found += [row_id for row_id in connection.execute(wanted).scalars() if row_id not in found]
        if found:
            return found[:limit]
    return []
