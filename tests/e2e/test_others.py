"""What others started, what was lost on the way, and two processes on one database: real processes, a real browser."""

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import Page, expect

from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.sandbox.server import Sandbox
from tests.e2e.conftest import Desk, StillClock, wait_until

SECONDS = 1_000.0
SHOT = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
KEY = {"x-api-key": "lma_backend"}
TOKEN = "t0ken-of-the-backend"


def start_at(lamina: str, webhook: str | None = None) -> str:
    """Start an execution as a product's backend does, past our dashboard."""
    asked = {"webhook": webhook} if webhook else {}
    answer = httpx.post(f"{lamina}/api/apps/{SHOT}/executions", params=asked, json={"inputs": {}}, headers=KEY)
    return str(answer.raise_for_status().json()["data"]["executionId"])


def register(desk: Desk, name: str) -> None:
    """Tell a desk of an execution as the backend that started it does."""
    document, headers = {"executionId": name, "appId": SHOT}, {"Authorization": f"Bearer {TOKEN}"}
    httpx.post(f"{desk.url}/api/executions", json=document, headers=headers).raise_for_status()


def test_an_execution_of_a_backend_appears_by_itself_and_replay_asks_for_its_inputs(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    name = start_at(desk.sandbox_url, webhook=desk.url + "/webhooks/lamina")
    page.goto(f"{desk.url}/executions")
    page.get_by_role("button", name="1 new").click(timeout=40 * SECONDS)  # there after an adopting read
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_placeholder("id or reference").fill(name[:8])
    page.get_by_placeholder("id or reference").press("Enter")
    page.wait_for_url(re.compile(r"/execution\?id=1$"), timeout=30 * SECONDS)
    expect(page.get_by_text("Not known here: others started this execution.")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/start\?.*replay_of=1"), timeout=30 * SECONDS)
    expect(page.get_by_text("This replays #1, whose inputs are not known here")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=30 * SECONDS)
    expect(page.get_by_text("#2 · this one")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("link", name="#1", exact=True).click()
    page.wait_for_url(re.compile(r"/execution\?id=1$"), timeout=30 * SECONDS)  # an address that can be shared
    expect(page.get_by_text("#1 · this one")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("link", name="Compare", exact=True).click()
    page.wait_for_url(re.compile(r"/execution\?id=1&with=2$"), timeout=30 * SECONDS)
    page.get_by_role("link", name="Close the comparison").click()
    page.wait_for_url(re.compile(r"/execution\?id=1$"), timeout=30 * SECONDS)


def test_a_lost_start_is_settled_by_the_id_that_an_operator_pastes(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    for fault in ({"fault": "answer_lost"}, {"fault": "lost_webhook", "times": 10}):
        httpx.post(desk.sandbox_url + "/sandbox/faults", json=fault).raise_for_status()
    page.goto(f"{desk.url}/start?app={SHOT}")
    page.get_by_role("button", name=re.compile("^Start")).last.click(timeout=30 * SECONDS)
    expect(page.get_by_text("Did Lamina accept this start?")).to_be_visible(timeout=30 * SECONDS)
    name = httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"][0]["executionId"]
    page.get_by_label("It exists: Lamina's id of it").fill(name)
    page.get_by_label("It exists: Lamina's id of it").press("Enter")
    page.get_by_role("button", name="Link this id").click()
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile("completed$"))
    expect(badge.first).to_be_visible(timeout=30 * SECONDS)
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 1


def test_a_lost_start_whose_webhook_comes_is_settled_by_it_without_anybody(
    still_desk: Desk, still_lamina: Sandbox, lamina_clock: StillClock, page: Page
):
    httpx.post(still_lamina.base_url + "/sandbox/faults", json={"fault": "answer_lost"}).raise_for_status()
    page.goto(f"{still_desk.url}/start?app={SHOT}")
    page.get_by_role("button", name=re.compile("^Start")).last.click(timeout=30 * SECONDS)
    expect(page.get_by_text("Did Lamina accept this start?")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_text("Lamina's id none yet")).to_be_visible()
    lamina_clock.advance(60)
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile("completed$"))
    expect(badge.first).to_be_visible(timeout=30 * SECONDS)  # nothing was clicked: its webhook carries the token
    expect(page.get_by_text("Did Lamina accept this start?")).to_have_count(0)
    log = httpx.get(still_lamina.base_url + "/sandbox/log").json()
    (started,) = log["starts"]
    assert "?start=" in started["webhookUrl"]
    expect(page.get_by_text(started["executionId"]).first).to_be_visible()
    first_read = next(
        (entry["at"] for entry in log["requests"] if entry["path"].endswith(started["executionId"])), None
    )
    assert first_read is None or first_read >= log["attempts"][0]["sentAt"], "nobody could read what had no id here"


UNDER_POINTER = "([x, y]) => document.elementFromPoint(x, y)?.closest('button')?.innerText ?? ''"


def test_a_second_click_on_a_wrong_id_meets_no_other_button(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20", LAMINA_DESK_INGEST_TOKEN=TOKEN)
    for fault in ({"fault": "answer_lost"}, {"fault": "lost_webhook", "times": 10}):
        httpx.post(desk.sandbox_url + "/sandbox/faults", json=fault).raise_for_status()
    page.goto(f"{desk.url}/start?app={SHOT}")
    page.get_by_role("button", name=re.compile("^Start")).last.click(timeout=30 * SECONDS)
    expect(page.get_by_text("Did Lamina accept this start?")).to_be_visible(timeout=30 * SECONDS)
    for _ in range(3):  # others', which are suggested for they fit by app and time
        register(desk, start_at(desk.sandbox_url))
    expect(page.get_by_role("button", name="It is this one")).to_have_count(3, timeout=30 * SECONDS)
    page.get_by_label("It exists: Lamina's id of it").fill("no-such-id")
    page.get_by_label("It exists: Lamina's id of it").press("Enter")
    link = page.get_by_role("button", name="Link this id")
    expect(link).to_be_enabled(timeout=30 * SECONDS)
    box = link.bounding_box()
    assert box is not None
    place = [box["x"] + 20, box["y"] + box["height"] / 2]
    page.mouse.click(*place)
    expect(page.get_by_text("Lamina knows no execution no-such-id")).to_be_visible(timeout=30 * SECONDS)
    assert "It is this one" not in page.evaluate(UNDER_POINTER, place)


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


@pytest.mark.long
def test_of_two_processes_one_polls_and_the_other_goes_on_when_it_is_killed(
    make_desk: Callable[..., Desk], lamina: Sandbox, page: Page
):
    settings = {"LAMINA_BASE_URL": lamina.base_url, "LAMINA_DESK_INGEST_TOKEN": TOKEN}
    desks = {key: make_desk(start=False, LAMINA_API_KEY=f"lma_desk_{key}", **settings) for key in ("aaaa", "bbbb")}
    with ThreadPoolExecutor() as pool:  # at once, so that both find the database empty
        list(pool.map(Desk.start, desks.values()))
    names = []
    for desk in (*desks.values(), *desks.values()):
        names.append(start_at(lamina.base_url))
        register(desk, names[-1])

    def reads(name: str | None = None) -> list[tuple[float, str]]:
        """When executions were read, and the end of whose key."""
        log = httpx.get(f"{lamina.base_url}/sandbox/log").json()["requests"]
        wanted = [f"/executions/{each}" for each in ([name] if name else names)]
        return [(entry["at"] / 1000, entry["key"]) for entry in log if entry["path"].endswith(tuple(wanted))]

    wait_until(lambda: all(len(reads(name)) >= 2 for name in names), 60, "two reads of each")
    (holder,) = {key for _, key in reads()}
    first, other = desks[holder], next(desk for key, desk in desks.items() if key != holder)
    assert first.process is not None
    assert other.process is not None
    page.goto(other.url + "/system")
    expect(page.get_by_text(f":{first.process.pid}:")).to_be_visible(timeout=30 * SECONDS)
    first.stop(signal.SIGKILL)
    wait_until(lambda: {key for _, key in reads()} == set(desks), 60, "the other process to read")
    for name in names:  # the guide's shortest interval, whoever reads
        times = [at for at, _ in reads(name)]
        assert all(later - earlier >= 2.9 for earlier, later in pairwise(times)), times
    expect(page.get_by_text(f":{other.process.pid}:")).to_be_visible(timeout=30 * SECONDS)
    assert httpx.get(other.url + "/readyz").json() == {"ok": True, "missing": {}}
