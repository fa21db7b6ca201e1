"""JSON as text: taken apart without being understood, and laid out again in another writer's manner.

Numbers, escapes, the order of keys and keys that are there twice stay as they are unless a manner changes them:
what a parser would lose is what a signature notices. Nothing here recurses, so depth is no danger.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_PIECE = re.compile(
    r'[ \t\r\n]+|[{}\[\],:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*|true|false|null|NaN|-?Infinity|(.)',
    re.DOTALL,
)
# What is left alone is matched in long runs: a call for each escape would take seconds.
_UNICODE_ESCAPES = re.compile(r"((?:\\u[0-9a-fA-F]{4})++)|(?:\\[^u][^\\]*+)++", re.DOTALL)
_SLASH_ESCAPES = re.compile(r"(\\/)|(?:\\[^/][^\\]*+)++", re.DOTALL)
_MARKUP_CODES = "00(?:2[267bB]|3[cCeE]|60)|202[89]"
_MARKUP_ESCAPES = re.compile(rf"\\u({_MARKUP_CODES})|(?:\\(?!u(?:{_MARKUP_CODES})).[^\\]*+)++", re.DOTALL)
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"'}
_DEEPEST = 200  # levels: indenting what is deeper would cost the square of its size
_MOST_PIECES = 250_000
_SAMPLE = 20  # pieces by which most layouts can be told apart
_LONGEST = 2_000_000  # characters of white space that are written

Pieces = tuple[str, ...]


def take_apart(text: str) -> Pieces | None:
    """Return the pieces of a JSON object, array or string, white space included; None if it is none, or monstrous."""
    pieces = _split(text)
    return None if pieces is None or _has_too_many(pieces) else tuple(pieces)


def is_monstrous(text: str) -> bool:
    """Say whether a text looks like JSON, but has more pieces or levels than are taken apart."""
    pieces = _split(text)
    return pieces is not None and _has_too_many(pieces)


def _split(text: str) -> list[str] | None:
    """Return the pieces, one too many at most; None where something stands between them, or nothing holds a value."""
    pieces: list[str] = []
    for found in itertools.islice(_PIECE.finditer(text), _MOST_PIECES + 1):
        if found.lastindex:
            return None
        pieces.append(found.group())
    return pieces if any(piece[0] in '{["' for piece in pieces) else None


def _has_too_many(pieces: Sequence[str]) -> bool:
    return len(pieces) > _MOST_PIECES or _depth(pieces) > _DEEPEST


def _depth(pieces: Sequence[str]) -> int:
    return max(itertools.accumulate((piece in {"{", "["}) - (piece in {"}", "]"}) for piece in pieces), default=0)


def without_space(pieces: Sequence[str]) -> Pieces:
    """Return the pieces that mean something."""
    return tuple(piece for piece in pieces if piece[0] not in " \t\r\n")


@dataclass(frozen=True)
class Layout:
    """Where a JSON writer puts white space; without `indent` it writes one line."""

    name: str
    comma: str
    colon: str
    indent: str | None = None


LAYOUTS = (
    Layout("compact", ",", ":"),
    Layout("with a blank after commas and colons", ", ", ": "),
    Layout("indented by 2", ",", ": ", "  "),
    Layout("indented by 4", ",", ": ", "    "),
    Layout("indented by tabs", ",", ": ", "\t"),
    Layout("with a blank after colons", ",", ": "),
    Layout("with a blank after commas", ", ", ":"),
    Layout("indented by 3", ",", ": ", "   "),
    Layout("indented by 1", ",", ": ", " "),
    Layout("one value a line, not indented", ",", ": ", ""),
)


def lay_out(pieces: Sequence[str], layout: Layout) -> str | None:
    """Write pieces without white space in a layout; None if that becomes very long."""
    if layout.indent is None:
        signs = {",": layout.comma, ":": layout.colon}
        return "".join(signs.get(piece, piece) for piece in pieces)
    written: list[str] = []
    depth = length = 0

    def break_line() -> None:
        nonlocal length
        written.append("\n" + (layout.indent or "") * depth)
        length += len(written[-1])

    for piece, following in itertools.zip_longest(pieces, pieces[1:], fillvalue=""):
        if piece == ",":
            written.append(layout.comma)
            break_line()
        elif piece == ":":
            written.append(layout.colon)
        elif piece in {"{", "["}:
            written.append(piece)
            depth += 1
            if following not in {"}", "]"}:
                break_line()
        elif piece in {"}", "]"}:
            depth -= 1
            if written and written[-1] not in {"{", "["}:
                break_line()
            written.append(piece)
        else:
            written.append(piece)
        if length > _LONGEST:
            return None
    return "".join(written)


def find_layout(pieces: Sequence[str]) -> Layout | None:
    """Return the layout in which these pieces are written, None if in none."""
    text, bare = "".join(pieces), without_space(pieces)
    likely = (layout for layout in LAYOUTS if text.startswith((lay_out(bare[:_SAMPLE], layout) or "").rstrip()))
    return next((layout for layout in likely if lay_out(bare, layout) == text), None)


# Strings


def _map_strings(pieces: Sequence[str], change: Callable[[str], str]) -> Pieces:
    changed = {piece: new for piece in set(pieces) if piece[0] == '"' and (new := change(piece)) != piece}
    return tuple(changed.get(piece, piece) for piece in pieces) if changed else tuple(pieces)


def _escape(characters: str, *, capital: bool = False) -> str:
    units = characters.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{unit}" for unit in re.findall("....", units.upper() if capital else units))


def escape_unicode(pieces: Sequence[str], *, capital: bool = False) -> Pieces:
    """Write every character beyond ASCII as an escape."""

    def replace(found: re.Match[str]) -> str:
        return _escape(found.group(), capital=capital)

    return _map_strings(pieces, lambda text: re.sub(r"[^\x00-\x7e]+", replace, text))


def unescape_unicode(pieces: Sequence[str]) -> Pieces:
    """Write escaped characters beyond ASCII as themselves, control characters shortly, both as JavaScript does."""

    def replace(found: re.Match[str]) -> str:
        return _write_shortly(found[1]) if found[1] else found[0]

    return _map_strings(pieces, lambda text: _UNICODE_ESCAPES.sub(replace, text) if "\\u" in text else text)


def _write_shortly(escapes: str) -> str:
    """Write escapes as JavaScript would; those of ASCII, and halves of surrogate pairs, stay escapes."""
    written, at = [], 0
    for character in bytes.fromhex(escapes.replace("\\u", "")).decode("utf-16-be", "surrogatepass"):
        escape = escapes[at : at + 6]
        at += 12 if character > "\uffff" else 6
        if character < " " or "\ud800" <= character <= "\udfff":
            written.append(_SHORT.get(character, escape.lower()))
        else:
            written.append(character if character > "\x7e" else escape)
    return "".join(written)


def escape_slashes(pieces: Sequence[str]) -> Pieces:
    r"""Write / as \/."""
    return _map_strings(unescape_slashes(pieces), lambda text: text.replace("/", "\\/"))


def unescape_slashes(pieces: Sequence[str]) -> Pieces:
    r"""Write \/ as /."""

    def replace(found: re.Match[str]) -> str:
        return "/" if found[1] else found[0]

    return _map_strings(pieces, lambda text: _SLASH_ESCAPES.sub(replace, text) if "\\/" in text else text)


def escape_markup(pieces: Sequence[str], characters: str = "<>&", *, capital: bool = False) -> Pieces:
    """Write characters that mean something in HTML as escapes, as Go's and .NET's writers do."""

    def replace(found: re.Match[str]) -> str:
        return _escape(found.group(), capital=capital)

    return _map_strings(pieces, lambda text: re.sub(f"[{characters}]+", replace, text))


def unescape_markup(pieces: Sequence[str]) -> Pieces:
    """Write escaped characters that mean something in HTML as themselves."""

    def replace(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0]
        character = chr(int(found[1], 16))
        return _SHORT.get(character, character)

    return _map_strings(pieces, lambda text: _MARKUP_ESCAPES.sub(replace, text) if "\\u" in text else text)
