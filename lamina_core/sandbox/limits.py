"""The rate limit: so many requests per minute and address, counted in fixed windows.

Source: Lamina's page on errors (100 per minute per IP; RateLimit-* and Retry-After headers). That the
headers come on every reply, and that RateLimit-Reset is seconds left, is the IETF draft's reading.
"""

import math
from dataclasses import dataclass

from lamina_core.clock import Clock

WINDOW = 60.0  # seconds; never scaled by the sandbox's speed
_MANY_ADDRESSES = 10_000


@dataclass(frozen=True)
class Verdict:
    """Whether a request is let in, and the headers that say so; no headers where there is no limit."""

    admitted: bool
    reset: int
    headers: dict[str, str]


@dataclass
class _Window:
    ends_at: float
    used: int


class Limiter:
    """Counts requests per address; a limit of 0 admits everything."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def admit(self, address: str) -> Verdict:
        """Count one request of this address and say whether it may be served."""
        if self.limit == 0:
            return Verdict(admitted=True, reset=0, headers={})
        now = self._clock.monotonic()
        window = self._windows.get(address)
        if window is None or now >= window.ends_at:
            self._forget(now)
            window = self._windows[address] = _Window(now + WINDOW, 0)
        window.used += 1
        reset = max(1, math.ceil(window.ends_at - now))
        admitted = window.used <= self.limit
        return Verdict(admitted, reset, self._headers(max(0, self.limit - window.used), reset))

    def _forget(self, now: float) -> None:
        if len(self._windows) >= _MANY_ADDRESSES:
            self._windows = {key: window for key, window in self._windows.items() if now < window.ends_at}

    def _headers(self, remaining: int, reset: int) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset),
        }
