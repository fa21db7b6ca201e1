"""The System screen says how much is kept and how to delete what is old; an execution says what was deleted of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lamina_core import config, runtime
from lamina_core.sandbox.server import Sandbox
from tests.conftest import SettableClock
from tests.pages.conftest import Desk

DAY = 86_400


@pytest.fixture
def make(tmp_path: Path, sandbox: Sandbox, clock: SettableClock):
    """A desk whose time moves only when it is told to, with these settings."""
    made: list[runtime.Runtime] = []

    def building(**settings: str) -> Desk:
        environment = {
            "LAMINA_API_KEY": "lma_test",
            "LAMINA_BASE_URL": sandbox.base_url,
            "LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
        }
        parts = runtime.build(config.load(environment | settings), clock)
        made.append(parts)
        runtime.set_current(parts)
        return Desk(parts, sandbox.base_url)

    yield building
    for parts in made:
        parts.stop()
    runtime.set_current(None)


def test_the_system_screen_tells_the_size_and_how_to_delete_what_is_old(make: Callable[..., Desk]):
    desk = make()
    assert "Executions]  0" in desk.open("system").text
    desk.keep(age=5 * DAY)
    desk.keep("failed", error="It failed")
    told = desk.open("system").text
    assert "Executions]  2, the oldest of 2026-03-09 09:00:00 UTC" in told
    assert " MB, of these 0.0 MB free for new rows" in told
    assert "everything, for ever. To delete what is old, set e.g. `LAMINA_DESK_KEEP=completed=90," in told


def test_what_is_deleted_is_told_and_gone_and_what_is_emptied_says_so(make: Callable[..., Desk], clock: SettableClock):
    desk = make(LAMINA_DESK_KEEP="completed=30", LAMINA_DESK_KEEP_PAYLOADS="10")
    old, young = desk.keep(age=31 * DAY), desk.keep("failed", error="It failed", age=11 * DAY, inputs={"Prompt": "fox"})
    told = desk.open("system").text
    assert "completed 30 days; inputs and outputs 10 days" in told
    assert "To delete what is old" not in told
    for _ in range(20):
        desk.step()
        clock.advance(1)
    assert "There is no execution" in desk.open("execution", id=str(old)).text
    screen = desk.open("execution", id=str(young))
    assert screen.text.count("Deleted because of its age: inputs, outputs and reports are not kept for ever here.") == 2
    assert "It failed" in screen.text
    assert "fox" not in screen.text
    start = desk.open("start", app="app-1", replay_of=str(young))
    start.expect_no_traceback()


def test_what_others_started_without_inputs_was_never_here(make: Callable[..., Desk]):
    desk = make()
    row = desk.keep("running")
    with desk.parts.engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE execution SET origin = 'registered'")
        connection.exec_driver_sql("UPDATE execution_payload SET inputs = NULL, last_report = NULL")
    text = desk.open("execution", id=str(row)).text
    assert "Not known here: others started this execution." in text
    assert "Deleted because of its age" not in text


def test_a_bulk_operation_without_its_executions_is_shown(make: Callable[..., Desk]):
    desk = make()
    with desk.parts.engines.write.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO bulk (kind, state, chosen_as, chosen_at, created_by, reason, canaries, per_minute, checked, "
            "updated_at) VALUES ('replay', 'done', '3 ticked rows', '2026-01-01 00:00:00.000000', 'Ada', 'why', 1, 10, "
            "0, '2026-01-01 00:00:00.000000')"
        )
    assert "3 ticked rows" in desk.open("bulk", id="1").text


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_postgresql_tells_its_size_too(database_url: str, make: Callable[..., Desk]):
    desk = make(LAMINA_DATABASE_URL=database_url)
    desk.keep()
    text = desk.open("system").text
    assert "Executions]  1, the oldest of" in text
    assert "free for new rows" not in text
