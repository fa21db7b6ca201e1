"""The sandbox's own paths: arming faults and reading the log. Not a part of Lamina's API.

They need no key, so they answer only to those on this machine: a page of another site that a browser here
has open is told apart by its Origin, and one that points its own name at us by the Host.
"""

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from lamina_core.sandbox import faults
from lamina_core.sandbox.api import read_object
from lamina_core.sandbox.exchange import answer
from lamina_core.sandbox.faults import Armed, Armory, Name
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.shapes import VALIDATION_ERROR, Refusal
from lamina_core.sandbox.state import State

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SECTIONS = {"request": "requests", "attempt": "attempts", "start": "starts"}


def check_origin(request: Request) -> None:
    """Raise Refusal unless the request comes from this machine and from no other site's page."""
    host = request.headers.get("host", "")
    if _host_of(f"//{host}") not in _LOOPBACK:
        raise Refusal(403, "FORBIDDEN", "The sandbox's own paths answer only on a loopback address")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        raise Refusal(403, "FORBIDDEN", "The sandbox's own paths do not answer to pages of other sites")


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


class Control:
    """The handlers; each is called after the origin was checked."""

    def __init__(self, armory: Armory, keys: KeyRing, state: State) -> None:
        self._armory = armory
        self._keys = keys
        self._state = state

    async def arm(self, request: Request) -> Response:
        """Arm a fault: `{"fault", "times", "path", "method", "seconds"}`, all but the first optional."""
        try:
            armed = faults.parse_document(await read_object(request))
        except ValueError as problem:
            raise Refusal(400, VALIDATION_ERROR, str(problem)) from None
        if armed.fault.name is Name.ROTATED_KEY:
            for _ in range(min(armed.times, 10)):
                self._keys.rotate()
        else:
            self._armory.arm(armed)
        return answer(_shown(armed), 201)

    async def list_armed(self, request: Request) -> Response:  # noqa: ARG002 - handlers share one signature
        """Answer what is armed, and what could be."""
        known = {name.value: meaning for name, meaning in faults.MEANINGS.items()}
        return answer({"armed": [_shown(armed) for armed in self._armory.listed()], "known": known})

    async def clear(self, request: Request) -> Response:  # noqa: ARG002 - handlers share one signature
        """Disarm everything."""
        self._armory.clear()
        return answer({"armed": []})

    async def read_log(self, request: Request) -> Response:
        """Answer what was asked of the sandbox after `since`, a sequence number: requests, attempts, starts."""
        text = request.query_params.get("since", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 18):
            raise Refusal(400, VALIDATION_ERROR, "since is a sequence number of this log")
        document: dict[str, Any] = {"sequence": int(text), "requests": [], "attempts": [], "starts": []}
        for sequence, kind, entry in self._state.log_since(int(text)):
            document["sequence"] = sequence
            document[_SECTIONS[kind]].append({"sequence": sequence, **entry})
        # Escaped to ASCII: inputs are logged as they came, lone surrogates and all.
        return Response(json.dumps(document), media_type="application/json")


def _shown(armed: Armed) -> dict[str, Any]:
    fault = asdict(armed.fault)
    return {
        "fault": fault["name"],
        "seconds": fault["seconds"],
        "times": armed.times,
        "path": armed.path,
        "method": armed.method,
    }
