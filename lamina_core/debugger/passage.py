"""Bytes for people: where two texts part, and dumps in hex beside what can be read of them."""

from collections.abc import Iterator
from dataclasses import dataclass

_WINDOW = 16  # bytes that are shown of each side
_BEFORE = 8  # of them, before the first difference
_CHARACTER = 4  # bytes of the longest character in UTF-8
_ROW = 16  # bytes of a row of a dump
_SHOWN_AS = {" ": "·", "\ufeff": "[BOM]", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class Difference:
    """Where what is at hand and what was signed part, and the bytes around; `offset` is the length where they do not.

    The texts show a blank as ·, and what nobody would see by its escape.
    """

    offset: int
    given_hex: str
    signed_hex: str
    given_text: str
    signed_text: str


def difference(given: bytes, signed: bytes) -> Difference:
    """Return the first difference of two texts with about 16 bytes of each around it."""
    offset = find_difference(given, signed)
    start = max(0, offset - _BEFORE)
    while start and offset - start < _BEFORE + _CHARACTER - 1 and _continues(signed, start):
        start -= 1
    given_part, signed_part = _cut(given, start), _cut(signed, start)
    return Difference(offset, given_part.hex(" "), signed_part.hex(" "), reveal(given_part), reveal(signed_part))


def find_difference(given: bytes, signed: bytes) -> int:
    """Return how many bytes from the start are the same."""
    low, high = 0, min(len(given), len(signed))
    while low < high:  # halves are compared whole: megabytes take milliseconds
        middle = (low + high + 1) // 2
        if given[low:middle] == signed[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(data: bytes, start: int) -> bytes:
    end = start + _WINDOW
    while end < min(len(data), start + _WINDOW + _CHARACTER - 1) and _continues(data, end):
        end += 1
    return data[start:end]


def _continues(data: bytes, place: int) -> bool:
    """Say whether the byte is the second or a later one of a character, so that nothing may be cut before it."""
    return place < len(data) and data[place] & 0xC0 == 0x80


def reveal(data: bytes) -> str:
    """Return the bytes as text in which blanks, line ends, marks and other unseen characters can be seen."""
    return "".join(map(_reveal, data.decode(errors="backslashreplace")))


def _reveal(character: str) -> str:
    if character in _SHOWN_AS:
        return _SHOWN_AS[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 128 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def hexdump(data: bytes, limit: int) -> Iterator[str]:
    """Give rows of at most `limit` bytes: the offset, sixteen bytes in hex, and those that are ASCII as text."""
    shown = data[:limit]
    for offset in range(0, len(shown), _ROW):
        row = shown[offset : offset + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in row)
        yield f"{offset:08x}  {row.hex(' '):<{3 * _ROW - 1}}  {text}"
