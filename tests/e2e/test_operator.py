"""What an operator does, in a real browser, against the real process and the real sandbox."""

import re
import signal
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.e2e.conftest import Desk, StillClock, wait_until

SECONDS = 1_000.0


def open_app(page: Page, desk: Desk, name: str) -> None:
    page.goto(desk.url + "/start")
    page.get_by_placeholder("Which app?").fill(name)
    expect(page.get_by_role("button", name="Fill the form")).to_have_count(1, timeout=30 * SECONDS)
    page.get_by_role("button", name="Fill the form").click()
    expect(page.get_by_text("Copy as curl")).to_be_visible(timeout=30 * SECONDS)


def press_start(page: Page) -> int:
    page.get_by_role("button", name=re.compile("^Start")).last.click()
    page.wait_for_url(re.compile(r"/execution\?id=\d+"), timeout=30 * SECONDS)
    return int(page.url.rpartition("=")[2])


def click_twice(page: Page, button: Locator, gap: int) -> None:
    """Click and click again on the same spot, whatever stands there by then."""
    page.wait_for_function("[...document.images].every(image => image.complete)")  # previews move what is below
    button.hover()
    box = button.bounding_box()
    assert box is not None
    x, y = box["x"] + 20, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    page.wait_for_timeout(gap)
    page.mouse.click(x, y)


class Line:
    """The browser's line to the desk; what the desk says can be kept back, as a busy machine does."""

    def __init__(self, page: Page):
        self.page, self.is_slow = page, False
        self.kept: list[bytes] = []
        self.said: list[str] = []  # kinds of what was kept back
        self.asked: list[str] = []  # the fragments that the browser wants to be run
        page.route_web_socket(re.compile("/_stcore/stream"), self.join)

    def join(self, browser: WebSocketRoute) -> None:
        desk = browser.connect_to_server()

        def ask(message: str | bytes) -> None:
            if isinstance(message, bytes):
                self.asked.append(BackMsg.FromString(message).rerun_script.fragment_id)
            desk.send(message)

        def say(message: str | bytes) -> None:
            if self.is_slow and isinstance(message, bytes):
                self.said.append(str(ForwardMsg.FromString(message).WhichOneof("type")))
                self.kept.append(message)
            else:
                browser.send(message)

        def release() -> None:
            while self.kept:
                browser.send(self.kept.pop(0))
                self.page.wait_for_timeout(10)  # so that the browser draws each by itself
            self.is_slow = False

        browser.on_message(ask)
        desk.on_message(say)
        self.release = release

    def wait_for(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < ends, (self.said, self.asked)
            self.page.wait_for_timeout(20)  # here the messages pass


def expect_refresh(page: Page) -> None:
    freshness = page.get_by_test_id("stSidebar").get_by_text("as of")
    expect(freshness).not_to_have_text(freshness.inner_text(), timeout=10 * SECONDS)


def expect_status(page: Page, word: str) -> None:
    badge = page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile(rf"{word}$"))
    expect(badge.first).to_be_visible(timeout=40 * SECONDS)


def arm(desk: Desk, fault: str, times: int = 1) -> None:
    httpx.post(desk.sandbox_url + "/sandbox/faults", json={"fault": fault, "times": times}).raise_for_status()


def test_start_watch_it_end_and_see_the_picture(still_desk: Desk, lamina_clock: StillClock, page: Page):
    open_app(page, still_desk, "Studio Product Shot")
    press_start(page)
    for word, seconds in (("queued", 4), ("running", 30), ("completed", 0)):  # without a reload
        expect_status(page, word)
        lamina_clock.advance(seconds)
    picture = page.locator("[data-testid=stImage] img").first
    expect(picture).to_be_visible(timeout=30 * SECONDS)
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 100, what="the picture to be drawn")


def test_a_failure_shows_the_friendly_line_and_the_raw_error(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    open_app(page, desk, "Golden Hour Relight")
    press_start(page)
    expect_status(page, "failed")
    expect(page.get_by_text("It did not work out.")).to_be_visible()
    expect(page.get_by_test_id("stAlert").first).not_to_be_empty()


def test_an_end_whose_webhooks_are_lost_is_found_by_polling(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    arm(desk, "lost_webhook", times=10)
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    page.get_by_role("tab", name="Deliveries").click()
    expect(page.get_by_text("No webhook has come.")).to_be_visible()


@pytest.mark.long
def test_with_polling_paused_the_webhook_ends_it(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    page.goto(desk.url + "/system")
    page.get_by_role("button", name="Pause polling").click()
    expect(page.get_by_role("button", name="Resume polling")).to_be_visible(timeout=30 * SECONDS)
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    expect(page.get_by_text("Polls 0", exact=False)).to_be_visible()


@pytest.mark.parametrize("first", ["/executions", "/execution?id=999"])
def test_every_screen_opens_by_its_address_the_first_of_a_fresh_server_too(
    make_desk: Callable[..., Desk], page: Page, first: str
):
    desk = make_desk()
    for address in (first, "/", "/start", "/deliveries", "/webhook-debugger", "/system", "/execution"):
        page.goto(desk.url + address)
        badge = page.get_by_test_id("stSidebar").locator(".stMarkdownBadge", has_text="sandbox")
        expect(badge.first).to_be_visible(timeout=30 * SECONDS)
        expect(page.get_by_text("Page not found")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_refused_input_comes_back_to_its_field(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    open_app(page, desk, "Cartoon Portrait")  # its style has no default
    page.get_by_role("button", name=re.compile("^Start")).last.click()
    expect(page.get_by_text("It has no default: give a value.").first).to_be_visible(timeout=30 * SECONDS)
    assert "/start" in page.url


@pytest.mark.parametrize(  # milliseconds between the two clicks
    "gap", [pytest.param(0, marks=pytest.mark.long), 100, pytest.param(300, marks=pytest.mark.long)]
)
def test_a_double_click_starts_and_replays_one_execution(make_desk: Callable[..., Desk], page: Page, gap: int):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    click_twice(page, page.get_by_role("button", name=re.compile("^Start")).last, gap)
    page.wait_for_url(re.compile(r"/execution\?id=1$"), timeout=10 * SECONDS)
    expect_status(page, "completed")
    click_twice(page, page.get_by_role("button", name="Replay"), gap)
    page.wait_for_url(re.compile(r"/start\?.*replay_of=1$"), timeout=10 * SECONDS)
    expect(page.get_by_text("Unchanged from #1")).to_be_visible(timeout=10 * SECONDS)
    page.wait_for_timeout(1_000)  # for the second click to do harm
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 1
    assert page.url.endswith("replay_of=1")
    click_twice(page, page.get_by_role("button", name="Replay"), gap)
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=10 * SECONDS)
    expect(page.get_by_text("#2 · this one")).to_be_visible(timeout=10 * SECONDS)
    expect_status(page, "completed")
    page.wait_for_timeout(1_000)  # for a start too many to be sent
    asked = httpx.get(desk.sandbox_url + "/sandbox/log").json()
    assert len(asked["starts"]) == 2
    assert page.url.endswith("/execution?id=2")


@pytest.mark.parametrize("late", ["a second click", pytest.param("a refresh", marks=pytest.mark.long)])
def test_what_is_asked_of_the_last_screen_too_late_leaves_the_next_one_whole(
    make_desk: Callable[..., Desk], page: Page, late: str
):
    line = Line(page)
    desk = make_desk(LAMINA_SANDBOX_SPEED="20", LAMINA_API_GENERATION="runs")
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    document = {"fault": "slow", "path": "/estimate", "seconds": 5}  # the form is being drawn as long as that
    httpx.post(desk.sandbox_url + "/sandbox/faults", json=document).raise_for_status()
    line.is_slow = True
    page.get_by_role("button", name="Replay").click()
    line.wait_for(lambda: "navigation" in line.said)  # the form's run has begun, and the browser does not know
    line.asked.clear()
    if late == "a second click":
        page.get_by_role("button", name="Replay").click()
    line.wait_for(lambda: any(line.asked))
    line.wait_for(lambda: line.said.count("script_finished") > 1)  # the execution's run, and the form's
    line.release()
    expect(page.get_by_text("Unchanged from #1")).to_be_visible(timeout=10 * SECONDS)
    expect_refresh(page)
    expect(page.get_by_text("Unchanged from #1")).to_be_visible()


@pytest.mark.long
def test_a_second_click_on_replay_leads_to_the_execution_however_late_it_comes(
    make_desk: Callable[..., Desk], page: Page
):
    line = Line(page)
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("Unchanged from #1")).to_be_visible(timeout=10 * SECONDS)
    line.is_slow = True
    page.get_by_role("button", name="Replay").click()
    line.wait_for(lambda: line.said.count("navigation") > 1)  # the form's run, and the execution's
    page.wait_for_timeout(2_500)  # longer than what comes from the form is taken for late
    page.get_by_role("button", name="Replay").click()
    line.wait_for(lambda: line.said.count("navigation") > 3)
    line.release()
    expect(page.get_by_text("#2 · this one")).to_be_visible(timeout=10 * SECONDS)
    assert page.url.endswith("/execution?id=2")
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 2


@pytest.mark.long
def test_a_second_click_while_the_replay_is_being_sent_leads_to_it(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("Unchanged from #1")).to_be_visible(timeout=10 * SECONDS)
    document = {"fault": "slow", "method": "POST", "path": "/executions", "seconds": 3}
    httpx.post(desk.sandbox_url + "/sandbox/faults", json=document).raise_for_status()
    click_twice(page, page.get_by_role("button", name="Replay"), 1_000)
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=10 * SECONDS)
    page.wait_for_timeout(3_000)  # for the start to be answered, and one too many to be sent
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 2


@pytest.mark.long
def test_a_start_whose_screen_was_left_does_not_stop_the_refreshes_of_the_next_one(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    document = {"fault": "slow", "method": "POST", "path": "/executions", "seconds": 2}
    httpx.post(desk.sandbox_url + "/sandbox/faults", json=document).raise_for_status()
    page.get_by_role("button", name=re.compile("^Start")).last.click()
    page.wait_for_timeout(500)
    page.get_by_test_id("stSidebar").get_by_role("link", name="System").click()
    expect(page.get_by_role("button", name="Pause polling")).to_be_visible(timeout=10 * SECONDS)
    page.wait_for_timeout(2_500)  # for the start to be answered
    expect_refresh(page)
    assert page.url.endswith("/system")


@pytest.mark.long
def test_a_field_that_is_left_by_the_click_on_replay_is_sent_as_edited(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect_status(page, "completed")
    page.get_by_role("button", name="Replay").click()
    notes = page.locator("textarea[aria-label^='Scene Notes']")
    notes.fill("a red  curtain ")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=30 * SECONDS)
    started = httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]
    assert [each["inputs"]["Scene Notes"] for each in started][1:] == ["a red  curtain "]


@pytest.mark.long
def test_a_page_that_is_reloaded_while_a_start_is_under_way_starts_one_execution(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    open_app(page, desk, "Studio Product Shot")
    document = {"fault": "slow", "method": "POST", "path": "/executions", "seconds": 5}
    faults = desk.sandbox_url + "/sandbox/faults"
    httpx.post(faults, json=document).raise_for_status()
    page.get_by_role("button", name=re.compile("^Start")).last.click()
    wait_until(lambda: httpx.get(faults).json()["armed"] == [], what="the start to be under way")
    for _ in range(2):
        page.reload()
        page.wait_for_timeout(500)
    page.goto(f"{desk.url}/execution?id=1")
    expect_status(page, "completed")
    assert len(httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]) == 1
    page.goto(f"{desk.url}/execution?id=2")
    expect(page.get_by_text("There is no execution 2")).to_be_visible(timeout=30 * SECONDS)


def test_the_operator_s_name_is_given_once_and_stands_beside_what_they_do(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    page.goto(desk.url)
    page.get_by_role("button", name="unnamed operator").click()
    page.get_by_label("Your name").fill("Ada <b>Lovelace</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ada <b>Lovelace</b>")).to_be_visible(timeout=30 * SECONDS)
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    expect(page.get_by_text("by Ada <b>Lovelace</b>")).to_be_visible(timeout=30 * SECONDS)


def test_filters_stand_in_the_url_and_lead_back(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    open_app(page, desk, "Studio Product Shot")
    press_start(page)
    page.goto(desk.url + "/executions?status=failed")
    expect(page.get_by_text("No execution matches these filters.")).to_be_visible(timeout=30 * SECONDS)
    page.get_by_role("button", name=re.compile(r"queued")).click()
    page.wait_for_url(re.compile("queued"), timeout=30 * SECONDS)
    page.go_back()
    page.wait_for_url(re.compile(r"status=failed$"), timeout=30 * SECONDS)
    expect(page.get_by_text("No execution matches these filters.")).to_be_visible(timeout=30 * SECONDS)


def test_a_click_on_a_row_opens_that_execution(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    open_app(page, desk, "Studio Product Shot")
    first = press_start(page)
    open_app(page, desk, "Golden Hour Relight")
    press_start(page)
    page.goto(desk.url + "/executions")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=30 * SECONDS)
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 300, box["y"] + 34 * 2.5)  # the second row: the older execution
    page.wait_for_url(re.compile(rf"/execution\?id={first}$"), timeout=30 * SECONDS)


def test_killed_in_the_middle_and_started_again_it_ends(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(LAMINA_SANDBOX_SPEED="1")
    open_app(page, desk, "Studio Product Shot")
    row = press_start(page)
    desk.stop(signal.SIGKILL)  # it takes some ten seconds to its end
    desk.start()
    page.goto(f"{desk.url}/execution?id={row}")
    expect_status(page, "completed")


def test_generation_runs_brings_the_choice_of_outputs_the_estimate_and_cancel(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="1", LAMINA_API_GENERATION="runs")
    open_app(page, desk, "Full Catalogue Set")
    expect(page.get_by_text("Estimated credits")).to_be_visible(timeout=30 * SECONDS)
    expect(page.get_by_text("credits are left")).to_be_visible()
    page.get_by_test_id("stButtonGroup").get_by_role("button", name="Output 4").click()
    press_start(page)
    page.get_by_role("button", name="Cancel").click()
    expect_status(page, "cancelled")
    started = httpx.get(desk.sandbox_url + "/sandbox/log").json()["starts"]
    assert len(started) == 1
    expect(page.get_by_text("Output 4").first).to_be_visible()


def test_a_half_written_text_survives_the_refreshes(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk()
    open_app(page, desk, "Studio Product Shot")
    notes = page.locator("textarea[aria-label^='Scene Notes']")
    notes.fill("")
    freshness = page.get_by_test_id("stSidebar").get_by_text("as of")
    for word in ("two ", "spaces  "):  # typed across two refreshes
        before = freshness.inner_text()
        notes.press_sequentially(word, delay=60)
        wait_until(lambda before=before: freshness.inner_text() != before, what="a refresh")
    expect(notes).to_have_value("two spaces  ")
    expect(notes).to_be_focused()
