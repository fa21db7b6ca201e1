"""What others started, what was lost on the way, and two processes on one database: real processes, a real browser."""

import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.sandbox.server import Sandbox
from tests.e2e.conftest import Desk, wait_until

SECONDS = 1_000.0
SHOT = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
KEY = {"x-api-key": "lma_backend"}


def start_at(lamina: str, webhook: str | None = None) -> str:
    """Start an execution as a product's backend does, past our dashboard."""
    asked = {"webhook": webhook} if webhook else {}
    answer = httpx.post(f"{lamina}/api/apps/{SHOT}/executions", params=asked, json={"inputs": {}}, headers=KEY)
    return str(answer.raise_for_status().json()["data"]["executionId"])


def test_an_execution_of_a_backend_appears_by_itself_and_replay_asks_for_its_inputs(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    name = start_at(desk.sandbox_url, webhook=desk.url + "/webhooks/lamina")
    page.goto(f"{desk.url}/executions")
    page.get_by_role("button", name="1 new").click(timeout=40 * SECONDS)  # there after an adopting read
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=10 * SECONDS)
    page.get_by_placeholder("id or reference").fill(name[:8])
    page.get_by_placeholder("id or reference").press("Enter")
    page.wait_for_url(re.compile(r"/execution\?id=1$"), timeout=10 * SECONDS)
    expect(page.get_by_text("Not known here: others started this execution.")).to_be_visible(timeout=10 * SECONDS)
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/start\?.*replay_of=1"), timeout=10 * SECONDS)
    expect(page.get_by_text("This replays #1, whose inputs are not known here")).to_be_visible(timeout=10 * SECONDS)
    page.get_by_role("button", name=re.compile("^Start")).last.click()
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=10 * SECONDS)
    expect(page.get_by_text("Replay of #1")).to_be_visible(timeout=10 * SECONDS)


def test_a_lost_start_is_settled_by_the_id_that_an_operator_pastes(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    for fault in ({"fault": "answer_lost"}, {"fault": "lost_webhook", "times": 10}):
        httpx.post(desk.sandbox_url + "/sandbox/faults", json=fault).raise_for_status()
    page.goto(f"{desk.url}/start?app={SHOT}")
    page.get_by_role("button", name=re.compile("^Start")).last.click(timeout=20 * SECONDS)
    expect(page.get_by_text("Did Lamina accept this start?")).to_be_visible(timeout=20 * SECONDS)
    name = httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"][0]["executionId"]
    page.get_by_label("It exists: Lamina's id of it").fill(name)
    page.get_by_label("It exists: Lamina's id of it").press("Enter")
    page.get_by_role("button", name="Link this id").click()
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile("completed$"))
    expect(badge.first).to_be_visible(timeout=30 * SECONDS)
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 1


@pytest.fixture
def lamina() -> Iterator[Sandbox]:
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=0.05,  # nothing ends during the test
        rate_limit=0,
        port=0,
    )
    running.start()
    yield running
    running.stop()


def test_of_two_processes_one_polls_and_the_other_goes_on_when_it_is_killed(
    make_desk: Callable[..., Desk], lamina: Sandbox
):
    settings = {"LAMINA_API_KEY": "lma_test", "LAMINA_BASE_URL": lamina.base_url, "LAMINA_DESK_INGEST_TOKEN": "t"}
    desks = [make_desk(**settings), make_desk(**settings)]
    name = start_at(lamina.base_url)
    document = {"executionId": name, "appId": SHOT, "inputs": {}}
    httpx.post(
        desks[1].url + "/api/executions", json=document, headers={"Authorization": "Bearer t"}
    ).raise_for_status()

    def reads() -> list[float]:
        log = httpx.get(f"{lamina.base_url}/sandbox/log").json()["requests"]
        return [entry["at"] / 1000 for entry in log if entry["path"].endswith(name)]

    wait_until(lambda: len(reads()) >= 3, what="three reads")
    assert all(later - earlier >= 2.9 for earlier, later in zip(reads(), reads()[1:], strict=False))
    holder = sqlite3.connect(desks[0].folder / "demo.db").execute("SELECT holder FROM lease").fetchone()[0]
    first, other = sorted(desks, key=lambda desk: f":{desk.process.pid}:" not in holder)
    first.stop(signal.SIGKILL)
    killed, before = time.time(), len(reads())
    wait_until(lambda: len(reads()) > before, 16, "the other process to read")
    assert reads()[-1] - killed <= 15
    assert httpx.get(other.url + "/readyz").status_code == 200
