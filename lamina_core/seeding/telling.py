"""What is told of the newest executions: their timelines, Lamina's last report, and the webhooks that brought it."""

import hashlib
import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lamina_core import signing
from lamina_core.domain import TERMINAL, Event, Source, Status, Verdict
from lamina_core.seeding.fates import Fate

_USER = "5f0c6a52-3d0e-4a0c-9a57-6f1b8f0c2d11"
_KEY = "seeded-2026-01"
_REJECTED = 0.02  # of the webhooks that were accepted there is one more that was not
_REASONS = (
    (signing.Reason.NOT_VERIFIED, 401),
    (signing.Reason.STALE_TIMESTAMP, 401),
    (signing.Reason.MISSING_SIGNATURE, 400),
    (signing.Reason.MALFORMED_SIGNATURE, 400),
    (signing.Reason.MALFORMED_TIMESTAMP, 400),
)


def make_report(row: Mapping[str, Any], fate: Fate) -> dict[str, Any]:
    """Return what Lamina said of an execution last."""
    return {
        "executionId": row["execution_id"],
        "workflowId": row["app_id"],
        "status": fate.word,
        "outputs": fate.outputs or [],
        "errorMessage": fate.error if fate.status is Status.FAILED else None,
        "startedAt": _stamp(fate.started_at),
        "completedAt": _stamp(fate.completed_at),
        "createdAt": _stamp(row["created_at"]),
    }


def _stamp(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z") if instant else None


def tell_timeline(row: Mapping[str, Any], fate: Fate) -> list[Event]:
    """Return the lines of an execution's timeline until its end."""
    execution, began = row["id"], row["created_at"]
    source = Source.DELIVERY if row["delivered_at"] is not None else Source.POLL
    told = [Event(began, "started", row["started_by"], {}, execution)]
    if fate.is_unnamed:
        detail = {"from": Status.STARTING, "to": fate.status, "reason": fate.error}
        return [*told, Event(row["updated_at"], "status", Source.START, detail, execution)]
    answered = began + timedelta(milliseconds=180)
    detail = {"from": Status.STARTING, "to": Status.QUEUED, "word": "queued"}
    told.append(Event(answered, "status", Source.START, detail, execution))
    if fate.status is not Status.QUEUED:
        detail = {"from": Status.QUEUED, "to": fate.status, "word": fate.word}
        if fate.status in TERMINAL and fate.completed_at is not None:
            detail["seconds_after_end"] = (row["updated_at"] - fate.completed_at).total_seconds()
        told.append(Event(row["updated_at"], "status", source, detail, execution))
    return told


def make_deliveries(
    rng: random.Random,
    row: Mapping[str, Any],
    report: Mapping[str, Any],
    token: str | None,
    key: signing.SigningKey | None,
) -> list[dict[str, Any]]:
    """Return the webhook that told of an end, and now and then one more that was refused."""
    body = json.dumps({"data": report}, ensure_ascii=False, separators=(",", ":")).encode()
    accepted = _delivery(rng, row, body, token)
    if key is not None:
        headers = accepted["headers"]
        headers[signing.SIGNATURE_HEADER] = key.sign(headers[signing.TIMESTAMP_HEADER], body)
    key_id = key.key_id if key else _KEY
    found = [accepted | {"verdict": Verdict.ACCEPTED, "key_id": key_id, "execution": row["id"]}]
    if rng.random() < _REJECTED:
        reason, answer = rng.choice(_REASONS)
        refused = _delivery(rng, row, body[: rng.randrange(20, len(body))], token)
        found.append(refused | {"verdict": Verdict.REJECTED, "reason": reason, "answered": answer})
    return found


def _delivery(rng: random.Random, row: Mapping[str, Any], body: bytes, token: str | None) -> dict[str, Any]:
    received_at = row["delivered_at"]
    return {
        "received_at": received_at,
        "verdict": "",
        "reason": None,
        "answered": 200,
        "request_id": row["execution_id"],
        "key_id": None,
        "headers": {
            signing.SIGNATURE_HEADER: f"{rng.getrandbits(512):0128x}",
            signing.TIMESTAMP_HEADER: str(int(received_at.timestamp())),
            signing.REQUEST_ID_HEADER: row["execution_id"],
            signing.USER_ID_HEADER: _USER,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "Lamina-Webhook/1.0",
        },
        "body": body,
        "body_size": len(body),
        "content_hash": hashlib.sha256(body).hexdigest(),
        "start_token": token,
        "execution": None,
        "duplicate_of": None,
    }
