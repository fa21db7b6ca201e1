"""The Deliveries screen in a real browser: refused webhooks, their attempts together, and what never came."""

import re
import sqlite3
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk, wait_until
from tests.e2e.test_operator import arm, expect_status, open_app, press_start

SECONDS = 1_000.0
ROW_HEIGHT = 34  # pixels
ATTEMPT, APP = 842, 610  # pixels from the table's left edge to the middle of these columns


def click_cell(page: Page, x: float, row: int) -> None:
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=10 * SECONDS)
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + ROW_HEIGHT * (row + 1.5))


def verdict(page: Page, words: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=words)


def test_a_refused_webhook_is_found_with_all_attempts_of_its_execution(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    page.goto(f"{desk.url}/deliveries")
    expect(page.get_by_text("No webhook has come yet. They arrive at")).to_be_visible(timeout=10 * SECONDS)
    for fault in ("wrong_signature", "stale_timestamp"):
        arm(desk, fault)
    open_app(page, desk, "Studio Product Shot")
    row_id = press_start(page)
    wait_until(lambda: count_deliveries(desk) == 3, what="two attempts that are refused, and one that is accepted")
    httpx.post(f"{desk.url}/webhooks/lamina", content=b"{}")
    page.goto(desk.url)
    page.get_by_role("link", name="3 webhooks not accepted in the last 24 h").click(timeout=10 * SECONDS)
    page.wait_for_url(re.compile(r"/deliveries\?verdict=rejected%2Cunchecked&range=24h$"), timeout=10 * SECONDS)
    expect(verdict(page, "rejected 3")).to_be_visible(timeout=10 * SECONDS)
    click_cell(page, ATTEMPT, 1)
    page.wait_for_url(re.compile(r"/deliveries\?execution=[0-9a-f-]{36}$"), timeout=10 * SECONDS)
    expect(verdict(page, "accepted 1")).to_be_visible(timeout=10 * SECONDS)
    expect(verdict(page, "rejected 2")).to_be_visible()
    expect(page.get_by_text("3 rows.")).to_be_visible()
    click_cell(page, APP, 0)
    page.wait_for_url(re.compile(rf"/execution\?id={row_id}$"), timeout=10 * SECONDS)
    expect_status(page, "completed")


@pytest.mark.long
def test_newer_ones_wait_and_a_lost_webhook_is_told(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    httpx.post(f"{desk.url}/webhooks/lamina", content=b"{}")
    page.goto(f"{desk.url}/deliveries")
    expect(verdict(page, "rejected 1")).to_be_visible(timeout=10 * SECONDS)
    height = page.get_by_test_id("stDataFrame").bounding_box()
    httpx.post(f"{desk.url}/webhooks/lamina", content=b"{}")
    expect(page.get_by_role("button", name="1 new")).to_be_visible(timeout=15 * SECONDS)
    assert page.get_by_test_id("stDataFrame").bounding_box() == height
    page.get_by_role("button", name="1 new").click()
    expect(page.get_by_text("2 rows.")).to_be_visible(timeout=10 * SECONDS)
    arm(desk, "lost_webhook")
    other = page.context.new_page()
    open_app(other, desk, "Studio Product Shot")
    row_id = press_start(other)
    expect_status(other, "completed")
    other.close()
    make_older(desk, row_id)
    page.get_by_test_id("stMain").get_by_text("Expected, none came").click()
    page.wait_for_url(re.compile(r"/deliveries\?view=missing$"), timeout=10 * SECONDS)
    expect(page.get_by_text("1 never by webhook")).to_be_visible(timeout=10 * SECONDS)
    click_cell(page, APP, 0)
    page.wait_for_url(re.compile(rf"/execution\?id={row_id}$"), timeout=10 * SECONDS)


def open_store(desk: Desk) -> sqlite3.Connection:
    return sqlite3.connect(desk.folder / "demo.db", timeout=5)


def count_deliveries(desk: Desk) -> int:
    store = open_store(desk)
    try:
        return int(store.execute("SELECT count(*) FROM delivery").fetchone()[0])
    finally:
        store.close()


def make_older(desk: Desk, row_id: int) -> None:
    """Let an end be ten minutes ago, after which no webhook comes any more."""
    earlier = "strftime('%Y-%m-%d %H:%M:%S.000000', {}, '-10 minutes')"
    store = open_store(desk)
    try:
        columns = [f"{name} = {earlier.format(name)}" for name in ("completed_at", "updated_at")]
        store.execute(f"UPDATE execution SET {', '.join(columns)} WHERE id = ?", [row_id])
        store.commit()
    finally:
        store.close()
