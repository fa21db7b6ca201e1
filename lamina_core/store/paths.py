"""The ways to executions: which index leads to those that match, so that a list reads few rows more than it shows.

A path is one or more branches, each a range of an index in the order of the list. What the index cannot tell is
checked row by row, in windows of bounded size: see `walks`. Where few rows are left, they are read in one go.

The choice rests on what the tally and the groups of failures know of the number of rows, never on the statistics of
the database, which may be old or missing: on SQLite every other index is ruled out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core import errors
from lamina_core.domain import MAY_HAVE_FAILED, Status
from lamina_core.store import groups, tally, texts
from lamina_core.store.criteria import Criteria
from lamina_core.store.deadline import Deadline
from lamina_core.store.hints import Aside
from lamina_core.store.tables import ExecutionTable, FailureTable
from lamina_core.triage.records import Triage

Condition = sa.ColumnElement[bool]

FEW = 5_000  # rows that are read in one go
_PROBE = 0.03  # seconds to find out whether a text is rare
_BRANCHES = 12  # that are gone without asking what else there is, where every row of theirs matches
_BRANCH_COST, _ROW_COST, _LOOKUP_COST = 400.0, 0.15, 2.0  # microseconds; the last where the index does not say it all
_SMALL_COST = 4_000.0  # microseconds of looking that are not worth being cut
_PAGE = 50  # rows that are to be found, for the comparison of costs
# What the tally knows of executions, by the names of criteria.
_TALLIED = {"app_ids": "app_id", "statuses": "status", "origins": "origin", "operators": "started_by"}


@dataclass(frozen=True)
class Branch:
    """A range of one index: `fixed` leads to it; `status` is that of all its rows, where they have one in common."""

    fixed: tuple[Condition, ...] = ()
    status: str | None = None


@dataclass(frozen=True)
class Path:
    """How executions are found: `beside` and `text` are checked on each row that the branches lead to.

    `is_small`: they lead to so few that all are read in one go; `is_sorted`: and these lie in no order. `of_failures`:
    they are ranges of the failures, whose executions are looked up where `joined` says so. `is_counted`: all rows are
    wanted, not a page of them.
    """

    branches: tuple[Branch, ...] = (Branch(),)
    beside: tuple[Condition, ...] = ()
    text: Callable[[texts.Span], Condition] | None = None
    is_small: bool = False
    is_sorted: bool = False
    of_failures: bool = False
    joined: bool = False
    is_counted: bool = False

    @property
    def place(self) -> tuple[Any, Any]:
        """Return the columns in whose order the branches' rows lie."""
        if self.of_failures:
            return col(FailureTable.created_at), col(FailureTable.execution)
        created_at = col(ExecutionTable.created_at)
        # Sought in the order of an index, a few would be found after all others.
        return Aside(created_at) if self.is_sorted else created_at, col(ExecutionTable.id)

    @property
    def is_direct(self) -> bool:
        """Say whether every row that the branches lead to matches."""
        return not self.beside and self.text is None

    @property
    def is_one_window(self) -> bool:
        """Say whether a walk ends soon without being cut into windows: a page, or few rows."""
        return self.is_small or (self.is_direct and not self.is_counted)


NOWHERE = Path(branches=())


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


def find_path(connection: sa.Connection, criteria: Criteria, deadline: Deadline | None) -> Path:
    """Return the path that reads the fewest rows; `since` is left to the walk, for every path can follow it."""
    if criteria.triages and criteria.statuses and not criteria.statuses & MAY_HAVE_FAILED:
        return NOWHERE
    is_sqlite = connection.dialect.name == "sqlite"
    if criteria.text:
        found = texts.find_candidates(criteria.text, criteria.scope, is_sqlite=is_sqlite)
        if found and _is_rare(connection, found, deadline):
            rare = col(ExecutionTable.id).in_(sa.union_all(*found) if len(found) > 1 else found[0])
            return Path((Branch((rare,)),), _beside(criteria), is_small=True, is_sorted=True)
    elif criteria.slower_than is not None:
        slow = _slow(connection, criteria, criteria.slower_than)
        if _count(connection, sa.select(sa.literal(1)).where(*slow), 2 * FEW) <= 2 * FEW:  # the index has it all
            beside = _beside(criteria, but={"statuses", "app_ids", "slower_than"})
            return Path((Branch(slow),), beside, is_small=True, is_sorted=True)
    path = _choose(connection, criteria)
    return replace(path, text=_check_text(criteria, is_sqlite=is_sqlite)) if criteria.text else path


def _check_text(criteria: Criteria, *, is_sqlite: bool) -> Callable[[texts.Span], Condition]:
    wanted, scope = criteria.text or "", criteria.scope
    return lambda among: texts.check_rows(wanted, scope, among, is_sqlite=is_sqlite)


def _is_rare(connection: sa.Connection, found: Sequence[sa.Select[int]], deadline: Deadline | None) -> bool:
    """Say whether few executions match; those that take long to be found are not few."""
    probe = deadline and Deadline.after(deadline.clock, min(_PROBE, deadline.left))
    try:
        with probe.enforced(connection) if probe else nullcontext():
            return all(_count(connection, each, FEW) <= FEW for each in found)
    except errors.DeadlinePassed:
        return False


def _count(connection: sa.Connection, matching: sa.Select[Any], cap: int) -> int:
    limited = matching.limit(cap + 1).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(limited)).scalar_one())


def _slow(connection: sa.Connection, criteria: Criteria, at_least: timedelta) -> tuple[Condition, ...]:
    """Name every app and status, for the index has the durations of one after those of another."""
    apps = criteria.app_ids or tally.find_apps(connection)
    return (
        col(ExecutionTable.app_id).in_(sorted(apps)),
        col(ExecutionTable.status).in_(sorted(criteria.statuses or Status)),
        col(ExecutionTable.duration) >= at_least / timedelta(milliseconds=1),
    )


def _choose(connection: sa.Connection, criteria: Criteria) -> Path:
    """Return the path for all parts of criteria but a text."""
    if criteria == Criteria(statuses=criteria.statuses, since=criteria.since):
        return Path(_status_branches(criteria) or (Branch(),))
    ways: list[_Way] = []
    total = None
    if criteria.origins or criteria.operators:
        starters = tally.group(connection, ("started_by",), _cells(criteria, _TALLIED), _cells(criteria, {"operators"}))
        total = sum(matching for _, matching in starters.values())
        if not total:
            return NOWHERE
        ways = [_by_newest(connection, criteria), _by_starter(criteria, starters)]
    if criteria.app_ids:
        ways.append(_by_app(connection, criteria))
    elif criteria.statuses:
        ways.append(_by_status(connection, criteria))
    if criteria.triages:
        ways.append(_by_triage(connection, criteria))
    if not ways:
        return Path(beside=_beside(criteria))
    for way in ways:
        if way.path.is_direct and len(way.path.branches) <= _BRANCHES:
            return way.path
    cheapest = min(ways, key=lambda way: way.whole_cost)
    if cheapest.whole_cost <= _SMALL_COST:
        return replace(cheapest.path, branches=(cheapest.whole,), is_small=True)
    # Where more is asked for than the tally knows, nobody knows what share of the rows matches.
    return min(ways, key=lambda way: way.page_cost(total)).path if total and criteria.is_tallied else cheapest.path


def _by_newest(connection: sa.Connection, criteria: Criteria) -> _Way:
    """Take the greatest id for the number of rows: never too small, and read at once."""
    rows = connection.execute(sa.select(sa.func.max(col(ExecutionTable.id)))).scalar_one()
    return _Way(Path(beside=_beside(criteria)), Branch(), int(rows or 0), _LOOKUP_COST)


def _by_starter(criteria: Criteria, starters: Mapping[tuple[str, ...], tuple[int, int]]) -> _Way:
    branches = [Branch((col(ExecutionTable.started_by) == name,)) for (name,) in sorted(starters)]
    path = Path(tuple(branches), _beside(criteria, but={"operators"}))
    whole = Branch((col(ExecutionTable.started_by).in_(sorted(name for (name,) in starters)),))
    return _Way(path, whole, sum(rows for rows, _ in starters.values()), _row_cost(criteria))


def _row_cost(criteria: Criteria) -> float:
    """Return what a row costs in an index that has all that the tally knows."""
    return _ROW_COST if criteria.is_tallied else _LOOKUP_COST


def _by_app(connection: sa.Connection, criteria: Criteria) -> _Way:
    within = _cells(criteria, {"app_ids", "statuses"})
    found = tally.group(connection, ("app_id", "status"), _cells(criteria, _TALLIED), within)
    branches = [
        Branch((col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == status), status)
        for app_id, status in sorted(found)
    ]
    path = Path(tuple(branches), _beside(criteria, but={"app_ids", "statuses"}))
    every = [sorted({part[place] for part in found}) for place in (0, 1)]
    whole = Branch((col(ExecutionTable.app_id).in_(every[0]), col(ExecutionTable.status).in_(every[1])))
    return _Way(path, whole, sum(rows for rows, _ in found.values()), _row_cost(criteria))


def _by_status(connection: sa.Connection, criteria: Criteria) -> _Way:
    path = Path(_status_branches(criteria), _beside(criteria, but={"statuses"}))
    whole = Branch((col(ExecutionTable.status).in_(sorted(criteria.statuses)),))
    rows = sum(tally.count_by_status(connection, _cells(criteria, {"statuses"})).values())
    return _Way(path, whole, rows, _row_cost(criteria))


def _status_branches(criteria: Criteria) -> tuple[Branch, ...]:
    return tuple(Branch((col(ExecutionTable.status) == each,), each) for each in sorted(criteria.statuses))


def _by_triage(connection: sa.Connection, criteria: Criteria) -> _Way:
    """Go through the failures; a failure has its execution's app and status beside it."""
    own = {"app_ids": col(FailureTable.app_id), "statuses": col(FailureTable.status)}
    told = tuple(column.in_(sorted(getattr(criteria, name))) for name, column in own.items() if getattr(criteria, name))
    others = _beside(criteria, but={"triages", *own})
    joined = bool(others or criteria.text)
    branches = [Branch((col(FailureTable.triage) == each,)) for each in sorted(criteria.triages)]
    path = Path(tuple(branches), (*told, *others), of_failures=True, joined=joined)
    number, open_number = groups.count_failures(connection)
    rows = (number - open_number if Triage.RESOLVED in criteria.triages else 0) + (
        open_number if criteria.triages - {Triage.RESOLVED} else 0
    )
    whole = Branch((col(FailureTable.triage).in_(sorted(criteria.triages)),))
    return _Way(path, whole, rows, _LOOKUP_COST if joined else _ROW_COST)


def _cells(criteria: Criteria, parts: Collection[str]) -> list[Condition]:
    """Return some parts of criteria as conditions on the tally."""
    return [
        tally.CELLS.c[_TALLIED[part]].in_(sorted(getattr(criteria, part)))
        for part in _TALLIED
        if part in parts and getattr(criteria, part)
    ]


def cells_of(criteria: Criteria) -> list[Condition]:
    """Return criteria that the tally knows, but for the statuses, as conditions on it."""
    return _cells(criteria, _TALLIED.keys() - {"statuses"})


def _beside(criteria: Criteria, but: Collection[str] = ()) -> tuple[Condition, ...]:
    """Return parts of criteria as conditions that are checked on each row, but for those that lead to it."""
    told: list[Condition] = [
        Aside(getattr(ExecutionTable, column)).in_(sorted(getattr(criteria, part)))
        for part, column in _TALLIED.items()
        if part not in but and getattr(criteria, part)
    ]
    if criteria.triages and "triages" not in but:
        here = col(FailureTable.execution) == col(ExecutionTable.id)
        told.append(sa.exists().where(here, col(FailureTable.triage).in_(sorted(criteria.triages))))
    if criteria.slower_than and "slower_than" not in but:
        told.append(Aside(col(ExecutionTable.duration)) >= criteria.slower_than / timedelta(milliseconds=1))
    return tuple(told)
