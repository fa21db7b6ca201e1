"""A store with rows to look at."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.store.tables import ExecutionTable, PayloadTable


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def add(writer, clock):
    """Insert executions with empty payloads, and return their ids; `second` places one in time."""

    def add(*rows: dict) -> list[int]:
        def columns(changes: dict) -> dict:
            second = changes.get("second", 0)
            given = {name: value for name, value in changes.items() if name != "second"}
            return {
                "app_id": "app-1",
                "app_name": "Portrait Studio",
                "status": Status.COMPLETED,
                "raw_status": None,
                "execution_id": None,
                "error_message": None,
                "kind": Kind.IMAGE,
                "generation": Generation.EXECUTIONS,
                "created_at": clock.now() + timedelta(seconds=second),
                "updated_at": clock.now(),
                "next_poll_at": None,
                "missing_count": 0,
                "poll_count": 0,
                "origin": Origin.FORM,
                "replay_of": None,
                "started_by": "Ada",
                "webhook_expected": False,
            } | given

        def work(connection) -> list[int]:
            insert = sa.insert(ExecutionTable).returning(col(ExecutionTable.id), sort_by_parameter_order=True)
            ids = list(connection.execute(insert, [columns(each) for each in rows]).scalars())
            connection.execute(sa.insert(PayloadTable), [{"execution": row, "inputs": {"Prompt": "x"}} for row in ids])
            return ids

        return writer.run(work)

    return add
