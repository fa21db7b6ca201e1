"""A poller that is stepped by hand, against a Lamina whose answers a test decides."""

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlmodel import col

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.api.client import LaminaClient
from lamina_core.config import Secret
from lamina_core.domain import Generation, Kind, Origin, Source, Update
from lamina_core.polling.budget import Budget
from lamina_core.polling.poller import Poller
from lamina_core.store import executions
from lamina_core.store.executions import Intent
from lamina_core.store.tables import ExecutionTable


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def report(execution_id: str, status: str = "running") -> dict:
    done = status in {"completed", "failed"}
    return {
        "executionId": execution_id,
        "workflowId": "app-1",
        "status": status,
        "outputs": [],
        "errorMessage": None,
        "createdAt": "2026-03-14T09:00:00.000Z",
        "startedAt": None,
        "completedAt": "2026-03-14T09:00:30.000Z" if done else None,
    }


class Lamina:
    """Answers every read with `answer`, and remembers who asked for what and when."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.times: dict[str, list[float]] = {}
        self.at_once = self.most_at_once = 0
        self.gate: threading.Event | None = None
        self.answer: Callable[[str], httpx.Response] = lambda name: httpx.Response(200, json={"data": report(name)})

    def end(self, status: str) -> None:
        self.answer = lambda name: httpx.Response(200, json={"data": report(name, status)})

    def refuse(self, status: int, headers: dict | None = None) -> None:
        self.answer = lambda name: httpx.Response(status, json={"error": f"told {status}"}, headers=headers)

    def vanish(self) -> None:
        def cut(name: str) -> httpx.Response:
            raise httpx.ReadTimeout("no answer")

        self.answer = cut

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.times.setdefault(name, []).append(self._clock.now().timestamp())
            self.asked.append(name)  # last: tests wait for it
        try:
            if self.gate is not None:
                assert self.gate.wait(60)
            return self.answer(name)
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.fixture
def lamina(clock) -> Lamina:
    return Lamina(clock)


@pytest.fixture
def budget(clock) -> Budget:
    return Budget(6_000, clock)


@pytest.fixture
def client(lamina, clock, budget):
    made = LaminaClient(
        base_url="https://lamina.example.com",
        api_key=Secret("lma_test"),
        generation=Generation.EXECUTIONS,
        clock=clock,
        rng=random.Random(1),
        observe=budget.observe,
        inner=httpx.MockTransport(lamina),
    )
    yield made
    made.close()


class Desk:
    """A poller, what it stands on, and what a test wants to know of it."""

    def __init__(self, engines, writer, client, budget, clock) -> None:
        self._parts = {"engines": engines, "writer": writer, "client": client, "budget": budget, "clock": clock}
        self.engines, self.writer, self.clock = engines, writer, clock
        self.pollers: list[Poller] = []

    def poller(self, holder: str = "one", **changes) -> Poller:
        made = Poller(holder=holder, **self._parts | changes)
        self.pollers.append(made)
        return made

    def start(self, name: str, *, kind: Kind = Kind.IMAGE, webhook_expected: bool = False) -> int:
        """Record an execution that Lamina has accepted."""
        now = self.clock.now()
        intent = Intent(
            token=name,
            app_id="app-1",
            app_name="Portrait Studio",
            kind=kind,
            generation=Generation.EXECUTIONS,
            inputs={},
            chosen_outputs=(),
            origin=Origin.FORM,
            replay_of=None,
            started_by="Ada",
            webhook_expected=webhook_expected,
        )

        def work(connection) -> int:
            row = executions.insert_intent(connection, intent, now)
            accepted = wire.report_from(report(name, "queued"))
            intake.apply_update(connection, Update(Source.START, now, row, report=accepted), now)
            return row

        return self.writer.run(work)

    def row(self, row_id: int):
        with self.engines.reading() as connection:
            return executions.find(connection, row_id)

    def make_due(self) -> None:
        now = self.clock.now()
        due = col(ExecutionTable.next_poll_at).is_not(None)
        self.writer.run(
            lambda connection: connection.execute(
                ExecutionTable.__table__.update().where(due).values(next_poll_at=now - timedelta(seconds=1))
            )
        )

    def step(self, poller: Poller) -> None:
        """Do one round and wait until its reads have ended."""
        poller.step()
        wait_until(lambda: not poller._reading)

    def pass_time(self, poller: Poller, seconds: float, tick: float = 1.0) -> None:
        ends = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < ends:
            self.step(poller)
            self.clock.advance(tick)


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it took longer than 30 s"
        time.sleep(0.001)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture
def desk(engines, writer, client, budget, clock):
    made = Desk(engines, writer, client, budget, clock)
    yield made
    for poller in made.pollers:
        poller.stop()
