"""A sandbox of five small apps, the fixed vectors of the wire, and a receiver of webhooks."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from lamina_core.clock import SystemClock
from lamina_core.sandbox.server import Sandbox
from tests.conftest import SettableClock

VECTORS = Path(__file__).parent / "vectors"
APP = "10000000-0000-4000-8000-00000000000{}"
# Seconds after which runs of the small apps, at ten times the speed of life, have left the queue, and have ended; a
# stream pings after 15.
LEAVES_QUEUE, ENDS = 0.7, 6
_PLACEHOLDERS = {
    "<uuid>": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "<instant>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "<picture>": r"http://127\.0\.0\.1:\d+/sandbox/(outputs|samples)/\S+\.png(\?v=\d+)?",
    "<url>": r"https?://\S+",
    "<x>": r"[A-Za-z0-9_-]{43}",
    "<text>": r"(?s).+",
}


def difference(vector: Any, document: Any, place: str = "$") -> str | None:
    """Say where a document is not as the vector fixes it; None if it is."""
    if isinstance(vector, dict) and isinstance(document, dict):
        if vector.keys() != document.keys():
            return f"{place}: fields {sorted(document)} instead of {sorted(vector)}"
        pairs = [(vector[name], document[name], f"{place}.{name}") for name in vector]
    elif isinstance(vector, list) and isinstance(document, list) and len(vector) == len(document):
        pairs = [(*pair, f"{place}[{index}]") for index, pair in enumerate(zip(vector, document, strict=True))]
    elif vector == "<whole>":
        return None if type(document) is int else f"{place}: {document!r} is not a whole number"
    elif vector == "<number>":
        return None if type(document) in (int, float) else f"{place}: {document!r} is not a number"
    elif vector in _PLACEHOLDERS if isinstance(vector, str) else False:
        good = isinstance(document, str) and re.fullmatch(_PLACEHOLDERS[vector], document)
        return None if good else f"{place}: {document!r} is not {vector}"
    else:
        same = vector == document and type(vector) is type(document)
        return None if same else f"{place}: {document!r} instead of {vector!r}"
    return next((found for pair in pairs if (found := difference(*pair))), None)


@dataclass(frozen=True)
class Family:
    """The paths of one generation, and its vectors."""

    name: str
    prefix: str
    runs: str
    id_field: str
    vectors: dict[str, Any]

    def start_path(self, app: int | str) -> str:
        app_id = APP.format(app) if isinstance(app, int) else app
        return f"{self.prefix}/apps/{app_id}/{self.runs}"

    def run_path(self, run_id: str) -> str:
        return f"{self.prefix}/{self.runs}/{run_id}"

    def check(self, name: str, document: Any) -> None:
        assert difference(self.vectors[name], document) is None

    def check_error(self, name: str, answer: httpx.Response) -> None:
        status, vector = self.vectors["errors"][name]
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/json"
        assert difference(vector, answer.json()) is None


_FAMILIES = {
    "executions": ("/api", "executions", "executionId"),
    "v1-executions": ("/v1", "executions", "executionId"),
    "runs": ("/v1", "runs", "runId"),
}


def _family(name: str) -> Family:
    vectors = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return Family(name, *_FAMILIES[name], vectors)


@pytest.fixture(params=list(_FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return _family(request.param)


@pytest.fixture
def newest() -> Family:
    return _family("runs")


def _sandbox(**changes: Any) -> Sandbox:
    """A sandbox of the small apps, two hundred times as fast as life."""
    settings = {
        "catalogue_file": VECTORS / "apps.json",
        "database": None,
        "clock": SystemClock(),
        "speed": 200.0,
        "rate_limit": 0,
        "port": 0,
    }
    return Sandbox(**{**settings, **changes})


@pytest.fixture
def open_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes with settings of their own; all are stopped at the end."""
    running: list[Sandbox] = []

    def start(**changes: Any) -> Sandbox:
        sandbox = _sandbox(**changes)
        sandbox.start()
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests that do not mind what others started in it."""
    sandbox = _sandbox()
    sandbox.start()
    yield sandbox
    sandbox.stop()


class Caller(httpx.Client):
    """An HTTP client with a key, and the few calls that most tests make."""

    def __init__(self, sandbox: Sandbox, key: str | None = "lma_key_of_a_test_9876") -> None:
        headers = {} if key is None else {"x-api-key": key}
        super().__init__(base_url=sandbox.base_url, headers=headers, timeout=60, trust_env=False)

    def start(self, family: Family, app: int = 2, webhook: str | None = None, **inputs: Any) -> str:
        answer = self.post(
            family.start_path(app), params={"webhook": webhook} if webhook else None, json={"inputs": inputs}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"][family.id_field])

    def poll(self, family: Family, run_id: str, *statuses: str) -> dict[str, Any]:
        """Read a run until it has one of these statuses."""
        wanted = statuses or ("completed", "failed", "cancelled")

        def read() -> dict[str, Any] | None:
            document = self.get(family.run_path(run_id)).json()
            return document if document["data"]["status"] in wanted else None

        return until(read)

    def stream_to_its_end(self, run_id: str, clock: SettableClock) -> str:
        """Read a run's stream; the sandbox's clock passes only once the run was told queued, then running."""
        heard = []
        with self.stream("GET", f"/v1/runs/{run_id}/stream") as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                heard.append(line)
                if line.startswith("data: "):
                    clock.advance(LEAVES_QUEUE if len(heard) == 2 else ENDS)
        return "".join(f"{line}\n" for line in heard)

    def arm(self, **document: Any) -> httpx.Response:
        return self.post("/sandbox/faults", json=document)

    def log(self, section: str) -> list[dict[str, Any]]:
        return self.get("/sandbox/log").json()[section]


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Look again and again until something true is seen; fail after a while."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not seen within {seconds} s"
        time.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return until


@pytest.fixture
def open_caller() -> Iterator[Callable[..., Caller]]:
    opened: list[Caller] = []

    def make(sandbox: Sandbox, key: str | None = "lma_key_of_a_test_9876") -> Caller:
        opened.append(Caller(sandbox, key))
        return opened[-1]

    yield make
    for caller in opened:
        caller.close()


@pytest.fixture
def caller(shared_sandbox: Sandbox, open_caller: Callable[..., Caller]) -> Caller:
    return open_caller(shared_sandbox)


@pytest.fixture
def alone(open_sandbox: Callable[..., Sandbox], open_caller: Callable[..., Caller]) -> Caller:
    """A caller with a sandbox of its own."""
    return open_caller(open_sandbox())


@pytest.fixture
def still(open_sandbox: Callable[..., Sandbox], open_caller: Callable[..., Caller], clock: SettableClock) -> Caller:
    """A caller with a sandbox of its own, whose time stands still until a test moves it."""
    return open_caller(open_sandbox(clock=clock, speed=10.0))


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class Receiver(ThreadingHTTPServer):
    """Receives webhooks and answers with the scripted statuses, then 200."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []
        self.script: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body, time.time()))
        self.server.hold.wait(120)
        status = self.server.script.pop(0) if self.server.script else 200
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url + "-elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def open_receiver() -> Iterator[Callable[[], Receiver]]:
    opened: list[Receiver] = []

    def make() -> Receiver:
        receiver = Receiver()
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        opened.append(receiver)
        return receiver

    yield make
    for receiver in opened:
        receiver.hold.set()
        receiver.shutdown()
        receiver.server_close()


@pytest.fixture
def receiver(open_receiver: Callable[[], Receiver]) -> Receiver:
    return open_receiver()
