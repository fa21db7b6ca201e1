"""The guard of the whole process, until there is sign-in: only this machine gets in.

A request whose socket or Host is not loopback, or which came through a tunnel or a proxy, is answered at
the machines' paths alone; everything else is 403, and the websocket is refused. Being ASGI middleware, it
holds however the process is launched.
"""

import ipaddress
import re
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/webhooks/lamina", "/api/executions", "/healthz"})

_RELAY_HEADERS = frozenset({b"forwarded", b"via", b"x-real-ip"})
_RELAY_PREFIX = b"x-forwarded-"
_HOST_SHAPE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*))(?::[0-9]{0,5})?")


class Guard:
    """Wraps the application; tells `learn_address` where a local request reached us, as http://host:port."""

    def __init__(self, app: ASGIApp, learn_address: Callable[[str], None]) -> None:
        self._app = app
        self._learn_address = learn_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on, one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif is_local(scope):
            host, port = scope["server"][:2]
            self._learn_address(f"http://{f'[{host}]' if ':' in host else host}:{port}")
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = JSONResponse(
                {"error": "Lamina Desk answers only on the machine that it runs on. Use an SSH tunnel."}, 403
            )
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def is_local(scope: Scope) -> bool:
    """Say whether both ends of the socket and the Host are loopback, and nothing relayed the request."""
    ends = [scope.get("client"), scope.get("server")]
    if not all(end and _is_loopback(end[0]) for end in ends):
        return False
    hosts = []
    for name, value in scope["headers"]:
        if name in _RELAY_HEADERS or name.startswith(_RELAY_PREFIX):
            return False
        if name == b"host":
            hosts.append(value.decode("latin-1"))
    return len(hosts) == 1 and _is_loopback(_without_port(hosts[0]))


def _without_port(host: str) -> str:
    found = _HOST_SHAPE.fullmatch(host)
    return (found[1] or found[2]) if found else ""


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
