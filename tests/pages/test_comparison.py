"""The tree of replays on the Execution screen, and two executions beside each other."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.store.tables import ExecutionTable, PayloadTable
from lamina_core.triage import diff
from lamina_core.triage.diff import Segment
from pages.components import passages
from tests.pages.conftest import HOSTILE, Desk, Screen, plain

OLD = "A quiet studio with soft window light and a pale oak table"
NEW = "A quiet studio with hard window light and a pale oak floor"


def output(label: str, value: Any = None, **changes: Any) -> dict[str, Any]:
    return {"label": label, "type": "text", "status": "completed", "value": value, "error": None} | changes


def replayed(desk: Desk, original: int, status: str = "completed", **changes: Any) -> int:
    row_id = desk.keep(status, **changes)
    link = sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(replay_of=original)
    desk.parts.writer.run(lambda connection: connection.execute(link).close())
    return row_id


def links(screen: Screen) -> list[tuple[str, str]]:
    """Every link to an execution, and the part of the address that it sets."""
    found = [(plain(link.proto.label), link.proto.query_string) for link in screen.at.get("page_link")]
    return [(label, address) for label, address in found if address.startswith("id=")]


def opened(desk: Desk, row_id: int, **params: str) -> Screen:
    return desk.open("execution", id=str(row_id), **params)


def markdown(screen: Screen) -> list[str]:
    return [element.value for element in screen.at.markdown]


# The tree


def test_every_member_of_a_family_shows_the_whole_tree_with_itself_marked(desk: Desk):
    first = desk.keep("failed", error="Traceback:\n  out of memory")
    second, third = replayed(desk, first, "failed", started_by="Grace"), replayed(desk, first)
    fourth = replayed(desk, second)
    order = [first, second, fourth, third]
    for member in order:
        screen = opened(desk, member)
        assert f"**#{member} · this one**" in screen.text
        expected = []
        for other in order:
            if other != member:
                expected += [(f"#{other}", f"id={other}"), ("Compare", f"id={member}&with={other}")]
        tree = [link for link in links(screen) if not link[0].startswith("Compare with")]
        assert tree == expected
        assert "Replays** · 4 executions in this family" in screen.text
        lines = [plain(element.value) for element in screen.at.caption]
        assert any(line.startswith("Ada · ") and line.endswith(" · out of memory") for line in lines), lines
        assert any(line.startswith("Grace · ") for line in lines)


def test_a_single_execution_shows_no_tree(desk: Desk):
    screen = opened(desk, desk.keep())
    assert "Replays" not in screen.text
    assert links(screen) == []


def test_a_deep_family_names_what_each_deep_replay_replays(desk: Desk):
    rows = [desk.keep()]
    for _ in range(10):
        rows.append(replayed(desk, rows[-1]))
    text = opened(desk, rows[0]).text
    assert f"replay of #{rows[9]}" in text
    assert f"replay of #{rows[7]}" not in text


def test_a_family_that_is_too_large_says_so(desk: Desk):
    first = desk.keep()
    replays = [replayed(desk, first) for _ in range(120)]
    screen = opened(desk, replays[-1])
    assert "There are more replays than are shown" in screen.text
    assert f"**#{replays[-1]} · this one**" in screen.text


# Two beside each other


def test_inputs_that_differ_come_first_and_those_that_do_not_are_folded(desk: Desk):
    one = desk.keep(inputs={"Notes": OLD, "Size": "Square", "Old": 1, "Same": "kept"}, age=90)
    other = desk.keep(inputs={"Notes": NEW, "Size": "Wide", "New": [True], "Same": "kept"})
    screen = opened(desk, other, **{"with": str(one)})
    shown = markdown(screen)
    assert (
        "A quiet studio with :red-background[~~soft~~]:green-background[**hard**] window light and a pale oak "
        ":red-background[~~table~~]:green-background[**floor**]"
    ) in shown
    changed = ':red-background[~~`"Square"`~~] → :green-background[**`"Wide"`**]'
    assert f":orange-badge[:material/edit: changed] `Size` {changed}" in shown
    assert ":red-badge[:material/remove: removed] `Old` :red-background[~~`1`~~]" in shown
    assert ":green-badge[:material/add: added] `New` :green-background[**`[true]`**]" in shown
    assert f"struck out~~] only in #{one} · " in screen.text
    folded = [expander for expander in screen.at.expander if expander.label == "1 unchanged"]
    assert [element.value for element in folded[0].code] == ['{\n  "Same": "kept"\n}']


def test_the_earlier_one_stands_first_whichever_screen_it_is_on(desk: Desk):
    early, late = desk.keep(inputs={"Size": 1}, age=90), desk.keep(inputs={"Size": 2})
    for one, other in ((early, late), (late, early)):
        screen = opened(desk, one, **{"with": str(other)})
        assert any(":red-background[~~`1`~~] → :green-background[**`2`**]" in text for text in markdown(screen))
        assert f"**Compared with #{other}**" in screen.text
        assert f"**#{one} · this one**" in screen.text
        assert (f"#{other}", f"id={other}") in links(screen)
        assert ("Close the comparison", f"id={one}") in links(screen)


def test_status_error_and_length_of_both_are_told(desk: Desk):
    one = desk.keep("failed", error="It ran out of credits", age=90, app_id="app-2", app_name="Relight")
    other = desk.keep("failed", error="It timed out")
    change = sa.update(ExecutionTable).where(col(ExecutionTable.id) == one)
    later = desk.row(one).created_at + (desk.row(other).created_at - desk.row(one).created_at) / 3  # 10 s
    desk.parts.writer.run(lambda connection: connection.execute(change.values(completed_at=later)).close())
    screen = opened(desk, other, **{"with": str(one)})
    assert screen.errors == ["It timed out", "It ran out of credits", "It timed out"]
    assert "Relight · Ada · " in screen.text
    assert "took 10 s" in screen.text
    assert f"#{other} took 10 s less." in screen.text
    even = opened(desk, other, **{"with": str(desk.keep())}).text
    assert "took as long." in even
    assert "two different apps" not in even
    assert "These are executions of two different apps." in [plain(element.value) for element in screen.at.warning]


def test_outputs_stand_beside_each_other_and_a_missing_one_is_told(desk: Desk):
    picture = [f"{desk.sandbox_url}/sandbox/samples/{name}.png" for name in ("plant", "chair")]
    one = desk.keep(outputs=[output("Shot", picture[0], type="image"), output("Only here", "x")], age=90)
    other = desk.keep(outputs=[output("Shot", picture[1], type="image"), output("Only there", "y")])
    screen = opened(desk, one, **{"with": str(other)})
    assert [element.proto.imgs[0].url for element in screen.at.image] == [*picture, picture[0]]
    assert f"#{other} has no output **Only here**." in screen.text
    assert f"#{one} has no output **Only there**." in screen.text


def test_text_outputs_are_compared_word_by_word(desk: Desk):
    one, other = (
        desk.keep(outputs=[output("Copy", text), output("Motto", "the same six words in both")]) for text in (OLD, NEW)
    )
    screen = opened(desk, one, **{"with": str(other)})
    assert any(":red-background[~~soft~~]:green-background[**hard**] window" in text for text in markdown(screen))
    assert "**Motto** · the same text in both" in screen.text


def test_texts_too_long_to_be_marked_stand_beside_each_other(desk: Desk):
    texts = ["word " * 3_000 + end for end in ("one", "two")]
    one, other = (desk.keep(inputs={"Notes": text}, outputs=[output("Copy", text)]) for text in texts)
    screen = opened(desk, one, **{"with": str(other)})
    assert not any("-background[" in text for text in markdown(screen))
    assert [element.value for element in screen.at.code if element.value in texts] == [*texts, texts[0]]


def test_inputs_that_nobody_told_us_are_not_compared(desk: Desk):
    one, other = desk.keep(inputs={"Size": 1}), desk.keep(inputs={"Size": 2})
    forget = sa.update(PayloadTable).where(col(PayloadTable.execution) == other).values(inputs=None)
    desk.parts.writer.run(lambda connection: connection.execute(forget).close())
    screen = opened(desk, one, **{"with": str(other)})
    assert f"What #{other} was sent is not known here: others started it." in screen.text


def test_the_same_inputs_are_called_the_same(desk: Desk):
    one, other = desk.keep(inputs={"Size": 1}), desk.keep(inputs={"Size": 1})
    assert "Both were sent the same inputs." in opened(desk, one, **{"with": str(other)}).text


@pytest.mark.parametrize(
    "asked", ["999", "0", "-1", "abc", "9" * 18, "²", "<b>x</b>", "1 OR 1=1", "\x00", ":red[x]", "٧"]
)
def test_what_is_no_other_execution_gets_a_line_and_a_way_out(desk: Desk, asked: str):
    row_id = desk.keep()
    screen = opened(desk, row_id, **{"with": asked})
    assert f"There is no execution {asked} here to compare with." in screen.text
    assert ("Close the comparison", f"id={row_id}") in links(screen)


def test_itself_is_not_compared(desk: Desk):
    row_id = desk.keep()
    assert "That is this execution itself." in opened(desk, row_id, **{"with": str(row_id)}).text


def test_any_other_execution_can_be_asked_for(desk: Desk):
    row_id, other = desk.keep(), desk.keep(execution_id="e-other")
    for text in (f"#{other}", f" {other} ", "e-other"):
        screen = opened(desk, row_id)
        screen.widget("text_input", "Compare with #").set_value(text)
        screen.run().expect_no_traceback()
        assert screen.params == {"id": str(row_id), "with": str(other)}, text
        assert screen.widget("text_input", "Compare with #").value == ""


def test_what_nobody_has_heard_of_is_told_until_the_next_try(desk: Desk):
    row_id = desk.keep()
    screen = opened(desk, row_id)
    screen.widget("text_input", "Compare with #").set_value("<b>nothing</b>")
    for _ in range(2):  # it outlives a refresh
        screen.run().expect_no_traceback()
        assert "No execution here has that number, id or reference: <b>nothing</b>" in screen.text
    desk.keep(execution_id="alike-1")
    desk.keep(execution_id="alike-2")
    screen.widget("text_input", "Compare with #").set_value("alike")
    assert "More than one execution fits: alike" in screen.run().text
    assert screen.params == {"id": str(row_id)}


def test_nothing_is_asked_of_lamina_to_compare(desk: Desk):
    one, other = desk.keep("failed"), desk.keep()
    before = desk.log()
    opened(desk, one, **{"with": str(other)})
    opened(desk, one)
    assert desk.log() == before


# What sets a failed one apart


def test_a_failed_one_is_set_apart_from_the_last_success_of_its_app(desk: Desk):
    success = desk.keep(inputs={"Size": "Square", "Same": 1}, age=90)
    desk.keep(inputs={"Size": "Other app"}, app_id="app-2", age=80)
    failed = desk.keep("failed", inputs={"Size": "Wide", "Same": 1})
    screen = opened(desk, failed)
    assert [e.label for e in screen.at.expander] == [
        f"What is different from the last success #{success}: Size",
        "1 unchanged",
    ]
    assert any('[~~`"Square"`~~] → ' in text for text in markdown(screen))
    assert (f"Compare with the last success #{success}", f"id={failed}&with={success}") in links(screen)
    assert "What is different" not in "".join(e.label for e in opened(desk, success).at.expander)
    beside = opened(desk, failed, **{"with": str(success)})
    assert not any("last success" in label for label, _ in links(beside)), "once is enough"


def test_the_same_inputs_that_once_succeeded_are_told_to_explain_nothing(desk: Desk):
    success = desk.keep(inputs={"Size": 1}, age=90)
    failed = desk.keep("failed", inputs={"Size": 1})
    assert f"The last success #{success} was sent the same inputs" in opened(desk, failed).text


def test_without_a_success_nothing_is_offered(desk: Desk):
    assert links(opened(desk, desk.keep("failed"))) == []


# Texts from outside


def test_hostile_texts_are_compared_letter_by_letter(desk: Desk):
    for text in HOSTILE.values():
        told = {"error": text, "started_by": text, "app_name": text}
        one, other = f"{text} and then four more words", f"{text} and then five more words"
        first = desk.keep(
            "failed", inputs={text: one, "Gone": text}, outputs=[output(text, one), output("a", text)], **told
        )
        second = replayed(desk, first, "failed", inputs={text: other}, outputs=[output(text, other)], **told)
        screen = opened(desk, second, **{"with": str(first)})
        assert screen.errors == [text.strip()[:2_000]] * 3
        assert f"by {text}" in screen.text
        assert f"**{text}** · text" in screen.text
        drawn = [part for part in markdown(screen) if ":red-background[~~four~~]:green-background[**five**]" in part]
        assert [plain(part.partition(":red-background[~~four")[0]) for part in drawn] == [f"{text} and then "] * 2
        assert f"#{second} has no output **a**." in screen.text


@pytest.mark.parametrize(
    "mark", [("same", "", ""), ("gone", ":red-background[~~", "~~]"), ("new", ":green-background[**", "**]")]
)
def test_whatever_is_marked_is_read_as_it_was(mark: tuple[Any, str, str]):
    kind, begin, end = mark
    for text in HOSTILE.values():
        drawn = passages.draw([Segment(kind, text)])
        if begin:
            assert drawn.rstrip(" ").endswith(end)
            drawn = re.sub(rf"{re.escape(begin)}((?:\\.|[^\\])*?){re.escape(end)}", r"\1", drawn)  # an escape is no end
        assert plain(drawn) == text


def test_marks_hold_words_and_leave_the_spaces_at_their_edges_out():
    parts = [Segment("same", "a"), Segment("gone", " b c "), Segment("new", "d\n  e"), Segment("same", "\n\n    f")]
    assert passages.draw(parts) == (
        "a :red-background[~~b c~~] :green-background[**d**]:green-background[**↵**]  \n"
        "\u00a0\u00a0:green-background[**e**]  \n\u00a0  \n\u00a0\u00a0\u00a0\u00a0f"
    )


def test_spaces_and_line_ends_that_changed_are_made_visible():
    parts = diff.compare_text("a  b\nc", "a b c")
    drawn = passages.draw(parts)
    assert ":red-background[~~␣␣~~]:green-background[**␣**]" in drawn
    assert "↵" in drawn


def test_a_mark_is_never_longer_than_markdown_can_read():
    drawn = passages.draw([Segment("new", "*" * 2_000)])
    assert max(len(part) for part in drawn.split(":green-background[")) < 700
    assert drawn.count("\\*") == 2_000
