"""How the text of a body may have been changed on its way: line ends, marks, entities, look-alike characters."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Literal

from lamina_core.debugger.records import Variant

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_LONGEST_NORMALIZED = 1_000_000  # characters: one may become eighteen, and nobody else gets a turn meanwhile
_MOST_MARKS = 100  # on one letter
_ENTITIES: tuple[tuple[str, str], ...] = (
    ("&quot;", '"'),
    ("&#34;", '"'),
    ("&#x22;", '"'),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&#x27;", "'"),
)
_ENTITIES += (("&lt;", "<"), ("&gt;", ">"), ("&#x2F;", "/"), ("&#47;", "/"), ("&nbsp;", " "), ("&amp;", "&"))
_DOUBLE = dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"), '"')
_SINGLE = dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032"), "'")
_OTHERS = {0x2026: "...", 0x2014: "--", 0x2013: "-", 0xA0: " "}
# A quote that JSON itself needs stands after or before one of its signs; others belong to somebody's text.
_STRUCTURAL = re.compile(r"(?<=[\[{,:])(\s*)[\u201c\u201d\u201e\u201f]|[\u201c\u201d\u201e\u201f](?=\s*[\]},:])")


def vary_ends(body: bytes) -> Iterator[Variant]:
    """Take away or add white space at the ends."""
    stripped = body.strip(_BLANKS)
    ends = [body.rstrip(b"\r\n"), body.lstrip(b"\r\n"), body.rstrip(_BLANKS), body.lstrip(_BLANKS), stripped]
    ends += [body[:-1]] if body[-1:].isspace() else []
    for shorter in dict.fromkeys(ends):
        if shorter != body:
            yield Variant(
                "body_newline_added", f"at hand: {len(body) - len(shorter)} bytes of white space more", shorter
            )
    for name, longer in (
        ("a line end after it", body + b"\n"),
        ("CRLF after it", body + b"\r\n"),
        ("a line end before it", b"\n" + body),
        ("CRLF before it", b"\r\n" + body),
        ("a blank after it", body + b" "),
        ("a blank before it", b" " + body),
        ("two line ends after it", body + b"\n\n"),
        ("a line end before and after it", b"\n" + body + b"\n"),
        ("blanks before and after it", b" " + body + b" "),
        ("two blanks before and a line end after it", b"  " + body + b"\n"),
    ):
        yield Variant("body_trimmed", f"signed: {name}", longer)


def vary_line_ends(body: bytes) -> Iterator[Variant]:
    """Convert line ends."""
    unix = body.replace(b"\r\n", b"\n")
    for name, converted in (
        ("LF", unix),
        ("CRLF", unix.replace(b"\n", b"\r\n")),
        ("CRLF for CR", body.replace(b"\r\n", b"\r").replace(b"\r", b"\r\n")),
        ("LF for CR", unix.replace(b"\r", b"\n")),
        ("none", body.translate(None, b"\r\n")),
    ):
        if converted != body:
            yield Variant("body_line_endings", f"signed: line ends {name}", converted)


def vary_bom(body: bytes) -> Iterator[Variant]:
    """Take away or add a byte order mark."""
    if body.startswith(_BOM):
        yield Variant("body_bom", "at hand: a byte order mark", body.removeprefix(_BOM))
    else:
        yield Variant("body_bom", "signed: a byte order mark before it", _BOM + body)


def _decoding(name: str, vary: Callable[[str], Iterator[tuple[str, str]]]) -> Callable[[bytes], Iterator[Variant]]:
    """Let a variation of text be one of bytes, without those that change nothing."""

    def vary_bytes(body: bytes) -> Iterator[Variant]:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return
        seen = {text}
        for detail, changed in vary(text):
            if changed not in seen:
                seen.add(changed)
                yield Variant(name, detail, changed.encode(errors="surrogatepass"))

    return vary_bytes


def _entities(text: str) -> Iterator[tuple[str, str]]:
    if "&" in text:
        basic = text
        for entity, character in _ENTITIES:
            basic = basic.replace(entity, character)
        yield "signed: without the entities of quotes and angles", basic
        yield "signed: without any entity", html.unescape(text)
    yield "signed: with entities for < > & and quotes", html.escape(text)


def _mojibake(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii():
        return
    for charset in ("cp1252", "latin-1", "mac-roman", "cp437", "cp850"):
        try:
            read = _encode(text, charset).decode()
        except UnicodeError:
            continue
        yield f"at hand: UTF-8 that was read as {charset}", read


def _encode(text: str, charset: str) -> bytes:
    """Return the bytes; what cp1252 leaves undefined is read as a control character, as browsers do."""
    if charset != "cp1252":
        return text.encode(charset)
    parts = re.split("([\x81\x8d\x8f\x90\x9d]+)", text)
    return b"".join(part.encode(("cp1252", "latin-1")[place % 2]) for place, part in enumerate(parts))


def _normal_forms(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii() or len(text) > _LONGEST_NORMALIZED or _piles_marks(text):
        return
    forms: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
    for form in forms:
        yield f"signed: {form}", unicodedata.normalize(form, text)


def _piles_marks(text: str) -> bool:
    """Say whether so many marks stand on one letter that putting them in order would cost the square of that."""
    marks = [letter for letter in set(text) if unicodedata.combining(unicodedata.normalize("NFKD", letter)[0])]
    return bool(marks) and re.search(f"[{re.escape(''.join(marks))}]{{{_MOST_MARKS}}}", text) is not None


def _quotes(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii():
        return
    structural = _STRUCTURAL.sub(lambda found: (found[1] or "") + '"', text)
    yield "signed: straight quotes where JSON has them", structural
    yield "signed: straight double quotes", text.translate(_DOUBLE)
    yield "signed: straight quotes", text.translate(_DOUBLE | _SINGLE)
    yield "signed: straight quotes where JSON has them, straight apostrophes", structural.translate(_SINGLE)
    yield "signed: straight quotes and plain dashes, dots and blanks", text.translate(_DOUBLE | _SINGLE | _OTHERS)
    yield "signed: plain blanks", text.replace("\xa0", " ")


vary_entities = _decoding("body_html_escaped", _entities)
vary_mojibake = _decoding("body_mojibake", _mojibake)
vary_normal_form = _decoding("body_unicode_normalized", _normal_forms)
vary_quotes = _decoding("body_smart_quotes", _quotes)
