"""Failed executions by cause. Whatever changes one goes through `write`, so that the counts of groups stay right.

Functions take the connection first and never commit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from lamina_core.domain import Event
from lamina_core.store import events
from lamina_core.store.tables import (
    FailureGroupTable,
    FailureHourTable,
    FailureTable,
)
from lamina_core.triage.fingerprint import Cause
from lamina_core.triage.records import Failure, FailureGroup, GroupState, Triage

FIELDS = [col(getattr(FailureTable, name)) for name in Failure.__dataclass_fields__]
GROUP_FIELDS = [col(getattr(FailureGroupTable, name)) for name in FailureGroup.__dataclass_fields__]


@dataclass(frozen=True)
class Noted:
    """What an execution's end means: a failure with a cause, or none (any more)."""

    execution: int
    app_name: str
    cause: Cause | None
    sample: str | None  # the error as Lamina gave it
    failed_at: datetime


def failure_from(row: Sequence[Any]) -> Failure:
    """Return the record of a row selected as FIELDS, whatever follows in it."""
    fields = dict(zip(Failure.__dataclass_fields__, row, strict=False))
    return Failure(**fields | {"triage": Triage(fields["triage"])})


def group_from(row: Sequence[Any]) -> FailureGroup:
    """Return the record of a row selected as GROUP_FIELDS."""
    fields = dict(zip(FailureGroup.__dataclass_fields__, row, strict=False))
    return FailureGroup(**fields | {"state": GroupState(fields["state"])})


def lock(connection: sa.Connection, ids: Collection[int]) -> dict[int, Failure]:
    """Return failures by their executions, and keep other processes from changing them until the commit."""
    if not ids:
        return {}
    wanted = sa.select(*FIELDS).where(col(FailureTable.execution).in_(ids)).order_by(col(FailureTable.execution))
    return {row.execution: failure_from(row) for row in connection.execute(wanted.with_for_update())}


def note(connection: sa.Connection, noted: Sequence[Noted], now: datetime) -> None:
    """Keep failures in step with how their executions ended; what is known of them already changes nothing."""
    known = lock(connection, [each.execution for each in noted])
    before, after = [], []
    causes: dict[str, tuple[Cause, Noted]] = {}
    for each in noted:
        old = known.get(each.execution)
        if (old and old.fingerprint) == (each.cause and each.cause.fingerprint):
            continue
        before += [old] if old else []
        if each.cause is not None:
            fresh = Failure(
                execution=each.execution,
                fingerprint=each.cause.fingerprint,
                failed_at=each.failed_at,
                triage=Triage.OPEN,
                triage_by=None,
                triage_at=None,
                resolved_by=None,
                assignee=None,
                ticket=None,
            )
            after.append(replace(old, fingerprint=each.cause.fingerprint) if old else fresh)
            causes[each.cause.fingerprint] = each.cause, each
    for fingerprint in sorted(causes):
        cause, each = causes[fingerprint]
        old = known.get(each.execution)
        _open_group(connection, cause, each, old.fingerprint if old else None)
    write(connection, before, after, now)


def write(connection: sa.Connection, before: Sequence[Failure], after: Sequence[Failure], now: datetime) -> None:
    """Replace failures, as `lock` returned them, by others, and count them anew in their groups."""
    if not (before or after):
        return
    gone = {each.execution for each in before} - {each.execution for each in after}
    if gone:
        connection.execute(sa.delete(FailureTable).where(col(FailureTable.execution).in_(gone)))
    known = {each.execution for each in before}
    new = [asdict(each) for each in after if each.execution not in known]
    if new:
        connection.execute(sa.insert(FailureTable), new)
    changed = [
        {f"new_{name}": value for name, value in asdict(each).items()} for each in after if each.execution in known
    ]
    if changed:
        columns: dict[str, Any] = {
            name: sa.bindparam(f"new_{name}") for name in Failure.__dataclass_fields__ if name != "execution"
        }
        here = col(FailureTable.execution) == sa.bindparam("new_execution")
        connection.execute(sa.update(FailureTable).where(here).values(columns), changed)
    _count(connection, before, after, now)


def _count(connection: sa.Connection, before: Sequence[Failure], after: Sequence[Failure], now: datetime) -> None:
    number: Counter[str] = Counter()
    open_number: Counter[str] = Counter()
    hours: Counter[tuple[str, datetime]] = Counter()
    for sign, failures in ((-1, before), (1, after)):
        for each in failures:
            number[each.fingerprint] += sign
            open_number[each.fingerprint] += sign * (each.triage is not Triage.RESOLVED)
            hours[each.fingerprint, each.failed_at.replace(minute=0, second=0, microsecond=0)] += sign
    newest: dict[str, datetime] = {}
    for each in after:
        newest[each.fingerprint] = max(each.failed_at, newest.get(each.fingerprint, each.failed_at))
    groups = find_groups(connection, {*number, *open_number}, for_update=True)
    for fingerprint in sorted(groups):
        if number[fingerprint] or open_number[fingerprint]:
            group = groups[fingerprint]
            counted = replace(
                group,
                number=group.number + number[fingerprint],
                open_number=group.open_number + open_number[fingerprint],
                last_seen=max(group.last_seen, newest.get(fingerprint, group.last_seen)),
            )
            if open_number[fingerprint] > 0:
                was_closed = bool(group.number and not group.open_number)
                counted = _reopen(connection, counted, now, was_closed=was_closed, is_new=number[fingerprint] > 0)
            write_group(connection, counted)
    _count_hours(connection, {key: change for key, change in sorted(hours.items()) if change})


def _reopen(
    connection: sa.Connection, group: FailureGroup, now: datetime, *, was_closed: bool, is_new: bool
) -> FailureGroup:
    """Open a group that was resolved, as a whole or one by one, or ignored up to now; it came back where one is new."""
    is_over = group.ignored_limit is not None and group.number >= group.ignored_limit
    has_ended = is_over if group.state is GroupState.IGNORED else was_closed
    if group.state is not GroupState.RESOLVED and not (is_new and has_ended):
        return group
    if is_new:
        detail = {"fingerprint": group.fingerprint, "was": group.state}
        events.append(connection, Event(now, "group_reopened", "desk", detail))
    return replace(
        group,
        state=GroupState.OPEN,
        state_by=None,
        state_at=now,
        ignored_until=None,
        ignored_limit=None,
        reopened_at=now if is_new else None,
    )


def _open_group(connection: sa.Connection, cause: Cause, noted: Noted, moved_from: str | None) -> None:
    """Make a group where there is none; one that other rules made goes on in the state that it had under those."""
    old = find_groups(connection, {moved_from}).get(moved_from) if moved_from else None
    fresh = FailureGroup(
        fingerprint=cause.fingerprint,
        app_id=cause.app_id,
        app_name=noted.app_name,
        error_class=cause.error_class,
        title=cause.title,
        sample=noted.sample,
        first_seen=noted.failed_at,
        last_seen=noted.failed_at,
        number=0,
        open_number=0,
        state=old.state if old else GroupState.OPEN,
        state_by=old.state_by if old else None,
        state_at=old.state_at if old else None,
        ignored_until=old.ignored_until if old else None,
        ignored_limit=old.ignored_limit if old else None,
        reopened_at=old.reopened_at if old else None,
    )
    insert = _insert(connection, FailureGroupTable).values(**asdict(fresh))
    group = insert.on_conflict_do_update(
        index_elements=["fingerprint"],
        set_={
            "sample": fresh.sample,
            "app_name": fresh.app_name,
            "first_seen": sa.case(
                (col(FailureGroupTable.first_seen) > insert.excluded.first_seen, insert.excluded.first_seen),
                else_=col(FailureGroupTable.first_seen),
            ),
        },
    )
    connection.execute(group)


def find_groups(
    connection: sa.Connection, fingerprints: Collection[str], *, for_update: bool = False
) -> dict[str, FailureGroup]:
    """Return groups by fingerprint."""
    wanted = sa.select(*GROUP_FIELDS).where(col(FailureGroupTable.fingerprint).in_(fingerprints))
    wanted = wanted.order_by(col(FailureGroupTable.fingerprint))
    rows = connection.execute(wanted.with_for_update() if for_update else wanted)
    return {row.fingerprint: group_from(row) for row in rows}


def write_group(connection: sa.Connection, group: FailureGroup) -> None:
    """Write a group over the one before."""
    here = col(FailureGroupTable.fingerprint) == group.fingerprint
    connection.execute(sa.update(FailureGroupTable).where(here).values(**asdict(group)))


def _count_hours(connection: sa.Connection, changes: Mapping[tuple[str, datetime], int]) -> None:
    if not changes:
        return
    insert = _insert(connection, FailureHourTable)
    counted = col(FailureHourTable.number) + insert.excluded.number
    upsert = insert.on_conflict_do_update(index_elements=["fingerprint", "hour"], set_={"number": counted})
    rows = [{"fingerprint": name, "hour": hour, "number": change} for (name, hour), change in changes.items()]
    connection.execute(upsert, rows)


def _insert(connection: sa.Connection, table: type[SQLModel]) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def forget(connection: sa.Connection, row_id: int, becomes: int, now: datetime) -> None:
    """Take out the failure of a row that becomes one with another."""
    write(connection, list(lock(connection, {row_id}).values()), [], now)
    by_it = col(FailureTable.resolved_by) == row_id
    connection.execute(sa.update(FailureTable).where(by_it).values(resolved_by=becomes))
