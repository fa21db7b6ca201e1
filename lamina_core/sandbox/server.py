"""The sandbox as a whole: one HTTP server in a thread of its own, with its webhook sender."""

import asyncio
import logging
import socket
import threading
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.sandbox import catalogue, routes
from lamina_core.sandbox.api import Api
from lamina_core.sandbox.control import Control
from lamina_core.sandbox.delivery import Sender
from lamina_core.sandbox.engine import Engine
from lamina_core.sandbox.faults import Armory
from lamina_core.sandbox.gallery import Gallery
from lamina_core.sandbox.gate import Gate
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.limits import Limiter
from lamina_core.sandbox.misfortune import Misfortune
from lamina_core.sandbox.state import State
from lamina_core.sandbox.waiting import Pauser, Waiting
from lamina_core.signing import SigningKey

_GRACE = 0.4  # seconds that open requests and webhooks have to end when the sandbox stops
_PATIENCE = 10.0  # seconds to start in

_logger = logging.getLogger(__name__)


class Sandbox:
    """A local Lamina; `database` None keeps everything in memory, port 0 takes any free port.

    `speed` divides queue and running times, the delays between webhook attempts and a late webhook's delay;
    `rate_limit` is per minute and address, 0 for none.
    """

    def __init__(
        self,
        *,
        catalogue_file: Path,
        database: Path | None,
        clock: Clock,
        seed: int = 0,
        speed: float = 1.0,
        rate_limit: int = 100,
        host: str = "127.0.0.1",
        port: int = 8787,
    ) -> None:
        if not speed > 0:
            raise errors.ConfigurationError(f"the sandbox's speed is a number above 0, not {speed}")
        self._catalogue_file = catalogue_file
        self._database = database
        self._clock = clock
        self._seed = seed
        self._speed = speed
        self._rate_limit = rate_limit
        self._host = host
        self._port = port
        self._parts: _Parts | None = None
        self._thread: _ServerThread | None = None

    @property
    def base_url(self) -> str:
        """Return where the sandbox is; with port 0 it is known once it was started."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def application(self) -> ASGIApp:
        """Return the ASGI application, for tests without a server; webhooks are then planned but not sent."""
        return self._assembled().gate

    def signing_key(self) -> SigningKey | None:
        """Return the key that signs webhooks now, None while the sandbox does not run."""
        parts = self._parts
        return parts.keys.current() if parts else None

    def start(self) -> None:
        """Bind the port, serve in a thread, and return when requests are answered.

        Raises errors.ConfigurationError if the port, the catalogue or the database cannot be used.
        """
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        try:
            parts = self._assembled()
        except errors.ConfigurationError:
            listener.close()
            raise
        self._thread = _ServerThread(parts, listener)
        self._thread.start()
        if not self._thread.is_ready.wait(_PATIENCE):
            self.stop()
            raise errors.ConfigurationError(f"the sandbox did not start on {self.base_url} within {_PATIENCE:.0f} s")

    def stop(self) -> None:
        """Stop within a second, whatever is open; all that was accepted is stored."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        if self._parts is not None:
            self._parts.state.close()
            self._parts = None

    def _assembled(self) -> "_Parts":
        if self._parts is None:
            self._parts = self._assemble()
        return self._parts

    def _assemble(self) -> "_Parts":
        apps = catalogue.load(self._catalogue_file, self.base_url)
        state = State(self._database)
        clock, keys, armory, pauser = self._clock, KeyRing(state), Armory(), Pauser()
        sender = Sender(state, armory, keys, clock=clock, speed=self._speed)
        engine = Engine(
            state,
            clock=clock,
            seed=self._seed,
            speed=self._speed,
            base_url=self.base_url,
            on_webhook=sender.schedule,
        )
        limiter, misfortune = Limiter(self._rate_limit, clock), Misfortune(keys, pauser)
        api = Api(engine, state, apps, keys, limiter, misfortune)
        application = routes.build(
            api,
            Waiting(api, engine, state, clock, pauser),
            Gallery(engine, state, apps, self._catalogue_file.parent),
            Control(armory, keys, state),
        )
        gate = Gate(application, limiter=limiter, armory=armory, misfortune=misfortune, state=state, clock=clock)
        return _Parts(gate, state, sender, pauser, keys)


class _Parts:
    """What a running sandbox consists of, as far as starting and stopping it goes."""

    def __init__(self, gate: Gate, state: State, sender: Sender, pauser: Pauser, keys: KeyRing) -> None:
        self.gate = gate
        self.state = state
        self.sender = sender
        self.pauser = pauser
        self.keys = keys


class _Connection(H11Protocol):
    """A connection that lets the application cut it: the transport is in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """uvicorn, telling when it answers."""

    def __init__(self, config: uvicorn.Config, is_ready: threading.Event) -> None:
        super().__init__(config)
        self._is_ready = is_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._is_ready.set()


class _ServerThread(threading.Thread):
    """The thread with the event loop on which requests are served and webhooks sent.

    Off the main thread uvicorn leaves the process's signal handlers alone.
    """

    def __init__(self, parts: _Parts, listener: socket.socket) -> None:
        super().__init__(name="sandbox", daemon=True)
        self.is_ready = threading.Event()
        self._parts = parts
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        config = uvicorn.Config(
            parts.gate,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the rate limit is by the real address
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config, self.is_ready)

    def run(self) -> None:
        """Serve until stopped."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        sending = asyncio.create_task(self._parts.sender.run(self._parts.pauser.stopping, _GRACE))
        await self._server.serve(sockets=[self._listener])
        await sending

    def stop(self) -> None:
        """End waits and streams, give the rest a moment, then cut what is still open."""
        try:
            self._loop.call_soon_threadsafe(self._begin_stop)
        except RuntimeError:
            return  # the loop has ended already
        self.join(1.0)
        if self.is_alive():
            _logger.warning("the sandbox's thread is still busy after a second and is left behind")

    def _begin_stop(self) -> None:
        self._parts.pauser.stopping.set()
        self._server.should_exit = True
        self._loop.call_later(_GRACE, self._cut_all)

    def _cut_all(self) -> None:
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise errors.ConfigurationError(f"{port} is no port; LAMINA_SANDBOX_PORT or --port is from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as problem:
        raise errors.ConfigurationError(
            f"the sandbox cannot listen on port {port} of {host} ({problem.strerror}); "
            "name another port with LAMINA_SANDBOX_PORT or --port"
        ) from problem
    # asyncio does this only for sockets that name their protocol, which those of create_server do not. Without it
    # every answer on a kept connection waits 40 ms for the client to acknowledge its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
