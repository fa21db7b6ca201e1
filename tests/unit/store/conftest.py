"""Rows to search through, on either database, and a store on SQLite alone where the databases do not differ."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.clock import SystemClock
from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.store import engine
from lamina_core.store.tables import ExecutionTable
from lamina_core.store.writer import Writer

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def sqlite_engines(sqlite_url):
    opened = engine.open_engines(sqlite_url)
    engine.migrate(opened.write)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_writer(sqlite_engines):
    running = Writer(sqlite_engines.write, SystemClock())
    running.start()
    yield running
    running.stop()


def row(**changes) -> dict:
    """The columns of a completed execution; `second` places it in time."""
    second = changes.pop("second", 0)
    return {
        "app_id": "app-1",
        "app_name": "Portrait Studio",
        "status": Status.COMPLETED,
        "raw_status": None,
        "execution_id": None,
        "error_message": None,
        "kind": Kind.IMAGE,
        "generation": Generation.EXECUTIONS,
        "created_at": T0 + timedelta(seconds=second),
        "updated_at": T0,
        "next_poll_at": None,
        "missing_count": 0,
        "poll_count": 0,
        "origin": Origin.FORM,
        "replay_of": None,
        "started_by": "Ada",
        "webhook_expected": False,
        "reference": None,
        "duration": None,
    } | changes


@pytest.fixture
def add_to():
    """Insert executions through a writer, and return their ids."""

    def add(writer: Writer, *rows: dict) -> list[int]:
        def work(connection: sa.Connection) -> list[int]:
            insert = sa.insert(ExecutionTable).returning(col(ExecutionTable.id), sort_by_parameter_order=True)
            return list(connection.execute(insert, [row(**each) for each in rows]).scalars())

        return writer.run(work)

    return add


@pytest.fixture
def add(writer, add_to):
    return lambda *rows: add_to(writer, *rows)
