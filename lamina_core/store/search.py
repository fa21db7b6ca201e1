"""Finding executions: pages by keyset, and counts that say how exact they are.

A search that takes a deadline answers by then with what it found and how far it looked; without one it ends itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Execution, Status
from lamina_core.store import paths, planning, tally, texts, walks
from lamina_core.store.criteria import COUNT_CAP, Count, Criteria, Cursor, Range
from lamina_core.store.deadline import Deadline
from lamina_core.store.executions import ROW, execution_from
from lamina_core.store.remote import read_status
from lamina_core.store.tables import ExecutionTable, TextTable


@dataclass(frozen=True)
class Page:
    """A page of rows, newest first, and whether there are older and newer ones.

    `reached`: the search ran out of time there, and what lies beyond is not known.
    """

    rows: tuple[Execution, ...]
    has_older: bool
    has_newer: bool
    reached: Cursor | None = None


def find_page(
    connection: sa.Connection,
    criteria: Criteria,
    limit: int,
    *,
    older_than: Cursor | None = None,
    newer_than: Cursor | None = None,
    deadline: Deadline | None = None,
) -> Page:
    """Return a page: the newest rows, those after a cursor, or those just before one."""
    upwards = newer_than is not None
    rows = _range(criteria, above=newer_than, below=None if upwards else older_than)
    path = planning.find_path(connection, criteria, deadline)
    found = walks.walk(connection, path, rows, limit + 1, deadline, upwards=upwards)
    places = found.places[:limit]
    known = find_by_ids(connection, [place.id for place in places])
    executions = [known[place.id] for place in places if place.id in known]
    more = len(found.places) > limit or found.reached is not None
    reached = found.reached if len(found.places) <= limit else None
    if upwards:
        return Page(tuple(reversed(executions)), has_older=True, has_newer=more, reached=reached)
    return Page(tuple(executions), has_older=more, has_newer=older_than is not None, reached=reached)


def _range(criteria: Criteria, above: Cursor | None, below: Cursor | None) -> Range:
    since = Cursor(criteria.since, 0) if criteria.since else None
    if above is None or (since is not None and since.created_at > above.created_at):
        above = since
    return Range(above, below)


def find_by_ids(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Execution]:
    """Return executions by our own ids, for rows that are on a screen already."""
    if not ids:
        return {}
    wanted = sa.select(*ROW).where(col(ExecutionTable.id).in_(ids))
    return {row.id: execution_from(row) for row in connection.execute(wanted)}


def find_ids(connection: sa.Connection, criteria: Criteria, until: datetime, limit: int) -> list[tuple[int, Status]]:
    """Return executions that match and were started by an instant, newest first, each with its status."""
    rows = _range(criteria, above=None, below=Cursor.above_all(until))
    found = walks.walk(connection, planning.find_path(connection, criteria, None), rows, limit, None)
    ids = [place.id for place in found.places]
    wanted = sa.select(col(ExecutionTable.id), col(ExecutionTable.status)).where(col(ExecutionTable.id).in_(ids))
    known = {row.id: read_status(row.status) for row in connection.execute(wanted)}
    return [(row_id, known[row_id]) for row_id in ids if row_id in known]


def count(
    connection: sa.Connection,
    criteria: Criteria,
    newer_than: Cursor | None = None,
    deadline: Deadline | None = None,
) -> Count:
    """Return how many executions match: exact where the tally knows, else counted no further than COUNT_CAP."""
    if criteria.is_tallied and newer_than is None:
        numbers = tally.count_by_status(connection, paths.cells(criteria))
        wanted = {str(status) for status in criteria.statuses or numbers}
        return Count(sum(number for status, number in numbers.items() if status in wanted), capped=False)
    found = _count_each(connection, criteria, _range(criteria, above=newer_than, below=None), deadline)
    number, is_capped = sum(each.number for each in found.values()), any(each.capped for each in found.values())
    return Count(min(number, COUNT_CAP) if is_capped else number, is_capped)


def count_by_status(
    connection: sa.Connection, criteria: Criteria, deadline: Deadline | None = None
) -> dict[Status, Count]:
    """Return a count for every status, zeros too, following every part of the criteria but the statuses."""
    criteria = replace(criteria, statuses=frozenset())
    if criteria.is_tallied:
        numbers = tally.count_by_status(connection, paths.cells(criteria))
        return _by_status(numbers, lambda _: False)
    return _count_each(connection, criteria, _range(criteria, None, None), deadline)


def _count_each(
    connection: sa.Connection, criteria: Criteria, rows: Range, deadline: Deadline | None
) -> dict[Status, Count]:
    if criteria == Criteria(since=criteria.since):
        criteria = replace(criteria, statuses=frozenset(Status))  # each has a range of its own in an index
    path = planning.find_path(connection, criteria, deadline)
    if path.is_direct and all(branch.status for branch in path.branches):
        counted = walks.count_branches(connection, path, rows, COUNT_CAP + 1)
        numbers = {status: min(number, COUNT_CAP) for status, number in counted.items()}
        return _by_status(numbers, lambda status: counted.get(status, 0) > COUNT_CAP)
    numbers, is_all = walks.count(connection, path, rows, COUNT_CAP, deadline)
    return _by_status(numbers, lambda _: not is_all)


def _by_status(numbers: Mapping[str, int], is_capped: Callable[[str], bool]) -> dict[Status, Count]:
    known: dict[Status, int] = dict.fromkeys(Status, 0)
    for word, number in numbers.items():
        known[read_status(word)] += number
    return {status: Count(number, is_capped(status)) for status, number in known.items()}


def find_ids_by_text(connection: sa.Connection, text: str, limit: int) -> list[int]:
    """Return executions that a pasted text means: Lamina's id or the customer's reference, else how one begins."""
    columns = (
        (col(ExecutionTable.id), col(ExecutionTable.execution_id)),
        (col(TextTable.execution), col(TextTable.reference)),
    )
    exactly = [sa.select(row_id).where(name == text) for row_id, name in columns]
    begun = [sa.select(row_id).where(texts.begins_with(name, text)) for row_id, name in columns]
    for ways in (exactly, begun):
        found: list[int] = []
        for wanted in ways:
            rows = connection.execute(wanted.limit(limit)).scalars()
            found += [row_id for row_id in rows if row_id not in found]
        if found:
            return found[:limit]
    return []
