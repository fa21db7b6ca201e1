"""When an execution is polled next: pure policy, no clock and no store.

The intervals are those of Lamina's guide "handle long-running executions": 3-5 s for short image jobs,
5-10 s for heavier multi-step jobs, 10-15 s for long video jobs.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from lamina_core.domain import Kind

INTERVALS: Mapping[Kind, tuple[float, float]] = {  # seconds: after the first reads, and later
    Kind.IMAGE: (3.0, 5.0),
    Kind.MULTI_STEP: (5.0, 10.0),
    Kind.VIDEO: (10.0, 15.0),
}
LATE_AFTER = timedelta(hours=24)  # in flight for longer: late
LATE_INTERVAL = timedelta(hours=1)
MISSING_LIMIT = 3  # answers "no such execution" before polling stops

_EARLY_READS = 6  # reads over which the interval grows from its shorter to its longer end
_WEBHOOK_READS = 4  # reads at the longer end before a poll that is only the safety net becomes rare
_WEBHOOK_CEILING = 60.0  # seconds


def next_poll_at(kind: Kind, *, webhook_expected: bool, polls: int, created_at: datetime, now: datetime) -> datetime:
    """Return when an open execution that was read `polls` times is read again."""
    if now - created_at > LATE_AFTER:
        return now + LATE_INTERVAL
    shorter, longer = INTERVALS[kind]
    if webhook_expected:
        rarer = min(max(0, polls - _WEBHOOK_READS), 10)  # the ceiling is reached long before
        seconds = min(longer * 1.5**rarer, _WEBHOOK_CEILING)
    else:
        seconds = shorter + (longer - shorter) * min(1.0, polls / _EARLY_READS)
    return now + timedelta(seconds=seconds)


def earliest_poll_at(kind: Kind, last_poll_at: datetime | None, now: datetime) -> datetime:
    """Return the first instant at which the guide allows another read."""
    if last_poll_at is None:
        return now
    return max(now, last_poll_at + timedelta(seconds=INTERVALS[kind][0]))


def back_off(failures: int) -> timedelta:
    """Return how long to leave Lamina alone after this many failures in a row."""
    return timedelta(seconds=min(2.0 ** min(failures, 10), 60.0))
