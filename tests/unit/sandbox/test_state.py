"""The state is one file that survives, refuses foreign files, and keeps its log bounded."""

import sqlite3

import pytest

from lamina_core import errors
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.records import Attempt
from lamina_core.sandbox.state import LOG_LENGTH, State


@pytest.fixture
def state():
    opened = State(None)
    yield opened
    opened.close()


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough to be read as one" * 30)

    with pytest.raises(errors.ConfigurationError, match=r"notes\.txt.*--database"):
        State(path)


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (id INTEGER)")
    other.commit()
    other.close()

    with pytest.raises(errors.ConfigurationError, match="not made by this version"):
        State(path)

    again = sqlite3.connect(path)
    assert [row[0] for row in again.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    again.close()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(errors.ConfigurationError, match="--database"):
        State(tmp_path / "missing" / "sandbox.db")


def test_keys_survive_and_rotation_puts_the_new_one_first(tmp_path):
    first = State(tmp_path / "sandbox.db")
    ring = KeyRing(first)
    original = ring.jwks()
    ring.rotate()
    first.close()

    second = State(tmp_path / "sandbox.db")
    again = KeyRing(second)

    assert [jwk["kid"] for jwk in again.jwks()] == ["lamina-webhook-v2", "lamina-webhook-v1"]
    assert again.jwks()[1:] == original
    assert again.current().key_id == "lamina-webhook-v2"
    second.close()


def test_the_log_is_read_from_a_sequence_on(state):
    for number in range(5):
        state.add_request({"number": number})

    assert [entry["number"] for _, _, entry in state.log_since(3)] == [3, 4]


def test_the_log_keeps_the_latest_entries_only(state):
    for number in range(LOG_LENGTH + 1_000):
        state.add_request({"number": number})

    kept = state.log_since(0)

    assert len(kept) == LOG_LENGTH
    assert kept[-1][2]["number"] == LOG_LENGTH + 999


def test_a_failed_change_leaves_nothing_behind(bench, make_app):
    execution = bench.start(make_app())

    with pytest.raises(sqlite3.IntegrityError):
        bench.state.add_execution(execution, None)

    assert bench.state.next_number() == 2
    assert len(bench.state.log_since(0)) == 1


def test_attempts_are_logged_and_a_finished_webhook_is_gone(bench, make_app):
    bench.start(make_app(), webhook_url="http://127.0.0.1:9/hook")
    (webhook,) = bench.webhooks
    attempt = Attempt(webhook.execution_id, webhook.url, 1, 500, None, 7, None)

    bench.state.record_attempt(webhook, [attempt], due_at=99)
    assert bench.state.find_webhook(webhook.number).attempts == 1
    bench.state.record_attempt(webhook, [attempt], due_at=None)

    assert bench.state.find_webhook(webhook.number) is None
    logged = [entry for _, kind, entry in bench.state.log_since(0) if kind == "attempt"]
    assert [entry["status"] for entry in logged] == [500, 500]


def test_an_id_with_a_lone_surrogate_is_simply_unknown(state):
    assert state.find("\udc80") is None
