"""`POST /api/executions` over real sockets: each row of its table of answers, and everything hostile."""

import asyncio
import json
import logging
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import dashboard
from lamina_core import config, runtime
from lamina_core.bodies import BODY_DEADLINE, BODY_LIMIT
from lamina_core.clock import SystemClock
from lamina_core.config import Secret
from lamina_core.guard import Guard
from lamina_core.ingest import PATH, Ingest
from lamina_core.store import executions
from lamina_core.store.writer import Writer

TOKEN = "t0ken-Of~A/Backend+9="
WRONG = "an0ther-t0ken"
GOOD = {"executionId": "e-1", "appId": "app-1"}
FULL = GOOD | {"inputs": {"Prompt": "a fox"}, "reference": "ORDER-1", "startedAt": "2026-03-14T09:00:00Z"}


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time a test moves, so that nobody waits for ten seconds."""

    leap = 0.0

    def time(self) -> float:
        return super().time() + self.leap

    def jump(self, seconds: float) -> None:
        self.leap += seconds
        self.call_soon_threadsafe(lambda: None)


class Desk:
    """The dashboard's own guard and route on a real server, without screens and poller."""

    def __init__(self, folder, token: str) -> None:
        given = {
            "LAMINA_DATABASE_URL": f"sqlite:///{folder / 'desk.db'}",
            "LAMINA_DESK_INGEST_TOKEN": token,
        }
        self.parts = runtime.build(config.load(given))
        runtime.set_current(self.parts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        app = Starlette(
            routes=[
                Route(PATH, dashboard.register_executions, methods=dashboard.METHODS),
                Route("/", lambda request: PlainTextResponse("a screen")),
            ],
            middleware=[Middleware(Guard, learn_address=self.parts.learn_address)],
        )
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        self.loop = LeapingLoop()
        self._thread = threading.Thread(target=self._run)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, trust_env=False)
        self.answers: list[str] = []

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def open(self) -> None:
        self._thread.start()
        ends = time.monotonic() + 30
        while not self._server.started:
            assert time.monotonic() < ends
            time.sleep(0.005)

    def close(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(30)
        self.parts.stop()

    def ask(self, method: str, path: str = PATH, **more) -> httpx.Response:
        answer = self.client.request(method, path, **more)
        self.answers.append(answer.text + str(answer.headers))
        return answer

    def post(self, document, *, authorization: str | bytes = f"Bearer {TOKEN}", headers=None) -> httpx.Response:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.ask("POST", content=content, headers={"Authorization": authorization, **(headers or {})})

    def talk(self, length: int, body: bytes, authorization: str = f"Bearer {TOKEN}") -> socket.socket:
        """Begin a POST by hand, which may stay unfinished."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n"
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        return connection

    def names(self) -> list[str]:
        with self.parts.engines.reading() as connection:
            return list(
                connection.execute(sa.text("SELECT execution_id FROM execution ORDER BY execution_id")).scalars()
            )


@pytest.fixture
def desk(request, tmp_path, caplog):
    """A desk, and after each test a look whether the token, or a wrong one, was told to anybody."""
    caplog.set_level(logging.DEBUG)
    opened = Desk(tmp_path, getattr(request, "param", TOKEN))
    opened.open()
    yield opened
    opened.close()
    assert not runtime.is_current()
    written = [logging.Formatter().format(record) for record in caplog.get_records("call")]
    for secret in (TOKEN, WRONG):
        assert secret not in "".join([*written, *opened.answers])


def status_of(connection: socket.socket) -> int:
    with connection:
        return int(connection.recv(65_536).split()[1])


def test_a_backend_registers_what_it_started_and_hears_our_id(desk):
    answer = desk.post(FULL)
    assert (answer.status_code, answer.json()) == (200, {"executionId": "e-1", "result": "created", "id": 1})
    with desk.parts.engines.reading() as connection:
        row, payload = executions.find(connection, 1), executions.find_payload(connection, 1)
    assert (row.execution_id, row.app_id, row.reference, row.origin) == ("e-1", "app-1", "ORDER-1", "registered")
    assert (row.created_at.isoformat(), payload.inputs) == ("2026-03-14T09:00:00+00:00", {"Prompt": "a fox"})
    assert desk.post(FULL).json()["result"] == "known"


def test_what_comes_later_completes_the_row(desk):
    results = [desk.post(document).json()["result"] for document in (GOOD, FULL, FULL)]
    assert results == ["created", "completed", "known"]


@pytest.mark.parametrize("desk", [""], indirect=True)
def test_without_a_token_of_our_own_registering_is_off(desk):
    for authorization in ("", "Bearer", f"Bearer {WRONG}"):
        answer = desk.post(GOOD, authorization=authorization)
        assert answer.status_code == 403
        assert "LAMINA_DESK_INGEST_TOKEN" in answer.json()["error"]
    assert desk.names() == []


STRANGERS = [
    "",
    "Bearer",
    f"Bearer {WRONG}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN} {TOKEN}",
    f"Basic {TOKEN}",
    f"Token {TOKEN}",
    TOKEN,
    f"Bearer {TOKEN}".upper(),
    b"Bearer \xff\xfe",
    f"Bearer {TOKEN}".encode() + b"\xe9",
]


def test_whoever_does_not_know_the_token_registers_nothing(desk):
    for authorization in STRANGERS:
        answer = desk.post(GOOD, authorization=authorization)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), authorization
        assert answer.json() == {"error": "The bearer token is missing or wrong."}
    assert desk.names() == []


def test_no_header_at_all_is_answered_401_before_a_byte_of_the_body_has_come(desk):
    assert desk.ask("POST", json=GOOD).status_code == 401
    assert status_of(desk.talk(500_000_000, b"", f"Bearer {WRONG}")) == 401


def test_the_scheme_s_letters_may_be_of_any_size(desk):
    for scheme in ("bearer", "BEARER"):
        assert desk.post(GOOD, authorization=f"{scheme}  {TOKEN}").status_code == 200


NO_JSON = [
    b"",
    b"{",
    b"executionId=e-1&appId=a",
    b'{"executionId": "\xff", "appId": "a"}',
    b'{"executionId": "e-1", "appId": "a", "inputs": {"n": NaN}}',
    b'{"executionId": "e-1", "appId": "a", "inputs": {"n": 1e999}}',
    b'{"executionId": "e-1", "appId": "a", "inputs": {"n": ' + b"[" * 100 + b"]" * 100 + b"}}",
    b"[" * 100_000,
]


def test_what_is_not_json_is_answered_400(desk):
    for body in NO_JSON:
        answer = desk.post(body)
        assert answer.status_code == 400, body
        assert answer.json()["error"].startswith("This is not JSON: ")
    assert desk.names() == []


def test_a_list_holds_1_to_1000_executions(desk):
    for number in (0, 1_001):
        answer = desk.post([GOOD] * number)
        assert answer.status_code == 400
        assert answer.json() == {"error": f"A list holds 1 to 1000 executions, not {number}."}
    assert desk.names() == []


def test_a_list_of_1000_is_answered_in_its_order(desk):
    given = [GOOD | {"executionId": f"e-{place:03}"} for place in range(1_000)]
    answers = desk.post(given).json()["executions"]
    assert [answer["executionId"] for answer in answers] == [each["executionId"] for each in given]
    assert {answer["result"] for answer in answers} == {"created"}
    assert desk.names() == [each["executionId"] for each in given]


EXAMPLE = 'an execution looks like {"executionId": "...", "appId": "...", "inputs": {...}}.'
WRONG_ONES = [
    ({}, "executionId: Field required."),
    (GOOD | {"input": {}}, "input: Extra inputs are not permitted."),
    (GOOD | {"inputs": []}, "inputs: Input should be a valid dictionary."),
    (GOOD | {"startedAt": "9999-01-01"}, "startedAt: lies in the future."),
    ("e-1", EXAMPLE),
    (None, EXAMPLE),
]


def test_one_that_cannot_be_taken_is_answered_400_with_what_is_wrong(desk):
    for document, error in WRONG_ONES:
        answer = desk.post(document)
        assert (answer.status_code, answer.json()["result"], answer.json()["error"]) == (400, "refused", error)
    assert desk.names() == []


def test_in_a_list_the_good_ones_are_taken_and_each_is_answered_in_its_place(desk):
    answer = desk.post([{"executionId": "e-0"}, GOOD, 5, GOOD, GOOD | {"appId": "app-2"}, GOOD | {"reference": "R"}])
    assert answer.status_code == 200
    shown = [(each["executionId"], each["result"], each.get("id")) for each in answer.json()["executions"]]
    assert shown == [
        ("e-0", "refused", None),
        ("e-1", "created", 1),
        (None, "refused", None),
        ("e-1", "known", 1),
        ("e-1", "refused", 1),
        ("e-1", "completed", 1),
    ]
    assert desk.names() == ["e-1"]


def test_a_list_of_wrong_ones_alone_is_answered_each(desk):
    answer = desk.post([{}, {}])
    assert (answer.status_code, [each["result"] for each in answer.json()["executions"]]) == (200, ["refused"] * 2)


def test_blanks_around_an_id_make_no_second_execution(desk):
    padded = {"runId": " e-1 ", "appId": "\tapp-1\n", "reference": "  ORDER-1 "}
    assert desk.post(GOOD).json()["result"] == "created"
    assert desk.post(padded).json() == {"executionId": "e-1", "result": "completed", "id": 1}
    assert desk.names() == ["e-1"]
    with desk.parts.engines.reading() as connection:
        assert executions.find(connection, 1).reference == "ORDER-1"


def test_an_execution_of_another_app_is_a_conflict(desk):
    desk.post(GOOD)
    answer = desk.post(GOOD | {"appId": "app-2"})
    assert answer.status_code == 409
    error = "This execution is known here as one of the app app-1."
    assert answer.json() == {"executionId": "e-1", "result": "refused", "id": 1, "error": error}


@pytest.mark.parametrize("is_list", [False, True])
def test_an_id_that_is_no_text_is_answered_400_and_takes_nothing_with_it(desk, is_list):
    document = GOOD | {"executionId": "\ud800"}
    answer = desk.post([GOOD, document] if is_list else document)
    assert answer.status_code == (200 if is_list else 400)


def test_a_refused_item_is_named_by_its_run_id_too(desk):
    answer = desk.post([{"runId": "r-1"}])
    assert answer.json()["executions"][0]["executionId"] == "r-1"


def test_a_body_of_a_megabyte_is_taken_and_one_byte_more_is_not(desk):
    frame = len(json.dumps(GOOD | {"inputs": {"x": ""}}))
    largest = json.dumps(GOOD | {"inputs": {"x": "x" * (BODY_LIMIT - frame)}}).encode()
    assert (len(largest), desk.post(largest).status_code) == (BODY_LIMIT, 200)
    assert status_of(desk.talk(500_000_000, largest + b"x")) == 413
    assert desk.post(GOOD).json()["result"] == "known"


def test_a_body_that_does_not_come_is_answered_408(desk):
    connection = desk.talk(1_000, b'{"executionId"')
    ends = time.monotonic() + 30
    while not select.select([connection], [], [], 0.05)[0]:  # again, for the first leap may come before the request
        assert time.monotonic() < ends
        desk.loop.jump(BODY_DEADLINE + 1)
    assert status_of(connection) == 408
    assert desk.post(GOOD).status_code == 200


def test_a_sender_that_hangs_up_in_the_middle_hurts_nobody(desk):
    desk.talk(1_000, b'{"executionId"').close()
    assert desk.post(GOOD).status_code == 200
    assert desk.names() == ["e-1"]


def test_every_other_method_is_answered_405(desk):
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = desk.ask(method, headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method


def test_what_cannot_be_stored_now_is_asked_for_again_and_taken_then(desk):
    taking = desk.parts.ingest
    full = Writer(desk.parts.engines.write, SystemClock(), capacity=0)
    desk.parts.ingest = Ingest(full, Secret(TOKEN), desk.parts.settings.generation, SystemClock())
    for document in (GOOD, [GOOD, {}]):
        answer = desk.post(document)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "Send them again" in answer.json()["error"]
    assert desk.names() == []
    desk.parts.ingest = taking
    assert desk.post(GOOD).json()["result"] == "created"


def test_a_full_disk_is_told_as_such_and_costs_nothing_but_time(desk, caplog):
    large = GOOD | {"inputs": {"x": "x" * 500_000}}
    desk.parts.writer.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").all())
    assert desk.post(large).status_code == 503
    assert "The disk of the database is full" in caplog.text
    desk.parts.writer.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1000000").all())
    assert desk.post(large).json()["result"] == "created"


RELAYED = [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}, {"Host": "desk.example.com"}]


def test_a_backend_reaches_it_through_a_tunnel_and_reaches_nothing_else(desk):
    assert desk.ask("GET", "/").text == "a screen"
    for relayed in RELAYED:
        assert desk.post(GOOD, headers=relayed).status_code == 200
        assert desk.post(GOOD, headers=relayed, authorization=f"Bearer {WRONG}").status_code == 401
        for path in ("/", "/operator", PATH + "/", PATH + "/1", "/API/executions", "//api/executions"):
            assert desk.ask("GET", path, headers=relayed).status_code == 403, (relayed, path)


def test_the_same_execution_twenty_times_at_once_is_one_row(desk):
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: desk.post(FULL), range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert sorted(answer.json()["result"] for answer in answers) == ["created", *["known"] * 19]
    assert {answer.json()["id"] for answer in answers} == {1}
    assert desk.names() == ["e-1"]
