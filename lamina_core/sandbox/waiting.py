"""The endpoints that hold on to a request until a run ends: wait and stream (contract, sections 4.2 and 4.3)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lamina_core.clock import Clock
from lamina_core.sandbox import plan, shapes
from lamina_core.sandbox.api import Api, read_whole
from lamina_core.sandbox.engine import Engine
from lamina_core.sandbox.exchange import answer
from lamina_core.sandbox.records import Execution
from lamina_core.sandbox.state import State

STREAM_CAP = 600.0  # seconds after which a stream ends with the event `timeout`
PING_EVERY = 15.0  # seconds
_SHORTEST, _LONGEST = 0.01, 0.25  # seconds between two looks at a run
_WAIT, _LONGEST_WAIT = 60, 120


class Pauser:
    """Sleeps on the event loop; every sleep ends at once when the sandbox stops."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        """Sleep for these seconds, or until the sandbox stops."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return


class Waiting:
    """Handlers that follow a run; they look at it again and again, as Lamina's own do."""

    def __init__(self, api: Api, engine: Engine, state: State, clock: Clock, pauser: Pauser) -> None:
        self._api = api
        self._engine = engine
        self._state = state
        self._clock = clock
        self._pauser = pauser

    async def wait(self, request: Request) -> Response:
        """Answer when the run has ended or the `timeout` of the query, in seconds, is over."""
        execution = self._api.find_run(request)
        seconds = read_whole(request, "timeout", usual=_WAIT, most=_LONGEST_WAIT) or _WAIT
        deadline = self._clock.monotonic() + seconds
        while True:
            execution = self._again(execution)
            remaining = deadline - self._clock.monotonic()
            ended = self._engine.look(execution).is_terminal
            if ended or remaining <= 0 or self._pauser.stopping.is_set() or await request.is_disconnected():
                return answer({"data": self._api.show(request, execution), "timeout": not ended})
            await self._pauser(min(remaining, self._nap(execution)))

    async def stream(self, request: Request) -> Response:
        """Answer with server-sent events until the run has ended."""
        execution = self._api.find_run(request)
        return StreamingResponse(
            self._events(request, execution), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _events(self, request: Request, execution: Execution) -> AsyncIterator[bytes]:
        began = pinged = self._clock.monotonic()
        last = None
        while not self._pauser.stopping.is_set():
            execution = self._again(execution)
            seen = self._engine.look(execution)
            if seen.is_terminal:
                name = "complete" if seen.status == plan.COMPLETED else "error"
                yield _event(name, self._api.show(request, execution))
                return
            if seen.status != last:
                last = seen.status
                yield _event("progress", self._api.show(request, execution))
            elapsed = self._clock.monotonic()
            if elapsed - began >= STREAM_CAP:
                yield _event("timeout", {"message": "Stream timed out after 10 minutes"})
                return
            if elapsed - pinged >= PING_EVERY:
                pinged = elapsed
                yield _event("ping", self._engine.now())
            await self._pauser(self._nap(execution))

    def _again(self, execution: Execution) -> Execution:
        """Return the run as it is stored now: it may have been cancelled or refined."""
        return self._state.find(execution.execution_id) or execution

    def _nap(self, execution: Execution) -> float:
        """Return the seconds until the next planned change, but soon enough to notice an unplanned one."""
        now = self._engine.now()
        change = plan.next_change(execution.plan, now)
        seconds = _LONGEST if change is None else (change - now) / 1000
        return max(_SHORTEST, min(_LONGEST, seconds))


def _event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + shapes.encode(data) + b"\n\n"
