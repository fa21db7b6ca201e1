"""A whole process without its screens: built on a store, started against a Lamina elsewhere, stopped at once."""

import gc
import random
import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from lamina_core import config, errors, runtime
from lamina_core.domain import App, Operator, Role, Status
from lamina_core.starts import StartRequest
from lamina_core.store import catalogue, deliveries, executions, leases
from lamina_core.store.deliveries import Arrival
from lamina_core.webhooks import receiver


def settings_for(tmp_path, base_url: str, **more) -> config.Settings:
    given = {
        "LAMINA_API_KEY": "lma_test",
        "LAMINA_BASE_URL": base_url,
        "LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
    }
    return config.load(given | more)


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it took longer than 30 s"
        time.sleep(0.01)


@pytest.fixture
def build():
    built = []

    def make(settings, clock=None) -> runtime.Runtime:
        built.append(runtime.build(settings, clock))
        return built[-1]

    yield make
    for each in built:
        each.stop()


def listed(parts) -> list[App]:
    with parts.engines.reading() as connection:
        return catalogue.listed_apps(connection)


def test_a_process_reads_the_catalogue_and_the_keys_and_follows_an_execution_to_its_end(tmp_path, sandbox, build):
    parts = build(settings_for(tmp_path, sandbox.base_url, LAMINA_RATE_LIMIT_PER_MINUTE="6000"))
    parts.start()
    wait_until(lambda: bool(listed(parts)) and bool(parts.keys.keys()))
    app = parts.operations.open_app(next(each.app_id for each in listed(parts) if each.name == "Studio Product Shot"))
    request = StartRequest("t" * 32, app, {})
    row = parts.operations.start(Operator("Ada", Role.OPERATOR), request, parts.webhook_url)

    def status() -> Status:
        with parts.engines.reading() as connection:
            return executions.find(connection, row).status

    wait_until(lambda: status().terminal)
    assert status() is Status.COMPLETED
    began = time.monotonic()
    parts.stop()
    parts.stop()
    assert time.monotonic() - began < 10
    with pytest.raises(errors.StoreBusy, match="stopping"):
        parts.writer.run(lambda connection: None)


def test_a_process_that_never_began_stops_quietly(tmp_path, build):
    parts = build(settings_for(tmp_path, "http://127.0.0.1:9"))
    parts.stop()
    parts.stop()
    assert not parts.writer._thread.is_alive()


def test_stopping_gives_the_lease_back(tmp_path, sandbox, build):
    settings = settings_for(tmp_path, sandbox.base_url)
    first, second = build(settings), build(settings)
    first.start()
    wait_until(lambda: first.poller._duty.is_held)
    first.stop()
    with second.engines.reading() as connection:
        assert leases.read(connection, leases.POLLER) is None


def test_stopping_does_not_wait_for_a_lamina_that_does_not_answer(tmp_path, build):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        parts = build(settings_for(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}"))
        failures = []

        def ask() -> None:
            try:
                parts.client.list_apps()
            except errors.ApiError as error:
                failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        accepted, _ = mute.accept()
        began = time.monotonic()
        parts.stop()
        assert time.monotonic() - began < 10, "an answer is waited for 15 s"
        accepted.close()
    asking.join(30)
    assert len(failures) == 1


def unchecked_arrival(clock) -> Arrival:
    headers = {"X-Lamina-Webhook-Signature": "ab" * 64, "X-Lamina-Webhook-Timestamp": str(int(clock.now().timestamp()))}
    return Arrival(clock.now(), deliveries.Verdict.UNCHECKED, "no_key_set", 503, "e-1", None, headers, b"{}", "h", None)


def test_what_could_not_be_checked_is_checked_by_a_chore(tmp_path, sandbox, clock, build):
    parts = build(settings_for(tmp_path, sandbox.base_url), clock)
    parts.writer.run(lambda connection: deliveries.insert(connection, unchecked_arrival(clock)))
    parts.poller.step()
    with parts.engines.reading() as connection:
        found = deliveries.newest(connection)
    assert (found.verdict, found.reason) == (deliveries.Verdict.REJECTED, "not_verified")
    clock.advance(90_000)
    before = parts.keys.fetched_at
    parts.poller.step()
    assert parts.keys.fetched_at > before, "a stale key set is read again"


def test_what_could_not_be_checked_waits_while_lamina_is_away(tmp_path, clock, build):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    parts = build(settings_for(tmp_path, f"http://127.0.0.1:{free}"), clock)
    parts.writer.run(lambda connection: deliveries.insert(connection, unchecked_arrival(clock)))
    parts.poller.step()
    with parts.engines.reading() as connection:
        assert len(deliveries.unchecked(connection, 10)) == 1


def test_the_keys_of_an_earlier_process_are_there_at_once(tmp_path, sandbox, build):
    settings = settings_for(tmp_path, sandbox.base_url)
    first = build(settings)
    assert first.keys.refresh()
    first.stop()
    assert build(settings).keys.keys() == first.keys.keys()


def test_a_store_of_another_lamina_is_refused_and_let_go(tmp_path, build):
    build(settings_for(tmp_path, "http://127.0.0.1:9"))
    before = set(threading.enumerate())
    with pytest.raises(errors.StoreForeign, match=r"127\.0\.0\.1:9, not of http://127\.0\.0\.1:10"):
        runtime.build(settings_for(tmp_path, "http://127.0.0.1:10"))
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_store_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "desk.db").write_text("a letter to the editor\n" * 100)
    with pytest.raises(errors.StoreError, match="cannot be opened"):
        runtime.build(settings_for(tmp_path, "http://127.0.0.1:9"))


def sandbox_settings(tmp_path, port: int) -> config.Settings:
    return config.load({"LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}", "LAMINA_SANDBOX_PORT": str(port)})


def test_a_taken_sandbox_port_stops_everything_and_names_the_setting(tmp_path, build):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        parts = build(sandbox_settings(tmp_path, taken.getsockname()[1]))
        with pytest.raises(errors.ConfigurationError, match="LAMINA_SANDBOX_PORT"):
            parts.start()
    assert not parts.writer._thread.is_alive()


def test_webhooks_come_to_our_own_address_only_from_the_sandbox(tmp_path, build):
    parts = build(sandbox_settings(tmp_path, 8787))
    assert parts.webhook_url is None
    parts.learn_address("http://127.0.0.1:8501")
    parts.learn_address("http://127.0.0.1:9999")
    assert parts.webhook_url == f"http://127.0.0.1:8501{receiver.PATH}", "the first address stays"


@pytest.mark.parametrize(
    ("public", "expected"),
    [("", None), ("https://desk.example.com/base/", f"https://desk.example.com/base{receiver.PATH}")],
)
def test_webhooks_of_lamina_come_to_the_public_address_or_not_at_all(tmp_path, build, public, expected):
    parts = build(settings_for(tmp_path, "http://127.0.0.1:9", LAMINA_PUBLIC_URL=public))
    parts.learn_address("http://127.0.0.1:8501")
    assert parts.webhook_url == expected


def test_a_process_has_one_runtime_until_it_is_stopped(tmp_path, build):
    assert not runtime.is_current()
    with pytest.raises(errors.ConfigurationError, match="not running"):
        runtime.current()
    parts, other = (build(settings_for(tmp_path, "http://127.0.0.1:9")) for _ in range(2))
    runtime.set_current(parts)
    other.stop()
    assert runtime.current() is parts
    parts.stop()
    assert not runtime.is_current()


def test_the_key_is_in_no_representation_of_the_runtime(tmp_path, build):
    parts = build(settings_for(tmp_path, "http://127.0.0.1:9"))
    assert "lma_test" not in repr(parts)


def test_tokens_come_from_the_system_s_source(tmp_path, build):
    assert isinstance(build(settings_for(tmp_path, "http://127.0.0.1:9")).rng, random.SystemRandom)


def test_a_link_checker_knows_lamina_s_host(tmp_path, sandbox, build):
    parts = build(settings_for(tmp_path, sandbox.base_url))
    url = f"{sandbox.base_url}/sandbox/samples/sneaker.png"
    assert httpx.get(url, trust_env=False).status_code == 200
    wait_until(lambda: parts.links.state(url).opens is True)


def test_memory_can_be_settled():
    runtime.settle_memory()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
