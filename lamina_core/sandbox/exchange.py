"""One request and its answer, as the parts of the server see it."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lamina_core.sandbox import shapes
from lamina_core.sandbox.faults import Fault, Name
from lamina_core.sandbox.records import Generation

_PLACE = "lamina_sandbox.exchange"


class Exchange:
    """What is known of a request beside its bytes: generation, request id, faults, and what it was about."""

    def __init__(self, scope: Scope) -> None:
        generation = shapes.generation_of(scope["path"])
        self.is_api = generation is not None
        self.generation = generation or Generation.A
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.request_id = str(uuid4())
        self.headers: dict[str, str] = {"X-Request-Id": self.request_id}
        self.faults: list[Fault] = []
        self.execution_id: str | None = None
        scope[_PLACE] = self

    @classmethod
    def of(cls, request: Request) -> "Exchange":
        """Return the exchange that a request belongs to."""
        exchange = request.scope[_PLACE]
        if not isinstance(exchange, cls):  # pragma: no cover - the gate puts it there
            raise TypeError("the request did not come through the gate")
        return exchange

    def has(self, name: Name) -> bool:
        """Say whether this fault was asked for."""
        return any(fault.name is name for fault in self.faults)


def api_key(headers: Mapping[str, str]) -> str | None:
    """Return the key of a request: `x-api-key` first, else the Bearer token; None where there is none."""
    key = headers.get("x-api-key", "").strip()
    if key:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(shapes.encode(document), status, headers, media_type="application/json")


def refuse(exchange: Exchange, refused: shapes.Refusal) -> Response:
    """Return an error answer in the words of the path's generation."""
    if refused.status == 429:
        return _refuse_for_now(exchange, refused)
    return answer(shapes.refusal(exchange.generation, refused, exchange.request_id), refused.status)


def _refuse_for_now(exchange: Exchange, refused: shapes.Refusal) -> Response:
    headers = {"Retry-After": str(refused.retry_after), "RateLimit-Remaining": "0"}
    if exchange.generation is Generation.C:
        return answer(shapes.refusal(exchange.generation, refused, exchange.request_id), 429, headers)
    return PlainTextResponse(refused.message, 429, headers)  # A and B answer with a bare line


class Cut(Response):
    """No answer at all: the connection is closed under the client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Close the connection and wait until the server has noticed."""
        await cut(scope, receive)


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection of a request without an answer.

    Without a real connection, as in an in-process test, ConnectionAbortedError takes its place.
    """
    transport = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionAbortedError("the sandbox cut the connection")
    transport.abort()
    # Returning earlier would have the server answer 500 for an application that answered nothing.
    while (await receive())["type"] != "http.disconnect":
        pass
