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

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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
from lamina_core.webhooks.gathering import Gathering
from lamina_core.webhooks.keys import KeyRing

log = logging.getLogger(__name__)

PATH = "/webhooks/lamina"
RETRY_AFTER = 5  # seconds, told with a 503

NO_KEY_SET = "no_key_set"

_KEPT_HEADERS = {
    name: name.lower()
    for name in (
        signing.SIGNATURE_HEADER,
        signing.TIMESTAMP_HEADER,
        signing.REQUEST_ID_HEADER,
        signing.USER_ID_HEADER,
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "User-Agent",
    )
}
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
        self._gathering: Gathering[Arrival, int] = Gathering(lambda arrivals: writer.submit_items(self._take, arrivals))

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one POST; see the module's table."""
        arrival, judgement = await self.judge_request(request)
        try:
            row_id = await self._gathering.hand_in(arrival)
        except errors.StoreError as error:
            log.error("a delivery could not be stored: %s", error)  # noqa: TRY400 - the cause is in the message
            if judgement.verdict is Verdict.ACCEPTED:
                judgement = Judgement(Verdict.UNCHECKED, 503, "not_stored", "It cannot be stored now. Send it again.")
            row_id = None
        return _answer(judgement, row_id)

    def _take(self, connection: sa.Connection, arrivals: Sequence[Arrival]) -> list[int]:
        return intake.take_deliveries(connection, arrivals, self._clock.now())

    async def judge_request(self, request: Request) -> tuple[Arrival, Judgement]:
        """Read a POST and decide what it is worth, without storing it."""
        received_at, headers = self._clock.now(), _kept_headers(request)
        body = b""
        try:
            body = await read_body(request)
        except BodyRefused as refusal:
            judgement = Judgement(Verdict.REJECTED, refusal.status, refusal.reason, str(refusal))
        else:
            judgement = judge(headers, body, received_at, self._keys.keys())
            if judgement.reason in {signing.Reason.NOT_VERIFIED, NO_KEY_SET} and self._keys.may_refresh():
                await anyio.to_thread.run_sync(self._keys.refresh)
                judgement = judge(headers, body, received_at, self._keys.keys())
        return _arrival(request, headers, body, received_at, judgement), judgement

    def settle(self, kept: Kept) -> None:
        """Judge a delivery that came while no key set was to be had, against its time of receipt."""
        judgement = judge(kept.headers, kept.body, kept.received_at, self._keys.keys())
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


def judge(
    headers: Mapping[str, str], body: bytes, received_at: datetime, keys: tuple[signing.PublicKey, ...]
) -> Judgement:
    """Decide what a delivery is worth, from its headers, its bytes and its time of receipt alone."""
    timestamp = headers.get(signing.TIMESTAMP_HEADER)
    try:
        signature, seconds = signing.check_headers(headers.get(signing.SIGNATURE_HEADER), timestamp)
    except errors.SignatureRejected as error:
        return Judgement(Verdict.REJECTED, 400, error.reason, str(error))
    try:
        signing.check_freshness(seconds, received_at.timestamp())
        if not keys:
            return Judgement(Verdict.UNCHECKED, 503, NO_KEY_SET, "Lamina's key set cannot be read. Send it again.")
        key = signing.find_key(keys, signature, timestamp or "", body)
    except errors.SignatureRejected as error:
        return Judgement(Verdict.REJECTED, 401, error.reason, str(error))
    try:
        report = wire.report_from(wire.data_of(wire.parse_json(body)))
    except ValueError:
        return Judgement(Verdict.ACCEPTED, 200, UNREADABLE, key_id=key.key_id)  # verified: stored, and flagged
    if headers.get(signing.REQUEST_ID_HEADER) not in {None, report.execution_id}:
        message = f"The header {signing.REQUEST_ID_HEADER} is not the id in the body."
        return Judgement(Verdict.REJECTED, 401, "request_id_mismatch", message)
    return Judgement(Verdict.ACCEPTED, 200, key_id=key.key_id, report=report)


def _kept_headers(request: Request) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.headers.items():
        given.setdefault(name, value)  # the first of several is the one that counts
    kept = {name: given[lower][:_HEADER_KEPT] for name, lower in _KEPT_HEADERS.items() if lower in given}
    return {name: wire.clean_text(value) for name, value in kept.items()}


def _arrival(
    request: Request, headers: Mapping[str, str], body: bytes, received_at: datetime, judgement: Judgement
) -> Arrival:
    named = judgement.report.execution_id if judgement.report else None
    request_id = headers.get(signing.REQUEST_ID_HEADER, named)
    token = request.query_params.get("start")
    return Arrival(
        received_at=received_at,
        verdict=judgement.verdict,
        reason=judgement.reason,
        answered=judgement.answer,
        request_id=request_id and request_id[:_ID_KEPT],
        key_id=judgement.key_id,
        headers=headers,
        body=body,
        content_hash=hashlib.sha256(body).hexdigest() if body else "",
        start_token=token and wire.clean_text(token[:_ID_KEPT]),
        report=judgement.report,
    )


def _answer(judgement: Judgement, row_id: int | None) -> JSONResponse:
    body: Mapping[str, object] = {"ok": True, "delivery": row_id}
    if judgement.answer != 200:
        body = {"ok": False, "reason": judgement.reason, "error": judgement.message}
    retry = {"Retry-After": str(RETRY_AFTER)} if judgement.answer == 503 else {}
    return JSONResponse(dict(body), judgement.answer, headers=retry)
