"""The Failures screen: which few errors are behind the failures, and what is done about each."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Operator, Role, Status
from lamina_core.insights import failures
from lamina_core.store import groups
from lamina_core.store.tables import ExecutionTable
from lamina_core.triage.advice import Action, FailureClass, Rule
from lamina_core.triage.records import Triage
from pages.components.messages import plain as plain_markdown
from tests.pages.conftest import ADA, HOSTILE, Desk, Screen, plain

TIMEOUT, TITLE = "The provider did not answer within 90 s", "The provider did not answer within …"
MEDIA = "Could not download the file given"


def fingerprint_of(desk: Desk, row_id: int) -> str:
    with desk.parts.engines.reading() as connection:
        found = groups.find_failure(connection, row_id)
    assert found is not None
    return found.fingerprint


def triages(desk: Desk, *ids: int) -> list[Triage]:
    with desk.parts.engines.reading() as connection:
        found = [groups.find_failure(connection, row_id) for row_id in ids]
    return [each.triage for each in found if each is not None]


def open_group(desk: Desk, row_id: int) -> Screen:
    return desk.open("failures", group=fingerprint_of(desk, row_id))


def views(screen: Screen) -> list[str]:
    (pills,) = [group for group in screen.at.button_group if group.label == "View"]
    return [option.content for option in pills.proto.options]


def buttons(screen: Screen) -> dict[str, bool]:
    """The group's buttons, and which can be pressed."""
    return {button.label: not button.disabled for button in screen.at.button}


def badge(screen: Screen) -> str:
    """The words of the badge beside the title."""
    (found,) = [text.value for text in screen.at.main.markdown if "-badge[" in text.value]
    return plain(found)


# The list


def test_groups_are_listed_by_impact_with_what_to_know_of_each(desk: Desk):
    for age in (60.0, 100_000.0, 100_060.0):
        desk.keep("failed", error=TIMEOUT, age=age)
    desk.keep("failed", error=MEDIA, app_id="app-2", app_name="Cutout")
    screen = desk.open("failures")
    first, second = screen.rows()
    assert (first["title"], first["open"], first["all"], first["app"]) == (TITLE, 3, 3, "Portrait Studio")
    assert (first["trend"], second["trend"]) == ("↓ 1 / 2", "↑ 1 / 0")
    assert (sum(first["history"]), len(first["history"])) == (3, 28)
    assert (first["class"], second["class"]) == ("provider", "media")
    assert list(first["state"]) == ["● open"]
    assert views(screen) == ["Open 2", "Ignored 0", "Resolved 0", "All 2"]
    assert "Numbers are exact." in screen.text


def test_each_view_shows_its_groups_and_stands_in_the_url(desk: Desk):
    ids = [desk.keep("failed", error=error) for error in (TIMEOUT, MEDIA, "Insufficient credits")]
    desk.parts.triage.acknowledge_group(ADA, fingerprint_of(desk, ids[0]))
    desk.parts.triage.ignore_group(ADA, fingerprint_of(desk, ids[1]), failures_more=10)
    desk.parts.triage.resolve_group(ADA, fingerprint_of(desk, ids[2]))
    expected = {
        "open": ["◐ acknowledged by Ada"],
        "ignored": ["⊘ until 10 more"],
        "resolved": ["✓ resolved by Ada"],
        "nonsense": ["◐ acknowledged by Ada"],
    }
    for view, states in expected.items():
        screen = desk.open("failures", view=view)
        assert [list(row["state"]) for row in screen.rows()] == [states], view
        assert views(screen) == ["Open 1", "Ignored 1", "Resolved 1", "All 3"]
    (pills,) = [group for group in screen.at.button_group if group.label == "View"]
    pills.set_value("all").run()
    assert screen.params == {"view": "all"}
    assert len(screen.rows()) == 3


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ("open", "No failure is open. New ones appear here by themselves"),
        ("ignored", "No group is ignored. To ignore one, open it"),
        ("resolved", "No group is resolved yet."),
        ("all", "Nothing has failed here yet."),
    ],
)
def test_an_empty_view_says_what_brings_groups_there(desk: Desk, view: str, told: str):
    assert told in desk.open("failures", view=view).text


def test_a_click_on_a_row_opens_its_group(desk: Desk):
    desk.keep("failed", error=TIMEOUT)
    screen = desk.open("failures", view="all")
    fingerprint = fingerprint_of(desk, 1)
    key = f"groups:all:{fingerprint}:1"
    screen.at.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [(0, "title")]}}
    screen.run()
    assert screen.params == {"view": "all", "group": fingerprint}
    assert TIMEOUT in screen.text


def test_a_group_that_came_back_says_so(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    desk.parts.triage.resolve_group(ADA, fingerprint_of(desk, row_id))
    desk.keep("failed", error=TIMEOUT)
    (row,) = desk.open("failures").rows()
    assert (list(row["state"]), row["open"], row["all"]) == (["↩ came back"], 1, 2)
    assert "came back" in open_group(desk, row_id).text


# One group


def test_a_group_shows_its_cause_advice_numbers_and_executions(desk: Desk):
    ids = [desk.keep("failed", error=f"{TIMEOUT}, attempt {number}") for number in range(3)]
    desk.parts.triage.resolve(ADA, ids[:1])
    screen = open_group(desk, ids[0])
    text = screen.text.replace("**", "")
    assert "trouble at Lamina or an AI provider" in text
    assert "replay unchanged" in text
    assert "built in: the error contains “did not answer within”" in text
    assert "2 open of 3" in text
    assert "the newest 2 of 2 open failures" in text
    codes = [element.value for element in screen.at.code]
    assert f"{TIMEOUT}, attempt 2" in codes
    assert "This took longer than it may, so it was stopped. The same request can simply be tried again." in codes
    assert [row["id"] for row in screen.rows()] == ["exec-000", "exec-000"]
    assert screen.at.get("vega_lite_chart")


def test_one_that_failed_in_part_does_not_look_whole(desk: Desk):
    desk.keep("completed", age=90)
    outputs = [{"label": "A", "type": "image", "status": "error", "value": None, "error": TIMEOUT}]
    row_id = desk.keep("completed", outputs=outputs)
    assert [row["status"] for row in desk.open("executions").rows()] == [["◐ completed"], ["✓ completed"]]
    assert [row["status"] for row in open_group(desk, row_id).rows()] == [["◐ completed"]]
    assert any(
        text.value.startswith(":orange-badge[:material/incomplete")
        for text in desk.open("execution", id=str(row_id)).at.main.markdown
    )


def test_of_many_executions_the_newest_fifty_are_shown_and_it_says_so(desk: Desk):
    for number in range(failures.MEMBERS + 2):
        row_id = desk.keep("failed", error=TIMEOUT, age=100.0 - number)
    screen = open_group(desk, row_id)
    assert "the newest 50 of 52 open failures" in screen.text
    assert len(screen.rows()) == 50
    desk.parts.triage.resolve_group(ADA, fingerprint_of(desk, row_id))
    assert "the newest 50 of 52 failures; none is open" in screen.run().text


def test_what_failures_share_is_told_with_numbers(desk: Desk):
    for number in range(3):
        row_id = desk.keep("failed", error=TIMEOUT, inputs={"Size *": "huge", "n": number})
        desk.keep("completed", inputs={"Size *": "small", "n": number})
    text = open_group(desk, row_id).text.replace("**", "")
    assert 'Size * exactly "huge": 3 of 3 failures, 0 of 3 successes' in text
    assert "Compared were 3 failures with the last 3 successes of Portrait Studio" in text


def test_without_successes_or_difference_that_is_said(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT, inputs={"Size": "huge"})
    assert "No execution of Portrait Studio has succeeded here yet" in open_group(desk, row_id).text
    desk.keep("completed", inputs={"Size": "huge"})
    assert "Nothing in their inputs sets them apart" in open_group(desk, row_id).text


def test_a_group_that_is_not_here_leads_back(desk: Desk):
    screen = desk.open("failures", group="f1-\x00nothing", view="resolved")
    assert "There is no such group of failures in this store." in screen.text
    assert [link.proto.label for link in screen.at.get("page_link")] == ["All failures"]


def test_a_group_is_acknowledged_ignored_reopened_and_resolved(desk: Desk):
    ids = [desk.keep("failed", error=TIMEOUT) for _ in range(3)]
    screen = open_group(desk, ids[0])
    assert (buttons(screen)["Resolve 3"], buttons(screen)["Reopen"]) == (True, False)
    screen.press("Acknowledge").expect_no_traceback()
    assert badge(screen).endswith("acknowledged by unnamed operator]")
    assert buttons(screen)["Acknowledge"] is False
    screen.press("Until 10 more have failed")
    assert badge(screen).endswith("ignored by unnamed operator until 10 more]")
    screen.press("Reopen")
    assert badge(screen).endswith("open]")
    screen.press("Resolve 3")
    assert badge(screen).endswith("resolved by unnamed operator]")
    assert triages(desk, *ids) == [Triage.RESOLVED] * 3
    assert [buttons(screen)[label] for label in ("Acknowledge", "Resolve 0", "Reopen")] == [False, False, True]
    assert [toast.value for toast in screen.at.toast] == ["Resolved"]
    screen.press("Reopen")
    assert triages(desk, *ids) == [Triage.OPEN] * 3


@pytest.mark.parametrize(
    ("label", "told"),
    [("Until tomorrow, 9:00", "until "), ("For 7 days", "until "), ("For good", "for good")],
)
def test_a_group_can_be_ignored_for_a_time_or_for_good(desk: Desk, label: str, told: str):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = open_group(desk, row_id).press(label).expect_no_traceback()
    assert f"ignored by unnamed operator {told}" in badge(screen)
    assert desk.open("failures").rows() == []
    (row,) = failures.read_groups(
        desk.parts.engines, groups.GroupView.IGNORED, desk.parts.clock.now() + timedelta(seconds=1)
    ).rows
    until = row.group.ignored_until
    if label == "For good":
        assert until is None
    else:
        assert until is not None
        days = (until - desk.parts.clock.now()).total_seconds() / 86_400
        assert 0 < days <= 7
        assert label != "For 7 days" or days > 6.9
        assert label != "Until tomorrow, 9:00" or (until.hour, until.minute) == (9, 0)


@pytest.mark.parametrize("label", ["Acknowledge", "Resolve 1", "For good"])
def test_a_viewer_is_refused_by_the_handler_and_nothing_changes(desk: Desk, as_viewer: None, label: str):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = open_group(desk, row_id).press(label)
    assert len(screen.errors) == 1
    assert screen.errors[0].endswith("Vera is a viewer; this needs the role operator.")
    assert badge(screen).endswith("open]")
    assert triages(desk, row_id) == [Triage.OPEN]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_errors_apps_inputs_and_names_from_outside_are_shown_letter_by_letter(desk: Desk, text: str):
    error, name = f"Broken: {text}".strip(), " ".join(text[:60].split())
    row_id = desk.keep("failed", error=error, app_name=name, inputs={name: "huge"})
    desk.keep("completed", app_name=name, inputs={"other": "x"})
    desk.parts.triage.acknowledge_group(Operator(name, Role.OPERATOR), fingerprint_of(desk, row_id))
    (listed,) = desk.open("failures").rows()
    assert (listed["app"], list(listed["state"])) == (name, [f"◐ acknowledged by {name}"])
    screen = open_group(desk, row_id)
    assert listed["title"] in screen.text
    assert any(element.value.startswith(error[:1_500]) for element in screen.at.code)
    badges = [text.value for text in screen.at.main.markdown if "-badge[" in text.value]
    assert badges == [f":blue-badge[:material/visibility: {plain_markdown(f'acknowledged by {name}')}]"]
    shared = [text.value for text in screen.at.main.markdown if text.value.startswith("- **")]
    told = f'- **{plain_markdown(name)}** exactly "huge": 1 of 1 failures, 0 of 1 successes'
    assert told in shared[0].splitlines()


# Advice of one's own


def add_rule(screen: Screen, words: str, sentence: str) -> Screen:
    screen.widget("text_input", "The error contains").input(words)
    screen.widget("selectbox", "It is").set_value(FailureClass.CREDITS)
    screen.widget("selectbox", "So").set_value(Action.WAIT)
    screen.widget("text_input", "What to tell the end user").input(sentence)
    return screen.press("Add")


def test_advice_is_added_counts_at_once_and_is_removed(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = add_rule(desk.open("failures"), "Did not ANSWER", "Wait *here*.").expect_no_traceback()
    assert (
        "Did not ANSWER in every app: not enough credits → wait, then replay · “Wait *here*.”"
        in screen.text.replace("`", "").replace("**", "")
    )
    group = open_group(desk, row_id)
    assert "Wait *here*." in [element.value for element in group.at.code]
    assert "added by unnamed operator" in group.text
    assert screen.widget("text_input", "The error contains").value == ""
    screen.press("Remove")
    assert "Advice of your own (0)" in [each.label for each in screen.at.expander]
    assert "built in" in open_group(desk, row_id).text


def test_advice_that_cannot_serve_is_refused_and_stays_in_the_form(desk: Desk):
    screen = add_rule(desk.open("failures"), "x", "Wait.")
    assert screen.errors == ["“x” is in too many errors: a rule needs at least 3 signs."]
    assert screen.widget("text_input", "What to tell the end user").value == "Wait."


def test_only_an_admin_adds_and_removes_advice(desk: Desk, as_viewer: None):
    rule = Rule("did not answer", FailureClass.PROVIDER, Action.WAIT, "Wait.")
    desk.parts.triage.add_rule(ADA, rule)
    screen = add_rule(desk.open("failures"), "another", "Wait.")
    assert screen.errors == ["Vera is a viewer; this needs the role admin."]
    screen = desk.open("failures").press("Remove")
    assert screen.errors == ["Vera is a viewer; this needs the role admin."]
    assert [each.rule.text for each in failures.read_own_advice(desk.parts.engines)] == ["did not answer"]


# The Overview


def test_the_overview_leads_to_the_causes_and_keeps_unsettled_starts_in_sight(desk: Desk):
    desk.keep("failed", error=TIMEOUT)
    ignored = desk.keep("failed", error=MEDIA)
    desk.parts.triage.ignore_group(ADA, fingerprint_of(desk, ignored))
    lost = desk.keep("running")

    def lose(connection: sa.Connection) -> Any:
        change = sa.update(ExecutionTable).where(col(ExecutionTable.id) == lost)
        return connection.execute(change.values(status=Status.START_UNCONFIRMED)).rowcount

    desk.parts.writer.run(lose)
    screen = desk.open("overview")
    assert "Open failures 1" in screen.text
    assert "Starts to settle" in screen.text
    links = [link.proto.label for link in screen.at.get("page_link")]
    assert links == ["All 1", "All 1 by their causes"]
    unsettled, open_ones = (frame.value.to_dict("records") for frame in screen.at.dataframe)
    assert [row["status"] for row in unsettled] == [["? start unconfirmed"]]
    assert [row["reason"] for row in open_ones] == [TIMEOUT]
