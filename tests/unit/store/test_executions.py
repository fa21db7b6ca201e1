"""Executions in the store: what is due, what is late, and what survives of odd inputs."""

from datetime import UTC, datetime

from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.store import executions, polls, remote
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
        assert executions.known_by_execution_id(connection, {"e-404"}) == {}
        assert polls.next_due_at(connection) is None
        assert remote.lock(connection, {404}) == []


def test_starts_without_an_answer_are_found_by_age(engines, add):
    old, _, _ = add(
        {"status": Status.STARTING, "second": -100},
        {"status": Status.STARTING},
        {"status": Status.QUEUED, "second": -100},
    )
    with engines.reading() as connection:
        assert executions.unnamed_before(connection, T0) == [old]


def test_replays_are_listed_oldest_first(engines, add):
    (original,) = add({})
    replays = add({"replay_of": original, "second": 5}, {"replay_of": original, "second": 3})
    add({"replay_of": replays[0]})
    with engines.reading() as connection:
        assert [row.id for row in executions.replays_of(connection, original)] == replays
