"""A bulk operation whose process is killed while its starts are on their way: none is sent twice, and all are sent."""

import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from lamina_core import config, runtime
from lamina_core.bulk.prospects import Wish
from lamina_core.bulk.records import BulkKind, ItemState
from lamina_core.clock import SystemClock
from lamina_core.domain import Operator, Role, Status
from lamina_core.sandbox.server import Sandbox
from lamina_core.store.criteria import Criteria
from tests.e2e.conftest import Desk, make_desk, wait_until  # noqa: F401 - a fixture

SHOT = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
ADA = Operator("Ada", Role.OPERATOR)
MANY = 5
INGEST = {"LAMINA_DESK_INGEST_TOKEN": "ingest-token"}


@pytest.fixture
def lamina() -> Iterator[Sandbox]:
    running = Sandbox(
        catalogue_file=config.DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=100.0,
        rate_limit=0,
        port=0,
    )
    running.start()
    yield running
    running.stop()


def starts(lamina: Sandbox) -> list[str]:
    """Return the tokens of the starts that Lamina accepted from the desk, with repetitions."""
    log = httpx.get(f"{lamina.base_url}/sandbox/log", timeout=30).json()["starts"]
    queries = [parse_qs(urlsplit(each["webhookUrl"] or "").query) for each in log]
    return [query["start"][0] for query in queries if "start" in query]


def items(desk: Desk) -> list[tuple[str, str, int | None]]:
    with closing(sqlite3.connect(desk.folder / "demo.db")) as connection:
        return connection.execute("SELECT token, state, replay FROM bulk_item ORDER BY position").fetchall()


def prepare(desk: Desk, lamina: Sandbox) -> None:
    """Let a backend start executions, and have them ended here."""
    for _ in range(MANY):
        url = f"{lamina.base_url}/api/apps/{SHOT}/executions"
        answer = httpx.post(url, headers={"x-api-key": "lma_backend"}, json={"inputs": {}}, timeout=30).json()
        known = {"executionId": answer["data"]["executionId"], "appId": SHOT, "inputs": {}}
        headers = {"Authorization": "Bearer ingest-token"}
        httpx.post(f"{desk.url}/api/executions", headers=headers, json=known, timeout=30).raise_for_status()

    def ended() -> bool:
        with closing(sqlite3.connect(desk.folder / "demo.db")) as connection:
            query = "SELECT count(*) FROM execution WHERE status = 'completed'"
            return bool(connection.execute(query).fetchone()[0] == MANY)

    wait_until(ended, 40, "the executions to end")


@pytest.mark.long
def test_killed_while_starts_are_on_their_way_it_sends_each_once(make_desk, lamina):  # noqa: F811
    desk = make_desk(start=False, LAMINA_API_KEY="lma_desk", LAMINA_BASE_URL=lamina.base_url, **INGEST)
    desk.environment["LAMINA_PUBLIC_URL"] = desk.url
    desk.start()
    prepare(desk, lamina)
    fault = {"fault": "slow", "method": "POST", "seconds": 0.4, "times": 1_000}
    httpx.post(f"{lamina.base_url}/sandbox/faults", json=fault, timeout=30).raise_for_status()
    parts = runtime.build(config.load(desk.environment))
    try:
        chosen = parts.bulks.choose_filter(Criteria(statuses=frozenset({Status.COMPLETED})), "all that completed")
        parts.bulks.create(ADA, chosen, Wish(BulkKind.REPLAY, per_minute=60, reason="They shall all be made anew."))
    finally:
        parts.stop()
    for least in (1, 3):
        wait_until(lambda least=least: len(starts(lamina)) >= least, 40, f"{least} starts")
        desk.stop(signal.SIGKILL)  # an answer is on its way still
        desk.start()
    wait_until(lambda: all(state == ItemState.SENT for _, state, _ in items(desk)), 60, "all to be sent")
    assert Counter(starts(lamina)) == Counter({token: 1 for token, _, _ in items(desk)})
    assert len({replay for _, _, replay in items(desk)}) == MANY
