"""The newest 50 of a million executions by every filter, beside the same of ten thousand and the naive way.

A figure is that of the worst shape. Every seventh read of a shape is its first one after the engines were opened and
warmed, as a process does at its start, so that p95 holds for those too.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import sqlalchemy as sa

from benchmarks import stores
from benchmarks.figures import Figure
from benchmarks.shapes import Shape, Shapes, build_shapes
from lamina_core.insights import listing
from lamina_core.insights.warming import warm_lists
from lamina_core.store import engine, search
from lamina_core.store.criteria import Criteria
from lamina_core.store.engine import Engines

FEW, MANY = 10_000, 1_000_000  # executions
_OPENINGS, _READS = 3, 7  # of a shape: how often the engines are opened, and reads each time
_TOLD = 8  # of the slowest shapes
_BUDGET = {"sqlite": 10.0, "postgresql": 15.0}  # milliseconds
_BOUND = 100.0


@dataclass
class Timing:
    """Milliseconds of a shape's reads; `days`: how far back the last one looked, if not to the end."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    rows: int = 0
    days: float | None = None

    @property
    def p50(self) -> float:
        """Return the median of those that were not the first."""
        return statistics.median(self.later)

    @property
    def p95(self) -> float:
        """Return what all but one of twenty stay under, the first ones included."""
        return statistics.quantiles([*self.first, *self.later], n=20, method="inclusive")[18]


def measure() -> list[Figure]:
    """Measure on SQLite."""
    urls = {number: f"sqlite:///{stores.keep_file(number)}" for number in (FEW, MANY)}
    return compare(urls)


def measure_on_postgres() -> list[Figure]:
    """Measure on PostgreSQL."""
    with stores.keep_postgres(FEW, MANY) as urls:
        return compare(urls)


def compare(urls: Mapping[int, str]) -> list[Figure]:
    """Read every shape from both stores, tell of the slowest, and return the figures."""
    gc.collect()
    gc.freeze()  # as the process of the screens does
    few, many = (_read_shapes(url, openings) for url, openings in zip(urls.values(), (2, _OPENINGS), strict=True))
    database = sa.make_url(urls[MANY]).get_backend_name()
    print(f"\n{database}: newest 50 of {MANY:,}, ms {'p50':>28}{'p95':>9}{'first':>9}{'rows':>6}{'days':>7}")
    for title in ("budgeted", "bounded"):
        _tell(title, many[title])
    growth = _compare_growth(few["budgeted"], many["budgeted"])
    counted, scanned = _time_counts(urls[MANY])
    named = "" if database == "sqlite" else ", PostgreSQL"
    return [
        Figure(
            f"newest 50 of a million, p95{named}",
            max(timing.p95 for timing in many["budgeted"].values()),
            "ms",
            _BUDGET[database],
            _read_naively(urls[MANY]),
        ),
        Figure(
            f"any other search of a million{named}",
            max(max(*timing.first, *timing.later) for timing in many["bounded"].values()),
            "ms",
            _BOUND,
        ),
        Figure(f"newest 50, a million / 10,000{named}", growth, "x", 1.5),
        Figure(f"exact counts of a million{named}", counted, "ms", _BUDGET[database], scanned),
    ]


def _read_shapes(url: str, openings: int) -> dict[str, dict[Shape, Timing]]:
    clock = stores.read_clock(url)
    engines = engine.open_engines(url)
    with engines.reading() as connection:
        shapes: Shapes = build_shapes(connection)
    engines.close()
    budgeted: dict[Shape, Timing] = {}
    bounded: dict[Shape, Timing] = {}
    for told, several, times in ((budgeted, shapes.budgeted, openings), (bounded, shapes.bounded, 1)):
        for _ in range(times):
            engines = engine.open_engines(url)
            try:
                warm_lists(engines, clock)  # as the process does before it serves a page
                for shape in several:
                    reads = _READS if told is budgeted else 2
                    _read(engines, clock, shape, told.setdefault(shape, Timing()), reads)
            finally:
                engines.close()
    return {"budgeted": budgeted, "bounded": bounded}


def _read(engines: Engines, clock: stores.StoredClock, shape: Shape, timing: Timing, reads: int) -> None:
    for turn in range(reads):
        began = time.perf_counter()
        page = listing.read_listing(engines, shape.wanted, clock)
        (timing.later if turn else timing.first).append((time.perf_counter() - began) * 1000)
    timing.rows = len(page.rows)
    timing.days = (clock.now() - page.searched_to).total_seconds() / 86_400 if page.searched_to else None


def _tell(title: str, timings: Mapping[Shape, Timing]) -> None:
    slowest = sorted(timings.items(), key=lambda item: item[1].p95, reverse=True)
    over = sum(timing.p95 > _BUDGET["sqlite"] for timing in timings.values())
    unfinished = sorted(timing.days for timing in timings.values() if timing.days is not None)
    ended = f"; {len(unfinished)} ended early, {unfinished[0]:.1f} days back at the least" if unfinished else ""
    print(f"{title}: {len(timings)} shapes, {over} over {_BUDGET['sqlite']:.0f} ms{ended}; the slowest:")
    for shape, timing in slowest[:_TOLD]:
        days = "" if timing.days is None else f"{timing.days:.1f}"
        numbers = f"{timing.p50:>9.2f}{timing.p95:>9.2f}{max(timing.first):>9.2f}{timing.rows:>6}{days:>7}"
        print(f"  {shape.name[:44]:<45}{numbers}")


def _compare_growth(few: Mapping[Shape, Timing], many: Mapping[Shape, Timing]) -> float:
    """Return the mean ratio of the medians, over the shapes that find as many rows in both stores."""
    by_name = {shape.name: timing for shape, timing in few.items()}
    ratios = {
        shape.name: timing.p50 / by_name[shape.name].p50
        for shape, timing in many.items()
        if timing.rows == by_name[shape.name].rows
    }
    worst = sorted(ratios.items(), key=lambda item: item[1], reverse=True)[:3]
    print(f"growth over {len(ratios)} shapes; the most: {', '.join(f'{name} {ratio:.2f}x' for name, ratio in worst)}")
    return math.exp(statistics.fmean(math.log(ratio) for ratio in ratios.values()))


def _time_counts(url: str) -> tuple[float, float]:
    """Return the milliseconds of counting by status from the tally, and from the rows."""
    engines = engine.open_engines(url)

    def scan(connection: sa.Connection) -> Mapping[str, int]:
        rows = connection.exec_driver_sql("SELECT status, count(*) FROM execution GROUP BY status")
        return {str(status): int(number) for status, number in rows}

    try:
        with engines.reading() as connection:
            tallied = search.count_by_status(connection, Criteria())
            counted = {str(status): count.number for status, count in tallied.items() if count.number}
            if counted != scan(connection):
                raise AssertionError("the tally is wrong")
            return (
                _time(lambda: search.count_by_status(connection, Criteria()), 20),
                _time(lambda: scan(connection), 5),
            )
    finally:
        engines.close()


def _time(work: Callable[[], object], times: int) -> float:
    spans: Sequence[float] = [_time_once(work) for _ in range(times)]
    return statistics.median(spans)


def _time_once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _read_naively(url: str) -> float:
    """Return the milliseconds of what a first version would do: load the table, and filter it."""
    engines = engine.open_engines(url)

    def load() -> None:
        with engines.reading() as connection:
            frame = pd.read_sql("SELECT * FROM execution", connection)
        chosen = frame[frame["status"] == "failed"].sort_values(["created_at", "id"], ascending=False).head(50)
        if len(chosen) != listing.PAGE:
            raise AssertionError("not a page")

    try:
        return _time_once(load)
    finally:
        engines.close()
