"""JSON as text: laid out as Python and JavaScript lay it out, numbers and keys included."""

import json
import random
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.debugger import json_text, json_values
from lamina_core.debugger.json_text import LAYOUTS

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text() | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = some.dictionaries(some.text(), VALUES, min_size=1, max_size=5)
PYTHON = [
    {"separators": (",", ":")},
    {},
    {"indent": 2},
    {"indent": 4},
    {"indent": "\t"},
]


def pieces_of(text: str) -> json_text.Pieces:
    pieces = json_text.take_apart(text)
    assert pieces is not None
    return pieces


@given(DOCUMENTS, some.sampled_from(range(len(PYTHON))))
def test_a_document_is_laid_out_as_python_does(document, place):
    text = json.dumps(document, **PYTHON[place])
    pieces = pieces_of(text)

    assert "".join(pieces) == text
    for layout, options in zip(LAYOUTS, PYTHON, strict=False):
        assert json_text.lay_out(json_text.without_space(pieces), layout) == json.dumps(document, **options)


@given(DOCUMENTS)
def test_characters_are_escaped_and_unescaped_as_python_does(document):
    escaped, plain = json.dumps(document), json.dumps(document, ensure_ascii=False)

    assert "".join(json_text.escape_unicode(pieces_of(plain))) == escaped
    assert "".join(json_text.unescape_unicode(pieces_of(escaped))) == plain


@given(DOCUMENTS)
def test_slashes_and_markup_come_back(document):
    pieces = pieces_of(json.dumps(document, ensure_ascii=False))

    assert json_text.unescape_slashes(json_text.escape_slashes(pieces)) == pieces
    marked = json_text.escape_markup(pieces)
    assert not any(sign in "".join(marked) for sign in "<>&")
    assert json.loads("".join(marked)) == document
    assert json_text.unescape_markup(marked) == pieces


@given(DOCUMENTS)
def test_keys_are_sorted_as_python_does(document):
    found = json_values.sort_keys(json_text.without_space(pieces_of(json.dumps(document, ensure_ascii=False))))

    assert found is not None
    in_order = json.loads("".join(found), object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    assert json.loads("".join(found)) == document
    assert len(in_order) == len(document)


def test_every_order_of_a_small_object_is_given_once():
    pieces = pieces_of('{"a":1,"b":{"c":2,"d":3},"e":[]}')

    orders = ["".join(order) for order in json_values.other_orders(pieces)]

    assert len(orders) == len(set(orders)) == 12
    assert all(json.loads(order) == {"a": 1, "b": {"c": 2, "d": 3}, "e": []} for order in orders)


def test_numbers_are_written_as_javascript_writes_them():
    rng = random.Random(8)
    numbers = [repr(struct.unpack("d", rng.randbytes(8))[0]) for _ in range(3_000)]
    numbers = [number for number in numbers if "n" not in number]
    numbers += ["1.0", "-0.0", "1e21", "1e22", "123456789012345680000", "1e-7", "0.000001", "1E3", "12.50", "5e-324"]
    script = "JSON.parse(require('fs').readFileSync(0)).forEach(text => console.log(String(Number(text))))"
    written = subprocess.run(
        ["node", "-e", script], input=json.dumps(numbers), capture_output=True, text=True, check=True
    ).stdout.split()

    assert [json_values.javascript_number(number) for number in numbers] == written


@pytest.mark.parametrize("text", ["", "no JSON", '{"a":', "[" * 100_000, "{'a': 1}", "\x00", "12"])
def test_what_is_no_json_or_very_deep_is_not_taken_apart_or_not_arranged(text):
    pieces = json_text.take_apart(text)

    assert pieces is None or json_values.sort_keys(json_text.without_space(pieces)) is None


def test_a_layout_that_would_be_huge_is_not_written():
    deep = pieces_of("[" * 200 + "0," * 40_000 + "0" + "]" * 200)

    assert json_text.lay_out(deep, LAYOUTS[3]) is None
    assert json_text.lay_out(deep, LAYOUTS[0]) == "".join(deep)
