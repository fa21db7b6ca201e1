"""What support did about failures: about each by hand, and about whole groups once the history is over."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from lamina_core.domain import Event
from lamina_core.seeding import words
from lamina_core.store.seeding import SeededFailure
from lamina_core.triage.records import FailureGroup, GroupState, Triage

_QUIET = timedelta(days=14)  # after which most groups were resolved


def triage(rng: random.Random, each: SeededFailure, end: datetime) -> tuple[SeededFailure, Event | None]:
    """Return a failure with what was done about it until the end, and the line of its timeline that tells."""
    failure = each.failure
    if failure.triage is Triage.RESOLVED:
        return each, None
    age = end - failure.failed_at
    drawn, by = rng.random(), rng.choice(words.OPERATORS)
    at = min(failure.failed_at + timedelta(minutes=rng.randrange(5, 4_000)), end)
    if drawn < (0.9 if age > timedelta(days=60) else 0.45 if age > timedelta(days=7) else 0.1):
        resolved = replace(failure, triage=Triage.RESOLVED, triage_by=by, triage_at=at)
        return replace(each, failure=resolved), Event(at, "resolved", by, {}, failure.execution)
    if drawn > 0.9:
        ticket = f"https://tickets.example.com/{rng.randrange(1_000, 9_999)}" if drawn > 0.95 else None
        taken = replace(failure, triage=Triage.ACKNOWLEDGED, triage_by=by, triage_at=at, assignee=by, ticket=ticket)
        return replace(each, failure=taken), Event(at, "acknowledged", by, {}, failure.execution)
    return each, None


def settle(rng: random.Random, groups: Iterable[FailureGroup], end: datetime) -> list[FailureGroup]:
    """Return the groups about which something was done, changed so; those of the whole history are needed."""
    settled = []
    for group in groups:
        drawn, by = rng.random(), rng.choice(words.OPERATORS)
        later = group.last_seen + timedelta(minutes=rng.randrange(20, 3_000))
        if group.state is not GroupState.OPEN:
            continue
        if group.last_seen < end - _QUIET and drawn < 0.7:
            settled.append(replace(group, state=GroupState.RESOLVED, state_by=by, state_at=later))
        elif drawn > 0.88:
            state = GroupState.ACKNOWLEDGED if drawn < 0.96 else GroupState.IGNORED
            settled.append(replace(group, state=state, state_by=by, state_at=min(later, end)))
    return settled
