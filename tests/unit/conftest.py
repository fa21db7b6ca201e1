"""Executions that end as a test says, by the door that every report comes in by."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Generation, Kind, Origin, Source, Update
from lamina_core.store import executions
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Intent
from lamina_core.store.writer import Writer

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
End = Callable[..., int]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def end(writer: Writer) -> End:
    """Start an execution and let Lamina end it; give its row's id."""
    numbers = itertools.count(1)

    def ending(
        error: str | None = None,
        *,
        app: str = "app-1",
        replay_of: int | None = None,
        seconds: float = 0,
        outputs: list[dict[str, Any]] | None = None,
        inputs: dict[str, Any] | None = None,
    ) -> int:
        number, now = next(numbers), at(seconds)
        intent = Intent(
            token=f"token-{number}",
            app_id=app,
            app_name="Portrait Studio",
            kind=Kind.IMAGE,
            generation=Generation.EXECUTIONS,
            inputs=inputs or {"Prompt": f"a fox, {number}"},
            chosen_outputs=(),
            origin=Origin.FORM if replay_of is None else Origin.REPLAY,
            replay_of=replay_of,
            started_by="Ada",
            webhook_expected=True,
        )

        def work(connection: sa.Connection) -> int:
            row = executions.insert_intent(connection, intent, now)
            accepted = {"executionId": f"exec-{row}", "workflowId": app, "status": "queued"}
            answer = Update(Source.START, T0, row, report=wire.report_from(accepted))
            intake.apply_update(connection, answer, T0)
            report(connection, row, error, seconds, outputs)
            return row

        return writer.run(work)

    return ending


def report(
    connection: sa.Connection,
    row: int,
    error: str | None,
    seconds: float = 0,
    outputs: list[dict[str, Any]] | None = None,
) -> None:
    """Apply Lamina's word of an end: failed with an error, completed without."""
    stamp = at(seconds).isoformat()
    document = {
        "executionId": f"exec-{row}",
        "workflowId": "app-1",
        "status": "failed" if error else "completed",
        "outputs": outputs or [],
        "errorMessage": error,
        "createdAt": T0.isoformat(),
        "startedAt": T0.isoformat(),
        "completedAt": stamp,
    }
    update = Update(Source.POLL, at(seconds), row, report=wire.report_from(document))
    intake.apply_update(connection, update, at(seconds))


def counts(engines: Engines) -> list[tuple[str, int, int]]:
    """Return each group's state, failures and open failures, those with most first."""
    with engines.reading() as connection:
        rows = connection.exec_driver_sql("SELECT state, number, open_number FROM failure_group WHERE number > 0")
        return sorted((tuple(row) for row in rows), key=lambda row: -row[1])


def count_again(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Return how many failures each fingerprint has, and how many are open, counted from the failures themselves."""
    query = """SELECT fingerprint, count(*), sum(CASE WHEN triage = 'resolved' THEN 0 ELSE 1 END)
               FROM failure GROUP BY fingerprint"""
    return {name: (number, opened) for name, number, opened in connection.exec_driver_sql(query)}
