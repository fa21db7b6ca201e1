"""Bulk operations and their items. Functions take the connection first and never commit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Item, ItemState, Survey, is_settled
from lamina_core.domain import Status
from lamina_core.store.remote import read_status
from lamina_core.store.tables import BulkItemTable, BulkTable, ExecutionTable, FailureTable
from lamina_core.triage import patch

_FIELDS = [col(getattr(BulkTable, name)) for name in Bulk.__dataclass_fields__]
_ITEM_FIELDS = [col(getattr(BulkItemTable, name)) for name in Item.__dataclass_fields__]
_LATEST = 3  # replays whose ends are looked at together
_REPLAY, _AGAIN = aliased(ExecutionTable), aliased(FailureTable)
_FAILED_IN_PART = (col(_REPLAY.status) == Status.COMPLETED) & col(_AGAIN.execution).is_not(None)
_BECAME = sa.case((_FAILED_IN_PART, Status.FAILED.value), else_=col(_REPLAY.status))


@dataclass(frozen=True)
class ItemView:
    """An item, and what its replay has become: None where there is none; one that failed in part has failed."""

    item: Item
    status: Status | None


def _bulk(row: Sequence[Any]) -> Bulk:
    fields = dict(zip(Bulk.__dataclass_fields__, row, strict=True))
    fields["patch"] = fields["patch"] and patch.from_document(fields["patch"])
    return Bulk(**fields | {"kind": BulkKind(fields["kind"]), "state": BulkState(fields["state"])})


def _item(row: Sequence[Any]) -> Item:
    fields = dict(zip(Item.__dataclass_fields__, row, strict=False))
    return Item(**fields | {"state": ItemState(fields["state"])})


def _columns(bulk: Bulk) -> dict[str, Any]:
    return asdict(bulk) | {"patch": bulk.patch and patch.to_document(bulk.patch)}


def insert(connection: sa.Connection, bulk: Bulk, items: Sequence[Item]) -> int:
    """Store a bulk operation with its items, whatever ids they have so far, and return its id."""
    columns = _columns(bulk)
    del columns["id"]
    bulk_id = int(connection.execute(sa.insert(BulkTable).values(**columns).returning(col(BulkTable.id))).scalar_one())
    connection.execute(sa.insert(BulkItemTable), [asdict(item) | {"bulk": bulk_id} for item in items])
    return bulk_id


def find(connection: sa.Connection, bulk_id: int, *, for_update: bool = False) -> Bulk | None:
    """Return one bulk operation."""
    wanted = sa.select(*_FIELDS).where(col(BulkTable.id) == bulk_id)
    row = connection.execute(wanted.with_for_update() if for_update else wanted).one_or_none()
    return _bulk(row) if row else None


def find_running(connection: sa.Connection) -> list[Bulk]:
    """Return those that run, the oldest first."""
    wanted = sa.select(*_FIELDS).where(col(BulkTable.state) == BulkState.RUNNING).order_by(col(BulkTable.id))
    return [_bulk(row) for row in connection.execute(wanted)]


def find_newest(connection: sa.Connection, limit: int) -> list[Bulk]:
    """Return the newest, for the history."""
    wanted = sa.select(*_FIELDS).order_by(col(BulkTable.id).desc()).limit(limit)
    return [_bulk(row) for row in connection.execute(wanted)]


def write(connection: sa.Connection, bulk: Bulk) -> None:
    """Write a bulk operation over what it was."""
    connection.execute(sa.update(BulkTable).where(col(BulkTable.id) == bulk.id).values(**_columns(bulk)))


def write_item(connection: sa.Connection, item: Item) -> None:
    """Write an item over what it was."""
    here = (col(BulkItemTable.bulk) == item.bulk) & (col(BulkItemTable.position) == item.position)
    connection.execute(sa.update(BulkItemTable).where(here).values(**asdict(item)))


def find_next(connection: sa.Connection, bulk_id: int) -> Item | None:
    """Return the item to send next: one whose sending was begun, and perhaps cut off, comes before those that wait."""
    for state in (ItemState.SENDING, ItemState.WAITING):
        wanted = sa.select(*_ITEM_FIELDS).where(col(BulkItemTable.bulk) == bulk_id, col(BulkItemTable.state) == state)
        row = connection.execute(wanted.order_by(col(BulkItemTable.position)).limit(1)).one_or_none()
        if row is not None:
            return _item(row)
    return None


def find_items(connection: sa.Connection, bulk_id: int, limit: int) -> list[ItemView]:
    """Return items in their order, with what their replays have become."""
    wanted = _with_replays(sa.select(*_ITEM_FIELDS, _BECAME.label("became")))
    wanted = wanted.where(col(BulkItemTable.bulk) == bulk_id).order_by(col(BulkItemTable.position)).limit(limit)
    rows = connection.execute(wanted)
    return [ItemView(_item(row), read_status(row.became) if row.became else None) for row in rows]


def count(connection: sa.Connection, bulk_id: int) -> dict[tuple[ItemState, Status | None], int]:
    """Return how many items are in each state, those that were sent by what their replays have become."""
    became = _BECAME.label("became")
    wanted = _with_replays(sa.select(col(BulkItemTable.state), became, sa.func.count()))
    wanted = wanted.where(col(BulkItemTable.bulk) == bulk_id).group_by(col(BulkItemTable.state), became)
    rows = connection.execute(wanted)
    return {(ItemState(state), read_status(status) if status else None): number for state, status, number in rows}


def _with_replays(wanted: sa.Select[Any]) -> sa.Select[Any]:
    """Join the items of a selection to their replays and to what is known of how these failed, where there are any."""
    return (
        wanted.select_from(BulkItemTable)
        .outerjoin(_REPLAY, col(_REPLAY.id) == col(BulkItemTable.replay))
        .outerjoin(_AGAIN, col(_AGAIN.execution) == col(BulkItemTable.replay))
    )


def count_waiting(connection: sa.Connection, bulk_id: int) -> dict[str, int]:
    """Return how many executions of each app wait, by the app's id."""
    app_id = col(ExecutionTable.app_id)
    wanted = (
        sa.select(app_id, sa.func.count().label("number"))
        .join(BulkItemTable, col(BulkItemTable.execution) == col(ExecutionTable.id))
        .where(col(BulkItemTable.bulk) == bulk_id, col(BulkItemTable.state) == ItemState.WAITING)
        .group_by(app_id)
    )
    return {row.app_id: row.number for row in connection.execute(wanted)}


def find_busy(connection: sa.Connection, executions: Sequence[int]) -> dict[int, int]:
    """Return which of these executions wait in a bulk operation that is not over, and in which."""
    is_open = col(BulkTable.state).in_([BulkState.RUNNING, BulkState.PAUSED, BulkState.STOPPED])
    wanted = (
        sa.select(col(BulkItemTable.execution), col(BulkItemTable.bulk))
        .join(BulkTable, col(BulkTable.id) == col(BulkItemTable.bulk))
        .where(
            is_open,
            col(BulkItemTable.state).in_([ItemState.WAITING, ItemState.SENDING]),
            col(BulkItemTable.execution).in_(executions),
        )
    )
    return {row.execution: row.bulk for row in connection.execute(wanted)}


def read_survey(connection: sa.Connection, bulk: Bulk) -> Survey:
    """Return what has become of the items so far."""
    counts = count(connection, bulk.id)
    waiting = sum(number for (state, _), number in counts.items() if state in {ItemState.WAITING, ItemState.SENDING})
    under_way = sum(number for (_, status), number in counts.items() if status and not is_settled(status))
    unseen = _with_replays(sa.select(_BECAME)).where(
        col(BulkItemTable.bulk) == bulk.id,
        col(BulkItemTable.position) >= bulk.checked,
        col(BulkItemTable.replay).is_not(None),
    )
    first = connection.execute(unseen.order_by(col(BulkItemTable.position)).limit(bulk.canaries)).scalars()
    latest = connection.execute(unseen.order_by(col(BulkItemTable.position).desc()).limit(_LATEST)).scalars()
    return Survey(
        waiting=waiting,
        under_way=under_way,
        canaries=tuple(read_status(status) for status in first),
        latest=tuple(read_status(status) for status in latest),
        returned=_find_returned(connection, bulk),
    )


def _find_returned(connection: sa.Connection, bulk: Bulk) -> int | None:
    original, again = aliased(FailureTable), aliased(FailureTable)
    wanted = (
        sa.select(col(BulkItemTable.execution))
        .join(original, col(original.execution) == col(BulkItemTable.execution))
        .join(again, col(again.execution) == col(BulkItemTable.replay))
        .where(
            col(BulkItemTable.bulk) == bulk.id,
            col(BulkItemTable.position) >= bulk.checked,
            col(again.fingerprint) == col(original.fingerprint),
        )
        .order_by(col(BulkItemTable.position))
        .limit(1)
    )
    return connection.execute(wanted).scalar_one_or_none()
