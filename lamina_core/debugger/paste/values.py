"""Texts with printed values in them: which request is meant, and its body where it stands in a value of its own."""

import re
from collections.abc import Sequence
from dataclasses import replace

from lamina_core.debugger.paste.kinds import Number, Table
from lamina_core.debugger.paste.literals import Literal, LiteralReader
from lamina_core.debugger.paste.records import Request, body_in, find_body, find_receipt, name_source, requests_in, walk
from lamina_core.debugger.paste.shapes import Body, body_of
from lamina_core.debugger.records import Specimen, specimen_from

_LABEL = re.compile(r"\b(?:raw|request|req)?[ _.-]?(?:body|payload|data)\b\W{0,6}$", re.IGNORECASE)
_LABELLED = re.compile(
    r"[\s,;]*+(?:(?:raw|request|req)?[ _.-]?)(?:body|payload|data)[ ]?[:=][ ]?", re.IGNORECASE
)  # before text that is no literal
_MOST_NESTED = 20  # texts inside of records that are tried
_DEEPEST = 3  # records in texts in records


def read_values(text: str, depth: int = 0) -> Specimen | None:
    """Return the webhook that printed values in a text hold, None if there are no headers among them."""
    literals = list(LiteralReader(text).find())
    found = [request for literal in literals for request in requests_in(literal)]
    laminas = [request for request in found if request.is_laminas()]
    if not laminas and (nested := _read_nested(literals, depth)):
        return nested
    if not found:
        return None
    request = (laminas or found)[-1]
    remarks: list[str] = []
    if len(laminas or found) > 1:
        which = "carry headers of Lamina" if laminas else "are there, none with headers of Lamina"
        remarks.append(f"{len(laminas or found):,} requests {which}; the last of them was taken.")
    body = find_body(request) or _body_beside(text, literals, request, [one.literal for one in found])
    if body is None:
        remarks.append("No body was found beside the headers.")
        body = Body(b"")
    received_at = find_receipt(request)
    if received_at is not None:
        remarks.append(f"It was received at {received_at:%Y-%m-%d %H:%M:%S} UTC, as its record says.")
    return specimen_from(
        request.headers,
        body.content,
        exact=body.exact,
        source=name_source(request),
        received_at=received_at,
        remarks=(*remarks, *body.remarks),
    )


def _read_nested(literals: Sequence[Literal], depth: int) -> Specimen | None:
    """Look into strings that hold a printed value themselves: log services wrap the line that was logged."""
    if depth == _DEEPEST:
        return None
    held = [value for literal in literals for node in walk(literal.value) for value in node.members.values()]
    likely = [text for text in held if isinstance(text, str) and "{" in text and "lamina" in text.lower()]
    for text in reversed(likely[-_MOST_NESTED:]):
        found = read_values(text, depth + 1)
        if found is not None:
            return replace(found, remarks=("The request was text inside of another record.", *found.remarks))
    return None


def _body_beside(text: str, literals: Sequence[Literal], request: Request, taken: Sequence[Literal]) -> Body | None:
    """Return the body that stands in a value of its own, after the headers or before them."""
    place = next(at for at, literal in enumerate(literals) if literal is request.literal)
    numbers = {id(literal) for literal in taken}
    others = [at for at in (*range(place + 1, len(literals)), *range(place)) if id(literals[at]) not in numbers]
    for at in others:
        literal = literals[at]
        before = text[literals[at - 1].end if at else 0 : literal.start][-80:]
        if _LABEL.search(before) or isinstance(literal.value, bytes):
            return _body_from(text, literal)
    for at in others:
        for node in walk(literals[at].value):
            if (body := body_in(node, literals[at].cut, sure=True)) is not None:
                return body
    if label := _LABELLED.match(text, request.literal.end):
        return Body(text[label.end() :].encode())
    after = literals[place + 1] if place + 1 in others else None
    return _body_from(text, after) if request.alone and after and not isinstance(after.value, Number) else None


def _body_from(text: str, literal: Literal) -> Body:
    if literal.manner == "JSON" and isinstance(literal.value, (Table, list)):
        return Body(text[literal.start : literal.end].encode())  # JSON that was printed as text
    return body_of(literal.value, cut=literal.value in literal.cut)
