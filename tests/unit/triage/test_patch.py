"""One change to many inputs: exact names, nothing else touched, and the same after a walk through JSON."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core import errors
from lamina_core.triage import diff, patch
from lamina_core.triage.patch import Patch, PatchKind

texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=8)
documents = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
payloads = some.dictionaries(texts, documents, max_size=4)
patches = some.builds(Patch, some.sampled_from(PatchKind), texts, documents, texts, texts)


@given(some.none() | patches, payloads)
def test_a_patch_touches_its_own_field_alone_and_never_its_argument(change, inputs):
    untouched = copy.deepcopy(inputs)
    patched = patch.apply_patch(change, inputs)
    assert patched is not inputs
    assert diff.same_json(inputs, untouched)
    assert {name for name in (*inputs, *patched) if name not in inputs or name not in patched} <= {
        change and change.field
    }
    assert all(
        diff.same_json(patched[name], inputs[name]) for name in patched if change is None or name != change.field
    )


@given(patches, payloads)
def test_a_patch_works_the_same_after_a_walk_through_json(change, inputs):
    again = patch.from_document(json.loads(json.dumps(patch.to_document(change))))
    assert diff.same_json(patch.to_document(again), patch.to_document(change))
    assert diff.same_json(patch.apply_patch(again, inputs), patch.apply_patch(change, inputs))


@given(payloads, texts, documents)
def test_set_gives_the_field_exactly_this_value(inputs, name, value):
    assert diff.same_json(patch.apply_patch(Patch(PatchKind.SET, name, value), inputs)[name], value)


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0.0, 0), (False, 0), ([1], [True])])
def test_set_tells_numbers_and_truth_apart(before, after):
    patched = patch.apply_patch(Patch(PatchKind.SET, "count", after), {"count": before})
    assert diff.same_json(patched, {"count": after})
    assert not diff.same_json(patched, {"count": before})


def test_names_are_exact_with_their_white_space():
    inputs = {"Your Photo ": "a", "Your Photo": "b"}
    assert patch.apply_patch(Patch(PatchKind.REMOVE, "Your Photo "), inputs) == {"Your Photo": "b"}
    assert patch.apply_patch(Patch(PatchKind.SET, "Your Photo ", "c"), inputs)["Your Photo"] == "b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://example.com/http://", "https://example.com/https://"),
        (["http://a", 1, None, "x"], ["https://a", 1, None, "x"]),
        ({"http://": "http://a", "more": ["http://b"]}, {"http://": "https://a", "more": ["https://b"]}),
        ("HTTP://A", "HTTP://A"),
        (7, 7),
        (None, None),
    ],
)
def test_replace_finds_the_literal_text_wherever_texts_lie(before, after):
    change = Patch(PatchKind.REPLACE, "image", find="http://", replacement="https://")
    assert patch.apply_patch(change, {"image": before, "other": "http://"}) == {"image": after, "other": "http://"}


def test_replace_is_literal_and_no_pattern():
    change = Patch(PatchKind.REPLACE, "prompt", find=".*", replacement=r"\0")
    assert patch.apply_patch(change, {"prompt": "a.*b"}) == {"prompt": r"a\0b"}


@pytest.mark.parametrize("find", ["x", ""])
def test_replace_and_remove_leave_inputs_alone_where_there_is_nothing_to_do(find):
    inputs = {"prompt": "abc"}
    assert patch.apply_patch(Patch(PatchKind.REPLACE, "prompt", find=find, replacement="y"), inputs) == inputs
    assert patch.apply_patch(Patch(PatchKind.REPLACE, "other", find="a", replacement="y"), inputs) == inputs
    assert patch.apply_patch(Patch(PatchKind.REMOVE, "other"), inputs) == inputs


ENDLESS: list = []
ENDLESS.append(ENDLESS)
DEEP: list = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Patch(PatchKind.SET, "", 1), "Name the input"),
        (Patch(PatchKind.REMOVE, ""), "Name the input"),
        (Patch(PatchKind.REPLACE, "a", find="", replacement="b"), "Give the text"),
        (Patch(PatchKind.SET, "a", float("nan")), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", [float("-inf")]), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", {1, 2}), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", b"bytes"), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", ENDLESS), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", DEEP), "cannot be sent as JSON"),
        (Patch(PatchKind.SET, "a", {"b": {1: "key is no text"}}), "none of JSON's"),
        (Patch(PatchKind.SET, "a", (1, 2)), "none of JSON's"),
        (Patch(PatchKind.SET, "a", "\ud800"), "half a character"),
        (Patch(PatchKind.REPLACE, "a", find="b", replacement="\ud800"), "half a character"),
    ],
)
def test_a_patch_that_cannot_be_sent_is_refused_with_the_reason(change, message):
    with pytest.raises(errors.OperationRefused, match=message):
        patch.check_patch(change)


@pytest.mark.parametrize(
    "change",
    [
        Patch(PatchKind.SET, " ", None),
        Patch(PatchKind.SET, "a", {"b": [1, 1.0, True, ""]}),
        Patch(PatchKind.REPLACE, "a", find=" ", replacement=""),
        Patch(PatchKind.REMOVE, "a"),
    ],
)
def test_a_sound_patch_passes(change):
    patch.check_patch(change)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "an object"),
        ([], "an object"),
        ({}, "one of set, replace, remove"),
        ({"kind": ["set"], "field": "a", "value": 1}, "one of set, replace, remove"),
        ({"kind": "SET", "field": "a", "value": 1}, "one of set, replace, remove"),
        ({"kind": "remove"}, "needs field"),
        ({"kind": "set", "field": "a"}, "needs value"),
        ({"kind": "replace", "field": "a", "replacement": "b"}, "needs find"),
        ({"kind": "replace", "field": "a", "find": "b"}, "needs replacement"),
        ({"kind": "remove", "field": 7}, "field of a change is a text"),
        ({"kind": "replace", "field": "a", "find": None, "replacement": "b"}, "find of a change is a text"),
    ],
)
def test_a_document_that_is_no_patch_is_refused_with_the_reason(document, message):
    with pytest.raises(ValueError, match=message):
        patch.from_document(document)


def test_a_document_needs_only_what_its_kind_takes():
    assert patch.from_document({"kind": "remove", "field": "a"}) == Patch(PatchKind.REMOVE, "a")
    assert patch.from_document({"kind": "set", "field": "a", "value": None}) == Patch(PatchKind.SET, "a", None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Patch(PatchKind.SET, "background", "white"), 'set background to "white"'),
        (Patch(PatchKind.SET, "seed", True), "set seed to true"),
        (Patch(PatchKind.SET, "Łódź", ["🦊"]), 'set Łódź to ["🦊"]'),
        (Patch(PatchKind.REMOVE, "Your Photo "), 'remove "Your Photo "'),
        (Patch(PatchKind.REMOVE, "a\nb"), r'remove "a\nb"'),
        (
            Patch(PatchKind.REPLACE, "image", find="http:", replacement="https:"),
            'replace "http:" with "https:" in image',
        ),
        (Patch(PatchKind.REPLACE, "prompt", find="\n", replacement=""), r'remove "\n" from prompt'),
        (Patch(PatchKind.SET, "a", "x" * 81), f'set a to "{"x" * 79}…"'),
        (Patch(PatchKind.SET, "a", "x" * 80), f'set a to "{"x" * 80}"'),
    ],
)
def test_a_patch_is_told_in_one_plain_sentence(change, sentence):
    assert patch.describe_patch(change) == sentence


@given(patches)
def test_a_sentence_is_one_line_of_bounded_length(change):
    huge = Patch(change.kind, change.field * 1_000, [change.value] * 1_000, change.find * 1_000, "\n" * 1_000)
    for sentence in (patch.describe_patch(change), patch.describe_patch(huge)):
        assert "\n" not in sentence
        assert len(sentence) < 1_500
