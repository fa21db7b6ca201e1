"""Requests inside of printed values: log lines, HAR files, events of gateways and functions, dumps of programs.

They all come down to the same: somewhere are headers, and beside them, or around them, is a body.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lamina_core.debugger.paste.kinds import Call, Number, Table, Value, Word
from lamina_core.debugger.paste.literals import Literal
from lamina_core.debugger.paste.shapes import Body, Pairs, body_of, headers_of, is_lamina_name, looks_like_headers

_HEADER_KEYS = (
    *("multivalueheaders", "rawheaders", "headers", "requestheaders", "httpheaders", "header", "meta", "environ"),
)
_BODY_KEYS = (
    *("rawbody", "bodyraw", "rawpayload", "body", "bodybase64", "bodyb64", "rawbodybase64", "bodytext", "bodystring"),
    *("requestbody", "textcontent", "postdata", "payload", "content", "data", "text", "json"),
)
_SURE_BODY_KEYS = _BODY_KEYS[:13]
_BASE64_FLAGS = {"isbase64encoded", "isbase64", "base64", "base64encoded", "bodyisbase64", "isbodybase64"}
_ENCODING_KEYS = {"encoding", "bodyencoding", "payloadencoding"}
_ANSWERS = {"response", "res", "resp", "responseheaders", "responsebody", "answer"}
_RECEIVED_KEYS = ("receivedat", "starteddatetime")
_FLAT_NAME = re.compile(r"[\w.]{0,60}?\bheaders?\.([\w-]+)", re.IGNORECASE)
_FLAT_MARK = re.compile("lamina.*(?:webhook|signature|timestamp)", re.IGNORECASE)
_WRAPPER_KEYS = {"mimetype", "text", "params", "encoding", "comment", "data", "content", "bytes", "action"}
_WRAPPER_KEYS |= {"inputtruncated"}


@dataclass(frozen=True)
class Node:
    """A table of a value, and the table around it; `members` go by their names in one spelling, the last of several."""

    table: Table
    around: "Node | None"
    members: dict[str, Value]


@dataclass(frozen=True)
class Request:
    """A request as it was found; `node` is None, or the headers' own table, where they stand for themselves."""

    headers: Pairs
    literal: Literal
    node: Node | None
    alone: bool

    def is_laminas(self) -> bool:
        """Say whether its headers are of a webhook of Lamina."""
        return any(is_lamina_name(name) for name, _ in self.headers)


def spell(key: Value) -> str:
    """Return a key as it is compared: its last part, without case and punctuation."""
    text = key.text if isinstance(key, Word) else key
    return re.sub("[_-]", "", text.rsplit(".", 1)[-1]).lower() if isinstance(text, str) else ""


def members_of(table: Table) -> dict[str, Value]:
    """Return the members of a table by their names in one spelling."""
    return {spell(key): held for key, held in table.pairs}


def walk(value: Value) -> Iterator[Node]:
    """Give every table in a value, outer ones first, without headers and those of answers."""
    waiting: deque[tuple[Value, Node | None]] = deque([(value, None)])
    while waiting:
        found, around = waiting.popleft()
        if isinstance(found, Table):
            node = Node(found, around, members_of(found))
            yield node
            for key, held in found.pairs:
                if (name := spell(key)) not in _ANSWERS and not name.endswith("headers"):
                    waiting.append((held, node))
        elif isinstance(found, list):
            waiting += [(held, around) for held in found]
        elif isinstance(found, Call):
            waiting += [(held, around) for held in (*found.arguments, found.named)]


def requests_in(literal: Literal) -> list[Request]:
    """Return the requests that a value holds, in its order."""
    found: list[Request] = []
    taken: set[int] = set()
    for node in walk(literal.value):
        if id(node.table) in taken:
            continue
        for key in _HEADER_KEYS:
            pairs = headers_of(node.members.get(key))
            if pairs and (key.endswith("headers") or looks_like_headers(pairs)):
                found.append(Request(pairs, literal, node, alone=False))
                taken.add(id(node.members[key]))
                break
        else:
            if flat := _flat_headers(node):
                found.append(Request(flat, literal, node, alone=node.around is None))
    if not found and looks_like_headers(pairs := headers_of(literal.value)):
        found.append(Request(pairs, literal, None, alone=True))
    return found


def _flat_headers(node: Node) -> Pairs:
    """Return headers that stand among other things: as `headers.x-lamina-...`, or beside `body` as smee.io has it."""
    own = headers_of(node.table)
    if not any(_FLAT_MARK.search(name) for name, _ in own):
        return []
    flat = [(found.group(1), value) for name, value in own if (found := _FLAT_NAME.fullmatch(name))]
    return flat or [(name, value) for name, value in own if spell(name) not in _BODY_KEYS]


def find_body(request: Request) -> Body | None:
    """Return the body that belongs to a request: beside its headers, else around them; None if there is none."""
    inside: list[Table] = []
    place = request.node
    while place is not None:
        inside.append(place.table)
        found = body_in(place, request.literal.cut, inside=inside)
        if found is not None:
            return found
        place = place.around
    return None


def body_in(node: Node, cut: Sequence[Value], *, inside: Sequence[Table] = (), sure: bool = False) -> Body | None:
    """Return the body among the members of a table, text before objects; `sure` wants a name that only a body has."""
    best: tuple[int, str] | None = None
    for place, key in enumerate(_SURE_BODY_KEYS if sure else _BODY_KEYS):
        value = node.members.get(key)
        if value is None or isinstance(value, (bool, Word)) or any(value is table for table in inside):
            continue
        rank = (place + len(_BODY_KEYS) * isinstance(value, (Table, list, Call, Number)), key)
        best = min(best or rank, rank)
    if best is None:
        return None
    value, encoded = node.members[best[1]], _says_base64(node.members) or "base64" in best[1] or best[1].endswith("b64")
    if isinstance(value, Table):
        value, encoded = _unwrap(value, encoded)
    return body_of(value, encoded=encoded, cut=value in cut)


def _unwrap(table: Table, encoded: bool) -> tuple[Value, bool]:
    """Look into a table around a body: HAR's postData, Lambda@Edge's body, the body of an ECS log."""
    members = members_of(table)
    marked = members.keys() & {"mimetype", "encoding", "bytes", "params"} or members.keys() == {"content"}
    if not marked or not members.keys() <= _WRAPPER_KEYS:
        return table, encoded
    for key in ("text", "data", "content"):
        if isinstance(members.get(key), (str, bytes)):
            return members[key], encoded or _says_base64(members)
    params = members.get("params")
    if isinstance(params, list) and params:
        named = [members_of(one) for one in params if isinstance(one, Table)]
        return "&".join(f"{_shown(one.get('name'))}={_shown(one.get('value'))}" for one in named), False
    return ("" if "mimetype" in members else table), encoded


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _says_base64(members: dict[str, Value]) -> bool:
    flagged = any(members.get(key) in (True, "true", "True") for key in _BASE64_FLAGS)
    return flagged or any(_shown(members.get(key)).lower() == "base64" for key in _ENCODING_KEYS)


def name_source(request: Request) -> str:
    """Return what a request was read from, in people's words."""
    literal, node = request.literal, request.node
    if node is None or request.alone:
        return f"headers as {literal.manner} prints them" if literal.manner != "JSON" else "headers in JSON"
    context = node.members.get("requestcontext")
    if isinstance(context, Table):
        members = members_of(context)
        if "elb" in members:
            return "an event of an AWS load balancer"
        if "lambda-url" in _shown(members.get("domainname")):
            return "an event of an AWS Lambda function URL"
        return f"an event of AWS API Gateway ({'HTTP API' if 'http' in members else 'REST API'})"
    if "postdata" in node.members or (isinstance(literal.value, Table) and {*members_of(literal.value)} == {"log"}):
        return "a HAR file"
    return "a log line in JSON" if literal.manner == "JSON" else f"a dump of {literal.manner}"


def find_receipt(request: Request) -> datetime | None:
    """Return when a request was received, as far as its record says so with a time zone."""
    place = request.node
    while place is not None:
        for key in _RECEIVED_KEYS:
            if (moment := _as_moment(place.members.get(key))) is not None:
                return moment
        place = place.around
    context = request.node.members.get("requestcontext") if request.node else None
    members = members_of(context) if isinstance(context, Table) else {}
    return _as_moment(members.get("timeepoch", members.get("requesttimeepoch")))


def _as_moment(value: Value) -> datetime | None:
    try:
        if isinstance(value, Number) and len(value.text) <= 20:
            seconds = float(value.text)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        if isinstance(value, str) and len(value) <= 40:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError, OSError):
        pass
    return None
