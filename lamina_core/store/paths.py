"""The ways to executions: which index leads to those that match, so that a list reads few rows more than it shows.

A path is one or more branches, each a range of an index in the order of the list. What the index cannot tell is
checked row by row (`beside`), in windows of bounded size: see `walks`. Where a filter leaves few executions, an index
gives them all and they are sorted (`is_sorted`).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from lamina_core import errors
from lamina_core.store import tally, texts
from lamina_core.store.criteria import Criteria
from lamina_core.store.deadline import Deadline
from lamina_core.store.tables import ExecutionTable, FailureTable

Condition = sa.ColumnElement[bool]

FEW = 2_000  # rows that are fetched and sorted rather than walked past
FEW_SLOW = 10_000  # the same where the index has all that sorting needs
_BRANCHES = 100  # beyond which a list is walked past from its newest on
_PROBE = 0.04  # seconds to find out whether a text is rare


class _Aside(FunctionElement[Any]):
    """A column whose index is not to be used, whatever the planner believes of it."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(_Aside)
def _as_column(element: _Aside, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses.clauses[0], **options))


@compiles(_Aside, "sqlite")
def _without_index(element: _Aside, compiler: Any, **options: Any) -> str:
    return "+" + _as_column(element, compiler, **options)


@dataclass(frozen=True)
class Branch:
    """A range of one index: `fixed` leads to it, and its rows lie in the order of `place`."""

    fixed: tuple[Condition, ...] = ()
    place: tuple[Any, Any] = (col(ExecutionTable.created_at), col(ExecutionTable.id))


@dataclass(frozen=True)
class Path:
    """How executions are found; `beside` and `text` are checked on each row that the branches lead to.

    `total` is how many match, where that is known without looking.
    """

    branches: tuple[Branch, ...]
    beside: tuple[Condition, ...] = ()
    text: Callable[[texts.Span], Condition] | None = None
    is_sorted: bool = False
    total: int | None = None
    joined: bool = field(default=False)  # the branches are of `failure`, and need the execution's row too

    @property
    def is_direct(self) -> bool:
        """Say whether every row that the branches lead to matches."""
        return not self.beside and self.text is None


def find_path(connection: sa.Connection, criteria: Criteria, deadline: Deadline | None) -> Path:
    """Return the path that reads the fewest rows; `since` is left to the walk, for every path can follow it."""
    is_sqlite = connection.dialect.name == "sqlite"
    text = _check_text(criteria, is_sqlite=is_sqlite)
    if criteria.text:
        found = texts.find_candidates(criteria.text, criteria.scope, is_sqlite=is_sqlite)
        if found and _is_rare(connection, found, deadline):
            rare = col(ExecutionTable.id).in_(sa.union_all(*found) if len(found) > 1 else found[0])
            return Path((Branch((rare,)),), _beside(criteria), is_sorted=True)
    if criteria.slower_than is not None and text is None:
        slow = _slow(criteria, criteria.slower_than)
        if _count(connection, slow, FEW_SLOW) <= FEW_SLOW:
            beside = _beside(criteria, but={"statuses", "app_ids", "slower_than"})
            return Path((Branch((col(ExecutionTable.id).in_(slow),)),), beside, is_sorted=True)
    if criteria.triages:
        return _by_triage(criteria, text)
    if criteria.origins or criteria.operators:
        return _by_source(connection, criteria, text)
    if criteria.app_ids:
        return _by_app(connection, criteria, text)
    if criteria.statuses:
        branches = [Branch((col(ExecutionTable.status) == status,)) for status in sorted(criteria.statuses)]
        return Path(tuple(branches), _beside(criteria, but={"statuses"}), text)
    return Path((Branch(),), _beside(criteria), text)


def _check_text(criteria: Criteria, *, is_sqlite: bool) -> Callable[[texts.Span], Condition] | None:
    wanted, scope = criteria.text, criteria.scope
    return (lambda among: texts.check_rows(wanted, scope, among, is_sqlite=is_sqlite)) if wanted else None


def _is_rare(connection: sa.Connection, found: Sequence[sa.Select[int]], deadline: Deadline | None) -> bool:
    """Say whether few executions match; those that take long to be found are not few."""
    probe = deadline and Deadline.after(deadline.clock, min(_PROBE, deadline.left))
    try:
        for each in found:
            if probe is None:
                number = _count(connection, each, FEW)
            else:
                with probe.enforced(connection):
                    number = _count(connection, each, FEW)
            if number > FEW:
                return False
    except errors.DeadlinePassed:
        return False
    return True


def _count(connection: sa.Connection, matching: sa.Select[int], cap: int) -> int:
    limited = matching.limit(cap + 1).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(limited)).scalar_one())


def _slow(criteria: Criteria, at_least: timedelta) -> sa.Select[int]:
    """Look in each app's and status's range of the index, for durations alone have none."""
    cells = sa.select(tally.CELLS.c.app_id, tally.CELLS.c.status).where(*_cells(criteria, {"statuses", "app_ids"}))
    cell = cells.distinct().subquery()
    return sa.select(col(ExecutionTable.id)).where(
        col(ExecutionTable.app_id) == cell.c.app_id,
        col(ExecutionTable.status) == cell.c.status,
        col(ExecutionTable.duration) >= at_least / timedelta(milliseconds=1),
    )


def _by_triage(criteria: Criteria, text: Callable[[texts.Span], Condition] | None) -> Path:
    place = (col(FailureTable.created_at), col(FailureTable.execution))
    branches = [Branch((col(FailureTable.triage) == triage,), place) for triage in sorted(criteria.triages)]
    beside = _beside(criteria, but={"triages", "statuses", "app_ids"})
    needs_row = bool(beside) or text is not None
    own = {"app_ids": col(FailureTable.app_id), "statuses": col(FailureTable.status)}
    told = tuple(column.in_(sorted(getattr(criteria, name))) for name, column in own.items() if getattr(criteria, name))
    return Path(tuple(branches), (*told, *beside), text, joined=needs_row)


def _by_source(connection: sa.Connection, criteria: Criteria, text: Callable[[texts.Span], Condition] | None) -> Path:
    """Go by who started them or by app and status, whichever has fewer; the tally knows, and knows where there is none.

    `total` stays open where something else is asked for too.
    """
    cells = tally.count_cells(connection, _cells(criteria, {"statuses", "app_ids", "origins", "operators"}))
    total = sum(cells.values())
    known = total if criteria.is_tallied else None
    if not total:
        return Path((), total=0)
    by_source = sorted({(cell.origin, cell.started_by) for cell in cells})
    by_app = sorted({(cell.app_id, cell.status) for cell in cells})
    if criteria.app_ids or criteria.statuses:
        several = {"origins", "operators"}, {"statuses", "app_ids"}
        source_rows, app_rows = (
            sum(tally.count_by_status(connection, _cells(criteria, parts)).values()) for parts in several
        )
    else:
        source_rows, app_rows = 0, 1
    if source_rows <= app_rows and len(by_source) <= _BRANCHES:
        columns, pairs = (col(ExecutionTable.origin), col(ExecutionTable.started_by)), by_source
        beside = _beside(criteria, but={"origins", "operators"})
    elif criteria.app_ids and len(by_app) <= _BRANCHES:
        columns, pairs = (col(ExecutionTable.app_id), col(ExecutionTable.status)), by_app
        beside = _beside(criteria, but={"statuses", "app_ids"})
    else:
        branches = [Branch((col(ExecutionTable.status) == status,)) for status in sorted(criteria.statuses)]
        return Path(tuple(branches) or (Branch(),), _beside(criteria, but={"statuses"}), text, total=known)
    branches = [Branch((columns[0] == first, columns[1] == second)) for first, second in pairs]
    return Path(tuple(branches), beside, text, total=known)


def _by_app(connection: sa.Connection, criteria: Criteria, text: Callable[[texts.Span], Condition] | None) -> Path:
    cells = tally.count_cells(connection, _cells(criteria, {"statuses", "app_ids"}))
    pairs = sorted({(cell.app_id, cell.status) for cell in cells})
    if len(pairs) > _BRANCHES:
        return Path((Branch(),), _beside(criteria), text)
    branches = [Branch((col(ExecutionTable.app_id) == app, col(ExecutionTable.status) == word)) for app, word in pairs]
    known = sum(cells.values()) if criteria.is_tallied else None
    return Path(tuple(branches), _beside(criteria, but={"statuses", "app_ids"}), text, total=known)


def _cells(criteria: Criteria, parts: set[str]) -> list[Condition]:
    """Return some parts of criteria as conditions on the tally."""
    columns = {"app_ids": "app_id", "statuses": "status", "origins": "origin", "operators": "started_by"}
    return [
        tally.CELLS.c[column].in_(sorted(getattr(criteria, part)))
        for part, column in columns.items()
        if part in parts and getattr(criteria, part)
    ]


def cells_of(criteria: Criteria) -> list[Condition]:
    """Return criteria that the tally knows, but for the statuses, as conditions on it."""
    return _cells(criteria, {"app_ids", "origins", "operators"})


def _beside(criteria: Criteria, but: Collection[str] = ()) -> tuple[Condition, ...]:
    """Return parts of criteria as conditions that are checked on each row, but for those that lead to it."""
    columns: dict[str, Mapped[str]] = {
        "statuses": col(ExecutionTable.status),
        "app_ids": col(ExecutionTable.app_id),
        "origins": col(ExecutionTable.origin),
        "operators": col(ExecutionTable.started_by),
    }
    told: list[Condition] = [
        _Aside(column).in_(sorted(getattr(criteria, part)))
        for part, column in columns.items()
        if part not in but and getattr(criteria, part)
    ]
    if criteria.triages and "triages" not in but:
        here = col(FailureTable.execution) == col(ExecutionTable.id)
        told.append(sa.exists().where(here, col(FailureTable.triage).in_(sorted(criteria.triages))))
    if criteria.slower_than and "slower_than" not in but:
        told.append(_Aside(col(ExecutionTable.duration)) >= criteria.slower_than / timedelta(milliseconds=1))
    return tuple(told)
