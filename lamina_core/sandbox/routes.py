"""The table of paths, and what is answered where none fits."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lamina_core.sandbox.api import Api, authenticate
from lamina_core.sandbox.control import Control, check_origin
from lamina_core.sandbox.exchange import Exchange, refuse
from lamina_core.sandbox.gallery import Gallery
from lamina_core.sandbox.shapes import NOT_FOUND, Refusal
from lamina_core.sandbox.waiting import Waiting

Handler = Callable[[Request], Awaitable[Response]]


def build(api: Api, waiting: Waiting, gallery: Gallery, control: Control) -> Starlette:
    """Return the application that serves all paths."""
    routes = [
        *_shared_routes("/api", api),
        *_shared_routes("/v1", api),
        *_newest_routes(api, waiting),
        Route("/sandbox/outputs/{execution_id}/{place:int}.{kind}", gallery.get_output, methods=["GET"]),
        Route("/sandbox/samples/{name}.png", gallery.get_sample, methods=["GET"]),
        Route("/sandbox/samples/{name}.webm", gallery.get_clip, methods=["GET"]),
        _local("POST", "/sandbox/faults", control.arm),
        _local("GET", "/sandbox/faults", control.list_armed),
        _local("DELETE", "/sandbox/faults", control.clear),
        _local("GET", "/sandbox/log", control.read_log),
    ]
    application = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refuse,
            HTTPException: _refuse_path,
            ClientDisconnect: _let_go,
            Exception: _fail,
        },
    )
    application.router.redirect_slashes = False
    return application


def _shared_routes(prefix: str, api: Api) -> list[Route]:
    """Return what generations A and B have, under either prefix."""
    return [
        _keyed("GET", f"{prefix}/apps", api.list_apps),
        _keyed("GET", f"{prefix}/apps/{{app_id}}", api.get_app),
        _keyed("GET", f"{prefix}/apps/{{app_id}}/workflow", api.get_workflow),
        _keyed("POST", f"{prefix}/apps/{{app_id}}/executions", api.start),
        _keyed("GET", f"{prefix}/executions/{{execution_id}}", api.get_run),
        _keyed("GET", f"{prefix}/webhooks/signing-key", api.get_signing_key),
    ]


def _newest_routes(api: Api, waiting: Waiting) -> list[Route]:
    """Return what generation C adds."""
    return [
        _keyed("POST", "/v1/apps/{app_id}/runs", api.start),
        _keyed("POST", "/v1/apps/{app_id}/estimate", api.estimate),
        _keyed("GET", "/v1/runs", api.list_runs),
        _keyed("GET", "/v1/runs/{execution_id}", api.get_run),
        _keyed("GET", "/v1/runs/{execution_id}/wait", waiting.wait),
        _keyed("GET", "/v1/runs/{execution_id}/stream", waiting.stream),
        _keyed("POST", "/v1/runs/{execution_id}/cancel", api.cancel),
        _keyed("POST", "/v1/runs/{execution_id}/feedback", api.refine),
        _keyed("GET", "/v1/account", api.get_account),
        _keyed("GET", "/v1/account/usage", api.get_usage),
    ]


def _keyed(method: str, path: str, handler: Handler) -> Route:
    async def check_and_handle(request: Request) -> Response:
        authenticate(request)
        return await handler(request)

    return Route(path, check_and_handle, methods=[method])


def _local(method: str, path: str, handler: Handler) -> Route:
    async def check_and_handle(request: Request) -> Response:
        check_origin(request)
        return await handler(request)

    return Route(path, check_and_handle, methods=[method])


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refusal)  # noqa: S101 - registered for nothing else
    return refuse(Exchange.of(request), problem)


async def _refuse_path(request: Request, problem: Exception) -> Response:
    exchange = Exchange.of(request)
    if isinstance(problem, HTTPException) and problem.status_code == 405:
        answer = refuse(exchange, Refusal(405, "METHOD_NOT_ALLOWED", "Method not allowed"))
        answer.headers.update(problem.headers or {})
        return answer
    return refuse(exchange, Refusal(404, NOT_FOUND, "Not found"))


async def _let_go(request: Request, problem: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    return Response(status_code=400)  # nobody is there to read it


async def _fail(request: Request, problem: Exception) -> Response:  # noqa: ARG001
    return refuse(Exchange.of(request), Refusal(500, "INTERNAL_ERROR", "Internal server error"))
