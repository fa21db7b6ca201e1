"""The process of Lamina Desk and the sandbox outside it, as a test holds them: start, kill, stop, look inside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lamina_core.clock import SystemClock
from lamina_core.config import DATA, PROJECT
from lamina_core.sandbox.server import Sandbox
from tests.crash.load import Load

START_PATIENCE = 60.0  # seconds until a started process answers
STOP_PATIENCE = 30.0
KEY = "lma_crash"
BUDGET = "6000"  # requests a minute: load, not the budget, decides how much is asked


class DeskEnded(Exception):
    """The process ended by itself, or did not answer or stop in time; the message carries the end of its log."""


def wait_until(condition: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Ask again and again until the condition holds or the time is up, and say which."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(every)
    return True


def wait(seconds: float) -> None:
    """Let the processes work."""
    time.sleep(seconds)


class Desk:
    """One database and one port, and the process that has them: many processes, one after the other."""

    def __init__(self, folder: Path, lamina_url: str, generation: str) -> None:
        self.folder = folder
        self.database = folder / "desk.db"
        self.lives = 0
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(trust_env=False, timeout=30)
        # Killed processes leave no coverage behind; measuring them would only slow them down.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "COVERAGE_"))}
        self._environment = kept | {
            "LAMINA_API_KEY": KEY,
            "LAMINA_BASE_URL": lamina_url,
            "LAMINA_API_GENERATION": generation,
            "LAMINA_PUBLIC_URL": self.url,
            "LAMINA_DESK_PORT": str(self._port),
            "LAMINA_DATABASE_URL": f"sqlite:///{self.database}",
            "LAMINA_RATE_LIMIT_PER_MINUTE": BUDGET,
        }

    @property
    def url(self) -> str:
        """Return where the process answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Return the number of the running process."""
        return self._running().pid

    def start(self, load: Load) -> None:
        """Start a process; it does not answer yet."""
        self.lives += 1
        journal = self.folder / f"journal-{self.lives:04d}.jsonl"
        command = [sys.executable, "-m", "tests.crash.process", "--journal", str(journal), *load.as_arguments()]
        with (self.folder / "desk.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, cwd=PROJECT, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    def wait_for_answer(self) -> None:
        """Return when the process answers; DeskEnded if it does not."""
        if not wait_until(self.answers, START_PATIENCE):
            raise DeskEnded(f"no answer within {START_PATIENCE:.0f} s\n{self.log_end()}")

    def answers(self) -> bool:
        """Say whether the process answers now; DeskEnded if there is none any more."""
        if self._running().poll() is not None:
            raise DeskEnded(f"ended by itself with {self._running().returncode}\n{self.log_end()}")
        try:
            return self._http.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def hold(self, seconds: float) -> None:
        """Let the process stand still and go on: what came meanwhile it then finds all at once."""
        self._running().send_signal(signal.SIGSTOP)
        wait(seconds)
        self._running().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process; DeskEnded if it had ended before."""
        self._running().kill()
        ended = self._running().wait(STOP_PATIENCE)
        self._let_go()
        if ended != -signal.SIGKILL:
            raise DeskEnded(f"had ended by itself with {ended} before the kill\n{self.log_end()}")

    def stop(self) -> None:
        """Ask the process to stop; DeskEnded if it does not."""
        self._running().terminate()
        try:
            self._running().wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            raise DeskEnded(f"did not stop within {STOP_PATIENCE:.0f} s\n{self.log_end()}") from None
        self._let_go()

    def log_end(self) -> str:
        """Return the last lines that the processes logged."""
        return "\n".join(self.read_log().splitlines()[-30:])

    def read_log(self) -> str:
        """Return all that the processes logged."""
        return (self.folder / "desk.log").read_text(errors="replace")

    def close(self) -> None:
        """Leave no process and no connection behind."""
        self._http.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_PATIENCE)
            self._let_go()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "no process was started"
        return self._process

    def _let_go(self) -> None:
        if self._running().stdin is not None:
            self._running().stdin.close()
        self._process = None


@contextmanager
def opened(
    folder: Path, *, speed: float, seed: int, rate_limit: int = 0, generation: str = "executions"
) -> Generator[tuple[Sandbox, Desk]]:
    """Give a running sandbox with a file of its own, and a desk for it of which no process runs yet."""
    sandbox = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=folder / "sandbox.db",
        clock=SystemClock(),
        seed=seed,
        speed=speed,
        rate_limit=rate_limit,
        port=0,
    )
    with contextlib.ExitStack() as stack:
        sandbox.start()
        stack.callback(sandbox.stop)
        desk = Desk(folder, sandbox.base_url, generation)
        stack.callback(desk.close)
        yield sandbox, desk


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
