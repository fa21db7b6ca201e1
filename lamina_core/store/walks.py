"""Walking a path: rows in the list's order, in windows of bounded size, until there are enough or the time is over."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core import errors
from lamina_core.store.columns import UtcDateTime
from lamina_core.store.criteria import Cursor, Range
from lamina_core.store.deadline import Deadline
from lamina_core.store.hints import Aside
from lamina_core.store.paths import Branch, Path
from lamina_core.store.tables import ExecutionTable, FailureTable

FIRST_WINDOW = 1_000  # rows of each branch
_LARGEST_WINDOW = 16_000


@dataclass(frozen=True)
class Found:
    """Places of rows that match, in the order of the walk; `reached`: where it stopped before the end."""

    places: tuple[Cursor, ...]
    reached: Cursor | None


@dataclass(frozen=True)
class _Window:
    """Some rows of each branch; `last` is the place after which the walk goes on, None: there are no more."""

    rows: Range
    last: Cursor | None
    is_first: bool


def walk(
    connection: sa.Connection, path: Path, rows: Range, limit: int, deadline: Deadline | None, *, upwards: bool = False
) -> Found:
    """Return the first places of a range that match, newest first, or oldest first where it goes upwards."""
    found: list[Cursor] = []
    begin = rows.above if upwards else rows.below
    for window in _windows(connection, path, rows, upwards=upwards):
        try:
            with _enforced(connection, deadline, window):
                found += _places(connection, path, window.rows, limit - len(found), upwards=upwards)
        except errors.DeadlinePassed:
            return Found(tuple(found), begin)
        if len(found) >= limit:
            return Found(tuple(found), None)
        begin = window.last
        if begin is not None and deadline is not None and deadline.has_passed:
            return Found(tuple(found), begin)
    return Found(tuple(found), None)


def count(
    connection: sa.Connection, path: Path, rows: Range, cap: int, deadline: Deadline | None
) -> tuple[dict[str, int], bool]:
    """Return how many rows of a range match, by status, and whether that is all of them.

    Counting stops at the end of the window in which it passes `cap`, and at the deadline.
    """
    numbers: dict[str, int] = {}
    for window in _windows(connection, replace(path, is_counted=True), rows, upwards=False):
        try:
            with _enforced(connection, deadline, window):
                for row in connection.execute(_numbers(connection, path, window.rows)):
                    numbers[row.status] = numbers.get(row.status, 0) + row.number
        except errors.DeadlinePassed:
            return numbers, False
        late = deadline is not None and deadline.has_passed
        if window.last is not None and (late or sum(numbers.values()) > cap):
            return numbers, False
    return numbers, True


def count_branches(connection: sa.Connection, path: Path, rows: Range, cap: int) -> dict[str, int]:
    """Return how many rows of a range each status has, no further than `cap`: of a path that is direct, and parts them.

    Such counts read an index alone and end by themselves.
    """
    if not path.branches:
        return {}
    limited = [
        _within(path, branch, rows).with_only_columns(sa.literal(branch.status).label("status")).limit(cap).subquery()
        for branch in path.branches
    ]
    counts = [
        sa.select(sa.literal(branch.status).label("status"), sa.func.count().label("number")).select_from(some)
        for branch, some in zip(path.branches, limited, strict=True)
    ]
    numbers: dict[str, int] = {}
    for row in connection.execute(sa.union_all(*counts)):
        numbers[row.status] = min(numbers.get(row.status, 0) + row.number, cap)
    return numbers


def _enforced(connection: sa.Connection, deadline: Deadline | None, window: _Window) -> Any:
    """Let the first window end in any case, so that each walk gets somewhere."""
    return deadline.enforced(connection) if deadline is not None and not window.is_first else nullcontext()


def _windows(connection: sa.Connection, path: Path, rows: Range, *, upwards: bool) -> Iterator[_Window]:
    """Cut a range into windows that grow as they find little; one is enough where a page ends by itself."""
    size, is_first = FIRST_WINDOW, True
    if not path.branches:
        return
    while not path.is_one_window:
        last = _end(connection, path, rows, size, upwards=upwards)
        if last is None:
            break
        # The row at the end belongs to this window: places next to it lie beyond.
        if upwards:
            window, rows = replace(rows, below=Cursor(last.created_at, last.id + 1)), replace(rows, above=last)
        else:
            window, rows = replace(rows, above=Cursor(last.created_at, last.id - 1)), replace(rows, below=last)
        yield _Window(window, last, is_first)
        size, is_first = min(size * 2, _LARGEST_WINDOW), False
    yield _Window(rows, None, is_first)


def _end(connection: sa.Connection, path: Path, rows: Range, size: int, *, upwards: bool) -> Cursor | None:
    """Return the place at which the first branch has had `size` rows of a range, None where none has as many."""
    ends = [
        connection.execute(_in_order(_within(path, branch, rows), upwards=upwards).offset(size - 1).limit(1)).first()
        for branch in path.branches
    ]
    nearest = min if upwards else max
    return nearest((Cursor(*end) for end in ends if end is not None), key=_order, default=None)


def _places(connection: sa.Connection, path: Path, rows: Range, limit: int, *, upwards: bool) -> list[Cursor]:
    """Ask branch by branch: a statement over all would be another one for each number of them, and built anew."""
    found = [
        Cursor(*row)
        for branch in path.branches
        for row in connection.execute(
            _in_order(_matching(connection, path, branch, rows), upwards=upwards).limit(limit)
        )
    ]
    return sorted(found, key=_order, reverse=not upwards)[:limit]


def _order(place: Cursor) -> tuple[datetime, int]:
    return place.created_at, place.id


def _numbers(connection: sa.Connection, path: Path, rows: Range) -> sa.Select[tuple[str, int]]:
    # Grouped by an index of statuses, every row of it would be looked at.
    status = Aside(col(FailureTable.status) if path.of_failures else col(ExecutionTable.status))
    branches: list[Any] = [
        _matching(connection, path, branch, rows).with_only_columns(status.label("status"), maintain_column_froms=True)
        for branch in path.branches
    ]
    every = sa.union_all(*branches).subquery()
    return sa.select(every.c.status, sa.func.count().label("number")).group_by(every.c.status)


def _matching(connection: sa.Connection, path: Path, branch: Branch, rows: Range) -> sa.Select[Any]:
    wanted = _within(path, branch, rows)
    if path.joined:
        wanted = wanted.join(ExecutionTable, col(ExecutionTable.id) == col(FailureTable.execution))
    wanted = wanted.where(*path.beside)
    if path.words is None:
        return wanted
    row_id = path.place[1]
    ends = _within(path, branch, rows).with_only_columns(sa.func.min(row_id), sa.func.max(row_id))
    least, greatest = connection.execute(ends).one()
    return wanted.where(path.words((least or 0, greatest or 0)))


def _within(path: Path, branch: Branch, rows: Range) -> sa.Select[Any]:
    created_at, row_id = path.place
    wanted = sa.select(created_at.label("created_at"), row_id.label("id")).where(*branch.fixed)
    here = sa.tuple_(created_at, row_id)
    if rows.above is not None:
        wanted = wanted.where(_place(rows.above) < here)
    if rows.below is not None:
        wanted = wanted.where(_place(rows.below) > here)
    return wanted


def _in_order(wanted: sa.Select[Any], *, upwards: bool) -> sa.Select[Any]:
    place = list(wanted.selected_columns)
    return wanted.order_by(*(place if upwards else [part.desc() for part in place]))


def _place(cursor: Cursor) -> Any:
    return sa.tuple_(sa.literal(cursor.created_at, UtcDateTime()), sa.literal(cursor.id, sa.BigInteger()))
