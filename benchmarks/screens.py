"""The Executions screen in Chromium over a million executions, beside the same over five thousand.

Times are the browser's own: from the click, or from the beginning of the navigation, to the last change of what is
painted in the table. Both sizes are measured in turn, round by round, for the machine's speed drifts.
"""

import re
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks import stores
from benchmarks.figures import Figure
from benchmarks.processes import PATIENCE, Running, browsing, running, wait_for_port
from lamina_core import registration
from lamina_core.clock import SystemClock
from lamina_core.domain import Generation, Origin, Registration
from lamina_core.store import engine
from lamina_core.store.writer import Writer

FEW, MANY = 5_000, 1_000_000  # executions
ROUNDS = 3
_STATUSES = ("failed", "cancelled", "completed")
_PAGES = 4  # onwards, and back again
_STILL = 600  # milliseconds without a change, after which a table counts as painted
_WATCH = (Path(__file__).parent / "painting.js").read_text()


@dataclass
class Seen:
    """What was measured over one size: milliseconds, and of `new` seconds."""

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    filters: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    memory: float = 0.0


def measure() -> list[Figure]:
    """Return the figures."""
    seen = {number: Seen() for number in (FEW, MANY)}
    with browsing() as browser, _desk(FEW) as few, _desk(MANY) as many:
        for _ in range(ROUNDS):
            for number, (desk, url) in {FEW: few, MANY: many}.items():
                _visit(browser, desk, url, seen[number])
        for number, (desk, _) in {FEW: few, MANY: many}.items():
            seen[number].memory = desk.read_memory()
    few_seen, many_seen = seen[FEW], seen[MANY]
    for number, each in seen.items():
        _tell(number, each)
    return [
        *_pair("filter change", 250.0, many_seen.filters, few_seen.filters),
        *_pair("page change", 250.0, many_seen.pages, few_seen.pages),
        _median_of("warm open, a million", 700.0, many_seen.warm, few_seen.warm),
        Figure("cold open, a million / 5,000", _ratio(many_seen.cold, few_seen.cold), "x", 1.1),
        _median_of("server CPU of a filter change", 80.0, many_seen.cpu, few_seen.cpu),
        Figure("memory at rest, a million", many_seen.memory, "MB", 250.0, few_seen.memory),
        Figure("a new row is told of, at the latest", max(many_seen.new), "s", 3.5, max(few_seen.new)),
    ]


def _pair(name: str, target: float, many: Sequence[float], few: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}, a million, p95", _p95(many), "ms", target, _p95(few)),
        Figure(f"{name}, a million / 5,000", _ratio(many, few), "x", 1.3),
    ]


def _median_of(name: str, target: float, many: Sequence[float], few: Sequence[float]) -> Figure:
    return Figure(name, statistics.median(many), "ms", target, statistics.median(few))


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[18]


def _ratio(many: Sequence[float], few: Sequence[float]) -> float:
    return statistics.median(many) / statistics.median(few)


def _tell(number: int, seen: Seen) -> None:
    for name in ("cold", "warm", "filters", "pages", "cpu"):
        values = getattr(seen, name)
        print(f"{number:>9,} {name:<8} p50 {statistics.median(values):>7.0f} ms   p95 {_p95(values):>7.0f} ms")
    print(f"{number:>9,} memory {seen.memory:.0f} MB, new rows after {', '.join(f'{each:.1f}' for each in seen.new)} s")


@contextmanager
def _desk(executions: int) -> Generator[tuple[Running, str]]:
    """Run the product on a copy of a kept store, for it writes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{stores.copy_file(executions, Path(folder))}"
        with running(url) as desk:
            wait_for_port(desk.port)
            yield desk, url


def _visit(browser: Browser, desk: Running, url: str, seen: Seen) -> None:
    """Do in a new profile what an operator does."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_WATCH)
    page = context.new_page()
    seen.cold.append(_open(page, desk))
    seen.warm += [_open(page, desk) for _ in range(3)]
    pills = page.get_by_test_id("stMain").get_by_test_id("stButtonGroup").first
    for status in _STATUSES:
        pill = pills.get_by_text(re.compile(f"^{status} "))
        seen.filters += [_click(page, pill), _click(page, pill)]  # on, and off again
    for label in ("Older", "Newer"):
        button = page.get_by_role("button", name=label, exact=True)
        seen.pages += [_click(page, button) for _ in range(_PAGES)]
    seen.cpu.append(_measure_cpu(page, desk, pills.get_by_text(re.compile(f"^{_STATUSES[0]} "))))
    seen.new.append(_await_new(page, desk, url))
    context.close()


def _open(page: Page, desk: Running) -> float:
    page.goto(f"{desk.address}/executions")
    return _painted(page)


def _click(page: Page, target: Locator) -> float:
    """Click and return the milliseconds to the last change of the table."""
    before = page.evaluate("window.painting.mark")
    target.click(timeout=PATIENCE)
    page.wait_for_function("before => window.painting.mark !== before", arg=before, timeout=PATIENCE)
    return _painted(page) - float(page.evaluate("window.painting.clicked"))


def _painted(page: Page) -> float:
    """Wait until the table is there and still, and return when it last changed."""
    still = f"window.painting.mark !== null && performance.now() - window.painting.at > {_STILL}"
    page.wait_for_function(still, timeout=PATIENCE)
    return float(page.evaluate("window.painting.at"))


def _measure_cpu(page: Page, desk: Running, pill: Locator) -> float:
    """Return the milliseconds of the server's processor for a change, its idle work taken off."""
    changes, live = 6, page.get_by_test_id("stSidebar").get_by_text("Live", exact=True)
    live.click()
    page.wait_for_timeout(1_000)
    began, used = time.monotonic(), desk.read_cpu()
    page.wait_for_timeout(2_000)
    idle = (desk.read_cpu() - used) / (time.monotonic() - began)
    began, used = time.monotonic(), desk.read_cpu()
    for _ in range(changes):
        _click(page, pill)
    spent = desk.read_cpu() - used - idle * (time.monotonic() - began)
    live.click()
    page.wait_for_timeout(1_000)
    return spent / changes * 1000


def _await_new(page: Page, desk: Running, url: str) -> float:
    """Store a new execution as another process would, and return the seconds until the screen tells of it."""
    page.goto(f"{desk.address}/executions")
    _painted(page)
    now = datetime.now(UTC)
    row = Registration(f"bench-{now.timestamp()}", "app-1", Origin.REGISTERED, {}, now)
    engines = engine.open_engines(url)
    writer = Writer(engines.write, SystemClock())
    writer.start()
    writer.run(lambda connection: registration.register(connection, [row], "bench", Generation.EXECUTIONS, now))
    began = time.monotonic()
    writer.stop()
    engines.close()
    expect(page.get_by_role("button", name="1 new")).to_be_visible(timeout=PATIENCE)
    return time.monotonic() - began
