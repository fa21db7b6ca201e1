"""What docs/registering.md tells a backend to do, done as it stands there, against a real process."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lamina_core.domain import Execution, Origin, Status
from lamina_core.store import catalogue, engine, executions
from lamina_core.store.engine import Engines
from tests.e2e.conftest import PROJECT, Desk, wait_until

TOKEN = "t0ken-of-the-backend"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUNNERS = {"python": [sys.executable, "-c"], "js": ["node", "-e"], "sh": ["sh", "-c"]}


def blocks() -> list[tuple[str, str]]:
    """Return the document's code with its language."""
    return BLOCK.findall((PROJECT / "docs" / "registering.md").read_text())


def posting() -> dict[str, str]:
    return {language: code for language, code in blocks() if "/api/executions" in code}


def require_program(name: str) -> None:
    """Skip where a program is not installed, or fail where it is required."""
    if shutil.which(name):
        return
    reason = f"no {name} found; on Debian: apt-get install {'nodejs' if name == 'node' else name}"
    if os.environ.get("REQUIRE_NODE") == "1" or name != "node":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk(LAMINA_DESK_INGEST_TOKEN=TOKEN, LAMINA_SANDBOX_SPEED="50")


@pytest.fixture
def store(desk: Desk) -> Iterator[Engines]:
    """The desk's own database, read from beside it."""
    opened = engine.open_engines(desk.environment["LAMINA_DATABASE_URL"])
    yield opened
    opened.close()


def start_at_lamina(desk: Desk, store: Engines) -> dict[str, str]:
    """Start an execution as a product's backend does, and return what the examples ask of the environment."""

    def is_listed() -> bool:  # the desk has read the names of apps, which its poller does once it runs
        with store.reading() as connection:
            return bool(catalogue.listed_apps(connection))

    wait_until(is_listed, what="the list of apps")
    headers = {"x-api-key": "lma_of_the_backend"}
    apps = httpx.get(desk.sandbox_url + "/api/apps", headers=headers, params={"search": "Studio Product Shot"}).json()
    app_id = apps["data"][0]["appId"]
    url = f"{desk.sandbox_url}/api/apps/{app_id}/executions"
    answer = httpx.post(url, headers=headers, json={"inputs": {}})
    return {"EXECUTION_ID": answer.json()["data"]["executionId"], "APP_ID": app_id, "DESK_URL": desk.url}


def run(command: list[str], settings: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONPATH": str(PROJECT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        command, env=environment | settings, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def wait_for_end(store: Engines, name: str) -> tuple[Execution, executions.Payload]:
    def look() -> tuple[Execution, executions.Payload] | None:
        with store.reading() as connection:
            known = executions.known_by_execution_id(connection, {name})
            row = executions.find(connection, known[name].id) if known else None
            payload = executions.find_payload(connection, row.id) if row else None
        return (row, payload) if row and payload and row.status.terminal else None

    return wait_until(look, 60, f"the end of {name}")


def test_the_document_shows_the_same_registration_in_three_languages():
    assert set(posting()) == set(RUNNERS)
    for code in posting().values():
        for name in ("EXECUTION_ID", "APP_ID", "DESK_URL", "LAMINA_DESK_INGEST_TOKEN", "a fox", "ORDER-1"):
            assert name in code


@pytest.mark.parametrize("language", RUNNERS)
def test_an_example_registers_what_a_backend_started_and_the_desk_sees_it_end(desk, store, tmp_path, language):
    program, *options = RUNNERS[language]
    require_program(program)
    if language == "sh":
        require_program("curl")
    settings = start_at_lamina(desk, store) | {"LAMINA_DESK_INGEST_TOKEN": TOKEN}
    ran = run([program, *options, posting()[language]], settings, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert '"result":"created"' in ran.stdout
    row, payload = wait_for_end(store, settings["EXECUTION_ID"])
    assert (row.status, row.app_id, row.app_name) == (Status.COMPLETED, settings["APP_ID"], "Studio Product Shot")
    assert (row.reference, row.origin, payload.inputs) == ("ORDER-1", Origin.REGISTERED, {"Prompt": "a fox"})
    assert payload.outputs[0]["value"].startswith(desk.sandbox_url), "its results are here too"
    again = run([program, *options, posting()[language]], settings, tmp_path)
    assert '"result":"known"' in again.stdout, "to send it again is never a second one"
    refused = run([program, *options, posting()[language]], settings | {"LAMINA_DESK_INGEST_TOKEN": "wr0ng"}, tmp_path)
    assert "created" not in refused.stdout
    assert refused.returncode != 0, "a backend must see that it was refused"
    log = desk.read_log()
    assert "Traceback" not in log
    assert TOKEN not in log


def test_the_command_for_files_registers_beside_the_running_desk(desk, store, tmp_path):
    (command,) = (code for language, code in blocks() if language == "sh" and "lamina_core import" in code)
    started = start_at_lamina(desk, store)
    table = (
        f'executionId,appId,inputs,reference\n{started["EXECUTION_ID"]},{started["APP_ID"]},"{{""n"": 1}}",ORDER-2\n'
    )
    (tmp_path / "executions.csv").write_text(table)
    ran = run(["sh", "-c", command], {"LAMINA_DATABASE_URL": desk.environment["LAMINA_DATABASE_URL"]}, tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "1 created, 0 completed, 0 known, 0 refused\n"), ran.stderr
    row, payload = wait_for_end(store, started["EXECUTION_ID"])
    assert (row.status, row.reference, row.origin, payload.inputs) == (
        Status.COMPLETED,
        "ORDER-2",
        Origin.IMPORTED,
        {"n": 1},
    )
