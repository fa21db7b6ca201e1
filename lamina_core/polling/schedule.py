"""Who is polled next, and when at the earliest: pure policy, no clock and no store.

Lamina's guide "handle long-running executions" says how often one execution may be read: every 3-5 s for short
image jobs, 5-10 s for heavier multi-step jobs, 10-15 s for long video jobs. Lamina's rate limit says how often we may
read at all. Of those that may be read, the one is read first that gains most by it: the delay that has probably
built up since its last read, were it to have ended meanwhile. How long the executions of an app take is taken to
be lognormal, learned from the app's own history; `benchmarks/polling.py` measures the policy against its bounds.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lamina_core.domain import Kind, Pollable

INTERVALS: Mapping[Kind, tuple[float, float]] = {  # seconds between two reads of one execution: shorter and longer end
    Kind.IMAGE: (3.0, 5.0),
    Kind.MULTI_STEP: (5.0, 10.0),
    Kind.VIDEO: (10.0, 15.0),
}
LATE_AFTER = timedelta(hours=24)  # in flight for longer: late
LATE_INTERVAL = timedelta(hours=1)
LATE_TURN = 10  # every tenth read is for the late ones, so that neither they nor the others starve
STALE_AFTER = 600.0  # seconds after which an execution that is due comes before every gain
MISSING_LIMIT = 3  # answers "no such execution" before polling stops
HISTORY = 50  # durations of an app from which its pace is learned

_WEBHOOK_READS = 4  # reads at the longer end before a poll that is only the safety net becomes rare
_WEBHOOK_CEILING = 60.0  # seconds
_WEBHOOK_LOST = 0.05  # how probable we take it to be that an expected webhook does not come
_LONG_MEDIAN, _LONGER_MEDIAN = 20.0, 60.0  # seconds: from here on an app is multi-step, is video, whatever it makes
_FEWEST = 5  # durations that say something of an app's kind
_PRIOR_WEIGHT = 3.0  # durations that the belief about a kind counts for
_SHORTEST = 0.5  # seconds
_FAR_TAIL = 1e-7


@dataclass(frozen=True)
class Pace:
    """How long the executions of an app take: mean and deviation of the logarithm of seconds."""

    mu: float
    sigma: float


PRIORS: Mapping[Kind, Pace] = {
    Kind.IMAGE: Pace(math.log(12), 0.5),
    Kind.MULTI_STEP: Pace(math.log(40), 0.5),
    Kind.VIDEO: Pace(math.log(120), 0.5),
}


def learn_pace(kind: Kind, durations: Sequence[float]) -> Pace:
    """Return the pace that an app's durations in seconds show; few of them are shrunk to what its kind promises."""
    logs = [math.log(max(duration, _SHORTEST)) for duration in durations]
    prior, weight = PRIORS[kind], len(logs) + _PRIOR_WEIGHT
    mu = (sum(logs) + _PRIOR_WEIGHT * prior.mu) / weight
    seen = statistics.fmean(logs) if logs else prior.mu
    squares = sum((each - seen) ** 2 for each in logs) + _PRIOR_WEIGHT * prior.sigma**2
    return Pace(mu, math.sqrt(squares / weight))


def learn_kind(kind: Kind, durations: Sequence[float]) -> Kind:
    """Return the kind that outputs show, or a longer one where durations in seconds show that."""
    if len(durations) < _FEWEST:
        return kind
    median = statistics.median(durations)
    shown = Kind.VIDEO if median >= _LONGER_MEDIAN else Kind.MULTI_STEP if median >= _LONG_MEDIAN else Kind.IMAGE
    return max(kind, shown, key=list(Kind).index)


def expected_gain(pace: Pace, age: float, since_age: float, *, was_open: bool) -> float:
    """Return the mean delay in seconds that a read now would end.

    Ages in seconds: the present one, and the one since when nobody has looked. `was_open` says whether the execution
    was seen open then; one that was never read may have ended before, and waits to be found from then on.
    """
    age, since_age = max(age, _SHORTEST), max(since_age, _SHORTEST / 10)
    if age <= since_age:
        return 0.0
    now, then = ((math.log(each) - pace.mu) / pace.sigma for each in (age, since_age))
    open_then = _upper_tail(then)
    if was_open and open_then < _FAR_TAIL:  # the closed form would divide nothing by nothing: take a constant hazard
        return then / (pace.sigma * since_age) * (age - since_age) ** 2 / 2
    mean = math.exp(pace.mu + pace.sigma**2 / 2)
    ends = mean * (_upper_tail(then - pace.sigma) - _upper_tail(now - pace.sigma))
    gain = max(0.0, age * (open_then - _upper_tail(now)) - ends)
    return gain / open_then if was_open else gain + (1 - open_then) * (age - since_age)


def _upper_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def rank(
    candidates: Sequence[Pollable], paces: Mapping[str, Pace], now: datetime, *, late_first: bool = False
) -> list[Pollable]:
    """Return executions that may be read now, the one to read first at the beginning.

    First those that have ended, for there is something to fetch; then those that have been due for STALE_AFTER, the
    longest first; then by expected gain, which counts little where a webhook is expected; the late ones after, or
    before, all others. `paces` is by app; an app without one goes by its kind.
    """

    def urgency(candidate: Pollable) -> tuple[bool, float, float]:
        is_late = now - candidate.created_at > LATE_AFTER
        waited = (now - candidate.due_at).total_seconds()
        if candidate.ended:
            return not late_first, math.inf, waited
        if is_late or waited > STALE_AFTER:
            return is_late == late_first, waited, 0.0
        age = (now - candidate.created_at).total_seconds()
        unseen = (now - (candidate.last_poll_at or candidate.due_at)).total_seconds()
        pace = paces.get(candidate.app_id) or PRIORS[candidate.kind]
        gain = expected_gain(pace, age, age - unseen, was_open=candidate.last_poll_at is not None)
        return not late_first, 0.0, gain * (_WEBHOOK_LOST if candidate.webhook_expected else 1.0)

    return sorted(candidates, key=urgency, reverse=True)


def next_poll_at(kind: Kind, *, webhook_expected: bool, polls: int, created_at: datetime, now: datetime) -> datetime:
    """Return when an open execution that was read `polls` times may be read again."""
    if now - created_at > LATE_AFTER:
        return now + LATE_INTERVAL
    shorter, longer = INTERVALS[kind]
    if not webhook_expected:
        return now + timedelta(seconds=shorter)
    rarer = min(max(0, polls - _WEBHOOK_READS), 10)  # the ceiling is reached long before
    return now + timedelta(seconds=min(longer * 1.5**rarer, _WEBHOOK_CEILING))


def earliest_poll_at(kind: Kind, last_poll_at: datetime | None, now: datetime) -> datetime:
    """Return the first instant at which the guide allows another read."""
    if last_poll_at is None:
        return now
    return max(now, last_poll_at + timedelta(seconds=INTERVALS[kind][0]))


def back_off(failures: int) -> timedelta:
    """Return how long to leave Lamina alone after this many failures in a row."""
    return timedelta(seconds=min(2.0 ** min(failures, 10), 60.0))
