"""Small tables: who may poll, what outlives a process, what happened."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import SystemClock
from lamina_core.domain import Event
from lamina_core.store import engine, events, leases, notes
from lamina_core.store.writer import Writer


def hold(writer, holder: str, now) -> bool:
    return writer.run(lambda connection: leases.hold(connection, "poller", holder, now))


def test_one_of_two_holds_the_lease_and_keeps_it(writer, clock):
    now = clock.now()
    assert [hold(writer, holder, now) for holder in ("a", "b", "a", "b")] == [True, False, True, False]


def test_a_holder_without_a_sign_of_life_loses_the_lease_to_the_first_who_asks(sqlite_writer, clock):
    assert hold(sqlite_writer, "a", clock.now())
    assert not hold(sqlite_writer, "b", clock.advance(leases.TERM.total_seconds()))
    assert hold(sqlite_writer, "b", clock.advance(1))
    assert not hold(sqlite_writer, "a", clock.now())


def test_a_sign_of_life_prolongs_the_lease(sqlite_writer, clock):
    for _ in range(5):
        assert hold(sqlite_writer, "a", clock.advance(8))
    assert not hold(sqlite_writer, "b", clock.advance(8))


@pytest.mark.postgres
def test_on_postgresql_the_database_s_own_clock_decides(postgres, postgres_template, clock):
    opened = engine.open_engines(postgres.format(name=postgres_template))
    writer = Writer(opened.write, SystemClock())
    writer.start()
    try:
        assert hold(writer, "a", clock.now() + timedelta(days=900))
        assert not hold(writer, "b", clock.now() + timedelta(days=9_000)), "a wrong clock takes nothing away"
        writer.run(
            lambda connection: connection.execute(sa.text("UPDATE lease SET expires_at = now() - interval '1 second'"))
        )
        assert hold(writer, "b", clock.now())
    finally:
        writer.run(lambda connection: leases.release(connection, "poller", "b"))
        writer.stop()
        opened.close()


def test_only_the_holder_can_give_a_lease_back(engines, writer, clock):
    hold(writer, "a", clock.now())
    writer.run(lambda connection: leases.release(connection, "poller", "b"))
    with engines.reading() as connection:
        assert leases.read(connection, "poller").holder == "a"
    writer.run(lambda connection: leases.release(connection, "poller", "a"))
    with engines.reading() as connection:
        assert leases.read(connection, "poller") is None
    assert hold(writer, "b", clock.now())


def test_leases_of_different_names_are_apart(writer, clock):
    assert hold(writer, "a", clock.now())
    assert writer.run(lambda connection: leases.hold(connection, "other", "b", clock.now()))


def test_of_many_who_ask_at_once_one_holds_it(engines, database_url, clock):
    opened = [engine.open_engines(database_url) for _ in range(4)]
    together, held = threading.Barrier(4), []

    def ask(each, holder: str) -> None:
        writer = Writer(each.write, SystemClock())
        writer.start()
        together.wait(30)
        try:
            held.append(hold(writer, holder, clock.now()))
        except errors.StoreError:
            held.append(False)  # on PostgreSQL the loser of a race to the first row may be told so
        writer.stop()

    threads = [threading.Thread(target=ask, args=(each, str(place))) for place, each in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for each in opened:
        each.close()
    assert sorted(held) == [False, False, False, True]


def test_a_note_is_written_over(engines, writer, clock):
    with engines.reading() as connection:
        assert notes.read(connection, "n") is None
    for state in (1, {"deep": [None, "ü\u0000"]}):
        writer.run(lambda connection, state=state: notes.write(connection, "n", {"state": state}, clock.now()))
    with engines.reading() as connection:
        assert notes.read(connection, "n") == notes.Note({"state": {"deep": [None, "ü\u0000"]}}, clock.now())


def test_a_store_belongs_to_the_lamina_that_claimed_it_first(writer, clock):
    claim = notes.claim_store
    writer.run(lambda connection: claim(connection, "https://lamina.example.com", clock.now()))
    writer.run(lambda connection: claim(connection, "https://lamina.example.com", clock.now()))
    with pytest.raises(
        errors.StoreForeign, match=r"https://lamina\.example\.com, not of the sandbox.*LAMINA_DATABASE_URL"
    ):
        writer.run(lambda connection: claim(connection, "the sandbox", clock.now()))


def test_a_timeline_is_read_newest_first_and_bounded(engines, writer, add, clock):
    row, other = add({}, {})

    def work(connection) -> None:
        for place in range(5):
            events.append(connection, Event(clock.now(), "status", "poll", {"place": place}, row))
        events.append(connection, Event(clock.now(), "started", "Ada", execution=other))
        events.append(connection, Event(clock.now(), "polling_paused", "Ada"))

    writer.run(work)
    with engines.reading() as connection:
        assert [event.detail["place"] for event in events.of_execution(connection, row)] == [4, 3, 2, 1, 0]
        assert [event.detail["place"] for event in events.of_execution(connection, row, limit=2)] == [4, 3]
        assert events.of_execution(connection, other) == [Event(clock.now(), "started", "Ada", {}, other)]
