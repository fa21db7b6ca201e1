"""Reading failures by their groups: what is open, who belongs to a group, and how it went over time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Status
from lamina_core.store.executions import ROW, execution_from
from lamina_core.store.failures import FIELDS, GROUP_FIELDS, failure_from, group_from
from lamina_core.store.tables import ExecutionTable, FailureGroupTable, FailureHourTable, FailureTable, PayloadTable
from lamina_core.triage.records import Failure, FailureGroup, GroupState, Member, Triage

_SEARCHED = 500  # completed executions of an app among which those without a failed output are looked for


class GroupView(StrEnum):
    """Which groups a list shows."""

    OPEN = "open"  # some of its failures are open, and nobody has resolved or ignored it
    IGNORED = "ignored"
    RESOLVED = "resolved"  # by hand, or because each failure was mended
    ALL = "all"


@dataclass(frozen=True)
class Hour:
    """How many executions of a group failed in the hour that begins at this instant."""

    fingerprint: str
    begins: datetime
    number: int


def _is_ignored(now: datetime) -> sa.ColumnElement[bool]:
    until = col(FailureGroupTable.ignored_until)
    return (col(FailureGroupTable.state) == GroupState.IGNORED) & (until.is_(None) | (until > now))


def _in_view(view: GroupView, now: datetime) -> sa.ColumnElement[bool]:
    is_closed = (col(FailureGroupTable.state) == GroupState.RESOLVED) | (col(FailureGroupTable.open_number) == 0)
    return {
        GroupView.OPEN: ~is_closed & ~_is_ignored(now),
        GroupView.IGNORED: _is_ignored(now),
        GroupView.RESOLVED: is_closed & ~_is_ignored(now),
        GroupView.ALL: sa.true(),
    }[view]


def find_view(connection: sa.Connection, view: GroupView, now: datetime, limit: int) -> list[FailureGroup]:
    """Return the groups of a view, those with most open failures first."""
    wanted = (
        sa.select(*GROUP_FIELDS)
        .where(_in_view(view, now), col(FailureGroupTable.number) > 0)
        .order_by(
            col(FailureGroupTable.open_number).desc(),
            col(FailureGroupTable.last_seen).desc(),
            col(FailureGroupTable.fingerprint),
        )
        .limit(limit)
    )
    return [group_from(row) for row in connection.execute(wanted)]


def count_views(connection: sa.Connection, now: datetime) -> dict[GroupView, int]:
    """Return how many groups each view has."""
    sums = [sa.func.sum(sa.case((_in_view(view, now), 1), else_=0)) for view in GroupView]
    row = connection.execute(sa.select(*sums).where(col(FailureGroupTable.number) > 0)).one()
    return {view: int(number or 0) for view, number in zip(GroupView, row, strict=True)}


def count_failures(connection: sa.Connection) -> tuple[int, int]:
    """Return how many failures there are, and how many of them nobody has resolved; exact."""
    sums = [sa.func.sum(column) for column in (FailureGroupTable.number, FailureGroupTable.open_number)]
    row = connection.execute(sa.select(*sums)).one()
    return int(row[0] or 0), int(row[1] or 0)


def count_open(connection: sa.Connection, now: datetime) -> int:
    """Return how many failures are open in groups that nobody has resolved or ignored; exact."""
    wanted = sa.select(sa.func.sum(col(FailureGroupTable.open_number))).where(_in_view(GroupView.OPEN, now))
    return int(connection.execute(wanted).scalar_one() or 0)


def find_hours(connection: sa.Connection, fingerprints: Collection[str], since: datetime) -> list[Hour]:
    """Return the hours since an instant in which executions of these groups failed, oldest first."""
    wanted = sa.select(col(FailureHourTable.fingerprint), col(FailureHourTable.hour), col(FailureHourTable.number))
    here = (col(FailureHourTable.hour) >= since, col(FailureHourTable.fingerprint).in_(fingerprints))
    rows = connection.execute(wanted.where(*here).order_by(col(FailureHourTable.hour)))
    return [Hour(*row) for row in rows]


def find_members(connection: sa.Connection, fingerprint: str, triages: Sequence[Triage], limit: int) -> list[Member]:
    """Return executions of a group, those that failed last first."""
    wanted = (
        _members()
        .where(col(FailureTable.fingerprint) == fingerprint, col(FailureTable.triage).in_(triages))
        .order_by(col(FailureTable.failed_at).desc(), col(FailureTable.execution).desc())
        .limit(limit)
    )
    return [_member(row) for row in connection.execute(wanted)]


def find_newest_open(connection: sa.Connection, now: datetime, limit: int) -> list[Member]:
    """Return the open failures of groups that nobody has resolved or ignored, those that failed last first.

    Each state is read by itself, for an index gives the newest of one state only.
    """
    newest = (
        _members()
        .join(FailureGroupTable, col(FailureGroupTable.fingerprint) == col(FailureTable.fingerprint))
        .where(_in_view(GroupView.OPEN, now))
        .order_by(col(FailureTable.failed_at).desc(), col(FailureTable.execution).desc())
        .limit(limit)
    )
    found = [
        _member(row)
        for triage in (Triage.OPEN, Triage.ACKNOWLEDGED)
        for row in connection.execute(newest.where(col(FailureTable.triage) == triage))
    ]
    found.sort(key=lambda member: (member.failure.failed_at, member.execution.id), reverse=True)
    return found[:limit]


def _members() -> sa.Select[Any]:
    return sa.select(*ROW, *FIELDS).join(FailureTable, col(FailureTable.execution) == col(ExecutionTable.id))


def _member(row: sa.Row[Any]) -> Member:
    return Member(execution_from(row), failure_from(row[len(ROW) :]))


def find_open_ids(connection: sa.Connection, fingerprint: str) -> list[int]:
    """Return the executions of a group that are open still, oldest first."""
    is_open = col(FailureTable.triage) != Triage.RESOLVED
    wanted = sa.select(col(FailureTable.execution)).where(col(FailureTable.fingerprint) == fingerprint, is_open)
    return sorted(connection.execute(wanted).scalars())


def find_failure(connection: sa.Connection, row_id: int) -> Failure | None:
    """Return what support has done about an execution, None where it has not failed."""
    row = connection.execute(sa.select(*FIELDS).where(col(FailureTable.execution) == row_id)).one_or_none()
    return failure_from(row) if row else None


def find_inputs(connection: sa.Connection, ids: Collection[int]) -> list[Mapping[str, Any]]:
    """Return the inputs of executions, of those whose inputs are known."""
    wanted = sa.select(col(PayloadTable.inputs)).where(col(PayloadTable.execution).in_(ids))
    return [inputs for inputs in connection.execute(wanted).scalars() if inputs is not None]


def find_successful_inputs(connection: sa.Connection, app_id: str, limit: int) -> list[Mapping[str, Any]]:
    """Return the inputs of an app's last executions that succeeded with all their outputs, where they are known."""
    newest = (
        sa.select(col(ExecutionTable.id), col(ExecutionTable.created_at))
        .where(col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == Status.COMPLETED)
        .order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc())
        .limit(_SEARCHED)
        .subquery()
    )
    wanted = (
        sa.select(newest.c.id)
        .join(FailureTable, col(FailureTable.execution) == newest.c.id, isouter=True)
        .where(col(FailureTable.execution).is_(None))
        .order_by(newest.c.created_at.desc(), newest.c.id.desc())
        .limit(limit)
    )
    return find_inputs(connection, list(connection.execute(wanted).scalars()))
