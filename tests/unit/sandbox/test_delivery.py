"""The sender by itself, on an event loop with receivers made of functions."""

import asyncio

import httpx
import pytest

from lamina_core.sandbox import delivery
from lamina_core.sandbox.delivery import Sender
from lamina_core.sandbox.faults import Armory
from lamina_core.sandbox.keys import KeyRing

HOOK = "http://127.0.0.1:9/hook"


@pytest.fixture
def send(bench):
    """Run a sender against a receiver until a condition holds, or for a number of turns of the loop."""

    def run(receive, until=lambda: False, before=lambda sender: None):
        async def serve():
            sender = Sender(
                bench.state,
                Armory(),
                KeyRing(bench.state),
                clock=bench.clock,
                speed=1.0,
                client=lambda: httpx.AsyncClient(transport=httpx.MockTransport(receive)),
            )
            stopping = asyncio.Event()
            sending = asyncio.create_task(sender.run(stopping, 0.05))
            await asyncio.sleep(0)
            before(sender)
            for _ in range(200):
                if until():
                    break
                await asyncio.sleep(0.005)
            stopping.set()
            await sending

        asyncio.run(serve())

    return run


@pytest.fixture
def due(bench, make_app):
    """A completed run whose webhook is due."""
    execution = bench.start(make_app(), webhook_url=HOOK)
    bench.clock.advance(600)
    return execution


def _attempts(bench):
    return [entry for _, kind, entry in bench.state.log_since(0) if kind == "attempt"]


def test_a_due_webhook_is_sent_and_forgotten(bench, due, send):
    send(lambda request: httpx.Response(200), until=lambda: _attempts(bench))

    assert [attempt["executionId"] for attempt in _attempts(bench)] == [due.execution_id]
    assert bench.state.pending_webhooks() == []


@pytest.mark.parametrize(("attempts", "delay"), [(0, 5), (1, 30), (2, 120)])
def test_a_failed_attempt_is_due_again_after_5_30_and_120_seconds(bench, due, send, attempts, delay):
    (webhook,) = bench.webhooks
    for _ in range(attempts):
        bench.state.record_attempt(webhook, [], due_at=webhook.due_at)

    send(lambda request: httpx.Response(500), until=lambda: _attempts(bench))

    (pending,) = bench.state.pending_webhooks()
    assert pending.due_at - bench.engine.now() == delay * 1000
    assert pending.attempts == attempts + 1


def test_the_fourth_failure_is_the_last(bench, due, send):
    (webhook,) = bench.webhooks
    for _ in range(3):
        bench.state.record_attempt(webhook, [], due_at=webhook.due_at)

    send(lambda request: httpx.Response(500), until=lambda: _attempts(bench))

    assert _attempts(bench)[0]["attempt"] == 4
    assert bench.state.pending_webhooks() == []


def test_a_webhook_whose_run_was_cancelled_meanwhile_is_not_sent(bench, make_app, send):
    execution = bench.start(make_app(), webhook_url=HOOK)
    received = []

    def cancel(sender):
        bench.engine.cancel(execution)
        bench.clock.advance(600)
        sender.schedule(bench.webhooks[0])

    send(received.append, before=cancel, until=lambda: received)

    assert received == []


def test_silence_ends_an_attempt_after_the_timeout(bench, due, send, monkeypatch):
    monkeypatch.setattr(delivery, "TIMEOUT", 0.02)

    async def say_nothing(request):
        await asyncio.Event().wait()

    send(say_nothing, until=lambda: _attempts(bench))

    assert _attempts(bench)[0]["status"] is None
    assert "no answer within" in _attempts(bench)[0]["error"]


def test_an_attempt_that_outlives_the_grace_of_a_stop_stays_pending(bench, due, send):
    async def say_nothing(request):
        await asyncio.Event().wait()

    send(say_nothing, until=lambda: True)

    assert _attempts(bench) == []
    assert [webhook.attempts for webhook in bench.state.pending_webhooks()] == [0]


def test_an_unforeseen_failure_is_told_and_holds_up_nothing(bench, due, make_app, send, caplog):
    def break_once(request):
        if due.execution_id.encode() in request.content:
            raise ZeroDivisionError
        return httpx.Response(200)

    other = bench.start(make_app(), webhook_url=HOOK)
    bench.clock.advance(600)
    send(break_once, until=lambda: _attempts(bench))

    assert [attempt["executionId"] for attempt in _attempts(bench)] == [other.execution_id]
    assert [webhook.execution_id for webhook in bench.state.pending_webhooks()] == [due.execution_id]
    assert "ended unexpectedly" in caplog.text
