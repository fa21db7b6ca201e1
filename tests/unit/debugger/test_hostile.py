"""Whatever is examined gets an answer, within bounded memory and without a step that goes on for ever."""

import base64
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lamina_core import signing
from lamina_core.debugger import json_text, json_values
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.records import KeyMaterial, MendedKey, Specimen

MEGABYTE = 1_000_000
_MOST_MEMORY = 300 * MEGABYTE
_MOST_SECONDS = 10  # of the processor: many times what it takes, far less than what grows with the square
_HASTE = 8  # a second of the search is so much less of the processor's

KEY = signing.SigningKey.from_seed("k", bytes(range(32)))
STAMP = "1773478800"
GENUINE = Specimen(KEY.sign(STAMP, b"{}"), STAMP, b'{"data":{"executionId":"e-1"}}', request_id="e-1")
MATERIAL = KeyMaterial(keys=(KEY.public(),), origin="a key")


class ProcessorClock:
    """A clock that goes on with the work of this process, whatever others do on the machine."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(int(STAMP), UTC)

    def monotonic(self) -> float:
        return time.process_time() * _HASTE

    def sleep(self, seconds: float) -> None:
        pass


def noise(size: int) -> bytes:
    return random.Random("noise").randbytes(size)


def bomb(megabytes: int) -> bytes:
    """Return gzip of so many megabytes of zeros, put together of one block many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(10 * MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + block * (megabytes // 10) + b"\x03\x00" + bytes(8)


def many(unit: str, size: int = MEGABYTE, *, start: str = "", end: str = "") -> Callable[[], bytes]:
    def make() -> bytes:
        return (start + unit * (size // len(unit.encode())) + end).encode()

    return make


def array(item: str, count: int) -> Callable[[], bytes]:
    def make() -> bytes:
        return f"[{','.join([item] * count)}]".encode()

    return make


BODIES: dict[str, Callable[[], bytes]] = {
    "binary": lambda: noise(4 * MEGABYTE),
    "open brackets": many("["),
    "brackets, closed": lambda: b"[" * MEGABYTE + b"]" * MEGABYTE,
    "open objects": many('{"a":', 500_000),
    "objects, closed": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep ones side by side": array('{"a":' * 190 + "1" + "}" * 190, 400),
    "a huge whole number": many("9", start='{"a":', end="}"),
    "a huge fraction": many("9", start='{"a":0.', end="e9}"),
    "many numbers": array("1.50", 120_000),
    "many whole numbers": array("17", 120_000),
    "keys that are there twice": lambda: b'{"a":0' + b',"a":1' * 60_000 + b"}",
    "many small objects": array('{"a":1,"b":2,"c":3,"d":4,"e":5}', 11_000),
    "an array of all habits": array('{"id": 7, "é/<\\u00e8": 1.50}', 18_000),
    "ampersands": many("&"),
    "entities": many("&amp;"),
    "half entities": many("&#"),
    "typographic quotes": many("“"),
    "typographic JSON": many("“a”:“b”,", start="{", end="}"),
    "percent signs": many("%"),
    "escapes of URLs": many("%41"),
    "a form": many("a=b&"),
    "equals signs": many("="),
    "backslashes": many("\\"),
    "backslashes in a string": many("\\\\", start='"', end='"'),
    "escaped quotes": many('\\"', start='"'),
    "halves of surrogate pairs": many("\\ud800"),
    "halves in a string": many("\\ud800", start='["', end='"]'),
    "escapes in a string": many("\\u00e9", start='["', end='"]'),
    "empty strings": many('"'),
    "small strings": array('"\\u00e9<\\/"', 120_000),
    "base64": lambda: base64.b64encode(noise(3 * MEGABYTE)),
    "base64 of JSON": lambda: base64.b64encode(json.dumps([{"a": "é/<"}] * 60_000).encode()),
    "hex": lambda: noise(2 * MEGABYTE).hex().encode(),
    "10 MB in gzip": lambda: bomb(10),
    "1 GB in gzip": lambda: bomb(1_000),
    "line ends": many("\r\n", 4 * MEGABYTE),
    "blanks": many(" ", 4 * MEGABYTE),
    "lines": many("{\n", 2 * MEGABYTE),
    "chunks": many("1\r\na\r\n", 3 * MEGABYTE, end="0\r\n\r\n"),
    "a list of Python's": many("'b', ", 190_000, start="[", end="]"),
    "signs of Python's": many("-", 190_000, start="[", end="1]"),
    "parentheses after a string": many("(", 190_000, start="'' "),
    "marks on one letter": many("\u0301\u0323", start="a"),
    "marks that are two": many("\u0344\u0f73", start='["a', end='"]'),
    "ligatures": many("\ufdfa"),
    "é": many("é", 2 * MEGABYTE),
    "bytes of cp1252 that are none": many("\x81"),
    "UTF-16": lambda: ('{"a":"' + "x" * MEGABYTE + '"}').encode("utf-16"),
    "a body in a JSON string": lambda: json.dumps(json.dumps([{"é": "<"}] * 40_000)).encode(),
}
HEADERS: dict[str, Callable[[], dict[str, Any]]] = {
    "10,000 headers": lambda: {"headers": tuple((f"X-{at}", noise(64).hex()) for at in range(10_000))},
    "10,000 timestamps": lambda: {"headers": tuple((f"X-Timestamp-{at}", f"{at}000") for at in range(10_000))},
    "headers of 1 MB": lambda: {"headers": tuple((f"X-Signature-{at}", "0x" + "ab" * 500_000) for at in range(9))},
    "a long Content-Length": lambda: {"headers": (("Content-Length", "9" * MEGABYTE),)},
    **{
        f"1 MB of {name}": lambda unit=unit: {"signature": unit * MEGABYTE, "timestamp": unit * MEGABYTE}
        for name, unit in {
            "letters": "a",
            "commas": ",",
            "blanks": " ",
            "digits": "1",
            "minus": "-",
            "nines": "9.",
        }.items()
    },
    "no header": lambda: {"signature": None, "timestamp": None},
}
SEEDS = [SEED.to_bytes(32, "big") for SEED in range(1_000)]
KEYS: dict[str, Callable[[], KeyMaterial]] = {
    "1,000 keys": lambda: KeyMaterial(keys=thousand_keys()),
    "1,000 mended keys": lambda: KeyMaterial(mended=tuple(MendedKey(key, "key_hex", "hex") for key in thousand_keys())),
    "1,000 other keys": lambda: replace(MATERIAL, others=tuple((key, "an earlier set") for key in thousand_keys())),
}


def thousand_keys() -> tuple[signing.PublicKey, ...]:
    return tuple(signing.SigningKey.from_seed("k", seed).public() for seed in SEEDS)


Make = Callable[[], tuple[Specimen, KeyMaterial]]
CASES: dict[str, Make] = {
    **{name: lambda body=body: (replace(GENUINE, body=body()), MATERIAL) for name, body in BODIES.items()},
    **{name: lambda given=given: (replace(GENUINE, **given()), MATERIAL) for name, given in HEADERS.items()},
    **{name: lambda material=material: (GENUINE, material()) for name, material in KEYS.items()},
}
HUNGRY = ["percent signs", "base64", "line ends", "deep ones side by side", "1,000 keys"]


def test_orders_of_keys_are_not_tried_where_they_are_too_many():
    pieces = json_text.take_apart(BODIES["many small objects"]().decode())

    assert pieces is not None
    assert next(json_values.other_orders(pieces), None) is None


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_examined_is_answered(name):
    specimen, material = CASES[name]()

    began = time.process_time()
    found = examine(specimen, material, ProcessorClock())

    assert time.process_time() - began < _MOST_SECONDS
    assert not found.verdicts.authentic
    assert found.diagnosis.explanation
    assert found.diagnosis.remaining


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in HUNGRY else pytest.mark.long) for name in CASES]
)
def test_memory_is_bounded_whatever_is_examined(name):
    specimen, material = CASES[name]()

    tracemalloc.start()
    try:
        examine(specimen, material, ProcessorClock())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < _MOST_MEMORY
