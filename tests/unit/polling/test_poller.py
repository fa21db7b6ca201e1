"""The loop that asks Lamina, round by round, on a clock that a test moves."""

import itertools
import logging
import threading
import time
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import SystemClock
from lamina_core.domain import Kind, Status
from lamina_core.polling.budget import Budget
from lamina_core.polling.health import ApiHealth, ApiState
from lamina_core.polling.poller import READS_AT_ONCE, Chore
from lamina_core.store import leases, notes
from lamina_core.store.writer import Writer


def health_note(desk) -> ApiHealth:
    desk.writer.run(lambda connection: None)  # what was handed in before is written now
    with desk.engines.reading() as connection:
        note = notes.read(connection, notes.API_HEALTH)
    return ApiHealth.from_document(note.document) if note else ApiHealth()


def pause(desk, paused_by: str | None) -> None:
    now = desk.clock.now()
    desk.writer.run(lambda connection: notes.write(connection, notes.POLLING, {"paused_by": paused_by}, now))


def test_what_is_due_is_read_and_what_is_not_is_left(desk, lamina, clock):
    desk.start("e-1")
    poller = desk.poller()
    desk.step(poller)
    assert lamina.asked == []
    desk.start("e-2")
    clock.advance(4)
    desk.step(poller)
    assert sorted(lamina.asked) == ["e-1", "e-2"]
    found = desk.row(1)
    assert (found.status, found.poll_count, found.last_poll_at) == (Status.RUNNING, 1, clock.now())


@pytest.mark.parametrize(
    ("kind", "shorter", "longer"), [(Kind.IMAGE, 3, 5), (Kind.MULTI_STEP, 5, 10), (Kind.VIDEO, 10, 15)]
)
def test_the_guide_s_intervals_hold_between_any_two_reads(desk, lamina, kind, shorter, longer):
    desk.start("e-1", kind=kind)
    desk.pass_time(desk.poller(), 80, tick=0.25)
    gaps = [later - earlier for earlier, later in itertools.pairwise(lamina.times["e-1"])]
    assert len(gaps) >= 80 / longer - 2
    assert all(shorter <= gap <= longer + 0.25 for gap in gaps)


def test_the_end_stops_the_polls(desk, lamina):
    row = desk.start("e-1")
    poller = desk.poller()
    desk.pass_time(poller, 10)
    lamina.end("completed")
    desk.pass_time(poller, 10)
    asked = len(lamina.asked)
    desk.pass_time(poller, 60)
    assert len(lamina.asked) == asked
    assert (desk.row(row).status, desk.row(row).next_poll_at) == (Status.COMPLETED, None)


def test_three_times_not_found_is_gone(desk, lamina):
    row = desk.start("e-1")
    lamina.refuse(404)
    poller = desk.poller()
    desk.pass_time(poller, 60)
    assert (lamina.asked, desk.row(row).status) == (["e-1"] * 3, Status.GONE)
    assert health_note(desk).state is ApiState.OK


@pytest.mark.parametrize("status", [400, 429])
def test_an_error_puts_the_one_read_off_and_is_kept_with_its_row(desk, lamina, clock, status):
    row = desk.start("e-1")
    clock.advance(4)
    lamina.refuse(status, {"retry-after": "1"})
    desk.step(desk.poller())
    found = desk.row(row)
    assert (found.status, found.poll_error, found.poll_count) == (Status.QUEUED, f"told {status}", 1)
    assert found.next_poll_at >= clock.now() + timedelta(seconds=3)


def test_after_a_429_nothing_is_read_until_lamina_said(desk, lamina, clock):
    desk.start("e-1")
    clock.advance(4)
    lamina.refuse(429, {"retry-after": "30"})
    poller = desk.poller()
    desk.pass_time(poller, 29)
    assert len(lamina.asked) == 1
    lamina.end("completed")
    desk.pass_time(poller, 5)
    assert len(lamina.asked) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_pauses_all_changes_nothing_and_is_tried_again_by_one_probe(desk, lamina, clock, status):
    rows = [desk.start(f"e-{place}") for place in range(6)]
    clock.advance(10)
    lamina.refuse(status)
    poller = desk.poller()
    desk.step(poller)
    asked = len(lamina.asked)
    assert asked <= READS_AT_ONCE
    desk.pass_time(poller, 58)
    assert len(lamina.asked) == asked, "paused for a minute"
    assert {desk.row(row).status for row in rows} == {Status.QUEUED}
    assert (health_note(desk).state, health_note(desk).message) == (ApiState.REFUSED, f"told {status}")
    clock.advance(3)
    desk.step(poller)
    assert len(lamina.asked) == asked + 1, "one probe"
    lamina.end("completed")
    clock.advance(61)
    desk.step(poller)
    assert health_note(desk).state is ApiState.OK
    desk.pass_time(poller, 10)
    assert {desk.row(row).status for row in rows} == {Status.COMPLETED}


def test_without_answers_polling_backs_off_with_one_probe_at_a_time(desk, lamina, clock):
    rows = [desk.start(f"e-{place}") for place in range(6)]
    clock.advance(10)
    lamina.vanish()
    poller = desk.poller()
    desk.step(poller)
    first = len(lamina.asked)
    assert health_note(desk).state is ApiState.UNREACHABLE
    desk.pass_time(poller, 300)
    assert 4 <= len(lamina.asked) - first <= 12
    assert {desk.row(row).status for row in rows} == {Status.QUEUED}
    lamina.end("failed")
    desk.pass_time(poller, 90)
    assert {desk.row(row).status for row in rows} == {Status.FAILED}


def test_a_key_that_was_mended_before_a_restart_is_tried_at_once_and_told(desk, lamina, clock):
    desk.start("e-1")
    clock.advance(10)
    lamina.refuse(401)
    before = desk.poller("before")
    desk.step(before)
    before.stop()
    lamina.end("completed")
    desk.make_due()
    desk.step(desk.poller("after"))
    assert health_note(desk).state is ApiState.OK


def test_a_pause_by_an_operator_stops_reads_and_keeps_the_lease(desk, lamina, clock):
    desk.start("e-1")
    clock.advance(10)
    pause(desk, "Ada")
    poller = desk.poller()
    desk.pass_time(poller, 60)
    assert lamina.asked == []
    with desk.engines.reading() as connection:
        assert leases.read(connection, leases.POLLER).heartbeat_at >= clock.now() - timedelta(seconds=5)
    pause(desk, None)
    desk.step(poller)
    assert lamina.asked == ["e-1"]


def test_two_pollers_on_one_database_never_read_twice(desk, lamina, clock):
    for place in range(3):
        desk.start(f"e-{place}")
    one, two = desk.poller("one"), desk.poller("two")
    for _ in range(80):
        desk.step(one)
        desk.step(two)
        clock.advance(0.5)
    for times in lamina.times.values():
        assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(times))
    two.stop()
    desk.make_due()
    before = len(lamina.asked)
    desk.step(one)
    assert len(lamina.asked) == before + 3, "the one that was first reads"


def test_the_other_takes_over_when_the_lease_has_run_out(desk, lamina, clock):
    desk.start("e-1")
    one, two = desk.poller("one"), desk.poller("two")
    desk.step(one)
    clock.advance(9)
    desk.step(two)
    assert lamina.asked == []
    clock.advance(4)  # 13 seconds after the last sign of life
    desk.step(two)
    assert lamina.asked == ["e-1"]
    desk.make_due()
    desk.step(one)
    assert lamina.asked == ["e-1"], "the first sees that it has lost the lease"


def test_a_lease_that_is_given_back_is_taken_at_once(desk, lamina, clock):
    desk.start("e-1")
    one, two = desk.poller("one"), desk.poller("two")
    desk.step(one)
    one.stop()
    clock.advance(5)
    desk.step(two)
    assert lamina.asked == ["e-1"]


def test_a_chore_that_outlasts_the_lease_is_followed_by_no_read(desk, lamina, clock):
    desk.start("e-1")
    two = desk.poller("two")

    def dawdle() -> None:
        clock.advance(20)
        desk.step(two)

    one = desk.poller("one", chores=[Chore("dawdling", timedelta(hours=1), dawdle, asks_lamina=False)])
    desk.step(one)
    assert lamina.asked == ["e-1"]
    desk.make_due()
    desk.step(one)
    assert lamina.asked == ["e-1"]


def test_stopping_twice_is_stopping_once(desk, writer):
    poller = desk.poller()
    poller.start()
    poller.stop()
    writer.stop()
    poller.stop()
    with desk.engines.reading() as connection:
        assert leases.read(connection, leases.POLLER) is None


def test_stopping_waits_neither_for_a_chore_nor_for_a_read_that_hangs(desk, lamina, clock, until):
    desk.start("e-1")
    clock.advance(10)
    lamina.gate = threading.Event()
    reading = desk.poller()
    reading.step()
    until(lambda: lamina.asked == ["e-1"])
    hanging = desk.poller("one", chores=[Chore("hanging", timedelta(hours=1), lamina.gate.wait, asks_lamina=False)])
    hanging.start()
    until(lambda: hanging._chores[0].due_at is not None)
    began = time.monotonic()
    reading.stop()
    hanging.stop()
    assert time.monotonic() - began < 10, "they would hang for a minute"
    with desk.engines.reading() as connection:
        assert leases.read(connection, leases.POLLER) is None
    assert all(thread.daemon for thread in threading.enumerate() if thread.name in {"poll", "poller"})
    lamina.gate.set()
    until(lambda: not reading._reading and not hanging._duty._thread.is_alive())


def test_a_lease_that_cannot_be_given_back_does_not_keep_the_process(desk, writer):
    poller = desk.poller()
    desk.step(poller)
    writer.stop()
    poller.stop()
    with desk.engines.reading() as connection:
        assert leases.read(connection, leases.POLLER).holder == "one"


class Count:
    """A chore's work: how often it was done, and what it runs into."""

    def __init__(self) -> None:
        self.done = 0
        self.trouble: Exception | None = None

    def __call__(self) -> None:
        self.done += 1
        if self.trouble is not None:
            raise self.trouble


def test_a_chore_is_done_at_once_and_then_every_so_often(desk):
    count = Count()
    desk.pass_time(desk.poller(chores=[Chore("counting", timedelta(seconds=10), count, asks_lamina=False)]), 35)
    assert count.done == 4


def test_an_operator_can_have_every_chore_done_now(desk):
    count = Count()
    poller = desk.poller(chores=[Chore("counting", timedelta(hours=1), count, asks_lamina=False)])
    desk.step(poller)
    desk.step(poller)
    poller.wake_chores()
    desk.step(poller)
    assert count.done == 2


def test_only_the_holder_of_the_lease_does_chores(desk):
    count = Count()
    chore = Chore("counting", timedelta(seconds=1), count, asks_lamina=False)
    desk.step(desk.poller("one"))
    desk.pass_time(desk.poller("two", chores=[chore]), 5)
    assert count.done == 0


def test_a_chore_waits_while_lamina_is_away_and_recovers(desk, clock):
    count = Count()
    count.trouble = errors.ApiUnreachable("no answer", sent=True)
    poller = desk.poller(chores=[Chore("counting", timedelta(minutes=5), count, asks_lamina=True)])
    desk.pass_time(poller, 60)
    assert 4 <= count.done <= 7
    assert health_note(desk).state is ApiState.UNREACHABLE
    count.trouble = None
    desk.pass_time(poller, 70)
    done = count.done
    desk.pass_time(poller, 60)
    assert count.done == done
    assert health_note(desk).state is ApiState.OK


@pytest.mark.parametrize("error", [errors.NotFound("none", status=404), errors.InvalidRequest("no", status=400)])
def test_a_chore_that_lamina_refuses_leaves_the_budget_to_the_reads(desk, error):
    count = Count()
    count.trouble = error
    desk.pass_time(desk.poller(chores=[Chore("counting", timedelta(minutes=5), count, asks_lamina=True)]), 120)
    assert count.done == 1


def test_a_chore_that_came_at_a_busy_time_is_done_when_lamina_allows(desk, budget):
    count = Count()
    count.trouble = errors.RateLimited("slowly", status=429, retryable=True)
    poller = desk.poller(chores=[Chore("counting", timedelta(minutes=5), count, asks_lamina=True)])
    desk.step(poller)
    budget.observe(429, {"retry-after": "20"})
    count.trouble = None
    desk.pass_time(poller, 19)
    assert count.done == 1
    desk.pass_time(poller, 5)
    assert count.done == 2


@pytest.mark.parametrize("trouble", [errors.StoreBusy("busy"), errors.StoreError("full")])
def test_a_chore_that_the_store_refuses_does_not_keep_the_others(desk, trouble):
    failing, count = Count(), Count()
    failing.trouble = trouble
    chores = [
        Chore(name, timedelta(seconds=1), work, asks_lamina=False) for name, work in (("a", failing), ("b", count))
    ]
    desk.pass_time(desk.poller(chores=chores), 5)
    assert count.done >= 4
    assert failing.done >= 4


def test_reads_at_once_are_bounded_and_nobody_is_read_twice_meanwhile(desk, lamina, clock, until):
    for place in range(READS_AT_ONCE + 4):
        desk.start(f"e-{place}")
    clock.advance(10)
    lamina.gate = threading.Event()
    poller = desk.poller()
    for _ in range(5):
        poller.step()
    until(lambda: len(lamina.asked) == READS_AT_ONCE)
    poller.step()
    lamina.gate.set()
    until(lambda: not poller._reading)
    for _ in range(5):
        desk.step(poller)
    assert lamina.most_at_once == READS_AT_ONCE
    assert sorted(lamina.asked) == sorted(f"e-{place}" for place in range(READS_AT_ONCE + 4))


def test_reads_stay_under_the_budget_however_many_are_in_flight(desk, client, lamina, clock):
    for place in range(100):
        desk.start(f"e-{place}")
    poller = desk.poller(budget=Budget(60, clock))
    desk.pass_time(poller, 100, tick=1.0)
    instants = sorted(instant for times in lamina.times.values() for instant in times)
    most = max(sum(first <= other < first + 60 for other in instants) for first in instants)
    assert most <= 60 * 0.8
    assert len(lamina.times) >= 50, "those that waited longest come first, so all have their turn"


def test_a_read_that_could_not_be_stored_is_not_repeated_in_haste(desk, lamina, engines, clock, caplog):
    desk.start("e-1")
    clock.advance(10)
    poller = desk.poller()
    desk.step(poller)
    desk.make_due()
    before = len(lamina.asked)
    poller._reader._writer = Writer(engines.write, SystemClock(), capacity=0)
    with caplog.at_level(logging.WARNING):
        for _ in range(8):
            desk.step(poller)
            clock.advance(0.25)
    poller._reader._writer = desk.writer
    assert len(lamina.asked) == before + 1
    assert "was not stored" in caplog.text
    clock.advance(2)
    desk.step(poller)
    assert len(lamina.asked) == before + 2


def test_a_fault_of_our_own_in_one_read_is_logged_and_rests(desk, lamina, clock, caplog):
    desk.start("e-1")
    clock.advance(10)

    def stumble(name: str) -> httpx.Response:
        raise ZeroDivisionError

    lamina.answer = stumble
    poller = desk.poller()
    for _ in range(8):
        desk.step(poller)
        clock.advance(0.25)
    assert len(lamina.asked) == 1
    assert "a read of 1 failed" in caplog.text
    lamina.end("completed")
    clock.advance(2)
    desk.step(poller)
    assert desk.row(1).status is Status.COMPLETED


def test_the_loop_outlives_every_trouble(desk, lamina, until, clock, caplog):
    count = Count()
    count.trouble = ZeroDivisionError()
    poller = desk.poller(chores=[Chore("counting", timedelta(0), count, asks_lamina=False)])
    poller.start()
    until(lambda: count.done >= 2)
    desk.writer.run(lambda connection: connection.exec_driver_sql("ALTER TABLE lease RENAME TO lost").close())
    clock.advance(5)
    until(lambda: "poller: waits for the database" in caplog.text)
    desk.writer.run(lambda connection: connection.exec_driver_sql("ALTER TABLE lost RENAME TO lease").close())
    done = count.done
    until(lambda: count.done >= done + 2)
    poller.stop()
    assert "poller: a round failed" in caplog.text


def test_what_a_delivery_has_ended_meanwhile_is_not_taken_up_again_by_a_failed_read(desk, lamina, clock):
    row = desk.start("e-1")
    clock.advance(10)

    def end_first(name: str) -> httpx.Response:
        desk.writer.run(
            lambda connection: connection.execute(
                sa.text("UPDATE execution SET status='completed', next_poll_at=NULL WHERE id=:row"), {"row": row}
            )
        )
        return httpx.Response(400, json={"error": "odd"})

    lamina.answer = end_first
    desk.step(desk.poller())
    assert (desk.row(row).status, desk.row(row).next_poll_at) == (Status.COMPLETED, None)
