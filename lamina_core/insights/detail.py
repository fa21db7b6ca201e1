"""One execution with all that hangs on it, for its own screen."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from lamina_core.api import wire
from lamina_core.domain import Delivery, Event, Execution, Output, Status
from lamina_core.settlement import CANDIDATE_AFTER, CANDIDATE_BEFORE
from lamina_core.store import deliveries, events, executions, lineage
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Payload
from lamina_core.store.lineage import Lineage

_CANDIDATES = 5


@dataclass(frozen=True)
class Detail:
    """What happened to one execution."""

    execution: Execution
    payload: Payload
    outputs: tuple[Output, ...]
    timeline: list[Event]
    deliveries: list[Delivery]
    lineage: Lineage
    candidates: list[Execution]  # others started them; they fit a start without an answer by app and time
    as_of: datetime


def read_detail(engines: Engines, row_id: int, now: datetime) -> Detail | None:
    """Read one execution; None if the store has none with this id."""
    with engines.reading() as connection:
        execution = executions.find(connection, row_id)
        payload = executions.find_payload(connection, row_id)
        if execution is None or payload is None:
            return None
        return Detail(
            execution=execution,
            payload=payload,
            outputs=tuple(wire.output_from(output) for output in payload.outputs),
            timeline=events.of_execution(connection, row_id),
            deliveries=deliveries.of_execution(connection, row_id),
            lineage=lineage.find_lineage(connection, row_id),
            candidates=_find_candidates(connection, execution, payload),
            as_of=now,
        )


def _find_candidates(connection: sa.Connection, execution: Execution, payload: Payload) -> list[Execution]:
    if execution.status is not Status.START_UNCONFIRMED:
        return []
    began, ended = execution.created_at - CANDIDATE_BEFORE, execution.created_at + CANDIDATE_AFTER
    inputs = payload.inputs or {}
    return executions.find_unclaimed(connection, execution.app_id, inputs, began, ended, _CANDIDATES)
