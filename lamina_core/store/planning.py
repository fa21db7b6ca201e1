"""Finding the path that reads the fewest rows."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core import errors
from lamina_core.domain import MAY_HAVE_FAILED, Status
from lamina_core.store import tally, texts, ways
from lamina_core.store.criteria import Criteria
from lamina_core.store.deadline import Deadline
from lamina_core.store.paths import NOWHERE, Branch, Condition, Path, beside
from lamina_core.store.tables import ExecutionTable

FEW = 5_000  # rows that are read in one go
_PROBE = 0.03  # seconds to find out whether a text is rare


def find_path(connection: sa.Connection, criteria: Criteria, deadline: Deadline | None) -> Path:
    """Return the path that reads the fewest rows; `since` is left to the walk, for every path can follow it."""
    if criteria.triages and criteria.statuses and not criteria.statuses & MAY_HAVE_FAILED:
        return NOWHERE
    is_sqlite = connection.dialect.name == "sqlite"
    if criteria.text:
        found = texts.find_candidates(criteria.text, criteria.scope, is_sqlite=is_sqlite)
        if found and _is_rare(connection, found, deadline):
            rare = col(ExecutionTable.id).in_(sa.union_all(*found) if len(found) > 1 else found[0])
            return Path((Branch((rare,)),), beside(criteria), is_small=True, is_sorted=True)
    elif criteria.slower_than is not None:
        slow = _slow(connection, criteria, criteria.slower_than)
        if _count(connection, sa.select(sa.literal(1)).where(*slow), 2 * FEW) <= 2 * FEW:  # the index has it all
            others = beside(criteria, but={"statuses", "app_ids", "slower_than"})
            return Path((Branch(slow),), others, is_small=True, is_sorted=True)
    return _with_text(ways.choose(connection, criteria), criteria, is_sqlite=is_sqlite)


def _with_text(path: Path, criteria: Criteria, *, is_sqlite: bool) -> Path:
    """Check a text on each row; words are asked of their index, window by window."""
    text, scope = criteria.text, criteria.scope
    if text is None:
        return path
    if texts.has_words(text, scope):
        return replace(path, words=lambda among: texts.find_words(text, among, is_sqlite=is_sqlite))
    return replace(path, beside=(*path.beside, texts.check_row(text, scope)))


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
