"""How many executions there are, exact at any number of rows: counted by the database as they are written.

Triggers put a row into `tally_change` for each execution that comes, moves or goes; `fold` adds them up in `tally`.
Whoever counts adds both, so that the number is right at once. Functions never commit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from lamina_core.domain import Origin
from lamina_core.store.tables import TallyChangeTable, TallyTable

FOLDED = 5_000  # rows that one call of `fold` adds up: a few milliseconds of the writer

BY_OPERATORS = frozenset({Origin.FORM, Origin.REPLAY, Origin.BULK})
_CELL = ("app_id", "status", "origin", "started_by")
_CELL_AND_NUMBER = (*_CELL, "number")
CELLS = sa.union_all(
    sa.select(*(col(getattr(TallyTable, name)) for name in _CELL_AND_NUMBER)),
    sa.select(*(col(getattr(TallyChangeTable, name)) for name in _CELL_AND_NUMBER)),
).subquery("cell")


@dataclass(frozen=True)
class Cell:
    """Executions that have these in common; any other part of theirs may differ."""

    app_id: str
    status: str
    origin: str
    started_by: str


def count_by_status(connection: sa.Connection, conditions: Collection[sa.ColumnElement[bool]]) -> dict[str, int]:
    """Return how many executions of each status meet conditions on `CELLS`; those without any may be missing."""
    wanted = sa.select(CELLS.c.status, sa.func.sum(CELLS.c.number)).where(*conditions).group_by(CELLS.c.status)
    return {status: int(number) for status, number in connection.execute(wanted)}


def group(
    connection: sa.Connection,
    parts: Sequence[str],
    matching: Collection[sa.ColumnElement[bool]],
    within: Collection[sa.ColumnElement[bool]] = (),
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return for each group of executions with the same parts how many there are, and how many of them match.

    Conditions are on `CELLS`. Groups without any that match are left out, and `within` restricts what is looked at.
    """
    columns = [CELLS.c[part] for part in parts]
    number = sa.func.sum(CELLS.c.number)
    fits = sa.func.sum(sa.case((sa.and_(sa.true(), *matching), CELLS.c.number), else_=0))
    wanted = sa.select(*columns, number, fits).where(*within).group_by(*columns).having(fits > 0)
    return {tuple(cell): (int(every), int(some)) for *cell, every, some in connection.execute(wanted)}


def find_apps(connection: sa.Connection) -> set[str]:
    """Return the apps that any execution is of: from each to the next one in the index, and those not folded yet."""
    app_id = col(TallyTable.app_id)
    known = sa.select(sa.func.min(app_id).label("app_id")).cte("known", recursive=True)
    following = sa.select(sa.func.min(app_id)).where(app_id > known.c.app_id).scalar_subquery()
    known = known.union_all(sa.select(following).where(known.c.app_id.is_not(None)))
    changed = sa.select(col(TallyChangeTable.app_id)).distinct()
    found = connection.execute(sa.union_all(sa.select(known.c.app_id), changed)).scalars()
    return {app_id for app_id in found if app_id is not None}


def find_operators(connection: sa.Connection) -> list[str]:
    """Return who has started executions from here, in the order of the alphabet."""
    wanted = sa.select(CELLS.c.started_by).where(CELLS.c.origin.in_(sorted(BY_OPERATORS))).distinct()
    return list(connection.execute(wanted.order_by(CELLS.c.started_by)).scalars())


def has_changes(connection: sa.Connection) -> bool:
    """Say whether anything waits to be folded."""
    return connection.execute(sa.select(col(TallyChangeTable.id)).limit(1)).scalar_one_or_none() is not None


def fold(connection: sa.Connection, limit: int = FOLDED) -> int:
    """Add the oldest changes up in the tally, and return how many they were."""
    row_id = col(TallyChangeTable.id)
    oldest = sa.select(row_id).order_by(row_id).limit(limit).subquery()
    # By a range: to be in a list of thousands would be looked up for each row anew.
    last = sa.select(sa.func.max(oldest.c.id)).scalar_subquery()
    taken = sa.delete(TallyChangeTable).where(row_id <= last)
    told = [col(getattr(TallyChangeTable, name)) for name in _CELL_AND_NUMBER]
    rows = connection.execute(taken.returning(*told)).all()
    changes: Counter[Cell] = Counter()
    for *cell, number in rows:
        changes[Cell(*cell)] += number
    _add(connection, {cell: change for cell, change in changes.items() if change})
    return len(rows)


def _add(connection: sa.Connection, changes: Mapping[Cell, int]) -> None:
    if not changes:
        return
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(TallyTable)
    added = {"number": col(TallyTable.number) + insert.excluded.number}
    rows = [
        {**{name: getattr(cell, name) for name in _CELL}, "number": change}
        for cell, change in sorted(changes.items(), key=lambda item: [getattr(item[0], name) for name in _CELL])
    ]
    connection.execute(insert.on_conflict_do_update(index_elements=list(_CELL), set_=added), rows)
    connection.execute(sa.delete(TallyTable).where(col(TallyTable.number) == 0))
