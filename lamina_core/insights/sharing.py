"""What many operators look at alike is read once for all of them."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lamina_core.clock import Clock

T = TypeVar("T")

LIFETIME = 0.3  # seconds that a reading is shown to others; a screen refreshes every three
_KEPT = 200  # readings, before those that are over are let go


@dataclass
class _Reading:
    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float | None = None
    value: Any = None


class Sharing:
    """Keeps readings for a moment; of several that ask for one at the same time, one reads and the others wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readings: dict[Hashable, _Reading] = {}
        self._lock = threading.Lock()

    def read(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what was read under this key a moment ago, or read it; an error is not kept."""
        with self._lock:
            if len(self._readings) >= _KEPT:
                self._forget()
            reading = self._readings.setdefault(key, _Reading())
        with reading.lock:
            if reading.read_at is None or self._clock.monotonic() - reading.read_at >= LIFETIME:
                reading.value = read()
                reading.read_at = self._clock.monotonic()
            value: T = reading.value
            return value

    def _forget(self) -> None:
        now = self._clock.monotonic()
        self._readings = {
            key: each
            for key, each in self._readings.items()
            if each.lock.locked() or (each.read_at is not None and now - each.read_at < LIFETIME)
        }
