"""The demo history of the sandbox: replays of it work, its webhooks verify, and it goes into an empty store alone."""

import random
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core import config, errors, signing, starts
from lamina_core.api.client import LaminaClient
from lamina_core.clock import SystemClock
from lamina_core.domain import Execution, Generation, Operator, Role, Status, Verdict
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.sandbox.server import Sandbox
from lamina_core.seeding.demo import EXECUTIONS, DemoDesk
from lamina_core.store import deliveries, executions, polls
from lamina_core.store.engine import Engines
from lamina_core.store.tables import DeliveryTable, EventTable, ExecutionTable, FailureTable
from lamina_core.store.writer import Writer

EVE = Operator("Eve", Role.ADMIN)
CLOCK = SystemClock()


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def demo(engines: Engines, writer: Writer, sandbox: Sandbox) -> DemoDesk:
    settings = config.load({"LAMINA_SANDBOX_PORT": str(urlsplit(sandbox.base_url).port)})
    assert settings.base_url == sandbox.base_url
    return DemoDesk(engines, writer, CLOCK, settings, sandbox.signing_key)


@pytest.fixture
def operations(engines: Engines, writer: Writer, sandbox: Sandbox) -> Iterator[Operations]:
    budget = Budget(100_000, CLOCK)
    client = LaminaClient(
        base_url=sandbox.base_url,
        api_key=config.Secret("lma_test"),
        generation=Generation.EXECUTIONS,
        clock=CLOCK,
        rng=random.Random(1),
    )
    yield Operations(
        engines=engines, writer=writer, client=client, budget=budget, clock=CLOCK, generation=Generation.EXECUTIONS
    )
    client.close()


def read_all(engines: Engines) -> list[Execution]:
    with engines.reading() as connection:
        found = connection.execute(sa.select(*executions.ROW).order_by(col(ExecutionTable.id)))
        return [executions.execution_from(row) for row in found]


def finish(operations: Operations, row_id: int, find: Callable[[int], Execution]) -> Execution:
    for _ in range(400):
        operations.check(EVE, row_id)
        if find(row_id).status.terminal:
            break
        time.sleep(0.02)
    return find(row_id)


def test_it_is_offered_once_and_is_over(demo: DemoDesk, engines: Engines):
    assert demo.is_offered()
    assert demo.fill(EVE) == EXECUTIONS
    assert not demo.is_offered()
    rows = read_all(engines)
    assert len(rows) == EXECUTIONS
    assert len({row.app_id for row in rows}) >= 12
    assert {row.status for row in rows} >= {Status.COMPLETED, Status.FAILED, Status.START_FAILED}
    assert not {row.status for row in rows} & {Status.QUEUED, Status.RUNNING, Status.STARTING}
    assert max(row.updated_at for row in rows) < CLOCK.now()
    with engines.reading() as connection:
        assert polls.next_due_at(connection) is None
        failed = connection.execute(sa.select(col(FailureTable.triage))).scalars().all()
        told = connection.execute(sa.select(EventTable).where(col(EventTable.kind) == "demo_filled")).one()
    assert len(set(failed)) == 3
    assert (told.actor, told.detail) == ("Eve", {"executions": EXECUTIONS})


def test_its_inputs_are_accepted_today_and_replays_end_as_the_sandbox_has_them_end(
    demo: DemoDesk, engines: Engines, operations: Operations
):
    demo.fill(EVE)
    rows = read_all(engines)
    with engines.reading() as connection:
        sent = executions.find_inputs(connection, [row.id for row in rows])
        failed = set(connection.execute(sa.select(col(FailureTable.execution))).scalars())
    chosen = {}
    for row in rows:
        if sent[row.id] and row.status in {Status.COMPLETED, Status.FAILED, Status.START_FAILED}:
            chosen[row.app_id, row.status, row.id in failed] = row
    assert len(chosen) > 20
    find = {row.id: row for row in rows}.__getitem__

    def find_now(row_id: int) -> Execution:
        with engines.reading() as connection:
            found = executions.find(connection, row_id)
        assert found is not None
        return found

    ends = set()
    for original in chosen.values():
        replay = operations.replay(EVE, original.id, starts.new_token(random.SystemRandom()), None, may_bill_twice=True)
        assert find_now(replay).status is not Status.START_FAILED, find_now(replay).error_message
        ended = finish(operations, replay, find_now)
        assert ended.status in {Status.COMPLETED, Status.FAILED}
        if ended.status is Status.FAILED:
            assert ended.error_message == find(original.id).error_message
        ends.add((original.status, ended.status))
    assert (Status.FAILED, Status.COMPLETED) in ends
    assert (Status.FAILED, Status.FAILED) in ends


def test_its_accepted_webhooks_verify_with_the_sandboxs_key(demo: DemoDesk, engines: Engines, sandbox: Sandbox):
    demo.fill(EVE)
    key = sandbox.signing_key()
    assert key is not None
    with engines.reading() as connection:
        is_accepted = col(DeliveryTable.verdict) == Verdict.ACCEPTED
        ids = connection.execute(sa.select(col(DeliveryTable.id)).where(is_accepted)).scalars().all()
        kept = [deliveries.find_kept(connection, row_id) for row_id in ids]
    assert len(kept) > 50
    for each in kept:
        signature = bytes.fromhex(each.headers[signing.SIGNATURE_HEADER])
        assert signing.find_key([key.public()], signature, each.headers[signing.TIMESTAMP_HEADER], each.body)


def test_only_an_admin_fills_an_empty_sandbox_store(demo: DemoDesk, engines: Engines, writer: Writer):
    with pytest.raises(errors.OperationRefused, match="this needs the role admin"):
        demo.fill(Operator("Olga", Role.OPERATOR))
    lamina = config.load({"LAMINA_API_KEY": "lma_test"})
    real = DemoDesk(engines, writer, CLOCK, lamina, lambda: None)
    assert not real.is_offered()
    with pytest.raises(errors.OperationRefused, match="belongs to the sandbox alone"):
        real.fill(EVE)
    assert read_all(engines) == []
    demo.fill(EVE)
    with pytest.raises(errors.OperationRefused, match="There are executions already"):
        demo.fill(EVE)
    assert len(read_all(engines)) == EXECUTIONS
