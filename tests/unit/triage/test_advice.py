"""Advice on failures: every built-in rule works on its example, operators' rules go first, unknown stays rare."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core import errors
from lamina_core.config import DATA
from lamina_core.sandbox import catalogue, shapes
from lamina_core.sandbox.validation import check_inputs
from lamina_core.triage import advice
from lamina_core.triage.advice import (
    ACTION_WORDS,
    BUILT_IN,
    CLASS_WORDS,
    Action,
    FailureClass,
    Rule,
    advise,
    check_rule,
)

APP = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
CATALOGUE = catalogue.load(DATA / "catalogue.json", "http://127.0.0.1:8787")
CATALOGUE_ERRORS = sorted(
    {
        text
        for app in CATALOGUE.apps
        for rule in app.failures
        for text in (rule.error_message, rule.output_error)
        if text is not None
    }
)
OWN = Rule("Lantern is out", FailureClass.PROVIDER, Action.WAIT, "Please wait for the lantern.", author="anna")


def input_problems() -> list[str]:
    """Give a refusal of every kind that the sandbox's check of inputs knows, in its own words."""
    found = {}
    for app in CATALOGUE.apps:
        wrong = {parameter.name: "?" if parameter.type == "options" else ["?"] for parameter in app.parameters}
        for inputs in ({}, {**wrong, "Nonsense": 1}, {parameter.name: "ftp" for parameter in app.parameters}):
            for problem in check_inputs(app, inputs).problems:
                found[problem.code, problem.reason] = f'"{problem.field}": {problem.reason}'
    return sorted(found.values())


# The built-in rules


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.text)
def test_a_built_in_rule_is_the_first_to_know_its_example(rule: Rule):
    given_advice = advise(APP, rule.example, ())
    assert (given_advice.failure_class, given_advice.action) == (rule.failure_class, rule.action)
    assert given_advice.sentence == rule.sentence
    assert given_advice.reason.startswith("built in: the error contains “")


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.text)
def test_a_built_in_rule_could_be_an_operators_own(rule: Rule):
    check_rule(rule)
    assert rule.app_id is None
    for wording in (rule.text, *rule.also):
        assert len(wording) >= advice.SHORTEST_TEXT
        assert wording == wording.strip().casefold()


def test_no_wording_is_hidden_behind_an_earlier_rule():
    seen: list[str] = []
    for rule in BUILT_IN:
        wordings = (rule.text, *rule.also)
        hidden = [(early, wording) for wording in wordings for early in seen if early in wording]
        assert not hidden
        seen += wordings


@pytest.mark.parametrize("sentence", sorted({rule.sentence for rule in BUILT_IN}))
def test_a_sentence_can_be_sent_to_an_end_user(sentence):
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert "  " not in sentence
    for word in ("API", "HTTP", "error", "execution", "invalid", "you did", "your fault", "we will", "soon", "shortly"):
        assert word.casefold() not in sentence.casefold()


# What the sandbox gives


@pytest.mark.parametrize("text", CATALOGUE_ERRORS)
def test_every_error_of_the_sandboxes_catalogue_is_known(text):
    assert advise(APP, text, ()).failure_class is not FailureClass.UNKNOWN


def test_every_problem_of_inputs_is_known():
    problems = input_problems()
    assert len(problems) >= 5
    for text in problems:
        assert advise(APP, text, ()).failure_class in {FailureClass.BAD_INPUT, FailureClass.MEDIA}, text


@pytest.mark.parametrize(
    ("text", "failure_class", "action"),
    [
        (shapes.TOO_MANY, FailureClass.RATE_LIMIT, Action.WAIT),
        ("Invalid inputs", FailureClass.BAD_INPUT, Action.EDIT_FIRST),
        ("Service temporarily unavailable", FailureClass.PROVIDER, Action.WAIT),
        ("Lamina could not be reached: connection refused.", FailureClass.PROVIDER, Action.WAIT),
        ("Missing API key", FailureClass.UNKNOWN, Action.TELL_ENGINEERING),
        ("Error while downloading a.png: 429 Too Many Requests", FailureClass.MEDIA, Action.EDIT_FIRST),
        ("429: You exceeded your current quota (insufficient_quota)", FailureClass.CREDITS, Action.WAIT),
        ("CUDA out of memory. Tried to allocate 2 GiB", FailureClass.PROVIDER, Action.WAIT),
        ("This prompt is too long: 9000 tokens", FailureClass.BAD_INPUT, Action.EDIT_FIRST),
    ],
)
def test_usual_errors_are_told_apart(text, failure_class, action):
    said = advise(APP, text, ())
    assert (said.failure_class, said.action) == (failure_class, action)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Flux capacitor drained", "no rule knows this error"),
        (None, "Lamina gave no reason"),
        (" \n", "Lamina gave no reason"),
    ],
)
def test_what_nobody_knows_is_said_to_be_unknown(text, reason):
    said = advise(APP, text, ())
    assert (said.failure_class, said.action, said.reason) == (FailureClass.UNKNOWN, Action.TELL_ENGINEERING, reason)
    assert said.sentence.startswith("This did not work out, and ")


# Operators' own rules


def test_an_own_rule_goes_before_the_built_in_ones():
    said = advise(APP, "Timed out: the LANTERN \n is out", [OWN])
    assert (said.failure_class, said.sentence) == (OWN.failure_class, OWN.sentence)
    assert said.reason == "added by anna: the error contains “lantern is out”"
    assert advise(APP, "the lantern is out", [replace(OWN, author=None)]).reason.startswith("added here: ")


def test_the_first_own_rule_that_fits_counts():
    newest = replace(OWN, sentence="The newest says so.")
    assert advise(APP, "lantern is out", [newest, OWN]).sentence == "The newest says so."
    assert advise(APP, "lantern is out", [replace(newest, text="another"), OWN]).sentence == OWN.sentence


def test_a_rule_of_one_app_is_not_for_others():
    rule = replace(OWN, app_id="another")
    assert advise("another", "lantern is out", [rule]).sentence == OWN.sentence
    assert advise(APP, "lantern is out", [rule]).failure_class is FailureClass.UNKNOWN


def test_a_rule_with_an_empty_wording_catches_nothing():
    assert (
        advise(APP, "Flux capacitor drained", [replace(OWN, text=" ", also=("",))]).failure_class
        is FailureClass.UNKNOWN
    )


@given(some.none() | some.text(), some.text())
def test_advice_never_raises(text, words):
    rule = Rule(words, FailureClass.MEDIA, Action.WAIT, "Please wait.")
    assert advise(APP, text, [rule]).sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text": ""}, "Type the words of the error"),
        ({"text": " \n "}, "Type the words of the error"),
        ({"text": "no"}, "at least 3 signs"),
        ({"text": "x" * 201}, "201 signs long; 200"),
        ({"sentence": " "}, "Type the sentence"),
        ({"sentence": "x" * 501}, "501 signs long; 500"),
        ({"text": "a\x00bc"}, "cannot be shown"),
        ({"sentence": "a\u202ebc"}, "cannot be shown"),
    ],
)
def test_a_rule_that_cannot_serve_is_refused(changes, words):
    with pytest.raises(errors.OperationRefused, match=words):
        check_rule(replace(OWN, **changes))


@pytest.mark.parametrize("changes", [{}, {"text": "x" * 200}, {"text": "503"}, {"sentence": "Two.\nLines."}])
def test_a_rule_that_can_serve_is_taken(changes):
    check_rule(replace(OWN, **changes))


def test_every_class_and_action_has_words_for_people():
    assert set(CLASS_WORDS) == set(FailureClass)
    assert set(ACTION_WORDS) == set(Action)
    assert len(set(CLASS_WORDS.values()) | set(ACTION_WORDS.values())) == len(FailureClass) + len(Action)
