"""The key set: cached in the store, read again once a minute at most, never lost by a bad answer."""

import threading

import httpx
import pytest

from lamina_core.clock import SystemClock
from lamina_core.signing import SigningKey
from lamina_core.store.writer import Writer
from lamina_core.webhooks.keys import KeyRing


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
        together.wait(10)
        keys.refresh()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert lamina.asked == 1
    assert len(keys.keys()) == 1
