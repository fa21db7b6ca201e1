"""The timeline of executions, and the audit trail of operators."""

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Event
from lamina_core.store.tables import EventTable


def append(connection: sa.Connection, event: Event) -> None:
    """Write one line."""
    connection.execute(
        sa.insert(EventTable).values(
            execution=event.execution,
            at=event.at,
            kind=event.kind,
            actor=event.actor,
            detail=dict(event.detail),
        )
    )


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
