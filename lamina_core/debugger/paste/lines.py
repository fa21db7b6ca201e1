"""Lines that name a header and its value each, in the ways that programs and people write such lists."""

import re
from collections.abc import Iterator

from lamina_core.debugger.paste.http import MOST_LINES
from lamina_core.debugger.paste.kinds import Unreadable
from lamina_core.debugger.paste.literals import LiteralReader
from lamina_core.debugger.paste.shapes import (
    Body,
    Pairs,
    body_of,
    from_cgi,
    is_header_name,
    is_lamina_name,
    looks_like_headers,
)
from lamina_core.debugger.paste.text import unescape
from lamina_core.debugger.records import Specimen, specimen_from

_NAME = re.compile(r"""[ \t]*+(?:-H[ ]?|[*•>-][ ])?\[?["'`]?(:?[\w!#$%&*+.^|~-]++)["'`]?\]?[ \t]*+(=>|[:=])""")
_ANYWHERE = re.compile(r"""\b(x-lamina-[\w-]++|http_x_lamina_\w++)["'`]?\]?[ \t]*+(?:=>|[:=])""", re.IGNORECASE)
_BODY = re.compile(
    r"""[ \t]*+\[?["'`]?(?:raw|request|req)?[ _.-]?(?:body|payload)["'`]?\]?[ \t]*+(?:=>|[:=])""", re.IGNORECASE
)
_BLANK = re.compile(r"[ \t]?(?:\r?\n)?")
_BYTES = re.compile(r"""b["']|<Buffer """)
_PRINTED = re.compile(r"""b?["'`]|<Buffer |<[0-9a-f]{2}[ >]""")
_QUOTES = "\"'`"


def read_lines(text: str) -> Specimen | None:
    """Return a webhook from lines of names and values, None if they name no headers."""
    headers, body_at, labelled = _read(text)
    if not looks_like_headers(headers):
        return None
    body = _read_body(text, body_at, labelled=labelled)
    remarks = body.remarks if body.content else (*body.remarks, "No body was found after the headers.")
    return specimen_from(headers, body.content, exact=False, source="lines of headers", remarks=remarks)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, text[start:end].rstrip("\r\n")
        start = end


def _read(text: str) -> tuple[Pairs, int, bool]:
    """Return the headers, where the body begins, and whether a word says that it is the body."""
    headers: Pairs = []
    waiting: str | None = None  # a name whose value is on the next line, as browsers copy them
    ended = False
    for number, (start, line) in enumerate(_lines(text)):
        if number == MOST_LINES:
            break
        label = _BODY.match(line)
        if label:
            at = start + label.end()
            return from_cgi(headers), at, True
        found = _pair(line)
        if waiting is not None:
            is_value = found is None or not _is_known(found[0])
            headers += [(waiting, line.strip() if is_value else "")] if headers or line.strip() else []
            waiting = None
            if is_value:
                continue
        if found is not None and (not ended or _is_known(found[0])):
            name, value = found
            waiting = name if value is None else None
            headers += [(name, value)] if value is not None else []
        elif not line.strip():
            ended = looks_like_headers(headers)
        elif ended:
            return from_cgi(headers), start, False
    return from_cgi(headers), len(text), False


def _is_known(name: str) -> bool:
    return looks_like_headers([(name, "")])


def _pair(line: str) -> tuple[str, str | None] | None:
    """Return the header of a line; its value is None where the line ends before one."""
    match = _ANYWHERE.search(line) or _NAME.match(line)
    if match is None or not is_header_name(match.group(1)) or line.startswith("//", match.end()):
        return None
    value = line[match.end() :].strip()
    if not value:
        return match.group(1), None
    if value[0] in _QUOTES:  # a quote from a program; quotes around a bare line are somebody's value
        bare = value.rstrip(",;").rstrip()
        if len(bare) > 1 and bare[-1] == bare[0]:
            value = unescape(bare, bare[1:-1])
    elif is_lamina_name(match.group(1)) and match.start(1) > 0:
        value = value.split(" ", 1)[0].rstrip(",;")  # in the middle of a log line
    return match.group(1), value


def _read_body(text: str, at: int, *, labelled: bool) -> Body:
    """Return the body from here on, out of quotes where a program printed it; without a label only bytes are."""
    blank = _BLANK.match(text, at)
    start = blank.end() if blank else at
    if (_PRINTED if labelled else _BYTES).match(text, start):
        try:
            literal = LiteralReader(text).read(start)
        except Unreadable:
            pass
        else:
            return body_of(literal.value, cut=literal.value in literal.cut)
    return Body(text[start if labelled else at :].encode())
