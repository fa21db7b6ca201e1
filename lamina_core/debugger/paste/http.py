"""Raw HTTP requests, from their bytes or from pasted text, and lines of headers without a request line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lamina_core import errors
from lamina_core.debugger.paste.shapes import Pairs, is_header_name, looks_like_headers
from lamina_core.debugger.paste.text import decode
from lamina_core.debugger.records import Specimen, specimen_from

_REQUEST_LINE = re.compile(rb"[A-Z]{3,10} (?:\S{1,8000} HTTP/[0-9.]{1,3}|(?:/|https?://)\S{0,8000})[ \r]*+")
_STATUS_LINE = re.compile(rb"HTTP/[0-9.]{1,3} [0-9]{3}")
_BODY_LABEL = re.compile(rb"[ \t]*+(?:raw|request)?[ _-]?(?:body|payload)[ \t]*+[:=]", re.IGNORECASE)
_BYTES = re.compile(rb"\s*+(?:b['\"]|<Buffer )")
_QUOTED = re.compile("(['\"]).*\\1,?", re.DOTALL)
MOST_LINES = 20_000
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Head:
    """The lines before a body: their headers, and where the body begins."""

    headers: Pairs
    body_at: int
    remarks: tuple[str, ...]


def read_request(raw: bytes, *, exact: bool) -> Specimen | None:
    """Return a raw request that begins with its request line, None if this is none."""
    start = _skip_blank(raw)
    line = raw[start : _line_end(raw, start)]
    if _STATUS_LINE.match(line):
        raise errors.PasteRefused(
            "This is the response to a request: it begins with a status line. Paste the request that the webhook was."
        )
    if not _REQUEST_LINE.fullmatch(line.rstrip(b"\n")):
        return None
    head = _read_head(raw, start + len(line), has_request_line=True)
    if head is None or not head.headers:
        raise errors.PasteRefused(
            "This is a raw HTTP request without headers. Paste all of it: request line, headers, blank line, body."
        )
    return _specimen(raw, head, exact=exact, source="a raw HTTP request")


def read_header_lines(raw: bytes, *, exact: bool) -> Specimen | None:
    """Return a raw request without its request line, None if these lines are no headers."""
    head = _read_head(raw, _skip_blank(raw), has_request_line=False)
    if head is None or not looks_like_headers(head.headers):
        return None
    printed = _BODY_LABEL.match(raw, head.body_at) or (not exact and _BYTES.match(raw, head.body_at))
    if printed or all(_QUOTED.fullmatch(value) for _, value in head.headers):
        return None  # a program's way of printing them
    return _specimen(raw, head, exact=exact, source="HTTP headers and a body")


def _specimen(raw: bytes, head: Head, *, exact: bool, source: str) -> Specimen:
    body = raw[head.body_at :]
    remarks = head.remarks if body else (*head.remarks, "There is no body after the headers.")
    return specimen_from(head.headers, body, exact=exact, source=source, remarks=remarks)


def _skip_blank(raw: bytes) -> int:
    return len(raw) - len(raw.removeprefix(_BOM).lstrip(b"\r\n"))


def _line_end(raw: bytes, start: int) -> int:
    end = raw.find(b"\n", start)
    return len(raw) if end < 0 else end + 1


def _lines(raw: bytes, start: int) -> Iterator[tuple[int, bytes, int]]:
    while start < len(raw):
        end = _line_end(raw, start)
        yield start, raw[start:end].rstrip(b"\r\n"), end
        start = end


def _read_head(raw: bytes, start: int, *, has_request_line: bool) -> Head | None:
    headers: list[tuple[str, list[str]]] = []
    remarks: list[str] = []
    body_at = len(raw)
    for number, (at, line, end) in enumerate(_lines(raw, start)):
        if number == MOST_LINES:
            raise errors.PasteRefused(
                f"This has more than {MOST_LINES:,} lines of headers. Paste only the one request that does not verify; "
                "an empty line ends its headers."
            )
        if not line:
            body_at = end
            break
        name, value = _split(line)
        if line[:1] in b" \t" and headers:
            headers[-1][1].append(decode(line).strip())  # obs-fold: one blank for the line end
        elif not has_request_line and _BODY_LABEL.match(line):
            return None
        elif name is not None:
            headers.append((name, [value]))
        elif has_request_line and line[:1] in b"{[":
            body_at = at
            remarks.append("There is no blank line between headers and body; the body begins where JSON begins.")
            break
        elif not has_request_line:
            return None
        else:
            remarks.append(f"A line among the headers is no header and was left out: {decode(line)[:60]!r}.")
    return Head([(name, " ".join(values)) for name, values in headers], body_at, tuple(remarks[:5]))


def _split(line: bytes) -> tuple[str | None, str]:
    colon = line.find(b":", 1)  # HTTP/2's own names begin with a colon
    name = decode(line[:colon]).rstrip() if colon > 0 else ""
    if not is_header_name(name) or line[colon + 1 : colon + 3] == b"//":
        return None, ""
    return name, decode(line[colon + 1 :]).strip(" \t")
