"""Executions in the store: what is due, what is late, and what survives of odd inputs."""

from datetime import UTC, datetime, timedelta

import pytest

from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.store import executions
from lamina_core.store.executions import Intent

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def intent(token: str, **changes) -> Intent:
    fields = {
        "token": token,
        "app_id": "app-1",
        "app_name": "Portrait Studio",
        "kind": Kind.IMAGE,
        "generation": Generation.EXECUTIONS,
        "inputs": {},
        "chosen_outputs": (),
        "origin": Origin.FORM,
        "replay_of": None,
        "started_by": "Ada",
        "webhook_expected": True,
    }
    return Intent(**fields | changes)


INPUTS = {
    "Model  Ethnicity": "Standard ",
    "": "",
    "links": ["https://example.com/a?b=c&d=%20", "https://example.com/🦊"],
    "text": "line\r\none\u2028two\ttab \\ \" ' \u0000 end",
    "number": 12345678901234567890,
    "nothing": None,
    "deep": {"a": [{"b": [True, False, 1.5]}]},
}


def test_inputs_come_back_exactly_as_they_went_in(engines, writer):
    row = writer.run(
        lambda connection: executions.insert_intent(
            connection, intent("t", inputs=INPUTS, chosen_outputs=("B", "A")), T0
        )
    )
    with engines.reading() as connection:
        payload = executions.find_payload(connection, row)
        found = executions.find(connection, row)
        assert executions.id_by_token(connection, "t") == row
        assert executions.id_by_token(connection, "T") is None
    assert payload == executions.Payload(INPUTS, ("B", "A"), (), None, ())
    assert (found.status, found.created_at, found.next_poll_at) == (Status.STARTING, T0, None)


def test_what_is_not_there_is_none(engines):
    with engines.reading() as connection:
        assert executions.find(connection, 404) is None
        assert executions.find_payload(connection, 404) is None
        assert executions.id_by_execution_id(connection, "e-404") is None
        assert executions.next_due_at(connection) is None
        assert executions.lock(connection, 404) is None


def test_the_longest_due_come_first_and_no_more_than_asked_for(engines, add):
    _, second, first, _ = add(
        {"next_poll_at": T0 + timedelta(seconds=1)},
        {"next_poll_at": T0},
        {"next_poll_at": T0 - timedelta(days=1)},
        {"next_poll_at": None},
    )
    with engines.reading() as connection:
        assert [row.id for row in executions.due(connection, T0, 10)] == [first, second]
        assert [row.id for row in executions.due(connection, T0, 1)] == [first]
        assert executions.next_due_at(connection) == T0 - timedelta(days=1)


@pytest.mark.parametrize(("planned", "after"), [(None, None), (T0, T0 + timedelta(seconds=9))])
def test_only_what_is_polled_at_all_is_put_off(engines, writer, add, planned, after):
    (row,) = add({"next_poll_at": planned})
    writer.run(lambda connection: executions.schedule_poll(connection, row, T0 + timedelta(seconds=9)))
    with engines.reading() as connection:
        assert executions.find(connection, row).next_poll_at == after


def test_polls_are_counted_and_an_error_stands_until_the_next(engines, writer, add):
    (row,) = add({})
    for error in ("no answer", None):
        writer.run(lambda connection, error=error: executions.record_poll(connection, row, T0, error))
    with engines.reading() as connection:
        found = executions.find(connection, row)
    assert (found.poll_count, found.poll_error, found.last_poll_at) == (2, None, T0)


def test_starts_without_an_answer_are_found_by_age(engines, add):
    old, _, _ = add(
        {"status": Status.STARTING, "second": -100},
        {"status": Status.STARTING},
        {"status": Status.QUEUED, "second": -100},
    )
    with engines.reading() as connection:
        assert executions.stale_starts(connection, T0) == [old]


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
        assert executions.count_in_flight(connection, T0, 100) == (4, 2)
        assert executions.count_in_flight(connection, T0, 1) == (1, 1)


def test_replays_are_listed_oldest_first(engines, add):
    (original,) = add({})
    replays = add({"replay_of": original, "second": 5}, {"replay_of": original, "second": 3})
    add({"replay_of": replays[0]})
    with engines.reading() as connection:
        assert [row.id for row in executions.replays_of(connection, original)] == replays
