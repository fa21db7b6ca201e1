"""Deleting what is too old: all that hangs on it goes, all that is still needed stays, and nobody waits long."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core import intake, retention
from lamina_core.api import wire
from lamina_core.bulk.records import BulkState, ItemState
from lamina_core.domain import Source, Status, Update, Verdict
from lamina_core.insights.storage import is_emptied
from lamina_core.keep import read_keep
from lamina_core.retention import Retention
from lamina_core.store import deliveries, executions, purge, rollups
from lamina_core.store.deliveries import Arrival, Finding
from lamina_core.store.tables import BulkItemTable, BulkTable, DeliveryTable, ExecutionTable
from tests.unit.conftest import T0, at, count_again, report

TIMED_OUT = "Provider timed out after 30 s"
DAY = 86_400


@pytest.fixture
def retain(engines, writer, clock) -> Callable[..., Retention]:
    """Retention by these rules, once all its batches are done; `days` after the first execution began."""

    def run(executions: str = "", payloads: str = "", deliveries: str = "", *, days: float = 100) -> Retention:
        clock.instant = T0 + timedelta(days=days)
        made = Retention(engines, writer, clock, read_keep(executions, payloads, deliveries))
        while made.is_due():
            made.purge_next()
        return made

    return run


@pytest.fixture
def change(writer) -> Callable[..., None]:
    def run(statement: str, **values) -> None:
        writer.run(lambda connection: connection.execute(sa.text(statement), values).close())

    return run


@pytest.fixture
def read(engines):
    def run(statement: str):
        with engines.reading() as connection:
            return connection.exec_driver_sql(statement).scalar_one()

    return run


@pytest.fixture(autouse=True)
def nothing_amiss(engines):
    """Whatever was deleted, all that is kept twice agrees afterwards."""
    yield
    with engines.reading() as connection:
        wrong = {check.name: found for check in rollups.CHECKS if not (found := check.find(connection)).is_sound}
    assert wrong == {}


def ids(engines) -> set[int]:
    with engines.reading() as connection:
        return set(connection.execute(sa.select(col(ExecutionTable.id))).scalars())


def begin_bulk(writer, state: BulkState, execution: int, replay: int | None = None) -> int:
    columns = {"kind": "replay", "chosen_as": "one", "chosen_at": T0, "created_by": "Ada", "reason": "", "canaries": 1}
    columns |= {"per_minute": 1, "checked": 0, "updated_at": T0, "state": state}

    def work(connection: sa.Connection) -> int:
        bulk = connection.execute(sa.insert(BulkTable).values(**columns).returning(col(BulkTable.id))).scalar_one()
        item = {"bulk": bulk, "position": 0, "execution": execution, "replay": replay, "state": ItemState.SENT}
        connection.execute(sa.insert(BulkItemTable).values(**item))
        return bulk

    return writer.run(work)


def deliver(writer, execution: int | None, seconds: float = 0, **changes) -> int:
    arrival = Arrival(
        received_at=at(seconds),
        verdict=changes.get("verdict", Verdict.ACCEPTED),
        reason=None,
        answered=200,
        request_id=f"exec-{execution}",
        key_id="k",
        headers={},
        body=b"{}",
        content_hash="0",
        start_token=None,
    )
    finding = Finding(execution, changes.get("reason"), changes.get("duplicate_of"))
    return writer.run(lambda connection: deliveries.insert_all(connection, [(arrival, finding)])[0])


# Executions


def test_each_status_has_its_own_days_and_what_is_not_named_stays(end, engines, retain, change):
    _, failed, young = end(), end(TIMED_OUT), end(seconds=60 * DAY)
    open_still, unconfirmed = end(), end()
    change("UPDATE execution SET created_at = :at WHERE id = :id", at=at(60 * DAY).isoformat(" "), id=young)
    change(
        "UPDATE execution SET status = 'running', completed_at = NULL, duration = NULL WHERE id = :id", id=open_still
    )
    change("UPDATE execution SET status = 'start_unconfirmed' WHERE id = :id", id=unconfirmed)
    retain("completed=50", days=100)
    assert ids(engines) == {failed, young, open_still, unconfirmed}
    retain("*=50", days=100)
    assert ids(engines) == {young, open_still, unconfirmed}
    retain("*=1", days=1_000)
    assert ids(engines) == {open_still, unconfirmed}


def test_an_execution_goes_when_its_days_are_over_and_not_before(end, engines, retain):
    row = end()
    retain("completed=50", days=50)
    assert ids(engines) == {row}
    retain("completed=50", days=50.001)
    assert ids(engines) == set()


def test_all_that_hangs_on_it_goes_and_groups_count_what_is_left(end, engines, writer, retain, read):
    old, kept = end(TIMED_OUT), end(TIMED_OUT, seconds=3_600)
    deliver(writer, old)
    retain("failed=50", days=50.001)
    assert ids(engines) == {kept}
    for table in ("execution_payload", "failure", "execution_text"):
        assert read(f"SELECT count(*) FROM {table}") == 1, table
    assert read(f"SELECT count(*) FROM event WHERE execution = {old}") == 0
    assert read("SELECT count(*) FROM delivery") == 0
    with engines.reading() as connection:
        assert list(count_again(connection).values()) == [(1, 1)]
    assert (read("SELECT number FROM failure_group"), read("SELECT open_number FROM failure_group")) == (1, 1)
    retain("failed=50", days=51)
    assert read("SELECT number FROM failure_group") == 0


def test_one_that_is_to_be_read_again_is_kept(end, engines, retain, change):
    row = end()
    change("UPDATE execution SET next_poll_at = :at WHERE id = :id", at=T0.isoformat(" "), id=row)
    retain("*=1")
    assert ids(engines) == {row}


def test_a_replay_that_is_kept_forgets_its_original(end, engines, retain, read):
    original = end(TIMED_OUT)
    replay = end(replay_of=original)
    retain("failed=1")
    assert ids(engines) == {replay}
    assert read("SELECT replay_of FROM execution") is None


def test_a_failure_that_is_kept_stays_resolved_when_the_replay_that_mended_it_goes(end, engines, retain, read):
    original = end(TIMED_OUT)
    end(replay_of=original)
    assert read("SELECT triage FROM failure") == "resolved"
    retain("completed=1")
    assert ids(engines) == {original}
    assert read("SELECT triage FROM failure") == "resolved"
    assert read("SELECT resolved_by FROM failure") is None


def test_an_original_whose_replay_is_under_way_is_kept(end, engines, retain, change):
    original = end(TIMED_OUT)
    replay = end(replay_of=original)
    change("UPDATE execution SET status = 'queued', completed_at = NULL, duration = NULL WHERE id = :id", id=replay)
    retain("*=1")
    assert ids(engines) == {original, replay}


@pytest.mark.parametrize("state", [BulkState.RUNNING, BulkState.PAUSED, BulkState.STOPPED])
def test_what_belongs_to_an_operation_that_is_not_over_is_kept(state, end, engines, writer, retain):
    original, replay, other = end(TIMED_OUT), end(), end()
    begin_bulk(writer, state, original, replay)
    retain("*=1")
    assert ids(engines) == {original, replay}
    assert other not in ids(engines)


@pytest.mark.parametrize("state", [BulkState.DONE, BulkState.ABORTED])
def test_an_operation_that_is_over_stays_without_its_items(state, end, engines, writer, retain, read):
    original, replay = end(TIMED_OUT), end()
    begin_bulk(writer, state, original, replay)
    retain("completed=1")
    assert ids(engines) == {original}
    assert (read("SELECT count(*) FROM bulk_item"), read("SELECT count(*) FROM bulk")) == (0, 1)


def test_batches_are_small_and_a_restart_goes_on(end, engines, writer, clock):
    for _ in range(7):
        end()
    clock.instant = T0 + timedelta(days=100)
    rules = read_keep("*=1", "", "")
    with_batches_of(3, lambda: Retention(engines, writer, clock, rules).purge_next())
    assert len(ids(engines)) == 4
    with_batches_of(3, lambda: Retention(engines, writer, clock, rules).purge_next())
    assert len(ids(engines)) == 1


def with_batches_of(number: int, run: Callable[[], None]) -> None:
    usual, retention.BATCH = retention.BATCH, number
    try:
        run()
    finally:
        retention.BATCH = usual


def test_it_rests_until_something_may_be_too_old_again(end, engines, retain, clock):
    made = retain("*=1")
    assert not made.is_due()
    clock.advance(3_599)
    assert not made.is_due()
    clock.advance(1)
    assert made.is_due()


# Payloads


def test_payloads_go_before_their_executions_and_the_row_says_so(end, engines, retain):
    row = end(inputs={"Prompt": "a fox"})
    retain(payloads="10", days=9)
    assert payload_of(engines, row)[1].inputs == {"Prompt": "a fox"}
    retain(payloads="10", days=11)
    execution, payload = payload_of(engines, row)
    assert (payload.inputs, payload.outputs, payload.last_report) == (None, (), None)
    assert is_emptied(execution, payload)


def test_what_a_failed_output_says_is_kept_for_its_group(end, engines, retain, read):
    broken = {"id": "n", "label": "Back", "type": "error", "value": "x" * 99, "status": "error", "error": TIMED_OUT}
    fine = {"id": "m", "label": "Front", "type": "image", "value": "https://x", "status": "completed", "error": None}
    row = end(outputs=[broken, fine])
    retain(payloads="10")
    assert list(payload_of(engines, row)[1].outputs) == [{**broken, "value": None}]
    assert read("SELECT number FROM failure_group") == 1


def test_payloads_of_what_has_not_ended_stay(end, engines, retain, change):
    row = end()
    change("UPDATE execution SET status = 'running', completed_at = NULL, duration = NULL WHERE id = :id", id=row)
    retain(payloads="1")
    assert payload_of(engines, row)[1].inputs is not None


def test_every_payload_is_found_whatever_the_size_of_a_walk(end, engines, writer, retain):
    rows = [end(TIMED_OUT if place % 2 else None, seconds=place) for place in range(7)]
    with_batches_of(2, lambda: retain(payloads="10"))
    assert all(payload_of(engines, row)[1].inputs is None for row in rows)


def test_news_of_an_emptied_execution_is_taken_as_ever(end, engines, writer, retain, clock):
    row = end()
    retain(payloads="10")
    writer.run(lambda connection: report(connection, row, TIMED_OUT, 20 * DAY))
    execution, payload = payload_of(engines, row)
    assert execution.status is Status.FAILED
    assert payload.last_report is not None
    retain(payloads="10", days=101)
    assert is_emptied(*payload_of(engines, row))


def payload_of(engines, row: int):
    with engines.reading() as connection:
        execution, payload = executions.find(connection, row), executions.find_payload(connection, row)
    assert execution is not None
    assert payload is not None
    return execution, payload


# Deliveries


def test_deliveries_go_by_their_age_and_what_waits_stays(end, engines, writer, retain):
    row = end()
    old = deliver(writer, row)
    copy = deliver(writer, row, 60 * DAY, duplicate_of=old)
    refused = deliver(writer, None, verdict=Verdict.REJECTED, reason="no_key")
    waiting = deliver(writer, None, reason=deliveries.UNKNOWN_EXECUTION)
    unchecked = deliver(writer, None, verdict=Verdict.UNCHECKED)
    retain(deliveries="50", days=100)
    with engines.reading() as connection:
        kept = connection.execute(sa.select(col(DeliveryTable.id), col(DeliveryTable.duplicate_of))).all()
    assert sorted(kept) == [(copy, None), (waiting, None), (unchecked, None)]
    assert refused not in {each.id for each in kept}


# Others at work


def test_while_deliveries_come_nothing_is_lost_and_everything_agrees(end, engines, writer, clock):
    old = [end(TIMED_OUT if place % 2 else None) for place in range(60)]
    young = [end(seconds=90 * DAY + place) for place in range(10)]
    writer.run(lambda connection: connection.execute(_moved(young)).close())
    clock.instant = T0 + timedelta(days=100)
    retaining = Retention(engines, writer, clock, read_keep("*=50", "", "20"))
    begun, troubles = threading.Event(), []

    def tell_news() -> None:
        begun.set()
        for place, row in enumerate([*young, *old] * 2):
            document = {
                "executionId": f"exec-{row}",
                "workflowId": "app-1",
                "status": "failed",
                "errorMessage": f"{TIMED_OUT}, again",
                "outputs": [],
                "completedAt": at(95 * DAY + place).isoformat(),
            }
            update = Update(Source.DELIVERY, at(95 * DAY + place), None, report=wire.report_from(document))
            try:
                writer.run(lambda connection, update=update: intake.apply_update(connection, update, clock.now()))
            except Exception as error:  # noqa: BLE001 - the test looks at all
                troubles.append(error)

    telling = threading.Thread(target=tell_news)
    telling.start()
    begun.wait()

    def purge_all() -> None:
        while retaining.is_due():
            retaining.purge_next()

    with_batches_of(5, purge_all)
    telling.join()
    assert troubles == []
    assert set(young) <= ids(engines)
    with engines.reading() as connection:
        told = connection.execute(
            sa.select(sa.func.count()).where(
                col(ExecutionTable.id).in_(young), col(ExecutionTable.status) == Status.FAILED
            )
        ).scalar_one()
    assert told == len(young)


def _moved(rows: list[int]) -> sa.Update:
    return sa.update(ExecutionTable).where(col(ExecutionTable.id).in_(rows)).values(created_at=at(90 * DAY))


def test_one_that_has_changed_since_it_was_found_is_kept(end, engines, writer, clock):
    row, limit = end(), at(50 * DAY)
    with engines.reading() as connection:
        assert purge.find_old(connection, Status.COMPLETED, limit, 9) == [row]
    writer.run(lambda connection: report(connection, row, TIMED_OUT, 60))
    deleted = writer.run(lambda connection: purge.delete(connection, [row], Status.COMPLETED, limit, clock.now()))
    assert deleted == 0
    assert ids(engines) == {row}


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_what_another_process_holds_is_left_for_the_next_time(end, engines, writer, clock):
    held, free = end(), end()
    limit = at(50 * DAY)
    with engines.write.begin() as other:
        other.exec_driver_sql(f"SELECT 1 FROM execution WHERE id = {held} FOR UPDATE")
        work = purge.delete
        assert writer.run(lambda connection: work(connection, [held, free], Status.COMPLETED, limit, clock.now())) == 1
    assert ids(engines) == {held}


# How it is found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("analysed", [False, True])
def test_what_is_too_old_is_found_by_the_index(analysed, end, engines, writer):
    for place in range(20):
        end(TIMED_OUT if place % 2 else None)
    if analysed:
        with engines.write.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    asked = [
        lambda connection: purge.find_old(connection, Status.COMPLETED, at(DAY), 10),
        lambda connection: purge.find_payloads(connection, Status.COMPLETED, at(DAY), purge.Place(1, T0, True), 10),
    ]
    for ask in asked:
        plan = read_plan(engines.read, ask)
        assert "execution_status" in plan[0], plan
        assert not any("SCAN" in line or "TEMP B-TREE" in line for line in plan), plan
    plan = read_plan(engines.read, lambda connection: purge.find_old_deliveries(connection, at(DAY), 10))
    assert "delivery_newest" in plan[0]
    taken = [
        lambda connection: purge.delete(connection, [1, 2], Status.COMPLETED, at(-DAY), T0),
        lambda connection: purge.empty(connection, [1, 2], Status.GONE),
    ]
    for take in taken:
        assert "INTEGER PRIMARY KEY (rowid=?)" in read_plan(engines.write, take)[0], "by the rows alone"


def read_plan(database: sa.Engine, ask) -> list[str]:
    seen: list[tuple[str, tuple]] = []

    def note(connection, cursor, statement, parameters, context, executemany) -> None:
        seen.append((statement, parameters))

    sa.event.listen(database, "before_cursor_execute", note)
    with database.connect() as connection:
        ask(connection)
    sa.event.remove(database, "before_cursor_execute", note)
    statement, parameters = seen[-1]
    with database.connect() as connection:
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
