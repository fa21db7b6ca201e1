"""JSON as text: taken apart without being understood, and laid out again in another writer's manner.

Numbers, escapes, the order of keys and keys that are there twice stay as they are unless a manner changes them:
what a parser would lose is what a signature notices. Nothing here recurses, so depth is no danger.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_PIECE = re.compile(
    r'[ \t\r\n]+|[{}\[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|true|false|null|NaN|-?Infinity', re.DOTALL
)
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)
_MARKUP = "<>&'"
_DEEPEST = 200  # levels: indenting what is deeper would cost the square of its size
_LONGEST = 8_000_000  # characters that are laid out

Pieces = tuple[str, ...]


def take_apart(text: str) -> Pieces | None:
    """Return the pieces of a JSON object, array or string, white space included; None if it is none, or very deep."""
    pieces = tuple(match.group() for match in _PIECE.finditer(text))
    if sum(map(len, pieces)) != len(text) or _depth(pieces) > _DEEPEST:
        return None
    return pieces if any(piece[0] in '{["' for piece in pieces) else None


def _depth(pieces: Pieces) -> int:
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
    written: list[str] = []
    depth = length = 0

    def break_line() -> None:
        nonlocal length
        if layout.indent is not None:
            written.append("\n" + layout.indent * depth)
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
    return next((layout for layout in LAYOUTS if lay_out(bare, layout) == text), None)


# Strings


def _map_strings(pieces: Sequence[str], change: Callable[[str], str]) -> Pieces:
    known: dict[str, str] = {}
    return tuple(known.setdefault(piece, change(piece)) if piece[0] == '"' else piece for piece in pieces)


def _escape(character: str, form: str = "\\u{:04x}") -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(form.format(units[at] << 8 | units[at + 1]) for at in range(0, len(units), 2))


def _character(escape: str) -> str:
    units = bytes.fromhex(escape.replace("\\u", ""))
    return units.decode("utf-16-be", "surrogatepass")


def escape_unicode(pieces: Sequence[str], form: str = "\\u{:04x}") -> Pieces:
    """Write every character beyond ASCII as an escape."""
    return _map_strings(pieces, lambda text: re.sub(r"[^\x00-\x7e]", lambda found: _escape(found.group(), form), text))


def unescape_unicode(pieces: Sequence[str]) -> Pieces:
    """Write escaped characters beyond ASCII as themselves; half a surrogate pair stays an escape."""

    def replace(found: re.Match[str]) -> str:
        if not found.group().startswith("\\u"):
            return found.group()
        character = _character(found.group())
        return character if character > "\x7e" and not "\ud800" <= character <= "\udfff" else found.group()

    return _map_strings(pieces, lambda text: _ESCAPE.sub(replace, text))


def escape_slashes(pieces: Sequence[str]) -> Pieces:
    r"""Write / as \/."""
    return _map_strings(unescape_slashes(pieces), lambda text: text.replace("/", "\\/"))


def unescape_slashes(pieces: Sequence[str]) -> Pieces:
    r"""Write \/ as /."""
    return _map_strings(
        pieces,
        lambda text: _ESCAPE.sub(lambda found: found.group().replace("\\/", "/"), text) if "\\/" in text else text,
    )


def escape_markup(pieces: Sequence[str], characters: str = "<>&", form: str = "\\u{:04x}") -> Pieces:
    """Write characters that mean something in HTML as escapes, as Go's and .NET's writers do."""
    pattern = f"[{characters}]"
    return _map_strings(pieces, lambda text: re.sub(pattern, lambda found: _escape(found.group(), form), text))


def unescape_markup(pieces: Sequence[str]) -> Pieces:
    """Write escaped characters that mean something in HTML as themselves."""

    def replace(found: re.Match[str]) -> str:
        escape = found.group()
        if len(escape) != 6 or _character(escape) not in _MARKUP + "+`\u2028\u2029":
            return escape
        return _character(escape)

    return _map_strings(pieces, lambda text: _ESCAPE.sub(replace, text))
