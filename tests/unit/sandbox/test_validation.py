"""Inputs are refused with every code of the contract's section 5.2, all problems together."""

import pytest

from lamina_core.sandbox.validation import check_inputs


@pytest.fixture
def app(make_app, parameter):
    return make_app(
        parameters=(
            parameter("Prompt"),
            parameter("Style", "options", options=("Flat ", "Round"), has_default=False, default=None),
            parameter("Photo", "url", accept=("image",), default="https://example.com/a.png"),
            parameter("Links", "url", accept=("image",), multiple=True, default=[]),
        )
    )


def _problems(app, **inputs):
    checked = check_inputs(app, {"Style": "Round", **inputs})
    return [(problem.field, problem.code) for problem in checked.problems]


def test_defaults_fill_what_was_not_sent_and_an_empty_default_counts(app):
    checked = check_inputs(app, {"Style": "Round"})

    assert checked.problems == ()
    assert checked.values == {"Prompt": "", "Style": "Round", "Photo": "https://example.com/a.png", "Links": []}


@pytest.mark.parametrize("word", ["key_style", "Style", "id-style"])
def test_an_input_may_be_named_by_key_name_or_id(app, word):
    assert check_inputs(app, {word: "Round"}).values["Style"] == "Round"


def test_key_goes_before_name_and_name_before_id(app):
    inputs = {"id-style": "Round", "Style": "Flat ", "key_style": "Round"}

    assert check_inputs(app, inputs).values["Style"] == "Round"
    del inputs["key_style"]
    assert check_inputs(app, inputs).values["Style"] == "Flat "


@pytest.mark.parametrize("inputs", [{}, {"Style": None}])
def test_no_value_and_no_default_is_missing(app, inputs):
    checked = check_inputs(app, inputs)

    assert [(problem.field, problem.code) for problem in checked.problems] == [("Style", "missing_no_default")]


@pytest.mark.parametrize("value", ["Flat", "flat ", "", 3, True, ["Round", "Oval"], {"label": "Round"}])
def test_an_option_must_be_exactly_one_of_those_listed(app, value):
    assert _problems(app, Style=value) == [("Style", "invalid_option")]


def test_a_list_of_options_is_checked_item_by_item(app):
    assert _problems(app, Style=["Round", "Flat "]) == []


@pytest.mark.parametrize("value", ["ftp://example.com/a", "example.com", 5, ["https://example.com/a.png"], [], {}])
def test_a_single_url_must_be_one_http_url(app, value):
    assert _problems(app, Photo=value) == [("Photo", "invalid_media")]


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        (["https://example.com/a.png", "http://example.com/b.png"], []),
        ("https://example.com/a.png", []),
        (["https://example.com/a.png", "nonsense"], [("Links", "invalid_media")]),
    ],
)
def test_a_multiple_url_takes_one_or_a_list(app, value, problems):
    assert _problems(app, Links=value) == problems


@pytest.mark.parametrize(
    ("value", "good"), [("x", True), (3, True), (2.5, True), (False, True), ([], False), ({}, False)]
)
def test_a_text_is_a_string_a_number_or_a_truth_value(app, value, good):
    assert _problems(app, Prompt=value) == ([] if good else [("Prompt", "invalid_type")])


def test_names_are_matched_exactly(app):
    assert _problems(app, **{"prompt": "x", "Prompt ": "y"}) == [
        ("prompt", "unknown_parameter"),
        ("Prompt ", "unknown_parameter"),
    ]


def test_all_problems_are_reported_together_under_the_words_that_were_sent(app):
    checked = check_inputs(app, {"key_prompt": [], "id-photo": "x", "bogus": 1})

    assert [(problem.field, problem.code) for problem in checked.problems] == [
        ("key_prompt", "invalid_type"),
        ("Style", "missing_no_default"),
        ("id-photo", "invalid_media"),
        ("bogus", "unknown_parameter"),
    ]
