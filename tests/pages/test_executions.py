"""The Executions screen: newest first, a page at a time, filtered by what its URL says."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col

from lamina_core.domain import Origin, Status
from lamina_core.store import catalogue
from lamina_core.store.tables import ExecutionTable
from lamina_core.triage.records import Triage
from tests.pages.conftest import ADA, HOSTILE, Desk, Screen, plain


def reasons(screen: Screen) -> list[str]:
    return [row["reason"] for row in screen.rows()]


def count_of(screen: Screen, word: str) -> str:
    """The number on the pill of a status."""
    pills = [plain(label) for label in screen.widget("button_group", "Status").options]
    return next(found[1] for label in pills if (found := re.search(rf"{word} ([0-9,]+\+?)$", label)))


def test_rows_are_newest_first_and_carry_the_reason_of_a_failure(desk: Desk):
    desk.keep("completed", age=300)
    desk.keep("failed", age=200, error="first line\nTraceback\n  ValueError: the last line says it  ")
    desk.keep("running", age=100)
    screen = desk.open("executions")
    assert [row["status"] for row in screen.rows()] == [["▶ running"], ["✕ failed"], ["✓ completed"]]
    assert reasons(screen) == ["", "ValueError: the last line says it", ""]


def test_a_reason_without_end_is_cut(desk: Desk):
    desk.keep("failed", error="x" * 5_000)
    assert len(reasons(desk.open("executions"))[0]) == 160


@pytest.mark.long
def test_pages_of_fifty_lead_through_120_rows_and_back_without_overlap(desk: Desk):
    for number in range(120):
        desk.keep("failed", error=f"reason {number}", age=500.0 if number % 2 else 500.0 - number)
    screen = desk.open("executions")
    pages = [reasons(screen)]
    while not screen.widget("button", "Older").disabled:
        screen.press("Older").expect_no_traceback()
        pages.append(reasons(screen))
    assert [len(page) for page in pages] == [50, 50, 20]
    assert len({reason for page in pages for reason in page}) == 120
    back = [pages[-1]]
    while not screen.widget("button", "Newer").disabled:
        back.append(reasons(screen.press("Newer").expect_no_traceback()))
    assert back == pages[::-1]


def test_a_page_s_address_shows_a_colleague_the_same_page(desk: Desk):
    for number in range(60):
        desk.keep("failed", error=f"reason {number}")
    screen = desk.open("executions", status="failed").press("Older")
    assert set(screen.params) == {"status", "older"}
    assert reasons(desk.open("executions", **screen.params)) == reasons(screen)


def test_filters_of_the_url_decide_the_rows_and_stand_in_the_controls(desk: Desk):
    desk.keep("failed", error="timed out", app_id="a", app_name="App A", age=60)
    desk.keep("failed", error="timed out", app_id="b", app_name="App B", age=60)
    desk.keep("failed", error="refused", app_id="a", app_name="App A", age=60)
    desk.keep("completed", app_id="a", app_name="App A", age=60)
    desk.keep("failed", error="timed out", app_id="a", app_name="App A", age=10 * 86_400)
    screen = desk.open("executions", status="failed,gone", app="a", range="24h", q="TIMED")
    assert reasons(screen) == ["timed out"]
    assert screen.widget("text_input", "Text").value == "TIMED"
    assert screen.widget("multiselect", "Apps").value == ["a"]
    assert screen.widget("selectbox", "Time").value == "24h"
    assert screen.widget("button_group", "Status").value == [Status.FAILED, Status.GONE]


@pytest.mark.parametrize(
    ("change", "params"),
    [
        (lambda screen: screen.widget("text_input", "Text").set_value("a b "), {"q": "a b "}),
        (lambda screen: screen.widget("selectbox", "Time").set_value("7d"), {"range": "7d"}),
        (lambda screen: screen.widget("button_group", "Triage").set_value([Triage.OPEN]), {"triage": "open"}),
        (lambda screen: screen.widget("button_group", "Came by").set_value([Origin.FORM]), {"origin": "form"}),
        (lambda screen: screen.widget("selectbox", "Took").set_value("5m"), {"slow": "5m"}),
        (
            lambda screen: screen.widget("button_group", "Status").set_value([Status.GONE, Status.FAILED]),
            {"status": "failed,gone"},
        ),
    ],
)
def test_every_filter_is_written_into_the_url(desk: Desk, change: Any, params: dict):
    desk.keep("completed")
    screen = desk.open("executions")
    change(screen)
    assert screen.run().expect_no_traceback().params == params


def test_several_apps_are_chosen_by_name_and_written_by_id(desk: Desk):
    screen = desk.open("executions")
    apps = screen.widget("multiselect", "Apps")
    chosen = sorted(apps.options)[:2]
    apps.set_value(chosen)
    with desk.parts.engines.reading() as connection:
        names = {app.app_id: app.name for app in catalogue.all_apps(connection)}
    assert len(chosen) == 2
    assert sorted(names[app_id] for app_id in screen.run().params["app"].split(",")) == chosen


def test_a_changed_filter_begins_at_the_newest_again(desk: Desk):
    for _ in range(60):
        desk.keep("failed")
    screen = desk.open("executions").press("Older")
    screen.widget("selectbox", "Time").set_value("1h")
    assert screen.run().params == {"range": "1h"}
    assert len(screen.rows()) == 50


@pytest.mark.parametrize(
    ("text", "found"), [("exec-AA", 1), ("c-AA", 0), ("portrait", 0), ("%", 1), ("_", 0), ("50%", 1)]
)
def test_text_finds_the_beginning_of_an_id_words_of_an_error(desk: Desk, text: str, found: int):
    desk.keep("failed", execution_id="exec-AA1", error="no")
    desk.keep("failed", execution_id="other-1", error="at 50%")
    desk.keep("failed", execution_id="other-2", app_name="Else", error="-")
    assert len(desk.open("executions", q=text).rows()) == found


def test_counts_follow_every_filter_but_the_status_and_show_zero_too(desk: Desk):
    desk.keep("failed", app_id="a", app_name="App A")
    desk.keep("running", app_id="a", app_name="App A")
    desk.keep("running", app_id="b", app_name="App B")
    screen = desk.open("executions", status="failed", app="a")
    assert {word: count_of(screen, word) for word in ("failed", "running", "completed", "gone")} == {
        "failed": "1",
        "running": "1",
        "completed": "0",
        "gone": "0",
    }


def test_capped_counts_say_so(desk: Desk):
    desk.keep_many(3_100)
    screen = desk.open("executions", app="app-1", range="30d")
    assert count_of(screen, "completed") == "1,000+"
    assert count_of(screen, "failed") == "0"
    assert "Counts are exact, those with + may be more" in screen.text
    assert count_of(desk.open("executions", app="app-1"), "completed") == "1,033"


def test_no_match_offers_to_clear_the_filters(desk: Desk):
    desk.keep("completed")
    screen = desk.open("executions", status="failed", q="nothing")
    assert "No execution matches these filters." in screen.text
    screen.press("Clear filters")
    assert screen.params == {}
    assert len(screen.rows()) == 1


GARBAGE = [
    {"status": "no,such,,status", "range": "for ever"},
    {"older": "yesterday", "newer": "~"},
    {"older": "2026-01-01T00:00:00~1"},
    {"older": "2026-01-01T00:00:00+00:00~" + "9" * 5_000},
    {"older": "2026-01-01T00:00:00+00:00~-" + "9" * 30},
    {"older": "0001-01-01T00:00:00+14:00~1"},
    {"newer": "9999-12-31T23:59:59-14:00~1"},
    {"older": "2026-01-01T00:00:00+00:00~1", "newer": "2026-01-01T00:00:00+00:00~1"},
    {"q": "\x00" * 3},
    {"q": "x" * 100_000},
    {"app": "\x00"},
    {"app": "' OR 1=1 --"},
    {"nonsense": "1"},
]


def test_garbage_in_the_url_never_breaks_the_screen(desk: Desk):
    desk.keep("completed")
    screen = desk.open("executions")
    for params in GARBAGE:
        screen.go("executions", **params).expect_no_traceback()
        assert screen.errors == [], params
        assert len(screen.rows()) == 1 or "No execution matches these filters." in screen.text, params


def test_an_unknown_app_of_the_url_stays_selected(desk: Desk):
    desk.keep("completed", app_id="gone-app")
    screen = desk.open("executions", app="gone-app")
    assert screen.widget("multiselect", "Apps").value == ["gone-app"]
    assert len(screen.rows()) == 1


def test_a_refresh_shows_the_new_status_in_place_and_counts_new_rows(desk: Desk):
    first = desk.start("Studio Product Shot")
    desk.keep("completed", age=1_000)
    screen = desk.open("executions")
    desk.finish(first)
    screen.run()
    assert [row["status"] for row in screen.rows()] == [["✓ completed"], ["✓ completed"]]


def test_a_live_table_can_be_paused_and_says_so(desk: Desk):
    desk.keep("completed")
    screen = desk.open("executions")
    assert "live" in screen.text or "stale" in screen.text
    screen.widget("toggle", "Live").set_value(False)
    assert "paused · as of" in screen.run().text
    screen.go("overview")
    assert screen.widget("toggle", "Live").value is False


def test_a_selected_cell_opens_its_execution(desk: Desk):
    older, newer = desk.keep("completed", age=100), desk.keep("completed", age=50)
    screen = desk.open("executions")
    selection = {"selection": {"rows": [], "columns": [], "cells": [(1, "app")]}}
    screen.at.session_state[f"executions:{newer}:{older}"] = selection
    screen.run()
    assert screen.params == {"id": str(older)}


def test_hostile_texts_reach_the_table_as_they_are(desk: Desk):
    for text in HOSTILE.values():
        desk.keep("failed", error=text, app_name=text, started_by=text)
    rows = desk.open("executions").rows()
    assert [row["app"] for row in rows] == list(HOSTILE.values())[::-1]
    assert [row["by"] for row in rows] == list(HOSTILE.values())[::-1]
    assert [row["reason"][:100] for row in rows] == [text.strip()[:100] for text in HOSTILE.values()][::-1]


# The box that leads to an execution


def paste(screen: Screen, text: str) -> Screen:
    screen.widget("text_input", "Go to").set_value(text)
    return screen.run().expect_no_traceback()


def test_a_pasted_id_or_its_beginning_or_our_number_leads_to_the_execution(desk: Desk):
    row_id = desk.keep("completed", execution_id="0a1b2c3d-example")
    for pasted in ("0a1b2c3d-example", "  0a1b2c3d-example\n", "0a1b", str(row_id), f"#{row_id}"):
        assert paste(desk.open("overview"), pasted).params == {"id": str(row_id)}, pasted


def test_the_same_id_can_be_pasted_twice(desk: Desk):
    row_id = desk.keep("completed", execution_id="0a1b2c3d")
    screen = paste(desk.open("overview"), "0a1b2c3d").go("overview")
    assert paste(paste(screen, ""), "0a1b2c3d").params == {"id": str(row_id)}


def test_a_beginning_that_several_share_leads_to_the_list(desk: Desk):
    desk.keep("completed", execution_id="same-1")
    desk.keep("completed", execution_id="same-2")
    screen = paste(desk.open("overview"), "same")
    assert screen.params == {"q": "same"}
    assert len(screen.rows()) == 2


def test_an_id_that_is_not_here_is_told(desk: Desk):
    desk.keep("completed")
    screen = desk.open("overview")
    for text in ("nothing", "%", "\x00", "#", "9" * 30, "'", "x" * 5_000):
        assert "No execution here has that id or reference" in paste(screen, text).text, text


# The Overview


def test_the_overview_counts_open_failures_flight_and_late_ones(desk: Desk):
    desk.keep("failed", error="a reason")
    resolved = desk.keep("failed", error="another one", age=2 * 86_400)
    desk.parts.triage.resolve(ADA, [resolved])
    desk.keep("running")
    desk.keep("running", age=2 * 86_400)
    screen = desk.open("overview")
    numbers = {metric.label: metric.value for metric in screen.at.metric}
    assert numbers["Open failures"] == "1"
    assert numbers["In flight"] == "2"
    assert numbers["Late"] == "1"
    assert numbers["Last webhook"] == "never"
    assert reasons(screen) == ["a reason"]
    assert [link.proto.label for link in screen.at.get("page_link")] == ["All 1 by their causes"]


def test_a_poller_that_stopped_is_told_and_the_data_is_called_stale(desk: Desk):
    long_ago = desk.parts.clock.now() - timedelta(minutes=5)
    statement = "UPDATE lease SET heartbeat_at = :at, expires_at = :at"
    desk.parts.writer.run(
        lambda connection: connection.exec_driver_sql(statement, {"at": long_ago.strftime("%Y-%m-%d %H:%M:%S.%f")})
    )
    text = desk.open("overview").text
    assert "Nobody polls" in text
    assert "stale" in text


def test_a_status_word_of_the_future_in_the_store_is_shown_as_unknown(desk: Desk):
    row_id = desk.keep("running")
    desk.parts.writer.run(
        lambda connection: connection.execute(
            ExecutionTable.__table__.update().where(col(ExecutionTable.id) == row_id).values(status="from_the_future")
        )
    )
    assert [row["status"] for row in desk.open("executions").rows()] == [["‽ unknown: running"]]
