"""Triage on an execution's screen: advice, state, assignee, ticket, notes, and their lines in the timeline."""

import pytest

from lamina_core.domain import Event, Operator, Role
from lamina_core.store import events, groups, resolutions
from lamina_core.triage.records import Failure
from pages.components.messages import plain as plain_markdown
from tests.pages.conftest import ADA, HOSTILE, Desk, Screen, plain

TIMEOUT = "The provider did not answer within 90 s"
SENTENCE = "This took longer than it may, so it was stopped. The same request can simply be tried again."


def opened(desk: Desk, row_id: int) -> Screen:
    return desk.open("execution", id=str(row_id))


def failure(desk: Desk, row_id: int) -> Failure:
    with desk.parts.engines.reading() as connection:
        found = groups.find_failure(connection, row_id)
    assert found is not None
    return found


def raw_timeline(screen: Screen) -> list[str]:
    """The Markdown of the timeline's lines, newest first, without their times."""
    (tab,) = [tab for tab in screen.at.tabs if tab.label == "Timeline"]
    return [line.value.partition("` ")[2] for line in tab.markdown]


def timeline(screen: Screen) -> list[str]:
    return [plain(line) for line in raw_timeline(screen)]


def can_press(screen: Screen) -> dict[str, bool]:
    wanted = {"Acknowledge", "Resolve", "Reopen"}
    return {button.label: not button.disabled for button in screen.at.button if button.label in wanted}


def enter(screen: Screen, label: str, text: str, button: str) -> Screen:
    """Fill a form's field and send that form."""
    kind = "text_area" if label.startswith("A note") else "text_input"
    field = screen.widget(kind, label)
    field.input(text)
    (send,) = [each for each in screen.at.button if each.label == button and each.proto.form_id == field.proto.form_id]
    send.click()
    return screen.run().expect_no_traceback()


def test_a_failure_has_advice_under_its_raw_error_with_a_sentence_to_copy(desk: Desk):
    screen = opened(desk, desk.keep("failed", error=TIMEOUT))
    assert "trouble at Lamina or an AI provider → replay unchanged" in screen.text.replace("*", "")
    assert SENTENCE in [element.value for element in screen.at.code]
    assert screen.errors == [TIMEOUT]


def test_a_failure_in_part_has_advice_and_triage_too(desk: Desk):
    outputs = [{"label": "A", "type": "image", "status": "error", "value": None, "error": TIMEOUT}]
    screen = opened(desk, desk.keep("completed", outputs=outputs))
    assert SENTENCE in [element.value for element in screen.at.code]
    assert can_press(screen) == {"Acknowledge": True, "Resolve": True, "Reopen": False}


def test_an_execution_that_has_not_failed_takes_notes_only(desk: Desk):
    row_id = desk.keep("completed")
    screen = opened(desk, row_id)
    assert can_press(screen) == {}
    screen = enter(screen, "A note", "Seen by the customer", "Add the note")
    assert timeline(screen)[0] == "note: Seen by the customer · unnamed operator"
    assert screen.widget("text_area", "A note").value == ""


def test_a_failure_is_acknowledged_resolved_and_opened_again_each_with_a_line(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = opened(desk, row_id).press("Acknowledge")
    assert "acknowledged by unnamed operator" in screen.text
    assert can_press(screen) == {"Acknowledge": False, "Resolve": True, "Reopen": True}
    screen.press("Resolve")
    assert "resolved by unnamed operator" in screen.text
    assert can_press(screen) == {"Acknowledge": False, "Resolve": False, "Reopen": True}
    screen.press("Reopen")
    assert can_press(screen) == {"Acknowledge": True, "Resolve": True, "Reopen": False}
    assert timeline(screen)[:3] == [
        f"{word} · unnamed operator" for word in ("opened again", "resolved", "acknowledged")
    ]


def test_an_assignee_is_written_and_taken_away(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = enter(opened(desk, row_id), "Who looks after it?", "Grace", "Save")
    assert failure(desk, row_id).assignee == "Grace"
    assert timeline(screen)[0] == "assigned to Grace · unnamed operator"
    assert screen.widget("text_input", "Who looks after it?").value == "Grace"
    screen = enter(screen, "Who looks after it?", "", "Save")
    assert failure(desk, row_id).assignee is None
    assert timeline(screen)[0] == "assigned to nobody · unnamed operator"


@pytest.mark.parametrize(
    ("ticket", "is_link"),
    [
        ("https://tickets.example.com/4711", True),
        ("http://tickets.example.com", True),
        ("javascript:alert(1)", False),
        ("SUP-4711", False),
        ("https://", False),
    ],
)
def test_a_ticket_is_a_link_only_where_it_is_a_web_address(desk: Desk, ticket: str, is_link: bool):
    row_id = desk.keep("failed", error=TIMEOUT)
    screen = enter(opened(desk, row_id), "Where else is it dealt with?", ticket, "Save")
    links = [link.proto.url for link in screen.at.get("link_button")]
    assert (ticket in links) is is_link
    assert timeline(screen)[0] == f"ticket: {ticket} · unnamed operator"
    assert is_link or f":material/confirmation_number: {ticket}" in screen.text


def test_a_replay_that_succeeds_closes_its_original_and_is_linked_from_it(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    replay = desk.keep("completed")

    now = desk.parts.clock.now()
    desk.parts.writer.run(lambda connection: resolutions.close_originals(connection, replay, row_id, now))
    screen = opened(desk, row_id)
    assert f"Closed by replay #{replay}" in [link.proto.label for link in screen.at.get("page_link")]
    assert timeline(screen)[0] == f"resolved by replay #{replay} · replay"


def test_its_group_is_linked_with_how_many_more_there_are(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    links = [plain(link.proto.label) for link in opened(desk, row_id).at.get("page_link")]
    assert links[-1].startswith("The only one of its kind: The provider did not answer")
    desk.keep("failed", error=TIMEOUT)
    desk.keep("failed", error=TIMEOUT)
    link = opened(desk, row_id).at.get("page_link")[-1].proto
    assert plain(link.label).startswith("2 more like it: The provider did not answer")
    assert link.query_string.endswith(failure(desk, row_id).fingerprint)


def test_what_it_shares_with_the_others_of_its_group_is_told_and_follows_them(desk: Desk):
    desk.keep("completed", inputs={"Size *": "small"})
    alone = opened(desk, desk.keep("failed", error=TIMEOUT, inputs={"Size *": "huge"}))
    assert "of its group" not in "".join(each.label for each in alone.at.expander)
    desk.keep("failed", error=TIMEOUT, inputs={"Size *": "huge"})
    screen = alone.run()
    (found,) = [each for each in screen.at.expander if "of its group" in each.label]
    assert plain(found.label) == "What the failures of its group share: Size *"
    assert 'Size * exactly "huge": 2 of 2 failures, 0 of 1 successes' in screen.text.replace("**", "")
    desk.keep("failed", error=TIMEOUT, inputs={"Size *": "small"})
    assert 'Size * exactly "huge": 2 of 3 failures, 0 of 1 successes' in screen.run().text.replace("**", "")


def test_a_group_that_shares_nothing_says_so_and_without_a_success_nothing_is_said(desk: Desk):
    desk.keep("failed", error=TIMEOUT, inputs={"Size": "huge"})
    screen = opened(desk, desk.keep("failed", error=TIMEOUT, inputs={"Size": "huge"}))
    told = "Nothing in the inputs of its group sets the failures apart from successes."
    assert told not in screen.text
    desk.keep("completed", inputs={"Size": "huge"})
    desk.keep("failed", error=TIMEOUT, inputs={"Size": "huge"})
    assert told in screen.run().text


def test_resolved_with_its_group_says_so_in_the_timeline(desk: Desk):
    row_id = desk.keep("failed", error=TIMEOUT)
    desk.parts.triage.resolve_group(ADA, failure(desk, row_id).fingerprint)
    assert timeline(opened(desk, row_id))[0] == "resolved with its whole group · Ada"


@pytest.mark.parametrize("label", ["Acknowledge", "Resolve"])
def test_a_viewer_is_refused_by_the_handler(desk: Desk, as_viewer: None, label: str):
    row_id = desk.keep("failed", error=TIMEOUT)
    before = failure(desk, row_id)
    screen = opened(desk, row_id).press(label)
    assert any("Vera is a viewer; this needs the role operator." in text for text in screen.errors)
    assert failure(desk, row_id) == before


def test_a_viewer_s_note_is_refused_and_stays_in_its_field(desk: Desk, as_viewer: None):
    screen = enter(opened(desk, desk.keep("completed")), "A note", "hello", "Add the note")
    assert any("Vera is a viewer; this needs the role operator." in text for text in screen.errors)
    assert screen.widget("text_area", "A note").value == "hello"


def test_an_empty_note_is_refused_in_words(desk: Desk):
    screen = enter(opened(desk, desk.keep("completed")), "A note", "  ", "Add the note")
    assert any("Write the note first." in text for text in screen.errors)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_notes_names_tickets_and_titles_are_shown_letter_by_letter(desk: Desk, text: str):
    row_id = desk.keep("failed", error=f"Broken: {text}")
    short, name = text[:200].strip(), text[:60].strip()
    who = Operator(name, Role.OPERATOR)
    desk.parts.triage.acknowledge(who, [row_id])
    desk.parts.triage.assign(who, [row_id], short)
    desk.parts.triage.set_ticket(who, [row_id], short)
    desk.parts.triage.add_note(who, [row_id], text[:4_000])
    screen = opened(desk, row_id)
    by = plain_markdown(name)
    lines = raw_timeline(screen)
    assert lines[0] == f"note: {plain_markdown(text[:4_000].strip())} · {by}"
    assert lines[1] == f"ticket: {plain_markdown(short)} · {by}"
    assert lines[2] == f"assigned to {plain_markdown(short)} · {by}"
    assert f":material/person: {plain_markdown(short)}" in [caption.value for caption in screen.at.main.caption]
    badges = [text.value for text in screen.at.main.markdown if "-badge[" in text.value]
    assert f":blue-badge[:material/visibility: {plain_markdown(f'acknowledged by {name}')}]" in badges


def test_a_line_of_a_kind_from_the_future_is_shown_in_its_own_words(desk: Desk):
    row_id = desk.keep("completed")
    event = Event(desk.parts.clock.now(), "something_new", "Ada", {"x": 1}, row_id)
    desk.parts.writer.run(lambda connection: events.append(connection, event))
    assert timeline(opened(desk, row_id))[0] == "something new · Ada"
