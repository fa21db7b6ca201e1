"""Our receiver on a real server, and what a Lamina that misbehaves on demand makes of it."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import config, errors, runtime
from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.domain import App, Execution, Operator, Role, Status, Verdict
from lamina_core.sandbox.server import Sandbox
from lamina_core.starts import StartRequest
from lamina_core.store import deliveries, executions
from lamina_core.store.deliveries import Arrival
from lamina_core.webhooks.receiver import PATH

ADA = Operator("Ada", Role.OPERATOR)
FOUR = 4  # POSTs of a webhook that is never taken


class ShiftedClock(SystemClock):
    """The machine's clock, some seconds off."""

    shift = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.shift)


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it took longer than 30 s"
        time.sleep(0.01)


class Desk:
    """A process without a poller: only webhooks move its executions."""

    def __init__(self, folder, lamina: Sandbox, clock: ShiftedClock) -> None:
        self.clock = clock
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        given = {
            "LAMINA_API_KEY": "lma_test",
            "LAMINA_BASE_URL": lamina.base_url,
            "LAMINA_DATABASE_URL": f"sqlite:///{folder / 'desk.db'}",
            "LAMINA_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "LAMINA_RATE_LIMIT_PER_MINUTE": "6000",
        }
        self.parts = runtime.build(config.load(given), clock)
        app = Starlette(routes=[Route(PATH, self.parts.receiver.receive, methods=["POST"])])
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def open(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self.parts.stop()

    def start(self, notes: str) -> int:
        app = App("7a62d16d-dbe6-47f2-875e-efb4c6dea863", "Studio Product Shot", None, is_public=True)
        request = StartRequest(f"{time.monotonic_ns():032x}", app, {"Scene Notes": notes})
        return self.parts.operations.start(ADA, request, self.parts.webhook_url)

    def execution(self, row: int) -> Execution:
        with self.parts.engines.reading() as connection:
            return executions.find(connection, row)

    def status(self, row: int) -> Status:
        return self.execution(row).status

    def kept(self) -> list[sa.Row]:
        with self.parts.engines.reading() as connection:
            return list(connection.exec_driver_sql("SELECT * FROM delivery ORDER BY id"))

    def talk(self, sent: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(sent)
        return connection


@pytest.fixture
def lamina_clock():
    return ShiftedClock()


@pytest.fixture
def lamina(request, lamina_clock):
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=lamina_clock,
        seed=7,
        speed=getattr(request, "param", 400.0),
        rate_limit=0,
        port=0,
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def desk(tmp_path, lamina):
    opened = Desk(tmp_path, lamina, ShiftedClock())
    opened.open()
    yield opened
    opened.close()


def test_a_webhook_ends_an_execution_that_nobody_polls(desk):
    row = desk.start("as usual")
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    (kept,) = desk.kept()
    assert (kept.verdict, kept.reason, kept.execution) == ("accepted", None, row)


def test_a_duplicate_is_taken_and_linked(desk):
    row = desk.start("[fault:duplicate_webhook]")
    wait_until(lambda: len(desk.kept()) == 2)
    assert desk.status(row) is Status.COMPLETED
    assert [(kept.verdict, kept.reason, kept.execution) for kept in desk.kept()] == [
        ("accepted", None, row),
        ("accepted", "duplicate", row),
    ]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong_signature", "not_verified"),
        ("stale_timestamp", "stale_timestamp"),
        ("milliseconds_timestamp", "future_timestamp"),
        ("mismatched_request_id", "request_id_mismatch"),
    ],
)
def test_what_does_not_verify_is_refused_each_time_and_moves_nothing(desk, fault, reason):
    desk.parts.keys.refresh()
    row = desk.start(f"[fault:{fault}]")
    started = desk.execution(row)  # queued, but where the machine is slow, for at this speed that lasts milliseconds
    wait_until(lambda: len(desk.kept()) == FOUR)
    assert {(kept.verdict, kept.reason, kept.execution) for kept in desk.kept()} == {("rejected", reason, None)}
    assert desk.execution(row) == started


def test_a_rotated_key_is_fetched_and_accepted(desk):
    desk.clock.shift = -61
    assert desk.parts.keys.refresh()
    desk.clock.shift = 0
    row = desk.start("[fault:rotated_key]")
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    assert desk.kept()[-1].key_id == "lamina-webhook-v2"


def test_a_start_whose_answer_was_lost_is_settled_by_its_webhook(desk):
    row = desk.start("[fault:answer_lost]")
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    with desk.parts.engines.reading() as connection:
        assert executions.find(connection, row).execution_id == desk.kept()[0].request_id


def test_a_process_without_keys_and_with_a_clock_two_minutes_off_takes_its_first_webhook(desk):
    desk.clock.shift = 120
    assert not desk.parts.keys.keys()
    row = desk.start("as usual")
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    assert [kept.verdict for kept in desk.kept()] == ["accepted"]


HEAD = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


def answer_of(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
        if b'"}' in part:
            break
    connection.close()
    return b"".join(parts)


def test_too_much_is_refused_before_it_has_all_come(desk):
    connection = desk.talk(HEAD + b"Content-Length: 500000000\r\n\r\n" + b"x" * 1_000_001)
    answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"too_large" in answer


def test_chunks_without_an_announced_length_are_bounded_too(desk):
    chunk = b"%x\r\n" % 600_000 + b"x" * 600_000 + b"\r\n"
    answer = answer_of(desk.talk(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk))
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_sender_that_hangs_up_in_the_middle_is_kept_as_such_and_hurts_nobody(desk):
    desk.talk(HEAD + b'Content-Length: 100\r\n\r\n{"data"').close()
    wait_until(lambda: len(desk.kept()) == 1)
    assert desk.kept()[0].reason == "cut_off"
    row = desk.start("as usual")
    wait_until(lambda: desk.status(row) is Status.COMPLETED)


def set_on_writer(desk, pragma: str) -> None:
    """Set a pragma on the connection that the writer takes from the pool next."""
    raw = desk.parts.engines.write.raw_connection()
    raw.driver_connection.execute(f"PRAGMA {pragma}")
    raw.close()


def attempts_of(lamina: Sandbox, row_id: str) -> list[int | None]:
    log = httpx.get(f"{lamina.base_url}/sandbox/log", timeout=30).json()["attempts"]
    return [each["status"] for each in log if each["executionId"] == row_id]


def fill_up(desk) -> None:
    """Let the database grow no more, and use up what is free in it."""
    set_on_writer(desk, "max_page_count=1")
    for size in (3_000, 300, 3):
        posted = Arrival(desk.clock.now(), Verdict.REJECTED, "filler", 401, None, None, {}, b"x" * size, "", None)
        try:
            for _ in range(300):
                desk.parts.writer.run(lambda connection, posted=posted: deliveries.insert(connection, posted))
        except errors.StoreError:
            continue


TROUBLES = {
    "full": (fill_up, "max_page_count=1000000"),
    "cannot be written": (lambda desk: set_on_writer(desk, "query_only=ON"), "query_only=OFF"),
}


# At the speed of life a test moves Lamina's clock to an end, and to the next try of a webhook, by these seconds.
ENDS, TRIES_AGAIN = 30, 130


@pytest.mark.parametrize("told", TROUBLES)
@pytest.mark.parametrize("lamina", [1.0], indirect=True)
def test_a_database_that_takes_nothing_is_told_asked_again_and_recovers_without_a_restart(
    desk, lamina, lamina_clock, caplog, told
):
    break_it, mended = TROUBLES[told]
    desk.parts.keys.refresh()
    row = desk.start("as usual")
    break_it(desk)
    with desk.parts.engines.reading() as connection:
        name = executions.find(connection, row).execution_id
    lamina_clock.shift += ENDS
    wait_until(lambda: 503 in attempts_of(lamina, name))
    assert told in desk.parts.writer.trouble.message
    assert told in caplog.text
    assert desk.status(row) is Status.QUEUED, "what was stored can be read all the while"
    if told == "cannot be written":  # a full database may still have room for what is small
        with pytest.raises(errors.StoreError, match=told):
            desk.start("while nothing can be stored")
        starts = httpx.get(f"{lamina.base_url}/sandbox/log", timeout=30).json()["starts"]
        assert len(starts) == 1, "no intent, no start"
    set_on_writer(desk, mended)
    lamina_clock.shift += TRIES_AGAIN
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    assert attempts_of(lamina, name)[-1] == 200
    assert desk.parts.writer.trouble is None


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("lamina", [1.0], indirect=True)
def test_a_database_that_another_process_holds_costs_nothing_but_time(desk, lamina, lamina_clock):
    command = [sys.executable, "-c", HOLD, desk.parts.engines.write.url.database]
    desk.parts.keys.refresh()
    row = desk.start("as usual")
    with desk.parts.engines.reading() as connection:
        name = executions.find(connection, row).execution_id
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        lamina_clock.shift += ENDS
        wait_until(lambda: 503 in attempts_of(lamina, name))  # after the five seconds that the writer waits
        assert "Another process holds the database" in desk.parts.writer.trouble.message
        assert desk.status(row) is Status.QUEUED
        holder.communicate("", timeout=30)
    lamina_clock.shift += TRIES_AGAIN
    wait_until(lambda: desk.status(row) is Status.COMPLETED)
    assert [kept.verdict for kept in desk.kept()] == ["accepted"]
