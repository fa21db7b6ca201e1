"""The process: how it starts, whom it lets in, how it stops and comes back."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PROJECT, Desk, free_port, wait_until

LAUNCHES = {
    "make run": ["dashboard.py"],  # what the Makefile executes
    "streamlit run": ["-m", "streamlit", "run", "dashboard.py", "--server.port", "{port}"],
    "uvicorn": ["-m", "uvicorn", "dashboard:app", "--port", "{port}"],
}
WIDE_LAUNCHES = {
    "make run": LAUNCHES["make run"],
    "streamlit run": [*LAUNCHES["streamlit run"], "--server.address", "0.0.0.0"],
    "uvicorn": [*LAUNCHES["uvicorn"], "--host", "0.0.0.0"],
}
RELAYED = {
    "foreign host": {"Host": "desk.example.com"},
    "forwarded": {"Forwarded": "for=203.0.113.9"},
    "x-forwarded-for": {"X-Forwarded-For": "203.0.113.9"},
    "x-forwarded-host": {"X-Forwarded-Host": "desk.example.com"},
}


def start_through_api(desk: Desk, app: str = "Studio Product Shot") -> str:
    """Start an execution at the sandbox as an operator's browser would not: for tests of what happens after."""
    headers = {"x-api-key": "lma_test"}
    apps = httpx.get(desk.sandbox_url + "/api/apps", headers=headers, params={"search": app}).json()["data"]
    answer = httpx.post(
        f"{desk.sandbox_url}/api/apps/{apps[0]['appId']}/executions",
        params={"webhook": desk.url + "/webhooks/lamina"},
        headers=headers,
        json={"inputs": {}},
    )
    return str(answer.json()["data"]["executionId"])


def ask_for_websocket(port: int, headers: dict[str, str], address: str = "127.0.0.1") -> int:
    """Ask for Streamlit's websocket with exactly these headers and return the status of the answer."""
    asked = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
    }
    asked |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    with socket.create_connection((address, port), timeout=30) as dialled:
        dialled.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
        return int(dialled.recv(64).split()[1])


def run_to_its_end(desk: Desk) -> subprocess.CompletedProcess[str]:
    return subprocess.run(desk.command, env=desk.environment, cwd=PROJECT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", LAUNCHES.values(), ids=LAUNCHES)
def test_the_guard_lets_only_this_machine_in_however_it_is_launched(make_desk: Callable[..., Desk], command):
    desk = make_desk(command)
    assert httpx.get(desk.url).status_code == 200
    assert ask_for_websocket(desk.port, {}) == 101
    for headers in RELAYED.values():
        for path in ("/", "/start", "/_stcore/host-config", "/operator"):
            assert httpx.get(desk.url + path, headers=headers).status_code == 403, (headers, path)
        assert httpx.get(desk.url + "/healthz", headers=headers).status_code == 200
        assert httpx.post(desk.url + "/webhooks/lamina", headers=headers).status_code == 400
        assert ask_for_websocket(desk.port, headers) == 403


def _own_address() -> str | None:
    """An address of this machine that is not loopback, found without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


@pytest.mark.long
@pytest.mark.parametrize("command", WIDE_LAUNCHES.values(), ids=WIDE_LAUNCHES)
def test_a_bind_to_every_address_still_lets_only_this_machine_in(make_desk: Callable[..., Desk], command):
    desk = make_desk(command, LAMINA_DESK_HOST="0.0.0.0")
    assert httpx.get(desk.url).status_code == 200
    address = _own_address() or "127.0.0.1"
    headers = {"Host": "127.0.0.1"} if address != "127.0.0.1" else {"Host": "192.0.2.1"}
    assert httpx.get(f"http://{address}:{desk.port}/", headers=headers).status_code == 403
    assert httpx.get(f"http://{address}:{desk.port}/healthz", headers=headers).status_code == 200
    assert ask_for_websocket(desk.port, headers, address) == 403


def test_the_machines_paths_never_answer_with_a_page(make_desk: Callable[..., Desk]):
    desk = make_desk()
    for method, path, status in (
        ("GET", "/webhooks/lamina", 405),
        ("PUT", "/webhooks/lamina", 405),
        ("POST", "/webhooks/lamina/x", 404),
        ("GET", "/webhooks/else", 404),
        ("GET", "/api/else", 404),
    ):
        answer = httpx.request(method, desk.url + path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), path


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_without_waiting_for_executions_in_flight(make_desk: Callable[..., Desk], how):
    desk = make_desk(LAMINA_SANDBOX_SPEED="1")
    start_through_api(desk, "Campaign Film")
    assert desk.stop(how) < 10, "the execution would take two minutes"
    assert "Traceback" not in desk.read_log()


def test_a_taken_port_is_named_before_anything_starts(make_desk: Callable[..., Desk]):
    desk = make_desk(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", desk.port))
        taken.listen()
        ended = subprocess.run(
            desk.command, env=desk.environment, cwd=PROJECT, capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 1
    assert f"127.0.0.1:{desk.port}" in ended.stderr
    assert "LAMINA_DESK_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (desk.folder / "demo.db").exists()


def test_a_taken_sandbox_port_names_its_setting(make_desk: Callable[..., Desk]):
    desk = make_desk(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", desk.sandbox_port))
        taken.listen()
        ended = subprocess.run(
            desk.command, env=desk.environment, cwd=PROJECT, capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 1
    assert "LAMINA_SANDBOX_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"LAMINA_API_GENERATION": "v9"}, "LAMINA_API_GENERATION"),
        ({"LAMINA_BASE_URL": "https://lamina.example.com"}, "LAMINA_API_KEY"),
        ({"LAMINA_DATABASE_URL": "sqlite:////proc/nowhere/desk.db"}, "/proc/nowhere"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_a_traceback(make_desk: Callable[..., Desk], settings, named):
    desk = make_desk(start=False, **settings)
    ended = run_to_its_end(desk)
    assert ended.returncode == 1
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_sandbox_runs_alone(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "lamina_core", "sandbox", "--port", str(port), "--speed", "50"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--database", str(tmp_path / "s.db")], cwd=PROJECT, stderr=log, stdout=log
        )

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/v1/apps", headers={"x-api-key": "lma_x"}).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, what="the sandbox to answer")
    process.terminate()
    assert process.wait(30) in {0, -signal.SIGTERM, 143}


IMPORTED = re.compile(
    r"^import time: .*\| +((?:streamlit|pyarrow|pandas|PIL|lamina_core|pages)\b[\w.]*)$", re.MULTILINE
)


def test_the_first_pages_import_nothing(make_desk: Callable[..., Desk], page: Page):
    """Two first pages at once would import one module in two threads, which Python 3.11 does not always survive."""
    desk = make_desk(["-X", "importtime", "dashboard.py"], LAMINA_SANDBOX_SPEED="50")
    before = len(desk.read_log())
    page.goto(f"{desk.url}/start?app=7a62d16d-dbe6-47f2-875e-efb4c6dea863")
    expect(page.get_by_text("Copy as curl")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name=re.compile("^Start")).last.click(timeout=30_000)
    expect(page.locator("[data-testid=stImage] img").first).to_be_visible(timeout=30_000)
    for name, shown in (("executions", "1 rows."), ("system", "Pause polling"), ("", "Poller alive")):
        page.goto(f"{desk.url}/{name}")
        expect(page.get_by_text(shown).first).to_be_visible(timeout=30_000)
    imported = set(IMPORTED.findall(desk.read_log()[before:]))
    assert {name for name in imported if not name.startswith("streamlit.web.")} == set()
