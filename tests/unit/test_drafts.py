"""Inputs as a form holds them: exact, checked with Lamina's own codes, and the same after a walk through JSON."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core import drafts
from lamina_core.domain import App, Parameter
from lamina_core.errors import FieldProblem

LINK = "https://example.com/a.png"


def parameter(name="Prompt", type_="text", **changes) -> Parameter:
    fields = {
        "name": name,
        "type": type_,
        "required": True,
        "has_default": False,
        "default": None,
        "identities": (name, f"key_{name}", f"id-{name}"),
    }
    return Parameter(**fields | changes)


def app(*parameters: Parameter | None) -> App:
    return App("app-1", "Portrait Studio", None, is_public=True, parameters=parameters)


documents = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(some.characters(exclude_categories=["Cs"])),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
names = some.text(min_size=1, max_size=12)


@given(some.dictionaries(names, documents, max_size=5))
def test_inputs_are_the_same_after_a_walk_through_json(inputs):
    assert drafts.from_json(drafts.to_json(inputs)) == inputs


def test_json_to_edit_shows_every_letter_as_it_is():
    assert drafts.to_json({"Łódź": "🦊"}) == '{\n  "Łódź": "🦊"\n}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{'a': 1}",
        "[" * 100_000,
        '{"a": 1,}',
        "9" * 5_000,
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a": "\ud800"}',
    ],
)
def test_broken_json_is_told_and_not_raised_as_anything_else(text):
    with pytest.raises(ValueError, match=r"not JSON|Inputs are an object|cannot be sent"):
        drafts.from_json(text)


@some.composite
def parameters(draw) -> Parameter:
    type_ = draw(some.sampled_from(["text", "options", "url", "colour"]))
    options = tuple(draw(some.lists(names, min_size=1, max_size=4, unique=True))) if type_ == "options" else ()
    multiple = type_ == "url" and draw(some.booleans())
    values = {"options": some.sampled_from(options or ("",)), "url": some.just(LINK)}.get(type_, some.text(max_size=9))
    has_default = draw(some.booleans())
    default = draw(some.lists(values, max_size=3) if multiple else values) if has_default else None
    name = draw(names)
    return parameter(name, type_, options=options, multiple=multiple, has_default=has_default, default=default)


@given(some.lists(parameters(), max_size=6, unique_by=lambda each: each.name))
def test_a_fresh_form_is_refused_only_where_a_value_is_needed(made):
    made = [replace(each, identities=(each.name,)) for each in made]
    problems = drafts.check_inputs(app(*made), drafts.default_inputs(app(*made)))
    assert [problem.field for problem in problems] == [each.name for each in made if each.needs_value]
    assert {problem.code for problem in problems} <= {"missing_no_default"}
    filled = {each.name: _some_value(each) for each in made}
    assert drafts.check_inputs(app(*made), filled) == []


def _some_value(each: Parameter):
    value = {"options": each.options[0] if each.options else "", "url": LINK}.get(each.type, "x")
    return [value] if each.multiple else value


@pytest.mark.parametrize("default", ["", [], 0, False])
def test_an_empty_default_is_a_default(default):
    empty = parameter(type_="text", has_default=True, default=default)
    assert drafts.check_inputs(app(empty), drafts.default_inputs(app(empty))) == []
    assert drafts.check_inputs(app(empty), {}) == []


@pytest.mark.parametrize("type_", ["url", "options"])
def test_an_empty_link_or_option_is_left_to_lamina_and_not_sent(type_):
    empty = parameter(type_=type_, options=("a",), has_default=True, default="")
    assert drafts.default_inputs(app(empty)) == {}
    assert drafts.check_inputs(app(empty), drafts.default_inputs(app(empty))) == []


@pytest.mark.parametrize(
    ("made", "value", "code"),
    [
        (parameter(type_="url"), "ftp://example.com", "invalid_media"),
        (parameter(type_="url"), "example.com", "invalid_media"),
        (parameter(type_="url"), " https://example.com", "invalid_media"),
        (parameter(type_="url"), 5, "invalid_media"),
        (parameter(type_="url"), [LINK], "invalid_media"),
        (parameter(type_="url", multiple=True), [LINK, ""], "invalid_media"),
        (parameter(type_="url", multiple=True), [[LINK]], "invalid_media"),
        (parameter(type_="options", options=("Standard ",)), "Standard", "invalid_option"),
        (parameter(type_="options", options=("Standard ",)), "standard ", "invalid_option"),
        (parameter(type_="options", options=("a",)), ["a", "b"], "invalid_option"),
        (parameter(type_="options", options=("a",)), {"a": 1}, "invalid_option"),
        (parameter(), ["a fox"], "invalid_type"),
        (parameter(), {"a": 1}, "invalid_type"),
    ],
)
def test_what_would_surely_be_refused_is_told_with_lamina_s_code(made, value, code):
    (problem,) = drafts.check_inputs(app(made), {"Prompt": value})
    assert (problem.field, problem.code) == ("Prompt", code)


@pytest.mark.parametrize("value", ["", "a", 5, 1.5, False])
def test_what_lamina_takes_for_a_text_is_no_problem(value):
    assert drafts.check_inputs(app(parameter()), {"Prompt": value}) == []


@pytest.mark.parametrize("value", [None, "absent"])
def test_a_missing_value_is_told(value):
    inputs = {} if value == "absent" else {"Prompt": None}
    assert [problem.code for problem in drafts.check_inputs(app(parameter()), inputs)] == ["missing_no_default"]


def test_all_problems_are_told_at_once():
    made = app(parameter("A"), parameter("B", "url"), parameter("C", "options", options=("x",)))
    problems = drafts.check_inputs(made, {"B": "no", "C": "no"})
    assert [problem.field for problem in problems] == ["A", "B", "C"]


@pytest.mark.parametrize("name", ["Prompt", "key_Prompt", "id-Prompt"])
def test_a_value_may_be_given_under_any_of_the_parameter_s_names(name):
    assert drafts.check_inputs(app(parameter()), {name: "x"}) == []


def test_an_app_whose_parameters_are_unknown_is_left_to_lamina():
    unknown = App("app-1", "Portrait Studio", None, is_public=True)
    assert drafts.check_inputs(unknown, {"anything": 1}) == []
    assert drafts.default_inputs(unknown) == {}


# The form of a replay

STYLE = parameter("Style", "options", options=("Soft", "Bold"), has_default=True, default="Soft")


def test_old_inputs_that_are_still_valid_are_taken_as_they_were_sent_and_no_default_is_filled_in():
    made = app(parameter("Prompt"), STYLE, parameter("Photo", "url"), parameter("Photos", "url", multiple=True))
    old = {"key_Photo": LINK, "Prompt": 5, "Photos": [LINK, LINK]}
    inputs, problems = drafts.replay_inputs(made, old)
    assert (inputs, list(inputs), problems) == (old, list(old), [])
    assert inputs is not old


@pytest.mark.parametrize(
    ("made", "old", "kept", "problem"),
    [
        (
            STYLE,
            {"Style": "Harsh"},
            {},
            ("Style", "invalid_option", 'Was "Harsh", which is no option any more.'),
        ),
        (
            replace(STYLE, multiple=True),
            {"Style": ["Soft", "Harsh", "Dim"]},
            {},
            ("Style", "invalid_option", 'Was ["Soft", "Harsh", "Dim"]. No option any more: "Harsh", "Dim".'),
        ),
        (
            parameter("Photo", "url", has_default=True),
            {"key_Photo": "a fox"},
            {},
            ("Photo", "invalid_media", 'Was "a fox". It must be a link that begins with http:// or https://.'),
        ),
        (
            parameter("Prompt"),
            {"Prompt": [LINK]},
            {},
            ("Prompt", "invalid_type", f'Was ["{LINK}"]. It must be a text.'),
        ),
        (
            STYLE,
            {"Style": "Bold", "Mood": {"a": [1, None]}},
            {"Style": "Bold"},
            ("Mood", "unknown_parameter", 'Was {"a": [1, null]}. The app has no such parameter any more.'),
        ),
        (
            parameter("Prompt"),
            {"Prompt": None},
            {"Prompt": None},
            ("Prompt", "missing_no_default", "It is not among the old inputs and has no default: give a value."),
        ),
    ],
    ids=["option", "options", "link", "text", "parameter", "value"],
)
def test_what_cannot_be_sent_any_more_is_left_out_and_told_with_its_old_value(made, old, kept, problem):
    inputs, problems = drafts.replay_inputs(app(made), old)
    assert (inputs, problems) == (kept, [FieldProblem(*problem)])


def test_a_parameter_that_is_new_is_told_only_where_it_has_no_default():
    _, problems = drafts.replay_inputs(app(parameter("Prompt"), parameter("New"), STYLE), {"Prompt": "a fox"})
    assert [(problem.field, problem.code) for problem in problems] == [("New", "missing_no_default")]


def test_old_inputs_of_an_app_whose_parameters_are_unknown_are_left_to_lamina():
    unknown = App("app-1", "Portrait Studio", None, is_public=True)
    assert drafts.replay_inputs(unknown, {"anything": 1}) == ({"anything": 1}, [])
    assert drafts.vanished_inputs(unknown, {"anything": 1}) == []


@given(some.lists(parameters(), max_size=6, unique_by=lambda each: each.name), some.dictionaries(names, documents))
def test_a_replay_is_refused_only_where_a_value_is_needed(made, old):
    made = [replace(each, identities=(each.name,)) for each in made]
    inputs, problems = drafts.replay_inputs(app(*made), old)
    assert {problem.code for problem in drafts.check_inputs(app(*made), inputs)} <= {"missing_no_default"}
    lost = {name for name in old if name not in inputs}
    assert {name: value for name, value in old.items() if name not in lost} == inputs
    assert lost <= {problem.field for problem in problems}, "nothing is left out in silence"


def test_a_long_value_is_cut_in_what_is_told_of_it():
    assert drafts.spell("x" * 90) == '"' + "x" * 78 + "…"
    assert drafts.spell("x" * 78) == '"' + "x" * 78 + '"'


def test_problems_find_their_field_or_stand_for_themselves():
    made = app(parameter("A"), parameter("B"))
    here, there, nowhere = FieldProblem("key_A", None, "x"), FieldProblem("C", None, "y"), FieldProblem(None, None, "z")
    problems = [here, there, nowhere]
    assert drafts.problems_at(problems, made.parameters[0]) == [here]
    assert drafts.problems_at(problems, made.parameters[1]) == []
    assert drafts.problems_elsewhere(problems, made) == [there, nowhere]


@pytest.mark.parametrize(
    ("made", "value", "fits"),
    [
        (parameter(), "x\ny", True),
        (parameter(), 5, False),
        (parameter(), None, False),
        (parameter(type_="options", options=("a",)), "a", True),
        (parameter(type_="options", options=("a",)), "b", False),
        (parameter(type_="options", options=("a",)), ["a"], False),
        (parameter(type_="url", multiple=True), [LINK, LINK], True),
        (parameter(type_="url", multiple=True), [], True),
        (parameter(type_="url", multiple=True), LINK, False),
        (parameter(type_="url", multiple=True), [f"{LINK}\n"], False),
        (parameter(type_="url", multiple=True), [5], False),
        (parameter(type_="url", multiple=True), [""], False),
        (parameter(type_="options", options=("a", "b"), multiple=True), ["b", "a"], True),
        (parameter(type_="options", options=("a", "b"), multiple=True), ["c"], False),
        (parameter(type_="options", options=("a", "b"), multiple=True), "a", False),
        (parameter(), "x\r\ny", False),  # a browser gives back other line ends
        (parameter(), "\ud800", False),
        (parameter(), "\x00", False),
    ],
)
def test_a_control_is_offered_only_for_what_it_can_hold_unchanged(made, value, fits):
    assert drafts.fits_widget(made, value) == fits


def test_a_draft_begins_without_problems():
    draft = drafts.Draft(app(), "t", {})
    assert (draft.problems, draft.estimate) == ([], None)
