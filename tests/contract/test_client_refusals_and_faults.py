"""What the client makes of a sandbox that refuses, fails, lies or hangs up; and how often it asks."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from lamina_core import errors
from lamina_core.api.client import LaminaClient
from lamina_core.clock import SystemClock
from lamina_core.config import DATA, Secret
from lamina_core.domain import Generation, Status
from lamina_core.sandbox.server import Sandbox

PRODUCT_SHOT = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
AD_COPY = "96e5824b-7ad6-4313-ae01-fd248c5695d6"
NOBODY = "00000000-0000-4000-8000-000000000000"
NEWEST = Generation.RUNS


class HurriedTransport(httpx.HTTPTransport):
    """Waits a moment for an answer where the real one waits a quarter of a minute."""

    def __init__(self) -> None:
        super().__init__(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "timeout": {"connect": 30, "read": 0.1, "write": 30, "pool": 30}}
        return super().handle_request(request)


@dataclass(frozen=True)
class Lamina:
    """A sandbox with its own paths, which are no part of Lamina's API."""

    sandbox: Sandbox
    control: httpx.Client
    eventually: Callable[..., Any]
    sequence: int

    def arm(self, fault: str, times: int = 1, **more) -> None:
        self.control.post("/sandbox/faults", json={"fault": fault, "times": times, **more}).raise_for_status()

    def log(self, section: str) -> list[dict]:
        """Return what was asked of the sandbox since the test began."""
        return self.control.get("/sandbox/log", params={"since": self.sequence}).json()[section]

    def asked(self, least: int) -> list[str]:
        """Return the methods of all requests; one that was cut is logged a moment after the client has seen it."""
        return self.eventually(lambda: self._methods(least))

    def _methods(self, least: int) -> list[str] | None:
        methods = [entry["method"] for entry in self.log("requests")]
        return methods if len(methods) >= least else None

    def served(self, times: int) -> int:
        """Return how many requests have met a fault that was armed for so many."""
        return times - sum(armed["times"] for armed in self.control.get("/sandbox/faults").json()["armed"])


@pytest.fixture(scope="module")
def running_sandbox():
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=1.0,
        rate_limit=0,
        port=0,
    )
    running.start()
    control = httpx.Client(base_url=running.base_url, trust_env=False, verify=False, timeout=30)
    yield running, control
    control.close()
    running.stop()


@pytest.fixture
def lamina(running_sandbox, eventually):
    sandbox, control = running_sandbox
    yield Lamina(sandbox, control, eventually, control.get("/sandbox/log").json()["sequence"])
    control.delete("/sandbox/faults").raise_for_status()


@pytest.fixture
def open_client(clock, rng):
    opened: list[LaminaClient] = []

    def make(base_url: str, generation: Generation, key: str = "lma_contract_key", inner=None) -> LaminaClient:
        opened.append(
            LaminaClient(
                base_url=base_url,
                api_key=Secret(key),
                generation=generation,
                clock=clock,  # pauses between repetitions take no time
                rng=rng,
                inner=inner or httpx.HTTPTransport(verify=False),
            )
        )
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(params=list(Generation))
def generation(request) -> Generation:
    return request.param


@pytest.fixture
def client(lamina, open_client, generation):
    return open_client(lamina.sandbox.base_url, generation)


@pytest.fixture
def newest(lamina, open_client):
    return open_client(lamina.sandbox.base_url, NEWEST)


@pytest.fixture
def hurried(lamina, open_client, generation):
    return open_client(lamina.sandbox.base_url, generation, inner=HurriedTransport())


def start(client: LaminaClient):
    return client.start(AD_COPY, {"Product Name": "Lamp"})


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Refusals


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        ("", "Missing API key", "AUTH_MISSING_KEY"),
        ("lma_revoked_1", "Invalid API key", "AUTH_INVALID_KEY"),
        ("sk_of_another_service", "Invalid API key", "AUTH_INVALID_KEY"),
    ],
)
def test_a_key_that_is_not_good_is_refused(lamina, open_client, generation, key, text, code):
    client = open_client(lamina.sandbox.base_url, generation, key=key)
    with pytest.raises(errors.AuthRefused, match=text) as raised:
        start(client)
    refused = raised.value
    assert (refused.status, refused.retryable) == (401, False)
    assert refused.code == (code if generation is NEWEST else None)
    assert refused.request_id == lamina.log("requests")[0]["requestId"]
    assert key == "" or key not in str(refused) + repr(refused)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_app(NOBODY),
        lambda client: client.start(NOBODY, {}),
        lambda client: client.get(NOBODY),
        lambda client: client.get("not a uuid / at all?"),
    ],
    ids=["app", "start", "execution", "odd id"],
)
def test_what_lamina_does_not_know_is_not_found(lamina, client, call):
    with pytest.raises(errors.NotFound, match=r"[Nn]ot found") as raised:
        call(client)
    assert (raised.value.status, raised.value.retryable, raised.value.details) == (404, False, ())
    assert raised.value.request_id == lamina.log("requests")[0]["requestId"]


@pytest.mark.parametrize("call", ["cancel", "estimate"])
def test_the_newest_calls_name_what_is_not_found(newest, call):
    with pytest.raises(errors.NotFound) as raised:
        getattr(newest, call)(NOBODY)
    assert raised.value.code == "NOT_FOUND"


def test_all_problems_with_inputs_name_their_parameter(client, generation):
    with pytest.raises(errors.InvalidRequest, match="Invalid inputs") as raised:
        client.start(PRODUCT_SHOT, {"Product Photo": "no url", "Background": "Oval", "Scene Notes": [], "bogus": 1})
    refused = raised.value
    assert [problem.field for problem in refused.details] == ["Product Photo", "Background", "Scene Notes", "bogus"]
    assert all(problem.message for problem in refused.details)
    codes = ["invalid_media", "invalid_option", "invalid_type", "unknown_parameter"]
    assert [problem.code for problem in refused.details] == (codes if generation is NEWEST else [None] * 4)
    assert (refused.status, refused.retryable) == (400, False)


def test_a_missing_value_names_its_parameter(client):
    with pytest.raises(errors.InvalidRequest) as raised:
        client.start(AD_COPY, {})
    assert [problem.field for problem in raised.value.details] == ["Product Name"]


def test_a_refused_field_is_one_that_the_app_has_announced(client):
    app = client.get_app(AD_COPY)
    with pytest.raises(errors.InvalidRequest) as raised:
        client.start(AD_COPY, {"Product Name": ["a", "list"]})
    (problem,) = raised.value.details
    assert [parameter.name for parameter in app.parameters if problem.field in parameter.identities] == ["Product Name"]


@pytest.mark.parametrize("webhook", ["nonsense", "ftp://example.com/x", "http://", "http://a b/", "http://[::1"])
def test_a_bad_webhook_url_is_refused_and_nothing_starts(lamina, client, generation, webhook):
    with pytest.raises(errors.InvalidRequest, match="webhook URL") as raised:
        client.start(AD_COPY, {"Product Name": "Lamp"}, webhook=webhook)
    assert raised.value.code == ("WEBHOOK_INVALID_URL" if generation is NEWEST else None)
    assert lamina.log("starts") == []


def test_inputs_larger_than_lamina_takes_are_refused(lamina, client):
    with pytest.raises(errors.InvalidRequest) as raised:
        client.start(AD_COPY, {"Product Name": "x" * 1_000_001})
    assert raised.value.status == 413
    assert lamina.log("starts") == []


def test_a_limit_of_requests_says_how_long_to_wait(open_client, generation):
    limited = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        rate_limit=2,
        host="127.0.0.1",
        port=0,
    )
    limited.start()
    try:
        client = open_client(limited.base_url, generation)
        client.list_apps(limit=1)
        client.list_apps(limit=1)
        with pytest.raises(errors.RateLimited, match="Too many requests") as raised:
            client.list_apps(limit=1)
    finally:
        limited.stop()
    assert 0 < raised.value.retry_after <= 60
    assert raised.value.retryable


# Faults of answers. A start: which error, and was anything started? It is sent once whatever happens.

STARTS = {
    "rate_limited": (errors.RateLimited, True, None, 0),
    "server_error": (errors.ServerFault, True, None, 0),
    "unavailable": (errors.ServerFault, True, None, 0),
    "dropped_connection": (errors.ApiUnreachable, True, True, 0),
    "answer_lost": (errors.ApiUnreachable, True, True, 1),
    "truncated_json": (errors.ApiUnreadable, False, None, 1),
    "html": (errors.ApiUnreadable, False, None, 0),
}


@pytest.mark.parametrize("fault", list(STARTS))
def test_a_start_that_goes_wrong_is_sent_once(lamina, client, fault):
    kind, retryable, sent, begun = STARTS[fault]
    lamina.arm(fault, times=5)
    with pytest.raises(errors.ApiError) as raised:
        start(client)
    assert type(raised.value) is kind
    assert (raised.value.retryable, getattr(raised.value, "sent", None)) == (retryable, sent)
    assert lamina.served(5) == 1
    assert lamina.asked(1) == ["POST"]
    assert len(lamina.log("starts")) == begun


def test_a_start_that_is_answered_too_late_is_sent_once(lamina, hurried):
    lamina.arm("slow", times=5, seconds=1)
    with pytest.raises(errors.ApiUnreachable, match="took too long") as raised:
        start(hurried)
    assert (raised.value.sent, raised.value.retryable) == (True, True)
    assert lamina.served(5) == 1
    assert lamina.asked(1) == ["POST"]


def test_a_start_with_an_odd_status_is_a_start(lamina, client):
    lamina.arm("unknown_status")
    report = start(client)
    assert (report.status, report.raw_status) == (Status.UNKNOWN, "post_processing")
    assert report.execution_id == lamina.log("starts")[0]["executionId"]


@pytest.mark.parametrize("fault", ["dropped_connection", "unavailable", "truncated_json"])
def test_a_cancel_is_sent_once_too(lamina, newest, fault):
    execution_id = start(newest).execution_id
    lamina.arm(fault, times=5, path="/cancel")
    with pytest.raises(errors.ApiError):
        newest.cancel(execution_id)
    assert lamina.served(5) == 1
    assert lamina.asked(2) == ["POST", "POST"]


# A read: which error, and how often was it asked?

READS = {
    "rate_limited": (errors.RateLimited, True, None, 1),
    "server_error": (errors.ServerFault, True, None, 1),
    "unavailable": (errors.ServerFault, True, None, 3),
    "dropped_connection": (errors.ApiUnreachable, True, True, 3),
    "truncated_json": (errors.ApiUnreadable, False, None, 1),
    "html": (errors.ApiUnreadable, False, None, 1),
}


@pytest.mark.parametrize("fault", list(READS))
def test_a_read_that_goes_wrong_is_repeated_only_where_it_may_help(lamina, client, fault):
    kind, retryable, sent, times = READS[fault]
    lamina.arm(fault, times=20)
    with pytest.raises(errors.ApiError) as raised:
        client.get_app(PRODUCT_SHOT)
    assert type(raised.value) is kind
    assert (raised.value.retryable, getattr(raised.value, "sent", None)) == (retryable, sent)
    assert lamina.served(20) == times
    assert lamina.asked(times) == ["GET"] * times


@pytest.mark.parametrize("fault", ["unavailable", "dropped_connection"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_read_outlives_a_fault_that_passes(lamina, client, fault, times):
    lamina.arm(fault, times=times)
    assert client.get_app(PRODUCT_SHOT).app_id == PRODUCT_SHOT
    assert lamina.asked(times + 1) == ["GET"] * (times + 1)


def test_a_read_that_takes_too_long_is_not_asked_again(lamina, hurried):
    lamina.arm("slow", times=5, seconds=1)
    with pytest.raises(errors.ApiUnreachable, match="took too long") as raised:
        hurried.get_app(PRODUCT_SHOT)
    assert raised.value.sent
    assert lamina.served(5) == 1
    assert lamina.asked(1) == ["GET"]


def test_a_slow_answer_in_time_is_read(lamina, client):
    lamina.arm("slow", seconds=0.2)
    assert client.get_app(PRODUCT_SHOT).app_id == PRODUCT_SHOT


def test_an_unknown_status_is_read_with_its_word(lamina, client):
    execution_id = start(client).execution_id
    lamina.arm("unknown_status")
    report = client.get(execution_id)
    assert (report.status, report.raw_status) == (Status.UNKNOWN, "post_processing")


def test_an_unknown_status_in_a_list_spoils_no_other_row(lamina, newest):
    start(newest)
    lamina.arm("unknown_status")
    assert {report.raw_status for report in newest.list(limit=5).reports} == {"post_processing"}


@pytest.mark.parametrize("fault", ["server_error", "unavailable", "rate_limited"])
def test_the_request_id_of_a_failure_is_kept(lamina, client, fault):
    lamina.arm(fault, times=5)
    with pytest.raises(errors.ApiRefused) as raised:
        client.get(NOBODY)
    assert raised.value.request_id == lamina.log("requests")[-1]["requestId"]


def test_the_request_id_of_an_unreadable_answer_is_kept(lamina, client):
    lamina.arm("html")
    with pytest.raises(errors.ApiUnreadable, match="text/html") as raised:
        client.signing_key()
    assert (raised.value.status, raised.value.request_id) == (200, lamina.log("requests")[0]["requestId"])


def test_a_rate_limit_carries_its_seconds_in_either_form_of_body(lamina, client, generation):
    lamina.arm("rate_limited", seconds=17)
    with pytest.raises(errors.RateLimited, match="Too many requests from this IP") as raised:
        client.list_apps()
    shares_the_newest_envelope = generation is not Generation.EXECUTIONS  # the list's path is that of both
    assert raised.value.code == ("RATE_LIMITED" if shares_the_newest_envelope else None)
    assert raised.value.retry_after == 17


# Nobody there


@pytest.mark.parametrize("call", [start, lambda client: client.get(NOBODY)], ids=["start", "get"])
def test_a_refused_connection_was_surely_not_sent(open_client, generation, call):
    client = open_client(f"http://127.0.0.1:{closed_port()}", generation)
    with pytest.raises(errors.ApiUnreachable, match="could not be reached") as raised:
        call(client)
    assert (raised.value.sent, raised.value.retryable) == (False, True)


def test_a_host_that_is_no_name_was_surely_not_asked(open_client, generation):
    client = open_client(f"http://{'a' * 64}.example.com", generation)
    with pytest.raises(errors.ApiUnreachable) as raised:
        start(client)
    assert raised.value.sent is False


def test_what_speaks_another_protocol_is_unreachable(open_client, generation):
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.recv(1_000)

    thread = threading.Thread(target=greet)
    thread.start()
    client = open_client(f"http://127.0.0.1:{listener.getsockname()[1]}", generation)
    with pytest.raises(errors.ApiUnreachable) as raised:
        start(client)
    thread.join(30)
    listener.close()
    assert raised.value.sent


def test_tls_that_fails_was_surely_not_sent(lamina, open_client, generation):
    client = open_client(lamina.sandbox.base_url.replace("http:", "https:"), generation)
    with pytest.raises(errors.ApiUnreachable, match="could not be reached") as raised:
        start(client)
    assert raised.value.sent is False
    assert lamina.log("requests") == []


def test_a_client_that_was_closed_meanwhile_repeats_nothing(open_client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = open_client(f"http://127.0.0.1:{listener.getsockname()[1]}", Generation.EXECUTIONS)
        failed: list[Exception] = []

        def read() -> None:
            try:
                client.get("e-1")
            except errors.ApiError as error:
                failed.append(error)

        reading = threading.Thread(target=read)
        reading.start()
        asked, _ = listener.accept()
        with asked:
            asked.recv(1_000)
            client.close()
        reading.join(30)
        assert isinstance(failed[0], errors.ApiUnreachable)
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
