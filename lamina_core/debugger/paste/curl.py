"""Curl commands, as people write them and as browsers, Postman and Insomnia copy them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from lamina_core import errors
from lamina_core.debugger.paste.shapes import Pairs, is_lamina_name
from lamina_core.debugger.paste.shells import Command, split_bash, split_cmd, split_powershell
from lamina_core.debugger.paste.text import decode
from lamina_core.debugger.records import Specimen, specimen_from

_PROMPT = r"[ \t]*+(?:[$%#>❯]|PS [^>\n]{0,200}>|[A-Za-z]:\\[^>\n]{0,200}>|[\w@.~:/-]{1,80}[$#])?[ \t]*+"
_CURL = re.compile(
    rf"(?:[ \t]*+(?:\#[^\n]*+|(?:export )?\w++=[^\n]*+)?\r?\n)*+{_PROMPT}(?:sudo |time )?(curl(?:\.exe)?)[\s\\^`]"
)
_SHORT_WITH_VALUE = frozenset("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
_LONG = {
    "header": "H",
    "data": "d",
    "data-ascii": "d",
    "data-raw": "raw",
    "data-binary": "binary",
    "data-urlencode": "urlencode",
    "json": "json",
    "user-agent": "A",
    "referer": "e",
    "form": "F",
    "form-string": "F",
    "upload-file": "T",
    "config": "K",
}
_DATA = frozenset(["d", "raw", "binary", "urlencode", "json"])


@dataclass
class _Sent:
    headers: Pairs = field(default_factory=list)
    pieces: list[tuple[str, bytes]] = field(default_factory=list)

    def take(self, option: str, value: bytes, stdin: bytes | None) -> None:
        if option == "H":
            self._take_header(decode(value))
        elif option == "A":
            self.headers.append(("User-Agent", decode(value)))
        elif option == "e":
            self.headers.append(("Referer", decode(value)))
        elif option in _DATA:
            self.pieces.append((option, _data(option, value, stdin)))
        elif option == "F":
            raise errors.PasteRefused(
                "This curl command sends a form (-F), which no webhook of Lamina is. "
                "Paste the command that sends the JSON body (--data-raw), or the raw request."
            )
        elif option in {"T", "K"}:
            raise errors.PasteRefused(
                f"This curl command takes its content from a file (-{option}), which cannot be read here. "
                "Paste the headers, and give the body as a file or in its own field."
            )

    def _take_header(self, line: str) -> None:
        name, colon, value = line.removeprefix("=").partition(":")
        if colon and value.strip():
            self.headers.append((name.strip(), value.strip()))
        elif name.endswith(";") and not colon:  # curl's way of an empty value
            self.headers.append((name[:-1].strip(), ""))

    def body(self) -> bytes:
        parts: list[bytes] = []
        for option, piece in self.pieces:
            parts += [b"&", piece] if parts and option != "json" else [piece]
        return b"".join(parts)


def _data(option: str, value: bytes, stdin: bytes | None) -> bytes:
    if option == "raw":
        return value
    if option == "urlencode":
        return _urlencode(value)
    if not value.startswith(b"@"):
        return value
    if value != b"@-" or stdin is None:
        raise errors.PasteRefused(
            f"This curl command takes its body from {decode(value[1:])[:80] or 'a file'!r}, which cannot be read here. "
            "Paste the headers, and give that file's content as a file or in the field for the body."
        )
    return stdin if option == "binary" else re.sub(rb"[\r\n\0]", b"", stdin)


def _urlencode(value: bytes) -> bytes:
    found = re.match(rb"[^=@]*+([=@])", value)
    if found and found.group(1) == b"@":
        raise errors.PasteRefused(
            "This curl command encodes the content of a file (--data-urlencode with @), which cannot be read here. "
            "Give that file's content as a file or in the field for the body."
        )
    name, content = (value[: found.end() - 1], value[found.end() :]) if found else (b"", value)
    encoded = quote(content, safe="-._~").encode().replace(b"%20", b"+")
    return (name + b"=" if name else b"") + encoded


def read_curl(text: str) -> Specimen | None:
    """Return the webhook that a curl command sends, None if the text does not begin with one."""
    match = _CURL.match(text)
    if match is None:
        return None
    commands = [command for command in _split(text[match.start(1) :]) if command.words[0] in {b"curl", b"curl.exe"}]
    sent = [(_parse(command), command.remarks) for command in commands]
    with_headers = [one for one in sent if one[0].headers]
    if not with_headers:
        raise errors.PasteRefused(
            "This is a curl command without headers (-H). Lamina signs with headers of the webhook: copy the command "
            "with its headers, or paste the raw request."
        )
    laminas = [one for one in with_headers if any(is_lamina_name(name) for name, _ in one[0].headers)]
    request, remarks = (laminas or with_headers)[-1]
    if len(laminas or with_headers) > 1:
        remarks = (f"{len(laminas or with_headers):,} curl commands are there; the last of them was taken.", *remarks)
    if not request.pieces:
        remarks = (*remarks, "The command sends no body.")
    return specimen_from(request.headers, request.body(), exact=False, source="a curl command", remarks=remarks)


def _split(text: str) -> list[Command]:
    """Split by the rules of the shell that the command was written for, as far as its text shows which."""
    if re.search(r'\^[ \t]*+\r?\n|\s\^"|\{""\w', text) and not re.search(r"\\\r?\n", text):
        return split_cmd(text)
    if re.search(r"`[ \t]*+\r?\n", text) and not re.search(r"\\\r?\n", text):
        return split_powershell(text)
    return split_bash(text)


def _parse(command: Command) -> _Sent:
    sent = _Sent()
    words = iter(command.words[1:])
    for word in words:
        option = decode(word)
        if option == "--next":
            break
        if option.startswith("--"):
            name, equals, value = word[2:].partition(b"=")
            if known := _LONG.get(decode(name)):
                sent.take(known, value if equals else next(words, b""), command.stdin)
        elif option.startswith("-"):
            _take_short(sent, word, words, command.stdin)
    return sent


def _take_short(sent: _Sent, word: bytes, words: Iterator[bytes], stdin: bytes | None) -> None:
    for at in range(1, len(word)):
        option = chr(word[at])
        if option in _SHORT_WITH_VALUE:
            rest = word[at + 1 :]
            sent.take(option, rest or next(words, b""), stdin)
            return
