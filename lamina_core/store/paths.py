"""What leads to executions: a path of one or more branches, each a range of an index in the order of the list.

What the index cannot tell is checked row by row, in windows of bounded size: see `walks`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.store import tally, texts
from lamina_core.store.criteria import Criteria
from lamina_core.store.hints import Aside
from lamina_core.store.tables import ExecutionTable, FailureTable

Condition = sa.ColumnElement[bool]

# What the tally knows of executions, by the names of criteria.
TALLIED = {"app_ids": "app_id", "statuses": "status", "origins": "origin", "operators": "started_by"}


@dataclass(frozen=True)
class Branch:
    """A range of one index: `fixed` leads to it; `status` is that of all its rows, where they have one in common."""

    fixed: tuple[Condition, ...] = ()
    status: str | None = None


@dataclass(frozen=True)
class Path:
    """How executions are found: what the branches lead to, where `beside` holds for the row, and `words` for its id.

    `is_small`: they lead to so few that all are read in one go; `is_sorted`: and these lie in no order. `of_failures`:
    they are ranges of the failures, whose executions are looked up where `joined` says so. `is_counted`: all rows are
    wanted, not a page of them.
    """

    branches: tuple[Branch, ...] = (Branch(),)
    beside: tuple[Condition, ...] = ()
    words: Callable[[texts.Span], Condition] | None = None
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
        return not self.beside and self.words is None

    @property
    def is_one_window(self) -> bool:
        """Say whether a walk ends soon without being cut into windows: a page, or few rows."""
        return self.is_small or (self.is_direct and not self.is_counted)


NOWHERE = Path(branches=())


def cells(criteria: Criteria, parts: Collection[str] = TALLIED) -> list[Condition]:
    """Return parts of criteria as conditions on the tally."""
    return [
        tally.CELLS.c[TALLIED[part]].in_(sorted(getattr(criteria, part)))
        for part in TALLIED
        if part in parts and getattr(criteria, part)
    ]


def beside(criteria: Criteria, but: Collection[str] = ()) -> tuple[Condition, ...]:
    """Return parts of criteria as conditions that are checked on each row, but for those that lead to it."""
    told: list[Condition] = [
        Aside(getattr(ExecutionTable, column)).in_(sorted(getattr(criteria, part)))
        for part, column in TALLIED.items()
        if part not in but and getattr(criteria, part)
    ]
    if criteria.triages and "triages" not in but:
        here = col(FailureTable.execution) == col(ExecutionTable.id)
        told.append(sa.exists().where(here, col(FailureTable.triage).in_(sorted(criteria.triages))))
    if criteria.slower_than and "slower_than" not in but:
        told.append(Aside(col(ExecutionTable.duration)) >= criteria.slower_than / timedelta(milliseconds=1))
    return tuple(told)
