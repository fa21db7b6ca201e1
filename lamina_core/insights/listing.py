"""One view of the Executions screen: a page of rows, the counts beside it, and what has changed since."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lamina_core.api import wire
from lamina_core.domain import Execution, Status
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store import search
from lamina_core.store.engine import Engines
from lamina_core.store.search import Count, Cursor

PAGE = 50  # rows


@dataclass(frozen=True)
class Listing:
    """A page of rows, and the filters that lead to the pages beside it."""

    rows: tuple[Execution, ...]
    older: ExecutionFilter | None
    newer: ExecutionFilter | None


@dataclass(frozen=True)
class Changes:
    """The same rows as they stand now, and how many newer ones the list does not show.

    `counts` follow every filter but the statuses.
    """

    rows: tuple[Execution, ...]
    counts: dict[Status, Count]
    newer: Count
    as_of: datetime


def read_listing(engines: Engines, wanted: ExecutionFilter, now: datetime) -> Listing:
    """Read one page."""
    criteria = wanted.criteria(now)
    with engines.reading() as connection:
        page = search.find_page(connection, criteria, PAGE, older_than=wanted.older_than, newer_than=wanted.newer_than)
    older = newer = None
    if page.rows and page.has_older:
        older = replace(wanted, older_than=_cursor(page.rows[-1]), newer_than=None)
    if page.rows and page.has_newer:
        newer = replace(wanted, older_than=None, newer_than=_cursor(page.rows[0]))
    return Listing(page.rows, older, newer)


def read_changes(engines: Engines, wanted: ExecutionFilter, shown: Sequence[Execution], now: datetime) -> Changes:
    """Read the rows on the screen again, in the order in which they stand there."""
    criteria = wanted.criteria(now)
    with engines.reading() as connection:
        fresh = search.find_by_ids(connection, [row.id for row in shown])
        counts = search.count_by_status(connection, criteria)
        newer = search.count(connection, criteria, _cursor(shown[0]) if shown else None)
    return Changes(tuple(fresh.get(row.id, row) for row in shown), counts, newer, now)


def find_pasted(engines: Engines, text: str) -> list[int]:
    """Return our ids of what a pasted text may mean: Lamina's id or a reference, whole or begun, or our number."""
    pasted = wire.clean_text(text.replace("\x00", "").strip())
    with engines.reading() as connection:
        found = search.find_ids_by_text(connection, pasted, limit=2) if pasted else []
        if not found and pasted.removeprefix("#").isdecimal() and len(pasted) < 18:
            row_id = int(pasted.removeprefix("#"))
            found = list(search.find_by_ids(connection, [row_id]))
    return found


def _cursor(row: Execution) -> Cursor:
    return Cursor(row.created_at, row.id)
