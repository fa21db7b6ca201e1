"""The key set: cached in the store, read again once a minute at most, never lost by a bad answer."""

import asyncio
import threading

import httpx
import pytest

from lamina_core.clock import SystemClock
from lamina_core.domain import Verdict
from lamina_core.signing import SigningKey
from lamina_core.store import deliveries
from lamina_core.store.writer import Writer
from lamina_core.webhooks.keys import RETIRED_KEPT, KeyRing
from lamina_core.webhooks.receiver import PATH


def test_a_ring_begins_empty_and_stale(keys):
    keys.load()
    assert (keys.keys(), keys.fetched_at, keys.is_stale(), keys.may_refresh()) == ((), None, True, True)


def test_a_key_set_that_was_read_is_there_for_the_next_process(engines, writer, client, budget, clock, keys, lamina):
    assert keys.refresh()
    later = KeyRing(engines, writer, client, budget, clock)
    later.load()
    assert (later.keys(), later.fetched_at) == ((lamina.keys[0].public(),), clock.now())
    assert lamina.asked == 1


def test_within_a_minute_lamina_is_not_asked_again(keys, clock, lamina):
    keys.refresh()
    clock.advance(59)
    assert (keys.may_refresh(), keys.refresh(), lamina.asked) == (False, False, 1)
    clock.advance(1)
    assert keys.may_refresh()


def test_a_refresh_says_whether_the_set_changed(keys, clock, lamina):
    assert keys.refresh()
    clock.advance(60)
    assert not keys.refresh()
    lamina.keys.append(SigningKey.from_seed("k-2", b"\x09" * 32))
    clock.advance(60)
    assert keys.refresh()
    assert len(keys.keys()) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": "Invalid API key"}),
        httpx.Response(500, text="broken"),
        httpx.Response(200, html="<p>hello</p>"),
        httpx.Response(200, json={"keys": []}),
        httpx.Response(200, json={"keys": [{"kty": "RSA"}]}),
        httpx.Response(200, json={"data": {"keys": []}}),
        httpx.Response(200, json=[]),
    ],
)
def test_an_answer_that_is_no_key_set_leaves_the_keys_at_hand(keys, clock, lamina, answer):
    keys.refresh()
    before = keys.keys(), keys.fetched_at
    lamina.instead = answer
    clock.advance(3_600)
    assert not keys.refresh()
    assert (keys.keys(), keys.fetched_at) == before


def test_a_failed_try_counts_for_the_minute_too(keys, lamina):
    lamina.instead = httpx.Response(500)
    keys.refresh()
    keys.refresh()
    assert lamina.asked == 1


def test_a_read_is_counted_and_goes_although_the_budget_is_used_up(keys, budget, lamina):
    while budget.take_poll():
        pass
    spent = budget.spent_last_minute()
    assert keys.refresh()
    assert (lamina.asked, budget.spent_last_minute()) == (1, spent + 1)
    assert not keys.refresh()
    assert budget.spent_last_minute() == spent + 1, "Lamina was not asked again"


def test_a_set_is_stale_after_a_day(keys, clock):
    keys.refresh()
    clock.advance(86_400)
    assert not keys.is_stale()
    clock.advance(1)
    assert keys.is_stale()


def test_keys_serve_although_the_store_takes_nothing(engines, client, budget, clock, lamina):
    ring = KeyRing(engines, Writer(engines.write, SystemClock(), capacity=0), client, budget, clock)
    assert ring.refresh()
    assert ring.keys() == (lamina.keys[0].public(),)


def test_many_threads_ask_once(keys, lamina):
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(30)
        keys.refresh()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert lamina.asked == 1
    assert len(keys.keys()) == 1


def rotate(lamina, keys, clock, *numbers: int) -> None:
    """Let Lamina serve these keys from now on, and let the ring read them a day later."""
    lamina.keys[:] = [SigningKey.from_seed(f"k-{number}", bytes([number]) * 32) for number in numbers]
    clock.advance(86_400)
    assert keys.refresh()


def test_a_key_that_left_the_set_is_remembered_with_when_it_was_last_seen(keys, clock, lamina):
    first = lamina.keys[0].public()
    keys.refresh()
    assert keys.retired() == ()
    clock.advance(7_200)
    keys.refresh()
    seen = clock.now()
    rotate(lamina, keys, clock, 2)
    assert keys.retired() == ((first, seen),)
    clock.advance(3_600)
    keys.refresh()
    assert keys.retired() == ((first, seen),)


def test_retired_keys_are_there_for_the_next_process(engines, writer, client, budget, clock, keys, lamina):
    keys.refresh()
    rotate(lamina, keys, clock, 2, 3)
    rotate(lamina, keys, clock, 3)
    later = KeyRing(engines, writer, client, budget, clock)
    later.load()
    assert later.retired() == keys.retired()
    assert [key.key_id for key, _ in later.retired()] == ["k-2", "k-1"]


def test_a_key_that_left_while_no_process_ran_is_remembered(engines, writer, client, budget, clock, keys, lamina):
    keys.refresh()
    seen = clock.now()
    later = KeyRing(engines, writer, client, budget, clock)
    later.load()
    rotate(lamina, later, clock, 2)
    assert [(key.key_id, last) for key, last in later.retired()] == [("k-1", seen)]


def test_a_key_that_comes_back_is_not_retired(keys, clock, lamina):
    for number in (2, 3, 2):
        rotate(lamina, keys, clock, number)
    assert [key.key_id for key, _ in keys.retired()] == ["k-3"]
    seen = clock.now()
    rotate(lamina, keys, clock, 3)
    assert [(key.key_id, last) for key, last in keys.retired()] == [("k-2", seen)]


def test_what_two_processes_saw_leave_is_kept_together(engines, writer, client, budget, clock, keys, lamina):
    other = KeyRing(engines, writer, client, budget, clock)
    rotate(lamina, keys, clock, 2)
    rotate(lamina, other, clock, 3)
    rotate(lamina, other, clock, 4)
    rotate(lamina, keys, clock, 4)
    later = KeyRing(engines, writer, client, budget, clock)
    later.load()
    assert [key.key_id for key, _ in later.retired()] == ["k-3", "k-2"]


def test_a_renamed_key_is_the_same_key(keys, clock, lamina):
    keys.refresh()
    lamina.keys[0] = SigningKey("another-name", lamina.keys[0].private)
    clock.advance(60)
    assert keys.refresh()
    assert keys.retired() == ()


def test_the_last_fifty_retired_keys_are_kept(engines, writer, client, budget, clock, keys, lamina):
    for number in range(1, RETIRED_KEPT + 4):
        rotate(lamina, keys, clock, number)
    later = KeyRing(engines, writer, client, budget, clock)
    later.load()
    assert RETIRED_KEPT == 50
    for ring in (keys, later):
        assert [key.key_id for key, _ in ring.retired()] == [f"k-{number}" for number in range(52, 2, -1)]


def test_a_retired_key_verifies_nothing_at_the_receiver(app, engines, keys, clock, lamina, post):
    async def send() -> int:
        post.timestamp = str(int(clock.now().timestamp()))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as sender:
            return (await sender.post(PATH, content=post.body, headers=post.headers())).status_code

    keys.refresh()
    assert asyncio.run(send()) == 200
    rotate(lamina, keys, clock, 2)
    assert [key for key, _ in keys.retired()] == [post.key.public()]
    assert asyncio.run(send()) == 401
    with engines.reading() as connection:
        assert deliveries.newest(connection).verdict == Verdict.REJECTED
