"""One view of the Executions screen: a page of rows, the counts beside it, and what has changed since."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lamina_core.api import wire
from lamina_core.clock import Clock
from lamina_core.domain import Execution, Status
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store import catalogue, search, tally
from lamina_core.store.criteria import Count, Cursor
from lamina_core.store.deadline import Deadline
from lamina_core.store.engine import Engines

PAGE = 50  # rows
_PAGE_TIME, _CHANGES_TIME = 0.07, 0.04  # seconds after which what was found until then is shown


@dataclass(frozen=True)
class Listing:
    """A page of rows, and the filters that lead to the pages beside it.

    `searched_to`: the search ended there for its time was over; `older`, or `newer`, goes on from there.
    """

    rows: tuple[Execution, ...]
    older: ExecutionFilter | None
    newer: ExecutionFilter | None
    searched_to: datetime | None = None


@dataclass(frozen=True)
class Changes:
    """The same rows as they stand now, and how many newer ones the list does not show.

    `counts` follow every filter but the statuses.
    """

    rows: tuple[Execution, ...]
    counts: dict[Status, Count]
    newer: Count
    as_of: datetime


@dataclass(frozen=True)
class Choices:
    """What the filters offer: the names of apps by their ids, and the operators who have started anything."""

    apps: dict[str, str]
    operators: tuple[str, ...]


def read_listing(engines: Engines, wanted: ExecutionFilter, clock: Clock) -> Listing:
    """Read one page."""
    criteria, deadline = wanted.criteria(clock.now()), Deadline.after(clock, _PAGE_TIME)
    place = {"older_than": wanted.older_than, "newer_than": wanted.newer_than}
    with engines.reading() as connection:
        page = search.find_page(connection, criteria, PAGE, **place, deadline=deadline)
    upwards = wanted.newer_than is not None
    above, below = (_cursor(page.rows[0]), _cursor(page.rows[-1])) if page.rows else (None, None)
    above, below = (page.reached or above, below) if upwards else (above, page.reached or below)
    older = replace(wanted, older_than=below, newer_than=None) if below and page.has_older else None
    newer = replace(wanted, older_than=None, newer_than=above) if above and page.has_newer else None
    return Listing(page.rows, older, newer, page.reached.created_at if page.reached else None)


def read_changes(engines: Engines, wanted: ExecutionFilter, shown: Sequence[Execution], clock: Clock) -> Changes:
    """Read the rows on the screen again, in the order in which they stand there."""
    now, deadline = clock.now(), Deadline.after(clock, _CHANGES_TIME)
    criteria = wanted.criteria(now)
    with engines.reading() as connection:
        fresh = search.find_by_ids(connection, [row.id for row in shown])
        counts = search.count_by_status(connection, criteria, deadline)
        newer = search.count(connection, criteria, _cursor(shown[0]) if shown else None, deadline)
    return Changes(tuple(fresh.get(row.id, row) for row in shown), counts, newer, now)


def read_choices(engines: Engines) -> Choices:
    """Read what the filters offer."""
    with engines.reading() as connection:
        names = {app.app_id: app.name for app in catalogue.all_apps(connection)}
        return Choices(names, tuple(tally.find_operators(connection)))


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
