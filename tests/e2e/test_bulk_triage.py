"""Ticked executions in a real browser: those that are running cancelled, those that have failed dealt with."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk
from tests.e2e.test_bulk import HEADERS, TOKEN, expect_badges, make_executions, make_fast, open_rows, preview, tick
from tests.e2e.test_operator import expect_status

SECONDS = 1_000.0


def start_many(desk: Desk, app: str, number: int) -> list[str]:
    """Start an app as a backend does that registers its executions here, and leave them running."""
    listed = httpx.get(desk.sandbox_url + "/v1/apps", headers=HEADERS).json()["data"]
    (app_id,) = [each["appId"] for each in listed if each["name"] == app]
    names = []
    for _ in range(number):
        answer = httpx.post(f"{desk.sandbox_url}/v1/apps/{app_id}/runs", headers=HEADERS, json={"inputs": {}})
        names.append(answer.raise_for_status().json()["data"]["runId"])
        body = {"executionId": names[-1], "appId": app_id, "inputs": {}}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        httpx.post(desk.url + "/api/executions", headers=headers, json=body).raise_for_status()
    return names


def status_at_lamina(desk: Desk, name: str) -> str:
    answer = httpx.get(f"{desk.sandbox_url}/v1/runs/{name}", headers=HEADERS)
    return str(answer.json()["data"]["status"])


def bar(page: Page) -> Locator:
    return page.get_by_test_id("stBottom")


def fill_in(page: Page, form: str, label: str, text: str, button: str) -> None:
    """Open a form of the bar, fill its field and send it."""
    bar(page).get_by_role("button", name=form, exact=True).click()
    page.get_by_label(label).fill(text)
    page.get_by_role("button", name=button).click()


def expect_told(page: Page, text: str) -> None:
    expect(bar(page).get_by_text(re.compile(rf"\d {text}$"))).to_be_visible(timeout=20 * SECONDS)


def give_name(page: Page, desk: Desk, name: str) -> None:
    page.goto(desk.url)
    page.get_by_role("button", name="unnamed operator").click(timeout=20 * SECONDS)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name=name)).to_be_visible(timeout=20 * SECONDS)


def expect_open(page: Page, desk: Desk, number: int) -> None:
    page.goto(desk.url)
    metric = page.get_by_test_id("stMetric").filter(has_text="Open failures")
    expect(metric.get_by_test_id("stMetricValue")).to_have_text(str(number), timeout=20 * SECONDS)


def open_timeline(page: Page, desk: Desk, row: int, state: str) -> None:
    """Open an execution that support has put into this state."""
    page.goto(f"{desk.url}/execution?id={row}")
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile(rf"{state}$"))
    expect(badge).to_be_visible(timeout=20 * SECONDS)
    page.get_by_role("tab", name="Timeline").click()


@pytest.mark.long
def test_running_ones_that_are_ticked_are_cancelled_together_and_no_other_one(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_API_GENERATION="runs", LAMINA_SANDBOX_SPEED="1", LAMINA_DESK_INGEST_TOKEN=TOKEN)
    names = start_many(desk, "Campaign Film", 3)
    table = open_rows(page, desk, "running", 3)
    tick(page, table, 0, 2)  # the newest and the oldest
    bar(page).get_by_role("button", name="Cancel…").click()
    page.wait_for_url(re.compile(r"/bulk\?new=1$"), timeout=20 * SECONDS)
    expect(page.get_by_text("How many go first?")).to_have_count(0)
    preview(page, "the wrong storyboard")
    page.get_by_label("How many a minute?").fill("60")
    begin = page.get_by_role("button", name="Cancel 2", exact=True)
    expect(begin).to_be_enabled(timeout=20 * SECONDS)
    assert [status_at_lamina(desk, name) for name in names] == ["running"] * 3
    begin.click()
    page.wait_for_url(re.compile(r"/bulk\?id=1$"), timeout=20 * SECONDS)
    expect_badges(page, "done", "2 asked to cancel")
    assert [status_at_lamina(desk, name) for name in names] == ["cancelled", "running", "cancelled"]
    page.goto(f"{desk.url}/execution?id=1")
    expect_status(page, "cancelled")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    open_rows(page, desk, "cancelled", 2)
    assert "Traceback" not in desk.read_log()


@pytest.mark.long
def test_failed_ones_that_are_ticked_are_assigned_noted_acknowledged_and_resolved_and_no_other_one(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_fast(make_desk)
    make_executions(desk, "Golden Hour Relight", 3)
    give_name(page, desk, "Ada")
    table = open_rows(page, desk, "failed", 3)
    other = page.context.new_page()
    expect_open(other, desk, 3)
    tick(page, table, 0, 2)  # the newest and the oldest
    expect(bar(page).get_by_role("button", name="Cancel…")).to_be_disabled()  # this generation has none
    fill_in(page, "Assign", "Who looks after them?", "Otto", "Save")
    expect_told(page, "2 assigned to Otto")
    fill_in(page, "Note", "A note, kept in each timeline", "asked the *provider*", "Add the note")
    expect_told(page, "2 given the note")
    bar(page).get_by_role("button", name="Acknowledge").click()
    expect_told(page, "2 acknowledged")
    open_timeline(other, desk, 3, "acknowledged by Ada")
    expect(other.get_by_text(re.compile("Otto$"))).to_be_visible()  # who looks after it
    for line in ("assigned to Otto · Ada", "note: asked the *provider* · Ada", "acknowledged · Ada"):
        expect(other.get_by_text(re.compile(rf"{re.escape(line)}$"))).to_be_visible()
    bar(page).get_by_role("button", name="Resolve").click()
    expect_told(page, "2 resolved")
    bar(page).get_by_role("button", name="Acknowledge").click()
    expect_told(page, "0 acknowledged; 2 left out: not failed, or so already")
    expect_open(other, desk, 1)
    open_timeline(other, desk, 1, "resolved by Ada")
    expect(other.get_by_text(re.compile("resolved · Ada$"))).to_be_visible()
    open_timeline(other, desk, 2, "open")
    expect(other.get_by_text(re.compile("→ failed · "))).to_be_visible()
    expect(other.get_by_test_id("stMain").get_by_text("Ada")).to_have_count(0)
    assert "Traceback" not in desk.read_log()
