"""Failures, their groups and what support does about them, as frozen records."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lamina_core.domain import Execution


class Triage(StrEnum):
    """What support has done about one failed execution."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # somebody looks after it
    RESOLVED = "resolved"


class GroupState(StrEnum):
    """What support has done about a group of failures."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"  # one more failure opens it again
    IGNORED = "ignored"  # until a date or a number of failures, or until somebody opens it


@dataclass(frozen=True)
class FailureGroup:
    """The failures of one fingerprint; `number` counts all, `open_number` those that nobody has resolved."""

    fingerprint: str
    app_id: str
    app_name: str
    error_class: str
    title: str
    sample: str | None
    first_seen: datetime
    last_seen: datetime
    number: int
    open_number: int
    state: GroupState
    state_by: str | None
    state_at: datetime | None
    ignored_until: datetime | None
    ignored_limit: int | None
    reopened_at: datetime | None

    def state_now(self, now: datetime) -> GroupState:
        """Return the state, open where it was ignored until an instant that has passed."""
        over = self.ignored_until is not None and self.ignored_until <= now
        return GroupState.OPEN if self.state is GroupState.IGNORED and over else self.state


@dataclass(frozen=True)
class Failure:
    """One failed execution as support sees it."""

    execution: int
    fingerprint: str
    failed_at: datetime
    triage: Triage
    triage_by: str | None
    triage_at: datetime | None
    resolved_by: int | None  # the replay that succeeded
    assignee: str | None
    ticket: str | None


@dataclass(frozen=True)
class Member:
    """One execution of a group."""

    execution: Execution
    failure: Failure
