"""Calls in code that send a request: fetch() as browsers copy it and people write it, and its like in Python."""

import re

from lamina_core import errors
from lamina_core.debugger.paste.kinds import Call, Unreadable, Word
from lamina_core.debugger.paste.literals import LiteralReader
from lamina_core.debugger.paste.records import Request, find_body, requests_in
from lamina_core.debugger.paste.shapes import Body, body_of
from lamina_core.debugger.records import Specimen, specimen_from

_CALL = re.compile(
    r"[^\"'`{}\[\]]{0,400}?\b((?:window\.|globalThis\.)?fetch|axios(?:\.post)?|(?:requests|httpx|client|session)\.post)\(",
)


def read_code(text: str) -> Specimen | None:
    """Return the webhook that a call in code sends, None if the text does not begin with such a call."""
    match = _CALL.match(text)
    if match is None:
        return None
    name = match.group(1)
    literals = [
        literal
        for literal in LiteralReader(text).find()
        if isinstance(literal.value, Call) and literal.value.name.endswith(name.rsplit(".", 1)[-1])
    ]
    found = [request for literal in literals for request in requests_in(literal)]
    if not found:
        raise errors.PasteRefused(_explain(text, match.start(1), name))
    laminas = [request for request in found if request.is_laminas()]
    request = (laminas or found)[-1]
    body = find_body(request) or _positional_body(request)
    remarks = () if body else ("The call sends no body.",)
    if len(laminas or found) > 1:
        remarks = (f"{len(laminas or found):,} calls are there; the last of them was taken.", *remarks)
    body = body or Body(b"")
    return specimen_from(
        request.headers,
        body.content,
        exact=False,  # what runs may differ from what is written
        source=f"a call of {name}()",
        remarks=(*remarks, *body.remarks),
    )


def _positional_body(request: Request) -> Body | None:
    """Return the body where it is an argument (axios.post); PasteRefused where it is a variable."""
    call = request.literal.value
    arguments = call.arguments if isinstance(call, Call) else []
    if isinstance(call, Call) and call.name.endswith("post") and len(arguments) > 2:
        return body_of(arguments[1])
    members = request.node.members if request.node else {}
    variable = next((held for key in ("body", "data", "json", "content") if (held := members.get(key))), None)
    if isinstance(variable, Word) and variable.text != "undefined":
        raise errors.PasteRefused(
            f"The body of this call is {variable.text[:60]!r}, whose value is not in the text. "
            "Put the body itself in its place, or paste it in its own field."
        )
    return None


def _explain(text: str, start: int, name: str) -> str:
    try:
        LiteralReader(text).read(start)
        why = "there are no headers in it"
    except Unreadable as error:
        why = f"there is {error} in it"
    return (
        f"This is a call of {name}(), but {why}. It is read without being run, so headers and body must be written "
        "out in it: copy it from the browser's network list, or paste the raw request."
    )
