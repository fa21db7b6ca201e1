"""What the faults of requests do; those of webhooks are in `delivery`."""

from collections.abc import Awaitable, Callable

from starlette.responses import HTMLResponse, Response

from lamina_core.sandbox.exchange import Cut, Exchange, refuse
from lamina_core.sandbox.faults import Fault, Name
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.shapes import RATE_LIMITED, TOO_MANY, Refusal

Pause = Callable[[float], Awaitable[None]]

_RETRY_AFTER, _SLOW = 5.0, 20.0  # seconds
_PAGE = (
    "<!doctype html><html><head><title>Just a moment</title></head><body><h1>Checking your browser</h1></body></html>"
)


class Misfortune:
    """Lets faults happen to requests."""

    def __init__(self, keys: KeyRing, pause: Pause) -> None:
        self._keys = keys
        self._pause = pause

    async def strike(self, exchange: Exchange, fault: Fault) -> Response | None:
        """Return the answer that the fault puts in place of the real one, None where that still comes.

        Faults that spoil the real answer are noted in the exchange, and act when it is sent.
        """
        exchange.faults.append(fault)
        match fault.name:
            case Name.RATE_LIMITED:
                seconds = max(1, round(fault.seconds_or(_RETRY_AFTER)))
                return refuse(exchange, Refusal(429, RATE_LIMITED, TOO_MANY, retry_after=seconds))
            case Name.SERVER_ERROR:
                return refuse(exchange, Refusal(500, "INTERNAL_ERROR", "Internal server error"))
            case Name.UNAVAILABLE:
                return refuse(exchange, Refusal(503, "RESOURCE_UNAVAILABLE", "Service temporarily unavailable"))
            case Name.HTML:
                return HTMLResponse(_PAGE)
            case Name.DROPPED_CONNECTION:
                return Cut()
            case Name.SLOW:
                await self._pause(fault.seconds_or(_SLOW))
            case Name.ROTATED_KEY:
                self._keys.rotate()
            case _:
                pass
        return None
