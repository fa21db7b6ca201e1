"""Failures with one cause share a fingerprint, others do not, and no report is odd enough to break it."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.config import DATA
from lamina_core.domain import Status
from lamina_core.sandbox import catalogue, shapes
from lamina_core.sandbox.catalogue import App, FailureRule
from lamina_core.sandbox.plan import Plan, decide_outputs, view
from lamina_core.triage import fingerprint
from lamina_core.triage.fingerprint import (
    ERROR_CLASSES,
    TITLE_LENGTH,
    VARIABLES,
    Cause,
    Variable,
    find_cause,
    normalise,
)

APP = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
CATALOGUE = catalogue.load(DATA / "catalogue.json", "http://127.0.0.1:8787")


def failed(message, *errors, app_id=APP):
    return find_cause(app_id, Status.FAILED, message, [in_error(error) for error in errors])


def in_error(error, node="klingVideoNode-1760178978989-h679qhl9n"):
    return {"id": node, "label": "Front", "type": "pending", "value": None, "status": "error", "error": error}


# The table


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_what_varies_becomes_a_placeholder(variable: Variable):
    assert normalise(variable.before) == variable.after


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("  Two\n\twords !", "two words"),
        ("aspect ratio 9:16 and 16:9", "aspect ratio <n> and <n>"),
        ("model gpt-4o or v2", "model gpt-4o or v2"),
        ("request_timeout, file_not_found", "request_timeout, file_not_found"),
        ("and/or n/a", "and/or n/a"),
        ("we can't and won't", "we can't and won't"),
        ("std::bad_alloc", "std::bad_alloc"),
        ("超过30秒", "超过<n>秒"),
        ("HTTP 500 is not HTTP 404", "http 500 is not http 404"),
        ("STRASSE straße", "strasse strasse"),
    ],
)
def test_words_stay(text, normalised):
    assert normalise(text) == normalised


def test_a_long_message_is_cut():
    assert len(normalise("word " * 1_000)) <= fingerprint.MESSAGE_LENGTH


# One cause, one fingerprint

_NAMES = some.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)
_DIGESTS = some.integers(0).map(lambda number: hashlib.sha256(str(number).encode()).hexdigest())
_MOMENTS = some.datetimes()


def _quote(marks):
    inside = some.text(some.characters(exclude_characters=marks + "\\", exclude_categories=("Cs",)), max_size=60)
    return inside.map(lambda text: marks[0] + text + marks[1])


KINDS = {
    "id": some.one_of(
        some.uuids().map(str),
        some.uuids().map(lambda uuid: f"run_{uuid}"),
        some.integers(0, 10**6).map(lambda number: f"exec-{number:03}"),
        _DIGESTS.map(lambda digest: f"req_{digest[:24]}"),
    ),
    "number": some.one_of(
        some.integers(-(10**14), 10**14),
        some.floats(allow_nan=False, allow_infinity=False),
        _DIGESTS.map(lambda d: d[:12]),
    ).map(str),
    "url": some.builds(
        "{}://{}.example.com/{}".format,
        some.sampled_from(("http", "https", "s3")),
        _NAMES,
        _NAMES.map(lambda n: n + "?a=1&b=c"),
    ),
    "value": some.one_of(_quote('""'), _quote("“”"), _quote("``"), _quote("«»")),
    "time": some.one_of(
        _MOMENTS.map(lambda moment: moment.isoformat() + "Z"),
        _MOMENTS.map(lambda moment: moment.isoformat(" ", "milliseconds")),
        some.dates().map(str),
    ),
    "file": some.builds(
        "{}{}.{}".format,
        some.sampled_from(("", "/tmp/", "uploads/", "C:\\Users\\anna\\")),
        _NAMES,
        some.sampled_from(("png", "jpeg", "mp4", "safetensors")),
    ),
    "duration": some.builds(
        "{}{}".format, some.integers(0, 10**6), some.sampled_from((" s", "s", " ms", " seconds", " minutes", "h"))
    ),
}
TEMPLATES = (
    "Could not read {file} of {id}: {number} parts are missing",
    "No answer from {url} within {duration} (try {number} of {number})",
    "Node {value} refused {value} at {time}",
    "{time} {id}: {number}, {value}, {url}, {file}, {duration}.",
    "Internal error ({id}); see {url}",
)


def _fill(template: str) -> some.SearchStrategy[str]:
    parts = re.split(r"\{(\w+)\}", template)
    texts = [KINDS[part] if index % 2 else some.just(part) for index, part in enumerate(parts)]
    return some.tuples(*texts).map("".join)


@given(some.sampled_from(TEMPLATES).flatmap(lambda template: some.tuples(_fill(template), _fill(template))))
def test_what_varies_does_not_change_the_fingerprint(pair):
    first, second = (failed(text) for text in pair)
    assert first.message == second.message
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_shows_its_version_and_stays():
    """It is stored: if this fails on purpose, raise VERSION."""
    assert failed("Provider timed out after 90 s").fingerprint == "f1-965208cdbeae7463"


def test_apps_classes_and_words_tell_causes_apart():
    causes = [
        failed("The provider is overloaded"),
        failed("The provider is overloaded", app_id="another"),
        failed("The provider is tired"),
        find_cause(APP, Status.COMPLETED, None, [in_error("The provider is overloaded")]),
        failed("The server answered 404"),
        failed("The server answered 500"),
    ]
    assert len({cause.fingerprint for cause in causes}) == len(causes)


# What the sandbox can say


def _reports() -> Iterator[tuple[App, FailureRule, Status, str | None, list[dict]]]:
    """Give what the sandbox reports of each app and each of its failure rules."""
    for app in CATALOGUE.apps:
        for rule in app.failures:
            outputs = [(index, output, "a value") for index, output in enumerate(app.outputs)]
            fates = decide_outputs(outputs, rule, [1_000] * len(outputs))
            outcome = "failed" if rule.error_message else "completed"
            seen = view(Plan(0, 500, 1_000, outcome, rule.error_message, fates, 1, 0), 1_000)
            yield app, rule, Status(seen.status), seen.error_message, shapes.outputs(seen)


def _without_names(app: App, text: str) -> str:
    """Blank the names of parameters: the same trouble with another input is the same cause."""
    for parameter in app.parameters:
        text = text.replace(f'"{parameter.name}"', '""')
    return text


def _refusals(base_url: str) -> set[str]:
    """Ask a running sandbox for what it refuses."""
    start, body = f"/v1/apps/{CATALOGUE.apps[0].app_id}/runs", {"inputs": {}}
    asked = [{"X-Sandbox-Fault": name} for name in ("rate_limited", "server_error", "unavailable")]
    asked += [{"x-api-key": ""}, {"x-api-key": "wrong"}, {"x-workspace-id": "another"}]
    with httpx.Client(base_url=base_url, headers={"x-api-key": "lma_test"}, trust_env=False) as client:
        answers = [client.post(start, json=body, headers=headers) for headers in asked]
        answers.append(client.post("/v1/apps/nowhere/runs", json=body))
        answers.append(client.post(start, json={"inputs": {"Nonsense": 1}}))
        answers.append(client.post(start, json={}))
        answers.append(client.post(start, json=body, params={"webhook": "ftp://example.com"}))
    assert all(answer.status_code >= 400 for answer in answers)
    return {answer.json()["error"] for answer in answers}


def test_every_failure_of_the_catalogue_has_a_cause_with_a_class():
    for app, rule, status, message, outputs in _reports():
        cause = find_cause(app.app_id, status, message, outputs)
        assert cause is not None, (app.name, rule)
        assert cause.error_class.removeprefix("partial_") in dict(ERROR_CLASSES), (app.name, rule)
        assert cause.error_class.startswith("partial_") == (rule.error_message is None)


def test_no_two_different_errors_of_the_sandbox_collapse(sandbox):
    texts = {_without_names(app, message) for app, _, _, message, _ in _reports() if message}
    texts |= {_without_names(app, rule.output_error) for app, rule, *_ in _reports()}
    assert len(texts) >= 10
    refusals = _refusals(sandbox.base_url)
    assert len(refusals) == 10
    for one, other in combinations(sorted(texts | refusals), 2):
        assert failed(one).fingerprint != failed(other).fingerprint, (one, other)


def test_the_same_trouble_with_another_input_is_the_same_cause():
    one, other = (
        f'Could not download the file given for "{name}": the server answered 404' for name in ("Front", "Back")
    )
    assert failed(one) == replace(failed(other), title=failed(one).title)


# Which words count


def test_what_did_not_fail_has_no_cause():
    for status in set(Status) - {Status.FAILED, Status.START_FAILED}:
        assert find_cause(APP, status, "It broke", []) is None
    done = {"status": "completed", "type": "image", "error": None}
    assert find_cause(APP, Status.COMPLETED, None, [done]) is None


def test_an_output_in_error_is_known_by_its_status_not_by_its_type():
    assert (
        find_cause(APP, Status.COMPLETED, None, [{"type": "error", "status": "completed", "error": "a warning"}])
        is None
    )
    cause = find_cause(APP, Status.COMPLETED, None, [{"type": "image", "status": "error", "error": "It broke"}])
    assert cause is not None
    assert cause.message == "it broke"


def test_the_top_level_message_goes_before_those_of_outputs():
    assert failed("The provider is down", "It broke").message == "the provider is down"


def test_outputs_speak_where_the_execution_does_not():
    cause = failed(None, "Step 2 broke", "Another thing", "Step 3 broke", None)
    assert cause.message == "another thing; step <n> broke"
    assert cause.title == "Another thing (and 1 more)"
    assert failed(None, "Step 9 broke", "Another thing") == replace(cause, title="Another thing (and 1 more)")


def test_the_row_that_keeps_the_first_output_error_gives_the_same_cause_as_the_report():
    first = "It broke " * 400
    outputs = [in_error(first), in_error("Another thing")]
    kept = first.strip()[:2_000]
    for status in (Status.FAILED, Status.COMPLETED):
        assert find_cause(APP, status, kept, outputs) == find_cause(APP, status, None, outputs)


def test_a_completed_one_is_judged_by_its_outputs_alone():
    outputs = [{"status": "completed", "error": "only a warning"}, in_error("It broke")]
    assert find_cause(APP, Status.COMPLETED, "only a warning", outputs).message == "it broke"
    assert find_cause(APP, Status.COMPLETED, "The reason", [in_error(None)]).message == "the reason"


def test_failures_without_a_word_stay_apart_by_what_is_known():
    silent = [
        failed(None),
        failed("", None),
        find_cause(APP, Status.FAILED, "  ", [in_error(None, "aiDesignerNode-1760178978989-h679qhl9n")]),
        find_cause(APP, Status.START_FAILED, None, []),
        find_cause(APP, Status.COMPLETED, None, [in_error(None)]),
    ]
    assert len({cause.fingerprint for cause in silent}) == len(silent)
    assert silent[1].title == "It failed without a message: klingVideoNode"
    assert {cause.error_class for cause in silent} == {"silent", "partial_silent"}


def test_an_error_that_is_an_object_speaks_through_its_words():
    error = {"error": {"code": "E7", "message": "Model is asleep", "request_id": "req_8dkw02kd93"}}
    assert failed(None, error).message == "e7: model is asleep"
    assert failed(json.dumps(error)).message == failed(None, error).message
    assert failed(f"Provider said {json.dumps(error)}").title == "Provider said E7: Model is asleep"


def test_a_traceback_speaks_through_its_last_line():
    text = (
        'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in run\n    go()\nValueError: no frames left\n'
    )
    assert failed(text).message == "valueerror: no frames left"


# Titles


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            'could not download the file given for "Product Photo": the server answered 404.',
            'Could not download the file given for "…": the server answered 404',
        ),
        ("Timed out after 90 s on exec_9f3kd02m", "Timed out after … on …"),
        ("Bad values 3, 4, 5 given", "Bad values … given"),
        ("Step klingVideoNode-1760178978989-h679qhl9n stopped", "Step klingVideoNode-… stopped"),
    ],
)
def test_a_title_is_the_sample_without_what_varies(text, title):
    assert failed(text).title == title


@given(some.text(max_size=400), some.lists(some.text(max_size=200), max_size=3))
def test_a_title_is_one_short_line(message, errors):
    cause = failed(message, *errors)
    assert 0 < len(cause.title) <= TITLE_LENGTH + 5
    assert len(cause.title.splitlines()) == 1


# Hostile reports

_ANYTHING = some.recursive(
    some.none() | some.booleans() | some.floats() | some.text(max_size=20) | some.binary(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_OUTPUTS = some.lists(
    _ANYTHING | some.fixed_dictionaries({"status": some.just("error")}, optional={"error": _ANYTHING, "id": _ANYTHING})
)


@given(some.sampled_from(Status), _ANYTHING, some.none() | _OUTPUTS)
def test_no_shape_of_a_report_raises(status, message, outputs):
    cause = find_cause(APP, status, message, outputs)
    assert cause is None or re.fullmatch(r"f1-[0-9a-f]{16}", cause.fingerprint)


def test_signs_that_databases_refuse_do_not_come_through():
    cause = failed("Half a pair \ud83d and a \x00 in it")
    for text in (cause.title, cause.message):
        text.encode()
        assert "\x00" not in text


MEGABYTE = 10**6
HOSTILE = (
    *("a", "0", '"', "'a ", "`", "a.", "1-", "1 s ", "1,", "1.1 ", "1:1:", "http://.", "/", "\\\\ ", "a:", "(", "@a."),
    *("run_", "a-", "aaaa-", "exec_aaaa1_", "jan 1 ", '{"message":"', "{", "A1a+", "error: 4", "“", " ", "\n", "☃"),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_is_read_at_once(piece):
    text = piece * (MEGABYTE // len(piece))
    began = time.thread_time()
    failed(text, text)
    assert time.thread_time() - began < 10


def test_a_usual_error_costs_little():
    began = time.thread_time()
    for number in range(500):
        failed(f"Image generation timed out: no answer from the provider within {number} s")
    assert (time.thread_time() - began) / 500 < 0.02


def test_which_inputs_were_refused_belongs_to_the_cause():
    def cause(*problems: dict[str, str]) -> Cause:
        found = find_cause("app-1", Status.START_FAILED, "Invalid inputs", (), problems)
        assert found is not None
        return found

    size, photo = {"field": "Size", "code": "invalid_option"}, {"field": "Photo", "code": "invalid_media"}
    assert cause(size).title == "Invalid inputs (Size invalid_option)"
    assert len({cause(*each).fingerprint for each in ((), (size,), (photo,), (size, photo))}) == 4
    assert cause(size, photo) == cause(photo, size | {"message": "It must be one of S and L."})
    assert cause({}).title == "Invalid inputs"
