"""The mix of executions that the polling bench plays, and the bounds on the mean latency of reading them.

With R polls a second; the last two come from grids:
- flow: an end that no webhook tells costs a poll, so that at most R of them a second are noticed;
- fluid: hazards known and steady between two reads, reads as often as one likes, no webhooks. No proof stands behind
  it: where reads are some tenths of a duration apart, the oracle is a few per cent below it;
- relaxed: distributions known, the guide's shortest intervals kept, R kept on average only. Each app's reads are
  planned for the least latency + price * reads, at the price of a read for which this bounds most.
"""

import math
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from lamina_core.domain import Kind
from lamina_core.polling import schedule
from lamina_core.polling.budget import Budget

LIMIT = 100  # requests in any 60 seconds
SIGMA = 0.35  # of the logarithm of every app's durations
WEBHOOK_AFTER, WEBHOOK_LOST = 0.4, 0.05  # seconds after the end; how probable it is that none comes
AGES, OLDEST = 600, 4.5  # steps in a grid of ages, and about where it ends, in medians
PRICES = np.geomspace(1e-3, 1e6, 60)  # of a read, in seconds of latency
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
NORMAL = statistics.NormalDist()
MIX = (  # kind, share of the starts, medians of the apps in seconds
    (Kind.IMAGE, 0.5, (7.0, 9.5, 12.0, 14.5, 17.0)),
    (Kind.MULTI_STEP, 0.3, (24.0, 32.0, 40.0, 48.0, 56.0)),
    (Kind.VIDEO, 0.2, (72.0, 96.0, 120.0, 144.0, 168.0)),
)


@dataclass(frozen=True)
class App:
    """`share` of the starts; `median` in seconds, before any stretch."""

    name: str
    kind: Kind
    share: float
    median: float


APPS = [App(f"{kind} {each}", kind, share / len(medians), each) for kind, share, medians in MIX for each in medians]
SHARES = [app.share for app in APPS]


@dataclass(frozen=True)
class Setting:
    """`stretch` multiplies all durations; `warm_up` starts come before the `counted` ones."""

    in_flight: int
    webhooks: bool = False
    stretch: float = 1.0
    warm_up: int = 1000
    counted: int = 4000
    seeds: int = 3

    @property
    def name(self) -> str:
        stretched = f" x{self.stretch:.0f}" if self.stretch != 1 else ""
        return f"N={self.in_flight}{stretched}{' webhooks' if self.webhooks else ''}"

    @property
    def lost(self) -> float:
        """Return the share of ends that only a read finds."""
        return WEBHOOK_LOST if self.webhooks else 1.0


class SimulatedClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class Plan:
    """How an app is best read, for each of PRICES.

    `step`: seconds between two ages of its grid. `cost`, of shape (prices,): an execution's, in seconds of latency.
    `worth`, of shape (age when last seen open, age now): logarithm of the highest price at which to read now.
    """

    step: float
    cost: npt.NDArray[np.float64]
    worth: npt.NDArray[np.float32]


@cache
def plan(app: App, stretch: float, lost: float) -> Plan:
    """Find the best next reads, backwards from the oldest age."""
    median, rest = app.median * stretch, schedule.INTERVALS[app.kind][0]
    gap = math.ceil(rest * AGES / (OLDEST * median))  # a rest in steps, a whole number
    ages = rest / gap * np.arange(AGES + 1)
    deviations = np.log(np.maximum(ages, 1e-9) / median) / SIGMA
    ended = np.array([NORMAL.cdf(each) for each in deviations])
    moment = median * math.exp(SIGMA**2 / 2) * np.array([NORMAL.cdf(each - SIGMA) for each in deviations])
    cost = np.zeros((AGES + 1, len(PRICES)))
    worth = np.full((AGES + 1, AGES + 1), np.log(PRICES[-1]), np.float32)
    for seen in range(AGES - 1, -1, -1):
        first = min(seen + gap, AGES) if seen else 1  # the rest is one between two reads
        found = ended[first:] - ended[seen]
        latency = lost * (ages[first:] * found - (moment[first:] - moment[seen]))
        reads = 1 - ended[first:] + lost * found
        total = latency[:, None] + PRICES * reads[:, None] + cost[first:]
        best = total.argmin(axis=0)
        cost[seen] = total[best, range(len(PRICES))]
        worth[seen] = np.interp(ages, np.maximum.accumulate(ages[first + best]), np.log(PRICES))
    return Plan(rest / gap, cost[0], worth)


@dataclass(frozen=True)
class Bounds:
    """Seconds of mean latency; `price` of a read is the one that gives `relaxed`."""

    flow: float
    fluid: float
    relaxed: float
    price: float


@cache
def bounds(setting: Setting) -> Bounds:
    rate = Budget(LIMIT, SimulatedClock())._polls.rate
    each, told = setting.in_flight / rate, (1 - setting.lost) * WEBHOOK_AFTER
    duration = setting.stretch * math.exp(SIGMA**2 / 2) * sum(app.share * app.median for app in APPS)
    # The mean root of the hazard at a random instant is the integral of sqrt(density * still open) / mean duration.
    ages, step = np.linspace(1e-3, 8, 8000, retstep=True)  # in medians
    density = [NORMAL.pdf(math.log(age) / SIGMA) / (age * SIGMA) for age in ages]
    still_open = [NORMAL.cdf(-math.log(age) / SIGMA) for age in ages]
    root = np.sqrt(np.multiply(density, still_open)).sum() * step
    mean_root = root * sum(app.share * math.sqrt(app.median * setting.stretch) for app in APPS) / duration
    fluid = (1 + (setting.in_flight - 1) * duration * mean_root**2) / (2 * rate)
    # Reads per execution are at most (duration + latency) / each; the price weighs that against the latency.
    cost = np.sum([app.share * plan(app, setting.stretch, setting.lost).cost for app in APPS], axis=0)
    relaxed = told + (cost - PRICES / each * (duration + told)) / (1 + PRICES / each)
    best = int(relaxed.argmax())
    flow = max(told, setting.lost * each - duration)
    return Bounds(flow, float(fluid), float(relaxed[best]), float(PRICES[best]))
