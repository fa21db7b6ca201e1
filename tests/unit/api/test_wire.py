"""Lamina's JSON is read tolerantly, and what cannot be read is only ever a ValueError."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.api import wire
from lamina_core.domain import PlannedOutput, Status
from lamina_core.errors import FieldProblem

# Texts with everything that JSON can carry, lone surrogates and NUL too.
texts = some.text(some.characters(), max_size=8)
numbers = some.integers() | some.floats(allow_nan=False, allow_infinity=False)
values = some.recursive(
    some.none() | some.booleans() | numbers | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

RUN_FIELDS = ("executionId", "runId", "workflowId", "workflowName", "status", "outputs", "errorMessage", "createdAt")
APP_FIELDS = ("appId", "name", "description", "isPublic", "capabilities", "parameters", "outputs")
PARAMETER_FIELDS = ("id", "key", "name", "type", "required", "options", "default", "accept", "multiple", "description")

parameters = some.dictionaries(some.sampled_from(PARAMETER_FIELDS) | texts, values, max_size=5)
run_objects = some.dictionaries(some.sampled_from(RUN_FIELDS) | texts, values, max_size=5)
app_objects = some.dictionaries(
    some.sampled_from(APP_FIELDS) | texts, values | some.lists(parameters, max_size=2), max_size=5
)


def run(**fields) -> dict:
    return {"executionId": "e-1", "status": "queued"} | fields


def is_storable(text: str | None) -> bool:
    return text is None or ("\x00" not in text and text.encode("utf-8").decode("utf-8") == text)


@given(run_objects)
def test_any_object_is_a_report_or_a_value_error(data):
    try:
        report = wire.report_from(data)
    except ValueError:
        return
    assert report.raw is data


@given(run_objects, texts.filter(bool), texts)
def test_what_a_report_says_can_be_stored(data, execution_id, message):
    given_id = execution_id.encode("utf-8", "replace").decode("utf-8")
    report = wire.report_from(data | run(executionId=given_id, outputs=None, errorMessage=message))
    said = (report.execution_id, report.raw_status, report.app_id, report.app_name, report.error_message)
    assert [text for text in said if not is_storable(text)] == []
    assert all(instant.tzinfo is UTC for instant in (report.created_at, report.completed_at) if instant)


@given(app_objects)
def test_any_object_is_an_app_or_a_value_error(data):
    try:
        app = wire.app_from(data)
    except ValueError:
        return
    assert app.app_id


@given(app_objects, some.lists(parameters, max_size=3))
def test_every_parameter_with_a_name_is_there_and_can_be_stored(data, given_parameters):
    app = wire.app_from(data | {"appId": "app-1", "parameters": given_parameters})
    assert len(app.parameters) == sum("name" in parameter for parameter in given_parameters)
    said = [app.name, app.description, *(output.label for output in app.outputs)]
    for parameter in app.parameters:
        said += [parameter.name, parameter.type, *parameter.options, *parameter.accept, *parameter.identities]
    assert [text for text in said if not is_storable(text)] == []


@given(some.dictionaries(some.sampled_from(("label", "type", "status", "value", "error")) | texts, values))
def test_any_output_can_be_shown(data):
    output = wire.output_from(data)
    assert output.label
    assert all(is_storable(text) for text in (output.label, output.type, output.status, output.error))


@given(values)
def test_any_details_are_problems_or_none(details):
    for problem in wire.problems_from(details):
        assert isinstance(problem, FieldProblem)
        assert is_storable(problem.field)
        assert is_storable(problem.code)
        assert is_storable(problem.message)


@given(some.binary(max_size=60))
def test_any_bytes_are_json_or_a_value_error(body):
    try:
        value = wire.parse_json(body)
    except ValueError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(values)
def test_json_is_read_back_as_it_was(value):
    assert wire.parse_json(json.dumps(value).encode()) == value


def test_unknown_fields_are_kept_in_raw():
    data = run(progress={"percentComplete": 50}, **{"\ud800": 1})
    assert wire.report_from(data).raw == data


def test_a_field_that_no_contract_names_means_nothing():
    report = wire.report_from(run(app_id="a", error_message="b", created_at="2026-03-14T09:00:00Z"))
    assert (report.app_id, report.error_message, report.created_at) == (None, None, None)


def test_either_name_of_the_id_is_read():
    assert wire.report_from({"runId": "r-1", "status": "running"}).execution_id == "r-1"
    assert wire.report_from({"executionId": "e-1", "status": "running"}).execution_id == "e-1"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"status": "queued"},
        {"executionId": "e-1"},
        run(executionId=""),
        run(executionId=7),
        run(executionId=None),
        run(executionId="x" * 201),
        run(executionId="\ud800"),
        run(status=""),
        run(status=None),
        run(status=["queued"]),
        run(outputs="none"),
        run(outputs={"0": {}}),
        [],
        "queued",
        None,
    ],
)
def test_what_is_no_report_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"."):
        wire.report_from(data)


def test_the_value_error_names_the_field():
    with pytest.raises(ValueError, match="status"):
        wire.report_from({"executionId": "e-1"})


def test_an_id_of_200_characters_is_read():
    assert wire.report_from(run(executionId="x" * 200)).execution_id == "x" * 200


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", Status.COMPLETED),
        ("moderating", Status.UNKNOWN),
        ("COMPLETED", Status.UNKNOWN),
        ("starting", Status.UNKNOWN),  # a word of ours, not of Lamina's
        ("gone", Status.UNKNOWN),
        (" queued", Status.UNKNOWN),
    ],
)
def test_a_status_is_known_or_kept_in_lamina_s_word(word, status):
    report = wire.report_from(run(status=word))
    assert (report.status, report.raw_status) == (status, word)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-14T09:00:00.250Z", datetime(2026, 3, 14, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-14T09:00:00", datetime(2026, 3, 14, 9, 0, tzinfo=UTC)),
        ("2026-03-14T11:00:00+02:00", datetime(2026, 3, 14, 9, 0, tzinfo=UTC)),
        ("2026-03-14", datetime(2026, 3, 14, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("2026-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("\x00", None),
        (1_773_478_800, None),
        (True, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_instant_is_aware_and_utc_or_none(text, instant):
    report = wire.report_from(run(createdAt=text, startedAt=text, completedAt=text))
    assert (report.created_at, report.started_at, report.completed_at) == (instant, instant, instant)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\x00b", "a\ufffdb"),
        ("a\ud83e", "a?"),
        ("\udd8a b", "? b"),
        ("🦊", "🦊"),
        ({"reason": "x"}, '{"reason": "x"}'),
    ],
)
def test_an_error_message_becomes_storable(text, stored):
    assert wire.report_from(run(errorMessage=text)).error_message == stored


def test_outputs_that_are_no_objects_are_passed_over():
    report = wire.report_from(run(outputs=[None, {"label": "A"}, "B", ["C"]]))
    assert report.outputs == ({"label": "A"},)


def test_no_outputs_and_an_empty_list_are_told_apart():
    assert wire.report_from(run()).outputs is None
    assert wire.report_from(run(outputs=[])).outputs == ()


@pytest.mark.parametrize(
    ("default", "has_default"), [("", True), ([], True), (0, True), (False, True), ({}, True), (None, False)]
)
def test_a_default_counts_unless_it_is_null(default, has_default):
    data = {"appId": "a", "parameters": [{"name": "P", "type": "text", "required": True, "default": default}]}
    (parameter,) = wire.app_from(data).parameters
    assert (parameter.has_default, parameter.needs_value) == (has_default, not has_default)


def test_a_parameter_is_known_by_name_key_and_id():
    data = {"appId": "a", "parameters": [{"name": " Model  Tone ", "key": "model_tone", "id": "p-1"}]}
    (parameter,) = wire.app_from(data).parameters
    assert parameter.name == " Model  Tone "
    assert parameter.identities == (" Model  Tone ", "model_tone", "p-1")


def test_an_app_without_a_name_goes_by_its_id():
    assert wire.app_from({"appId": "a-1", "name": None}).name == "a-1"


def test_outputs_without_a_label_are_numbered():
    outputs = wire.app_from({"appId": "a", "outputs": [{"type": "image"}, {"label": "", "type": None}]}).outputs
    assert outputs == (PlannedOutput("Output 1", "image"), PlannedOutput("Output 2", "unknown"))


@pytest.mark.parametrize("data", [{}, {"appId": ""}, {"appId": 5}, {"appId": None}, [], "a", None])
def test_what_is_no_app_is_a_value_error(data):
    with pytest.raises(ValueError, match="appId"):
        wire.app_from(data)


@pytest.mark.parametrize(
    ("details", "problems"),
    [
        (
            ['"Style": invalid option "Oval". Must be one of: Round, Square'],
            [("Style", None, 'invalid option "Oval". Must be one of: Round, Square')],
        ),
        (["no field is named here"], [(None, None, "no field is named here")]),
        (
            [{"field": "Style", "code": "invalid_option", "message": "must be one of"}],
            [("Style", "invalid_option", "must be one of")],
        ),
        ([{"param": "Style", "code": "c", "message": "m"}], [("Style", "c", "m")]),
        (
            {"code": "x", "message": "y", "details": {"errors": [{"field": "Style", "error": "e", "message": "m"}]}},
            [("Style", "e", "m")],
        ),
        ({"errors": [{"field": "Style", "error": "e", "allowed": ["a"]}]}, [("Style", "e", "e")]),
        ([{"field": 5, "odd": [1]}], [(None, None, '{"field": 5, "odd": [1]}')]),
        ([None, 7], [(None, None, "null"), (None, None, "7")]),
        ([{"field": "a\x00", "message": "b\ud800"}], [("a\ufffd", None, "b?")]),
        ("text", []),
        (None, []),
        ({"details": {"errors": {"errors": {}}}}, []),
    ],
)
def test_each_shape_of_details_names_the_field(details, problems):
    assert wire.problems_from(details) == tuple(FieldProblem(*problem) for problem in problems)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nope",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b"[1" + b"0" * 5_000 + b"]",
        b"\xff",
        b'"\xed\xa0\x80"',  # a lone surrogate, which UTF-8 cannot carry
        '{"a": 1}'.encode("utf-16"),
        b"{} {}",
        b"<html></html>",
    ],
)
def test_what_is_not_strict_json_is_a_value_error(body):
    with pytest.raises(ValueError, match=r"."):
        wire.parse_json(body)


def test_a_byte_order_mark_is_read_over():
    assert wire.parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_read_to_a_depth_and_no_further(opening, closing):
    deepest = wire.DEPTH_LIMIT - 1
    assert wire.parse_json(opening * deepest + b"1" + closing * deepest)
    for depth in (deepest + 1, 900, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            wire.parse_json(opening * depth + b"1" + closing * depth)


def test_wide_json_is_read():
    assert len(wire.parse_json(b"[" + b'{"a":[1,2]},' * 100_000 + b"0]")) == 100_001


@pytest.mark.parametrize("document", [None, [], {}, {"data": None}, {"data": []}, {"data": "x"}, "data"])
def test_what_wraps_nothing_in_data_is_a_value_error(document):
    with pytest.raises(ValueError, match="data"):
        wire.data_of(document)
