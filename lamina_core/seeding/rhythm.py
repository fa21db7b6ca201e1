"""When executions begin: by day and by night, on weekdays and on weekends, and a little more each month."""

import math
from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import accumulate

_HOUR = timedelta(hours=1)
_WEEKDAYS = (1.0, 1.05, 1.1, 1.05, 0.9, 0.4, 0.35)  # from Monday on
_GROWTH = 0.6  # that the last day has more than the first


class Rhythm:
    """The instants of the days before an end."""

    def __init__(self, end: datetime, days: int) -> None:
        hours = days * 24
        self._begin = end - hours * _HOUR
        self._sums = list(accumulate(_weigh(self._begin + hour * _HOUR, hour / hours) for hour in range(hours)))

    def instant(self, share: float) -> datetime:
        """Return the instant before which this share of all executions begins."""
        wanted = share * self._sums[-1]
        hour = min(bisect_right(self._sums, wanted), len(self._sums) - 1)
        before = self._sums[hour - 1] if hour else 0.0
        seconds = (hour + (wanted - before) / (self._sums[hour] - before)) * 3600
        return self._begin + timedelta(milliseconds=int(seconds * 1000))


def _weigh(at: datetime, share: float) -> float:
    by_day = 0.15 + math.exp(-(((at.hour + at.minute / 60 - 13.5) / 4.5) ** 2))
    return by_day * _WEEKDAYS[at.weekday()] * (1 + _GROWTH * share)
