"""Closing failures: by a replay that succeeded, or a whole group at once, and opening that again.

Functions take the connection first and never commit.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Event
from lamina_core.store import events, failures
from lamina_core.store.columns import UtcDateTime
from lamina_core.store.tables import EventTable, ExecutionTable, FailureGroupTable, FailureTable
from lamina_core.triage.records import Triage

_CHAIN = 100  # replays of replays that one success closes


def close_originals(connection: sa.Connection, replay: int, original: int, now: datetime) -> None:
    """Resolve the failures that a successful replay has mended: its original's, and what that one was a replay of."""
    chain = [original]
    while len(chain) < _CHAIN:
        wanted = sa.select(col(ExecutionTable.replay_of)).where(col(ExecutionTable.id) == chain[-1])
        parent = connection.execute(wanted).scalar_one_or_none()
        if parent is None:
            break
        chain.append(parent)
    open_still = [each for each in failures.lock(connection, chain).values() if each.triage is not Triage.RESOLVED]
    closed = [
        replace(each, triage=Triage.RESOLVED, triage_by=None, triage_at=now, resolved_by=replay) for each in open_still
    ]
    failures.write(connection, open_still, closed, now)
    told = [Event(now, "resolved", "replay", {"replay": replay}, each.execution) for each in closed]
    events.append_all(connection, told)


def resolve_all(connection: sa.Connection, fingerprint: str, by: str, now: datetime) -> int:
    """Resolve every open failure of a group, each with a line in its timeline, and return how many they were."""
    open_still = col(FailureTable.triage) != Triage.RESOLVED
    closed = {"triage": Triage.RESOLVED, "triage_by": by, "triage_at": now}
    return -_change_all(connection, fingerprint, open_still, closed, Event(now, "resolved", by))


def reopen_all(connection: sa.Connection, fingerprint: str, resolved_at: datetime, by: str, now: datetime) -> int:
    """Open again what `resolve_all` closed at this instant, and return how many they were."""
    closed_then = (col(FailureTable.triage) == Triage.RESOLVED) & (col(FailureTable.triage_at) == resolved_at)
    opened = {"triage": Triage.OPEN, "triage_by": None, "triage_at": now}
    return _change_all(connection, fingerprint, closed_then, opened, Event(now, "reopened", by))


def _change_all(
    connection: sa.Connection,
    fingerprint: str,
    which: sa.ColumnElement[bool],
    columns: Mapping[str, Any],
    event: Event,
) -> int:
    """Change failures of a group without reading them, and return by how many its open ones have grown."""
    those = (col(FailureTable.fingerprint) == fingerprint) & which
    told = sa.select(
        col(FailureTable.execution),
        sa.literal(event.at, UtcDateTime()),
        sa.literal(event.kind),
        sa.literal(event.actor),
        sa.literal({"fingerprint": fingerprint}, sa.JSON()),
    ).where(those)
    connection.execute(sa.insert(EventTable).from_select(["execution", "at", "kind", "actor", "detail"], told))
    number = connection.execute(sa.update(FailureTable).where(those).values(**columns)).rowcount
    grown = -number if columns["triage"] is Triage.RESOLVED else number
    here = col(FailureGroupTable.fingerprint) == fingerprint
    opened = col(FailureGroupTable.open_number) + grown
    connection.execute(sa.update(FailureGroupTable).where(here).values(open_number=opened))
    return grown
