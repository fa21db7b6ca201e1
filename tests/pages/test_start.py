"""The Start screen: find an app, fill its form or its JSON, start it, and be told at the field what is wrong."""

import json
import pickle
import re
from dataclasses import replace
from typing import Any

import pytest

from lamina_core import drafts, errors, starts
from lamina_core.domain import App, Parameter, PlannedOutput
from lamina_core.store import catalogue
from pages.components import messages
from tests.pages.conftest import ADA, APPS, HOSTILE, Desk, Screen, plain

LINK = "https://example.com/a.png"


def parameter(name: str = "Prompt", kind: str = "text", **changes: Any) -> Parameter:
    fields = {"required": True, "has_default": "default" in changes, "default": None, "identities": (name,)}
    return Parameter(name=name, type=kind, **fields | changes)


def publish(desk: Desk, *parameters: Parameter, name: str = "Invented App", **changes: Any) -> str:
    """Put an app into the cache as if Lamina had it; its form can be opened, its start is refused by the sandbox."""
    app = App("invented", name, changes.pop("description", None), is_public=True, parameters=parameters, **changes)
    now = desk.parts.clock.now()

    def work(connection: Any) -> None:
        listed = catalogue.listed_apps(connection)
        catalogue.replace_list(connection, [*listed, replace(app, parameters=None)], now)
        catalogue.put(connection, app, now)

    desk.parts.writer.run(work)
    return app.app_id


def form(desk: Desk, *parameters: Parameter, **changes: Any) -> Screen:
    return desk.open("start", app=publish(desk, *parameters, **changes))


def inputs(screen: Screen) -> dict[str, Any]:
    """The inputs as the form now holds them."""
    return screen.at.session_state["draft"].inputs


def show_json(screen: Screen, *, on: bool = True) -> Screen:
    screen.widget("toggle", "Show as JSON").set_value(on)
    return screen.run().expect_no_traceback()


def edit_json(screen: Screen, document: Any) -> Screen:
    text = document if isinstance(document, str) else json.dumps(document)
    screen.widget("text_area", "Inputs").set_value(text)
    return screen.run().expect_no_traceback()


def set_value(screen: Screen, kind: str, label: str, value: Any) -> Screen:
    screen.widget(kind, label).set_value(value)
    return screen.run().expect_no_traceback()


# Finding an app


def test_every_listed_app_has_a_card_with_what_it_is_for(desk: Desk):
    text = desk.open("start").text
    assert "Places one product photo on a clean studio background" in text
    assert "Full Catalogue Set**  :gray-badge[private]" in text


def test_search_finds_apps_by_all_its_words_in_name_or_description(desk: Desk):
    screen = desk.open("start")
    set_value(screen, "text_input", "Search", "TURNTABLE product")
    assert "Product Spin" in screen.text
    assert "Studio Product Shot" not in screen.text


def test_a_search_without_a_match_says_what_to_do(desk: Desk):
    screen = set_value(desk.open("start"), "text_input", "Search", "no such thing")
    assert "No app matches. Try fewer words." in screen.text


def test_many_apps_are_shown_in_part_and_the_rest_is_found_by_typing(desk: Desk):
    apps = [App(f"app-{number}", f"App {number:03}", None, is_public=True) for number in range(100)]
    now = desk.parts.clock.now()
    desk.parts.writer.run(lambda connection: catalogue.replace_list(connection, apps, now))
    screen = desk.open("start")
    assert "30 of 100 apps." in screen.text
    assert "App 099" in set_value(screen, "text_input", "Search", "099").text


def test_the_cards_say_what_each_app_makes_where_lamina_tells(runs_desk: Desk):
    assert "🎬 video" in runs_desk.open("start").text


def test_a_card_opens_the_form_and_another_app_leads_back(desk: Desk):
    screen = desk.open("start")
    screen.at.button(key=f"open:{APPS['Ad Copy Trio']}").click()
    screen.run()
    assert screen.params == {"app": APPS["Ad Copy Trio"]}
    assert screen.has_widget("text_input", "Product Name")
    screen.press("Other app")
    assert screen.params == {}
    assert "Studio Product Shot" in screen.text


# One control for each kind of parameter


def test_the_widest_app_has_a_field_for_each_of_its_twenty_parameters(desk: Desk):
    screen = desk.open("start", app=APPS["Brand Scene Builder"])
    for name in [
        parameter.name for parameter in desk.parts.operations.open_app(APPS["Brand Scene Builder"]).parameters
    ]:
        assert name in screen.text
    assert len(inputs(screen)) == 20


def test_a_text_is_one_line_and_several_where_the_default_is_long(desk: Desk):
    screen = form(desk, parameter("Short", default="a"), parameter("Long", default="word " * 20))
    assert screen.widget("text_input", "Short").value == "a"
    assert screen.widget("text_area", "Long").value == "word " * 20


def test_a_default_of_several_short_lines_gets_several_lines(desk: Desk):
    assert form(desk, parameter(default="a\nb")).widget("text_area", "Prompt").value == "a\nb"


def test_a_text_with_a_line_break_from_json_gets_several_lines_and_keeps_it(desk: Desk):
    screen = form(desk, parameter(default="a"))
    show_json(edit_json(show_json(screen), {"Prompt": "one\ntwo"}), on=False)
    assert screen.widget("text_area", "Prompt").value == "one\ntwo"
    assert inputs(screen) == {"Prompt": "one\ntwo"}


def test_few_options_are_buttons_and_many_are_a_list(desk: Desk):
    screen = form(
        desk,
        parameter("Few", "options", options=("a", "b")),
        parameter("Many", "options", options=tuple("abcdefg")),
        parameter("Several", "options", options=("a", "b", "c"), multiple=True),
    )
    assert screen.widget("button_group", "Few").options[0] == "a"
    assert screen.widget("selectbox", "Many").options == list("abcdefg")
    assert screen.widget("multiselect", "Several").options == ["a", "b", "c"]
    screen.widget("button_group", "Few").set_value("b")
    screen.widget("selectbox", "Many").set_value("g")
    screen.widget("multiselect", "Several").set_value(["c", "a"])
    screen.run()
    assert inputs(screen) == {"Few": "b", "Many": "g", "Several": ["c", "a"]}


def test_a_list_of_links_is_one_link_a_line(desk: Desk):
    screen = form(desk, parameter("Photos", "url", multiple=True, default=[LINK]))
    set_value(screen, "text_area", "Photos", f"{LINK}\n\nhttps://example.com/b.png\n")
    assert inputs(screen) == {"Photos": [LINK, "https://example.com/b.png"]}


def test_an_emptied_list_is_sent_empty_and_not_as_the_default(desk: Desk):
    screen = form(desk, parameter("Photos", "url", multiple=True, default=[LINK]))
    assert inputs(set_value(screen, "text_area", "Photos", "")) == {"Photos": []}


def test_an_emptied_text_is_sent_empty_and_not_as_the_default(desk: Desk):
    screen = form(desk, parameter(default="something"))
    assert inputs(set_value(screen, "text_input", "Prompt", "")) == {"Prompt": ""}


def test_a_text_without_default_that_was_emptied_again_needs_a_value_again(desk: Desk):
    screen = form(desk, parameter())
    set_value(screen, "text_input", "Prompt", "a")
    set_value(screen, "text_input", "Prompt", "")
    assert inputs(screen) == {}
    screen.press("Start")
    assert screen.errors == ["It has no default: give a value."]


def test_no_half_typed_link_breaks_the_form(desk: Desk):
    screen = form(desk, parameter("Photo", "url"), parameter("Clip", "url", accept=("video",)))
    for link in (
        "http://",
        "https://",
        "http://[",
        "https://[::1",
        "http://?a",
        "https:// ",
        "http://\\",
        "https://a:b:c",
    ):
        set_value(screen, "text_input", "Photo", link)
        set_value(screen, "text_input", "Clip", link)
        assert inputs(screen) == {"Photo": link, "Clip": link}


def test_links_have_a_preview_where_they_are_whole(desk: Desk):
    screen = form(desk, parameter("Photo", "url"))
    assert len(screen.at.image) == 0
    set_value(screen, "text_input", "Photo", LINK)
    assert [element.proto.imgs[0].url for element in screen.at.image] == [LINK]


@pytest.mark.parametrize(
    "link", ["ftp://example.com/a.png", "javascript:alert(1)", "HTTP://example.com", " https://a.b"]
)
def test_a_link_of_another_scheme_is_refused_at_its_field_before_anything_is_sent(desk: Desk, link: str):
    screen = set_value(form(desk, parameter("Photo", "url")), "text_input", "Photo", link)
    screen.press("Start")
    assert screen.errors == ["It must be a link that begins with http:// or https://."]
    assert desk.row_count() == 0


def test_defaults_are_marked_and_changed_ones_are_not(desk: Desk):
    screen = form(desk, parameter(default="a"), parameter("Style", "options", options=("x", "y")))
    assert plain(screen.widget("text_input", "Prompt").label) == "Prompt :gray[default]"
    assert plain(screen.widget("button_group", "Style").label) == "Style :red[needs a value]"
    set_value(screen, "text_input", "Prompt", "b")
    screen.widget("button_group", "Style").set_value("x")
    screen.run().run()
    assert plain(screen.widget("text_input", "Prompt").label) == "Prompt"
    assert plain(screen.widget("button_group", "Style").label) == "Style"


def test_an_option_taken_back_is_left_to_lamina_s_default(desk: Desk):
    screen = form(desk, parameter("Style", "options", options=("x", "y"), default="x"))
    screen.widget("button_group", "Style").set_value(None)
    screen.run()
    assert inputs(screen) == {}
    assert "left out: Lamina fills in its default" in screen.run().text


@pytest.mark.parametrize("required", [True, False])
def test_required_does_not_matter_where_there_is_any_default(desk: Desk, required: bool):
    texts = [parameter(f"Text {value!r}", default=value, required=required) for value in ("", 0, False)]
    screen = form(desk, *texts, parameter("Links", "url", multiple=True, default=[], required=required)).press("Start")
    assert "It has no default" not in screen.text


@pytest.mark.parametrize("required", [True, False])
def test_without_a_default_a_value_is_needed_whatever_required_says(desk: Desk, required: bool):
    screen = form(desk, parameter(required=required)).press("Start")
    assert screen.errors == ["It has no default: give a value."]
    assert desk.row_count() == 0


# Exact strings


EXACT = [
    "two  spaces",
    "trailing ",
    " leading",
    "tab\there",
    "emoji 👩‍🚀",
    "e\u0301",
    "\u202ertl",
    "a\\b",
    '"quoted"',
    "{}",
]


def test_texts_go_through_form_and_json_letter_by_letter(desk: Desk):
    screen = form(desk, parameter("Double  space "))
    for text in EXACT:
        set_value(screen, "text_input", "Double  space ", text)
        show_json(screen)
        assert json.loads(screen.widget("text_area", "Inputs").value) == {"Double  space ": text}
        show_json(screen, on=False)
        assert screen.widget("text_input", "Double  space ").value == text
        assert inputs(screen) == {"Double  space ": text}


def test_options_and_names_with_odd_white_space_arrive_at_lamina_as_they_are(desk: Desk):
    screen = desk.open("start", app=APPS["Full Catalogue Set"])
    screen.press("Start").expect_no_traceback()
    sent = desk.payload(desk.newest()).inputs
    assert sent["Surface Finish"] == "Standard "
    assert sent["Backdrop  Tone"] == "Sand"
    assert desk.log()["starts"][0]["inputs"] == sent


def test_buttons_of_options_keep_their_white_space(desk: Desk):
    screen = form(desk, parameter("Finish", "options", options=("Standard ", "Standard", "Matte")))
    screen.widget("button_group", "Finish").set_value("Standard ")
    screen.run()
    assert inputs(screen) == {"Finish": "Standard "}


# JSON both ways


KEPT = [
    ({}, 3),
    ({}, False),
    ({}, {"a": [1]}),
    ({}, "carriage\r\nreturn"),
    ({}, "nul\x00"),
    ({"kind": "options", "options": ("x", "y")}, "z"),
    ({"kind": "options", "options": ("x", "y")}, ["x"]),
    ({"kind": "options", "options": ("x", "y"), "multiple": True}, ["x", "z"]),
    ({"kind": "options", "options": ("x", "y"), "multiple": True}, [["x"]]),
    ({"kind": "url"}, ["https://example.com"]),
    ({"kind": "url", "multiple": True}, "https://example.com"),
    ({"kind": "url", "multiple": True}, ["https://example.com", ""]),
    ({"kind": "url", "multiple": True}, [1, None]),
]


def test_what_no_control_can_hold_is_kept_by_the_form_and_shown(desk: Desk):
    screen = form(desk, *(parameter(f"P{place}", **kind) for place, (kind, _) in enumerate(KEPT)))
    given = {f"P{place}": value for place, (_, value) in enumerate(KEPT)}
    edit_json(show_json(screen), given)
    show_json(screen, on=False)
    assert inputs(screen) == given
    shown = [widget for widget in screen.at.text_input if "edit it as JSON" in widget.label]
    assert [json.loads(widget.value) for widget in shown] == list(given.values())
    assert all(widget.disabled for widget in shown)
    show_json(screen)
    assert json.loads(screen.widget("text_area", "Inputs").value) == given


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({}, ""),
        ({"kind": "url", "multiple": True}, []),
        ({"kind": "options", "options": ("",)}, ""),
        ({"kind": "url"}, ""),
    ],
)
def test_an_empty_value_given_in_json_is_not_lost_in_the_form(desk: Desk, kind: dict, value: Any):
    screen = form(desk, parameter("Prompt", **kind))
    edit_json(show_json(screen), {"Prompt": value})
    show_json(screen, on=False).run()
    assert inputs(screen) == {"Prompt": value}


def test_inputs_that_are_no_parameter_are_kept_in_both_views(desk: Desk):
    screen = form(desk, parameter(default="a"))
    edit_json(show_json(screen), {"Prompt": "b", "extra": {"nested": [1, None]}})
    show_json(screen, on=False)
    assert screen.widget("text_input", "Prompt").value == "b"
    assert inputs(screen) == {"Prompt": "b", "extra": {"nested": [1, None]}}


def test_an_input_may_stand_under_the_parameter_s_key(desk: Desk):
    screen = form(desk, parameter(identities=("Prompt", "prompt_key", "id-1")))
    edit_json(show_json(screen), {"prompt_key": "by key"})
    show_json(screen, on=False)
    assert screen.widget("text_input", "Prompt").value == "by key"
    set_value(screen, "text_input", "Prompt", "changed")
    assert list(inputs(screen).values()) == ["changed"]


BROKEN = ["", "{", "[]", "null", '{"a": 1,}', "{'a': 1}", "NaN", '{"a": NaN}', "[" * 200_000, '{"a": "\\ud800"}']


def test_broken_json_stays_on_the_screen_is_explained_and_cannot_be_sent(desk: Desk):
    screen = show_json(form(desk, parameter(default="a")))
    for broken in BROKEN:
        edit_json(screen, broken)
        assert len(screen.errors) == 1, broken[:20]
        assert screen.errors[0].startswith(
            ("This is not JSON", "Inputs are an object", "A text holds half a character")
        )
        assert screen.widget("button", "Start").disabled
        show_json(screen, on=False)
        assert screen.widget("toggle", "Show as JSON").value is True
        assert screen.widget("text_area", "Inputs").value == broken
        assert inputs(screen) == {"Prompt": "a"}


def test_broken_json_that_was_mended_goes_back_into_the_form(desk: Desk):
    screen = show_json(form(desk, parameter(default="a")))
    edit_json(screen, '{"Prompt": "mended"')
    edit_json(screen, '{"Prompt": "mended"}')
    assert screen.errors == []
    assert not screen.widget("button", "Start").disabled
    show_json(screen, on=False)
    assert screen.widget("text_input", "Prompt").value == "mended"


def test_a_text_that_is_still_being_typed_when_the_view_changes_is_not_lost(desk: Desk):
    screen = form(desk, parameter(default="a"), parameter("Photos", "url", multiple=True))
    screen.widget("text_input", "Prompt").set_value("typed last")  # leaving the box and the click come at once
    screen.widget("text_area", "Photos").set_value(LINK)
    show_json(screen)
    assert json.loads(screen.widget("text_area", "Inputs").value) == {"Prompt": "typed last", "Photos": [LINK]}
    screen.widget("text_area", "Inputs").set_value('{"Prompt": "and back"}')
    show_json(screen, on=False)
    assert inputs(screen) == {"Prompt": "and back"}


def test_json_of_one_app_does_not_become_the_inputs_of_another(desk: Desk):
    screen = show_json(desk.open("start", app=APPS["Ad Copy Trio"]))
    edit_json(screen, {"Product Name": "of the first"})
    screen.go("start", app=APPS["Golden Hour Relight"])
    assert "of the first" not in json.dumps(inputs(screen))
    assert "Photo" in inputs(screen)


def test_a_form_keeps_what_was_typed_while_another_screen_is_looked_at(desk: Desk):
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    set_value(screen, "text_input", "Product Name", "half done")
    screen.go("executions").go("start", app=APPS["Ad Copy Trio"])
    assert screen.widget("text_input", "Product Name").value == "half done"


def test_the_draft_can_be_kept_with_the_session(desk: Desk):
    kept = desk.open("start", app=APPS["Ad Copy Trio"]).press("Start").at.session_state["draft"]
    assert pickle.loads(pickle.dumps(kept)) == kept


# Copy as curl


def test_the_curl_command_holds_the_inputs_exactly_and_never_the_key(desk: Desk):
    text = 'it\'s  $HOME `x` \\ "y" '
    screen = set_value(form(desk, parameter()), "text_input", "Prompt", text)
    command = screen.at.code[-1].value
    assert "$LAMINA_API_KEY" in command
    assert "lma_test" not in command
    assert f"{desk.sandbox_url}/api/apps/invented/executions" in command
    assert json.loads(command.split("--data-raw ")[1].replace("'\"'\"'", "'").strip("'")) == {
        "inputs": {"Prompt": text}
    }


# Starting, and being refused


def test_a_start_goes_to_its_execution_with_what_was_typed(desk: Desk):
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    set_value(screen, "text_input", "Product Name", "Trail  Runner ")
    screen.press("Start").expect_no_traceback()
    assert screen.params == {"id": str(desk.newest())}
    told = {"queued": "Lamina has accepted it and will begin soon.", "running": "Lamina is working on it."}
    assert told[desk.row(desk.newest()).status] in screen.text  # the sandbox may have begun before it answers
    assert desk.payload(desk.newest()).inputs["Product Name"] == "Trail  Runner "


def test_lamina_s_reasons_stand_at_their_fields_with_the_inputs_kept(runs_desk: Desk):
    desk = runs_desk
    now = desk.parts.clock.now()
    strict = desk.parts.operations.open_app(APPS["Golden Hour Relight"])
    lax = tuple(replace(one, options=(*one.options, "Blinding")) if one.options else one for one in strict.parameters)
    desk.parts.writer.run(lambda connection: catalogue.put(connection, replace(strict, parameters=lax), now))
    screen = desk.open("start", app=APPS["Golden Hour Relight"])
    screen.widget("button_group", "Strength").set_value("Blinding")
    screen.run().press("Start").expect_no_traceback()
    assert screen.params == {"app": APPS["Golden Hour Relight"]}
    assert len(screen.errors) == 1
    assert 'invalid option "Blinding". Must be one of: Subtle, Balanced, Dramatic' in screen.errors[0]
    assert screen.widget("button_group", "Strength").value == "Blinding"
    assert desk.row(desk.newest()).status == "start_failed"
    screen.widget("button_group", "Strength").set_value("Subtle")
    screen.run().press("Start")
    assert screen.params == {"id": str(desk.newest())}
    assert desk.row(desk.newest()).status == "queued"


def test_a_reason_for_an_input_without_a_field_stands_below_the_form(desk: Desk):
    screen = desk.open("start", app=APPS["Golden Hour Relight"])
    edit_json(show_json(screen), {"no_such_input": 1})
    screen.press("Start")
    assert any("no_such_input" in text and "unknown input" in text for text in screen.errors)
    show_json(screen, on=False)
    assert any("no_such_input" in text and "unknown input" in text for text in screen.errors)


@pytest.mark.parametrize(("fault", "words"), [("rate_limited", "Too many"), ("dropped_connection", None)])
def test_a_start_that_lamina_does_not_take_tells_why_and_can_be_repeated_by_hand(desk: Desk, fault: str, words: str):
    screen = desk.open("start", app=APPS["Studio Product Shot"])
    desk.arm(fault, path="/executions", method="POST")
    screen.press("Start").expect_no_traceback()
    row = desk.row(desk.newest())
    if words is None:  # Lamina may have seen it: nothing is sent again by itself
        assert row.status == "start_unconfirmed"
        assert "We do not know whether Lamina accepted this start" in screen.text
    else:
        assert row.status == "start_failed"
        assert any(words in text for text in screen.errors)
        screen.press("Start")
        assert desk.row(desk.newest()).status == "queued"


def test_an_unreachable_lamina_brings_the_form_back_with_the_inputs(make_desk: Any, own_sandbox: Any):
    desk = make_desk(own_sandbox.base_url)
    screen = desk.open("start", app=APPS["Ad Copy Trio"])
    set_value(screen, "text_input", "Product Name", "kept ")
    own_sandbox.stop()
    screen.press("Start").expect_no_traceback()
    assert any("Lamina could not be reached" in text for text in screen.errors)
    assert screen.widget("text_input", "Product Name").value == "kept "
    assert desk.row(desk.newest()).status == "start_failed"
    assert desk.payload(desk.newest()).inputs["Product Name"] == "kept "


def test_a_viewer_is_refused_and_sees_why(desk: Desk, as_viewer: None):
    screen = desk.open("start", app=APPS["Studio Product Shot"]).press("Start")
    assert screen.errors == ["Vera is a viewer; this needs the role operator."]
    assert desk.row_count() == 0


def test_the_same_draft_sent_twice_is_one_execution(desk: Desk):
    screen = desk.open("start", app=APPS["Studio Product Shot"])
    draft = pickle.loads(pickle.dumps(screen.at.session_state["draft"]))
    screen.press("Start")
    first = desk.newest()
    screen.at.session_state["draft"] = draft
    screen.go("start", app=APPS["Studio Product Shot"]).press("Start")
    assert screen.params == {"id": str(first)}
    assert len(desk.log()["starts"]) == 1


def test_opening_the_form_again_from_its_card_after_a_start_starts_another_one(desk: Desk):
    screen = desk.open("start", app=APPS["Studio Product Shot"]).press("Start")
    screen.go("start")
    screen.at.button(key=f"open:{APPS['Studio Product Shot']}").click()
    screen.run().press("Start")
    assert desk.row_count() == 2


# The form of a replay


def original(desk: Desk, old: dict[str, Any], *parameters: Parameter, status: str = "failed") -> int:
    """An execution of an app whose parameters of today are these."""
    return desk.keep(status, app_id=publish(desk, *parameters), app_name="Invented App", inputs=old)


def replay(desk: Desk, row_id: int) -> Screen:
    return desk.open("start", app=desk.row(row_id).app_id, replay_of=str(row_id))


def replayed(desk: Desk, row_id: int, status: str, started_by: str = "Bob") -> int:
    """A replay of the execution, as somebody else made it."""
    again = desk.keep(status, app_id=desk.row(row_id).app_id, started_by=started_by, inputs={})

    def work(connection: Any) -> None:
        connection.exec_driver_sql(f"UPDATE execution SET replay_of = {row_id} WHERE id = {again}")

    desk.parts.writer.run(work)
    return again


def warnings(screen: Screen) -> list[str]:
    return [plain(element.value) for element in screen.at.warning]


def difference(screen: Screen) -> list[str]:
    """The lines that say what will be sent otherwise."""
    (lines,) = [each.value for each in screen.at.markdown if each.value.startswith("- **")] or [""]
    return [plain(line.removeprefix("- ")).replace("`", "") for line in lines.splitlines()]


def test_a_replay_has_the_old_inputs_as_they_were_sent_and_fills_in_no_default(desk: Desk):
    old = {"Prompt": "two  spaces ", "Photo": LINK}
    screen = replay(desk, original(desk, old, parameter(), parameter("Photo", "url"), parameter("Style", default="x")))
    assert inputs(screen) == old
    assert "Unchanged from #1" in screen.text
    assert (warnings(screen), screen.errors) == ([], [])
    assert not screen.widget("button", "Replay").disabled


def test_unchanged_inputs_are_sent_with_one_click(desk: Desk):
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "Trail  Runner "})
    desk.finish(row_id)
    replay(desk, row_id).press("Replay").expect_no_traceback()
    again = desk.newest()
    assert (desk.row(again).replay_of, desk.row(again).status) == (row_id, "queued")
    assert desk.payload(again).inputs == desk.payload(row_id).inputs == desk.log()["starts"][1]["inputs"]


def test_what_differs_is_listed_and_follows_the_fields(desk: Desk):
    made = parameter(), parameter("Note"), parameter("New", default="")
    screen = replay(desk, original(desk, {"Prompt": "red", "Note": "x"}, *made))
    set_value(screen, "text_input", "Prompt", "blue")
    set_value(screen, "text_input", "New", "two  spaces")
    set_value(screen, "text_input", "Note", "")
    assert difference(screen) == [
        '**Prompt** "red" → "blue"',
        '**Note** "x" → left out',
        '**New** not given → "two  spaces"',
    ]
    set_value(screen, "text_input", "Prompt", "red")
    set_value(screen, "text_input", "Note", "x")
    set_value(screen, "text_input", "New", "")
    assert difference(screen) == ['**New** not given → ""'], "an emptied text is sent empty"
    edit_json(show_json(screen), {"Note": "x", "Prompt": "red"})
    assert difference(screen) == []
    assert "Unchanged from #1" in screen.text


def test_of_long_texts_the_part_that_differs_is_shown(desk: Desk):
    screen = replay(desk, original(desk, {"Prompt": "word " * 100 + "red end"}, parameter(default="x" * 70)))
    set_value(screen, "text_area", "Prompt", "word " * 100 + "blue end")
    assert difference(screen) == ['**Prompt** …word word word red end" → …word word word blue end"']


def test_edited_inputs_are_sent_and_the_old_ones_stay(desk: Desk):
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "old"})
    desk.finish(row_id)
    set_value(replay(desk, row_id), "text_input", "Product Name", "new").press("Replay").expect_no_traceback()
    assert desk.payload(desk.newest()).inputs == desk.payload(row_id).inputs | {"Product Name": "new"}
    assert desk.payload(row_id).inputs["Product Name"] == "old"


def test_an_option_that_is_gone_is_told_at_its_field_to_choose_another(desk: Desk):
    screen = replay(desk, original(desk, {"Style": "Bold"}, parameter("Style", "options", options=("Soft", "Dim"))))
    assert warnings(screen) == ['Was "Bold", which is no option any more.']
    assert difference(screen) == ['**Style** "Bold" → left out']
    screen.press("Replay")
    assert screen.errors == ["It has no default: give a value."]
    screen.widget("button_group", "Style").set_value("Dim")
    screen.run()
    assert inputs(screen) == {"Style": "Dim"}
    assert difference(screen) == ['**Style** "Bold" → "Dim"']


def test_a_parameter_that_is_new_and_has_no_default_asks_for_a_value(desk: Desk):
    made = parameter(), parameter("New"), parameter("Other", default="")
    screen = replay(desk, original(desk, {"Prompt": "a"}, *made))
    assert warnings(screen) == ["It is not among the old inputs and has no default: give a value."]
    assert screen.widget("text_input", "New").label == "New", "it is said once"
    screen.press("Replay")
    assert (screen.errors, warnings(screen)) == (["It has no default: give a value."], []), "still once"
    assert screen.widget("text_input", "New").label == "New"
    assert desk.row_count() == 1


def test_an_input_that_is_no_parameter_any_more_is_sent_only_if_the_operator_says_so(desk: Desk):
    screen = replay(desk, original(desk, {"Prompt": "a", "Mood": "calm", "Tone": None}, parameter()))
    assert screen.widget("text_input", "Mood").value == '"calm"'
    assert screen.widget("text_input", "Tone").disabled
    assert inputs(screen) == {"Prompt": "a"}
    assert difference(screen) == ['**Mood** "calm" → left out', "**Tone** null → left out"]
    for box in screen.at.checkbox:
        box.check()
    assert inputs(screen.run()) == {"Prompt": "a", "Mood": "calm", "Tone": None}
    assert "Unchanged from #1" in screen.text
    show_json(screen)
    assert 'Mood: Was "calm". The app has no such parameter any more.' in warnings(screen)
    edit_json(screen, {"Prompt": "a", "Mood": "wild"})
    show_json(screen, on=False)
    assert [box.value for box in screen.at.checkbox] == [True, False]
    assert inputs(screen) == {"Prompt": "a", "Mood": "wild"}
    screen.at.checkbox[0].uncheck()
    assert inputs(screen.run()) == {"Prompt": "a"}


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "It is being replayed now"), ("completed", "A replay has succeeded already")],
)
def test_another_replay_beside_one_that_runs_or_has_succeeded_needs_a_tick(desk: Desk, status: str, words: str):
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "a"})
    desk.finish(row_id)
    first = replayed(desk, row_id, status)
    screen = replay(desk, row_id)
    assert words in screen.text
    assert f"#{first} {status} · by Bob · 1 min ago" in [plain(link.proto.label) for link in screen.at.get("page_link")]
    assert screen.widget("button", "Replay").disabled
    screen.widget("checkbox", "Replay anyway").check()
    screen.run().press("Replay").expect_no_traceback()
    assert desk.row(desk.newest()).replay_of == row_id
    assert len(desk.log()["starts"]) == 2


def test_a_replay_without_success_is_told_and_needs_no_tick(desk: Desk):
    row_id = original(desk, {"Prompt": "a"}, parameter())
    replayed(desk, row_id, "failed")
    screen = replay(desk, row_id)
    assert "Replayed already, without success" in screen.text
    assert not screen.at.checkbox
    assert not screen.widget("button", "Replay").disabled


def test_a_replay_that_somebody_else_starts_meanwhile_asks_for_the_tick_and_nothing_is_sent(desk: Desk):
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "a"})
    desk.finish(row_id)
    screen = replay(desk, row_id)
    assert not screen.widget("button", "Replay").disabled
    first = replayed(desk, row_id, "queued")
    screen.press("Replay").expect_no_traceback()
    assert screen.has_widget("checkbox", f"Replay anyway, beside #{first} (queued)")
    assert screen.params["replay_of"] == str(row_id)
    assert screen.widget("button", "Replay").disabled
    assert len(desk.log()["starts"]) == 1


def test_a_tick_holds_only_for_the_replays_that_it_was_given_for(desk: Desk):
    row_id = original(desk, {"Prompt": "a"}, parameter())
    replayed(desk, row_id, "running")
    screen = replay(desk, row_id)
    screen.widget("checkbox", "Replay anyway").check()
    assert not screen.run().widget("button", "Replay").disabled
    replayed(desk, row_id, "running")
    assert screen.run().widget("button", "Replay").disabled


def test_a_start_that_is_not_settled_cannot_be_replayed_by_the_form(desk: Desk):
    desk.arm("answer_lost")
    row_id = desk.start("Ad Copy Trio", **{"Product Name": "a"})
    screen = replay(desk, row_id)
    assert any("Settle it on its own screen first." in text for text in warnings(screen))
    assert screen.widget("button", "Replay").disabled


def test_edits_of_a_replay_are_kept_and_another_replay_has_its_own(desk: Desk):
    one = original(desk, {"Prompt": "one"}, parameter())
    two = desk.keep("failed", app_id="invented", inputs={"Prompt": "two"})
    screen = set_value(replay(desk, one), "text_input", "Prompt", "edited")
    screen.go("executions").go("start", app="invented", replay_of=str(one))
    assert inputs(screen) == {"Prompt": "edited"}
    screen.go("start", app="invented", replay_of=str(two))
    assert inputs(screen) == {"Prompt": "two"}
    assert "Unchanged from #2" in screen.text


def test_a_replay_begins_with_the_outputs_that_were_chosen(runs_desk: Desk):
    app = runs_desk.parts.operations.open_app(APPS["Full Catalogue Set"])
    defaults = {each.name: each.default for each in app.parameters if each.has_default}
    request = starts.StartRequest("t" * 32, app, defaults, ["Detail Close-up"])
    row_id = runs_desk.parts.operations.start(ADA, request, None)
    screen = replay(runs_desk, row_id)
    assert screen.widget("button_group", "It makes").value == ["Detail Close-up"]
    assert f"Unchanged from #{row_id}" in screen.text
    assert "Estimated credits" in screen.text
    screen.widget("button_group", "It makes").set_value(["Output 4"])
    assert difference(screen.run()) == ["**It makes** Detail Close-up → Output 4"]
    screen.press("Replay").expect_no_traceback()
    assert runs_desk.payload(runs_desk.newest()).chosen_outputs == ("Output 4",)


# Generation `runs`


def test_runs_shows_the_estimate_and_the_credits_left(runs_desk: Desk):
    screen = runs_desk.open("start", app=APPS["Full Catalogue Set"])
    assert "Estimated credits 14" in screen.text
    assert re.search(r"^[0-9]+ credits are left\.$", screen.text, re.MULTILINE)


def test_runs_makes_only_the_outputs_chosen(runs_desk: Desk):
    screen = runs_desk.open("start", app=APPS["Full Catalogue Set"])
    choice = screen.widget("button_group", "It makes")
    assert list(choice.options) == [
        plain_escape(label) for label in ("AI Designer", "Detail Close-up", "Output 4", "Catalogue Clip")
    ]
    choice.set_value(["Detail Close-up"])
    screen.run()
    assert '"outputs": ["Detail Close-up"]' in screen.at.code[-1].value
    screen.press("Start")
    assert runs_desk.payload(runs_desk.newest()).chosen_outputs == ("Detail Close-up",)
    done = runs_desk.finish(runs_desk.newest())
    assert [output["label"] for output in runs_desk.payload(done.id).outputs] == ["Detail Close-up"]


def plain_escape(text: str) -> str:
    return text.replace("-", "\\-")


def test_an_estimate_that_fails_does_not_keep_the_form_away(runs_desk: Desk):
    runs_desk.arm("server_error", path="/estimate")
    screen = runs_desk.open("start", app=APPS["Ad Copy Trio"])
    assert len(screen.errors) == 1
    assert screen.has_widget("text_input", "Product Name")


def test_other_generations_name_the_setting_that_brings_estimates(desk: Desk):
    screen = desk.open("start", app=APPS["Full Catalogue Set"])
    assert "Estimates and the choice of outputs need LAMINA_API_GENERATION=runs." in screen.text
    assert "Estimated credits" not in screen.text


def test_without_a_public_address_the_screen_says_that_the_result_is_polled(desk: Desk):
    assert "No webhook: LAMINA_PUBLIC_URL is not set" in desk.open("start", app=APPS["Ad Copy Trio"]).text


# Hostile texts


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_shown_letter_by_letter(desk: Desk, text: str):
    screen = form(
        desk,
        parameter(text, description=text),
        parameter("Style", "options", options=(f"a {text}", "other"), description=text),
        parameter("Long list", "options", options=(text, *"abcdef")),
        name=text,
        description=text,
        outputs=(PlannedOutput(text, text),),
        produces=(text,),
    )
    assert text.strip() in [plain(element.value) for element in screen.at.subheader]
    assert text.strip() in [plain(element.value) for element in screen.at.caption]
    assert plain(screen.widget("text_input", text[:30]).label).startswith(text)
    assert screen.widget("text_input", text[:30]).help == messages.plain(text)
    assert screen.widget("button_group", "Style").help == messages.plain(text)
    assert plain(screen.widget("button_group", "Style").options[0]) == f"a {text}"
    screen.widget("button_group", "Style").set_value(f"a {text}")
    set_value(screen, "text_input", text[:30], text)
    assert inputs(screen) == {text: text, "Style": f"a {text}"}
    assert text[:100] in screen.go("start").text


def test_a_hostile_problem_is_shown_letter_by_letter_at_its_field(desk: Desk):
    screen = form(desk, parameter())
    problems = [errors.FieldProblem("Prompt", None, text) for text in HOSTILE.values()]
    screen.at.session_state["draft"].problems = problems
    assert screen.run().errors == [text.strip() for text in HOSTILE.values()]


def test_hostile_inputs_and_names_of_a_replay_are_shown_letter_by_letter(desk: Desk):
    for text in HOSTILE.values():
        row_id = original(desk, {text: text, "Style": text}, parameter("Style", "options", options=("a",)))
        replayed(desk, row_id, "failed", started_by=text)
        screen = replay(desk, row_id)
        short = drafts.spell(text)
        assert any(short[:40] in warning for warning in warnings(screen)), text[:30]
        assert plain(screen.widget("text_input", text[:30]).label).startswith(text)
        assert any(f"by {text}".rstrip() in plain(link.proto.label) for link in screen.at.get("page_link"))
        assert difference(screen)[0].startswith(f"**{text}** ".replace("`", "")[:60])
