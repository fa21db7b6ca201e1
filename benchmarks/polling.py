"""How soon an end is noticed: the real policy against its bounds, an oracle and naive polling, in simulated time.

The system is closed: N executions are in flight, and one that was noticed to have ended is replaced at once. The
latency of an execution is the time from its end until it is noticed. All players meet the same starts in the same
order and have the same ones counted; the ones before fill the policy's history, which is empty at first. The bounds
are those of `bounds`.

The oracle knows every app's true distribution, but no outcome, and has the same intervals and the same bucket. It
reads the execution for which a read now is right at the highest price. While its bucket is not full it saves tokens
for reads that are worth the relaxed bound's price, less strictly the fuller the bucket. It was chosen as the best at
every N, or within 2 % of the best, among: the policy's index with true parameters and no ceiling, alone, with a look
ahead of 0.25, 0.5 and 1 s, and with saving; these prices without saving.

The naive poller is three browser sessions that each read each execution anew when the middle of the guide's interval
has passed since the last answer, 429 or not. Together they read more often than the guide allows, and they leave
nothing of the limit to anybody else; where they come out ahead of the policy, it is by that.
"""

import heapq
import math
import os
import random
import statistics
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from benchmarks.bounds import (
    AGES,
    APPS,
    EPOCH,
    LIMIT,
    SHARES,
    SIGMA,
    WEBHOOK_AFTER,
    App,
    Setting,
    SimulatedClock,
    bounds,
    plan,
)
from benchmarks.figures import Figure
from lamina_core.domain import Pollable
from lamina_core.polling import schedule
from lamina_core.polling.budget import Budget
from lamina_core.polling.poller import TICK

WINDOW = 60.0  # seconds, in any of which Lamina answers LIMIT requests
SESSIONS, SLOWEST_ANSWER = 3, 0.5  # of the naive poller; seconds, without which its sessions stay in step for ever

HELD_TO_ORACLE = [Setting(5), Setting(20), Setting(100, stretch=5)]
SETTINGS = [
    *HELD_TO_ORACLE,
    Setting(100),
    Setting(1000, warm_up=2000, counted=1000, seeds=1),
    *(Setting(in_flight, webhooks=True) for in_flight in (5, 20, 100)),
    Setting(1000, webhooks=True, warm_up=20_000, counted=20_000, seeds=1),
]


@dataclass(frozen=True)
class Flight:
    """One execution as it goes; instants in simulated seconds."""

    number: int
    app: App
    began: float
    ended: float


@dataclass(frozen=True)
class Outcome:
    """Latencies in seconds, and 429s per simulated minute."""

    latencies: list[float]
    refused: float


class Run:
    """What becomes of the executions, and Lamina's limit at its strictest; the players say what is read."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.clock = SimulatedClock()
        self.budget = Budget(LIMIT, self.clock)
        self.open: dict[int, Flight] = {}
        self.seen: dict[int, float] = {}  # when an open one was last read
        self._random = random.Random(seed)
        self._started = 0
        self._told: list[tuple[float, int]] = []
        self._answered: deque[float] = deque()
        self._refused = 0
        self._latencies: list[float] = []

    def play(self) -> Outcome:
        for _ in range(self.setting.in_flight):
            self._begin(0.0)
        while len(self._latencies) < self.setting.counted:
            self.clock.seconds += TICK
            while self._told and self._told[0][0] <= self.clock.seconds:
                told_at, number = heapq.heappop(self._told)
                if number in self.open:
                    self._finish(self.open[number], told_at)
            while (chosen := self.choose()) is not None:
                self._read(chosen)
        return Outcome(self._latencies, 60 * self._refused / self.clock.seconds)

    def choose(self) -> Flight | None:
        """Return what to read now; asked at every tick until it is nothing."""
        raise NotImplementedError

    def began(self, flight: Flight) -> None: ...
    def found_open(self, flight: Flight) -> None: ...
    def found_ended(self, flight: Flight) -> None: ...

    def _begin(self, now: float) -> None:
        app = self._random.choices(APPS, SHARES)[0]
        ended = now + self.setting.stretch * self._random.lognormvariate(math.log(app.median), SIGMA)
        flight = self.open[self._started] = Flight(self._started, app, now, ended)
        if self._random.random() >= self.setting.lost:
            heapq.heappush(self._told, (ended + WEBHOOK_AFTER, flight.number))
        self._started += 1
        self.began(flight)

    def _read(self, flight: Flight) -> None:
        now = self.clock.seconds
        while self._answered and self._answered[0] <= now - WINDOW:
            self._answered.popleft()
        if len(self._answered) >= LIMIT:
            self._refused += 1
            return
        self._answered.append(now)
        if flight.ended <= now:
            self._finish(flight, now)
        else:
            self.seen[flight.number] = now
            self.found_open(flight)

    def _finish(self, flight: Flight, now: float) -> None:
        del self.open[flight.number]
        self.seen.pop(flight.number, None)
        self.found_ended(flight)
        if 0 <= flight.number - self.setting.warm_up < self.setting.counted:
            self._latencies.append(now - flight.ended)
        self._begin(now)


class Policy(Run):
    """The real schedule and budget, with what the poller can know."""

    def __init__(self, setting: Setting, seed: int) -> None:
        super().__init__(setting, seed)
        self._durations: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=schedule.HISTORY))
        self._paces: dict[str, schedule.Pace] = {}
        self._resting: list[tuple[datetime, int, Pollable]] = []
        self._due: dict[int, Pollable] = {}

    def began(self, flight: Flight) -> None:
        at, app, webhook = EPOCH + timedelta(seconds=flight.began), flight.app, self.setting.webhooks
        self._rest(Pollable(flight.number, str(flight.number), app.name, app.kind, at, None, at, 0, webhook), at)

    def found_open(self, flight: Flight) -> None:
        read, now = self._due.pop(flight.number), self.clock.now()
        self._rest(replace(read, last_poll_at=now, poll_count=read.poll_count + 1), now)

    def found_ended(self, flight: Flight) -> None:
        self._due.pop(flight.number, None)
        durations = self._durations[flight.app.name]
        durations.append(flight.ended - flight.began)
        self._paces[flight.app.name] = schedule.learn_pace(flight.app.kind, durations)

    def choose(self) -> Flight | None:
        now = self.clock.now()
        while self._resting and self._resting[0][0] <= now:
            due_at, number, read = heapq.heappop(self._resting)
            if number in self.open:
                self._due[number] = replace(read, due_at=due_at)
        if not self._due or not self.budget.take_poll():
            return None
        return self.open[schedule.rank(list(self._due.values()), self._paces, now)[0].id]

    def _rest(self, read: Pollable, now: datetime) -> None:
        webhook, polls, created_at = read.webhook_expected, read.poll_count, read.created_at
        at = schedule.next_poll_at(read.kind, webhook_expected=webhook, polls=polls, created_at=created_at, now=now)
        heapq.heappush(self._resting, (at, read.id, read))


class Naive(Run):
    """Browser sessions that know nothing of each other, nor of webhooks."""

    def __init__(self, setting: Setting, seed: int) -> None:
        super().__init__(setting, seed)
        self._chance = random.Random(seed)
        self._turns: list[tuple[float, int, float]] = []

    def began(self, flight: Flight) -> None:
        interval = statistics.fmean(schedule.INTERVALS[flight.app.kind])
        for _ in range(SESSIONS):
            first = flight.began + self._chance.uniform(0, interval)
            heapq.heappush(self._turns, (first, flight.number, interval))

    def choose(self) -> Flight | None:
        while self._turns and self._turns[0][0] <= self.clock.seconds:
            at, number, interval = heapq.heappop(self._turns)
            if number in self.open:
                again = at + interval + self._chance.uniform(0, SLOWEST_ANSWER)
                heapq.heappush(self._turns, (again, number, interval))
                return self.open[number]
        return None


class Oracle(Run):
    """Reads by the plans for the true distributions."""

    def __init__(self, setting: Setting, seed: int) -> None:
        super().__init__(setting, seed)
        self._plans = {app.name: plan(app, setting.stretch, setting.lost) for app in APPS}
        self._price = bounds(setting).price

    def choose(self) -> Flight | None:
        if not self.budget.may_poll():
            return None
        now, bucket = self.clock.seconds, self.budget._polls
        allowed = [
            (self._worth(flight), -number)
            for number, flight in self.open.items()
            if number not in self.seen or now - self.seen[number] >= schedule.INTERVALS[flight.app.kind][0]
        ]
        worth, number = max(allowed, default=(0.0, 0))
        if worth <= self._price * math.sqrt((bucket.burst - bucket.tokens) / (bucket.burst - 1)):
            return None
        self.budget.take_poll()
        return self.open[-number]

    def _worth(self, flight: Flight) -> float:
        known, age = self._plans[flight.app.name], self.clock.seconds - flight.began
        seen = self.seen.get(flight.number, flight.began) - flight.began
        return math.exp(known.worth[min(int(seen / known.step), AGES), min(int(age / known.step), AGES)])


PLAYERS: tuple[type[Run], ...] = (Policy, Oracle, Naive)


def measure() -> list[Figure]:
    """Play everything on all processors, print the table, and return what has a target."""
    rounds = [
        (setting, player, seed)
        for setting in sorted(SETTINGS, key=lambda each: each.in_flight, reverse=True)  # the long ones first
        for player in PLAYERS
        for seed in range(setting.seeds)
        if not (player is Naive and setting.webhooks)  # none would reach a browser: it is as without
    ]
    outcomes: dict[tuple[Setting, type[Run]], list[Outcome]] = defaultdict(list)
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for (setting, player, _), outcome in zip(rounds, processes.map(_play, *zip(*rounds, strict=True)), strict=True):
            outcomes[setting, player].append(outcome)
    _print_rows(outcomes)
    refused = {
        player: max(each.refused for key in outcomes if key[1] is player for each in outcomes[key])
        for player in PLAYERS
    }
    figures = [Figure("429s a minute, at the worst N", refused[Policy], "/min", 0.0, refused[Naive])]
    for setting in HELD_TO_ORACLE:
        policy, oracle, naive = (_mean(outcomes[setting, player]) for player in PLAYERS)
        figures.append(Figure(f"latency to the oracle's, {setting.name}", policy / oracle, "x", 1.15, naive / oracle))
    return figures


def _play(setting: Setting, player: type[Run], seed: int) -> Outcome:
    return player(setting, seed).play()


def _mean(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(latency for outcome in outcomes for latency in outcome.latencies)


def _print_rows(outcomes: Mapping[tuple[Setting, type[Run]], Sequence[Outcome]]) -> None:
    print(f"{'seconds':<16}{'player':<8}{'p50':>8}{'p95':>9}{'mean':>8}{'429/min':>9}  mean by the oracle's, by seed")
    for setting in SETTINGS:
        found = bounds(setting)
        fluid = "" if setting.webhooks else f", fluid {found.fluid:.2f}"
        print(f"{setting.name:<16}bounds on the mean: flow {found.flow:.2f}{fluid}, relaxed {found.relaxed:.2f}")
        for player in PLAYERS:
            if played := outcomes.get((setting, player)):
                cuts = statistics.quantiles((each for one in played for each in one.latencies), n=20)
                seeds = zip(played, outcomes[setting, Oracle], strict=True)
                ratios = " ".join(f"{_mean([one]) / _mean([oracle]):.3f}" for one, oracle in seeds)
                row = f"{cuts[9]:>8.2f}{cuts[18]:>9.2f}{_mean(played):>8.2f}{max(one.refused for one in played):>9.1f}"
                print(f"{'':<16}{player.__name__:<8}{row}  {ratios}")
