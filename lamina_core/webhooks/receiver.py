"""`POST /webhooks/lamina`: a 2xx means verified and durable; whatever is not verified changes nothing.

| answer | meaning |
| --- | --- |
| 200 | verified and stored, unreadable bodies and unknown executions included |
| 400 | signature or timestamp header missing or malformed |
| 401 | not signed by a key of Lamina's set, older or newer than 300 s, or its request id is not the body's id |
| 408, 413 | the body did not arrive within 10 s, or is larger than 1 MB |
| 503 | no key set was to be had (kept, verified later), or the store takes nothing now: Lamina retries |

Source for headers, message and retries: Lamina's page "get webhook signing key".
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import anyio.to_thread
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse

from lamina_core import errors, intake, signing
from lamina_core.api import wire
from lamina_core.bodies import BodyRefused, read_body
from lamina_core.clock import Clock
from lamina_core.domain import Report, Verdict
from lamina_core.store.deliveries import UNREADABLE, Arrival, Kept
from lamina_core.store.writer import Writer
from lamina_core.webhooks.keys import KeyRing

log = logging.getLogger(__name__)

PATH = "/webhooks/lamina"
RETRY_AFTER = 5  # seconds, told with a 503

_KEPT_HEADERS = (
    signing.SIGNATURE_HEADER,
    signing.TIMESTAMP_HEADER,
    signing.REQUEST_ID_HEADER,
    signing.USER_ID_HEADER,
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "User-Agent",
)
_HEADER_KEPT = 1_000  # characters
_ID_KEPT = 200  # characters


@dataclass(frozen=True)
class Judgement:
    """What is made of a POST before it is stored."""

    verdict: Verdict
    answer: int
    reason: str | None = None
    message: str | None = None
    key_id: str | None = None
    report: Report | None = None


class Receiver:
    """Takes Lamina's webhooks."""

    def __init__(self, writer: Writer, keys: KeyRing, clock: Clock) -> None:
        self._writer = writer
        self._keys = keys
        self._clock = clock

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one POST; see the module's table."""
        arrival, judgement = await self._judge_body(request)
        arrival = replace(
            arrival,
            verdict=judgement.verdict,
            answered=judgement.answer,
            reason=judgement.reason,
            key_id=judgement.key_id,
            report=judgement.report,
            request_id=arrival.request_id or (judgement.report.execution_id if judgement.report else None),
        )
        try:
            row_id = await asyncio.wrap_future(self._writer.submit_item(self._take, arrival))
        except errors.StoreError as error:
            log.error("a delivery could not be stored: %s", error)  # noqa: TRY400 - the cause is in the message
            if judgement.verdict is Verdict.ACCEPTED:
                judgement = Judgement(Verdict.UNCHECKED, 503, "not_stored", "It cannot be stored now. Send it again.")
            row_id = None
        return _answer(judgement, row_id)

    def _take(self, connection: sa.Connection, arrivals: Sequence[Arrival]) -> list[int]:
        return intake.take_deliveries(connection, arrivals, self._clock.now())

    async def _judge_body(self, request: Request) -> tuple[Arrival, Judgement]:
        arrival = _arrival(request, self._clock)
        try:
            body = await read_body(request)
        except BodyRefused as refusal:
            return arrival, Judgement(Verdict.REJECTED, refusal.status, refusal.reason, str(refusal))
        arrival = replace(arrival, body=body, content_hash=hashlib.sha256(body).hexdigest())
        judgement = judge(arrival, self._keys.keys())
        if judgement.reason in {signing.Reason.NOT_VERIFIED, "no_key_set"} and self._keys.may_refresh():
            await anyio.to_thread.run_sync(self._keys.refresh)
            judgement = judge(arrival, self._keys.keys())
        return arrival, judgement

    def settle(self, kept: Kept) -> None:
        """Judge a delivery that came while no key set was to be had, against its time of receipt."""
        judgement = judge(kept, self._keys.keys())
        if judgement.verdict is Verdict.UNCHECKED:
            return
        now = self._clock.now()
        self._writer.run(
            lambda connection: intake.settle_delivery(
                connection,
                kept.id,
                verdict=judgement.verdict,
                reason=judgement.reason,
                key_id=judgement.key_id,
                now=now,
            )
        )


def judge(arrival: Arrival | Kept, keys: tuple[signing.PublicKey, ...]) -> Judgement:
    """Decide what a delivery is worth, from its bytes, its headers and its time of receipt alone."""
    headers = arrival.headers
    timestamp = headers.get(signing.TIMESTAMP_HEADER)
    try:
        signature, seconds = signing.check_headers(headers.get(signing.SIGNATURE_HEADER), timestamp)
    except errors.SignatureRejected as error:
        return Judgement(Verdict.REJECTED, 400, error.reason, str(error))
    try:
        signing.check_freshness(seconds, arrival.received_at.timestamp())
        if not keys:
            return Judgement(Verdict.UNCHECKED, 503, "no_key_set", "Lamina's key set cannot be read. Send it again.")
        key = signing.find_key(keys, signature, timestamp or "", arrival.body)
    except errors.SignatureRejected as error:
        return Judgement(Verdict.REJECTED, 401, error.reason, str(error))
    try:
        report = wire.report_from(wire.data_of(wire.parse_json(arrival.body)))
    except ValueError:
        return Judgement(Verdict.ACCEPTED, 200, UNREADABLE, key_id=key.key_id)  # verified: stored, and flagged
    if headers.get(signing.REQUEST_ID_HEADER) not in {None, report.execution_id}:
        message = f"The header {signing.REQUEST_ID_HEADER} is not the id in the body."
        return Judgement(Verdict.REJECTED, 401, "request_id_mismatch", message)
    return Judgement(Verdict.ACCEPTED, 200, key_id=key.key_id, report=report)


def _arrival(request: Request, clock: Clock) -> Arrival:
    headers = {name: request.headers[name][:_HEADER_KEPT] for name in _KEPT_HEADERS if name in request.headers}
    request_id = headers.get(signing.REQUEST_ID_HEADER)
    token = request.query_params.get("start")
    return Arrival(
        received_at=clock.now(),
        verdict=Verdict.REJECTED,
        reason=None,
        answered=0,
        request_id=request_id and wire.clean_text(request_id[:_ID_KEPT]),
        key_id=None,
        headers={name: wire.clean_text(value) for name, value in headers.items()},
        body=b"",
        content_hash="",
        start_token=token and wire.clean_text(token[:_ID_KEPT]),
    )


def _answer(judgement: Judgement, row_id: int | None) -> JSONResponse:
    body: Mapping[str, object] = {"ok": True, "delivery": row_id}
    if judgement.answer != 200:
        body = {"ok": False, "reason": judgement.reason, "error": judgement.message}
    retry = {"Retry-After": str(RETRY_AFTER)} if judgement.answer == 503 else {}
    return JSONResponse(dict(body), judgement.answer, headers=retry)
