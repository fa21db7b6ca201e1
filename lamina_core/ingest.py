"""`POST /api/executions`: a customer's backend registers the executions that it started.

| answer | meaning |
| --- | --- |
| 200 | stored; a list gets an answer for each of its items, refused ones included |
| 400 | not JSON, not an execution, or a list of more than 1,000 |
| 401, 403 | the bearer token is missing or wrong; registering is off, for LAMINA_DESK_INGEST_TOKEN is not set |
| 408, 413 | the body did not arrive within 10 s, or is larger than 1 MB |
| 409 | the execution is known here as one of another app |
| 503 | the store takes nothing now: send it again |
"""

import asyncio
import hmac
import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse

from lamina_core import errors, registration
from lamina_core.api import wire
from lamina_core.bodies import BodyRefused, read_body
from lamina_core.clock import Clock
from lamina_core.config import Secret
from lamina_core.domain import Generation, Origin, Registration
from lamina_core.registration import MOST_AT_ONCE, Answer, Result
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

PATH = "/api/executions"
RETRY_AFTER = 5  # seconds, told with a 503

_ACTOR = "a backend"


class Ingest:
    """Takes registrations from backends that know the token; idempotent by Lamina's id."""

    def __init__(self, writer: Writer, token: Secret | None, generation: Generation, clock: Clock) -> None:
        self._writer = writer
        self._token = token
        self._generation = generation
        self._clock = clock

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one POST; see the module's table."""
        refused = self._check_token(request.headers.get("authorization", ""))
        if refused is not None:
            return refused
        try:
            document = wire.parse_json(await read_body(request))
        except BodyRefused as refusal:
            return _refuse(refusal.status, str(refusal))
        except ValueError as error:
            return _refuse(400, f"This is not JSON: {error}.")
        items = document if isinstance(document, list) else [document]
        if not items or len(items) > MOST_AT_ONCE:
            return _refuse(400, f"A list holds 1 to {MOST_AT_ONCE} executions, not {len(items)}.")
        try:
            answers = await self._register(items)
        except errors.StoreError as error:
            log.error("registrations could not be stored: %s", error)  # noqa: TRY400 - the cause is in the message
            return JSONResponse(
                {"error": "They cannot be stored now. Send them again."}, 503, headers={"Retry-After": str(RETRY_AFTER)}
            )
        if isinstance(document, list):
            return JSONResponse({"executions": [_show(answer) for answer in answers]})
        return _answer_one(answers[0])

    def _check_token(self, header: str) -> JSONResponse | None:
        if self._token is None:
            return _refuse(403, "Registering executions is off: LAMINA_DESK_INGEST_TOKEN is not set.")
        scheme, _, given = header.partition(" ")
        expected = self._token.reveal().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected):
            refused = _refuse(401, "The bearer token is missing or wrong.")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        return None

    async def _register(self, items: Sequence[Any]) -> list[Answer]:
        now = self._clock.now()
        answers: list[Answer | None] = []
        good: list[Registration] = []
        for item in items:
            try:
                good.append(registration.parse(item, Origin.REGISTERED, now))
                answers.append(None)
            except ValueError as error:
                answers.append(Answer(_name_of(item), Result.REFUSED, error=f"{error}."))

        def work(connection: sa.Connection) -> list[Answer]:
            return registration.register(connection, good, _ACTOR, self._generation, now)

        taken = iter(await asyncio.wrap_future(self._writer.submit(work)) if good else [])
        return [answer or next(taken) for answer in answers]


def _name_of(item: Any) -> str | None:
    """Return by which id a refused item calls itself, if it is text at all."""
    names = [item.get(field) for field in ("executionId", "runId")] if isinstance(item, dict) else []
    return next((wire.clean_text(name) for name in names if isinstance(name, str)), None)


def _show(answer: Answer) -> dict[str, Any]:
    shown = {"executionId": answer.execution_id, "result": answer.result, "id": answer.execution, "error": answer.error}
    return {name: value for name, value in shown.items() if value is not None or name == "executionId"}


def _answer_one(answer: Answer) -> JSONResponse:
    if answer.result is not Result.REFUSED:
        return JSONResponse(_show(answer))
    return JSONResponse(_show(answer), 400 if answer.execution is None else 409)


def _refuse(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
