"""The ways to executions by what the tally knows, and the cheapest of them.

The choice rests on numbers that are kept right, never on the statistics of the database, which may be old or missing:
on SQLite every index but the chosen one is ruled out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Origin
from lamina_core.store import groups, tally
from lamina_core.store.criteria import Criteria
from lamina_core.store.paths import NOWHERE, Branch, Path, beside, cells
from lamina_core.store.tables import ExecutionTable, FailureTable
from lamina_core.triage.records import Triage

_BRANCHES = 12  # that are gone without asking what else there is, where every row of theirs matches
_BRANCH_COST, _ROW_COST, _LOOKUP_COST = 1_000.0, 0.15, 1.5  # microseconds; the last where the index does not say it all
_SMALL_COST = 4_000.0  # microseconds of looking that are not worth being cut
_PAGE = 50  # rows that are to be found, for the comparison of costs


@dataclass(frozen=True)
class _Way:
    """A path that could be gone: how many rows its branches have, and what looking at one costs."""

    path: Path
    whole: Branch  # all its branches in one, out of order
    rows: int
    row_cost: float

    @property
    def whole_cost(self) -> float:
        """Return the microseconds to look at every row."""
        return self.rows * self.row_cost

    def page_cost(self, matching: int) -> float:
        """Return the microseconds to find a page, where so many of the rows match, here and there."""
        return len(self.path.branches) * _BRANCH_COST + _PAGE * self.rows / matching * self.row_cost


def choose(connection: sa.Connection, criteria: Criteria) -> Path:
    """Return the path for all parts of criteria but a text."""
    if criteria == Criteria(statuses=criteria.statuses, since=criteria.since):
        return Path(_status_branches(criteria) or (Branch(),))
    ways: list[_Way] = []
    total = None
    if criteria.origins or criteria.operators:
        starters = tally.group(connection, ("started_by",), [], cells(criteria))
        total = sum(matching for _, matching in starters.values())
        if not total:
            return NOWHERE
        ways = [_by_newest(connection, criteria)]
        if len(starters) <= _BRANCHES:
            ways.append(_by_starter(connection, criteria, sorted(name for (name,) in starters)))
    if criteria.app_ids:
        ways.append(_by_app(connection, criteria))
    elif criteria.statuses:
        ways.append(_by_status(connection, criteria))
    if criteria.triages:
        ways.append(_by_triage(connection, criteria))
    if not ways:
        return Path(beside=beside(criteria))
    for way in ways:
        if way.path.is_direct and len(way.path.branches) <= _BRANCHES:
            return way.path
    cheapest = min(ways, key=lambda way: way.whole_cost)
    if cheapest.whole_cost <= _SMALL_COST:
        if len(cheapest.path.branches) == 1:
            return replace(cheapest.path, is_small=True)
        return replace(cheapest.path, branches=(cheapest.whole,), is_small=True, is_sorted=True)
    # Where more is asked for than the tally and the time, nobody knows what share of the rows matches.
    if total and _is_known(criteria):
        return min(ways, key=lambda way: way.page_cost(total)).path
    return cheapest.path


def _is_known(criteria: Criteria) -> bool:
    return replace(criteria, since=None).is_tallied


def _by_newest(connection: sa.Connection, criteria: Criteria) -> _Way:
    """Take the greatest id for the number of rows: never too small, and read at once."""
    rows = connection.execute(sa.select(sa.func.max(col(ExecutionTable.id)))).scalar_one()
    cost = _LOOKUP_COST if criteria.statuses else _row_cost(criteria)  # the index does not follow statuses
    return _Way(Path(beside=beside(criteria)), Branch(), int(rows or 0), cost)


def _by_starter(connection: sa.Connection, criteria: Criteria, starters: Sequence[str]) -> _Way:
    """Count the rows of all their origins: an operator's lie under several."""
    started_by = col(ExecutionTable.started_by)
    path = Path(
        tuple(Branch((started_by == name,)) for name in starters),
        beside(criteria, but={"operators"}),
    )
    within = [tally.CELLS.c.origin.in_(sorted(Origin)), tally.CELLS.c.started_by.in_(starters)]
    rows = sum(tally.count_by_status(connection, within).values())
    return _Way(path, Branch((started_by.in_(starters),)), rows, _row_cost(criteria))


def _row_cost(criteria: Criteria) -> float:
    """Return what a row costs in an index that has all that the tally knows, and the time."""
    return _ROW_COST if _is_known(criteria) else _LOOKUP_COST


def _by_app(connection: sa.Connection, criteria: Criteria) -> _Way:
    within = cells(criteria, {"app_ids", "statuses"})
    found = tally.group(connection, ("app_id", "status"), cells(criteria), within)
    branches = [
        Branch((col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == status), status)
        for app_id, status in sorted(found)
    ]
    path = Path(tuple(branches), beside(criteria, but={"app_ids", "statuses"}))
    every = [sorted({part[place] for part in found}) for place in (0, 1)]
    whole = Branch((col(ExecutionTable.app_id).in_(every[0]), col(ExecutionTable.status).in_(every[1])))
    return _Way(path, whole, sum(rows for rows, _ in found.values()), _row_cost(criteria))


def _by_status(connection: sa.Connection, criteria: Criteria) -> _Way:
    path = Path(_status_branches(criteria), beside(criteria, but={"statuses"}))
    whole = Branch((col(ExecutionTable.status).in_(sorted(criteria.statuses)),))
    rows = sum(tally.count_by_status(connection, cells(criteria, {"statuses"})).values())
    return _Way(path, whole, rows, _row_cost(criteria))


def _status_branches(criteria: Criteria) -> tuple[Branch, ...]:
    return tuple(Branch((col(ExecutionTable.status) == each,), each) for each in sorted(criteria.statuses))


def _by_triage(connection: sa.Connection, criteria: Criteria) -> _Way:
    """Go through the failures; a failure has its execution's app and status beside it."""
    own = {"app_ids": col(FailureTable.app_id), "statuses": col(FailureTable.status)}
    told = tuple(column.in_(sorted(getattr(criteria, name))) for name, column in own.items() if getattr(criteria, name))
    others = beside(criteria, but={"triages", *own})
    joined = bool(others or criteria.text)
    branches = [Branch((col(FailureTable.triage) == each,)) for each in sorted(criteria.triages)]
    path = Path(tuple(branches), (*told, *others), of_failures=True, joined=joined)
    number, open_number = groups.count_failures(connection)
    rows = (number - open_number if Triage.RESOLVED in criteria.triages else 0) + (
        open_number if criteria.triages - {Triage.RESOLVED} else 0
    )
    whole = Branch((col(FailureTable.triage).in_(sorted(criteria.triages)),))
    return _Way(path, whole, rows, _LOOKUP_COST if joined else _ROW_COST)
