"""Starting and stopping, the files that outputs point at, and time passing without a real clock."""

import asyncio
import io
import socket
import threading
import time

import httpx
import pytest
from PIL import Image

from lamina_core import errors
from lamina_core.config import DATA
from lamina_core.sandbox.api import Api
from lamina_core.sandbox.server import Sandbox
from lamina_core.sandbox.waiting import Pauser


def test_a_taken_port_is_refused_by_name_and_setting(open_sandbox):
    taken = open_sandbox().base_url.rsplit(":", 1)[1]

    with pytest.raises(errors.ConfigurationError, match=rf"port {taken}.*LAMINA_SANDBOX_PORT or --port"):
        open_sandbox(port=int(taken))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"port": 70_000}, "65535"),
        ({"host": "192.0.2.1"}, "cannot listen"),
        ({"speed": 0.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(open_sandbox, settings, word):
    with pytest.raises(errors.ConfigurationError, match=word):
        open_sandbox(**settings)


def test_a_bad_catalogue_frees_the_port_again(open_sandbox, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(errors.ConfigurationError):
        open_sandbox(catalogue_file=tmp_path / "none.json", port=port)

    assert open_sandbox(port=port).base_url == f"http://127.0.0.1:{port}"


def test_a_sandbox_may_be_stopped_twice_and_started_again_on_its_port(open_sandbox, open_caller, newest, tmp_path):
    sandbox = open_sandbox(database=tmp_path / "sandbox.db")
    caller = open_caller(sandbox)
    run_id = caller.start(newest)
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        caller.get("/v1/apps")

    sandbox.start()

    assert caller.get(newest.run_path(run_id)).status_code == 200


AT_ONCE = 10  # seconds; whatever is open would go on for 20 at least


def requests_under_way(sandbox: Sandbox) -> int:
    """Return how many requests have come and are not answered yet."""
    return len(sandbox._thread._server.server_state.tasks)


def send_half(sandbox: Sandbox) -> socket.socket:
    """Begin a start whose body does not come."""
    connection = socket.create_connection(("127.0.0.1", int(sandbox.base_url.rsplit(":", 1)[1])), timeout=30)
    connection.sendall(
        b"POST /v1/apps/10000000-0000-4000-8000-000000000002/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"x-api-key: lma_x\r\nContent-Length: 100\r\n\r\n{"
    )
    return connection


def test_stopping_waits_for_nothing_that_is_open(open_sandbox, open_caller, newest, eventually):
    sandbox = open_sandbox()
    caller = open_caller(sandbox)
    run_id = caller.start(newest, 5)
    ended = []

    def hold(path, fault=None):
        with httpx.Client(base_url=sandbox.base_url, trust_env=False, timeout=60) as client:
            headers = {"x-api-key": "lma_x"} | ({"X-Sandbox-Fault": fault} if fault else {})
            with client.stream("GET", path, headers=headers) as answer:
                ended.append(answer.status_code)
                answer.read()

    held = [(f"/v1/runs/{run_id}/stream", None), (f"/v1/runs/{run_id}/wait?timeout=120", None), ("/v1/apps", "slow")]
    threads = [threading.Thread(target=hold, args=arguments) for arguments in held]
    for thread in threads:
        thread.start()
    with send_half(sandbox):
        eventually(lambda: requests_under_way(sandbox) == 4)
        began = time.monotonic()

        sandbox.stop()

        assert time.monotonic() - began < AT_ONCE
    for thread in threads:
        thread.join(30)
    assert ended == [200, 200, 200]


def test_stopping_does_not_wait_for_a_client_that_sends_half_a_request(open_sandbox, eventually):
    sandbox = open_sandbox()
    with send_half(sandbox) as half:
        eventually(lambda: requests_under_way(sandbox) == 1)
        began = time.monotonic()
        sandbox.stop()

        assert time.monotonic() - began < AT_ONCE
        assert half.recv(10) == b""


# Files


@pytest.fixture(scope="module")
def real():
    """The real catalogue, with its pictures and clips."""
    from lamina_core.clock import SystemClock

    sandbox = Sandbox(
        catalogue_file=DATA / "catalogue.json", database=None, clock=SystemClock(), speed=500.0, rate_limit=0, port=0
    )
    sandbox.start()
    yield sandbox
    sandbox.stop()


def _finish(client: httpx.Client, modality: str) -> dict:
    app = next(app for app in client.get("/v1/apps").json()["data"] if app["modality"] == modality)
    required = app["inputSummary"]["required"]
    inputs = {"inputs": {one["name"]: "Lantern" for one in required}}
    run_id = client.post(f"/v1/apps/{app['appId']}/runs", json=inputs).json()["data"]["runId"]
    return client.get(f"/v1/runs/{run_id}/wait").json()["data"]


@pytest.fixture
def visitor(real, open_caller):
    return open_caller(real)


def test_a_picture_opens_without_a_key_and_is_the_same_each_time(visitor):
    (url,) = [output["value"] for output in _finish(visitor, "image")["outputs"]]

    answers = [httpx.get(url, trust_env=False, timeout=30) for _ in range(2)]

    assert answers[0].headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(answers[0].content)).size[0] > 0
    assert answers[0].content == answers[1].content
    assert visitor.get(url.replace(".png", ".webm")).status_code == 404


def test_a_video_plays_and_is_served_by_range(visitor):
    url = next(output["value"] for output in _finish(visitor, "video")["outputs"] if output["type"] == "video")

    whole = visitor.get(url)
    part = visitor.get(url, headers={"Range": "bytes=10-19"})

    assert whole.headers["Content-Type"] == "video/webm"
    assert (part.status_code, part.content) == (206, whole.content[10:20])


def test_a_text_is_its_own_value_and_has_no_file(visitor):
    run = _finish(visitor, "text")

    assert not run["outputs"][0]["value"].startswith("http")
    assert visitor.get(f"/sandbox/outputs/{run['runId']}/0.png").status_code == 404


def test_the_samples_that_default_inputs_point_at_open(visitor):
    app = visitor.get("/v1/apps").json()["data"][0]

    answer = visitor.get(app["thumbnail"]["url"])

    assert answer.headers["Content-Type"] == "image/png"
    assert visitor.get(app["thumbnail"]["url"]).content == answer.content
    assert visitor.get("/sandbox/samples/nothing-of-the-kind.png").status_code == 404


def test_the_sample_clips_open(visitor):
    answer = visitor.get("/sandbox/samples/spin.webm")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/webm")
    assert answer.content.startswith(b"\x1aE\xdf\xa3")
    assert visitor.get("/sandbox/samples/..%2f..%2fcatalogue.webm").status_code == 404
    assert visitor.get("/sandbox/samples/sneaker.webm").status_code == 404


def test_an_output_that_is_not_finished_is_404_in_json(caller, newest):
    run_id = caller.start(newest, 5)
    failed = caller.start(newest, 3)
    caller.poll(newest, failed)

    for path in (f"{run_id}/0.webm", f"{run_id}/7.webm", f"{failed}/0.png", "x/0.png", f"{run_id}/x.png"):
        answer = caller.get(f"/sandbox/outputs/{path}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


# Without a server


class ClockPauser(Pauser):
    """Lets a settable clock pass instead of waiting."""

    def __init__(self, clock) -> None:
        super().__init__()
        self.clock = clock

    async def __call__(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def in_process(clock, monkeypatch):
    """A client of the application itself, on a settable clock."""
    from lamina_core.sandbox import server

    monkeypatch.setattr(server, "Pauser", lambda: ClockPauser(clock))
    sandbox = Sandbox(
        catalogue_file=DATA.parent / "tests/contract/vectors/apps.json", database=None, clock=clock, rate_limit=0
    )

    def call(*requests):
        async def run():
            transport = httpx.ASGITransport(sandbox.application, raise_app_exceptions=True)
            headers = {"x-api-key": "lma_x"}
            async with httpx.AsyncClient(transport=transport, base_url=sandbox.base_url, headers=headers) as client:
                return [await client.request(method, path, **rest) for method, path, rest in requests]

        return asyncio.run(run())

    yield call
    sandbox.stop()


def _start(in_process, app):
    path = f"/v1/apps/10000000-0000-4000-8000-00000000000{app}/runs"
    (answer,) = in_process(("POST", path, {"json": {"inputs": {}}}))
    return answer.json()["data"]["runId"]


def test_a_stream_pings_every_quarter_minute_and_ends_after_ten_minutes(in_process):
    run_id = _start(in_process, 5)

    (answer,) = in_process(("GET", f"/v1/runs/{run_id}/stream", {}))

    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    pings = [line for line in answer.text.splitlines() if line.startswith("data: 1") and len(line) == 19]
    assert names[-1] == "timeout"
    assert 38 <= len(pings) == names.count("ping") <= 40
    assert "10 minutes" in answer.text


def test_a_wait_lasts_a_minute_unless_told_and_two_at_most(in_process, clock):
    run_id = _start(in_process, 5)

    waited = []
    for query in ("", "?timeout=90", "?timeout=500"):
        before = clock.now()
        in_process(("GET", f"/v1/runs/{run_id}/wait{query}", {}))
        waited.append(round((clock.now() - before).total_seconds()))

    assert waited == [60, 90, 120]


def test_a_connection_that_is_no_connection_cannot_be_cut(in_process):
    with pytest.raises(ConnectionAbortedError):
        in_process(("GET", "/v1/apps", {"headers": {"X-Sandbox-Fault": "dropped_connection"}}))


def test_a_failure_of_the_sandbox_itself_is_500_in_json(in_process, monkeypatch, caplog):
    async def fail(self, request):
        raise ZeroDivisionError

    monkeypatch.setattr(Api, "get_account", fail)

    (answer,) = in_process(("GET", "/v1/account", {}))

    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "GET /v1/account failed in the sandbox" in caplog.text
