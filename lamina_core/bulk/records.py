"""A bulk operation, its items, and the rule by which it goes on: frozen records and pure functions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lamina_core.domain import TERMINAL, Status
from lamina_core.triage.patch import Patch


class BulkKind(StrEnum):
    """What is done to each execution."""

    REPLAY = "replay"
    CANCEL = "cancel"


class BulkState(StrEnum):
    """Where a bulk operation stands."""

    RUNNING = "running"
    PAUSED = "paused"  # by an operator
    STOPPED = "stopped"  # by itself, because it would only fail on; an operator may resume it
    DONE = "done"
    ABORTED = "aborted"


class ItemState(StrEnum):
    """Where one execution of a bulk operation stands."""

    WAITING = "waiting"
    SENDING = "sending"  # being sent; after a crash its token tells whether it was
    SENT = "sent"
    LEFT_OUT = "left_out"  # for the reason that its problem names


@dataclass(frozen=True)
class Bulk:
    """One operation on many executions."""

    id: int
    kind: BulkKind
    state: BulkState
    chosen_as: str  # in people's words: ticked rows, a group, a filter
    chosen_at: datetime
    created_by: str
    reason: str
    patch: Patch | None
    canaries: int
    per_minute: int
    checked: int
    changed_by: str | None
    stopped_because: str | None
    updated_at: datetime
    next_at: datetime | None


@dataclass(frozen=True)
class Item:
    """One execution of a bulk operation; `replay` is the row of the execution that it became."""

    bulk: int
    position: int
    execution: int
    state: ItemState
    token: str | None
    replay: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Survey:
    """What has become of a bulk operation's items so far.

    `canaries` are the statuses of the first replays, `latest` those of the last few, newest first; `returned` is an
    execution whose replay failed for the cause that the execution itself had. Items that an operator has seen by
    resuming count in none of these three.
    """

    waiting: int
    under_way: int
    canaries: tuple[Status, ...]
    latest: tuple[Status, ...]
    returned: int | None


class Course(StrEnum):
    """What comes next."""

    SEND = "send"
    WAIT = "wait"
    STOP = "stop"
    FINISH = "finish"


_IN_A_ROW = 3  # failures after which what comes would fail too
_FAILED = frozenset({Status.FAILED, Status.START_FAILED, Status.GONE, Status.START_UNCONFIRMED})


def is_settled(status: Status) -> bool:
    """Say whether nothing more is to be waited for."""
    return status in TERMINAL | _FAILED


def choose_course(bulk: Bulk, survey: Survey) -> tuple[Course, str | None]:
    """Decide what comes next, and why where it stops.

    The canaries go first, and the others wait for their ends. Whatever goes wrong for the same cause again stops it,
    and so do failures in a row and canaries of which none completed.
    """
    if survey.waiting == 0:
        return (Course.WAIT if survey.under_way else Course.FINISH), None
    if survey.returned is not None:
        return Course.STOP, f"The replay of #{survey.returned} failed for the same cause as before."
    if len(survey.latest) >= _IN_A_ROW and all(status in _FAILED for status in survey.latest[:_IN_A_ROW]):
        return Course.STOP, f"The last {_IN_A_ROW} did not work out."
    if bulk.kind is BulkKind.REPLAY and bulk.checked == 0 and bulk.canaries:
        if len(survey.canaries) < bulk.canaries:
            return Course.SEND, None
        if not all(is_settled(status) for status in survey.canaries):
            return Course.WAIT, None
        if Status.COMPLETED not in survey.canaries:
            return Course.STOP, "None of those that went first has completed."
    return Course.SEND, None
