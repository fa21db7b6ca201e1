"""Whatever is pasted gets an answer or a clear refusal: monstrous, broken, binary and contrived material."""

import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lamina_core import errors
from lamina_core.debugger.paste.reader import MOST, read_pasted
from lamina_core.debugger.records import Specimen

SAMPLES = [
    "POST /h HTTP/1.1\r\nHost: example.com\r\nX-Lamina-Webhook-Timestamp: 1\r\n\r\n{}",
    "curl 'https://example.com' \\\n  -H 'X-Lamina-Webhook-Timestamp: 1' --data-raw $'{\"a\":\\'b\\'}'",
    'curl ^"https://example.com^" ^\n  -H ^"X-Lamina-Webhook-Timestamp: 1^" ^\n  --data-raw ^"^{^\\^"a^\\^":1^}^"',
    'Invoke-WebRequest -Uri "https://example.com" `\n-Headers @{"Host"="a"; "X-A"="$([char]233)"} -Body "{`"a`":1}"',
    'fetch("https://example.com", {headers: new Headers({"x-lamina": \'b\'}), body: JSON.stringify({a: [1, null]})});',
    "{ headers: { host: 'example.com', 'x-lamina-a': `b` }, body: <Buffer 7b 22 ... 3 more bytes> }",
    "{'headers': [(b'host', b'example.com')], 'wsgi.input': <_io.BytesIO object at 0x7f>} b'\\x00\\xff'",
    '2026 INFO {"req":{"headers":{"host":["example.com"],"x-lamina-a":"b"}},"body":"e30=","isBase64Encoded":true}',
    '{"log":{"entries":[{"request":{"headers":[{"name":"x-lamina-a","value":"b"}],"postData":{"params":[{"name":"c"}]}}}]}}',
    "Map(1) { 'x-lamina-a' => 'b' }\nbody: 'c' +\n  'd'... 5 more characters",
    "x-lamina-webhook-timestamp:\n1\ncontent-type = a\n[host] => b\n\nbody: b'c'",
]


def _read(pasted: str | bytes) -> Specimen | None:
    try:
        specimen = read_pasted(pasted)
    except errors.PasteRefused as error:
        words = str(error)
    else:
        for name, value in specimen.headers:
            (name + value).encode()  # nothing that a page could not show
        assert isinstance(specimen.body, bytes)
        return specimen
    assert words.endswith(".")
    assert len(words) < 400
    return None


def _fill(unit: str, size: int = MOST) -> str:
    return unit * (size // len(unit))


# fmt: off
UNITS = [
    *('{', '[', '(', '{[(', '[]', '{}', '[],', '{},', '((', ')', '}', '{"', '"', "'", '`', "{'", "b'", '{"a":'),
    *('a(', '[a(', '\\', '"\\', '{\\', '$', '${', "$'", '$(', '^', '^"', '^\\^"', '%^', '<', '{<', '<a'),
    *('<Buffer', '<7b', '{//', '{#', '\x00', '\r', '\n', '\r\n', ' ', '\t', 'a', 'a.', '_', 'a ', 'a=', 'a:'),
    *(':', '=>', '...', '... 1 more items', '1', '-', '1e', "é", "😀", "\ud800", "\u2028", 'x-lamina-a:'),
    *('x-lamina-a: b\n', 'a: b\n', 'Host: example.com\n', 'body:', 'headers: {', 'curl ', "curl -H 'a: b'\n"),
    *('fetch(', 'fetch("', '-d a ', '-d ', '<<EOF\n', "'''", '"""', '/*', '{/*', '[Object', '[Object: '),
    *('{"headers":{"x-lamina-a":"b"}}\n', '{"headers":{"x-lamina-a":"b"},"body":{"a":1}}\n', '"headers":{'),
    *('+', "'a' + ", 'new ', '\n```', '```', '@{', "@'\n", '$a = ', '$a ', '`\n', '^\n', '\\\n', '&'),
    *('POST / HTTP/1.1\n', "\ufeff", '<!--', 'a{', 'a {'),
]
# fmt: on
FRAMES = [
    ("", ""),
    ("POST / HTTP/1.1\nHost: example.com\n", "\n\n{}"),
    ("curl https://example.com -H 'x-lamina-a: b' -d ", ""),
    ("curl https://example.com -H 'x-lamina-a: b' -d '", "'"),
    ("curl https://example.com -H 'x-lamina-a: b' -d $'", "'"),
    ('curl https://example.com -H "x-lamina-a: b" -d "', '"'),
    ('curl ^"https://example.com^" ^\n -H ^"x-lamina-a: b^" -d ^"', '^"'),
    ('curl.exe https://example.com `\n -H "x-lamina-a: b" -d "', '"'),
    ('{"headers":{"x-lamina-a":"b"},"body":', "}"),
    ('{"headers":{"x-lamina-a":"b"},"body":"', '"}'),
    ("{'headers': {'x-lamina-a': 'b'}, 'body': b'", "'}"),
    ('{"headers":', ',"body":"x-lamina-a"}'),
    ('{"headers":[', '],"body":"x"}'),
    ("fetch('https://example.com', {headers: {'x-lamina-a': 'b'}, body: ", "})"),
    ("Invoke-WebRequest -Headers @{'x-lamina-a'='b'} -Body ", ""),
    ("Invoke-WebRequest -Headers @{'x-lamina-a'='b'} -Body \"", '"'),
    ("x-lamina-a = b\n", "\nbody: b"),
    ("headers: {'x-lamina-a': 'b'}\nbody: ", ""),
    ("```\n", "\n```"),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_every_unit_repeated_inside_of_every_frame_gets_an_answer(frame):
    before, after = frame
    for unit in UNITS:
        text = before + _fill(unit, 2_000) + after
        _read(text)
        _read(text.encode("utf-8", "replace"))


def test_much_of_every_unit_gets_an_answer():
    for unit in UNITS:
        _read(_fill(unit, 100_000))


@pytest.mark.parametrize(
    "unit", ["{},", "[", '{"', "{//", "\n", "a: b\n", '{"headers":{"x-lamina-a":"b"}}\n', "curl -H 'a: b'\n"]
)
def test_megabytes_of_one_unit_get_an_answer(unit):
    _read(_fill(unit))


@pytest.mark.parametrize("frame", FRAMES[1:], ids=range(1, len(FRAMES)))
@pytest.mark.parametrize("unit", ['\\"', "{},", "\\"])
def test_megabytes_inside_of_every_frame_get_an_answer(frame, unit):
    before, after = frame
    _read(before + _fill(unit, 1_000_000) + after)


def test_more_than_four_megabytes_are_refused():
    for pasted in ("x" * (MOST + 1), b"POST / HTTP/1.1\n\n" + b"x" * MOST):
        with pytest.raises(errors.PasteRefused, match="at most 4,000,000"):
            read_pasted(pasted)


def test_a_large_request_is_read_whole():
    body = "x" * (MOST - 200)
    specimen = _read(f"POST / HTTP/1.1\nHost: example.com\n\n{body}")
    assert specimen is not None
    assert specimen.body == body.encode()


def test_a_command_of_more_parts_than_anybody_types_is_refused():
    with pytest.raises(errors.PasteRefused, match="parts"):
        read_pasted("curl https://example.com -H 'x-lamina-a: b'" + " -d a" * 200_000)


@pytest.mark.parametrize("depth", [100_000, 201])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("f(", ")"), ("{[", "]}")])
def test_great_depth_is_refused(opening, closing, depth):
    deep = opening * depth + "1" + closing * depth
    with pytest.raises(errors.PasteRefused, match="levels deep"):
        read_pasted(f'{{"headers":{{"x-lamina-a":"b"}},"body":{deep}}}')


def test_the_greatest_depth_is_read_and_written():
    deep = "[" * 190 + "1" + "]" * 190
    specimen = _read(f'{{"headers":{{"x-lamina-a":"b"}},"body":{deep}}}')
    assert specimen is not None
    assert specimen.body == deep.encode()


def test_a_deep_body_in_a_string_is_no_matter():
    deep = "[" * 100_000 + "]" * 100_000
    specimen = _read(json.dumps({"headers": {"x-lamina-a": "b"}, "body": deep}))
    assert specimen is not None
    assert specimen.body == deep.encode()


def test_records_in_records_end_somewhere():
    text = json.dumps({"headers": {"x-lamina-webhook-timestamp": "1"}, "body": "b"})
    for _ in range(12):
        text = json.dumps({"log": text, "message": text[:1000]})
    _read(text)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ten_thousand_header_lines_are_read(line_end):
    lines = [f"X-Header-{number}: {number}" for number in range(10_000)]
    for first in (["POST / HTTP/1.1"], []):
        text = line_end.join([*first, *lines, "X-Lamina-Webhook-Timestamp: 7", "", "body"])
        for pasted in (text, text.encode()):
            specimen = _read(pasted)
            assert specimen is not None
            assert len(specimen.headers) == 10_001
            assert (specimen.timestamp, specimen.body) == ("7", b"body")


def test_a_header_of_ten_thousand_folds_is_read():
    specimen = _read("POST / HTTP/1.1\nX-Lamina-Webhook-Timestamp: 1\n" + " 2\n" * 10_000 + "\nbody")
    assert specimen is not None
    assert specimen.timestamp == "1" + " 2" * 10_000


def test_ten_thousand_requests_beside_one_large_body_are_read():
    records = ",".join(['{"headers":{"x-lamina-a":"b"}}'] * 10_000)
    body = json.dumps({f"k{number}": number for number in range(20_000)})
    specimen = _read(f'{{"payload":{body},"list":[{records}]}}')
    assert specimen is not None
    assert specimen.body == body.replace(" ", "").encode()


def test_keys_that_are_there_twice_are_kept():
    specimen = _read('{"headers":{"x-lamina-a":"1","x-lamina-a":"2"},"body":{"a":1,"a":2}}')
    assert specimen is not None
    assert specimen.headers == (("x-lamina-a", "1"), ("x-lamina-a", "2"))
    assert specimen.body == b'{"a":1,"a":2}'


def test_keys_that_no_dict_could_have_are_no_matter():
    specimen = _read(
        "{'headers': {'x-lamina-a': 'b', (1, []): 'c', None: 'd'}, {}: 1, [2]: {[3]: 4}, 'body': {None: 1}}"
    )
    assert specimen is not None
    assert specimen.headers == (("x-lamina-a", "b"),)


@pytest.mark.parametrize("number", ["1" * 100_000, "1e999999999", "-" + "9" * 5_000, "0x" + "f" * 5_000, "1_000", "5n"])
def test_huge_numbers_are_text(number):
    specimen = _read(f'{{"headers":{{"x-lamina-a":"b","content-length":{number}}},"body":{{"n":{number}}}}}')
    assert specimen is not None
    assert number.removesuffix("n").encode() in specimen.body


@pytest.mark.parametrize(
    "moment", ["1e300", "-1e300", "NaN", "9" * 19, '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"']
)
def test_impossible_moments_are_no_matter(moment):
    specimen = _read(f'{{"receivedAt":{moment},"headers":{{"x-lamina-a":"b"}},"body":"c"}}')
    assert specimen is not None
    assert specimen.received_at is None


@pytest.mark.parametrize("half", [chr(0xD83D), chr(0xDE00)])
def test_half_characters_become_what_browsers_send(half):
    for pasted in (
        f"POST / HTTP/1.1\nX-A: {half}\n\n{half}",
        '{"headers":{"x-lamina-a":"%s"},"body":"%s"}' % ((json.dumps(half)[1:-1],) * 2),
        f"{{'headers': {{'x-lamina-a': '{half}'}}, 'body': '{half}'}}",
        f"curl https://example.com -H 'X-A: {half}' -d $'\\u{ord(half):x}'",
        "'host': '',\n'content-type': \"%s\"\nbody: '%s'" % ((json.dumps(half)[1:-1],) * 2),
    ):
        specimen = _read(pasted)
        assert specimen is not None
        assert specimen.body == "\ufffd".encode()


def test_powershell_variables_that_stand_for_each_other_do_not_grow():
    tracemalloc.start()
    try:
        _read("$a = 'x'\n" + "$b = $a $a\n$a = $b $b\n" * 1_000 + "Invoke-WebRequest -Headers $a -Body $b")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_memory_is_bounded():
    tracemalloc.start()
    try:
        for frame in (FRAMES[0], FRAMES[8]):
            _read(frame[0] + _fill("{'a': 1}, ", 400_000) + frame[1])
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=300)
@given(some.sampled_from(SAMPLES), some.randoms(use_true_random=False), some.integers(1, 6))
def test_every_sample_cut_and_mauled_gets_an_answer(sample, rng, times):
    _read(_maul(sample, rng, times))
    _read(_maul(sample, rng, times).encode("utf-8", "replace"))


def _maul(sample: str, rng: random.Random, times: int) -> str:
    for _ in range(times):
        at, end = sorted((rng.randrange(len(sample) + 1), rng.randrange(len(sample) + 1)))
        unit = rng.choice(UNITS)
        sample = rng.choice(
            [
                sample[:at] + unit + sample[at:],
                sample[:at] + sample[end:],
                sample[:end],
                sample[at:],
                sample[:at] + sample[at:end] * 2 + sample[end:],
            ]
        )
    return sample


@settings(deadline=None, max_examples=200)
@given(some.one_of(some.binary(max_size=300), some.text(max_size=300)))
def test_anything_gets_an_answer(pasted):
    _read(pasted)


@settings(deadline=None, max_examples=200)
@given(some.lists(some.sampled_from([*UNITS, *SAMPLES]), max_size=12).map("".join))
def test_any_mixture_gets_an_answer(text):
    _read(text)
