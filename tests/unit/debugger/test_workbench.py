"""Webhooks signed right and wrong, sent over real HTTP to our own receiver and to others, and only where allowed."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as some
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import config, errors, runtime, signing
from lamina_core.addresses import read_address
from lamina_core.api import wire
from lamina_core.bodies import BODY_LIMIT
from lamina_core.clock import SystemClock
from lamina_core.debugger import workbench as module
from lamina_core.debugger.workbench import Case, SignedWebhook, Workbench, example_body
from lamina_core.domain import Generation
from lamina_core.webhooks import receiver

BODY = example_body(Generation.EXECUTIONS, "e-1").encode()


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def open_bench(writer, clock, rng):
    def make(*send_to: str, own: str | None = None, sandbox_key=None) -> Workbench:
        return Workbench(
            writer=writer,
            clock=clock,
            rng=rng,
            send_to=[read_address(each) for each in send_to],
            own_receiver=lambda: own,
            sandbox_key=sandbox_key,
        )

    return make


@pytest.fixture
def bench(open_bench) -> Workbench:
    return open_bench()


class Customer(ThreadingHTTPServer):
    """A receiver that says yes to everything, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Customer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers.items()), body))
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def customer() -> Iterator[Customer]:
    server = Customer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def published(bench: Workbench) -> tuple[signing.PublicKey, ...]:
    return signing.parse_key_set(json.loads(json.dumps(bench.jwks())))


def judge(bench: Workbench, webhook: SignedWebhook, clock) -> receiver.Judgement:
    return receiver.judge(dict(webhook.headers), webhook.body, clock.now(), published(bench))


@pytest.mark.parametrize(
    ("case", "answer", "reason"),
    [
        (Case.VALID, 200, None),
        (Case.STALE, 401, "stale_timestamp"),
        (Case.FUTURE, 401, "future_timestamp"),
        (Case.TAMPERED, 401, "not_verified"),
        (Case.WRONG_KEY, 401, "not_verified"),
        (Case.MISSING_SIGNATURE, 400, "missing_signature"),
    ],
)
@pytest.mark.parametrize("generation", Generation)
def test_each_case_is_answered_by_a_right_receiver_for_its_own_reason(bench, clock, case, answer, reason, generation):
    webhook = bench.compose(case, example_body(generation, "e-1").encode(), "e-1", "user-1")
    found = judge(bench, webhook, clock)
    assert (found.answer, found.reason) == (answer, reason)
    assert ("2xx" in webhook.expected) is (answer == 200)
    assert webhook.case is case


@pytest.mark.parametrize("case", [Case.STALE, Case.FUTURE])
def test_a_case_of_time_is_signed_properly(bench, case):
    webhook = bench.compose(case, BODY, "e-1", "user-1")
    headers = dict(webhook.headers)
    signature = bytes.fromhex(headers[signing.SIGNATURE_HEADER])
    assert signing.find_key(published(bench), signature, headers[signing.TIMESTAMP_HEADER], webhook.body)


def test_a_wrong_key_is_another_one_each_time_and_never_published(bench):
    first, second = (dict(bench.compose(Case.WRONG_KEY, BODY, "e-1", "u").headers) for _ in range(2))
    assert first[signing.TIMESTAMP_HEADER] == second[signing.TIMESTAMP_HEADER]
    assert first[signing.SIGNATURE_HEADER] != second[signing.SIGNATURE_HEADER]


def test_ids_that_are_empty_leave_their_headers_out(bench, clock):
    webhook = bench.compose(Case.VALID, BODY, "", " ")
    assert {name for name, _ in webhook.headers} & {signing.REQUEST_ID_HEADER, signing.USER_ID_HEADER} == set()
    assert judge(bench, webhook, clock).answer == 200


@pytest.mark.parametrize("bad", ["e\r\nX-Evil: 1", "e\x00", "é", "x" * 201, "\ud800"])
def test_an_id_that_no_header_can_hold_is_refused(bench, bad):
    for ids in ((bad, "u"), ("e", bad)):
        with pytest.raises(errors.OperationRefused, match="printable ASCII"):
            bench.compose(Case.VALID, BODY, *ids)


def test_a_body_larger_than_a_webhook_may_be_is_refused(bench):
    assert bench.compose(Case.TAMPERED, b"x" * BODY_LIMIT, "e", "u")
    with pytest.raises(errors.OperationRefused, match="larger than"):
        bench.compose(Case.VALID, b"x" * (BODY_LIMIT + 1), "e", "u")


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
)


@given(VALUES, some.booleans(), some.text(max_size=5))
def test_a_tampered_document_stays_one_and_keeps_its_id(value, ascii_only, odd):
    document = {"a": value, "data": {"executionId": "e-1", odd: value}}
    body = json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    changed = module._tamper(body, "e-1")
    assert changed != body
    assert json.loads(changed)["data"].get("executionId") == json.loads(body)["data"].get("executionId")


@given(some.binary())
def test_whatever_is_tampered_with_is_changed(body):
    assert module._tamper(body, "e-1") != body


@pytest.mark.parametrize("body", [b":" * BODY_LIMIT, b': "' * 300_000, b":" + b" " * 900_000, b"\\" * 900_000])
def test_tampering_with_hostile_bytes_is_no_work(body):
    assert module._tamper(body, "e-1") != body


@pytest.mark.parametrize(
    ("generation", "field"),
    [(Generation.EXECUTIONS, "executionId"), (Generation.V1_EXECUTIONS, "executionId"), (Generation.RUNS, "runId")],
)
def test_the_example_is_a_report_as_lamina_writes_it(generation, field):
    text = example_body(generation, 'e "1"')
    assert json.loads(text)["data"][field] == 'e "1"'
    assert len({"executionId", "runId"} & json.loads(text)["data"].keys()) == 1
    report = wire.report_from(wire.data_of(wire.parse_json(text.encode())))
    assert (report.execution_id, report.raw_status) == ('e "1"', "completed")
    assert not re.search(r'[:,] ["{\[]', text), "compact, as Lamina signs it"


# Sending


def test_what_was_composed_is_what_arrives(open_bench, customer, clock, ada):
    bench = open_bench(customer.url + "/hooks")
    webhook = bench.compose(Case.VALID, BODY, "e-1", "user-1")
    answer = bench.send(ada, webhook, f"{customer.url}/hooks/new?token=s3cret")
    assert (answer.status, answer.body, answer.problem) == (202, "thanks", None)
    ((path, headers, body),) = customer.taken
    assert (path, body) == ("/hooks/new?token=s3cret", BODY)
    assert set(webhook.headers) <= set(headers.items())
    judged = receiver.judge(headers, body, clock.now(), published(bench))
    assert judged.answer == 200


def test_who_sent_what_where_is_noted_without_body_and_query(open_bench, customer, trail, ada):
    bench = open_bench(customer.url)
    bench.send(ada, bench.compose(Case.STALE, BODY, "e-1", "user-1"), f"{customer.url}/in?token=s3cret")
    detail = {"case": "stale", "to": f"{customer.url}/in", "answer": 202, "problem": None}
    assert trail() == [("webhook_sent", "Ada", detail)]


def test_a_receiver_that_is_not_there_is_told_and_noted(open_bench, trail, admin):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    bench = open_bench(url)
    answer = bench.send(admin, bench.compose(Case.VALID, BODY, "e-1", "u"), f"{url}/in?token=s3cret")
    assert (answer.status, "cannot be reached" in answer.problem) == (None, True)
    ((_, actor, detail),) = trail()
    assert (actor, detail["answer"], detail["problem"]) == ("Root", None, answer.problem)
    assert "s3cret" not in str(detail)


@pytest.mark.parametrize(
    "path",
    [
        "/hooks2",
        "/",
        "",
        "/hooks/../admin",
        "/hooks/%2e%2e/admin",
        "/hooks/..%2fadmin",
        "\\hooks",
        "/hooks#x",
        "/hooks\n",
    ],
)
def test_nothing_is_sent_beside_the_allowed_address(open_bench, customer, trail, ada, path):
    bench = open_bench(f"{customer.url}/hooks")
    webhook = bench.compose(Case.VALID, BODY, "e-1", "u")
    if path == "/hooks\n":  # white space around a pasted address is none of it
        assert bench.send(ada, webhook, customer.url + path).status == 202
        return
    with pytest.raises(errors.OperationRefused):
        bench.send(ada, webhook, customer.url + path)
    assert (customer.taken, trail()) == ([], [])


def test_other_spellings_of_the_same_machine_are_not_allowed(open_bench, customer, ada):
    bench = open_bench("http://hooks.example.com", f"https://127.0.0.1:{customer.server_address[1]}")
    webhook, port = bench.compose(Case.VALID, BODY, "e-1", "u"), customer.server_address[1]
    for host in ("127.0.0.1", "localhost", "2130706433", "127.1", "[::ffff:127.0.0.1]", "hooks.example.com@127.0.0.1"):
        with pytest.raises(errors.OperationRefused):
            bench.send(ada, webhook, f"http://{host}:{port}/")
    assert customer.taken == []


def test_without_the_setting_nothing_is_sent_anywhere(bench, customer, ada):
    assert bench.targets() == ()
    with pytest.raises(errors.OperationRefused, match="LAMINA_DESK_SEND_TO"):
        bench.send(ada, bench.compose(Case.VALID, BODY, "e-1", "u"), f"{customer.url}/?token=x")
    assert customer.taken == []


def test_a_viewer_sends_nothing(open_bench, customer, viewer, trail):
    bench = open_bench(customer.url)
    with pytest.raises(errors.OperationRefused, match="needs the role operator"):
        bench.send(viewer, bench.compose(Case.VALID, BODY, "e-1", "u"), customer.url)
    assert (customer.taken, trail()) == ([], [])


@pytest.mark.parametrize("case", Case)
def test_what_was_signed_too_long_ago_is_to_be_signed_anew(open_bench, customer, clock, ada, case):
    bench = open_bench(customer.url)
    webhook = bench.compose(case, BODY, "e-1", "u")
    before = judge(bench, webhook, clock).reason
    clock.advance(240)
    assert judge(bench, webhook, clock).reason == before, "the case is still what it says"
    assert bench.send(ada, webhook, customer.url).status == 202
    clock.advance(1)
    with pytest.raises(errors.OperationRefused, match="more than 4 minutes ago"):
        bench.send(ada, webhook, customer.url)


def test_our_own_receiver_is_a_target_where_it_may_be(open_bench):
    bench = open_bench("https://hooks.example.com/a", own="http://127.0.0.1:8501/webhooks/lamina")
    assert bench.targets() == ("http://127.0.0.1:8501/webhooks/lamina", "https://hooks.example.com/a")
    assert open_bench("https://hooks.example.com", own="https://example.com/a%2Fb").targets() == (
        "https://hooks.example.com",
    )


# A whole process, with the real receiver on a real port


class Served:
    """A runtime whose receiver is served."""

    def __init__(self, parts: runtime.Runtime) -> None:
        self.parts = parts
        app = Starlette(routes=[Route(receiver.PATH, parts.receiver.receive, methods=["POST"])])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{receiver.PATH}"
        parts.learn_address(self.url.removesuffix(receiver.PATH))
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()
        self.parts.stop()


@pytest.fixture
def serve(tmp_path):
    served: list[Served] = []

    def make(**settings: str) -> Served:
        given = {"LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'whole.db'}"}
        served.append(Served(runtime.build(config.load(given | settings), SystemClock())))
        return served[-1]

    yield make
    for each in served:
        each.stop()


@pytest.fixture
def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_in_sandbox_mode_the_sandbox_signs_and_our_receiver_accepts(serve, free_port, ada):
    served = serve(LAMINA_SANDBOX_PORT=free_port)
    bench = served.parts.workbench
    with pytest.raises(errors.OperationRefused, match="does not run"):
        bench.jwks()
    served.parts.sandbox.start()
    assert (bench.signer, bench.targets()) == ("the sandbox's key", (served.url,))
    assert published(bench)[0].key_id == "lamina-webhook-v1"
    answers = {case: bench.send(ada, bench.compose(case, BODY, "e-1", "u"), served.url).status for case in Case}
    assert answers == dict.fromkeys(Case, 401) | {Case.VALID: 200, Case.MISSING_SIGNATURE: 400}
    served.parts.sandbox.stop()
    with pytest.raises(errors.OperationRefused, match="does not run"):
        bench.compose(Case.VALID, BODY, "e-1", "u")


def test_our_receiver_never_trusts_the_throw_away_key(serve, sandbox, ada):
    with socket.create_server(("127.0.0.1", 0)) as other:
        foreign = f"http://127.0.0.1:{other.getsockname()[1]}"
    served = serve(
        LAMINA_API_KEY="lma_test",
        LAMINA_BASE_URL=sandbox.base_url,
        LAMINA_PUBLIC_URL="https://desk.example.com",
        LAMINA_DESK_SEND_TO=foreign,
    )
    bench = served.parts.workbench
    webhook = bench.compose(Case.VALID, BODY, "e-1", "u")
    assert (bench.signer, bench.targets()) == ("a throw-away key of this process", (foreign,))
    with pytest.raises(errors.OperationRefused, match="LAMINA_DESK_SEND_TO"):
        bench.send(ada, webhook, served.url)
    there = Workbench(
        writer=served.parts.writer,
        clock=served.parts.clock,
        rng=served.parts.rng,
        send_to=[read_address(served.url)],
        own_receiver=lambda: None,
        sandbox_key=None,
    )
    for sender in (webhook, there.compose(Case.VALID, BODY, "e-1", "u")):
        answer = there.send(ada, sender, served.url)
        assert (answer.status, json.loads(answer.body)["reason"]) == (401, "not_verified")
    assert served.parts.keys.keys(), "it knew Lamina's keys"


def test_each_process_has_a_key_of_its_own_that_is_stored_nowhere(serve, tmp_path, sandbox):
    parts = serve(LAMINA_API_KEY="lma_test", LAMINA_BASE_URL=sandbox.base_url).parts
    secret = parts.workbench._throw_away.private.private_bytes_raw()
    other = runtime.build(parts.settings)
    try:
        assert other.workbench.jwks() != parts.workbench.jwks()
    finally:
        other.stop()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(spelt in stored for spelt in (secret, secret.hex().encode()))
