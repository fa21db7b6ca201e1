"""Webhooks signed well or wrongly, and sent to a receiver under test.

The key is the sandbox's where we run one, so that our own receiver accepts what it signs; else one that is made when
the process begins and lies in its memory alone, which no receiver trusts that was not given its public half.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lamina_core import errors, signing
from lamina_core.addresses import Address, read_address
from lamina_core.api import sending
from lamina_core.bodies import BODY_LIMIT
from lamina_core.clock import Clock
from lamina_core.domain import Event, Generation, Operator, Role
from lamina_core.signing import SigningKey
from lamina_core.starts import require
from lamina_core.store import events
from lamina_core.store.writer import Writer

SentAnswer = sending.SentAnswer

KEY_ID = "lamina-desk-workbench"

_AWAY = 2 * signing.TOLERANCE  # seconds by which a stale timestamp lies behind, and a future one ahead
_LASTS = timedelta(seconds=signing.TOLERANCE - 60)  # after which a case is no longer what it says
_ID = re.compile(r"[ -~]{0,200}")
_STRING_VALUE = re.compile(rb':\s*"(?=[0-9A-Za-z])')


class Case(StrEnum):
    """What is right or wrong about a webhook that the workbench signs."""

    VALID = "valid"
    STALE = "stale"
    FUTURE = "future"
    TAMPERED = "tampered"
    WRONG_KEY = "wrong_key"
    MISSING_SIGNATURE = "missing_signature"


_REFUSAL = "refuses it, as with 401, and changes nothing"
_EXPECTED = {
    Case.VALID: "A right receiver answers 2xx within 15 s.",
    Case.STALE: f"The signature is right, but {_AWAY} s old: a right receiver {_REFUSAL}.",
    Case.FUTURE: f"The signature is right, but of a time {_AWAY} s ahead: a right receiver {_REFUSAL}.",
    Case.TAMPERED: f"The body was changed after it was signed: a right receiver {_REFUSAL}.",
    Case.WRONG_KEY: f"A key that nobody knows has signed: a right receiver {_REFUSAL}.",
    Case.MISSING_SIGNATURE: "There is no signature: a right receiver refuses it, as with 400 or 401.",
}


@dataclass(frozen=True)
class SignedWebhook:
    """A webhook ready to be sent; `expected` says what a right receiver answers."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    case: Case
    expected: str
    signed_at: datetime


class Workbench:
    """Signs webhooks, and sends them where the settings allow it.

    `own_receiver` gives our own receiver's address where it may be sent to. `sandbox_key` gives the sandbox's key,
    None while that does not run; without a sandbox it is left out.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        clock: Clock,
        rng: random.Random,
        send_to: Sequence[Address],
        own_receiver: Callable[[], str | None],
        sandbox_key: Callable[[], SigningKey | None] | None,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._rng = rng
        self._send_to = tuple(send_to)
        self._own_receiver = own_receiver
        self._sandbox_key = sandbox_key
        self._throw_away = self._make_key()

    @property
    def signer(self) -> str:
        """Return in words whose key signs."""
        return "a throw-away key of this process" if self._sandbox_key is None else "the sandbox's key"

    def jwks(self) -> dict[str, Any]:
        """Return the public key set to give to the receiver under test."""
        return {"keys": [signing.to_jwk(self._key().public())]}

    def targets(self) -> tuple[str, ...]:
        """Return the addresses that may be sent to; those below them may be too."""
        return tuple(address.url for address in self._allowed())

    def compose(self, case: Case, body: bytes, request_id: str, user_id: str) -> SignedWebhook:
        """Sign a body now, right or wrong as the case has it; an empty id leaves its header out.

        OperationRefused where an id cannot stand in a header, or the body is larger than a webhook may be.
        """
        if not (_ID.fullmatch(request_id) and _ID.fullmatch(user_id)):
            raise errors.OperationRefused("Ids are at most 200 printable ASCII characters.")
        if len(body) > BODY_LIMIT:
            raise errors.OperationRefused(f"The body is larger than {BODY_LIMIT:,} bytes.")
        now = self._clock.now()
        timestamp = str(int(now.timestamp()) + {Case.STALE: -_AWAY, Case.FUTURE: _AWAY}.get(case, 0))
        key = self._make_key() if case is Case.WRONG_KEY else self._key()
        headers = [("Content-Type", "application/json"), ("User-Agent", "Lamina-Desk-Workbench")]
        if case is not Case.MISSING_SIGNATURE:
            headers.append((signing.SIGNATURE_HEADER, key.sign(timestamp, body)))
        headers.append((signing.TIMESTAMP_HEADER, timestamp))
        ids = ((signing.REQUEST_ID_HEADER, request_id), (signing.USER_ID_HEADER, user_id))
        headers += [(name, value.strip()) for name, value in ids if value.strip()]
        sent = _tamper(body, request_id) if case is Case.TAMPERED else body
        return SignedWebhook(tuple(headers), sent, case, _EXPECTED[case], now)

    def send(self, acting: Operator, signed: SignedWebhook, url: str) -> SentAnswer:
        """POST it once and return what came back; who sent what where is noted, never the body or a query.

        OperationRefused for viewers, for an address that the settings do not allow, and for what was signed too long
        ago to still be what its case says.
        """
        require(acting, Role.OPERATOR)
        address = self._find_allowed(url)
        if self._clock.now() - signed.signed_at > _LASTS:
            raise errors.OperationRefused(
                f"This was signed more than {_LASTS.seconds // 60} minutes ago. Sign it anew."
            )
        answer = sending.post(address, signed.headers, signed.body, self._clock)
        detail = {"case": signed.case, "to": address.place, "answer": answer.status, "problem": answer.problem}
        event = Event(self._clock.now(), "webhook_sent", acting.name, detail)
        self._writer.run(lambda connection: events.append(connection, event))
        return answer

    def _find_allowed(self, url: str) -> Address:
        try:
            address = read_address(url.strip())
        except ValueError as error:
            raise errors.OperationRefused(f"Nothing can be sent to this address: {error}.") from None
        if not any(each.covers(address) for each in self._allowed()):
            raise errors.OperationRefused(
                f"{address.place} is not among the addresses that may be sent to. LAMINA_DESK_SEND_TO lists them."
            )
        return address

    def _allowed(self) -> list[Address]:
        own = self._own_receiver()
        try:
            return [*([read_address(own)] if own else []), *self._send_to]
        except ValueError:  # a public address of an unusual spelling
            return list(self._send_to)

    def _key(self) -> SigningKey:
        if self._sandbox_key is None:
            return self._throw_away
        key = self._sandbox_key()
        if key is None:
            raise errors.OperationRefused("The sandbox does not run, so its key cannot sign.")
        return key

    def _make_key(self) -> SigningKey:
        return SigningKey.from_seed(KEY_ID, self._rng.randbytes(32))


def example_body(generation: Generation, execution_id: str) -> str:
    """Return the body of a completed execution as Lamina writes it."""
    execution = {
        "runId" if generation is Generation.RUNS else "executionId": execution_id,
        "workflowId": "10000000-0000-4000-8000-000000000001",
        "status": "completed",
        "outputs": [
            {
                "id": "aiDesignerNode-1774429200000-a1b2c3d4e",
                "label": "Picture",
                "type": "image",
                "value": "https://media.example.com/picture.png",
                "status": "completed",
                "error": None,
            }
        ],
        "errorMessage": None,
        "startedAt": "2026-03-25T09:00:02.000Z",
        "completedAt": "2026-03-25T09:00:31.000Z",
        "createdAt": "2026-03-25T09:00:00.000Z",
    }
    return json.dumps({"data": execution}, ensure_ascii=False, separators=(",", ":"))


def _tamper(body: bytes, request_id: str) -> bytes:
    """Change the last text of a JSON document in its first character, else add a blank.

    It stays as valid as it was, and the id in it stays, so that the signature is the only ground to refuse it.
    """
    the_id = request_id.strip().encode() + b'"'
    starts = [found.end() for found in _STRING_VALUE.finditer(body) if not body.startswith(the_id, found.end())]
    if not starts:
        return body + b" "
    place = starts[-1]
    old = body[place : place + 1]
    new = old.swapcase() if old.isalpha() else b"%d" % ((int(old) + 1) % 10)
    return body[:place] + new + body[place + 1 :]
