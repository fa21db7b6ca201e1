"""The whole product as an operator meets it: the first page, a start, the memory at rest.

The process is started as `make run` starts it the second time; pages are timed in a real Chromium. The
baseline is a Streamlit page with one line of text, launched and opened in the same way.
"""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.figures import Figure

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 5
PATIENCE = 60_000  # milliseconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def measure() -> list[Figure]:
    """Start the product a few times and return the medians."""
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    pages, bare_pages, clicks, memories = [], [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        for _ in range(ROUNDS):
            with _running(["make", "--silent", "run"]) as (process, port, began):
                page = _open(browser, f"http://127.0.0.1:{port}", "Requests, last minute")
                pages.append(time.monotonic() - began)
                clicks.append(_start(page, port))
                page.close()
                memories.append(_memory(process))
            with _bare_streamlit() as (port, began):
                _open(browser, f"http://127.0.0.1:{port}", "A line of text").close()
                bare_pages.append(time.monotonic() - began)
        browser.close()
    return [
        Figure("make run to first painted page", statistics.median(pages), "s", 6.0, statistics.median(bare_pages)),
        Figure("Start click to visible status", statistics.median(clicks), "s", 1.0),
        Figure("memory at rest, after one page", statistics.median(memories), "MB", 250.0),
    ]


@contextmanager
def _running(command: list[str]) -> Generator[tuple[subprocess.Popen[bytes], int, float]]:
    port, sandbox_port = _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")} | {
            "LAMINA_DESK_PORT": str(port),
            "LAMINA_SANDBOX_PORT": str(sandbox_port),
            "LAMINA_DATABASE_URL": f"sqlite:///{folder}/demo.db",
        }
        began = time.monotonic()
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=quiet, stderr=quiet)
        try:
            yield process, port, began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@contextmanager
def _bare_streamlit() -> Generator[tuple[int, float]]:
    with tempfile.TemporaryDirectory() as folder:
        script, port = Path(folder) / "bare.py", _free_port()
        script.write_text("import streamlit as st\nst.write('A line of text')\n")
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
        began = time.monotonic()
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=PROJECT, stdout=quiet, stderr=quiet)
        try:
            yield port, began
        finally:
            process.terminate()
            process.wait(10)


def _open(browser: Browser, address: str, text: str) -> Page:
    _wait_for_port(int(address.rpartition(":")[2]))
    page = browser.new_page()
    page.goto(address)
    expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)
    return page


def _start(page: Page, port: int) -> float:
    page.goto(f"http://127.0.0.1:{port}/start")
    page.get_by_role("button", name="Fill the form").first.click(timeout=PATIENCE)
    expect(page.get_by_text("Copy as curl")).to_be_visible(timeout=PATIENCE)
    button = page.get_by_role("button", name=re.compile("^Start")).last
    began = time.monotonic()
    button.click()
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile("queued|running"))
    expect(badge.first).to_be_visible(timeout=PATIENCE)
    return time.monotonic() - began


def _memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of the process and its children, in MB (Linux)."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    total = 0
    for pid in [str(process.pid), *children]:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        total += int(found.group(1)) if found else 0
    return total / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    ends = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
