"""A start whose answer was lost: what is suggested, and the ways out that only an operator takes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lamina_core import errors, registration, starts
from lamina_core.domain import Generation, Operator, Origin, Registration, Role
from lamina_core.sandbox.server import Sandbox
from lamina_core.store import events
from tests.pages.conftest import ADA, APPS, Desk, Screen, wait_until

APP = "Studio Product Shot"
BY_APP_AND_TIME = "Nobody here started these; they fit by app and time only:"
VERA = Operator("Vera", Role.VIEWER)


def lose_answer(desk: Desk, app: str = APP, **inputs: Any) -> int:
    """Start something that Lamina accepts without our hearing of it."""
    desk.arm("answer_lost")
    row_id = desk.start(app, **inputs)
    assert desk.row(row_id).status == "start_unconfirmed"
    return row_id


def find_at_lamina(desk: Desk) -> str:
    """The id that an operator finds when they look the last start up in Lamina."""
    return str(desk.log()["starts"][-1]["executionId"])


def start_elsewhere(desk: Desk, app: str = APP) -> str:
    """Start an execution as a product's backend does, and return Lamina's id of it."""
    url, headers = f"{desk.sandbox_url}/api/apps/{APPS[app]}/executions", {"x-api-key": "lma_of_the_backend"}
    answer = httpx.post(url, headers=headers, json={"inputs": {"Product Name": "a"} if "Copy" in app else {}})
    return str(answer.raise_for_status().json()["data"]["executionId"])


def register(desk: Desk, name: str, app: str = APP, *, after: float = 0.0, inputs: dict[str, Any] | None = None) -> int:
    """Have a backend register an execution that it started some seconds after now."""
    now = desk.parts.clock.now()
    given = Registration(name, APPS[app], Origin.REGISTERED, inputs, now + timedelta(seconds=after))

    def work(connection: Any) -> int | None:
        return registration.register(connection, [given], "a backend", Generation.EXECUTIONS, now)[0].execution

    row_id = desk.parts.writer.run(work)
    assert row_id is not None
    return row_id


def opened(desk: Desk, row_id: int) -> Screen:
    return desk.open("execution", id=str(row_id))


def suggested(screen: Screen) -> list[str]:
    """The ids beside which the screen offers "It is this one", in their order."""
    return [button.key.rpartition(":")[2] for button in screen.at.button if button.label == "It is this one"]


def give(screen: Screen, name: str) -> Screen:
    """Paste an id and say that it is the start's."""
    screen.widget("text_input", "It exists").set_value(name)
    return screen.run().press("Link this id").expect_no_traceback()


def timeline(desk: Desk, row_id: int) -> list[tuple[str, str]]:
    with desk.parts.engines.reading() as connection:
        return [(event.kind, event.actor) for event in events.of_execution(connection, row_id)]


def requests(desk: Desk) -> int:
    return len(desk.log()["requests"])


# What is suggested


def test_what_fits_by_app_and_time_is_suggested_with_how_far_apart_it_started(desk: Desk):
    row_id = lose_answer(desk)
    register(desk, "fits", after=30)
    screen = opened(desk, row_id)
    assert BY_APP_AND_TIME in screen.text
    assert suggested(screen) == ["fits"]
    assert "`fits` queued, started 20" in screen.text
    assert " s apart" in screen.text


def test_what_does_not_fit_is_not_suggested(desk: Desk):
    row_id = lose_answer(desk)
    register(desk, "other-app", "Cartoon Portrait")
    register(desk, "long-before", after=-120)
    register(desk, "long-after", after=360)
    desk.start(APP)  # started here, so it is no stranger's
    screen = opened(desk, row_id)
    assert suggested(screen) == []
    assert BY_APP_AND_TIME not in screen.text
    assert "Nothing here fits by app and time." in screen.text


def test_what_is_known_to_have_other_inputs_is_not_suggested_and_the_same_inputs_are(desk: Desk):
    row_id = lose_answer(desk, Background="Sage green")
    register(desk, "others", inputs={"Background": "Sand"})
    register(desk, "same", inputs=dict(desk.payload(row_id).inputs or {}))
    register(desk, "unknown")
    assert suggested(opened(desk, row_id)) == ["same", "unknown"]


def test_what_lamina_no_longer_knows_is_not_suggested(desk: Desk):
    row_id = lose_answer(desk)
    gone = register(desk, "gone")
    for _ in range(3):
        desk.refresh(gone)
    assert desk.row(gone).status == "gone"
    assert suggested(opened(desk, row_id)) == []


def test_however_many_have_other_inputs_the_one_that_fits_is_suggested(desk: Desk):
    row_id = lose_answer(desk)
    for number in range(6):
        register(desk, f"others-{number}", inputs={"n": number})
    register(desk, "fits")
    assert suggested(opened(desk, row_id)) == ["fits"]


def test_nothing_is_linked_or_asked_by_looking(desk: Desk):
    row_id = lose_answer(desk)
    name = find_at_lamina(desk)
    register(desk, name)
    screen, before = opened(desk, row_id), requests(desk)
    for _ in range(3):
        screen.run()
    assert requests(desk) == before
    desk.step()  # the poller reads the registered one, and still nobody has said that it is this start
    wait_until(lambda: requests(desk) > before)
    desk.settle()
    assert desk.row(row_id).status == "start_unconfirmed"
    assert desk.row(row_id).execution_id is None
    assert desk.row_count() == 2
    assert suggested(screen.run()) == [name]


def test_only_a_lost_start_has_the_panel(desk: Desk):
    screen = desk.open("execution")
    for row_id in (desk.start(APP), desk.keep("failed"), register(desk, "others")):
        assert "Did Lamina accept this start?" not in screen.go("execution", id=str(row_id)).text


# It exists


def test_a_suggestion_that_the_operator_confirms_becomes_one_with_the_start(desk: Desk):
    row_id = lose_answer(desk)
    name = find_at_lamina(desk)
    register(desk, name)
    screen = opened(desk, row_id).press("It is this one").expect_no_traceback()
    assert [toast.value for toast in screen.at.toast] == ["Linked"]
    assert desk.row(row_id).execution_id == name
    assert desk.row_count() == 1, "the registered row and the start's are one"
    assert "Did Lamina accept this start?" not in screen.text
    assert desk.finish(row_id).status == "completed"
    assert desk.payload(row_id).inputs, "the start's own inputs stay"


def test_a_pasted_id_settles_the_start_with_who_linked_it(desk: Desk):
    row_id = lose_answer(desk)
    name = find_at_lamina(desk)
    screen = opened(desk, row_id)
    assert screen.widget("button", "Link this id").disabled
    give(screen, f"  {name} ")
    assert [toast.value for toast in screen.at.toast] == ["Linked"]
    assert desk.row(row_id).execution_id == name
    assert ("linked", "unnamed operator") in timeline(desk, row_id)
    assert "linked · unnamed operator" in screen.text
    assert "Did Lamina accept this start?" not in screen.text
    assert desk.finish(row_id).status == "completed"
    assert len(desk.log()["starts"]) == 1, "nothing was sent again"


def test_an_id_that_lamina_does_not_know_is_told_and_changes_nothing(desk: Desk):
    row_id = lose_answer(desk)
    screen = give(opened(desk, row_id), "no-such-id")
    for _ in range(2):  # the reason outlives the refreshes
        assert any("Lamina knows no execution no-such-id (404)." in text for text in screen.errors)
        screen.run()
    assert desk.row(row_id).status == "start_unconfirmed"
    assert timeline(desk, row_id) == [("status", "start"), ("started", "Ada")]


def test_an_id_of_another_app_is_told_and_changes_nothing(desk: Desk):
    row_id = lose_answer(desk)
    screen = give(opened(desk, row_id), start_elsewhere(desk, "Ad Copy Trio"))
    assert any(f"That is an execution of another app, {APPS['Ad Copy Trio']}." in text for text in screen.errors)
    assert desk.row(row_id).status == "start_unconfirmed"
    assert desk.row(row_id).execution_id is None
    assert desk.row_count() == 1


def test_an_id_that_was_started_here_is_told_and_changes_neither(desk: Desk):
    first = desk.start(APP)
    row_id = lose_answer(desk)
    before = desk.row(first)
    screen = give(opened(desk, row_id), str(before.execution_id))
    assert any(f"That execution was started here as #{first}." in text for text in screen.errors)
    assert desk.row(row_id).execution_id is None
    assert desk.row(first) == before


def test_of_two_lost_starts_one_id_settles_one(desk: Desk):
    first, second = lose_answer(desk), lose_answer(desk)
    name = find_at_lamina(desk)
    give(opened(desk, second), name)
    screen = give(opened(desk, first), name)
    assert any(f"That execution was started here as #{second}." in text for text in screen.errors)
    assert desk.row(first).status == "start_unconfirmed"


def test_blanks_are_no_id_and_ask_lamina_for_nothing(desk: Desk):
    row_id = lose_answer(desk)
    before = requests(desk)
    screen = give(opened(desk, row_id), "   ")
    assert any("id" in text for text in screen.errors)
    assert requests(desk) == before
    assert desk.row(row_id).status == "start_unconfirmed"


def test_a_lamina_that_does_not_answer_leaves_the_start_as_it_is(desk: Desk):
    row_id = lose_answer(desk)
    desk.arm("html", path="/executions/")
    screen = give(opened(desk, row_id), find_at_lamina(desk))
    assert any("cannot be read" in text for text in screen.errors)
    assert desk.row(row_id).status == "start_unconfirmed"


# It never started, or it is started again


def test_what_never_started_has_failed_to_start_with_who_said_so(desk: Desk):
    row_id = lose_answer(desk)
    screen = opened(desk, row_id).press("It never started").expect_no_traceback()
    assert desk.row(row_id).status == "start_failed"
    assert "unnamed operator says that it never started." in screen.errors
    assert "start unconfirmed → **start failed**: unnamed operator says that it never started." in screen.text
    assert not screen.widget("button", "Replay").disabled, "nothing can be billed twice any more"
    assert len(desk.log()["starts"]) == 1


def test_to_start_again_needs_consent_and_starts_one_replay(desk: Desk):
    row_id = lose_answer(desk, Background="Sage green")
    screen = opened(desk, row_id)
    assert screen.widget("button", "Replay").disabled
    assert screen.widget("button", "Start again").disabled
    screen.widget("checkbox", "Start again although it may be billed twice").check()
    screen.run()
    assert not screen.widget("button", "Start again").disabled
    assert len(desk.log()["starts"]) == 1, "consent alone sends nothing"
    screen.press("Start again").expect_no_traceback()
    again = desk.newest()
    assert screen.params == {"id": str(again)}
    assert desk.row(again).replay_of == row_id
    assert desk.payload(again).inputs == desk.payload(row_id).inputs
    assert [started["inputs"] for started in desk.log()["starts"]] == [desk.payload(row_id).inputs] * 2
    assert desk.row(row_id).status == "start_unconfirmed", "whether the first one runs is still not known"
    links = [link.proto.label for link in opened(desk, row_id).at.get("page_link")]
    assert links == [f"#{again}", "Compare"]


def test_consent_that_was_taken_back_disables_it_again(desk: Desk):
    screen = opened(desk, lose_answer(desk))
    screen.widget("checkbox", "Start again").check()
    screen.run().widget("checkbox", "Start again").uncheck()
    assert screen.run().widget("button", "Start again").disabled


def test_consent_for_one_start_is_none_for_another(desk: Desk):
    first, second = lose_answer(desk), lose_answer(desk)
    screen = opened(desk, first)
    screen.widget("checkbox", "Start again").check()
    screen.run().go("execution", id=str(second))
    assert screen.widget("button", "Start again").disabled


def test_without_consent_the_handler_refuses_too(desk: Desk):
    row_id = lose_answer(desk)
    with pytest.raises(errors.OperationRefused, match="billed twice"):
        desk.parts.operations.replay(ADA, row_id, starts.new_token(desk.parts.rng), None)
    assert len(desk.log()["starts"]) == 1


# Who may not


@pytest.mark.parametrize(
    "act",
    [
        lambda operations, row_id, token: operations.link(VERA, row_id, "exec-1"),
        lambda operations, row_id, token: operations.deny(VERA, row_id),
        lambda operations, row_id, token: operations.replay(VERA, row_id, token, None, may_bill_twice=True),
        lambda operations, row_id, token: operations.find_candidates(VERA, row_id),
    ],
    ids=["link", "deny", "replay", "find_candidates"],
)
def test_a_viewer_is_refused_by_the_handler_and_lamina_hears_nothing(desk: Desk, act: Callable[..., object]):
    row_id = lose_answer(desk)
    before = requests(desk)
    with pytest.raises(errors.OperationRefused, match="Vera is a viewer; this needs the role operator"):
        act(desk.parts.operations, row_id, starts.new_token(desk.parts.rng))
    assert requests(desk) == before
    assert desk.row(row_id).status == "start_unconfirmed"
    assert desk.row_count() == 1


def test_a_viewer_sees_on_the_screen_why_nothing_happens(desk: Desk, as_viewer: None):
    row_id = lose_answer(desk)
    screen = opened(desk, row_id).press("It never started").expect_no_traceback()
    assert "Vera is a viewer; this needs the role operator." in "\n".join(screen.errors)
    screen = give(screen, find_at_lamina(desk))
    assert "Vera is a viewer; this needs the role operator." in "\n".join(screen.errors)
    assert desk.row(row_id).status == "start_unconfirmed"


def test_what_was_settled_meanwhile_is_not_settled_again(desk: Desk):
    row_id = lose_answer(desk)
    opened(desk, row_id)
    desk.parts.operations.link(ADA, row_id, find_at_lamina(desk))
    with pytest.raises(errors.OperationRefused, match="This start needs no settling"):
        desk.parts.operations.deny(ADA, row_id)
    assert desk.row(row_id).status != "start_failed"


# Lamina's list


@pytest.fixture
def listing_desk(make_desk: Callable[..., Desk], own_sandbox: Sandbox) -> Desk:
    """A desk of generation `runs` with a sandbox in which nobody else starts anything."""
    made = make_desk(own_sandbox.base_url, LAMINA_API_GENERATION="runs")
    made.step()
    return made


def test_a_generation_without_the_list_names_the_setting_that_brings_it(desk: Desk):
    screen = opened(desk, lose_answer(desk))
    assert not screen.has_widget("button", "Look in Lamina's list")
    assert "Lamina's list needs LAMINA_API_GENERATION=runs." in screen.text


def test_lamina_s_list_suggests_what_fits_once_the_operator_looks_and_links_nothing(listing_desk: Desk):
    desk = listing_desk
    row_id = lose_answer(desk)
    start_elsewhere(desk, "Ad Copy Trio")
    name = desk.log()["starts"][0]["executionId"]
    screen = opened(desk, row_id)
    assert suggested(screen) == []
    screen.press("Look in Lamina's list").expect_no_traceback()
    assert suggested(screen) == [name], "of another app is not suggested"
    assert suggested(screen.run()) == [name], "what was found stays through the refreshes"
    assert desk.row(row_id).status == "start_unconfirmed"
    screen.press("It is this one").expect_no_traceback()
    assert desk.row(row_id).execution_id == name
    assert desk.finish(row_id).status == "completed"


def test_what_is_accounted_for_here_is_not_suggested_from_the_list(listing_desk: Desk):
    desk = listing_desk
    desk.start(APP)
    register(desk, start_elsewhere(desk), inputs={"n": 1})
    row_id = lose_answer(desk)
    lost = find_at_lamina(desk)
    assert suggested(opened(desk, row_id).press("Look in Lamina's list")) == [lost]


def test_what_the_store_and_the_list_both_know_is_suggested_once(listing_desk: Desk):
    desk = listing_desk
    row_id = lose_answer(desk)
    name = find_at_lamina(desk)
    register(desk, name)
    screen = opened(desk, row_id)
    assert suggested(screen) == [name]
    assert suggested(screen.press("Look in Lamina's list").expect_no_traceback()) == [name]


def test_a_list_without_anything_that_fits_says_so(listing_desk: Desk):
    desk = listing_desk
    desk.arm("dropped_connection", path="/apps/", method="POST")  # Lamina never took this one
    row_id = desk.start(APP)
    assert desk.row(row_id).status == "start_unconfirmed"
    screen = opened(desk, row_id).press("Look in Lamina's list")
    assert "Lamina's list has none of this app at that time." in screen.text
    assert suggested(screen) == []


def test_a_list_that_cannot_be_read_is_told_and_the_reason_outlives_the_refreshes(listing_desk: Desk):
    desk = listing_desk
    row_id = lose_answer(desk)
    desk.arm("server_error", path="/v1/runs", method="GET")
    screen = opened(desk, row_id).press("Look in Lamina's list").expect_no_traceback()
    for _ in range(2):
        assert any("Internal server error" in text for text in screen.errors)
        screen.run()


def test_a_found_one_that_was_linked_elsewhere_meanwhile_is_refused(listing_desk: Desk):
    desk = listing_desk
    first, second = lose_answer(desk), lose_answer(desk)
    names = [started["executionId"] for started in desk.log()["starts"]]
    screen = opened(desk, first).press("Look in Lamina's list")
    assert sorted(suggested(screen)) == sorted(names)
    desk.parts.operations.link(ADA, second, names[1])
    screen.at.button(key=f"candidate:{first}:{names[1]}").click()
    screen.run().expect_no_traceback()
    assert any(f"That execution was started here as #{second}." in text for text in screen.errors)
    assert desk.row(first).status == "start_unconfirmed"
