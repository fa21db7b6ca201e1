"""Pasted material of any kind read into a webhook: the kind is recognised, nothing is run, logged or stored."""

import re
from collections.abc import Callable

from lamina_core import errors
from lamina_core.debugger.paste.code import read_code
from lamina_core.debugger.paste.curl import read_curl
from lamina_core.debugger.paste.http import read_header_lines, read_request
from lamina_core.debugger.paste.kinds import Unreadable
from lamina_core.debugger.paste.lines import read_lines
from lamina_core.debugger.paste.literals import LiteralReader
from lamina_core.debugger.paste.powershell import read_powershell
from lamina_core.debugger.paste.shapes import is_lamina_name
from lamina_core.debugger.paste.text import join_surrogates
from lamina_core.debugger.paste.values import read_values
from lamina_core.debugger.records import Specimen

MOST = 4_000_000  # bytes of a file, characters of pasted text

_FENCE = re.compile(r"\s*+```[^\n`]*+\n")
_KEY = re.compile(r'-----BEGIN |"kty"')
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_pasted(pasted: str | bytes) -> Specimen:
    """Return the webhook that pasted text or a file holds; PasteRefused says what it looks like and what is missing.

    Only a raw request in a file, and a body in base64, are exact: text that went through a clipboard proves no bytes.
    """
    _check_size(pasted)
    if isinstance(pasted, bytes):
        raw = read_request(pasted, exact=True) or read_header_lines(pasted, exact=True)
        if raw is not None:
            return raw
    text = _as_text(pasted)
    for read in _READERS:
        specimen = read(text)
        if specimen is not None:
            return specimen
    raise errors.PasteRefused(_explain(text))


def _check_size(pasted: str | bytes) -> None:
    if len(pasted) > MOST:
        unit = "bytes" if isinstance(pasted, bytes) else "characters"
        raise errors.PasteRefused(
            f"This holds {len(pasted):,} {unit}; at most {MOST:,} are read. Paste only the one request that does not "
            "verify, with its headers and its body."
        )


def _as_text(pasted: str | bytes) -> str:
    if isinstance(pasted, bytes):
        try:
            text = pasted.decode("utf-16" if pasted.startswith(_UTF_16) else "utf-8")
        except UnicodeDecodeError:
            raise errors.PasteRefused(
                "This file is neither a raw HTTP request nor text. Give the request as it arrived, headers and body; "
                "a body alone belongs in the field for the body."
            ) from None
    else:
        text = join_surrogates(pasted)
    text = text.removeprefix("\ufeff")
    fence, stripped = _FENCE.match(text), text.rstrip()
    if fence and stripped.endswith("\n```") and len(stripped) > fence.end():
        return stripped[fence.end() : -3].removesuffix("\n").removesuffix("\r")
    return text


def _read_printed(text: str) -> Specimen | None:
    """Read printed values or lines of headers, whichever holds Lamina's: a body may have `headers` of its own."""
    values = read_values(text)
    if values is not None and _is_laminas(values):
        return values
    lines = read_lines(text)
    return lines if lines is not None and _is_laminas(lines) else values or lines


def _is_laminas(specimen: Specimen) -> bool:
    return any(is_lamina_name(name) for name, _ in specimen.headers)


# Tried in this order, each on the whole text: a reader gives None where the text is not of its kind, and refuses
# what is of its kind but holds no request.
_READERS: tuple[Callable[[str], Specimen | None], ...] = (
    lambda text: read_request(text.encode(), exact=False),
    read_curl,
    read_powershell,
    read_code,
    lambda text: read_header_lines(text.encode(), exact=False),
    _read_printed,
)


def _explain(text: str) -> str:
    if not text.strip():
        return "There is nothing to read. Paste the request: its headers and its body."
    if _KEY.search(text):
        return "This is a key, not a webhook. It belongs in the field for keys; paste the request here."
    if (manner := _find_manner(text)) is not None:
        return (
            f"This is {'JSON' if manner == 'JSON' else f'a value as {manner} prints it'} without the headers of a "
            "request; perhaps it is the body alone. Paste the headers with it, or give body, signature and timestamp "
            "in their own fields."
        )
    if "lamina" in text.lower():
        return (
            "This mentions Lamina, but there is no request in it that can be read; it may be cut off. Paste all of it, "
            "or give body, signature and timestamp in their own fields."
        )
    return (
        "This is nothing that can be read as a request. Paste a raw HTTP request, a curl command, a HAR entry, a log "
        "line in JSON, a dump of headers and body, an AWS event or a fetch() call; or use the separate fields."
    )


def _find_manner(text: str) -> str | None:
    """Return how a text is written that begins with an object or a list, None if it does not."""
    start = len(text) - len(text.lstrip())
    if text[start] not in "{[(":
        return None
    try:
        return LiteralReader(text).read(start).manner
    except Unreadable:
        return None
