"""Every webhook POST that reached us, with its bytes; functions take the connection first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Delivery, Verdict
from lamina_core.store.tables import DeliveryTable

REJECTED_KEPT = 2_000  # rejected deliveries; anybody can send them, so they must not fill the disk
REJECTED_BYTES_KEPT = 50_000_000
_PRUNE_EVERY = 50  # deliveries


@dataclass(frozen=True)
class Arrival:
    """A POST as it is about to be recorded; `content_hash` is SHA-256 of the body in hex."""

    received_at: datetime
    verdict: Verdict
    reason: str | None
    answered: int
    request_id: str | None
    key_id: str | None
    headers: Mapping[str, str]
    body: bytes
    content_hash: str
    start_token: str | None


@dataclass(frozen=True)
class Kept:
    """A stored delivery with what is needed to judge or apply it."""

    id: int
    received_at: datetime
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    start_token: str | None
    content_hash: str


_SHORT = [col(getattr(DeliveryTable, name)) for name in Delivery.__dataclass_fields__]
_KEPT = [col(getattr(DeliveryTable, name)) for name in Kept.__dataclass_fields__]


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(**{**row._mapping, "verdict": Verdict(row.verdict)})


def insert(connection: sa.Connection, arrival: Arrival) -> int:
    """Record a POST and return its row's id; the oldest rejected ones make room for the newest."""
    values = sa.insert(DeliveryTable).values(
        received_at=arrival.received_at,
        verdict=arrival.verdict,
        reason=arrival.reason,
        answered=arrival.answered,
        request_id=arrival.request_id,
        key_id=arrival.key_id,
        headers=dict(arrival.headers),
        body=arrival.body,
        body_size=len(arrival.body),
        content_hash=arrival.content_hash,
        start_token=arrival.start_token,
    )
    row_id = int(connection.execute(values.returning(col(DeliveryTable.id))).scalar_one())
    if row_id % _PRUNE_EVERY == 0:
        _prune(connection, Verdict.REJECTED)
        _prune(connection, Verdict.UNCHECKED)
    return row_id


def _prune(connection: sa.Connection, verdict: Verdict) -> None:
    newest_first = col(DeliveryTable.id).desc()
    ranked = (
        sa.select(
            col(DeliveryTable.id),
            sa.func.row_number().over(order_by=newest_first).label("place"),
            sa.func.sum(col(DeliveryTable.body_size)).over(order_by=newest_first).label("bytes"),
        )
        .where(col(DeliveryTable.verdict) == verdict)
        .subquery()
    )
    surplus = sa.select(ranked.c.id).where((ranked.c.place > REJECTED_KEPT) | (ranked.c.bytes > REJECTED_BYTES_KEPT))
    connection.execute(sa.delete(DeliveryTable).where(col(DeliveryTable.id).in_(surplus)))


def settle(
    connection: sa.Connection,
    row_id: int,
    *,
    verdict: Verdict,
    reason: str | None,
    key_id: str | None,
) -> None:
    """Write the verdict of a delivery that could not be checked when it came."""
    connection.execute(
        sa.update(DeliveryTable)
        .where(col(DeliveryTable.id) == row_id)
        .values(verdict=verdict, reason=reason, key_id=key_id)
    )


def link(
    connection: sa.Connection,
    row_id: int,
    *,
    execution: int | None,
    reason: str | None,
    duplicate_of: int | None = None,
) -> None:
    """Say to which execution an accepted delivery belongs, and what is odd about it."""
    connection.execute(
        sa.update(DeliveryTable)
        .where(col(DeliveryTable.id) == row_id)
        .values(execution=execution, reason=reason, duplicate_of=duplicate_of)
    )


def name_execution(connection: sa.Connection, row_id: int, execution_id: str) -> None:
    """Write down the id that a delivery's body names, where no header did."""
    connection.execute(
        sa.update(DeliveryTable)
        .where(col(DeliveryTable.id) == row_id, col(DeliveryTable.request_id).is_(None))
        .values(request_id=execution_id)
    )


def first_same(connection: sa.Connection, arrival_id: int, request_id: str, content_hash: str) -> int | None:
    """Return the first accepted delivery of the same execution with the same bytes, before this one."""
    wanted = (
        sa.select(col(DeliveryTable.id))
        .where(
            col(DeliveryTable.request_id) == request_id,
            col(DeliveryTable.content_hash) == content_hash,
            col(DeliveryTable.verdict) == Verdict.ACCEPTED,
            col(DeliveryTable.id) < arrival_id,
        )
        .order_by(col(DeliveryTable.id))
        .limit(1)
    )
    return connection.execute(wanted).scalar_one_or_none()


def find_kept(connection: sa.Connection, row_id: int) -> Kept:
    """Return a stored delivery whole."""
    row = connection.execute(sa.select(*_KEPT).where(col(DeliveryTable.id) == row_id)).one()
    return Kept(**row._mapping)


def waiting_for(connection: sa.Connection, execution_id: str) -> list[Kept]:
    """Return the verified deliveries for an id of Lamina's that belonged to no execution of ours yet."""
    wanted = (
        sa.select(*_KEPT)
        .where(
            col(DeliveryTable.request_id) == execution_id,
            col(DeliveryTable.verdict) == Verdict.ACCEPTED,
            col(DeliveryTable.execution).is_(None),
        )
        .order_by(col(DeliveryTable.id))
    )
    return [Kept(**row._mapping) for row in connection.execute(wanted)]


def unchecked(connection: sa.Connection, limit: int) -> list[Kept]:
    """Return deliveries that came while no key set was to be had, oldest first."""
    wanted = (
        sa.select(*_KEPT)
        .where(col(DeliveryTable.verdict) == Verdict.UNCHECKED)
        .order_by(col(DeliveryTable.id))
        .limit(limit)
    )
    return [Kept(**row._mapping) for row in connection.execute(wanted)]


def of_execution(connection: sa.Connection, execution: int, limit: int = 100) -> list[Delivery]:
    """Return an execution's deliveries, newest first."""
    wanted = (
        sa.select(*_SHORT)
        .where(col(DeliveryTable.execution) == execution)
        .order_by(col(DeliveryTable.id).desc())
        .limit(limit)
    )
    return [_delivery(row) for row in connection.execute(wanted)]


def newest(connection: sa.Connection, verdict: Verdict | None = None) -> Delivery | None:
    """Return the last delivery, or the last with a verdict."""
    wanted = sa.select(*_SHORT).order_by(col(DeliveryTable.id).desc()).limit(1)
    if verdict is not None:
        wanted = wanted.where(col(DeliveryTable.verdict) == verdict)
    row = connection.execute(wanted).one_or_none()
    return _delivery(row) if row else None


def count_since(connection: sa.Connection, since: datetime) -> dict[Verdict, int]:
    """Return how many deliveries of each verdict came since an instant."""
    wanted = (
        sa.select(col(DeliveryTable.verdict), sa.func.count())
        .where(col(DeliveryTable.received_at) >= since)
        .group_by(col(DeliveryTable.verdict))
    )
    found = dict(connection.execute(wanted).all())
    return {verdict: found.get(verdict, 0) for verdict in Verdict}
