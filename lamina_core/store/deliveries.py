"""Every webhook POST that reached us, with its bytes; functions take the connection first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Delivery, Report, Verdict
from lamina_core.store.hints import Aside
from lamina_core.store.tables import DeliveryTable

# What can be odd about an accepted delivery, besides what intake finds.
DUPLICATE = "duplicate"
UNREADABLE = "unreadable_body"
UNKNOWN_EXECUTION = "unknown_execution"
NOT_OF_THIS_WORKSPACE = "not_of_this_workspace"

REJECTED_KEPT = 2_000  # rejected deliveries; anybody can send them, so they must not fill the disk
REJECTED_BYTES_KEPT = 50_000_000
_PRUNE_EVERY = 50  # deliveries


@dataclass(frozen=True)
class Arrival:
    """A POST as it is about to be recorded; `content_hash` is SHA-256 of the body in hex.

    `report` is what a verified body says, None where it cannot be read.
    """

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
    report: Report | None = None


@dataclass(frozen=True)
class Finding:
    """What a delivery turned out to be: of which execution of ours, what is odd about it, and a copy of which."""

    execution: int | None
    reason: str | None
    duplicate_of: int | None = None


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


# Spelt out, for a database chooses a partial index only where it sees the value.
_IS_UNCLAIMED = col(DeliveryTable.reason) == sa.literal_column(f"'{UNKNOWN_EXECUTION}'")
_SHORT = [col(getattr(DeliveryTable, name)) for name in Delivery.__dataclass_fields__]
_KEPT = [col(getattr(DeliveryTable, name)) for name in Kept.__dataclass_fields__]
_INSERT = sa.insert(DeliveryTable).returning(col(DeliveryTable.id), sort_by_parameter_order=True)


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(**{**row._mapping, "verdict": Verdict(row.verdict)})


def insert(connection: sa.Connection, arrival: Arrival) -> int:
    """Record a POST and return its row's id; see `insert_all`."""
    return insert_all(connection, [(arrival, Finding(None, arrival.reason))])[0]


def insert_all(connection: sa.Connection, found: Sequence[tuple[Arrival, Finding]]) -> list[int]:
    """Record POSTs and what was found of each, and return their rows' ids in order.

    The oldest rejected ones make room for the newest.
    """
    rows = [
        {
            "received_at": arrival.received_at,
            "verdict": arrival.verdict,
            "reason": finding.reason,
            "answered": arrival.answered,
            "request_id": arrival.request_id,
            "key_id": arrival.key_id,
            "headers": arrival.headers,
            "body": arrival.body,
            "body_size": len(arrival.body),
            "content_hash": arrival.content_hash,
            "start_token": arrival.start_token,
            "execution": finding.execution,
            "duplicate_of": finding.duplicate_of,
        }
        for arrival, finding in found
    ]
    ids = list(connection.execute(_INSERT, rows).scalars())
    for verdict in (Verdict.REJECTED, Verdict.UNCHECKED):
        if any(row_id % _PRUNE_EVERY == 0 and row["verdict"] is verdict for row_id, row in zip(ids, rows, strict=True)):
            _prune(connection, verdict)
    return ids


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


def link(connection: sa.Connection, row_id: int, finding: Finding) -> None:
    """Say to which execution an accepted delivery belongs, and what is odd about it."""
    connection.execute(sa.update(DeliveryTable).where(col(DeliveryTable.id) == row_id).values(**asdict(finding)))


# Built once, and asking for the names alone: for the verdict too, SQLite would walk through all that were verified.
_NAMING = sa.select(
    *(
        col(getattr(DeliveryTable, name))
        for name in ("id", "request_id", "content_hash", "verdict", "execution", "reason")
    )
).where(col(DeliveryTable.request_id).in_(sa.bindparam("names", expanding=True)))


def _naming(connection: sa.Connection, execution_ids: Collection[str]) -> list[sa.Row[Any]]:
    """Return the verified deliveries that name these executions, oldest first."""
    if not execution_ids:
        return []
    found = connection.execute(_NAMING, {"names": list(execution_ids)})
    return sorted((row for row in found if row.verdict == Verdict.ACCEPTED), key=lambda row: int(row.id))


def find_same(
    connection: sa.Connection, contents: Collection[tuple[str, str]], before: int | None = None
) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Return the first verified delivery of each content, by execution id and hash, and our row that it belongs to.

    `before` looks only at deliveries older than that row.
    """
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for row in _naming(connection, {execution_id for execution_id, _ in contents}):
        if before is None or row.id < before:
            found.setdefault((row.request_id, row.content_hash), (row.id, row.execution))
    return {key: found[key] for key in contents if key in found}


def find_kept(connection: sa.Connection, row_id: int) -> Kept:
    """Return a stored delivery whole."""
    row = connection.execute(sa.select(*_KEPT).where(col(DeliveryTable.id) == row_id)).one()
    return Kept(**row._mapping)


def waiting_for(connection: sa.Connection, execution_ids: Collection[str]) -> list[Kept]:
    """Return the readable deliveries for these ids of Lamina's that belong to no execution of ours yet."""
    found = _naming(connection, execution_ids)
    waiting = [row.id for row in found if row.execution is None and row.reason != UNREADABLE]
    return [find_kept(connection, row_id) for row_id in waiting]


def unclaimed(connection: sa.Connection, received_before: datetime, number: int) -> list[Kept]:
    """Return the first verified deliveries of executions that are not ours and that Lamina was not asked for yet.

    One of each execution, as many executions as `number`.
    """
    first = (
        sa.select(sa.func.min(col(DeliveryTable.id)).label("id"))
        .where(_IS_UNCLAIMED, Aside(col(DeliveryTable.received_at)) < received_before)
        .group_by(Aside(col(DeliveryTable.request_id)))  # few are unclaimed, and have an index of their own
        .order_by(sa.text("1"))
        .limit(number)
        .subquery()
    )
    wanted = sa.select(*_KEPT).join(first, first.c.id == col(DeliveryTable.id)).order_by(col(DeliveryTable.id))
    return [Kept(**row._mapping) for row in connection.execute(wanted)]


def disown(connection: sa.Connection, request_id: str) -> None:
    """Write down that Lamina knows no such execution in our workspace."""
    theirs = (col(DeliveryTable.request_id) == request_id) & _IS_UNCLAIMED
    connection.execute(sa.update(DeliveryTable).where(theirs).values(reason=NOT_OF_THIS_WORKSPACE))


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
    verdict = Aside(col(DeliveryTable.verdict))  # grouped by its index, all deliveries would be looked at
    wanted = sa.select(verdict, sa.func.count()).where(col(DeliveryTable.received_at) >= since).group_by(verdict)
    found: dict[str, int] = dict(connection.execute(wanted).all())
    return {verdict: found.get(verdict, 0) for verdict in Verdict}
