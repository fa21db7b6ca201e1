"""The whole product as an operator meets it: the first page, a start, the memory at rest.

The process is started as `make run` starts it the second time; pages are timed in a real Chromium. The
baseline is a Streamlit page with one line of text, launched and opened in the same way.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from benchmarks.figures import Figure
from benchmarks.processes import PATIENCE, PROJECT, browsing, find_port, running, wait_for_port

ROUNDS = 5


def measure() -> list[Figure]:
    """Start the product a few times and return the medians."""
    pages, bare_pages, clicks, memories = [], [], [], []
    with browsing() as browser:
        for _ in range(ROUNDS):
            with (
                tempfile.TemporaryDirectory() as folder,
                running(f"sqlite:///{folder}/demo.db", ["make", "--silent", "run"]) as desk,
            ):
                page = _open(browser, desk.port, "Requests, last minute")
                pages.append(time.monotonic() - desk.began)
                clicks.append(_start(page, desk.port))
                page.close()
                memories.append(desk.read_memory())
            with _bare_streamlit() as (port, began):
                _open(browser, port, "A line of text").close()
                bare_pages.append(time.monotonic() - began)
    return [
        Figure("make run to first painted page", statistics.median(pages), "s", 6.0, statistics.median(bare_pages)),
        Figure("Start click to visible status", statistics.median(clicks), "s", 1.0),
        Figure("memory at rest, after one page", statistics.median(memories), "MB", 250.0),
    ]


@contextmanager
def _bare_streamlit() -> Generator[tuple[int, float]]:
    with tempfile.TemporaryDirectory() as folder:
        script, port = Path(folder) / "bare.py", find_port()
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


def _open(browser: Browser, port: int, text: str) -> Page:
    wait_for_port(port)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}")
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
