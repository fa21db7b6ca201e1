"""What reaches the webhook address: each row of the table of answers, and everything hostile."""

import asyncio
import json
import threading

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from starlette.requests import Request

from lamina_core import signing
from lamina_core.bodies import BODY_DEADLINE, BODY_LIMIT
from lamina_core.clock import SystemClock
from lamina_core.domain import Verdict
from lamina_core.signing import SigningKey
from lamina_core.store import deliveries
from lamina_core.store.writer import Writer
from lamina_core.webhooks import receiver as module
from lamina_core.webhooks.receiver import PATH, Receiver

UNREADABLE = httpx.Response(500, json={"error": "broken"})


def send(app, headers, body, url=PATH) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
            return await browser.post(url, content=body, headers=headers)

    return asyncio.run(ask())


def deliver(app, post, url=PATH) -> httpx.Response:
    return send(app, post.headers(), post.body, url)


def stored(engines) -> list[sa.Row]:
    with engines.reading() as connection:
        return list(connection.execute(sa.text("SELECT * FROM delivery ORDER BY id")))


def newest(engines):
    with engines.reading() as connection:
        return deliveries.newest(connection)


def reason_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


def test_a_verified_delivery_is_answered_200_and_kept_with_its_bytes(app, engines, post):
    answer = deliver(app, post)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "delivery": 1})
    (row,) = stored(engines)
    assert (row.verdict, row.answered, row.key_id, row.request_id) == ("accepted", 200, "k-1", "e-1")
    assert (bytes(row.body), row.body_size, row.content_hash) == (post.body, len(post.body), post.hash)
    assert json.loads(row.headers)[signing.USER_ID_HEADER] == "user-1"


def test_a_signature_made_by_another_library_call_verifies(app, post, clock):
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    stamp = str(int(clock.now().timestamp()))
    headers = post.headers() | {signing.SIGNATURE_HEADER: private.sign(f"{stamp}.".encode() + post.body).hex().upper()}
    assert send(app, headers, post.body).status_code == 200


@pytest.mark.parametrize("name", [signing.SIGNATURE_HEADER, signing.TIMESTAMP_HEADER])
def test_a_missing_header_is_answered_400(app, engines, post, name):
    headers = post.headers()
    del headers[name]
    answer = send(app, headers, post.body)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)
    assert answer.json()["reason"] == newest(engines).reason
    assert newest(engines).reason.startswith("missing_")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (signing.SIGNATURE_HEADER, "", "missing_signature"),
        (signing.SIGNATURE_HEADER, "not hex", "malformed_signature"),
        (signing.SIGNATURE_HEADER, "0x" + "ab" * 64, "malformed_signature"),
        (signing.SIGNATURE_HEADER, "ab" * 40_000, "malformed_signature"),
        (signing.SIGNATURE_HEADER, "\xff" * 128, "malformed_signature"),
        (signing.TIMESTAMP_HEADER, "", "missing_timestamp"),
        (signing.TIMESTAMP_HEADER, "1e9", "malformed_timestamp"),
        (signing.TIMESTAMP_HEADER, "-1773478800", "malformed_timestamp"),
        (signing.TIMESTAMP_HEADER, "9" * 5_000, "malformed_timestamp"),
        (signing.TIMESTAMP_HEADER, "\xb2\xb3", "malformed_timestamp"),
    ],
)
def test_a_malformed_header_is_answered_400_and_kept_cut_to_size(app, engines, post, name, value, reason):
    headers = {key: text.encode("latin-1") for key, text in (post.headers() | {name: value}).items()}
    assert reason_of(send(app, headers, post.body)) == (400, reason)
    (row,) = stored(engines)
    assert (row.verdict, bytes(row.body)) == ("rejected", post.body)
    assert all(len(kept) <= 1_000 for kept in json.loads(row.headers).values())


def test_a_body_changed_by_one_byte_is_answered_401(app, engines, post):
    answer = send(app, post.headers(), post.body + b" ")
    assert reason_of(answer) == (401, "not_verified")
    assert newest(engines).verdict is Verdict.REJECTED


def test_a_stranger_s_signature_is_answered_401(app, post):
    post.key = SigningKey.from_seed("k-1", bytes(32))
    assert reason_of(deliver(app, post)) == (401, "not_verified")


@pytest.mark.parametrize(
    ("shift", "factor", "reason"),
    [
        (-301, 1, "stale_timestamp"),
        (301, 1, "future_timestamp"),
        (0, 1000, "future_timestamp"),
        (-(10**9), 1, "stale_timestamp"),
    ],
    ids=["stale", "future", "milliseconds", "ancient"],
)
def test_a_timestamp_out_of_the_window_is_answered_401_though_well_signed(app, clock, post, shift, factor, reason):
    post.timestamp = str((int(clock.now().timestamp()) + shift) * factor)
    assert reason_of(deliver(app, post)) == (401, reason)


@pytest.mark.parametrize("shift", [-300, 300])
def test_the_window_s_edges_are_within(app, clock, post, shift):
    post.timestamp = str(int(clock.now().timestamp()) + shift)
    assert deliver(app, post).status_code == 200


@pytest.mark.parametrize("request_id", ["e-2", "", "E-1", "e-1" * 90])
def test_a_request_id_that_is_not_the_body_s_id_is_answered_401(app, post, request_id):
    post.request_id = request_id
    assert reason_of(deliver(app, post)) == (401, "request_id_mismatch")


def test_no_request_id_is_fine(app, engines, post):
    post.request_id = None
    assert deliver(app, post).status_code == 200
    assert newest(engines).request_id == "e-1"  # the body names it


def test_an_id_called_run_id_is_as_good(app, post):
    post.body = b'{"data":{"runId":"e-1","status":"completed"}}'
    assert deliver(app, post).status_code == 200


def test_without_a_key_set_a_delivery_is_kept_unchecked_and_asked_for_again(app, engines, lamina, post):
    lamina.instead = UNREADABLE
    answer = deliver(app, post)
    assert (reason_of(answer), answer.headers["retry-after"]) == ((503, "no_key_set"), "5")
    (row,) = stored(engines)
    assert (row.verdict, row.answered, bytes(row.body)) == ("unchecked", 503, post.body)


def unchecked(engines):
    with engines.reading() as connection:
        return deliveries.unchecked(connection, 10)


@pytest.mark.parametrize(("forged", "verdict"), [(False, "accepted"), (True, "rejected")])
def test_an_unchecked_delivery_is_judged_against_its_time_of_receipt(
    app, engines, lamina, clock, keys, receiver, post, forged, verdict
):
    lamina.instead = UNREADABLE
    if forged:
        post.key = SigningKey.from_seed("k-1", bytes(32))
    deliver(app, post)
    (kept,) = unchecked(engines)
    receiver.settle(kept)
    assert stored(engines)[0].verdict == "unchecked", "no key set yet"
    clock.advance(3_600)  # stale by now, fresh when it came
    lamina.instead = None
    assert keys.refresh()
    receiver.settle(kept)
    assert unchecked(engines) == []
    assert (stored(engines)[0].verdict, stored(engines)[0].answered) == (verdict, 503)


def test_one_that_was_stale_on_arrival_is_refused_although_no_key_set_is_there(app, lamina, clock, post):
    lamina.instead = UNREADABLE
    post.timestamp = str(int(clock.now().timestamp()) - 400)
    assert reason_of(deliver(app, post)) == (401, "stale_timestamp")
    assert lamina.asked == 0


def test_a_new_key_is_fetched_when_nothing_verifies(app, engines, lamina, clock, post):
    assert deliver(app, post).status_code == 200
    lamina.keys.insert(0, SigningKey.from_seed("k-2", b"\x07" * 32))
    post.key = lamina.keys[0]
    clock.advance(60)
    assert deliver(app, post).status_code == 200
    assert (newest(engines).key_id, lamina.asked) == ("k-2", 2)


def test_whoever_sends_forgeries_has_the_key_set_read_once_a_minute_at_most(app, lamina, clock, post):
    post.key = SigningKey.from_seed("k-1", bytes(32))
    for _ in range(5):
        deliver(app, post)
        clock.advance(11)
    assert lamina.asked == 1
    clock.advance(5)
    deliver(app, post)
    assert lamina.asked == 2


def test_every_key_of_the_set_is_tried(app, lamina, post):
    lamina.keys = [SigningKey.from_seed(f"k-{place}", bytes([place + 1]) * 32) for place in range(4)]
    post.key = lamina.keys[3]
    assert deliver(app, post).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'{"data": 1}',
        b'{"data": {"executionId": "e-1"}}',
        b'{"data": {"executionId": "", "status": "completed"}}',
        b'{"data": {"executionId": "e-1", "status": "completed", "outputs": 5}}',
        b'{"data": {"executionId": "e-1", "status": "completed", "n": NaN}}',
        b'{"data": {"executionId": "e-1", "status": "completed", "n": 1e999}}',
        b'{"data": {"executionId": "e-1", "status": "completed"',
        b"[" * 20_000,
        b'{"data": {"executionId": "e-1", "status": "completed", "n": ' + b"9" * 10_000 + b"}}",
    ],
)
def test_a_verified_body_that_cannot_be_read_is_taken_and_flagged(app, engines, post, body):
    post.body = body
    assert deliver(app, post).status_code == 200
    assert (newest(engines).verdict, newest(engines).reason) == (Verdict.ACCEPTED, "unreadable_body")


def test_a_verified_delivery_for_an_unknown_id_is_taken_and_kept(app, engines, post):
    assert deliver(app, post).status_code == 200
    assert (newest(engines).reason, newest(engines).execution) == ("unknown_execution", None)


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", 5, None])
def test_an_impossible_instant_is_no_reason_to_refuse_a_verified_delivery(app, post, instant):
    post.body = json.dumps({"data": {"executionId": "e-1", "status": "completed", "completedAt": instant}}).encode()
    assert deliver(app, post).status_code == 200


def test_the_same_delivery_twice_is_answered_200_twice_and_linked(app, engines, clock, post):
    deliver(app, post)
    clock.advance(5)
    post.timestamp = str(int(clock.now().timestamp()))  # a retry is signed anew
    assert deliver(app, post).status_code == 200
    assert (newest(engines).reason, newest(engines).duplicate_of) == ("duplicate", 1)


def test_the_start_s_token_is_kept_as_it_came_cut_to_size(app, engines, post):
    deliver(app, post, f"{PATH}?start={'ab' * 300}&start=second")
    assert stored(engines)[0].start_token == "second"
    deliver(app, post, f"{PATH}?start={'ab' * 300}")
    assert stored(engines)[1].start_token == "ab" * 100


@pytest.mark.parametrize("query", ["?start=%00%00", "?start=%ED%A0%80", "?start=", "?start", "?" + "x=1&" * 500])
def test_hostile_queries_change_nothing_of_the_answer(app, post, query):
    assert deliver(app, post, PATH + query).status_code == 200


def test_a_megabyte_of_garbage_is_taken_in_refused_and_kept(app, engines, post):
    garbage = b"\x00\xff" * (BODY_LIMIT // 2)
    assert reason_of(send(app, post.headers(), garbage)) == (401, "not_verified")
    assert (newest(engines).body_size, bytes(stored(engines)[0].body)) == (BODY_LIMIT, garbage)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=some.lists(some.binary(max_size=150), min_size=4, max_size=4),
    body=some.binary(max_size=300),
)
def test_whatever_is_sent_unsigned_is_refused_and_kept(app, engines, values, body):
    before = len(stored(engines))
    names = (signing.SIGNATURE_HEADER, signing.TIMESTAMP_HEADER, signing.REQUEST_ID_HEADER, "Content-Type")
    headers = [(name.lower().encode(), value) for name, value in zip(names, values, strict=True)]
    status, _ = asyncio.run(_call(app, [body], headers))
    assert status in {400, 401}
    assert len(stored(engines)) == before + 1
    assert (newest(engines).verdict, bytes(stored(engines)[-1].body)) == (Verdict.REJECTED, body)


async def _call(app, parts, headers=(), *, before_part=None, then=None):
    """Speak ASGI to the application by hand; answers with the status and how many parts were read."""
    taken = 0
    sent = []

    async def receive():
        nonlocal taken
        if before_part is not None:
            await before_part(taken)
        if taken < len(parts):
            taken += 1
            more = taken < len(parts) or then is not None
            return {"type": "http.request", "body": parts[taken - 1], "more_body": more}
        return {"type": then or "http.disconnect"}

    async def answer(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, answer)
    return sent[0]["status"], taken


def test_a_body_over_the_limit_is_answered_413_without_reading_on(app, engines):
    parts = [b"x" * 300_000] * 10
    assert asyncio.run(_call(app, parts)) == (413, 4)
    assert (newest(engines).reason, newest(engines).body_size) == ("too_large", 0)


def test_a_body_of_exactly_the_limit_is_read(app):
    status, _ = asyncio.run(_call(app, [b"x" * (BODY_LIMIT - 1), b"x"]))
    assert status == 400


def test_a_body_that_is_cut_off_is_kept_as_such(app, engines):
    status, _ = asyncio.run(_call(app, [b'{"data"'], then="http.disconnect"))
    assert status == 400
    assert newest(engines).reason == "cut_off"


class _LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time a test moves."""

    leap = 0.0

    def time(self) -> float:
        return super().time() + self.leap


def test_a_body_that_drips_is_answered_408(app, engines):
    loop = _LeapingLoop()

    async def drip(part: int) -> None:
        loop.leap += BODY_DEADLINE / 3
        await asyncio.sleep(0)
        if part == 4:
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        status, taken = runner.run(_call(app, [b"x"] * 100, before_part=drip))
    assert (status, newest(engines).reason) == (408, "too_slow")
    assert taken <= 4


def test_a_full_queue_acknowledges_nothing(engines, keys, clock, post, lamina):
    keys.refresh()
    receiver = Receiver(Writer(engines.write, SystemClock(), capacity=0), keys, clock)
    answer = send(_application(receiver), post.headers(), post.body)
    assert (reason_of(answer), answer.headers["retry-after"]) == ((503, "not_stored"), "5")
    refused = send(_application(receiver), post.headers(), b"changed")
    assert reason_of(refused) == (401, "not_verified"), "what is forged is told so, stored or not"


def _application(receiver: Receiver):
    async def application(scope, receive, send_):
        answer = await receiver.receive(Request(scope, receive))
        await answer(scope, receive, send_)

    return application


def test_a_full_disk_acknowledges_nothing_and_the_retry_is_taken(app, engines, writer, post):
    post.body = json.dumps({"data": {"executionId": "e-1", "status": "completed", "x": "y" * 500_000}}).encode()
    writer.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").all())  # no page more
    assert reason_of(deliver(app, post)) == (503, "not_stored")
    assert stored(engines) == []
    writer.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1000000").all())
    assert deliver(app, post).status_code == 200
    assert len(stored(engines)) == 1


def test_an_answer_of_200_means_that_another_connection_sees_the_delivery(app, database_url, post):
    assert deliver(app, post).status_code == 200
    other = sa.create_engine(database_url)
    with other.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM delivery").scalar_one() == 1
    other.dispose()


def test_a_sender_that_goes_away_while_we_write_does_not_stop_the_writer(app, writer, engines, keys, post):
    keys.refresh()
    go_on, busy = threading.Event(), threading.Event()

    def block(connection):
        busy.set()
        return go_on.wait(30)

    blocked = writer.submit(block)
    assert busy.wait(30)
    headers = [(name.lower().encode(), value.encode()) for name, value in post.headers().items()]

    async def give_up() -> None:
        call = asyncio.create_task(_call(app, [post.body], headers))
        async with asyncio.timeout(30):
            while not writer.backlog:  # noqa: ASYNC110 - the writer is a thread and knows no asyncio.Event
                await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(give_up())
    go_on.set()
    assert blocked.result(30)
    assert writer.submit(lambda connection: "alive").result(30) == "alive"
    assert deliver(app, post).status_code == 200


def test_many_at_once_are_each_kept_once(app, engines, lamina, post):
    async def all_at_once() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
            posts = [browser.post(PATH, content=post.body, headers=post.headers()) for _ in range(60)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    answers = asyncio.run(all_at_once())
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert len(stored(engines)) == 60
    assert lamina.asked == 1


def test_what_is_kept_of_headers_is_a_known_handful(app, engines, post):
    send(app, post.headers() | {"Cookie": "session=1", "Authorization": "Bearer x"}, post.body)
    kept = json.loads(stored(engines)[0].headers)
    assert set(kept) <= set(module._KEPT_HEADERS)


def test_the_time_of_receipt_is_when_the_headers_came(app, engines, clock, post):
    began = clock.now()

    async def late(part: int) -> None:
        clock.advance(4)

    headers = [(name.lower().encode(), value.encode()) for name, value in post.headers().items()]
    asyncio.run(_call(app, [post.body[:5], post.body[5:]], headers, before_part=late))
    assert newest(engines).received_at == began
