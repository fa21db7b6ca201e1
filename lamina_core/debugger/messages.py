"""How the signed message may have been put together, other than as Lamina does it: `<timestamp>.<body>`."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from lamina_core.debugger.records import Specimen

_SEPARATORS = {
    ":": b":",
    "|": b"|",
    "a line end": b"\n",
    "a blank": b" ",
    ",": b",",
    ";": b";",
    "-": b"-",
    "_": b"_",
    "/": b"/",
    "&": b"&",
    "=": b"=",
    "CRLF": b"\r\n",
    "two dots": b"..",
    "a dot and a blank": b". ",
    "a tab": b"\t",
    "a NUL": b"\x00",
}


@dataclass(frozen=True)
class Joining:
    """One way of making a message of the timestamp's text and the body."""

    cause: str
    detail: str
    join: Callable[[bytes, bytes], bytes]


def _separated(by: bytes) -> Callable[[bytes, bytes], bytes]:
    return lambda timestamp, body: timestamp + by + body


def _reversed(by: bytes) -> Callable[[bytes, bytes], bytes]:
    return lambda timestamp, body: body + by + timestamp


def _hashed(name: str, new: Callable[[bytes], "hashlib._Hash"]) -> list[Joining]:
    digests: dict[str, Callable[[bytes], bytes]] = {
        "in hex": lambda data: new(data).hexdigest().encode(),
        "in capital hex": lambda data: new(data).hexdigest().upper().encode(),
        "raw": lambda data: new(data).digest(),
        "in base64": lambda data: base64.b64encode(new(data).digest()),
    }
    return [
        Joining("message_hashed", f"signed: {name} of the {what}, {form}", wrap(digest))
        for form, digest in digests.items()
        for what, wrap in (
            ("body after the timestamp", _of_body),
            ("body alone", _of_body_alone),
            ("message", _of_whole),
        )
    ]


def _of_body(digest: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    return lambda timestamp, body: timestamp + b"." + digest(body)


def _of_body_alone(digest: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    return lambda _timestamp, body: digest(body)


def _of_whole(digest: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    return lambda timestamp, body: digest(timestamp + b"." + body)


def other_joinings(specimen: Specimen) -> list[Joining]:
    """Return the ways that other services, or a slip of the pen, put a message together."""
    ways = [Joining("message_separator", "signed: nothing between timestamp and body", _separated(b""))]
    ways += [
        Joining("message_separator", f"signed: joined by {name}", _separated(by)) for name, by in _SEPARATORS.items()
    ]
    ways += [
        Joining("message_order", f"signed: body before timestamp, joined by {name}", _reversed(by))
        for name, by in {"a dot": b".", "nothing": b"", **_SEPARATORS}.items()
    ]
    ways.append(Joining("message_body_only", "signed: the body alone", lambda _timestamp, body: body))
    ways += [*_hashed("SHA-256", hashlib.sha256), *_hashed("SHA-512", hashlib.sha512)]
    return ways + _other_schemes((specimen.request_id or "").encode(), (specimen.user_id or "").encode())


def _other_schemes(request_id: bytes, user_id: bytes) -> list[Joining]:
    def digest(body: bytes) -> bytes:
        return hashlib.sha256(body).hexdigest().encode()

    schemes: dict[str, Callable[[bytes, bytes], bytes]] = {
        "the timestamp alone": lambda timestamp, _body: timestamp,
        "a dot after the body too": lambda timestamp, body: timestamp + b"." + body + b".",
        "a dot before the timestamp": lambda timestamp, body: b"." + timestamp + b"." + body,
        "version v1 before the timestamp": lambda timestamp, body: b"v1." + timestamp + b"." + body,
        "version v0 before the timestamp, by colons": lambda timestamp, body: b"v0:" + timestamp + b":" + body,
        "t= before the timestamp": lambda timestamp, body: b"t=" + timestamp + b"." + body,
    }
    if request_id:
        schemes |= {
            "request id, timestamp and body by dots": lambda timestamp, body: b".".join((request_id, timestamp, body)),
            "timestamp, request id and body by dots": lambda timestamp, body: b".".join((timestamp, request_id, body)),
            "request id and body by a dot": lambda _timestamp, body: request_id + b"." + body,
            "request id, user id, timestamp and SHA-256 of the body by line ends": lambda timestamp, body: b"\n".join(
                (request_id, user_id, timestamp, digest(body))
            ),
        }
    return [Joining("message_other_scheme", f"signed: {detail}", join) for detail, join in schemes.items()]
