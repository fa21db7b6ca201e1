"""What happens to every request before and after its handler: limit, faults, headers, log."""

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamina_core.clock import Clock
from lamina_core.sandbox import faults
from lamina_core.sandbox.exchange import Exchange, api_key, cut, refuse
from lamina_core.sandbox.faults import Armory, Name
from lamina_core.sandbox.limits import Limiter
from lamina_core.sandbox.misfortune import Misfortune
from lamina_core.sandbox.plan import milliseconds
from lamina_core.sandbox.shapes import RATE_LIMITED, TOO_MANY, VALIDATION_ERROR, Refusal
from lamina_core.sandbox.state import State

_logger = logging.getLogger(__name__)


class Gate:
    """The outermost part of the application; the sandbox's own paths pass it untouched, and unlogged."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        limiter: Limiter,
        armory: Armory,
        misfortune: Misfortune,
        state: State,
        clock: Clock,
    ) -> None:
        self._application = application
        self._limiter = limiter
        self._armory = armory
        self._misfortune = misfortune
        self._state = state
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(scope)
        outlet = _Outlet(scope, receive, send, exchange, self)
        early = await self._meet(scope, exchange) if exchange.is_api else None
        try:
            await (early or self._application)(scope, receive, outlet)
        except ConnectionAbortedError:
            raise
        except Exception:  # it was answered with 500 below us; here it only remains to be told
            _logger.exception("%s %s failed in the sandbox", exchange.method, exchange.path)
        finally:
            outlet.log_once(None)

    async def _meet(self, scope: Scope, exchange: Exchange) -> Response | None:
        """Return the answer that a request gets before it comes to its handler, if it gets one."""
        verdict = self._limiter.admit((scope.get("client") or ("unknown", 0))[0])
        exchange.headers.update(verdict.headers)
        if not verdict.admitted:
            return refuse(exchange, Refusal(429, RATE_LIMITED, TOO_MANY, retry_after=verdict.reset))
        try:
            wanted = self._wanted(scope, exchange)
        except ValueError as problem:
            return refuse(exchange, Refusal(400, VALIDATION_ERROR, f"{faults.HEADER}: {problem}"))
        for fault in wanted:
            if (early := await self._misfortune.strike(exchange, fault)) is not None:
                return early
        return None

    def _wanted(self, scope: Scope, exchange: Exchange) -> list[faults.Fault]:
        header = Headers(scope=scope).get(faults.HEADER)
        named = [faults.parse(header)] if header is not None else []
        armed = self._armory.take_for_request(exchange.method, exchange.path)
        return named + ([armed] if armed is not None else [])

    def log(self, scope: Scope, exchange: Exchange, status: int | None) -> None:
        """Remember the request and its answer's status; None where no answer was sent."""
        if not exchange.is_api:
            return
        key = api_key(Headers(scope=scope))
        entry = {
            "at": milliseconds(self._clock.now()),
            "method": exchange.method,
            "path": exchange.path,
            "query": scope["query_string"].decode("latin-1"),
            "status": status,
            "executionId": exchange.execution_id,
            "key": None if key is None else key[-4:],
            "requestId": exchange.request_id,
            "faults": [fault.name for fault in exchange.faults],
        }
        self._state.add_request(entry)


class _Outlet:
    """Sends the answer on, with the headers that every answer has, or spoiled as a fault wants it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange, gate: Gate) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._exchange = exchange
        self._gate = gate
        self._held: Message | None = None
        self._is_logged = False
        self._is_over = False

    def log_once(self, status: int | None) -> None:
        """Log the exchange, unless that was done already."""
        if not self._is_logged:
            self._is_logged = True
            self._gate.log(self._scope, self._exchange, status)

    async def __call__(self, message: Message) -> None:
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._held is not None:
            await self._truncate(self._held, message)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        if message["status"] == 202 and self._exchange.has(Name.ANSWER_LOST):
            self._is_over = True
            self.log_once(None)
            await cut(self._scope, self._receive)
            return
        self.log_once(message["status"])
        headers = MutableHeaders(raw=message["headers"])
        for name, value in self._exchange.headers.items():
            headers.setdefault(name, value)
        if self._exchange.has(Name.TRUNCATED_JSON):
            self._held = message
        else:
            await self._send(message)

    async def _truncate(self, start: Message, message: Message) -> None:
        half = message["body"][: len(message["body"]) // 2]
        MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(half))
        self._is_over = True
        await self._send(start)
        await self._send({"type": "http.response.body", "body": half, "more_body": False})
