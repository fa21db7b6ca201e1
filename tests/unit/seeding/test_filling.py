"""Storing a history: counted as the product counts, whole after an interruption, and never among real executions."""

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.domain import Generation, Kind, Origin
from lamina_core.seeding.filling import Filling
from lamina_core.store import engine, executions, notes, polls, seeding
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Intent
from lamina_core.store.tables import (
    DeliveryTable,
    EventTable,
    ExecutionTable,
    FailureGroupTable,
    FailureHourTable,
    FailureTable,
    PayloadTable,
    TallyChangeTable,
    TallyTable,
    TextTable,
)
from lamina_core.store.tally import CELLS
from lamina_core.store.writer import Writer
from lamina_core.triage.records import Triage
from lamina_core.triage.regrouping import Regrouping
from tests.unit.seeding.conftest import END, wish

TABLES = (ExecutionTable, PayloadTable, FailureTable, FailureGroupTable, FailureHourTable, DeliveryTable, EventTable)


def ignore(progress: object) -> None:
    """Nobody asked how far it is."""


def read(engines: Engines, table: type) -> list[Any]:
    with engines.reading() as connection:
        place = list(sa.inspect(table).primary_key)
        return [tuple(row) for row in connection.execute(sa.select(sa.inspect(table).local_table).order_by(*place))]


def read_rows(engines: Engines, table: type) -> list[Any]:
    with engines.reading() as connection:
        return list(connection.execute(sa.select(sa.inspect(table).local_table)))


def start(writer: Writer, clock) -> int:
    intent = Intent(
        "t", "app-1", "A", Kind.IMAGE, Generation.EXECUTIONS, {}, (), Origin.FORM, None, "Ada", webhook_expected=False
    )
    return writer.run(lambda connection: executions.insert_intent(connection, intent, clock.now()))


def test_groups_and_hours_are_a_recount_of_the_failures(filling: Filling, engines: Engines):
    filling.run(wish(), ignore)
    failed = read_rows(engines, FailureTable)
    assert len(failed) > 30
    hours = Counter((row.fingerprint, row.failed_at.replace(minute=0, second=0, microsecond=0)) for row in failed)
    assert {(row.fingerprint, row.hour): row.number for row in read_rows(engines, FailureHourTable)} == hours
    for group in read_rows(engines, FailureGroupTable):
        members = [row for row in failed if row.fingerprint == group.fingerprint]
        assert group.number == len(members)
        assert group.open_number == sum(row.triage != Triage.RESOLVED for row in members)
        assert group.first_seen == min(row.failed_at for row in members)
        assert group.last_seen == max(row.failed_at for row in members)
    states = Counter(group.state for group in read_rows(engines, FailureGroupTable))
    assert len(states) >= 3


def test_the_products_own_grouping_finds_nothing_to_change(filling: Filling, engines: Engines, writer: Writer, clock):
    filling.run(wish(), ignore)
    before = {table: read(engines, table) for table in TABLES}
    regrouping = Regrouping(engines, writer, clock)
    assert not regrouping.is_unfinished()
    again = {"version": -1, "until": None}
    writer.run(lambda connection: notes.write(connection, notes.FINGERPRINTS, again, clock.now()))
    regrouping = Regrouping(engines, writer, clock)
    while regrouping.is_unfinished():
        regrouping.regroup_next()
    assert {table: read(engines, table) for table in TABLES} == before


def test_the_tally_is_a_recount_and_folded(filling: Filling, engines: Engines):
    filling.run(wish(), ignore)
    counted = Counter((r.app_id, r.status, r.origin, r.started_by) for r in read_rows(engines, ExecutionTable))
    tallied = {(r.app_id, r.status, r.origin, r.started_by): r.number for r in read_rows(engines, TallyTable)}
    assert tallied == counted
    assert read_rows(engines, TallyChangeTable) == []
    with engines.reading() as connection:
        assert connection.execute(sa.select(sa.func.sum(CELLS.c.number))).scalar_one() == 600


def test_the_databases_own_copies_are_there(filling: Filling, engines: Engines):
    filling.run(wish(), ignore)
    by_id = {row.id: row for row in read_rows(engines, ExecutionTable)}
    for row in read_rows(engines, FailureTable):
        execution = by_id[row.execution]
        assert (row.app_id, row.status, row.created_at) == (execution.app_id, execution.status, execution.created_at)
    told = {row.execution: (row.reference, row.error) for row in read_rows(engines, TextTable)}
    assert told == {
        row.id: (row.reference, row.error_message) for row in by_id.values() if row.reference or row.error_message
    }


def test_nothing_of_it_is_polled(filling: Filling, engines: Engines):
    filling.run(wish(), ignore)
    with engines.reading() as connection:
        assert polls.count_in_flight(connection, END, 100)[0] >= 1
        assert polls.next_due_at(connection) is None
        assert polls.in_flight(connection, 10) == []


def test_an_interrupted_one_is_whole_and_goes_on_to_the_same_end(
    filling: Filling, engines: Engines, clock, models, tmp_path
):
    def interrupt(progress: seeding.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filling.run(wish(), interrupt)
    with engines.reading() as connection:
        progress = seeding.read_progress(connection)
    assert progress is not None
    assert progress.done == len(read_rows(engines, ExecutionTable)) in {200, 400}
    assert not progress.closed
    clock.advance(3_600)
    assert filling.run(wish(), ignore).closed

    other = engine.open_engines(f"sqlite:///{tmp_path / 'other.db'}")
    engine.migrate(other.write)
    Filling(other.write, clock, models, Generation.EXECUTIONS).run(wish(), ignore)
    for table in TABLES:
        assert read(engines, table) == read(other, table), table.__name__
    other.close()


def test_the_same_again_adds_nothing_and_another_is_added(filling: Filling, engines: Engines):
    filling.run(wish(), ignore)
    assert filling.run(wish(), ignore).done == 600
    assert len(read_rows(engines, ExecutionTable)) == 600
    more = filling.run(wish(number=100, seed=4), ignore)
    assert (more.first, more.done) == (601, 100)
    groups = sum(row.number for row in read_rows(engines, FailureGroupTable))
    assert groups == len(read_rows(engines, FailureTable))


def test_another_history_must_wait_for_the_first_to_be_finished(filling: Filling):
    def interrupt(progress: seeding.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filling.run(wish(), interrupt)
    with pytest.raises(errors.OperationRefused, match=r"Finish it first: --executions 600 --seed 3\."):
        filling.run(wish(seed=4), ignore)


def test_a_store_with_a_real_execution_takes_none(filling: Filling, engines: Engines, writer: Writer, clock):
    start(writer, clock)
    with pytest.raises(errors.OperationRefused, match="executions that were not made up"):
        filling.run(wish(), ignore)
    assert len(read_rows(engines, ExecutionTable)) == 1


def test_a_real_execution_after_a_history_gets_the_next_number_and_ends_the_seeding(
    filling: Filling, writer: Writer, clock
):
    filling.run(wish(), ignore)
    assert start(writer, clock) == 601
    for seed in (3, 4):
        with pytest.raises(errors.OperationRefused, match="executions that were not made up"):
            filling.run(wish(seed=seed), ignore)
