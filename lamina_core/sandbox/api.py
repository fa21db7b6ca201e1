"""The endpoints of Lamina's API, all generations: apps, starts, reads, cancel, feedback, account, keys."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import Response

from lamina_core.sandbox import faults, plan, shapes
from lamina_core.sandbox.catalogue import App, Catalogue
from lamina_core.sandbox.engine import Engine
from lamina_core.sandbox.exchange import Exchange, answer, api_key
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.limits import Limiter
from lamina_core.sandbox.misfortune import Misfortune
from lamina_core.sandbox.records import Execution, Generation
from lamina_core.sandbox.shapes import NOT_FOUND, VALIDATION_ERROR, Refusal
from lamina_core.sandbox.state import State
from lamina_core.sandbox.validation import INVALID_TYPE, Problem, check_inputs

BODY_LIMIT = 1_000_000  # bytes
_PAGE, _LONGEST_PAGE = 25, 100
_WHOLE = re.compile(r"[0-9]{1,9}")


def authenticate(request: Request) -> None:
    """Raise Refusal unless the request has a good key and, if it names a workspace, the key's own."""
    key = api_key(request.headers)
    if key is None:
        raise Refusal(401, "AUTH_MISSING_KEY", "Missing API key")
    if not key.startswith("lma_") or key == "lma_" or key.startswith("lma_revoked"):
        raise Refusal(401, "AUTH_INVALID_KEY", "Invalid API key")
    workspace = request.headers.get("x-workspace-id")
    if workspace is not None and workspace != shapes.WORKSPACE_ID:
        raise Refusal(403, "FORBIDDEN", "Workspace header does not match API key workspace scope")


def read_whole(
    request: Request, name: str, *, usual: int | None, least: int = 1, most: int = 1_000_000_000
) -> int | None:
    """Return a whole number of the query; larger ones become `most`, smaller ones and other texts are refused."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not _WHOLE.fullmatch(text) or int(text) < least:
        raise invalid(name, f"must be a whole number from {least}")
    return min(int(text), most)


def invalid(field: str, reason: str) -> Refusal:
    """Return the refusal of one field of a query or a body."""
    return Refusal(400, VALIDATION_ERROR, f"{field} {reason}", (Problem(field, "invalid_value", reason),))


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request's body; raises Refusal for anything else, and for too much of it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refusal(413, VALIDATION_ERROR, f"The request body is larger than {BODY_LIMIT} bytes")
    try:
        document = json.loads(bytes(body), parse_constant=_refuse_constant) if body else {}
    except (ValueError, RecursionError):
        raise Refusal(400, VALIDATION_ERROR, "The request body is not valid JSON") from None
    if not isinstance(document, dict):
        raise Refusal(400, VALIDATION_ERROR, "The request body must be a JSON object")
    return document


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


class Api:
    """The handlers; each is called after the key was checked."""

    def __init__(
        self,
        engine: Engine,
        state: State,
        catalogue: Catalogue,
        keys: KeyRing,
        limiter: Limiter,
        misfortune: Misfortune,
    ) -> None:
        self._engine = engine
        self._state = state
        self._catalogue = catalogue
        self._keys = keys
        self._limiter = limiter
        self._misfortune = misfortune

    # Apps

    async def list_apps(self, request: Request) -> Response:
        """Answer the list of apps: `search`, `limit`."""
        limit = read_whole(request, "limit", usual=None, most=_LONGEST_PAGE)
        found = self._catalogue.search(request.query_params.get("search"), limit)
        generation = Exchange.of(request).generation
        return answer({"data": [shapes.app_summary(generation, app) for app in found]})

    async def get_app(self, request: Request) -> Response:
        """Answer one app."""
        return answer({"data": shapes.app_detail(Exchange.of(request).generation, self._app(request))})

    async def get_workflow(self, request: Request) -> Response:
        """Answer an app's nodes and edges."""
        return answer({"data": shapes.workflow(self._app(request))})

    async def estimate(self, request: Request) -> Response:
        """Answer what a run of an app costs."""
        return answer({"data": shapes.estimate(self._app(request), shapes.CREDITS_EARNED - self._spent())})

    # Runs

    async def start(self, request: Request) -> Response:
        """Start a run and answer 202."""
        exchange, app = Exchange.of(request), self._app(request)
        webhook_url = _webhook_url(request)
        body = await read_object(request)
        inputs = body.get("inputs")
        if not isinstance(inputs, dict):
            raise Refusal(
                400,
                VALIDATION_ERROR,
                "inputs is required and must be an object",
                (Problem("inputs", INVALID_TYPE, "must be an object keyed by parameter name"),),
            )
        chosen = _choose_outputs(app, body.get("outputs"))
        checked = check_inputs(app, inputs)
        if checked.problems:
            raise Refusal(400, VALIDATION_ERROR, "Invalid inputs", checked.problems)
        marked = _find_markers(app, checked.values)
        for fault in marked:
            if fault.name is faults.Name.UNKNOWN_STATUS:
                continue  # stays with the execution instead, and shows while it runs
            if (early := await self._misfortune.strike(exchange, fault)) is not None:
                return early
        execution = self._engine.start(
            app,
            generation=exchange.generation,
            inputs=inputs,
            values=checked.values,
            chosen=chosen,
            webhook_url=webhook_url,
            wanted_faults=_lasting_faults(exchange, marked),
        )
        exchange.execution_id = execution.execution_id
        seen = self._engine.look(execution)
        document = shapes.started(exchange.generation, execution, seen, odd=exchange.has(faults.Name.UNKNOWN_STATUS))
        return answer({"data": document}, 202)

    async def get_run(self, request: Request) -> Response:
        """Answer a run as it stands."""
        return answer({"data": self.show(request, self.find_run(request))})

    async def list_runs(self, request: Request) -> Response:
        """Answer a page of runs, newest first: `status`, `appId`, `since`, `limit`, `offset`."""
        status = request.query_params.get("status")
        if status is not None and status not in plan.STATUSES:
            raise invalid("status", f"must be one of: {', '.join(plan.STATUSES)}")
        limit = read_whole(request, "limit", usual=_PAGE, most=_LONGEST_PAGE) or _PAGE
        offset = read_whole(request, "offset", usual=0, least=0) or 0
        now = self._engine.now()
        page, total = self._state.listed(
            now,
            status=status,
            app_id=request.query_params.get("appId"),
            since=_since(request.query_params),
            limit=limit,
            offset=offset,
        )
        odd = Exchange.of(request).has(faults.Name.UNKNOWN_STATUS)
        rows = [shapes.list_row(execution, plan.view(execution.plan, now), odd=odd) for execution in page]
        return answer({"data": rows, "pagination": {"total": total, "limit": limit, "offset": offset}})

    async def cancel(self, request: Request) -> Response:
        """Cancel a run; one that has ended is left as it is, and its status answered."""
        execution = self._engine.cancel(self.find_run(request))
        shown = self.show(request, execution)
        return answer({"data": {"runId": execution.execution_id, "status": shown["status"]}})

    async def refine(self, request: Request) -> Response:
        """Have a completed run done again in place, with feedback."""
        execution = self.find_run(request)
        feedback = (await read_object(request)).get("feedback")
        if not isinstance(feedback, str) or not feedback.strip():
            raise invalid("feedback", "must be a text that is not empty")
        status = self._engine.look(execution).status
        if status != plan.COMPLETED:
            # No source says which error this is; 400 is what the other endpoints use for a bad request.
            raise Refusal(400, VALIDATION_ERROR, f"Feedback needs a completed run; this one is {status}")
        app = self._catalogue.find(execution.app_id)
        if app is None:
            raise Refusal(404, NOT_FOUND, "App not found")
        refined = self._engine.refine(execution, app)
        odd = Exchange.of(request).has(faults.Name.UNKNOWN_STATUS)
        return answer({"data": shapes.refined(refined, self._engine.look(refined), feedback, odd=odd)})

    # Account and keys

    async def get_account(self, request: Request) -> Response:  # noqa: ARG002 - handlers share one signature
        """Answer user and workspace."""
        return answer({"data": shapes.account()})

    async def get_usage(self, request: Request) -> Response:  # noqa: ARG002 - handlers share one signature
        """Answer credits and the rate limit."""
        return answer({"data": shapes.usage(self._spent(), self._limiter.limit)})

    async def get_signing_key(self, request: Request) -> Response:  # noqa: ARG002 - handlers share one signature
        """Answer the key set."""
        return answer(shapes.key_set(self._keys.jwks()))

    # Shared with the waiting endpoints

    def find_run(self, request: Request) -> Execution:
        """Return the run that the path names, or raise Refusal."""
        exchange = Exchange.of(request)
        execution = self._state.find(request.path_params["execution_id"])
        if execution is None:
            noun = "Run" if exchange.generation is Generation.C else "Execution"
            raise Refusal(404, NOT_FOUND, f"{noun} not found")
        exchange.execution_id = execution.execution_id
        return execution

    def show(self, request: Request, execution: Execution) -> dict[str, Any]:
        """Return the run's document in the generation of the path."""
        exchange = Exchange.of(request)
        odd = exchange.has(faults.Name.UNKNOWN_STATUS)
        return shapes.run(exchange.generation, execution, self._engine.look(execution), odd=odd)

    def _app(self, request: Request) -> App:
        app = self._catalogue.find(request.path_params["app_id"])
        if app is None:
            raise Refusal(404, NOT_FOUND, "App not found")
        return app

    def _spent(self) -> float:
        return self._state.credits_spent(self._engine.now())


def _webhook_url(request: Request) -> str | None:
    url = request.query_params.get("webhook")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or re.search(r"\s", url):
        reason = "must be an http or https URL"
        raise Refusal(400, "WEBHOOK_INVALID_URL", f"Invalid webhook URL: it {reason}")
    return url


def _choose_outputs(app: App, labels: Any) -> tuple[int, ...]:
    if labels is None:
        labels = []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise invalid("outputs", "must be a list of output labels")
    chosen = plan.choose_outputs(app, labels)
    if chosen is None:
        available = ", ".join(dict.fromkeys(output.label for output in app.outputs))
        raise invalid("outputs", f"names an unknown output. Available: {available}")
    return chosen


def _find_markers(app: App, values: Mapping[str, Any]) -> tuple[faults.Fault, ...]:
    texts = [values[parameter.name] for parameter in app.parameters if parameter.type == "text"]
    try:
        return faults.find_markers(texts)
    except ValueError as problem:
        raise Refusal(400, VALIDATION_ERROR, f"Invalid inputs: {problem}") from None


def _lasting_faults(exchange: Exchange, marked: tuple[faults.Fault, ...]) -> tuple[faults.Fault, ...]:
    """Return the faults that stay with the execution: those of its webhooks, and a marked unknown status."""
    lasting = [fault for fault in exchange.faults if fault.name in faults.DELIVERY_FAULTS]
    return (*lasting, *(fault for fault in marked if fault.name is faults.Name.UNKNOWN_STATUS))


def _since(query: Mapping[str, str]) -> int | None:
    text = query.get("since")
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return plan.milliseconds(instant.replace(tzinfo=instant.tzinfo or UTC))
    except (ValueError, OverflowError):
        raise invalid("since", "must be an ISO 8601 timestamp") from None
