"""An empty sandbox offers a demo history; any other desk does not."""

from collections.abc import Callable

import pytest

from lamina_core.seeding.demo import EXECUTIONS
from tests.pages.conftest import Desk

LABEL = "Fill with a demo history"


@pytest.fixture
def empty_sandbox(make_desk: Callable[..., Desk], closed_port: str) -> Desk:
    """A desk in sandbox mode, whose sandbox runs beside it."""
    port = closed_port.rpartition(":")[2]
    made = make_desk(closed_port, LAMINA_API_KEY="", LAMINA_BASE_URL="", LAMINA_SANDBOX_PORT=port)
    assert made.parts.sandbox is not None
    made.parts.sandbox.start()
    made.step()
    return made


def test_the_button_fills_an_empty_sandbox_and_is_gone(empty_sandbox: Desk):
    screen = empty_sandbox.open("overview")
    assert screen.has_widget("button", LABEL)
    screen.press(LABEL).expect_no_traceback()
    assert screen.errors == []
    assert empty_sandbox.row_count() == EXECUTIONS
    assert not screen.has_widget("button", LABEL)
    assert "Newest open failures" in screen.text
    assert len(screen.rows()) > 5


def test_executions_of_the_demo_open_without_an_error_and_nobody_asks_the_sandbox_for_them(empty_sandbox: Desk):
    screen = empty_sandbox.open("overview").press(LABEL)
    empty_sandbox.step()
    of_status = {empty_sandbox.row(row_id).status: row_id for row_id in range(1, EXECUTIONS + 1)}
    assert len(of_status) >= 4
    for status, row_id in of_status.items():
        screen.go("execution", id=str(row_id)).expect_no_traceback()
        own = {empty_sandbox.row(row_id).error_message}
        own |= {f"**{each['field']}**: {each['message']}" for each in empty_sandbox.payload(row_id).problems}
        own |= {output["error"] for output in empty_sandbox.payload(row_id).outputs}
        assert not set(screen.errors) - own, status
    screen.go("failures").expect_no_traceback()
    screen.go("deliveries").expect_no_traceback()
    assert "No webhook has come" not in screen.text
    asked = [request["path"] for request in empty_sandbox.log()["requests"]]
    assert asked
    assert not [path for path in asked if "/executions" in path or "/runs" in path]


def test_a_viewer_is_told_why_not(empty_sandbox: Desk, as_viewer: None):
    screen = empty_sandbox.open("overview").press(LABEL).expect_no_traceback()
    assert screen.errors == ["Vera is a viewer; this needs the role admin."]
    assert empty_sandbox.row_count() == 0


def test_a_desk_of_a_real_lamina_has_no_demo(desk: Desk):
    assert not desk.open("overview").has_widget("button", LABEL)
