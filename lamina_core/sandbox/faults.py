"""Faults on demand: what they are called, how they are asked for, and whose turn is next.

A fault is asked for in one of three ways: armed over `POST /sandbox/faults` for the next requests or webhook
attempts that match, named by the request header `X-Sandbox-Fault: <name>[;seconds=N]`, or written into a text
input of a start as `[fault:<name>]` or `[fault:<name>;seconds=N]`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

HEADER = "X-Sandbox-Fault"
LONGEST = 3600.0  # seconds that a fault may ask for


class Name(StrEnum):
    """The stable names of the faults."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    SLOW = "slow"
    DROPPED_CONNECTION = "dropped_connection"
    TRUNCATED_JSON = "truncated_json"
    HTML = "html"
    UNKNOWN_STATUS = "unknown_status"
    ANSWER_LOST = "answer_lost"
    LOST_WEBHOOK = "lost_webhook"
    DUPLICATE_WEBHOOK = "duplicate_webhook"
    LATE_WEBHOOK = "late_webhook"
    WRONG_SIGNATURE = "wrong_signature"
    STALE_TIMESTAMP = "stale_timestamp"
    MILLISECONDS_TIMESTAMP = "milliseconds_timestamp"
    MISMATCHED_REQUEST_ID = "mismatched_request_id"
    ROTATED_KEY = "rotated_key"


MEANINGS: Mapping[Name, str] = {
    Name.RATE_LIMITED: "The request is answered 429, with Retry-After of `seconds` (5).",
    Name.SERVER_ERROR: "The request is answered 500 and nothing is done.",
    Name.UNAVAILABLE: "The request is answered 503 and nothing is done.",
    Name.SLOW: "The request is answered as usual, after `seconds` (20).",
    Name.DROPPED_CONNECTION: "The connection is cut without an answer and nothing is done.",
    Name.TRUNCATED_JSON: "The request is carried out, but its answer ends in the middle.",
    Name.HTML: "A proxy's HTML page with status 200 comes instead of the answer, and nothing is done.",
    Name.UNKNOWN_STATUS: "A run is reported with a status that no contract names; as an input, while it runs.",
    Name.ANSWER_LOST: "A start is accepted, and the connection is then cut without an answer.",
    Name.LOST_WEBHOOK: "The webhook is never sent, nor tried again.",
    Name.DUPLICATE_WEBHOOK: "The webhook is sent twice, each time freshly signed.",
    Name.LATE_WEBHOOK: "The webhook is sent `seconds` (60) late, divided by the sandbox's speed.",
    Name.WRONG_SIGNATURE: "The webhook is signed with a key that is not in the set.",
    Name.STALE_TIMESTAMP: "The webhook is signed properly, with a timestamp `seconds` (600) old.",
    Name.MILLISECONDS_TIMESTAMP: "The webhook is signed properly, with a timestamp in milliseconds.",
    Name.MISMATCHED_REQUEST_ID: "The webhook's request id header is not the id in its body.",
    Name.ROTATED_KEY: "At once a new key comes first in the set, and signs from then on; the old one stays listed.",
}

DELIVERY_FAULTS = frozenset(
    {
        Name.LOST_WEBHOOK,
        Name.DUPLICATE_WEBHOOK,
        Name.LATE_WEBHOOK,
        Name.WRONG_SIGNATURE,
        Name.STALE_TIMESTAMP,
        Name.MILLISECONDS_TIMESTAMP,
        Name.MISMATCHED_REQUEST_ID,
    }
)
REQUEST_FAULTS = frozenset(Name) - DELIVERY_FAULTS - {Name.ROTATED_KEY}

_START = re.compile(r"/executions$|/apps/[^/]+/runs$")
_RUN_ANSWER = re.compile(r"/executions(/|$)|/runs(/|$)")
_MARKER = re.compile(r"\[fault:([^\]]*)\]")
_SECONDS = re.compile(r"seconds=([0-9]{1,6}(?:\.[0-9]{1,3})?)")


@dataclass(frozen=True)
class Fault:
    """One fault to apply; `seconds` None leaves it to the fault."""

    name: Name
    seconds: float | None = None

    def seconds_or(self, usual: float) -> float:
        """Return the seconds asked for, or the fault's usual ones."""
        return usual if self.seconds is None else self.seconds


@dataclass(frozen=True)
class Armed:
    """A fault waiting for its next `times` requests or webhook attempts."""

    fault: Fault
    times: int
    path: str
    method: str

    def matches(self, method: str, path: str) -> bool:
        """Say whether this request, or this webhook's method and URL, is one that the fault waits for."""
        return self.path in path and self.method in ("", method)


def parse(text: str) -> Fault:
    """Return the fault of `<name>[;seconds=N]`; ValueError says what is wrong and lists the good names."""
    name, separator, rest = text.strip().partition(";")
    if not separator:
        return Fault(_name_from(name))
    found = _SECONDS.fullmatch(rest.strip())
    if found is None:
        raise ValueError(f"a fault looks like <name> or <name>;seconds=N, not {text.strip()!r}")
    return Fault(_name_from(name), _check_seconds(float(found[1])))


def parse_document(document: Any) -> Armed:
    """Return what the body of `POST /sandbox/faults` arms; ValueError says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError('the body is an object such as {"fault": "slow", "times": 1}')
    unknown = document.keys() - {"fault", "times", "path", "method", "seconds"}
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}; known are fault, times, path, method and seconds")
    times, seconds = document.get("times", 1), document.get("seconds")
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 100_000:
        raise ValueError("times is a whole number from 1 to 100000")
    if seconds is not None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise ValueError("seconds is a number")
        seconds = _check_seconds(float(seconds))
    path, method = document.get("path") or "", document.get("method") or ""
    if not isinstance(path, str) or not isinstance(method, str):
        raise ValueError("path and method are texts")
    return Armed(Fault(_name_from(str(document.get("fault", ""))), seconds), times, path, method.upper())


def find_markers(values: Iterable[Any]) -> tuple[Fault, ...]:
    """Return the faults that these values of text inputs ask for; ValueError for an unknown name."""
    texts = [value for value in values if isinstance(value, str)]
    return tuple(parse(marker) for text in texts for marker in _MARKER.findall(text))


def applies_to_request(name: Name, method: str, path: str) -> bool:
    """Say whether a fault can do anything to this request at all."""
    if name is Name.ANSWER_LOST:
        return method == "POST" and _START.search(path) is not None
    if name is Name.UNKNOWN_STATUS:
        return _RUN_ANSWER.search(path) is not None
    return name in REQUEST_FAULTS


class Armory:
    """The armed faults, in the order in which they were armed; each serves its number of times."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []

    def arm(self, armed: Armed) -> None:
        """Put a fault at the end of the queue."""
        self._armed.append(armed)

    def clear(self) -> None:
        """Forget all armed faults."""
        self._armed.clear()

    def listed(self) -> tuple[Armed, ...]:
        """Return the faults that still wait."""
        return tuple(self._armed)

    def take_for_request(self, method: str, path: str) -> Fault | None:
        """Return the first fault that waits for this request, and count it as used once."""
        return self._take(method, path, lambda name: applies_to_request(name, method, path))

    def take_for_delivery(self, url: str) -> Fault | None:
        """Return the first fault that waits for a webhook attempt to this URL, and count it as used once."""
        return self._take("POST", url, lambda name: name in DELIVERY_FAULTS)

    def _take(self, method: str, path: str, applies: Callable[[Name], bool]) -> Fault | None:
        for place, armed in enumerate(self._armed):
            if applies(armed.fault.name) and armed.matches(method, path):
                if armed.times == 1:
                    del self._armed[place]
                else:
                    self._armed[place] = replace(armed, times=armed.times - 1)
                return armed.fault
        return None


def _name_from(text: str) -> Name:
    try:
        return Name(text.strip())
    except ValueError:
        raise ValueError(f"unknown fault {text.strip()!r}; known are {', '.join(Name)}") from None


def _check_seconds(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"seconds is a number from 0 to {LONGEST:.0f}")
    return seconds
