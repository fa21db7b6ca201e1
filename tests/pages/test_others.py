"""Executions that others started: known by id and reference, their inputs by nobody here, replayed by the form."""

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from lamina_core import registration
from lamina_core.domain import Execution, Generation, Origin, Registration, Report, Status
from tests.pages.conftest import APPS, Desk, Screen

APP = "Studio Product Shot"
NOT_KNOWN = "Not known here: others started this execution. Replay asks for them."


def start_elsewhere(desk: Desk, app: str = APP, **inputs: Any) -> str:
    """Start an execution as a product's backend does, and return Lamina's id of it."""
    url, headers = f"{desk.sandbox_url}/api/apps/{APPS[app]}/executions", {"x-api-key": "lma_of_the_backend"}
    answer = httpx.post(url, headers=headers, json={"inputs": inputs})
    return str(answer.raise_for_status().json()["data"]["executionId"])


def register(
    desk: Desk, name: str, app: str = APP, *, inputs: dict[str, Any] | None = None, reference: str | None = None
) -> int:
    """Have a backend register an execution that it started, as `POST /api/executions` does."""
    now = desk.parts.clock.now()
    document = {"executionId": name, "appId": APPS.get(app, app), "inputs": inputs, "reference": reference}
    given = registration.parse(document, Origin.REGISTERED, now)

    def work(connection: Any) -> int | None:
        return registration.register(connection, [given], "a backend", Generation.EXECUTIONS, now)[0].execution

    row_id = desk.parts.writer.run(work)
    assert row_id is not None
    return row_id


def opened(desk: Desk, row_id: int) -> Screen:
    return desk.open("execution", id=str(row_id))


def links(screen: Screen) -> list[str]:
    return [link.proto.label for link in screen.at.get("page_link")]


def follow(screen: Screen, name: str) -> Screen:
    """Stay on the screen that a button led to: AppTest goes there for that one run only."""
    return screen.go(name, **screen.params).expect_no_traceback()


def replay_by_form(desk: Desk, row_id: int) -> Screen:
    return follow(opened(desk, row_id).press("Replay").expect_no_traceback(), "start")


def paste(screen: Screen, text: str) -> Screen:
    screen.widget("text_input", "Go to").set_value(text)
    return screen.run().expect_no_traceback()


def track(screen: Screen, execution_id: str, reference: str = "") -> Screen:
    screen.widget("text_input", "Lamina's id of the execution").set_value(execution_id)
    screen.widget("text_input", "Reference").set_value(reference)
    return screen.press("Track").expect_no_traceback()


def requests(desk: Desk) -> int:
    return len(desk.log()["requests"])


# An escaped sign, or one that Markdown or Streamlit would take for more than itself.
SIGNS = re.compile(r"\\(?P<kept>[!-/:-@\[-`{-~])|[*_\[\]<>$~`]|:(?=[a-z_]+[:/\[])|(?<=\s)-(?=>)")
CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.*?)(?<!`)\1(?!`)", re.DOTALL)


def read_markdown(text: str) -> str:
    """What Markdown shows of a line; a sign that it would not show as itself becomes \ufffd."""
    shown, rest = "", text
    while found := CODE.search(rest):
        code = found[2]
        is_padded = code != code.strip() and code[:1] == code[-1:] == " "  # CommonMark takes one space from each end
        shown += read_markdown(rest[: found.start()]) + (code[1:-1] if is_padded else code)
        rest = rest[found.end() :]
    return shown + SIGNS.sub(lambda sign: sign["kept"] or "\ufffd", rest).replace("\u2060", "").replace("\u00a0", " ")


# Inputs that nobody here knows


def test_an_execution_of_others_says_who_started_it_and_that_its_inputs_are_not_known(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    assert desk.finish(row_id).status == "completed"
    screen = opened(desk, row_id)
    assert "by others, registered here" in screen.text
    assert NOT_KNOWN in screen.text
    assert "It is done. The results are below." in screen.text
    assert "No webhook has come. Others started this execution; whether they asked for one is not known here." in (
        screen.text
    )
    assert screen.at.image, "its results are known all the same"


@pytest.mark.parametrize(
    ("origin", "words"),
    [(Origin.IMPORTED, "by others, imported"), (Origin.WEBHOOK, "by others, known from a webhook")],
)
def test_every_door_has_its_words(desk: Desk, origin: Origin, words: str):
    now = desk.parts.clock.now()
    report = Report("e-1", Status.RUNNING, "running", {"status": "running"}, app_id=APPS[APP])

    def work(connection: Any) -> list[int]:
        return registration.take_in(connection, [report], origin, "poll", now, Generation.EXECUTIONS, now)

    screen = opened(desk, desk.parts.writer.run(work)[0])
    assert words in screen.text
    assert NOT_KNOWN in screen.text


def test_where_the_backend_told_the_inputs_they_are_shown_and_replayed(desk: Desk):
    inputs = {"Background": "Sage green"}
    row_id = register(desk, start_elsewhere(desk, **inputs), inputs=inputs)
    screen = opened(desk, row_id)
    assert NOT_KNOWN not in screen.text
    replay_by_form(desk, row_id).press("Replay").expect_no_traceback()
    assert desk.newest() != row_id
    assert desk.row(desk.newest()).replay_of == row_id
    assert desk.payload(desk.newest()).inputs == inputs


def test_an_execution_that_was_registered_late_started_when_lamina_says(desk: Desk):
    name, now = start_elsewhere(desk), desk.parts.clock.now() + timedelta(minutes=1)
    given = Registration(name, APPS[APP], Origin.REGISTERED)

    def work(connection: Any) -> int | None:
        return registration.register(connection, [given], "a backend", Generation.EXECUTIONS, now)[0].execution

    row_id = desk.parts.writer.run(work)
    assert row_id is not None
    desk.finish(row_id)
    report = desk.payload(row_id).last_report or {}
    started = datetime.fromisoformat(report["createdAt"])
    assert f"**Started** {started:%Y-%m-%d %H:%M:%S} UTC by others" in opened(desk, row_id).text
    assert desk.row(row_id).completed_at >= desk.row(row_id).created_at, "else it took less than no time"


def test_replay_asks_for_the_inputs_in_the_form_and_sends_nothing_by_itself(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    before = len(desk.log()["starts"])
    screen = opened(desk, row_id).press("Replay").expect_no_traceback()
    assert screen.params == {"app": APPS[APP], "replay_of": str(row_id)}
    assert f"This replays #{row_id}, whose inputs are not known here: fill them in." in screen.text
    assert screen.has_widget("text_input", "Product Photo") or screen.has_widget("text_area", "Product Photo")
    assert len(desk.log()["starts"]) == before
    assert desk.row_count() == 1


def test_what_the_form_starts_is_its_replay_and_both_know_of_each_other(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    screen = replay_by_form(desk, row_id).press("Replay").expect_no_traceback()
    again = desk.newest()
    assert again != row_id
    assert screen.params == {"id": str(again)}
    assert (desk.row(again).replay_of, desk.row(again).origin) == (row_id, Origin.REPLAY)
    assert links(screen) == [f"#{row_id}", "Compare"]
    desk.finish(again)
    screen = opened(desk, row_id)
    assert links(screen) == [f"#{again}", "Compare"]
    assert "replayed · unnamed operator" in screen.text


def test_a_replay_of_the_form_s_start_has_the_inputs_that_were_filled_in(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    screen = replay_by_form(desk, row_id)
    screen.widget("text_area", "Scene Notes").set_value("filled  in ")
    follow(screen.run().press("Replay"), "execution")
    first = desk.newest()
    screen = replay_by_form(desk, first)
    assert "Unchanged from" in screen.text
    screen.press("Replay").expect_no_traceback()
    assert screen.params == {"id": str(desk.newest())}
    assert desk.row(desk.newest()).replay_of == first
    assert desk.payload(desk.newest()).inputs == desk.payload(first).inputs
    assert desk.payload(first).inputs["Scene Notes"] == "filled  in "


def test_the_form_of_a_replay_is_not_the_form_that_was_left_half_filled(desk: Desk):
    row_id = register(desk, start_elsewhere(desk, "Ad Copy Trio", **{"Product Name": "a"}), "Ad Copy Trio")
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    screen.widget("text_input", "Product Name").set_value("half done")
    screen.run().go("execution", id=str(row_id)).press("Replay").expect_no_traceback()
    assert "This replays" in screen.text
    assert screen.widget("text_input", "Product Name").value == ""
    screen.go("start", app=APPS["Ad Copy Trio"])
    assert "This replays" not in screen.text, "a form opened from its card replays nothing"


def test_a_refused_replay_brings_the_form_back_and_stays_a_replay(desk: Desk):
    row_id = register(desk, start_elsewhere(desk, "Ad Copy Trio", **{"Product Name": "a"}), "Ad Copy Trio")
    screen = replay_by_form(desk, row_id).press("Replay").expect_no_traceback()
    assert screen.errors == ["It has no default: give a value."]
    screen.widget("text_input", "Product Name").set_value("Trail Runner")
    screen.run().press("Replay").expect_no_traceback()
    assert desk.row(desk.newest()).replay_of == row_id


def test_another_app_that_is_chosen_instead_replays_nothing(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    screen = replay_by_form(desk, row_id).press("Other app")
    screen.at.button(key=f"open:{APPS['Cartoon Portrait']}").click()
    screen.run().expect_no_traceback()
    assert screen.params == {"app": APPS["Cartoon Portrait"]}
    assert "This replays" not in screen.text


@pytest.mark.parametrize("asked", ["", "abc", "-1", "1.5", "²", "9" * 18, "9" * 5_000, "<b>", "1 OR 1=1"])
def test_what_is_no_number_replays_nothing(desk: Desk, asked: str):
    screen = desk.open("start", app=APPS[APP], replay_of=asked)
    assert "whose inputs are not known here" not in screen.text
    screen.press("Start").expect_no_traceback()
    assert desk.row(desk.newest()).replay_of is None


def test_a_replay_of_what_is_not_here_is_told_before_anything_is_sent(desk: Desk):
    screen = desk.open("start", app=APPS[APP], replay_of="999")
    assert screen.errors == ["There is no execution 999 in this store."]
    assert screen.widget("button", "Replay").disabled
    assert desk.row_count() == 0
    assert desk.log()["starts"] == []


def test_the_form_does_not_call_inputs_unknown_that_are_known(desk: Desk):
    row_id = desk.start(APP)
    screen = desk.open("start", app=APPS[APP], replay_of=str(row_id))
    assert "whose inputs are not known here" not in screen.text


def test_an_execution_of_one_app_is_not_replayed_as_another(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    screen = desk.open("start", app=APPS["Cartoon Portrait"], replay_of=str(row_id))
    assert "This replays" not in screen.text


def test_the_app_of_an_execution_of_which_lamina_named_none_cannot_be_opened_and_says_so(desk: Desk):
    now = desk.parts.clock.now()
    report = Report("e-1", Status.COMPLETED, "completed", {"status": "completed"})

    def work(connection: Any) -> list[int]:
        return registration.take_in(connection, [report], Origin.WEBHOOK, "delivery", now, Generation.EXECUTIONS, now)

    screen = opened(desk, desk.parts.writer.run(work)[0])
    assert "unknown app" in screen.text
    screen.press("Replay").expect_no_traceback()
    assert any("App not found" in text for text in screen.errors)


# References


def test_a_reference_stands_in_the_table_and_on_the_execution(desk: Desk):
    row_id = register(desk, start_elsewhere(desk), reference="ORDER-4711")
    desk.keep("completed", age=600)
    rows = desk.open("executions").rows()
    assert [row["reference"] for row in rows] == ["ORDER-4711", ""]
    assert "**Reference** ORDER-4711" in opened(desk, row_id).text


def test_without_references_the_table_has_no_column_for_them(desk: Desk):
    desk.keep("completed")
    assert "reference" not in desk.open("executions").rows()[0]


@pytest.mark.parametrize(("text", "found"), [("ORDER-4711", 1), ("order-47", 2), ("4711", 1), ("ORDER_4711", 0)])
def test_the_text_filter_finds_a_reference_by_any_part_of_it(desk: Desk, text: str, found: int):
    register(desk, "e-1", reference="ORDER-4711")
    register(desk, "e-2", reference="ORDER-4799")
    register(desk, "e-3")
    assert len(desk.open("executions", q=text).rows()) == found


def test_the_go_to_box_leads_from_a_reference_or_its_beginning_to_the_execution(desk: Desk):
    row_id = register(desk, "e-1", reference="ORDER-4711")
    register(desk, "e-2", reference="TICKET-1")
    for pasted in ("ORDER-4711", "  ORDER-4711\n", "ORDER"):
        assert paste(desk.open("overview"), pasted).params == {"id": str(row_id)}, pasted


def test_a_reference_of_several_executions_leads_to_the_list_of_them(desk: Desk):
    for number in range(3):
        register(desk, f"e-{number}", reference="ORDER-4711")
    screen = paste(desk.open("overview"), "ORDER-4711")
    assert screen.params == {"q": "ORDER-4711"}
    assert [row["reference"] for row in screen.rows()] == ["ORDER-4711"] * 3


def test_a_whole_reference_leads_to_its_execution_although_longer_ones_begin_with_it(desk: Desk):
    row_id = register(desk, "e-1", reference="ORDER-1")
    for number in range(3):
        register(desk, f"e-1{number}", reference=f"ORDER-1{number}")
    assert paste(desk.open("overview"), "ORDER-1").params == {"id": str(row_id)}


# Tracking an id


def test_a_tracked_id_opens_the_execution_with_its_reference(desk: Desk):
    name = start_elsewhere(desk)
    screen = track(desk.open("executions"), f"  {name} ", " ORDER-4711 ")
    row_id = desk.newest()
    assert screen.params == {"id": str(row_id)}
    row = desk.row(row_id)
    assert (row.execution_id, row.app_name, row.reference) == (name, APP, "ORDER-4711")
    assert row.origin is Origin.REGISTERED
    assert "registered · unnamed operator" in screen.text
    assert NOT_KNOWN in screen.text
    assert desk.finish(row_id).status == "completed"


def test_an_unknown_id_is_told_and_nothing_is_taken_in(desk: Desk):
    screen = track(desk.open("executions"), "no-such-id", "ORDER-1")
    assert screen.errors == ["Lamina knows no execution no-such-id in this workspace (404)."]
    assert desk.row_count() == 0
    assert screen.widget("text_input", "Lamina's id").value == "no-such-id", "to be corrected"


@pytest.mark.parametrize("nothing", ["", "   "])
def test_nothing_to_track_is_told_without_asking_lamina(desk: Desk, nothing: str):
    before = requests(desk)
    screen = track(desk.open("executions"), nothing, "ORDER-1")
    assert screen.errors == ["Paste Lamina's id of the execution to track."]
    assert requests(desk) == before


def test_an_id_that_is_known_already_opens_what_is_here(desk: Desk):
    row_id = register(desk, start_elsewhere(desk))
    screen = track(desk.open("executions"), str(desk.row(row_id).execution_id), "ORDER-1")
    assert screen.params == {"id": str(row_id)}
    assert desk.row(row_id).reference == "ORDER-1"
    assert desk.row_count() == 1


def test_to_track_without_a_reference_keeps_the_one_that_is_known(desk: Desk):
    row_id = register(desk, start_elsewhere(desk), reference="ORDER-1")
    track(desk.open("executions"), str(desk.row(row_id).execution_id))
    assert desk.row(row_id).reference == "ORDER-1"


def test_an_id_that_was_started_here_is_found_and_keeps_its_inputs_and_starter(desk: Desk):
    row_id = desk.start(APP)
    before: Execution = desk.row(row_id)
    screen = track(desk.open("executions"), str(before.execution_id))
    assert screen.params == {"id": str(row_id)}
    assert (desk.row(row_id).origin, desk.row(row_id).started_by) == (before.origin, before.started_by)
    assert desk.payload(row_id).inputs
    assert desk.row_count() == 1


def test_a_lamina_that_does_not_answer_takes_nothing_in(desk: Desk):
    name = start_elsewhere(desk)
    desk.arm("html", path="/executions/")
    screen = track(desk.open("executions"), name)
    assert any("cannot be read" in text for text in screen.errors)
    assert desk.row_count() == 0


def test_a_viewer_tracks_nothing(desk: Desk, as_viewer: None):
    name, before = start_elsewhere(desk), requests(desk)
    screen = track(desk.open("executions"), name)
    assert screen.errors == ["Vera is a viewer; this needs the role operator."]
    assert requests(desk) == before
    assert desk.row_count() == 0


def test_a_reference_that_a_backend_could_not_give_is_not_taken_from_an_operator_either(desk: Desk):
    name = start_elsewhere(desk)
    screen = desk.open("executions")
    for reference in ("x" * 201, "zero\u200bwidth", "bell\x07"):
        with pytest.raises(ValueError, match="reference"):  # the same door's rule for backends
            register(desk, "e-1", reference=reference)
        track(screen, name, reference)
        assert screen.errors, reference[:20]
        screen.go("executions")
    assert desk.row_count() == 0


# Hostile references and ids

HOSTILE_NAMES = {
    "markdown": "# **bold** _it_ [a](https://example.com) ![i](/i.png) | a | 1. x - [ ] ~~s~~",
    "html": "<script>alert(1)</script><b onclick='x'>&amp;</b>",
    "directive": ":material/delete: :red[red] :blue-badge[b] :smile:",
    "latex": "$\\frac{a}{b}$",
    "path": "../../apps?a=1#b%2F\\",
    "long": "x" * 200,
}
BACKTICKS = "`a` ``b`` ` **c** ![i](/i.png) `"  # these end a code span, and what follows is Markdown again
# Around a code span that holds backticks Markdown drops one space at each end.


def facts_of(screen: Screen) -> str:
    (facts,) = [each.value for each in screen.at.caption if "Lamina's id" in each.value]
    return read_markdown(facts)


def errors_of(screen: Screen) -> list[str]:
    return [read_markdown(element.value) for element in screen.at.error]


def test_hostile_references_are_shown_letter_by_letter(desk: Desk):
    screen = desk.open("execution")
    for text in (*HOSTILE_NAMES.values(), BACKTICKS):
        row_id = register(desk, f"e-{len(text)}", reference=text)
        assert f"Reference\ufffd\ufffd {text} · " in facts_of(
            screen.go("execution", id=str(row_id)).expect_no_traceback()
        )
        assert screen.go("executions").rows()[0]["reference"] == text
        assert paste(screen, text).params == {"id": str(row_id)}


def test_hostile_ids_are_shown_letter_by_letter(desk: Desk):
    screen = desk.open("execution")
    for text in HOSTILE_NAMES.values():
        row_id = register(desk, text)
        facts = facts_of(screen.go("execution", id=str(row_id)).expect_no_traceback())
        assert f"Lamina's id\ufffd\ufffd {text} · \ufffd\ufffdStarted" in facts
        assert screen.go("executions").rows()[0]["id"] == text[:8]


def test_an_id_with_backticks_is_shown_letter_by_letter(desk: Desk):
    facts = facts_of(opened(desk, register(desk, BACKTICKS)))
    assert f"Lamina's id\ufffd\ufffd {BACKTICKS} · \ufffd\ufffdStarted" in facts


def suggestions(desk: Desk, *names: str) -> list[str]:
    """The lines in which a lost start's screen suggests these executions."""
    desk.arm("answer_lost")
    row_id = desk.start(APP)
    for name in names:
        register(desk, name)
    lines = [each.value for each in opened(desk, row_id).at.markdown if "s apart" in each.value]
    return [read_markdown(line).partition(" queued, started 20")[0] for line in lines]


def test_hostile_ids_are_suggested_letter_by_letter(desk: Desk):
    names = list(HOSTILE_NAMES.values())[:5]  # more are not suggested
    assert suggestions(desk, *names) == names


def test_an_id_with_backticks_is_suggested_letter_by_letter(desk: Desk):
    assert suggestions(desk, BACKTICKS) == [BACKTICKS]


def test_hostile_ids_that_lamina_does_not_know_are_told_letter_by_letter(desk: Desk):
    desk.arm("answer_lost")
    lost, screen = desk.start(APP), desk.open("executions")
    for text in (*HOSTILE_NAMES.values(), BACKTICKS, "x" * 5_000):
        track(screen.go("executions"), text)
        assert errors_of(screen) == [f"Lamina knows no execution {text} in this workspace (404)."]
        screen.go("execution", id=str(lost)).widget("text_input", "It exists").set_value(text)
        screen.run().press("Link this id").expect_no_traceback()
        assert any(f"Lamina knows no execution {text} (404)." in error for error in errors_of(screen))


def test_lamina_s_page_of_a_hostile_id_is_that_execution_s(desk: Desk):
    row_id = register(desk, "../../apps?a=1#b")
    (link,) = [each.proto.url for each in opened(desk, row_id).at.get("link_button")]
    assert link == f"{desk.sandbox_url}/runs/..%2F..%2Fapps%3Fa%3D1%23b"


def test_a_very_long_reference_in_the_filter_finds_its_execution(desk: Desk):
    register(desk, "e-1", reference="x" * 200)
    assert len(desk.open("executions", q="x" * 200).rows()) == 1
