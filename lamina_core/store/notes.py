"""Small facts that outlive a process: to which Lamina the store belongs, its key set, the poller's state."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core import errors
from lamina_core.store.tables import NoteTable

LAMINA = "lamina"  # {"name"}: its base URL, or "the sandbox"
FINGERPRINTS = "fingerprints"  # {"version", "until"}: up to which execution they were made; null: all
KEY_SET = "key_set"  # Lamina's answer: {"keys": [...]}
RETIRED_KEYS = "retired_keys"  # {"keys": [JWK and "lastSeen", ...]}: those that left Lamina's key set
API_HEALTH = "api_health"  # see polling.health
IMPORTED = "imported"  # {"until", "offset", "began"}: how far Lamina's list was taken in
POLLING = "polling"  # {"paused_by"}: null while polling


@dataclass(frozen=True)
class Note:
    """One fact and when it was written."""

    document: Mapping[str, Any]
    updated_at: datetime


def read(connection: sa.Connection, name: str) -> Note | None:
    """Return a note, None if it was never written."""
    wanted = sa.select(col(NoteTable.document), col(NoteTable.updated_at)).where(col(NoteTable.name) == name)
    row = connection.execute(wanted).one_or_none()
    return Note(row.document, row.updated_at) if row else None


def write(connection: sa.Connection, name: str, document: Mapping[str, Any], now: datetime) -> None:
    """Write a note over the one before."""
    connection.execute(sa.delete(NoteTable).where(col(NoteTable.name) == name))
    connection.execute(sa.insert(NoteTable).values(name=name, document=dict(document), updated_at=now))


def claim_store(connection: sa.Connection, lamina: str, now: datetime) -> None:
    """Record to which Lamina this store belongs; StoreForeign if it belongs to another."""
    owner = read(connection, LAMINA)
    if owner is None:
        write(connection, LAMINA, {"name": lamina}, now)
    elif owner.document["name"] != lamina:
        raise errors.StoreForeign(
            f"This database holds executions of {owner.document['name']}, not of {lamina}. "
            "Set LAMINA_DATABASE_URL to another database, or LAMINA_BASE_URL back."
        )
