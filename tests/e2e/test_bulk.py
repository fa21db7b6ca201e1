"""Many executions at once in a real browser: ticked, previewed, begun, stopped by itself, resumed, aborted, ended."""

import re
import sqlite3
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk, wait_until

SECONDS = 1_000.0
HEADERS = {"x-api-key": "lma_test"}
ROW = 34  # pixels
TOKEN = "token-1"


def make_executions(desk: Desk, app: str, number: int, **inputs: str) -> None:
    """Start an app as a backend does that registers its executions here, and wait for the ends."""
    listed = httpx.get(desk.sandbox_url + "/api/apps", headers=HEADERS).json()["data"]
    (app_id,) = [each["appId"] for each in listed if each["name"] == app]
    names = []
    for _ in range(number):
        start = f"{desk.sandbox_url}/api/apps/{app_id}/executions"
        name = httpx.post(start, headers=HEADERS, json={"inputs": inputs}).json()["data"]["executionId"]
        body = {"executionId": name, "appId": app_id, "inputs": inputs}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        httpx.post(desk.url + "/api/executions", headers=headers, json=body).raise_for_status()
        names.append(name)
    for name in names:
        read = f"{desk.sandbox_url}/api/executions/{name}"
        wait_until(lambda read=read: "completedAt" in httpx.get(read, headers=HEADERS).text, what="an end")


def open_rows(page: Page, desk: Desk, status: str, number: int) -> Locator:
    """The table of executions, once it shows as many with this status."""
    page.goto(f"{desk.url}/executions")
    pill = page.get_by_role("button", name=re.compile(rf"{status} {number}$"))
    expect(pill).to_be_visible(timeout=40 * SECONDS)
    pill.click()
    page.wait_for_url(re.compile(f"status={status}"), timeout=30 * SECONDS)
    expect(page.get_by_text(re.compile(f"^{number} rows"))).to_be_visible(timeout=30 * SECONDS)
    return page.get_by_test_id("stDataFrame").first


def tick(page: Page, table: Locator, *rows: int) -> None:
    box = table.bounding_box()
    assert box is not None
    for done, row in enumerate(rows, start=1):
        page.mouse.click(box["x"] + 18, box["y"] + (row + 1.5) * ROW)
        expect(page.get_by_text(re.compile(rf"^{done} chosen as of"))).to_be_visible(timeout=30 * SECONDS)


def preview(page: Page, reason: str) -> None:
    page.get_by_label("Why?").fill(reason)
    page.get_by_role("button", name="Preview").click()


def begin(page: Page, number: int) -> None:
    """Click twice: the second click must begin nothing."""
    button = page.get_by_role("button", name=f"Replay {number}", exact=True)
    expect(button).to_be_enabled(timeout=30 * SECONDS)
    button.dblclick()
    page.wait_for_url(re.compile(r"/bulk\?id=1$"), timeout=30 * SECONDS)


def expect_badges(page: Page, *words: str) -> None:
    for word in words:
        badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile(rf"{word}$"))
        expect(badge.first).to_be_visible(timeout=40 * SECONDS)


def started(desk: Desk) -> list[dict]:
    return httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]


def make_fast(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk(LAMINA_SANDBOX_SPEED="50", LAMINA_DESK_INGEST_TOKEN=TOKEN)


@pytest.mark.long
def test_failures_replayed_together_stop_at_the_first_that_fails_again_and_can_be_gone_on_with(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_fast(make_desk)
    make_executions(desk, "Golden Hour Relight", 5, Strength="Balanced")
    before = len(started(desk))
    table = open_rows(page, desk, "failed", 5)
    place = table.bounding_box()
    tick(page, table, 0, 1, 2, 3, 4)
    assert table.bounding_box() == place, "the bar moved the rows"
    page.get_by_role("button", name="Replay…").click()
    page.get_by_text("Set", exact=True).click()
    page.get_by_label("Value").fill("Subtle")
    preview(page, "the provider is mended")
    page.get_by_label("How many a minute?").fill("60")
    begin(page, 5)
    expect(page.get_by_text("It stopped by itself.")).to_be_visible(timeout=40 * SECONDS)
    expect(page.get_by_text(re.compile(r"The replay of #\d+ failed for the same cause as before"))).to_be_visible()
    expect_badges(page, "stopped", "4 waiting", "1 failed")
    assert [each["inputs"]["Strength"] for each in started(desk)[before:]] == ["Subtle"]
    page.get_by_role("button", name="Resume").click()
    expect_badges(page, "stopped", "3 waiting", "2 failed")
    page.get_by_role("button", name="Abort").click()
    expect_badges(page, "aborted", "3 not sent")
    expect(page.get_by_role("button", name="Resume")).to_be_disabled()
    page.wait_for_timeout(2_000)  # for a start too many to be sent
    assert len(started(desk)) == before + 2
    page.get_by_role("link", name="All bulk operations").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=30 * SECONDS)
    assert "Traceback" not in desk.read_log()


def test_a_whole_filter_is_replayed_to_its_end_while_the_screen_watches(make_desk: Callable[..., Desk], page: Page):
    desk = make_fast(make_desk)
    make_executions(desk, "Studio Product Shot", 3)
    before = len(started(desk))
    open_rows(page, desk, "completed", 3)
    page.get_by_role("button", name="All that match").click()
    expect(page.get_by_text(re.compile("^3 chosen, all that match: completed, as of"))).to_be_visible(
        timeout=30 * SECONDS
    )
    page.get_by_role("button", name="Replay…").click()
    preview(page, "a new backdrop")
    page.get_by_label("How many a minute?").fill("60")
    begin(page, 3)
    expect_badges(page, "done", "3 completed", "0 waiting")
    expect(page.get_by_text("3 of 3 have ended")).to_be_visible()
    assert len(started(desk)) == before + 3
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 320, box["y"] + 1.5 * ROW)  # the replay of the first
    page.wait_for_url(re.compile(r"/execution\?id=4$"), timeout=30 * SECONDS)


@pytest.mark.long
def test_ticks_stay_on_their_rows_while_the_list_refreshes_and_grows(make_desk: Callable[..., Desk], page: Page):
    desk = make_fast(make_desk)
    make_executions(desk, "Golden Hour Relight", 3, Strength="Balanced")
    table = open_rows(page, desk, "failed", 3)
    tick(page, table, 2)
    make_executions(desk, "Golden Hour Relight", 2, Strength="Balanced")
    expect(page.get_by_role("button", name="2 new")).to_be_disabled(timeout=30 * SECONDS)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("1 acknowledged")).to_be_visible(timeout=30 * SECONDS)
    with sqlite3.connect(desk.folder / "demo.db") as store:
        assert store.execute("SELECT execution FROM failure WHERE triage = 'acknowledged'").fetchall() == [(1,)]
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text(re.compile("chosen as of"))).to_have_count(0, timeout=30 * SECONDS)
    expect(page.get_by_text(re.compile("^3 rows"))).to_be_visible()
    page.get_by_role("button", name="2 new").click(timeout=30 * SECONDS)
    expect(page.get_by_text(re.compile("^5 rows"))).to_be_visible(timeout=30 * SECONDS)
