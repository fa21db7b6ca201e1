"""Webhooks that operators saved in the debugger, each under a token; functions take the connection first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.store.tables import SavedWebhookTable


@dataclass(frozen=True)
class SavedEntry:
    """What lists show of a saved webhook."""

    id: int
    token: str
    saved_at: datetime
    saved_by: str
    title: str
    note: str


@dataclass(frozen=True)
class Saved:
    """A webhook as it is kept; `keys` is a document of public keys, see `debugger.saving`."""

    token: str
    saved_at: datetime
    saved_by: str
    title: str
    note: str
    signature: str | None
    timestamp: str | None
    request_id: str | None
    user_id: str | None
    headers: Sequence[Sequence[str]]
    body: bytes
    exact: bool
    source: str
    received_at: datetime | None
    keys: Mapping[str, Any]


_ENTRY = [col(getattr(SavedWebhookTable, name)) for name in SavedEntry.__dataclass_fields__]
_SAVED = [col(getattr(SavedWebhookTable, name)) for name in Saved.__dataclass_fields__]


def insert(connection: sa.Connection, saved: Saved) -> int:
    """Keep a webhook and return its row's id."""
    added = sa.insert(SavedWebhookTable).values(**asdict(saved)).returning(col(SavedWebhookTable.id))
    return int(connection.execute(added).scalar_one())


def count(connection: sa.Connection) -> int:
    """Return how many are kept."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(SavedWebhookTable)).scalar_one())


def find(connection: sa.Connection, token: str) -> Saved | None:
    """Return the webhook under a token, None if there is none."""
    row = connection.execute(sa.select(*_SAVED).where(col(SavedWebhookTable.token) == token)).one_or_none()
    return Saved(**row._mapping) if row else None


def find_entry(connection: sa.Connection, token: str) -> SavedEntry | None:
    """Return what lists show of the webhook under a token, None if there is none."""
    row = connection.execute(sa.select(*_ENTRY).where(col(SavedWebhookTable.token) == token)).one_or_none()
    return SavedEntry(**row._mapping) if row else None


def newest(connection: sa.Connection, number: int) -> list[SavedEntry]:
    """Return the last ones, those saved last first."""
    wanted = sa.select(*_ENTRY).order_by(col(SavedWebhookTable.id).desc()).limit(number)
    return [SavedEntry(**row._mapping) for row in connection.execute(wanted)]


def delete(connection: sa.Connection, row_id: int) -> None:
    """Forget a webhook."""
    connection.execute(sa.delete(SavedWebhookTable).where(col(SavedWebhookTable.id) == row_id))
