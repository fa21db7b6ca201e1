"""The timeline of executions, and the audit trail of operators."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Event
from lamina_core.store.tables import EventTable

_INSERT = sa.insert(EventTable)


def append(connection: sa.Connection, event: Event) -> None:
    """Write one line."""
    append_all(connection, [event])


def append_all(connection: sa.Connection, told: Sequence[Event]) -> None:
    """Write lines in their order."""
    rows = [
        {
            "execution": each.execution,
            "at": each.at,
            "kind": each.kind,
            "actor": each.actor,
            "detail": dict(each.detail),
        }
        for each in told
    ]
    if rows:
        connection.execute(_INSERT, rows)


def seconds_after_end(connection: sa.Connection, limit: int) -> list[tuple[str, float]]:
    """Return for the last lines that tell an end by whom it was told, and how long after Lamina's own time of it."""
    newest = sa.select(col(EventTable.kind), col(EventTable.actor), col(EventTable.detail))
    rows = connection.execute(newest.order_by(col(EventTable.id).desc()).limit(limit))
    return [
        (actor, float(detail["seconds_after_end"]))
        for kind, actor, detail in rows
        if kind == "status" and "seconds_after_end" in detail
    ]


def of_execution(connection: sa.Connection, execution: int, limit: int = 200) -> list[Event]:
    """Return an execution's timeline, newest first."""
    wanted = sa.select(
        col(EventTable.at),
        col(EventTable.kind),
        col(EventTable.actor),
        col(EventTable.detail),
        col(EventTable.execution),
    )
    wanted = wanted.where(col(EventTable.execution) == execution).order_by(col(EventTable.id).desc()).limit(limit)
    return [Event(*row) for row in connection.execute(wanted)]
