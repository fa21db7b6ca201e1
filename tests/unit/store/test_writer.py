"""The one path of every write: grouped, durable, bounded, and alive after every trouble of the database."""

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future

import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import SystemClock
from lamina_core.store import engine
from lamina_core.store.writer import Writer


def note(name: str, size: int = 1):
    def work(connection: sa.Connection) -> str:
        statement = "INSERT INTO note (name, document, updated_at) VALUES (:name, :document, '2026-03-14 09:00:00')"
        connection.execute(sa.text(statement), {"name": name, "document": '"' + "x" * size + '"'})
        return name

    return work


def names(url: str) -> set[str]:
    """What a connection of its own sees."""
    other = sa.create_engine(url)
    with other.connect() as connection:
        found = set(connection.execute(sa.text("SELECT name FROM note")).scalars())
    other.dispose()
    return found


class Held:
    """A writer kept busy, so that what is handed in meanwhile becomes one group."""

    def __init__(self, writer: Writer) -> None:
        self._go_on, busy = threading.Event(), threading.Event()

        def block(connection: sa.Connection) -> None:
            busy.set()
            assert self._go_on.wait(30)

        self._blocked = writer.submit(block)
        assert busy.wait(30)

    def release(self) -> None:
        self._go_on.set()
        self._blocked.result(30)


def test_work_gives_its_own_result(writer):
    assert writer.run(lambda connection: 42) == 42


def test_what_waits_together_is_committed_together(engines, writer):
    commits = []
    sa.event.listen(engines.write, "commit", commits.append)
    held = Held(writer)
    answers = [writer.submit(note(f"n-{place}")) for place in range(100)]
    assert writer.backlog == 100
    held.release()
    assert [answer.result(30) for answer in answers] == [f"n-{place}" for place in range(100)]
    assert len(commits) == 2


def test_work_is_durable_when_its_future_answers(writer, database_url):
    writer.run(note("a"))
    assert names(database_url) == {"a"}


def test_a_failing_piece_takes_none_of_its_neighbours_with_it(writer, database_url):
    def half(connection: sa.Connection) -> None:
        note("half")(connection)
        raise ValueError("mine alone")

    held = Held(writer)
    before, failing, after = writer.submit(note("before")), writer.submit(half), writer.submit(note("after"))
    held.release()
    with pytest.raises(ValueError, match="mine alone"):
        failing.result(30)
    assert (before.result(30), after.result(30)) == ("before", "after")
    assert names(database_url) == {"before", "after"}


def test_a_row_that_the_database_refuses_is_an_error_of_the_store_for_its_owner_alone(writer, database_url):
    writer.run(note("twin"))
    held = Held(writer)
    twin, other = writer.submit(note("twin")), writer.submit(note("other"))
    held.release()
    with pytest.raises(errors.StoreError, match="refused a write"):
        twin.result(30)
    assert other.result(30) == "other"
    assert names(database_url) == {"twin", "other"}


def test_a_group_runs_in_the_order_asked_for_and_ties_as_they_came(sqlite_writer):
    ran = []
    held = Held(sqlite_writer)
    orders = [(3, "c"), (1, "a"), (2, "x"), (2, "y"), (0, "-"), (1, "b")]
    answers = [
        sqlite_writer.submit(lambda _, order=order, name=name: ran.append((order, name)), order=order)
        for order, name in orders
    ]
    held.release()
    for answer in answers:
        answer.result(30)
    assert ran == [(0, "-"), (1, "a"), (1, "b"), (2, "x"), (2, "y"), (3, "c")]


@pytest.mark.postgres
def test_two_processes_that_touch_the_same_rows_do_not_wait_for_each_other(postgres, postgres_template):
    url = postgres.format(name=postgres_template)
    opened = [engine.open_engines(url) for _ in range(2)]
    writers = [Writer(each.write, SystemClock()) for each in opened]
    for running in writers:
        running.start()

    def touch(name: str):
        statement = sa.text("UPDATE note SET document = document WHERE name = :name")
        pause = sa.text("SELECT pg_sleep(0.05)")

        def work(connection: sa.Connection) -> None:
            assert connection.execute(statement, {"name": name}).rowcount == 1
            connection.execute(pause)

        return work

    for name in ("1", "2"):
        writers[0].run(note(name))
    held = [Held(running) for running in writers]
    answers: list[Future] = []
    for running, order in zip(writers, ((1, 2), (2, 1)), strict=True):
        answers += [running.submit(touch(str(place)), order=place) for place in order]
    for each in held:
        each.release()
    assert [answer.result(30) for answer in answers] == [None] * 4
    for running, each in zip(writers, opened, strict=True):
        running.run(lambda connection: connection.execute(sa.text("DELETE FROM note")))
        running.stop()
        each.close()


def test_a_full_queue_refuses_at_once_and_takes_again_later(sqlite_engines):
    writer = Writer(sqlite_engines.write, SystemClock(), capacity=3)
    writer.start()
    held = Held(writer)
    answers = [writer.submit(note(f"n-{place}")) for place in range(3)]
    with pytest.raises(errors.StoreBusy, match="Try again"):
        writer.submit(note("too much"))
    held.release()
    assert [answer.result(30) for answer in answers] == ["n-0", "n-1", "n-2"]
    assert writer.run(note("later")) == "later"
    writer.stop()


def test_what_its_owner_gave_up_is_dropped_and_the_writer_lives(sqlite_writer, sqlite_url):
    held = Held(sqlite_writer)
    given_up, kept = sqlite_writer.submit(note("given up")), sqlite_writer.submit(note("kept"))
    assert given_up.cancel()
    held.release()
    assert kept.result(30) == "kept"
    with pytest.raises(CancelledError):
        given_up.result(30)
    assert names(sqlite_url) == {"kept"}


def test_stopping_writes_what_waits_and_takes_nothing_more(sqlite_engines, sqlite_url):
    writer = Writer(sqlite_engines.write, SystemClock())
    writer.start()
    held = Held(writer)
    answers = [writer.submit(note(f"n-{place}")) for place in range(700)]  # more than one group
    stopping = threading.Thread(target=writer.stop)
    stopping.start()
    held.release()
    stopping.join(30)
    assert all(answer.done() for answer in answers)
    assert len(names(sqlite_url)) == 700
    with pytest.raises(errors.StoreBusy, match="stopping"):
        writer.submit(note("late"))
    writer.stop()


def test_a_writer_that_never_began_can_be_stopped(sqlite_engines):
    writer = Writer(sqlite_engines.write, SystemClock())
    writer.stop()
    assert writer.backlog == 0


HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
connection.close()
"""


@pytest.fixture
def impatient(sqlite_url):
    """A writer that waits 0.3 s for another process instead of 5 s."""
    opened = engine.open_engines(sqlite_url)
    sa.event.listen(opened.write, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=300"))
    engine.migrate(opened.write)
    running = Writer(opened.write, SystemClock())
    running.start()
    yield running
    running.stop()
    opened.close()


def test_a_lock_that_another_process_keeps_is_told_as_busy_and_writing_recovers(impatient, sqlite_url):
    path = sqlite_url.removeprefix("sqlite:///")
    command = [sys.executable, "-c", HOLD_LOCK, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()
        answers = [impatient.submit(note(f"n-{place}")) for place in range(100)]
        for answer in answers:
            with pytest.raises(errors.StoreBusy, match="Another process holds the database"):
                answer.result(30)
        assert time.monotonic() - began < 100 * 0.3, "a group waits once, not once a piece"
        other.communicate("", timeout=30)
    assert impatient.run(note("after")) == "after"
    assert names(sqlite_url) == {"after"}


def pragma(engines, statement: str) -> None:
    """Set the writer's own connection, which lies idle in its pool."""
    connection = engines.write.raw_connection()
    connection.driver_connection.execute(f"PRAGMA {statement}")
    connection.close()


def test_a_full_disk_says_what_to_do_spares_small_neighbours_and_recovers(sqlite_writer, sqlite_engines, sqlite_url):
    sqlite_writer.run(note("first"))
    with sqlite_engines.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    pragma(sqlite_engines, f"max_page_count={pages + 20}")
    held = Held(sqlite_writer)
    small, large, last = (
        sqlite_writer.submit(note("small")),
        sqlite_writer.submit(note("large", 2_000_000)),
        sqlite_writer.submit(note("last")),
    )
    held.release()
    with pytest.raises(errors.StoreError, match=r"full\. Make room; what was stored is safe"):
        large.result(30)
    assert (small.result(30), last.result(30)) == ("small", "last")
    pragma(sqlite_engines, "max_page_count=1000000")
    assert sqlite_writer.run(note("large", 2_000_000)) == "large"
    assert names(sqlite_url) == {"first", "small", "last", "large"}


def test_a_file_that_may_not_be_written_says_so_and_recovers(sqlite_writer, sqlite_engines):
    pragma(sqlite_engines, "query_only=ON")
    with pytest.raises(errors.StoreError, match=r"cannot be written\. Check its permissions"):
        sqlite_writer.run(note("a"))
    pragma(sqlite_engines, "query_only=OFF")
    assert sqlite_writer.run(note("a")) == "a"


def test_a_statement_that_the_database_does_not_understand_is_told_with_its_words(writer):
    with pytest.raises(errors.StoreError, match="no_such_table"):
        writer.run(lambda connection: connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)"))
    assert writer.run(note("a")) == "a"


def test_items_of_one_sort_of_work_are_done_in_one_go_and_answered_one_by_one(sqlite_engines, add_to):
    running = Writer(sqlite_engines.write, SystemClock())
    goes = []

    def work(connection, items):
        goes.append(list(items))
        return [item * 2 for item in items]

    promised = [running.submit_items(work, [1, 2]), running.submit_items(work, [3])]
    running.start()
    assert [each.result() for each in promised] == [[2, 4], [6]]
    running.stop()
    assert goes == [[1, 2, 3]]


def test_a_bad_item_takes_nothing_else_with_it(sqlite_writer, sqlite_engines):
    def work(connection, items):
        for item in items:
            connection.exec_driver_sql("INSERT INTO note VALUES (?, '{}', '2026-03-14 09:00:00')", (item,))
        if "bad" in items:
            raise ValueError("a bad one")
        return items

    good, bad, last = sqlite_writer.submit_items(work, ["good", "bad", "last"]).result()
    assert (good, str(bad), last) == ("good", "a bad one", "last")
    with sqlite_engines.reading() as connection:
        assert set(connection.exec_driver_sql("SELECT name FROM note").scalars()) == {"good", "last"}


def test_more_items_than_fit_are_refused_whole(sqlite_engines):
    running = Writer(sqlite_engines.write, SystemClock(), capacity=3)
    running.submit_items(lambda connection, items: items, [1, 2])
    with pytest.raises(errors.StoreBusy):
        running.submit_items(lambda connection, items: items, [3, 4])
    assert running.backlog == 2
    running.submit_items(lambda connection, items: items, [3])
    assert running.backlog == 3


def test_trouble_stands_with_its_time_until_a_write_succeeds(sqlite_engines, clock):
    running = Writer(sqlite_engines.write, clock)
    running.start()
    since = clock.now()
    with sqlite_engines.write.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE note RENAME TO lost")
        connection.commit()
    for _ in range(2):
        with pytest.raises(errors.StoreError):
            running.run(lambda connection: connection.exec_driver_sql("DELETE FROM note"))
        clock.advance(5)
    assert running.trouble is not None
    assert (running.trouble.since, "note" in running.trouble.message) == (since, True)
    running.run(lambda connection: connection.exec_driver_sql("ALTER TABLE lost RENAME TO note").close())
    assert running.trouble is None
    running.stop()
