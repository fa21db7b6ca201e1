"""One budget of requests for all callers of this process, so that Lamina's limit is never reached.

Lamina counts requests per address in any 60 seconds. A bucket with `burst` tokens that refills at
`rate` a second lets at most burst + 60 * rate through in such a window, so the buckets of polls and of
operators' actions together stay below the limit, with some left for repeated reads.
"""

import threading
from collections import deque
from collections.abc import Mapping

from lamina_core import errors
from lamina_core.api import transport
from lamina_core.clock import Clock

PATIENCE = 5.0  # seconds that an operator's action waits for its turn

_POLL_SHARE = 0.78
_ACTION_SHARE = 0.16
_POLL_BURST = 0.026  # of the share, but two at least: more costs rate, and with one the loop's ticks waste some
_ACTION_BURST = 0.4  # of the share: people click in bursts
_HOLD = 15.0  # seconds without polls after a 429 that names no time
_FLOOR = 0.03  # of the limit: with no more than that remaining, others share our address
_EPOCH = 1_000_000  # a RateLimit-Reset above this is an instant, not a number of seconds


class _Bucket:
    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self.burst = burst
        self.rate = max(per_minute - self.burst, 0.5) / 60
        self.tokens = self.burst
        self.filled_at = now

    def has_one(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        return self.tokens >= 1

    def take(self, now: float) -> bool:
        if not self.has_one(now):
            return False
        self.tokens -= 1
        return True

    def owe(self, now: float) -> None:
        self.has_one(now)
        self.tokens -= 1


class Budget:
    """Shared by every thread; polls never wait, operators' actions wait a little."""

    def __init__(self, limit_per_minute: int, clock: Clock) -> None:
        self.limit_per_minute = limit_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        now = clock.monotonic()
        polls, actions = limit_per_minute * _POLL_SHARE, limit_per_minute * _ACTION_SHARE
        self._polls = _Bucket(polls, max(2.0, polls * _POLL_BURST), now)
        self._actions = _Bucket(actions, max(1.0, actions * _ACTION_BURST), now)
        self._held_until = now
        self._spent: deque[float] = deque()

    def may_poll(self) -> bool:
        """Say whether `take_poll` would give a request now."""
        with self._lock:
            now = self._clock.monotonic()
            return now >= self._held_until and self._polls.has_one(now)

    def take_poll(self) -> bool:
        """Spend one request of the polls' share, if there is one and Lamina has not asked us to wait."""
        with self._lock:
            now = self._clock.monotonic()
            return now >= self._held_until and self._spend(self._polls, now)

    def take_action(self) -> None:
        """Spend one request for an operator, from the polls' share where the operators' own is used up.

        BudgetUsedUp if none came free within PATIENCE seconds.
        """
        ends = self._clock.monotonic() + PATIENCE
        while True:
            with self._lock:
                now = self._clock.monotonic()
                if self._spend(self._actions, now) or self._spend(self._polls, now):
                    return
            if now >= ends:
                raise errors.BudgetUsedUp(
                    "The requests that Lamina allows per minute are used up. Try again in a minute."
                )
            self._clock.sleep(0.1)

    def take_anyway(self) -> None:
        """Spend one request that can neither wait nor be left out; where none is left, later polls wait for it."""
        with self._lock:
            now = self._clock.monotonic()
            self._polls.owe(now)
            self._count(now)

    def _spend(self, bucket: _Bucket, now: float) -> bool:
        if not bucket.take(now):
            return False
        self._count(now)
        return True

    def _count(self, now: float) -> None:
        self._spent.append(now)
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0] < now - 60:
            self._spent.popleft()

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: after a 429, or with next to nothing remaining, polls wait as long as Lamina says."""
        remaining = headers.get("ratelimit-remaining", "").strip()
        scarce = remaining.isdecimal() and len(remaining) < 10 and int(remaining) <= self.limit_per_minute * _FLOOR
        if status != 429 and not scarce:
            return
        now = self._clock.now().timestamp()
        asked = transport.parse_retry_after(headers.get("retry-after"), now) if status == 429 else None
        if asked is None:
            asked = transport.parse_retry_after(headers.get("ratelimit-reset"), now)
        if asked is None or asked > _EPOCH:
            asked = _HOLD
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + asked)

    def spent_last_minute(self) -> int:
        """Return how many requests were spent in the last 60 seconds."""
        with self._lock:
            self._forget(self._clock.monotonic())
            return len(self._spent)

    def held_for(self) -> float:
        """Return for how many seconds polls still wait because Lamina asked for it."""
        with self._lock:
            return max(0.0, self._held_until - self._clock.monotonic())
