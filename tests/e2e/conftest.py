"""The real process, a real Chromium, and a record of every address that the browser asks for."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.sandbox.server import Sandbox

expect.set_options(timeout=30_000)  # milliseconds: CI is slow

PROJECT = Path(__file__).resolve().parents[2]
LOOPBACK = {"127.0.0.1", "localhost"}
FLAGS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 30.0, what: str = "the condition") -> object:
    """Ask again and again until the condition holds; fail with its name when time is up."""
    ends = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > ends:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(0.05)


@dataclass
class Desk:
    """A running dashboard with its own data folder, sandbox and ports."""

    folder: Path
    environment: dict[str, str]
    command: list[str]
    port: int
    sandbox_port: int
    process: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def start(self) -> None:
        with (self.folder / "desk.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, cwd=PROJECT, stderr=log, stdout=log)
        wait_until(self.answers, 60, "the dashboard to answer")

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail("the dashboard ended: " + self.read_log())
        try:
            return httpx.get(self.url + "/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def read_log(self) -> str:
        return (self.folder / "desk.log").read_text(errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Stop the process and return how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(30)
        return time.monotonic() - began


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(command: list[str] | None = None, *, start: bool = True, **settings: str) -> Desk:
        port, sandbox_port = free_port(), free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
        environment |= {
            "LAMINA_DESK_PORT": str(port),
            "LAMINA_SANDBOX_PORT": str(sandbox_port),
            "LAMINA_SANDBOX_SPEED": "4",
            "LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'demo.db'}",
        } | settings
        words = [word.format(port=port) for word in command or ["dashboard.py"]]
        desk = Desk(tmp_path, environment, [sys.executable, *words], port, sandbox_port)
        made.append(desk)
        if start:
            desk.start()
        return desk

    yield make
    for desk in made:
        if desk.process is not None and desk.process.poll() is None:
            desk.process.kill()
            desk.process.wait(10)


class StillClock(SystemClock):
    """The machine's clock, stopped until a test moves it."""

    def __init__(self) -> None:
        self._instant = super().now()

    def now(self) -> datetime:
        return self._instant

    def advance(self, seconds: float) -> None:
        self._instant += timedelta(seconds=seconds)


@pytest.fixture
def lamina_clock() -> StillClock:
    return StillClock()


@pytest.fixture
def still_lamina(lamina_clock: StillClock) -> Iterator[Sandbox]:
    """A Lamina elsewhere, where nothing happens by itself: each state can be seen, however slow the machine is."""
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json", database=None, clock=lamina_clock, seed=7, rate_limit=0, port=0
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def still_desk(make_desk: Callable[..., Desk], still_lamina: Sandbox) -> Desk:
    """A desk of that Lamina, whose webhooks reach it."""
    desk = make_desk(start=False, LAMINA_API_KEY="lma_desk", LAMINA_BASE_URL=still_lamina.base_url)
    desk.environment["LAMINA_PUBLIC_URL"] = desk.url
    desk.start()
    return desk


@pytest.fixture(scope="module")  # while Playwright runs, no other test of this thread can run an event loop
def browser() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        if found is None and Path(playwright.chromium.executable_path).exists():
            found = playwright.chromium.executable_path
        if found is None:
            reason = "no Chromium found; on Debian: apt-get install chromium, or set CHROMIUM_PATH"
            if os.environ.get("REQUIRE_BROWSER"):
                pytest.fail(reason)
            pytest.skip(reason)
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile that fails the test if anything foreign was asked for."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    foreign: list[str] = []

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in LOOPBACK:
            foreign.append(address)

    opened.on("request", lambda request: note(request.url))
    opened.on("page", lambda page: page.on("websocket", lambda websocket: note(websocket.url)))
    yield opened
    opened.close()
    assert foreign == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
