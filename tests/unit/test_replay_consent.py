"""Replaying what is replayed already: refused without consent, and one start however many ask for it at once."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core import errors
from lamina_core.api.client import LaminaClient
from lamina_core.clock import SystemClock
from lamina_core.config import Secret
from lamina_core.domain import App, Generation, Operator, Role, Status
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.starts import StartRequest
from lamina_core.store import executions
from lamina_core.store.engine import Engines
from lamina_core.store.tables import ExecutionTable
from lamina_core.store.writer import Writer

ADA = Operator("Ada", Role.OPERATOR)
APP = App("app-1", "Portrait Studio", None, is_public=True)
INPUTS = {"Prompt": "a fox"}


class Lamina:
    """Accepts every start under an id of its own."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = f"e-{len(self.started)}-{random.getrandbits(32):x}"
        self.started.append(name)
        document = {"executionId": name, "workflowId": "app-1", "status": "queued", "outputs": []}
        return httpx.Response(202, json={"data": document | {"createdAt": "2026-03-14T09:00:00.000Z"}})


@pytest.fixture
def lamina() -> Lamina:
    return Lamina()


@pytest.fixture
def open_desk(engines: Engines, lamina: Lamina) -> Iterator[Callable[[], Operations]]:
    """Make a desk on the same database, as a second process is one."""
    clock, opened = SystemClock(), []

    def make() -> Operations:
        writer = Writer(engines.write, clock)
        client = LaminaClient(
            base_url="https://lamina.example.com",
            api_key=Secret("lma_test"),
            generation=Generation.EXECUTIONS,
            clock=clock,
            rng=random.Random(1),
            inner=httpx.MockTransport(lamina),
        )
        writer.start()
        opened.append((writer, client))
        return Operations(
            engines=engines,
            writer=writer,
            client=client,
            budget=Budget(1_000, clock),
            clock=clock,
            generation=Generation.EXECUTIONS,
        )

    yield make
    for writer, client in opened:
        writer.stop()
        client.close()


@pytest.fixture
def desk(open_desk: Callable[[], Operations]) -> Operations:
    return open_desk()


def start(desk: Operations, token: str, **changes) -> int:
    return desk.start(ADA, StartRequest(token, APP, INPUTS, **changes), None)


def put(engines: Engines, row_id: int, status: Status) -> None:
    with engines.write.begin() as connection:
        connection.execute(sa.update(ExecutionTable).where(col(ExecutionTable.id) == row_id).values(status=status))


def replays_of(engines: Engines, row_id: int) -> list[int]:
    with engines.reading() as connection:
        return [replay.id for replay in executions.replays_of(connection, row_id)]


BLOCKING = {
    Status.STARTING,
    Status.START_UNCONFIRMED,
    Status.QUEUED,
    Status.RUNNING,
    Status.UNKNOWN,
    Status.COMPLETED,
}


@pytest.mark.parametrize("status", list(Status))
def test_another_replay_needs_consent_while_one_is_under_way_or_has_completed(engines, desk, lamina, status):
    original = start(desk, "original")
    put(engines, original, Status.FAILED)
    first = start(desk, "first", replay_of=original)
    put(engines, first, status)
    if status in BLOCKING:
        with pytest.raises(errors.OperationRefused, match=rf"#{original} was replayed already: #{first} \("):
            start(desk, "second", replay_of=original)
        assert (replays_of(engines, original), len(lamina.started)) == ([first], 2)
    second = start(desk, "second", replay_of=original, may_repeat=status in BLOCKING)
    assert (replays_of(engines, original), len(lamina.started)) == ([first, second], 3)


def test_replays_of_others_need_no_consent(engines, desk):
    one, other = start(desk, "one"), start(desk, "other")
    start(desk, "first", replay_of=one)
    second = start(desk, "second", replay_of=other)
    assert replays_of(engines, other) == [second]


def test_the_same_token_again_is_the_same_replay_and_needs_no_consent(engines, desk, lamina):
    original = start(desk, "original")
    assert start(desk, "first", replay_of=original) == start(desk, "first", replay_of=original)
    assert len(lamina.started) == 2


@pytest.mark.parametrize("status", [Status.STARTING, Status.START_UNCONFIRMED])
def test_an_unsettled_start_is_replayed_by_its_own_consent_only(engines, desk, lamina, status):
    original = start(desk, "original")
    put(engines, original, status)
    for consent in ({}, {"may_repeat": True}):
        with pytest.raises(errors.OperationRefused, match=f"#{original} is not known: .* billed twice"):
            start(desk, "first", replay_of=original, **consent)
    first = start(desk, "first", replay_of=original, may_bill_twice=True)
    assert (replays_of(engines, original), len(lamina.started)) == ([first], 2)
    with pytest.raises(errors.OperationRefused, match=f"#{first}"):
        start(desk, "second", replay_of=original, may_bill_twice=True)
    assert desk.replay(ADA, original, "second", None, may_bill_twice=True) == replays_of(engines, original)[-1] != first


@pytest.mark.parametrize("processes", [1, 2])
def test_of_two_who_replay_at_once_one_starts_and_the_other_is_refused(engines, open_desk, lamina, processes):
    desks = [open_desk() for _ in range(processes)] * (3 - processes)
    for attempt in range(10):
        original = start(desks[0], f"original {attempt}")
        begun, before = Barrier(2), len(lamina.started)

        def replay(place: int, original=original, begun=begun, attempt=attempt) -> int | None:
            begun.wait(30)
            try:
                return start(desks[place], f"replay {attempt} {place}", replay_of=original)
            except errors.OperationRefused:
                return None

        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(replay, range(2)))
        assert [row for row in rows if row is not None] == replays_of(engines, original)
        assert (len(replays_of(engines, original)), len(lamina.started) - before) == (1, 1), attempt
