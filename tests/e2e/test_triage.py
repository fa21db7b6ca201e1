"""A triage session in a real browser: from the Overview to a resolved group, and the same failure coming back."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk
from tests.e2e.test_bulk import begin, expect_badges, make_executions, make_fast, open_rows, preview, started
from tests.e2e.test_operator import expect_status, open_app, press_start

SECONDS = 1_000.0
APP = "Studio Product Shot"  # it fails where a file is called broken


def fail_once(page: Page, desk: Desk) -> None:
    open_app(page, desk, "Golden Hour Relight")  # it always fails
    press_start(page)
    expect_status(page, "failed")


def badge(page: Page, words: str) -> Locator:
    return page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=words).first


def open_first_group(page: Page) -> None:
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=30 * SECONDS)
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 100, box["y"] + 34 * 1.5)
    page.wait_for_url(re.compile(r"/failures\?.*group=f1-"), timeout=30 * SECONDS)


def test_a_cause_is_found_acknowledged_and_resolved_and_says_so_when_it_comes_back(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    fail_once(page, desk)
    page.goto(desk.url)
    page.get_by_role("link", name="All 1 by their causes").click(timeout=30 * SECONDS)
    page.wait_for_url(re.compile("/failures$"), timeout=30 * SECONDS)
    open_first_group(page)
    expect(page.get_by_text("The same request can simply be tried again.")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Acknowledge").click()
    expect(badge(page, "acknowledged by unnamed operator")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Resolve 1").click()
    expect(badge(page, "resolved by unnamed operator")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("link", name="All failures").click()
    expect(page.get_by_text("No failure is open.")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_role("radio", name="Resolved 1")).to_be_visible()
    fail_once(page, desk)
    page.goto(f"{desk.url}/failures")
    open_first_group(page)
    expect(badge(page, "came back")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_text("1 open of 2")).to_be_visible()


@pytest.mark.long
def test_a_half_written_note_survives_refreshes_and_lands_in_the_timeline(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    fail_once(page, desk)
    page.get_by_role("button", name="Note", exact=True).click()
    field = page.get_by_label("A note, kept in the timeline")
    freshness = page.get_by_test_id("stSidebar").get_by_text("as of")
    field.press_sequentially("asked the ")
    before = freshness.inner_text()
    expect(freshness).not_to_have_text(before, timeout=30 * SECONDS)
    field.press_sequentially("customer")
    expect(field).to_have_value("asked the customer")
    page.get_by_role("button", name="Add the note").click()
    expect(field).to_be_hidden(timeout=30 * SECONDS)  # the form shuts once it is kept
    page.get_by_role("tab", name="Timeline").click()
    expect(page.get_by_text("note: asked the customer")).to_be_visible(timeout=30 * SECONDS)


@pytest.mark.long
def test_a_new_cause_waits_behind_a_button_while_the_list_is_looked_at(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    fail_once(page, desk)
    page.goto(f"{desk.url}/failures")
    expect(page.get_by_role("radio", name="Open 1")).to_be_visible(timeout=30 * SECONDS)
    other = page.context.new_page()
    open_app(other, desk, "Seasonal Trio")  # it fails in part
    press_start(other)
    expect_status(other, "completed")
    other.close()
    new = page.get_by_role("button", name="1 new group")
    expect(new).to_be_visible(timeout=30 * SECONDS)
    height = page.get_by_test_id("stDataFrame").bounding_box()
    new.click()
    expect(new).to_be_hidden(timeout=30 * SECONDS)
    grown = page.get_by_test_id("stDataFrame").bounding_box()
    assert height is not None
    assert grown is not None
    assert grown["height"] > height["height"]


@pytest.mark.long
def test_one_failure_is_handed_on_with_its_evidence_replayed_otherwise_and_compared(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    fail_once(page, desk)
    page.get_by_role("button", name="Assign", exact=True).click()
    page.get_by_label("Who looks after it?").fill("Otto")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Otto").first).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Ticket", exact=True).click()
    page.get_by_label("Where else is it dealt with?").fill("https://tickets.example.com/7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Ticket").first).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Evidence").click()
    with page.expect_download(timeout=30 * SECONDS) as download:
        page.get_by_role("button", name="bundle.json").click()
    assert json.loads(download.value.path().read_text())["execution"]["app_name"] == "Golden Hour Relight"
    with page.expect_download(timeout=30 * SECONDS) as download:
        page.get_by_role("button", name="note.md").click()
    note = download.value.path().read_text()
    assert "Golden Hour Relight" in note
    assert f"{desk.url}/execution?id=1" in note
    page.keyboard.press("Escape")
    page.get_by_test_id("stMain").get_by_role("button", name="Replay").click()
    expect(page.get_by_text("Unchanged from #1")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("radio", name="Dramatic").click()
    expect(page.get_by_text("Different from #1")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=30 * SECONDS)
    expect_status(page, "failed")
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_text("Compared with #1")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_text("Strength").first).to_be_visible()


@pytest.mark.long
def test_a_whole_group_is_ignored_opened_again_and_mended_by_one_edit(make_desk: Callable[..., Desk], page: Page):
    desk = make_fast(make_desk)
    make_executions(desk, APP, 2, **{"Product Photo": "https://example.com/whole.png"})
    make_executions(desk, APP, 4, **{"Product Photo": "https://example.com/broken.png"})
    open_rows(page, desk, "failed", 4)
    page.goto(f"{desk.url}/failures")
    open_first_group(page)
    shared = 'Product Photo exactly "https://example.com/broken.png": 4 of 4 failures, 0 of 2 successes'
    expect(page.get_by_text(shared)).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Ignore").click()
    page.get_by_role("button", name="Until 10 more have failed").click()
    expect(badge(page, "ignored by unnamed operator until 10 more")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("link", name="All failures").click()
    expect(page.get_by_text("No failure is open.")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("radio", name="Ignored 1").click()
    page.wait_for_url(re.compile("view=ignored"), timeout=30 * SECONDS)
    open_first_group(page)
    page.get_by_role("button", name="Reopen").click()
    expect(badge(page, "open")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name="Replay all").click()
    expect(page.get_by_text("4 executions as of")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_text("Replace text in", exact=True).click()
    page.get_by_label("Text", exact=True).fill("broken")
    page.get_by_label("By", exact=True).fill("whole")
    page.get_by_label("How many a minute?").fill("20")
    preview(page, "the file was renamed")
    begin(page, 4)
    page.get_by_role("button", name="Pause").click()
    expect_badges(page, "paused")
    page.get_by_role("button", name="Resume").click()
    expect_badges(page, "done", "4 completed")
    sent = [each["inputs"]["Product Photo"] for each in started(desk)[-4:]]
    assert sent == ["https://example.com/whole.png"] * 4
    page.goto(f"{desk.url}/failures?view=resolved")
    expect(page.get_by_role("radio", name="Open 0")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_role("radio", name="Resolved 1")).to_be_visible()  # each replay closed its original
    assert "Traceback" not in desk.read_log()
