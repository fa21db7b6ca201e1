"""Failures by their causes, as the Failures screen, the Overview and an execution's own screen read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamina_core.domain import Execution, Status
from lamina_core.store import failures, groups, rules, search
from lamina_core.store.criteria import Count, Criteria
from lamina_core.store.engine import Engines
from lamina_core.store.groups import GroupView, Hour
from lamina_core.store.rules import StoredRule
from lamina_core.triage import advice, diff
from lamina_core.triage.advice import Advice, Rule
from lamina_core.triage.diff import Shared
from lamina_core.triage.records import Failure, FailureGroup, GroupState, Member, Triage

PAGE = 200  # groups in one list
MEMBERS = 50  # executions that a group's screen shows
COMPARED = 50  # failures, and successes, whose inputs are compared
BUCKET = timedelta(hours=6)
BUCKETS = 28  # seven days
_DAY = 4  # buckets

_OPEN = [Triage.OPEN, Triage.ACKNOWLEDGED]


@dataclass(frozen=True)
class History:
    """How many failed in each six hours of the last seven days, oldest first, the present hour in full."""

    begins: datetime
    numbers: tuple[int, ...]

    @property
    def last_day(self) -> int:
        """Return how many failed in the last 24 hours."""
        return sum(self.numbers[-_DAY:])

    @property
    def day_before(self) -> int:
        """Return how many failed in the 24 hours before those."""
        return sum(self.numbers[-2 * _DAY : -_DAY])


@dataclass(frozen=True)
class GroupRow:
    """One group as a list shows it; `state` is what holds now."""

    group: FailureGroup
    state: GroupState
    advice: Advice
    history: History


@dataclass(frozen=True)
class GroupListing:
    """The groups of a view. `newer` are those that a fresh list would show and this one does not."""

    rows: tuple[GroupRow, ...]
    counts: dict[GroupView, int]
    newer: int
    as_of: datetime


@dataclass(frozen=True)
class GroupDetail:
    """One group and the last of its `of_members` open failures, or of all of them where none is open."""

    row: GroupRow
    members: tuple[Execution, ...]
    of_members: int
    as_of: datetime


@dataclass(frozen=True)
class Likeness:
    """What failures share and successes lack, and how many executions of each were looked at."""

    found: tuple[Shared, ...]
    failures: int
    successes: int


@dataclass(frozen=True)
class FailureDetail:
    """What support has done about one execution that failed, and what to do about it."""

    failure: Failure
    group: FailureGroup
    advice: Advice


@dataclass(frozen=True)
class OpenFailures:
    """The newest open failures and how many there are, and the starts of which nobody knows what became of them."""

    rows: tuple[Execution, ...]
    number: int
    unsettled: tuple[Execution, ...]
    unsettled_count: Count


def read_groups(engines: Engines, view: GroupView, now: datetime, shown: Sequence[str] = ()) -> GroupListing:
    """Read the groups of a view by impact; those that are `shown` already come as they stand now, in their order."""
    with engines.reading() as connection:
        fresh = {group.fingerprint: group for group in groups.find_view(connection, view, now, PAGE)}
        gone = [fingerprint for fingerprint in shown if fingerprint not in fresh]
        known = fresh | (failures.find_groups(connection, gone) if gone else {})
        listed = [known[fingerprint] for fingerprint in shown or fresh if fingerprint in known]
        return GroupListing(
            rows=_complete(connection, listed, now),
            counts=groups.count_views(connection, now),
            newer=len(fresh.keys() - set(shown)) if shown else 0,
            as_of=now,
        )


def read_group(engines: Engines, fingerprint: str, now: datetime, shown: Sequence[int] = ()) -> GroupDetail | None:
    """Read one group, and the executions that are `shown` already in their order; None if there is no such group."""
    with engines.reading() as connection:
        group = failures.find_groups(connection, {fingerprint}).get(fingerprint)
        if group is None:
            return None
        if shown:
            found = search.find_by_ids(connection, shown)
            members = [found[row_id] for row_id in shown if row_id in found]
        else:
            members = [each.execution for each in _find_members(connection, group, MEMBERS)]
        return GroupDetail(
            row=_complete(connection, [group], now)[0],
            members=tuple(members),
            of_members=group.open_number or group.number,
            as_of=now,
        )


def read_likeness(engines: Engines, fingerprint: str) -> Likeness:
    """Compare the inputs of a group's last failures with those of the last successes of its app."""
    with engines.reading() as connection:
        group = failures.find_groups(connection, {fingerprint}).get(fingerprint)
        if group is None:
            return Likeness((), 0, 0)
        ids = [each.execution.id for each in _find_members(connection, group, COMPARED)]
        failed = groups.find_inputs(connection, ids)
        succeeded = groups.find_successful_inputs(connection, group.app_id, COMPARED)
    return Likeness(diff.find_shared(failed, succeeded), len(failed), len(succeeded))


def read_failure(engines: Engines, execution: Execution) -> FailureDetail | None:
    """Read what support has done about an execution; None where it has not failed."""
    with engines.reading() as connection:
        failure = groups.find_failure(connection, execution.id)
        if failure is None:
            return None
        group = failures.find_groups(connection, {failure.fingerprint})[failure.fingerprint]
        extra = _rules(connection)
    return FailureDetail(failure, group, advice.advise(execution.app_id, execution.error_message, extra))


def read_open(engines: Engines, now: datetime, limit: int) -> OpenFailures:
    """Read what is to be done: the newest open failures and unsettled starts, so many of each at most."""
    unsettled = Criteria(frozenset({Status.START_UNCONFIRMED}))
    with engines.reading() as connection:
        return OpenFailures(
            rows=tuple(each.execution for each in groups.find_newest_open(connection, now, limit)),
            number=groups.count_open(connection, now),
            unsettled=search.find_page(connection, unsettled, limit).rows,
            unsettled_count=search.count(connection, unsettled),
        )


def read_own_advice(engines: Engines) -> list[StoredRule]:
    """Read the advice that admins have added, that which is asked first before the rest."""
    with engines.reading() as connection:
        return rules.read_rules(connection)


def state_of(group: FailureGroup, now: datetime) -> GroupState:
    """Return the state that holds now: a group without open failures is resolved, whoever did that."""
    state = group.state_now(now)
    return GroupState.RESOLVED if not group.open_number and state is not GroupState.IGNORED else state


def _find_members(connection: sa.Connection, group: FailureGroup, limit: int) -> list[Member]:
    return groups.find_members(connection, group.fingerprint, _OPEN if group.open_number else list(Triage), limit)


def _rules(connection: sa.Connection) -> list[Rule]:
    return [each.rule for each in rules.read_rules(connection)]


def _complete(connection: sa.Connection, listed: Sequence[FailureGroup], now: datetime) -> tuple[GroupRow, ...]:
    begins = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - BUCKETS * BUCKET
    numbers = {group.fingerprint: [0] * BUCKETS for group in listed}
    for hour in groups.find_hours(connection, list(numbers), begins):
        numbers[hour.fingerprint][_bucket(hour, begins)] += hour.number
    extra = _rules(connection)
    return tuple(
        GroupRow(
            group=group,
            state=state_of(group, now),
            advice=advice.advise(group.app_id, group.sample, extra),
            history=History(begins, tuple(numbers[group.fingerprint])),
        )
        for group in listed
    )


def _bucket(hour: Hour, begins: datetime) -> int:
    """Return the place of an hour; what a clock of Lamina's puts ahead of ours belongs to the last."""
    return min((hour.begins - begins) // BUCKET, BUCKETS - 1)
