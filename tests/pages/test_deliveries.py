"""The Deliveries screen: what came, what was refused and why, and which expected webhook never came."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Verdict
from lamina_core.sandbox.server import Sandbox
from lamina_core.store.deliveries import Arrival
from lamina_core.store.delivery_search import Reconciliation
from lamina_core.store.tables import ExecutionTable
from pages.components.deliveries import describe_ends, format_size
from tests.pages.conftest import HOSTILE, Desk, Screen, plain

A, R, U = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNCHECKED


def deliver(
    desk: Desk,
    name: str | None = None,
    verdict: Verdict = A,
    reason: str | None = None,
    *,
    age: float = 0.0,
    status: str = "completed",
) -> int:
    """Have a webhook taken as the receiver hands it over; returns its number."""
    now = desk.parts.clock.now()
    document = {"executionId": name, "workflowId": "app-1", "status": status, "outputs": [], "completedAt": None}
    body = json.dumps(document).encode()
    arrival = Arrival(
        received_at=now - timedelta(seconds=age),
        verdict=verdict,
        reason=reason,
        answered={A: 200, R: 401, U: 503}[verdict],
        request_id=name,
        key_id="key-1" if verdict is A else None,
        headers={},
        body=body,
        content_hash=sha256(body).hexdigest(),
        start_token=None,
        report=wire.report_from(document) if verdict is A and reason is None else None,
    )
    return desk.parts.writer.run(lambda connection: intake.take_deliveries(connection, [arrival], now))[0]


def change(desk: Desk, row_id: int, **columns: Any) -> None:
    """Set columns of an execution as time and polls would have."""
    update = sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(**columns)
    desk.parts.writer.run(lambda connection: connection.execute(update))


def lose(desk: Desk, minutes: float = 60, **changes: Any) -> int:
    """Keep an execution that ended so many minutes ago and whose webhook never came."""
    row_id = desk.keep(age=minutes * 60, **changes)
    at = desk.parts.clock.now() - timedelta(minutes=minutes)
    change(desk, row_id, webhook_expected=True, completed_at=at, updated_at=at)
    return row_id


def numbers(screen: Screen) -> list[str]:
    return [row["number"] for row in screen.rows()]


def counts(screen: Screen) -> dict[str, str]:
    pills = [plain(label) for label in screen.widget("button_group", "Verdict").options]
    return {found[1]: found[2] for label in pills if (found := re.search(r"(\w+) ([0-9,]+\+?)$", label))}


def click(screen: Screen, column: str, *, place: int = 0) -> Screen:
    narrowed_to = screen.widget("text_input", "Execution").value
    key = ":".join(["deliveries", narrowed_to, *(number.removeprefix("#") for number in numbers(screen))])
    selection = {"selection": {"rows": [], "columns": [], "cells": [(place, column)]}}
    screen.at.session_state[key] = selection
    return screen.run()


def test_each_delivery_is_a_line_with_verdict_reason_execution_and_attempt(desk: Desk):
    row_id = desk.keep("running", execution_id="exec-1-long-id", app_name="Studio")
    deliver(desk, "exec-1-long-id", R, "not_verified")
    deliver(desk, "exec-1-long-id")
    deliver(desk, "exec-1-long-id")
    deliver(desk, "stranger")
    deliver(desk, None, R, "too_large")
    rows = desk.open("deliveries").rows()
    assert [row["verdict"] for row in rows] == [
        ["✕ rejected"],
        ["✓ accepted"],
        ["✓ accepted"],
        ["✓ accepted"],
        ["✕ rejected"],
    ]
    assert [row["reason"] for row in rows] == [
        "The body is too large",
        "Verified, of an execution not known here yet",
        "A copy of #2",
        "",
        "No key of Lamina's made this signature",
    ]
    assert [row["execution"] for row in rows] == ["", "stranger", "exec-1-l", "exec-1-l", "exec-1-l"]
    assert [row["app"] for row in rows] == ["", "", "Studio", "Studio", "Studio"]
    assert [list(row["status"]) for row in rows] == [[], [], ["✓ completed"], ["✓ completed"], ["✓ completed"]]
    assert [row["attempt"] for row in rows] == ["", "", "3 of 3", "2 of 3", "1 of 3"]
    assert [row["answered"] for row in rows] == ["401", "200", "200", "200", "401"]
    assert [row["key"] for row in rows] == ["", "key-1", "key-1", "key-1", ""]
    assert desk.row(row_id).status == "completed"


def test_the_time_from_the_end_to_the_receipt_is_shown_of_accepted_ones(desk: Desk):
    row_id = desk.keep("completed", execution_id="exec-1")
    now = desk.parts.clock.now()
    deliver(desk, "exec-1", R, "cut_off")
    deliver(desk, "exec-1")
    change(desk, row_id, completed_at=now - timedelta(seconds=75))
    assert [row["delay"] for row in desk.open("deliveries").rows()] == ["1 min 15 s", ""]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"verdict": "rejected"}, ["#3", "#2"]),
        ({"verdict": "rejected,unchecked"}, ["#4", "#3", "#2"]),
        ({"reason": "cut_off"}, ["#3"]),
        ({"execution": "exec-AA"}, ["#5", "#2"]),
        ({"execution": "exec-"}, ["#5", "#4", "#2"]),
        ({"execution": "exec-AA", "verdict": "accepted"}, ["#5"]),
        ({"range": "1h"}, ["#5", "#4", "#3", "#2"]),
        ({"older": "3"}, ["#2", "#1"]),
        ({"newer": "3"}, ["#5", "#4"]),
    ],
)
def test_filters_of_the_url_decide_the_rows(desk: Desk, params: dict, found: list[str]):
    desk.keep("running", execution_id="exec-AA")
    desk.keep("running", execution_id="exec-AB")
    deliver(desk, "other", age=7_200)
    deliver(desk, "exec-AA", R, "not_verified")
    deliver(desk, None, R, "cut_off")
    deliver(desk, "exec-AB", U, "no_key_set")
    deliver(desk, "exec-AA")
    screen = desk.open("deliveries", **params)
    assert numbers(screen) == found
    assert screen.widget("text_input", "Execution").value == params.get("execution", "")
    assert screen.widget("selectbox", "Reason").value == params.get("reason", "")
    assert screen.widget("selectbox", "Time").value == params.get("range", "all")


@pytest.mark.parametrize(
    ("change_filter", "params"),
    [
        (lambda screen: screen.widget("text_input", "Execution").set_value(" a b "), {"execution": "a b"}),
        (lambda screen: screen.widget("selectbox", "Reason").set_value("too_slow"), {"reason": "too_slow"}),
        (lambda screen: screen.widget("selectbox", "Time").set_value("7d"), {"range": "7d"}),
        (lambda screen: screen.widget("button_group", "Verdict").set_value([U, R]), {"verdict": "rejected,unchecked"}),
        (lambda screen: screen.widget("button_group", "View").set_value("missing"), {"view": "missing"}),
    ],
)
def test_every_filter_is_written_into_the_url(desk: Desk, change_filter: Callable[[Screen], Any], params: dict):
    deliver(desk, "exec-1")
    screen = desk.open("deliveries")
    change_filter(screen)
    assert screen.run().expect_no_traceback().params == params


def test_counts_follow_every_filter_but_the_verdict_and_show_zero_too(desk: Desk):
    for verdict, reason in ((R, "cut_off"), (R, "too_slow"), (A, None)):
        deliver(desk, "exec-1", verdict, reason)
    assert counts(desk.open("deliveries", verdict="rejected")) == {"accepted": "1", "rejected": "2", "unchecked": "0"}
    assert counts(desk.open("deliveries", reason="cut_off")) == {"accepted": "0", "rejected": "1", "unchecked": "0"}


def test_pages_of_fifty_lead_down_and_up_again(desk: Desk):
    for _ in range(70):
        deliver(desk, None, R, "cut_off")
    screen = desk.open("deliveries", verdict="rejected")
    first = numbers(screen)
    second = numbers(screen.press("Older").expect_no_traceback())
    assert (len(first), len(second), len({*first, *second})) == (50, 20, 70)
    assert set(screen.params) == {"verdict", "older"}
    assert numbers(screen.press("Newer").expect_no_traceback()) == first


def test_every_reason_that_is_kept_can_be_chosen_in_words(desk: Desk):
    options = desk.open("deliveries").widget("selectbox", "Reason").options
    assert options[:2] == ["Every reason", "✕ No signature header came with it"]
    assert "✓ A copy of one that came before" in options
    assert not any("could not be stored" in option for option in options)


def test_a_click_opens_the_debugger_the_execution_or_all_that_name_it(desk: Desk):
    row_id = desk.keep("running", execution_id="exec-1")
    deliver(desk, "exec-1", R, "not_verified")
    deliver(desk, "exec-1")
    for column in ("execution", "app", "status"):
        assert click(desk.open("deliveries"), column).params == {"id": str(row_id)}, column
    for column in ("verdict", "reason", "key"):
        assert click(desk.open("deliveries"), column, place=1).params == {"delivery": "1"}, column
    narrowed = click(desk.open("deliveries"), "attempt", place=1)
    assert narrowed.params == {"execution": "exec-1"}
    assert click(narrowed, "attempt", place=1).params == {"delivery": "1"}


def test_garbage_in_the_url_never_breaks_the_screen(desk: Desk):
    deliver(desk, "exec-1")
    screen = desk.open("deliveries")
    for params in (
        {"verdict": "no,such", "reason": "none", "range": "ever", "older": "x", "newer": "-1"},
        {"execution": "\x00"},
        {"execution": "%" * 5_000},
        {"older": "9" * 17},
        {"newer": "9" * 17},
        {"older": "0"},
        {"verdict": "accepted", "reason": "cut_off"},
        {"view": "nonsense"},
    ):
        screen.go("deliveries", **params).expect_no_traceback()
        assert screen.errors == [], params
        assert len(screen.rows()) == 1 or "No delivery matches these filters." in screen.text or "0 rows" in screen.text


def test_hostile_texts_reach_the_table_as_they_are(desk: Desk):
    for text in HOSTILE.values():
        name = wire.clean_text(text)[:200]
        desk.keep("running", execution_id=name, app_name=text)
        deliver(desk, name)
        screen = desk.open("deliveries", execution=name).expect_no_traceback()
        assert [row["app"] for row in screen.rows()] == [text]


def test_no_match_offers_to_clear_the_filters(desk: Desk):
    deliver(desk, "exec-1")
    screen = desk.open("deliveries", verdict="rejected")
    assert "No delivery matches these filters." in screen.text
    assert numbers(screen.press("Clear filters")) == ["#1"]


def test_an_empty_screen_says_what_to_do_next(make_desk: Callable[..., Desk], desk: Desk, sandbox: Sandbox):
    assert "LAMINA_PUBLIC_URL is not set, so executions start without one and are polled" in (
        desk.open("deliveries").text
    )
    assert "No webhook is expected: LAMINA_PUBLIC_URL is not set" in desk.open("deliveries", view="missing").text
    make_desk(sandbox.base_url, LAMINA_PUBLIC_URL="https://desk.example.com")
    screen = desk.open("deliveries")
    assert "They arrive at `https://desk.example.com/webhooks/lamina`." in screen.text
    assert [link.proto.label for link in screen.at.get("page_link")] == ["Start an execution"]
    assert "none waits for its webhook for more than 5 minutes" in desk.open("deliveries", view="missing").text


# Expected, none came


def test_executions_without_their_webhook_are_listed_with_how_they_ended(desk: Desk):
    lost = lose(desk, 60, execution_id="lost", app_name="Studio")
    lose(desk, 50, execution_id="refused", status="failed", error="first\nlast line")
    deliver(desk, "refused", R, "not_verified")
    told = desk.keep("running", execution_id="told")
    change(desk, told, webhook_expected=True)
    deliver(desk, "told")
    screen = desk.open("deliveries", view="missing")
    rows = screen.rows()
    assert [row["status"] for row in rows] == [["✕ failed"], ["✓ completed"]]
    assert [row["webhook"] for row in rows] == ["1 refused", "none came"]
    assert [row["reason"] for row in rows] == ["last line", ""]
    assert [row["ended"] for row in rows] == ["50 min", "1 h"]
    assert (
        "Of 3 executions with a webhook that ended in the last 24 h (exact): 1 by webhook, 0 by poll first and webhook "
        "later, **2 never by webhook**." in screen.text
    )
    assert "All 2 of those started since" in screen.text
    assert list(screen.at.info) == []
    key = f"gaps:{lost + 1}:{lost}"
    screen.at.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [(1, "app")]}}
    assert screen.run().params == {"id": str(lost)}


def test_where_every_webhook_came_that_is_said(desk: Desk):
    row_id = desk.keep("running", execution_id="told")
    change(desk, row_id, webhook_expected=True)
    deliver(desk, "told")
    screen = desk.open("deliveries", view="missing")
    assert "none waits for its webhook for more than 5 minutes" in screen.text
    assert screen.rows() == []


def test_a_click_on_refused_ones_shows_them(desk: Desk):
    row_id = lose(desk, execution_id="refused")
    deliver(desk, "refused", R, "not_verified")
    screen = desk.open("deliveries", view="missing")
    screen.at.session_state[f"gaps:{row_id}"] = {"selection": {"rows": [], "columns": [], "cells": [(0, "webhook")]}}
    assert screen.run().params == {"execution": "refused"}


@pytest.mark.parametrize(
    ("ends", "is_cut", "words"),
    [
        (Reconciliation(), False, "No execution with a webhook has ended in the last 24 h."),
        (
            Reconciliation(by_webhook=1_117, by_poll_first=2, never=0, awaited=3),
            True,
            "Of 1,122 executions with a webhook that ended in the last 24 h (among the newest 20,000): "
            "1,117 by webhook, 2 by poll first and webhook later, 0 never by webhook, "
            "3 less than 5 min ago, whose webhook may still come.",
        ),
    ],
)
def test_ends_are_summed_up_in_words(ends: Reconciliation, is_cut: bool, words: str):
    assert describe_ends(ends, is_cut=is_cut) == words


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (99_900, "99.9 kB"), (1_000_000, "1,000 kB")]
)
def test_sizes_have_one_unit(size: int, text: str):
    assert format_size(size) == text


# From other screens


def test_the_overview_leads_to_what_was_refused_else_to_all(desk: Desk):
    screen = desk.open("overview")
    assert [link.proto.label for link in screen.at.get("page_link")] == ["Start an execution"]
    deliver(desk, "exec-1")
    link = desk.open("overview").at.get("page_link")[0]
    assert (link.proto.label, link.proto.query_string) == ("All webhooks", "")
    deliver(desk, None, R, "cut_off")
    deliver(desk, None, U, "no_key_set")
    link = desk.open("overview").at.get("page_link")[0]
    assert link.proto.label == "2 webhooks not accepted in the last 24 h"
    assert link.proto.query_string == "verdict=rejected%2Cunchecked&range=24h"


def test_an_execution_shows_its_deliveries_in_words_and_leads_to_all_that_name_it(desk: Desk):
    row_id = desk.keep("running", execution_id="exec-1")
    deliver(desk, "exec-1")
    deliver(desk, "exec-1")
    screen = desk.open("execution", id=str(row_id))
    assert "accepted: A copy of #1 ·" in screen.text
    assert [button.label for button in screen.at.button].count("Debug") == 2
    links = {link.proto.label: link.proto.query_string for link in screen.at.get("page_link")}
    assert links["All that name it, refused ones too"] == "execution=exec-1"
