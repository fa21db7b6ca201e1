"""Starting the product and a browser, and asking the system what they take (Linux)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE = 60_000  # milliseconds
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass(frozen=True)
class Running:
    """A process of the product; `began` is the monotonic time of its start."""

    process: subprocess.Popen[bytes]
    port: int
    began: float

    @property
    def address(self) -> str:
        """Return where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    def read_memory(self) -> float:
        """Return the resident memory of the process and its children, in MB."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total = 0
        for each in [str(pid), *children]:
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{each}/status").read_text())
            total += int(found.group(1)) if found else 0
        return total / 1024

    def read_cpu(self) -> float:
        """Return the seconds of processor time that the process has taken."""
        _, _, rest = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")
        user, system = rest.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(database_url: str, command: list[str] | None = None) -> Generator[Running]:
    """Run the product with its sandbox on a database, by default as `make run` starts it in the end."""
    port, sandbox_port = find_port(), find_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")} | {
        "LAMINA_DESK_PORT": str(port),
        "LAMINA_SANDBOX_PORT": str(sandbox_port),
        "LAMINA_DATABASE_URL": database_url,
    }
    began, quiet = time.monotonic(), subprocess.DEVNULL
    words = command or [sys.executable, "dashboard.py"]
    process = subprocess.Popen(words, env=environment, cwd=PROJECT, stdout=quiet, stderr=quiet)
    try:
        yield Running(process, port, began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def browsing() -> Generator[Browser]:
    """Run a Chromium."""
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def find_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Return as soon as something listens there."""
    ends = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
