"""Command lines split into words as bash, cmd.exe and PowerShell split them; nothing is run or looked up."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lamina_core import errors
from lamina_core.debugger.paste.text import join_surrogates, unescape

_MOST_TOKENS = 300_000
_BASH = re.compile(
    r"""
      (?P<blank>[ \t]++)
    | (?P<joined>\\[ \t]*+\r?\n)
    | (?P<end>(?:\r?\n)++|;(?=\s|$)|&&|&(?=\s|$)|\|\|?|\))
    | (?P<comment>(?<![^\s;])\#[^\n]*+)
    | (?P<plain>[^\s'"\\$|;&<>)`]++)
    | '(?P<single>[^']*+)'
    | \$'(?P<ansi>[^'\\]*+(?:\\.[^'\\]*+)*+)'
    | \$?"(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"
    | <<-?[ \t]*+(?P<quote>['"]?)(?P<here>\w++)['"]?
    | \\(?P<escaped>.)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE = re.compile(r"""\\(\r?\n|[$`"\\])""")
_EXPANSION = re.compile(r"(?<!\\)(?:\\\\)*(\$(?:\w+|\{[^}\n]{0,80}\}|\([^)\n]{0,80}\)))")
_POWERSHELL = re.compile(
    r"""
      (?P<blank>(?:[ \t]|`\r?\n)++)
    | (?P<end>(?:\r?\n)++|[;|])
    | '(?P<single>[^']*+(?:''[^']*+)*+)'
    | "(?P<double>[^"`]*+(?:(?:`.|"")[^"`]*+)*+)"
    | (?P<plain>[^\s'"`;|]++)
    | `(?P<escaped>.)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_POWERSHELL = re.compile(r'`(.)|""|\$\(\[char\](\d{1,7})\)', re.DOTALL)
_BACKTICKED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
_CARET = re.compile(r"\^(\r?\n)(\r?\n)?|\^(.)|%\^(?=[A-Za-z0-9_])", re.DOTALL)
_CMD = re.compile(
    r"""
      (?P<blank>[ \t]++|\^\r?\n)
    | (?P<end>(?:\r?\n)++|[&|])
    | "(?P<double>[^"\\]*+(?:(?:\\.|""|"\^\r?\n"|"%")[^"\\]*+)*+)"
    | (?P<plain>[^\s"&|]++)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Command:
    """The words of one command, the text that a here-document feeds it, and what could not be known."""

    words: list[bytes]
    stdin: bytes | None = None
    remarks: tuple[str, ...] = ()


class _Words:
    """Collects words and commands; a word that is begun by an empty string is a word."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []
        self._words: list[bytes] = []
        self._word: list[bytes] | None = None

    def add(self, piece: bytes) -> None:
        self._word = self._word or []
        self._word.append(piece)

    def end_word(self) -> None:
        if self._word is not None:
            self._words.append(b"".join(self._word))
        self._word = None

    def end_command(self) -> None:
        self.end_word()
        if self._words:
            self.commands.append(self._words)
        self._words = []


def _tokens(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Give the kind, the content and the match of every token; PasteRefused if there are too many."""
    for number, match in enumerate(pattern.finditer(text)):
        if number == _MOST_TOKENS:
            raise errors.PasteRefused(
                f"This command has more than {_MOST_TOKENS:,} parts. Give the body as a file, or in its own field."
            )
        kind = match.lastgroup or ""
        yield kind, match[kind], match


def _refuse_quote(quote: str) -> errors.PasteRefused:
    return errors.PasteRefused(
        f"This is a command whose last {quote} quote does not end. Copy the whole command, up to its last quote."
    )


def split_bash(text: str) -> list[Command]:
    """Return the commands of a bash line or script."""
    words, unknown = _Words(), set[str]()
    stdin: bytes | None = None
    here_at = len(text)
    for kind, piece, match in _tokens(_BASH, text):
        if match.start() >= here_at:
            break
        if kind == "blank":
            words.end_word()
        elif kind == "end":
            words.end_command()
        elif kind == "here":
            stdin, here_at = _read_here_document(text, match.end(), piece, literal=bool(match["quote"]))
        elif kind == "ansi":
            words.add(_ansi(piece))
        elif kind == "double":
            unknown |= set(_EXPANSION.findall(piece)[:3])
            words.add(_IN_DOUBLE.sub(_escaped_in_double, piece).encode())
        elif kind == "other" and piece in {"'", '"'}:
            raise _refuse_quote("double" if piece == '"' else "single")
        elif kind == "other" and piece == "$":
            if found := _EXPANSION.match(text, match.start(), match.start() + 80):
                unknown.add(found.group(1))
            words.add(piece.encode())
        elif kind not in {"comment", "joined"}:
            words.add(piece.encode())
    words.end_command()
    remarks = [f"The value of {name} is not in the text; it was left as it is." for name in sorted(unknown)[:3]]
    return [Command(command, stdin, tuple(remarks)) for command in words.commands]


def _escaped_in_double(found: re.Match[str]) -> str:
    return "" if found.group(1).endswith("\n") else found.group(1)


def _read_here_document(text: str, at: int, mark: str, *, literal: bool) -> tuple[bytes, int]:
    """Return a here-document's content and where it begins."""
    line_end = text.find("\n", at)
    start = len(text) if line_end < 0 else line_end + 1
    end = re.compile(rf"^\t*+{re.escape(mark)}[ \t\r]*+$", re.MULTILINE).search(text, start)
    content = text[start : end.start() if end else len(text)]
    if not literal:
        content = re.sub(r"\\([$`\\]|\r?\n)", _escaped_in_double, content)
    return content.encode(), start


def _ansi(inside: str) -> bytes:
    r"""Return what $'...' stands for; \xHH and octal are bytes, \u are characters, also in halves as browsers write."""
    written: list[bytes] = []
    for part in re.split(r"((?:\\x[0-9a-fA-F]{1,2}|\\[0-7]{1,3})++)", re.sub(r"\\\\", r"\\134", inside)):
        if re.match(r"\\(?:x[0-9a-fA-F]|[0-7])", part):
            codes = re.findall(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3}))", part)
            written.append(bytes(int(high, 16) if high else int(octal, 8) & 255 for high, octal in codes))
        else:
            named = part.replace("\\e", "\x1b").replace("\\E", "\x1b")
            named = re.sub(r"\\([^nrtabfvuU'\"?])", r"\\\\\1", named)  # bash leaves the backslash of any other
            named = re.sub(r"\\(?:u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8}))", _widen, named)
            written.append(unescape(f"'{named}'", named).encode())
    return b"".join(written)


def _widen(found: re.Match[str]) -> str:
    return f"\\U{found[1] or found[2]:0>8}"  # bash wants no full number of digits


def split_powershell(text: str) -> list[Command]:
    """Return the commands of a PowerShell line."""
    words = _Words()
    for kind, piece, _ in _tokens(_POWERSHELL, text):
        if kind == "blank":
            words.end_word()
        elif kind == "end":
            words.end_command()
        elif kind == "single":
            words.add(_undo_native(piece.replace("''", "'")).encode())
        elif kind == "double":
            words.add(_undo_native(undo_backticks(piece)).encode())
        elif kind == "other" and piece in {"'", '"'}:
            raise _refuse_quote("double" if piece == '"' else "single")
        else:
            words.add(piece.encode())
    words.end_command()
    return [Command(command) for command in words.commands]


def undo_backticks(inside: str) -> str:
    """Return what a double-quoted string of PowerShell stands for, variables left as they are."""

    def replace(found: re.Match[str]) -> str:
        if found.group(1):
            return _BACKTICKED.get(found.group(1), found.group(1))
        return chr(min(int(found.group(2)), 0x10FFFF)) if found.group(2) else '"'

    return join_surrogates(_IN_POWERSHELL.sub(replace, inside))


def _undo_native(text: str) -> str:
    """Take away the backslashes that Windows PowerShell needs before quotes on their way to curl.exe."""
    return text.replace('\\"', '"') if re.match(r'[\[{]\s*+\\"', text) else text


def split_cmd(text: str) -> list[Command]:
    """Return the commands of a cmd.exe line; carets are undone first, then quotes as C programs on Windows do."""
    if re.search(r'(?:^|\s)\^"|\^\\\^"', text):  # browsers: ^" around words, ^\^" inside of them
        text = _CARET.sub(_undo_caret, text)
    words = _Words()
    for kind, piece, _ in _tokens(_CMD, text):
        if kind == "blank":
            words.end_word()
        elif kind == "end":
            words.end_command()
        elif kind == "double":
            words.add(_undo_quotes(piece).encode())
        elif kind == "other" and piece == '"':
            raise _refuse_quote("double")
        else:
            words.add(re.sub(r"\^(.)", r"\1", piece).encode())
    words.end_command()
    return [Command(command) for command in words.commands]


def _undo_caret(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return "\n" if found.group(2) else " "
    return found.group(3) or "%"


def _undo_quotes(inside: str) -> str:
    joined = re.sub(r'"\^(\r?\n)"', r"\1", inside).replace('"%"', "%")
    if '""' in joined and '\\"' not in joined.replace("\\\\", ""):
        joined = joined.replace('""', '"')
        halved = joined.replace("\\\\", "")
        return joined.replace("\\\\", "\\") if "\\" not in halved else joined
    if re.fullmatch(r'(?:[^\\]|\\["\\])*+', joined):  # a writer that doubles every backslash, as browsers do
        return re.sub(r'\\(["\\])', r"\1", joined)
    return re.sub(r'(?<!\\)(\\++)"', lambda found: found[1][: len(found[1]) // 2] + '"', joined)
