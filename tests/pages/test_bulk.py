"""Many executions at once: chosen on Executions or of a group, previewed, begun, watched and steered."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.bulk.prospects import Wish
from lamina_core.bulk.records import BulkKind, BulkState
from lamina_core.domain import Status
from lamina_core.store import bulks, events, groups
from lamina_core.store.tables import PayloadTable
from lamina_core.triage.patch import Patch, PatchKind
from lamina_core.triage.records import Triage
from tests.pages.conftest import ADA, APPS, HOSTILE, Desk, Screen, plain

RELIGHT = {"app_id": APPS["Golden Hour Relight"], "app_name": "Golden Hour Relight"}
PHOTO = "https://example.com/chair.png"


def keep_failures(desk: Desk, number: int, *, age: float = 100.0, **inputs: Any) -> list[int]:
    """Failures of an app, the oldest first."""
    inputs = {"Photo": PHOTO, "Strength": "Balanced"} | inputs
    return [desk.keep("failed", error="timed out", age=age - n, inputs=inputs, **RELIGHT) for n in range(number)]


def tick(screen: Screen, shown: list[int], *ids: int) -> Screen:
    """Tick rows of the table on the screen, which shows these ids from above."""
    key = ":".join(["executions", *map(str, shown)])
    rows = [shown.index(row_id) for row_id in ids]
    screen.at.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return screen.run().expect_no_traceback()


def bar(screen: Screen) -> str:
    """The first line of the bar, empty where there is none."""
    found = [plain(text.value) for text in screen.at.markdown if " chosen" in text.value]
    return found[0].replace("**", "") if found else ""


def find_bulk(desk: Desk, bulk_id: int) -> Any:
    with desk.parts.engines.reading() as connection:
        return bulks.find(connection, bulk_id)


def bulk_count(desk: Desk) -> int:
    with desk.parts.engines.reading() as connection:
        return len(bulks.find_newest(connection, 100))


def open_form(desk: Desk, ids: list[int], label: str = "Replay…") -> Screen:
    """The form for these, the oldest first: AppTest does not stay where a script has led it."""
    screen = tick(desk.open("executions"), ids[::-1], *ids).press(label).expect_no_traceback()
    assert set(screen.params) == {"new"}
    return screen.go("bulk", **screen.params)


def forget_inputs(desk: Desk, row_id: int) -> None:
    statement = sa.update(PayloadTable).where(col(PayloadTable.execution) == row_id).values(inputs=sa.null())
    desk.parts.writer.run(lambda connection: connection.execute(statement))


def begin(desk: Desk, ids: list[int], **wish: Any) -> int:
    wished = Wish(BulkKind.REPLAY, **{"reason": "mended", "per_minute": 60} | wish)
    return desk.parts.bulks.create(ADA, desk.parts.bulks.choose_rows(ids), wished)


def values(screen: Screen, column: str) -> list[Any]:
    return [row[column] for row in screen.rows()]


# Choosing


def test_without_a_tick_there_is_no_bar(desk: Desk):
    keep_failures(desk, 2)
    screen = desk.open("executions")
    assert bar(screen) == ""
    assert not screen.has_widget("button", "Acknowledge")


def test_ticked_rows_are_frozen_by_their_ids_with_the_instant(desk: Desk):
    ids = keep_failures(desk, 3)
    screen = tick(desk.open("executions"), ids[::-1], ids[0], ids[2])
    assert re.fullmatch(r"2 chosen as of \d\d:\d\d:\d\d UTC", bar(screen))
    screen.press("Acknowledge").expect_no_traceback()
    assert "2 acknowledged" in screen.text
    assert triages(desk, ids) == [Triage.ACKNOWLEDGED, Triage.OPEN, Triage.ACKNOWLEDGED]


def triages(desk: Desk, ids: list[int]) -> list[Triage]:
    with desk.parts.engines.reading() as connection:
        return [groups.find_failure(connection, row_id).triage for row_id in ids]


def test_while_rows_are_ticked_newer_ones_and_those_that_leave_the_filter_move_none(desk: Desk):
    ids = keep_failures(desk, 3)
    screen = desk.open("executions")
    before = tick(screen, ids[::-1], ids[1]).rows()
    keep_failures(desk, 2, age=50.0)
    screen.run()
    assert [row["id"] for row in screen.rows()] == [row["id"] for row in before]
    assert screen.widget("button", "2 new").disabled
    assert bar(screen).startswith("1 chosen")
    screen.press("Resolve")
    assert triages(desk, ids) == [Triage.OPEN, Triage.RESOLVED, Triage.OPEN]
    screen.press("Clear").expect_no_traceback()
    assert bar(screen) == ""
    assert len(screen.rows()) == 3, "rows moved under the pointer"
    assert screen.has_widget("button", "2 new")
    assert len(screen.run().rows()) == 5


def test_a_row_that_leaves_the_filter_between_others_stays_while_they_are_ticked(desk: Desk):
    ids = [desk.start("Studio Product Shot") for _ in range(3)]
    statuses = ",".join(status for status in Status if status is not Status.COMPLETED)
    screen = desk.open("executions", status=statuses)
    tick(screen, ids[::-1], ids[0])
    desk.finish(ids[1])
    screen.run()
    assert len(screen.rows()) == 3
    assert values(screen, "status")[1] == ["✓ completed"]
    assert bar(screen).startswith("1 chosen")
    screen.press("Clear")
    assert len(screen.run().rows()) == 2


def test_what_is_not_failed_is_left_out_and_said_so(desk: Desk):
    (failed,) = keep_failures(desk, 1)
    done = desk.keep("completed", age=1.0)
    screen = tick(desk.open("executions"), [done, failed], done, failed)
    assert "1 resolved; 1 left out: not failed, or so already" in screen.press("Resolve").text
    assert "0 resolved; 2 left out" in screen.press("Resolve").text


def test_nothing_that_has_failed_is_refused_in_the_bar(desk: Desk):
    done = desk.keep("completed")
    screen = tick(desk.open("executions"), [done], done)
    assert "None of these executions has failed." in screen.press("Acknowledge").text


def test_all_that_a_filter_matches_is_chosen_beyond_the_page_and_described(desk: Desk):
    ids = keep_failures(desk, 60)
    desk.keep("completed", age=1.0)
    screen = desk.open("executions", status="failed", range="24h", q="timed").press("All that match…")
    line = "60 chosen, all that match: failed, last 24 hours, with “timed”, as of "
    assert bar(screen).startswith(line)
    assert bar(screen.press("Older")).startswith(line)
    assert "60 resolved" in screen.press("Resolve").text
    assert set(triages(desk, ids)) == {Triage.RESOLVED}


def test_another_filter_lets_go_what_was_chosen(desk: Desk):
    keep_failures(desk, 2)
    screen = desk.open("executions", status="failed").press("All that match…")
    screen.widget("selectbox", "Time").set_value("7d")
    assert bar(screen.run()) == ""
    screen.widget("selectbox", "Time").set_value("all")
    assert bar(screen.run()) == ""


def test_choosing_all_takes_the_ticks_away(desk: Desk):
    ids = keep_failures(desk, 3)
    screen = tick(desk.open("executions"), ids[::-1], ids[0]).press("All that match…")
    assert bar(screen).startswith("3 chosen, all executions, as of ")
    assert bar(screen.run()).startswith("3 chosen, all executions")


def test_a_cut_choice_says_so(desk: Desk):
    desk.keep_many(5_001)
    screen = desk.open("executions").press("All that match…")
    assert bar(screen).startswith("5,000 chosen (the first 5,000), all executions, as of ")


def test_all_are_assigned_and_get_a_note(desk: Desk):
    ids = keep_failures(desk, 2)
    screen = tick(desk.open("executions"), ids[::-1], *ids)
    screen.widget("text_input", "Who looks after them?").set_value("Bo *")
    assert "2 assigned to Bo *" in screen.press("Save").text
    screen.widget("text_area", "A note, kept").set_value("asked *Lamina*")
    assert "2 given the note" in screen.press("Add the note").text
    with desk.parts.engines.reading() as connection:
        told = [(event.kind, event.detail) for event in events.of_execution(connection, ids[0])]
        assert groups.find_failure(connection, ids[1]).assignee == "Bo *"
    assert ("note", {"text": "asked *Lamina*"}) in told


def test_cancelling_is_offered_where_the_generation_can(desk: Desk):
    (failed,) = keep_failures(desk, 1)
    screen = tick(desk.open("executions"), [failed], failed)
    assert screen.widget("button", "Cancel…").disabled


def test_a_viewer_changes_nothing(desk: Desk, as_viewer: None):
    (failed,) = keep_failures(desk, 1)
    screen = tick(desk.open("executions"), [failed], failed).press("Resolve")
    assert "Vera is a viewer; this needs the role operator." in screen.text
    assert triages(desk, [failed]) == [Triage.OPEN]
    screen = open_form(desk, [failed]).press("Preview").expect_no_traceback()
    screen.widget("text_input", "Why?").set_value("because")
    screen.run().press("Replay 1")
    assert screen.errors
    assert bulk_count(desk) == 0


def test_the_open_failures_of_a_group_go_to_the_form(desk: Desk):
    ids = keep_failures(desk, 3)
    desk.parts.triage.resolve(ADA, ids[:1])
    with desk.parts.engines.reading() as connection:
        fingerprint = groups.find_failure(connection, ids[0]).fingerprint
    screen = desk.open("failures", group=fingerprint).press("Replay all…").expect_no_traceback()
    assert screen.params == {"new": "1"}
    assert "2 executions** as of" in screen.text
    assert "the open failures of: Timed out" in screen.text


# The form and its preview


def test_nothing_is_offered_before_the_preview(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 2))
    assert re.search(r"\*\*2 executions\*\* as of \d\d:\d\d:\d\d UTC · 2 ticked rows", screen.text)
    assert "Nothing is sent yet." in screen.text
    assert not screen.has_widget("button", "Replay")
    assert screen.rows() == []


def test_the_preview_shows_each_prospect_and_the_value_before_and_after(desk: Desk):
    ids = keep_failures(desk, 2)
    (same,) = keep_failures(desk, 1, age=50.0, Strength="Subtle")
    (vanished,) = keep_failures(desk, 1, age=40.0, Gone="x")
    screen = open_form(desk, [*ids, same, vanished])
    screen.widget("button_group", "Change in all").set_value("set")
    screen.run()
    screen.widget("selectbox", "Input").set_value("Strength")
    screen.widget("text_area", "Value").set_value("Subtle")
    screen.run()
    assert 'set Strength to "Subtle"' in screen.text
    screen.press("Preview").expect_no_traceback()
    pills = [plain(option) for option in screen.widget("button_group", "Prospect").options]
    assert [re.sub(r"^:\S+ ", "", option) for option in pills] == [
        "2 ready",
        "1 unchanged by the edit",
        "1 would be refused",
    ]
    assert (values(screen, "before"), values(screen, "after")) == (['"Balanced"'] * 2, ['"Subtle"'] * 2)
    assert sorted(values(screen, "execution")) == [f"#{row_id}" for row_id in ids]
    screen.widget("button_group", "Prospect").set_value("would be refused")
    screen.run()
    assert values(screen, "reason") == ["Gone: The app has no such parameter any more."]
    assert screen.widget("button", "Replay").label == "Replay 2"


def test_what_has_ended_otherwise_since_is_counted_out(desk: Desk):
    (failed,) = keep_failures(desk, 1)
    running = desk.start("Studio Product Shot")
    screen = open_form(desk, [failed, running])
    desk.finish(running)
    screen.press("Preview")
    assert "2 executions** as of" in screen.text
    assert "; 1 has ended otherwise since, left out" in screen.text


def test_another_edit_takes_the_preview_away_and_the_old_edit_brings_it_back(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1)).press("Preview")
    assert screen.has_widget("button", "Replay 1")
    screen.widget("button_group", "Change in all").set_value("remove")
    screen.run()
    assert not screen.has_widget("button", "Replay 1")
    screen.widget("button_group", "Change in all").set_value("none")
    assert screen.run().has_widget("button", "Replay 1")


def test_true_is_another_edit_than_one(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1))
    screen.widget("button_group", "Change in all").set_value("set")
    screen.run().widget("button_group", "Taken as").set_value("JSON")
    screen.widget("text_area", "Value").set_value("1")
    assert screen.run().press("Preview").has_widget("button_group", "Prospect")
    screen.widget("text_area", "Value").set_value("true")
    assert not screen.run().has_widget("button_group", "Prospect")


@pytest.mark.parametrize("typed", ["", "{", "NaN", "Subtle", "[" * 20_000, "1e999"])
def test_a_value_that_is_no_json_is_told_and_nothing_is_offered(desk: Desk, typed: str):
    screen = open_form(desk, keep_failures(desk, 1))
    screen.widget("button_group", "Change in all").set_value("set")
    screen.run().widget("button_group", "Taken as").set_value("JSON")
    screen.widget("text_area", "Value").set_value(typed)
    screen.run().expect_no_traceback()
    assert len(screen.errors) == 1
    assert not screen.has_widget("button", "Preview")


def test_a_replacement_without_a_text_to_find_is_told(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1))
    screen.widget("button_group", "Change in all").set_value("replace")
    assert screen.run().errors == ["Give the text that is to be replaced."]


def test_long_values_are_cut_to_where_they_differ(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1, Photo="https://example.com/" + "a" * 300 + "/old.png"))
    screen.widget("button_group", "Change in all").set_value("replace")
    screen.run().widget("text_input", "Text").set_value("old")
    screen.widget("text_input", "By").set_value("new")
    screen.run().press("Preview")
    assert values(screen, "before") == ["…" + "a" * 19 + '/old.png"']
    assert values(screen, "after") == ["…" + "a" * 19 + '/new.png"']


def test_without_known_inputs_there_is_nothing_to_edit(desk: Desk):
    (row_id,) = keep_failures(desk, 1)
    forget_inputs(desk, row_id)
    screen = open_form(desk, [row_id])
    screen.widget("button_group", "Change in all").set_value("remove")
    assert screen.run().errors == ["None of their inputs is known here: others started them."]


def test_the_estimate_is_asked_once_where_the_generation_has_it(runs_desk: Desk):
    screen = open_form(runs_desk, keep_failures(runs_desk, 3)).press("Preview")
    screen.press("Estimate the cost").expect_no_traceback()
    assert "Estimated: 12 credits for 3." in screen.text
    assert not screen.run().has_widget("button", "Estimate the cost")


def test_no_estimate_where_the_generation_has_none(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1)).press("Preview")
    assert not screen.has_widget("button", "Estimate the cost")


def test_without_a_reason_it_is_refused_and_the_preview_stays(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 1)).press("Preview").press("Replay 1")
    assert screen.errors == ["Say why: the reason stands in the history."]
    assert screen.has_widget("button", "Replay 1")
    assert bulk_count(desk) == 0


def begin_on_screen(screen: Screen) -> Screen:
    screen.widget("text_input", "Why?").set_value("*mended*")
    screen.widget("number_input", "How many go first?").set_value(2)
    screen.widget("number_input", "How many a minute?").set_value(30)
    return screen.run().press("Replay 2").expect_no_traceback()


def test_what_was_previewed_is_begun_with_the_pace_and_the_reason(desk: Desk):
    ids = keep_failures(desk, 2)
    screen = open_form(desk, ids)
    screen.widget("button_group", "Change in all").set_value("set")
    screen.run().widget("selectbox", "Input").set_value("Strength")
    screen.widget("text_area", "Value").set_value("Subtle")
    begin_on_screen(screen.run().press("Preview"))
    assert screen.params == {"id": "1"}
    bulk = find_bulk(desk, 1)
    assert (bulk.patch, bulk.canaries, bulk.per_minute) == (Patch(PatchKind.SET, "Strength", "Subtle"), 2, 30)
    assert (bulk.reason, bulk.chosen_as) == ("*mended*", "2 ticked rows")
    assert '#1 replay, set Strength to "Subtle"' in screen.text
    assert "*mended*" in screen.text


def test_a_form_that_has_begun_leads_to_its_operation_and_begins_no_other(desk: Desk):
    screen = begin_on_screen(open_form(desk, keep_failures(desk, 2)).press("Preview"))
    assert screen.go("bulk", new="1").params == {"id": "1"}
    assert bulk_count(desk) == 1


def test_what_waits_in_another_operation_is_refused_well(desk: Desk):
    ids = keep_failures(desk, 2)
    screen = open_form(desk, ids).press("Preview")
    begin(desk, ids)
    begin_on_screen(screen)
    assert screen.errors == ["None of these executions is ready for it. Look at the preview."]
    assert bulk_count(desk) == 1
    screen.press("Preview")
    assert values(screen, "reason") == ["it waits in bulk operation 1"] * 2
    assert screen.widget("button", "Replay").disabled


def test_a_choice_of_another_tab_is_told(desk: Desk):
    screen = desk.open("bulk", new="7")
    assert "What was chosen is not known in this tab." in screen.text


def test_executions_in_flight_are_cancelled_together(slow_desk: Desk):
    done = slow_desk.keep("completed", age=1_000)
    ids = [slow_desk.start("Studio Product Shot") for _ in range(2)]
    screen = open_form(slow_desk, [done, *ids], "Cancel…")
    assert not screen.has_widget("button_group", "Change in all")
    screen.widget("text_input", "Why?").set_value("a mistake")
    screen.run().press("Preview").press("Cancel 2").expect_no_traceback()
    slow_desk.parts.bulk_runner.step()
    screen.run()
    assert "#1 cancel" in screen.text
    assert [plain(label) for label in badges(screen)][1:] == ["1 waiting", "1 asked to cancel", "1 left out"]


# One operation


def badges(screen: Screen) -> list[str]:
    """The words of the badges, the state first."""
    found = [text.value for text in screen.at.main.markdown if "-badge[" in text.value]
    return [re.sub(r"^:\w+-badge\[(:\S+ )?(.*)\]$", r"\2", each) for each in found]


def buttons(screen: Screen) -> dict[str, bool]:
    named = ("Pause", "Resume", "Abort")
    return {button.label: not button.disabled for button in screen.at.button if button.label in named}


def test_a_running_operation_says_what_is_done_to_which_by_whom_and_why(desk: Desk):
    ids = keep_failures(desk, 3)
    (left_out,) = keep_failures(desk, 1)
    forget_inputs(desk, left_out)
    screen = desk.open("bulk", id=str(begin(desk, [*ids, left_out], canaries=2, per_minute=20)))
    assert "#1 replay unchanged" in screen.text
    assert "**4** executions as of" in screen.text
    assert "by **Ada** · at 20 a minute · 2 first" in screen.text
    assert badges(screen)[0] == "running"
    assert badges(screen)[1:] == [
        "3 waiting",
        "0 under way",
        "0 completed",
        "0 failed",
        "0 unconfirmed",
        "1 left out",
    ]
    (bar,) = screen.at.get("progress")
    assert (bar.proto.value, bar.proto.text) == (0, "0 of 3 have ended · all sent in about 6 s")
    assert buttons(screen) == {"Pause": True, "Resume": False, "Abort": True}
    assert "cannot be done: its inputs are not known here" in values(screen, "problem")
    assert values(screen, "replay") == [""] * 4


def test_what_is_not_sent_yet_is_estimated_where_the_generation_has_it(runs_desk: Desk):
    screen = runs_desk.open("bulk", id=str(begin(runs_desk, keep_failures(runs_desk, 3))))
    runs_desk.parts.bulk_runner.step()
    screen.run().press("Estimate the cost").expect_no_traceback()
    assert "Estimated: 8 credits for 2 not sent yet at " in screen.text
    screen.press("Abort")
    assert "Estimated" not in screen.text


def test_without_estimates_none_is_offered_beside_the_progress(desk: Desk):
    screen = desk.open("bulk", id=str(begin(desk, keep_failures(desk, 2))))
    assert not screen.has_widget("button", "Estimate the cost")


def test_it_is_paused_resumed_and_aborted_by_its_buttons(desk: Desk):
    screen = desk.open("bulk", id=str(begin(desk, keep_failures(desk, 2))))
    for label, state, can in (
        ("Pause", BulkState.PAUSED, {"Pause": False, "Resume": True, "Abort": True}),
        ("Resume", BulkState.RUNNING, {"Pause": True, "Resume": False, "Abort": True}),
        ("Abort", BulkState.ABORTED, {"Pause": False, "Resume": False, "Abort": False}),
    ):
        screen.press(label).expect_no_traceback()
        assert find_bulk(desk, 1).state is state
        assert badges(screen)[0] == state
        assert buttons(screen) == can
    assert "2 not sent" in badges(screen)


def test_a_viewer_steers_nothing(desk: Desk, as_viewer: None):
    screen = desk.open("bulk", id=str(begin(desk, keep_failures(desk, 1)))).press("Abort")
    assert len(screen.errors) == 1
    assert find_bulk(desk, 1).state is BulkState.RUNNING


def test_one_that_stopped_says_why_and_its_replay_is_opened_from_the_table(desk: Desk):
    ids = keep_failures(desk, 2)
    screen = desk.open("bulk", id=str(begin(desk, ids)))
    desk.parts.bulk_runner.step()
    replay = desk.newest()
    screen.run()
    assert "1 under way" in badges(screen)
    assert "the others wait until the first has ended" in screen.at.get("progress")[0].proto.text
    desk.finish(replay)
    with desk.parts.engines.reading() as connection:
        bulk = bulks.find(connection, 1)
    desk.parts.clock.sleep(1.0)
    desk.parts.bulk_runner.step()
    screen.run()
    assert badges(screen)[0] == "stopped"
    assert "It stopped by itself." in screen.text
    assert bulk.stopped_because is None
    assert buttons(screen) == {"Pause": False, "Resume": True, "Abort": True}
    assert values(screen, "replay")[0] == f"#{replay}"
    sent = int(values(screen, "execution")[0][1:])
    for column, opened in (("replay", replay), ("execution", sent)):
        again = desk.open("bulk", id="1")
        selection = {"selection": {"rows": [], "columns": [], "cells": [(0, column)]}}
        again.at.session_state["bulk_items:1"] = selection
        assert again.run().params == {"id": str(opened)}


@pytest.mark.parametrize("bulk_id", ["7", "0", "9" * 17])
def test_an_operation_that_is_not_here_is_told(desk: Desk, bulk_id: str):
    assert f"There is no bulk operation {bulk_id} in this store." in desk.open("bulk", id=bulk_id).text


@pytest.mark.parametrize("bulk_id", ["x", "-1", "9" * 30, "١", "²"])
def test_garbage_in_the_address_leads_to_the_history(desk: Desk, bulk_id: str):
    screen = desk.open("bulk", id=bulk_id)
    assert screen.errors == []


# The history


def test_the_empty_history_says_where_to_choose(desk: Desk):
    screen = desk.open("bulk")
    assert "Tick rows on Executions, choose all that a filter matches there" in screen.text


def test_the_history_is_newest_first_and_a_click_opens_one(desk: Desk):
    ids = keep_failures(desk, 3)
    begin(desk, ids[:2], reason="first")
    begin(desk, ids[2:], reason="second", patch=Patch(PatchKind.REMOVE, "Strength"))
    desk.parts.bulks.abort(ADA, 2)
    screen = desk.open("bulk")
    assert values(screen, "why") == ["second", "first"]
    assert values(screen, "what") == ["replay, remove Strength", "replay unchanged"]
    assert (values(screen, "number"), values(screen, "who")) == ([1, 2], ["Ada", "Ada"])
    assert [list(state) for state in values(screen, "state")] == [["⊘ aborted"], ["▶ running"]]
    selection = {"selection": {"rows": [], "columns": [], "cells": [(1, "why")]}}
    screen.at.session_state["bulks:2:1"] = selection
    assert screen.run().params == {"id": "1"}


def test_a_choice_that_waits_can_be_gone_on_with(desk: Desk):
    screen = open_form(desk, keep_failures(desk, 2)).go("bulk")
    (label,) = [link.proto.label for link in screen.at.get("page_link") if "Go on" in link.proto.label]
    assert label.startswith("Go on with 2 executions chosen at ")


def test_texts_from_outside_are_shown_letter_by_letter(desk: Desk):
    for text in HOSTILE.values():
        (row_id,) = keep_failures(desk, 1, Photo=text)
        wish = {"reason": text[:300], "patch": Patch(PatchKind.REPLACE, "Photo", find=text[:5], replacement=PHOTO)}
        selection = desk.parts.bulks.choose_rows([row_id])
        previews = desk.parts.bulks.preview(selection, Wish(BulkKind.REPLAY, **wish))
        assert previews
        screen = desk.open("bulk", id=str(begin(desk, [row_id], **wish)))
        assert text[:300].strip() in screen.text
