"""The Execution screen: what happened to this one, and what an operator can do about it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lamina_core import intake
from lamina_core.domain import Absence, Event, Source, Status, Update
from lamina_core.insights import wording
from lamina_core.store import events
from tests.pages.conftest import HOSTILE, Desk, Screen, plain, wait_until


def output(label: str = "Picture", **changes: Any) -> dict[str, Any]:
    return {"label": label, "type": "text", "status": "completed", "value": None, "error": None} | changes


def opened(desk: Desk, row_id: int) -> Screen:
    return desk.open("execution", id=str(row_id))


# What happened


def test_an_execution_is_watched_from_queued_to_its_picture(desk: Desk):
    row_id = desk.start("Studio Product Shot")
    screen = opened(desk, row_id)
    assert "Lamina has accepted it and will begin soon." in screen.text
    assert "not ready yet" in screen.text
    desk.finish(row_id)
    screen.run()
    assert "It is done. The results are below." in screen.text
    assert [element.proto.imgs[0].url for element in screen.at.image] == [desk.payload(row_id).outputs[0]["value"]]


def test_a_video_gets_a_player(desk: Desk):
    row_id = desk.start("Product Spin")
    desk.finish(row_id)
    screen = opened(desk, row_id)
    assert [element.proto.url for element in screen.at.get("video")] == [desk.payload(row_id).outputs[0]["value"]]


def test_texts_are_shown_to_be_copied(desk: Desk):
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "Trail Runner"})
    desk.finish(row_id)
    shown = [element.value for element in opened(desk, row_id).at.code]
    for made in desk.payload(row_id).outputs:
        assert made["value"] in shown


def test_an_audio_output_gets_a_player_and_an_unknown_link_is_offered(desk: Desk):
    outputs = [
        output("Jingle", type="audio", value="https://example.com/a.mp3"),
        output("Model", type="hologram", value="https://example.com/a.glb"),
        output("Facts", type="text", value={"score": 0.5}),
    ]
    screen = opened(desk, desk.keep("completed", outputs=outputs))
    assert [element.proto.url for element in screen.at.get("audio")] == ["https://example.com/a.mp3"]
    assert "https://example.com/a.glb" in [link.proto.url for link in screen.at.get("link_button")]
    assert json.loads(screen.at.json[0].value) == {"score": 0.5}


def test_a_failure_shows_the_friendly_line_the_raw_error_and_the_output_s_own(desk: Desk):
    row_id = desk.start("Golden Hour Relight")
    desk.finish(row_id)
    screen = opened(desk, row_id)
    assert "It did not work out. The reason that Lamina gave is below" in screen.text
    assert screen.errors == [
        'Image generation timed out: the provider "northlight-relight-2" did not answer within 90 s',
        "Provider northlight-relight-2 timed out after 90 s (attempt 3 of 3)",
    ]


def test_of_a_partial_failure_every_output_shows_its_own_fate(desk: Desk):
    row_id = desk.start("Seasonal Trio")
    desk.finish(row_id)
    screen = opened(desk, row_id)
    assert "It is done, but 1 of 3 outputs failed. The others are below." in screen.text
    assert len(screen.at.image) == 2
    labels = [plain(element.value) for element in screen.at.caption]
    assert "**Spring** · image · completed" in labels
    assert "**Winter** · error" in labels


def test_two_outputs_of_one_label_are_both_shown(desk: Desk):
    row_id = desk.start("Full Catalogue Set")
    desk.finish(row_id)
    labels = [plain(element.value) for element in opened(desk, row_id).at.caption]
    assert labels.count("**AI Designer** · image · completed") == 2
    assert "**Output 4** · image · completed" in labels


STRANGE = [
    {},
    {"label": None, "type": None, "status": None},
    {"status": "error"},
    {"status": "completed", "type": "image", "value": ""},
    {"status": "completed", "type": "image", "value": "http://["},
    {"status": "completed", "type": "image", "value": "https://"},
    {"status": "completed", "type": "video", "value": "/etc/passwd"},
    {"status": "completed", "type": "image", "value": "javascript:alert(1)"},
    {"status": "completed", "type": "image", "value": ["https://example.com/a.png"]},
    {"status": "completed", "type": "text", "value": 0},
    {"status": "completed", "type": "text", "value": True},
    {"status": 7, "type": {}, "label": [], "value": "a", "error": {"code": 1}},
]


def test_no_output_however_strange_breaks_the_screen(desk: Desk):
    screen = desk.open("execution")
    for strange in STRANGE:
        row_id = desk.keep("completed", outputs=[strange, output("Good", value="fine")])
        screen.go("execution", id=str(row_id)).expect_no_traceback()
        assert "**Good** · text · completed" in screen.text, strange
        assert "fine" in [element.value for element in screen.at.code], strange


def test_a_link_that_no_longer_opens_is_told_with_the_reason(desk: Desk):
    dead, alive = f"{desk.sandbox_url}/sandbox/samples/gone.png", f"{desk.sandbox_url}/sandbox/samples/plant.png"
    outputs = [output("Lost", type="image", value=dead), output("Kept", type="image", value=alive)]
    screen = opened(desk, desk.keep("completed", outputs=outputs))
    links = desk.parts.links
    wait_until(lambda: links.state(dead).opens is False and links.state(alive).opens is True)
    screen.run()
    assert [plain(element.value) for element in screen.at.warning] == ["This link no longer opens: HTTP 404"]
    assert [element.proto.imgs[0].url for element in screen.at.image] == [alive]
    assert dead in [element.value for element in screen.at.code]


@pytest.mark.parametrize("status", [status for status in Status if status.value in {"queued", "running", "cancelled"}])
def test_every_status_has_its_sentence(desk: Desk, status: Status):
    assert wording._SENTENCES[status] in opened(desk, desk.keep(status)).text


def test_a_status_that_nobody_knows_is_shown_in_lamina_s_word(desk: Desk):
    text = opened(desk, desk.keep("melting")).text
    assert "unknown: melting" in text
    assert "It goes on being polled." in text


def test_a_lost_start_is_called_unconfirmed_and_gone_is_called_gone(desk: Desk):
    row_id = desk.keep("running")
    for _ in range(3):
        now = desk.parts.clock.now()
        update = Update(Source.POLL, now, row_id, absence=Absence.NOT_FOUND)
        desk.parts.writer.run(lambda connection, update=update, now=now: intake.apply_update(connection, update, now))
    assert "Lamina says that it knows no such execution." in opened(desk, row_id).text
    desk.arm("answer_lost")
    lost = desk.start("Studio Product Shot")
    assert "We do not know whether Lamina accepted this start" in opened(desk, lost).text


def test_one_in_flight_for_more_than_a_day_is_called_late(desk: Desk):
    assert "It is late: in flight for 2 d." in opened(desk, desk.keep("running", age=2 * 86_400 + 60)).text


def test_inputs_timeline_deliveries_polls_and_raw_report_are_there(desk: Desk):
    row_id = desk.start("Studio Product Shot", Background="Sage green")
    desk.finish(row_id)
    screen = opened(desk, row_id)
    codes = [element.value for element in screen.at.code]
    assert json.dumps(desk.payload(row_id).inputs, indent=2, ensure_ascii=False) in codes
    assert json.loads(codes[-1]) == desk.payload(row_id).last_report
    assert "starting → **queued**" in screen.text
    assert "→ **completed** · poll" in screen.text
    assert "started · Ada" in screen.text
    assert "No webhook has come. None was asked for at the start." in screen.text
    assert f"**Polls** {desk.row(row_id).poll_count}, last" in screen.text


def test_a_running_one_says_when_it_is_polled_next(desk: Desk):
    assert ", next at " in opened(desk, desk.start("Product Spin")).text


def test_a_poll_that_failed_is_told_beside_the_polls(desk: Desk):
    row_id = desk.start("Product Spin")
    desk.arm("html", path="/executions/")
    desk.refresh(row_id)
    assert "cannot be read: it is text/html" in opened(desk, row_id).text


def test_an_id_that_the_store_does_not_have_is_told(desk: Desk):
    screen = desk.open("execution")
    for asked in ("999", "0", "00", "9" * 17, "٧"):
        assert "There is no execution" in screen.go("execution", id=asked).expect_no_traceback().text, asked


def test_what_is_no_id_leads_to_the_list(desk: Desk):
    screen = desk.open("execution")
    for asked in ("", "-1", "abc", "1.5", "9" * 18, "1e3", "²", "<b>", "1 OR 1=1", "\x00"):
        assert "Which execution?" in screen.go("execution", id=asked).expect_no_traceback().text, asked


# Acting on it


def opened_replay(desk: Desk, row_id: int) -> Screen:
    """The form that Replay leads to: AppTest goes to another screen for one run only."""
    screen = opened(desk, row_id).press("Replay").expect_no_traceback()
    return screen.go("start", **screen.params).expect_no_traceback()


def test_replay_opens_the_form_with_the_same_inputs_and_starts_nothing_by_itself(desk: Desk):
    row_id = desk.start("Studio Product Shot", **{"Scene Notes": "exact  words "})
    screen = opened_replay(desk, row_id)
    assert screen.params == {"app": desk.row(row_id).app_id, "replay_of": str(row_id)}
    assert screen.at.session_state["draft"].inputs == desk.payload(row_id).inputs
    assert (desk.row_count(), len(desk.log()["starts"])) == (1, 1)


def test_replay_starts_the_same_again_and_both_know_of_each_other(desk: Desk):
    first = desk.start("Studio Product Shot", **{"Scene Notes": "exact  words "})
    screen = opened_replay(desk, first).press("Replay").expect_no_traceback()
    again = desk.newest()
    assert again != first
    assert screen.params == {"id": str(again)}
    assert desk.payload(again).inputs == desk.payload(first).inputs
    assert [link.proto.label for link in screen.at.get("page_link")] == [f"#{first}", "Compare"]
    desk.finish(again)
    links = [link.proto.label for link in opened(desk, first).at.get("page_link")]
    assert links == [f"#{again}", "Compare"]


def test_replay_of_a_refused_start_tells_the_reason_at_its_field_and_starts_once_it_is_given(desk: Desk):
    row_id = desk.start("Ad Copy Trio")
    assert desk.row(row_id).status == "start_failed"
    screen = opened(desk, row_id)
    assert any("Product Name" in text and "no default" in text for text in screen.errors)
    screen = opened_replay(desk, row_id).press("Replay").expect_no_traceback()
    assert screen.errors == ["It has no default: give a value."]
    assert desk.row_count() == 1, "nothing is sent that would surely be refused"
    screen.widget("text_input", "Product Name").set_value("Trail Runner")
    screen.run().press("Replay").expect_no_traceback()
    assert screen.params == {"id": str(desk.newest())}
    assert desk.row(desk.newest()).status in {"queued", "running"}
    assert desk.row(desk.newest()).replay_of == row_id


def test_a_late_second_click_that_brings_this_screen_back_goes_on_to_the_form(desk: Desk):
    row_id = desk.start("Studio Product Shot")
    params = {"app": desk.row(row_id).app_id, "replay_of": str(row_id)}
    screen = desk.open("execution", **params)
    assert screen.has_widget("text_area", "Scene Notes")
    assert screen.params == params


def test_check_now_reads_it_from_lamina(desk: Desk):
    row_id = desk.start("Studio Product Shot")
    wait_until(
        lambda: (
            httpx.get(
                f"{desk.sandbox_url}/api/executions/{desk.row(row_id).execution_id}", headers={"x-api-key": "lma_test"}
            ).json()["data"]["status"]
            == "completed"
        )
    )
    screen = opened(desk, row_id).press("Check now")
    assert desk.row(row_id).status == "completed"
    assert "It is done." in screen.text
    assert [toast.value for toast in screen.at.toast] == ["Read from Lamina"]


def test_a_check_that_fails_stays_on_the_screen_until_the_next_action(desk: Desk):
    row_id = desk.keep("running", execution_id="unknown-to-lamina")
    screen = opened(desk, row_id).press("Check now")
    for _ in range(2):  # it outlives the refreshes
        assert any("Lamina answers that it knows no such execution (404)." in text for text in screen.errors)
        screen.run()
    assert screen.go("execution", id=str(desk.keep("running"))).errors == []


def test_actions_that_cannot_be_done_are_not_offered(desk: Desk):
    desk.arm("answer_lost")
    screen = opened(desk, desk.start("Studio Product Shot"))
    assert screen.widget("button", "Check now").disabled
    assert screen.widget("button", "Replay").disabled, "it may be running: starting again asks for consent"


def test_without_cancel_the_setting_that_brings_it_is_named(desk: Desk):
    screen = opened(desk, desk.start("Product Spin"))
    assert not screen.has_widget("button", "Cancel")
    assert "Cancelling needs LAMINA_API_GENERATION=runs." in screen.text


def test_runs_can_cancel_what_is_in_flight(slow_desk: Desk):
    row_id = slow_desk.start("Product Spin")
    screen = opened(slow_desk, row_id).press("Cancel")
    assert slow_desk.row(row_id).status == "cancelled"
    assert "It was cancelled before it was done." in screen.text
    assert screen.widget("button", "Cancel").disabled
    assert "cancel asked" in screen.text


def test_cancelling_what_has_ended_meanwhile_shows_the_end(runs_desk: Desk):
    row_id = runs_desk.start("Studio Product Shot")
    screen = opened(runs_desk, row_id)
    runs_desk.finish(row_id)
    screen.press("Cancel").expect_no_traceback()
    assert "It is done." in screen.text
    assert screen.widget("button", "Cancel").disabled
    assert runs_desk.row(row_id).status == "completed"


def test_a_viewer_can_look_but_neither_replay_nor_check(desk: Desk, as_viewer: None):
    row_id = desk.start("Studio Product Shot")
    for screen in (opened_replay(desk, row_id).press("Replay"), opened(desk, row_id).press("Check now")):
        assert any("Vera is a viewer; this needs the role operator." in text for text in screen.errors)
    assert desk.row_count() == 1


def test_a_viewer_cannot_cancel(slow_desk: Desk, as_viewer: None):
    row_id = slow_desk.start("Product Spin")
    screen = opened(slow_desk, row_id).press("Cancel")
    assert any("this needs the role operator." in text for text in screen.errors)
    assert slow_desk.row(row_id).status in {"queued", "running"}


def test_lamina_s_own_page_is_linked(desk: Desk):
    row_id = desk.start("Product Spin")
    links = [link.proto.url for link in opened(desk, row_id).at.get("link_button")]
    assert links == [f"{desk.sandbox_url}/runs/{desk.row(row_id).execution_id}"]


def test_the_sandbox_has_no_page_of_its_own_to_link(make_desk: Callable[..., Desk], shared_sandbox: Any):
    desk = make_desk("", LAMINA_API_KEY="", LAMINA_BASE_URL="")
    screen = opened(desk, desk.keep("running"))
    assert "sandbox" in screen.text
    assert len(screen.at.get("link_button")) == 0


# Hostile texts


def test_hostile_texts_are_shown_letter_by_letter(desk: Desk):
    for text in HOSTILE.values():
        outputs = [output(text, type=text, value=text, error=text), output(text, type="image", status=text, value=text)]
        row_id = desk.keep("failed", error=text, app_name=text, started_by=text, outputs=outputs, inputs={text: text})
        event = Event(at=desk.parts.clock.now(), kind="noted", actor=text, execution=row_id)
        desk.parts.writer.run(lambda connection, event=event: events.append(connection, event))
        screen = opened(desk, row_id)
        assert plain(screen.at.subheader[0].value) == text.strip()
        assert screen.errors == [text.strip()[:2_000], text.strip()]
        assert f"by {text}" in screen.text
        assert f"noted · {text.strip()}" in screen.text
        assert f"**{text}** · {text} · completed" in screen.text
        assert text in [element.value for element in screen.at.code]
        assert {text: text} in [json.loads(element.value) for element in screen.at.code if element.value[:1] == "{"][:3]


def test_a_raw_status_that_is_hostile_is_shown_letter_by_letter(desk: Desk):
    for text in HOSTILE.values():
        assert f"unknown: {text}".strip() in opened(desk, desk.keep(text)).text
