"""What the poller asks the store, on either database."""

from datetime import timedelta

import pytest

from lamina_core.domain import Kind, Status
from lamina_core.store import executions, polls
from tests.unit.store.conftest import T0


def test_what_became_due_last_comes_first_or_last_and_no_more_than_asked_for(engines, add):
    _, recent, long_due, _, _ = add(
        {"execution_id": "e-1", "next_poll_at": T0 + timedelta(seconds=1)},
        {"execution_id": "e-2", "next_poll_at": T0},
        {"execution_id": "e-3", "next_poll_at": T0 - timedelta(days=1)},
        {"execution_id": "e-4", "next_poll_at": None},
        {"execution_id": None, "next_poll_at": T0},
    )
    with engines.reading() as connection:
        assert [row.id for row in polls.due(connection, T0, 10)] == [recent, long_due]
        assert [row.id for row in polls.due(connection, T0, 1)] == [recent]
        assert [row.id for row in polls.due(connection, T0, 1, longest_first=True)] == [long_due]
        assert polls.count_due(connection, T0, 10) == 3
        assert polls.count_due(connection, T0, 1) == 1
        assert polls.next_due_at(connection) == T0 - timedelta(days=1)


@pytest.mark.parametrize(("planned", "after"), [(None, None), (T0, T0 + timedelta(seconds=9))])
def test_only_what_is_polled_at_all_is_put_off(engines, writer, add, planned, after):
    (row,) = add({"next_poll_at": planned})
    writer.run(lambda connection: polls.postpone(connection, row, T0 + timedelta(seconds=9)))
    with engines.reading() as connection:
        assert executions.find(connection, row).next_poll_at == after


def test_polls_are_counted_and_an_error_stands_until_the_next(engines, writer, add):
    (row,) = add({})
    for error in ("no answer", None):
        writer.run(lambda connection, error=error: polls.record(connection, [row], T0, error))
    with engines.reading() as connection:
        found = executions.find(connection, row)
    assert (found.poll_count, found.poll_error, found.last_poll_at) == (2, None, T0)


def test_what_is_in_flight_and_late_is_counted_up_to_a_cap(engines, add):
    add(
        {"status": Status.STARTING},
        {"status": Status.QUEUED, "second": -100},
        {"status": Status.RUNNING},
        {"status": Status.UNKNOWN, "second": -100},
        {"status": Status.COMPLETED, "second": -100},
        {"status": Status.START_UNCONFIRMED},
    )
    with engines.reading() as connection:
        assert polls.count_in_flight(connection, T0, 100) == (4, 2)
        assert polls.count_in_flight(connection, T0, 1) == (1, 1)


def test_an_execution_that_has_ended_and_is_read_once_more_says_so(engines, add):
    add(
        {"execution_id": "e-1", "next_poll_at": T0, "status": Status.COMPLETED},
        {"execution_id": "e-2", "next_poll_at": T0 - timedelta(seconds=1), "status": Status.RUNNING},
    )
    with engines.reading() as connection:
        assert [(row.execution_id, row.ended) for row in polls.due(connection, T0, 9)] == [
            ("e-1", True),
            ("e-2", False),
        ]
        assert [row.execution_id for row in polls.in_flight(connection, 9)] == ["e-2"]


def test_durations_are_those_of_the_app_s_last_ends_newest_first(engines, add):
    def ended(second, seconds, status=Status.COMPLETED, app_id="app-1"):
        end = T0 + timedelta(seconds=second + seconds)
        return {"second": second, "completed_at": end, "status": status, "app_id": app_id}

    add(
        ended(0, 11),
        ended(10, 12, Status.FAILED),
        ended(20, 13),
        ended(30, 14, Status.CANCELLED),
        ended(40, 15, app_id="app-2"),
        ended(50, -3),  # clocks differ: no duration
        {"second": 60, "completed_at": None},
    )
    with engines.reading() as connection:
        assert polls.durations(connection, "app-1", 10) == [13, 12, 11]
        assert polls.durations(connection, "app-1", 3) == [13, 12]
        assert polls.durations(connection, "app-3", 2) == []


def test_a_kind_that_is_set_counts_for_what_is_in_flight_until_it_is_taken_back(engines, writer, add):
    flying, done, other = add(
        {"status": Status.RUNNING}, {"status": Status.COMPLETED}, {"status": Status.RUNNING, "app_id": "app-2"}
    )
    writer.run(lambda connection: polls.set_kind(connection, "app-1", Kind.MULTI_STEP))
    writer.run(lambda connection: polls.set_kind(connection, "app-1", Kind.VIDEO))
    with engines.reading() as connection:
        assert polls.set_kinds(connection) == {"app-1": Kind.VIDEO}
        kinds = [executions.find(connection, row).kind for row in (flying, done, other)]
    assert kinds == [Kind.VIDEO, Kind.IMAGE, Kind.IMAGE]
    writer.run(lambda connection: polls.set_kind(connection, "app-1", None))
    with engines.reading() as connection:
        assert polls.set_kinds(connection) == {}
