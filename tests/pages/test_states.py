"""Every screen in the four states: empty store, Lamina unreachable, key refused, thousands of rows."""

from collections.abc import Callable

from lamina_core import runtime
from lamina_core.sandbox.server import Sandbox
from tests.pages.conftest import APPS, Desk, Screen

SCREENS = ("overview", "start", "executions", "failures", "deliveries", "webhook_debugger", "execution", "system")

EMPTY = {
    "overview": "No failure is open.",
    "start": "Studio Product Shot",
    "executions": "No execution yet. Start the first one.",
    "failures": "No failure is open. New ones appear here by themselves",
    "deliveries": "No webhook has come",
    "webhook_debugger": "Nothing that is pasted here leaves Lamina Desk",
    "execution": "Which execution? Open one from the list, or paste its id on the left.",
    "system": "none yet",
}


def test_an_empty_store_says_what_to_do_next_on_every_screen(desk: Desk):
    screen = desk.open("overview")
    for name in SCREENS:
        assert EMPTY[name] in screen.go(name).expect_no_traceback().text, name


def test_before_the_apps_were_read_start_says_that_they_will_come(make_desk: Callable[..., Desk], sandbox: Sandbox):
    desk = make_desk(sandbox.base_url)
    screen = desk.open("start")
    assert "The list of apps has not been read from Lamina yet" in screen.text
    desk.step()
    assert "Studio Product Shot" in screen.run().text


def test_a_lamina_that_cannot_be_reached_is_told_on_every_screen(make_desk: Callable[..., Desk], closed_port: str):
    desk = make_desk(closed_port)
    desk.keep("completed")
    desk.step()
    screen = desk.open("overview")
    for name in SCREENS:
        screen.go(name).expect_no_traceback()
        notice = [element.value for element in screen.at.warning]
        assert len(notice) == 1, name
        assert "Lamina cannot be reached" in notice[0]
        assert "webhooks are still received" in notice[0]
        assert "Next try at" in notice[0]
        assert "stale" in screen.text


def test_a_refused_key_is_told_on_every_screen_with_the_setting_to_mend(
    make_desk: Callable[..., Desk], sandbox: Sandbox
):
    desk = make_desk(sandbox.base_url, LAMINA_API_KEY="lma_revoked_example")
    row_id = desk.keep("running")
    desk.step()
    screen = desk.open("overview")
    for name in SCREENS:
        screen.go(name).expect_no_traceback()
        assert "Lamina refuses our key" in screen.at.warning[0].value, name
        assert "LAMINA_API_KEY" in screen.at.warning[0].value
        assert "lma_revoked_example" not in screen.text
    assert desk.row(row_id).status == "running"


def test_thousands_of_rows_are_shown_a_page_at_a_time(desk: Desk):
    desk.keep_many(3_300)
    screen = desk.open("overview")
    expected = {
        "overview": "Open failures 0",
        "start": "Studio Product Shot",
        "failures": "No failure is open.",
        "executions": "50 rows. Counts are exact, those with + may be more",
        "deliveries": "No webhook has come",
        "webhook_debugger": "Every key is tried.",
        "execution": "many-01650",
        "system": "In flight",
    }
    for name in SCREENS:
        screen.go(name, **({"id": "11650"} if name == "execution" else {})).expect_no_traceback()
        assert expected[name] in screen.text, name
        assert len(screen.rows()) <= 50


def test_a_stored_execution_is_shown_while_lamina_cannot_be_reached(make_desk: Callable[..., Desk], closed_port: str):
    desk = make_desk(closed_port)
    row_id = desk.keep("failed", error="The provider timed out")
    screen = desk.open("execution", id=str(row_id))
    assert "The provider timed out" in screen.text
    screen.press("Check now").expect_no_traceback()
    assert any("Lamina could not be reached" in text for text in screen.errors)


def test_the_form_of_an_app_that_cannot_be_read_says_why(make_desk: Callable[..., Desk], closed_port: str):
    desk = make_desk(closed_port)
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    assert any("Lamina could not be reached" in text for text in screen.errors)


def test_an_unknown_app_is_told_in_lamina_s_words_with_the_request_s_id(runs_desk: Desk):
    screen = runs_desk.open("start", app="no-such-app")
    assert any("App not found" in text for text in screen.errors)
    assert any("Lamina's request id" in text for text in screen.errors)


def test_apps_read_before_can_be_opened_while_lamina_cannot_be_reached(
    make_desk: Callable[..., Desk], own_sandbox: Sandbox
):
    desk = make_desk(own_sandbox.base_url)
    desk.step()
    desk.parts.operations.open_app(APPS["Ad Copy Trio"])
    own_sandbox.stop()
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    assert screen.has_widget("text_input", "Product Name")


def test_a_paused_poller_is_told_on_every_screen_and_resumed_on_system(desk: Desk):
    screen = desk.open("system").press("Pause polling")
    assert "Polling was paused" in screen.text
    assert "Polling was paused" in desk.open("executions").text
    screen.press("Resume polling")
    assert "Polling was paused" not in screen.text


def test_a_viewer_cannot_pause_the_poller(desk: Desk, as_viewer: None):
    screen = desk.open("system").press("Pause polling")
    assert screen.errors == ["Vera is a viewer; this needs the role admin."]
    assert "Polling was paused" not in screen.run().text


def test_reading_the_apps_again_makes_the_poller_do_it(desk: Desk):
    before = len(desk.log()["requests"])
    screen = desk.open("system").press("Read the list of apps again").expect_no_traceback()
    desk.step()
    asked = [entry["path"] for entry in desk.log()["requests"][before:]]
    assert "/api/apps" in asked
    assert "The list of apps will be read in a moment." in [toast.value for toast in screen.at.toast]


def test_system_shows_what_is_configured_without_the_key(desk: Desk):
    text = desk.open("system").text
    assert desk.sandbox_url in text
    assert "LAMINA_PUBLIC_URL is not set" in text
    assert "lma_test" not in text


def test_a_process_without_a_runtime_says_how_to_start_it():
    assert not runtime.is_current()
    screen = Screen("overview", {}).expect_no_traceback()
    assert screen.errors == ["Lamina Desk is not running. Start it by `make run` or `python dashboard.py`."]
