"""The process of Lamina Desk: Streamlit's screens, our own routes, the poller and, without a key, the sandbox.

`python dashboard.py` is the way to run it (`make run` does); `streamlit run dashboard.py` and
`uvicorn dashboard:app` work too.
"""

import importlib
import logging
import os
import pkgutil
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import PIL.Image
import streamlit as st
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import lamina_core.api
from lamina_core import config, errors, exporting, identity, ingest, logs, runtime
from lamina_core.guard import Guard
from lamina_core.webhooks import receiver
from pages import components

log = logging.getLogger("dashboard")

os.chdir(config.PROJECT)  # where Streamlit looks for its settings, wherever it was launched

# What Streamlit and what it stands on import at their first use.
LATE_MODULES = (
    "pandas",
    "pyarrow.pandas_compat",
    "pyarrow.vendored.version",
    "streamlit.elements.arrow",
    "streamlit.emojis",
    "streamlit.material_icon_names",
)
STOP_LIMIT = 1  # seconds that open streams and slow answers get when the process is asked to stop
SCRIPT = config.PROJECT / "pages" / "router.py"  # not beside a pages/ folder: Streamlit's own discovery stays off


def open_runtime() -> runtime.Runtime:
    """Read the settings, open the store, and make that the runtime of this process."""
    settings = config.from_environment()
    logs.set_up(settings.secrets)
    opened = runtime.build(settings)
    runtime.set_current(opened)
    return opened


def warm_imports() -> None:
    """Import all that pages import, once and here.

    First pages do not wait for it then, and two threads never import one module at the same time: Python 3.11 ends
    that with a KeyError now and then, and the screen shows nothing but a traceback.
    """
    for name in LATE_MODULES:
        importlib.import_module(name)
    PIL.Image.init()  # its formats, which it would import when the first picture is shown
    for package in (components, lamina_core.api):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any]]:  # noqa: ARG001 - Streamlit hands it over
    """Run the parts for as long as the server runs; `serve` has started them, other ways of launching have not."""
    if not runtime.is_current():
        try:
            open_runtime().start()
        except errors.DeskError as error:
            log.critical("Lamina Desk cannot start. %s", error)
            os._exit(1)  # an exception would come out as pages of the server's own traceback
    logs.set_up(runtime.current().settings.secrets)  # again: Streamlit has set up its own meanwhile
    warm_imports()
    runtime.current().warm()
    runtime.settle_memory()
    try:
        yield {}
    finally:
        runtime.current().stop()


async def receive_delivery(request: Request) -> JSONResponse:
    """`POST /webhooks/lamina`."""
    if request.method != "POST":
        return JSONResponse({"error": "Webhooks are sent by POST."}, 405, headers={"Allow": "POST"})
    return await runtime.current().receiver.receive(request)


async def register_executions(request: Request) -> JSONResponse:
    """`POST /api/executions`."""
    if request.method != "POST":
        return JSONResponse({"error": "Executions are registered by POST."}, 405, headers={"Allow": "POST"})
    return await runtime.current().ingest.receive(request)


async def send_export(request: Request) -> Response:
    """`GET /export/<token>`."""
    return await runtime.current().exporting.answer(request)


async def tell_health(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette hands it over
    """`GET /healthz`: the process answers."""
    return JSONResponse({"ok": True})


async def tell_readiness(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette hands it over
    """`GET /readyz`: the database is there and of our version, and somebody polls; else 503 and what is missing."""
    missing = await anyio.to_thread.run_sync(runtime.current().probes.check_ready)
    return JSONResponse({"ok": not missing, "missing": missing}, 503 if missing else 200)


async def tell_metrics(request: Request) -> Response:  # noqa: ARG001 - Starlette hands it over
    """`GET /metrics`: the figures of the System screen for Prometheus."""
    try:
        text = await anyio.to_thread.run_sync(runtime.current().probes.write_metrics)
    except errors.StoreError as error:
        return JSONResponse({"error": str(error)}, 503)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def refuse_path(request: Request) -> JSONResponse:
    """Answer for the machines' paths that do not exist; Streamlit would answer with a page."""
    return JSONResponse({"error": f"There is nothing at {request.url.path}."}, 404)


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

app = st.App(
    SCRIPT,
    lifespan=lifespan,
    middleware=[Middleware(Guard, learn_address=lambda address: runtime.current().learn_address(address))],
    routes=[
        Route(receiver.PATH, receive_delivery, methods=METHODS),
        Route(ingest.PATH, register_executions, methods=METHODS),
        Route(exporting.PATH + "{token:path}", send_export),
        Route("/healthz", tell_health),
        Route("/readyz", tell_readiness),
        Route("/metrics", tell_metrics),
        Route("/operator", identity.set_operator, methods=["POST"]),
        *(Route(path, refuse_path, methods=METHODS) for path in ("/webhooks", "/api")),
        Route("/webhooks/{rest:path}", refuse_path, methods=METHODS),
        Route("/api/{rest:path}", refuse_path, methods=METHODS),
    ],
)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, or raise ConfigurationError that names the setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: asyncio sends small answers without delay only on such a socket.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise errors.ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Another process may use it; "
            "set LAMINA_DESK_PORT to a free port, or LAMINA_DESK_HOST to an address of this machine."
        ) from error
    return listener


def serve() -> None:
    """Bind first, so that a taken port is told before anything starts; then run until a signal."""
    settings = config.from_environment()
    listener = bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    parts = open_runtime()
    local = settings.host if settings.host in config.LOOPBACK_HOSTS else "127.0.0.1"
    parts.learn_address(f"http://{f'[{local}]' if ':' in local else local}:{port}")
    log.info("Lamina Desk (%s) is at http://%s:%s", settings.environment, "localhost" if local == host else host, port)
    parts.start()
    served = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=STOP_LIMIT)
    uvicorn.Server(served).run(sockets=[listener])


if __name__ == "__main__":
    try:
        serve()
    except errors.DeskError as error:
        sys.exit(f"Lamina Desk cannot start. {error}")
    except KeyboardInterrupt:
        sys.exit(130)  # uvicorn has stopped everything and hands Ctrl-C on
