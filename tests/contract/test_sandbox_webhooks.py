"""Webhooks as they reach a real receiver: body, headers, signature, retries, faults, restarts."""

import base64
import itertools
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lamina_core import errors, signing
from lamina_core.sandbox import delivery

SIGNATURE = "x-lamina-webhook-signature"
TIMESTAMP = "x-lamina-webhook-timestamp"
REQUEST_ID = "x-lamina-webhook-request-id"


def _verifies(received, key_set) -> bool:
    """Check the signature with nothing but cryptography, then with our own code, and have both agree."""
    message = received.headers[TIMESTAMP].encode() + b"." + received.body
    signature = bytes.fromhex(received.headers[SIGNATURE])
    good = False
    for jwk in key_set["keys"]:
        raw = base64.urlsafe_b64decode(jwk["x"] + "=")
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
            good = True
        except InvalidSignature:
            continue
    try:
        signing.find_key(signing.parse_key_set(key_set), signature, received.headers[TIMESTAMP], received.body)
        ours = True
    except errors.SignatureRejected:
        ours = False
    assert ours is good
    return good


@pytest.fixture
def deliver(alone, receiver, eventually):
    """Start a run, and return what the receiver got for it."""

    def run(family, app=2, count=1, **inputs):
        run_id = alone.start(family, app, receiver.url, **inputs)

        def mine():
            return [one for one in receiver.received if run_id.encode() in one.body]

        eventually(lambda: len(mine()) >= count)
        return mine()

    return run


@pytest.mark.parametrize(("app", "status"), [(2, "completed"), (3, "failed"), (4, "completed")])
def test_a_webhook_carries_what_the_status_endpoint_says(deliver, alone, family, app, status):
    (received,) = deliver(family, app)

    document = json.loads(received.body)
    run_id = document["data"][family.id_field]
    assert document["data"]["status"] == status
    assert document == alone.get(family.run_path(run_id)).json()
    assert received.body == json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    assert received.headers["content-type"] == "application/json"
    assert received.headers[REQUEST_ID] == run_id
    assert received.headers["x-lamina-webhook-user-id"] == alone.get("/v1/account").json()["data"]["user"]["id"]


def test_a_webhook_is_signed_in_hex_over_timestamp_and_body(deliver, alone, newest):
    (received,) = deliver(newest)

    assert len(received.headers[SIGNATURE]) == 128
    assert abs(int(received.headers[TIMESTAMP]) - received.at) < 30
    assert _verifies(received, alone.get("/v1/webhooks/signing-key").json())


def test_the_query_of_the_webhooks_url_arrives(alone, receiver, newest, eventually):
    alone.start(newest, 2, receiver.url + "?start=to+ken%2F1")

    eventually(lambda: receiver.received)

    assert receiver.received[0].path == "/hook?start=to+ken%2F1"


def test_a_refused_webhook_is_tried_four_times_each_signed_anew(
    open_sandbox, open_caller, receiver, newest, eventually
):
    caller = open_caller(open_sandbox(speed=100.0))
    receiver.script = [500, 302, 404, 503, 200]
    caller.start(newest, 2, receiver.url)

    attempts = eventually(lambda: len(log := caller.log("attempts")) >= 4 and log)
    gaps = [round(after.at - before.at, 2) for before, after in itertools.pairwise(receiver.received)]

    assert [attempt["status"] for attempt in attempts] == [500, 302, 404, 503]
    assert [attempt["attempt"] for attempt in attempts] == [1, 2, 3, 4]
    assert {received.path for received in receiver.received} == {"/hook"}
    assert len({received.body for received in receiver.received}) == 1
    assert [gap >= delay for gap, delay in zip(gaps, (0.05, 0.3, 1.2), strict=True)] == [True] * 3
    stamps = [int(received.headers[TIMESTAMP]) for received in receiver.received]
    assert stamps[0] < stamps[-1]
    key_set = caller.get("/v1/webhooks/signing-key").json()
    assert all(_verifies(received, key_set) for received in receiver.received)
    assert receiver.script == [200]


def test_a_2xx_ends_the_attempts(deliver, alone, receiver, newest, eventually):
    receiver.script = [503, 204]

    run_id = deliver(newest, count=2)[0].headers[REQUEST_ID]
    deliver(newest, Prompt="[fault:late_webhook;seconds=100]")  # another one is due after a third attempt would be

    attempts = eventually(lambda: len(log := alone.log("attempts")) >= 3 and log)

    assert [attempt["status"] for attempt in attempts if attempt["executionId"] == run_id] == [503, 204]


def test_a_receiver_that_is_not_there_is_tried_again(alone, newest, eventually):
    alone.start(newest, 2, "http://127.0.0.1:1/hook")

    attempts = eventually(lambda: len(log := alone.log("attempts")) == 4 and log)

    assert {attempt["status"] for attempt in attempts} == {None}
    assert "ConnectError" in attempts[0]["error"]


def test_a_slow_receiver_does_not_hold_up_the_others(
    open_sandbox, open_caller, open_receiver, newest, eventually, monkeypatch
):
    monkeypatch.setattr(delivery, "TIMEOUT", 120.0)  # longer than the quick one is waited for
    caller = open_caller(open_sandbox())
    slow, quick = open_receiver(), open_receiver()
    slow.hold.clear()
    for _ in range(40):
        caller.start(newest, 2, slow.url)
    eventually(lambda: len(slow.received) >= 30)

    caller.start(newest, 2, quick.url)

    assert eventually(lambda: quick.received)
    slow.hold.set()
    eventually(lambda: len(slow.received) == 40)


def test_no_webhook_comes_for_a_cancelled_run_and_another_one_after_feedback(alone, receiver, newest, eventually):
    cancelled = alone.start(newest, 5, receiver.url)
    alone.post(f"/v1/runs/{cancelled}/cancel")
    refined = alone.start(newest, 2, receiver.url)
    eventually(lambda: len(receiver.received) == 1)

    alone.post(f"/v1/runs/{refined}/feedback", json={"feedback": "Warmer"})
    eventually(lambda: len(receiver.received) == 2)

    documents = [json.loads(received.body)["data"] for received in receiver.received]
    assert [document["runId"] for document in documents] == [refined, refined]
    assert documents[0]["completedAt"] < documents[1]["completedAt"]
    assert documents[0]["outputs"][0]["value"] != documents[1]["outputs"][0]["value"]


# Faults of webhooks


def test_a_lost_webhook_never_comes_and_is_logged(alone, receiver, newest, eventually):
    run_id = alone.start(newest, 2, receiver.url, Prompt="[fault:lost_webhook]")

    (attempt,) = eventually(lambda: alone.log("attempts"))

    assert (attempt["executionId"], attempt["status"], attempt["fault"]) == (run_id, None, "lost_webhook")
    assert receiver.received == []


def test_a_duplicate_comes_twice(deliver, newest):
    first, second = deliver(newest, count=2, Prompt="[fault:duplicate_webhook]")

    assert first.body == second.body


def test_a_late_webhook_comes_late(deliver, newest):
    (received,) = deliver(newest, Prompt="[fault:late_webhook;seconds=100]")

    completed = time.mktime(time.strptime(json.loads(received.body)["data"]["completedAt"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert received.at - (completed - time.timezone) >= 0.5


def test_a_wrong_signature_does_not_verify_and_is_otherwise_as_usual(deliver, alone, newest):
    (received,) = deliver(newest, Prompt="[fault:wrong_signature]")

    assert len(received.headers[SIGNATURE]) == 128
    assert not _verifies(received, alone.get("/v1/webhooks/signing-key").json())


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [
        ("stale_timestamp", -660, -599),
        ("stale_timestamp;seconds=301", -361, -300),
        ("milliseconds_timestamp", 1e12, 1e13),
    ],
)
def test_a_bad_timestamp_is_properly_signed(deliver, alone, newest, fault, low, high):
    (received,) = deliver(newest, Prompt=f"[fault:{fault}]")

    assert low < int(received.headers[TIMESTAMP]) - received.at < high
    assert _verifies(received, alone.get("/v1/webhooks/signing-key").json())


def test_a_mismatched_request_id_names_another_run(deliver, newest):
    (received,) = deliver(newest, Prompt="[fault:mismatched_request_id]")

    assert received.headers[REQUEST_ID] != json.loads(received.body)["data"]["runId"]


def test_a_rotated_key_signs_from_then_on_and_the_old_one_stays_listed(deliver, alone, newest):
    old = alone.get("/v1/webhooks/signing-key").json()["keys"]
    alone.arm(fault="rotated_key")

    new = alone.get("/v1/webhooks/signing-key").json()
    (received,) = deliver(newest)

    assert new["keys"][1:] == old
    assert _verifies(received, {"keys": new["keys"][:1]})
    assert not _verifies(received, {"keys": old})


def test_an_armed_fault_strikes_one_attempt_only(alone, receiver, newest, eventually):
    receiver.script = [401]
    alone.arm(fault="wrong_signature", path="/hook")
    alone.start(newest, 2, receiver.url)

    eventually(lambda: len(receiver.received) == 2)

    key_set = alone.get("/v1/webhooks/signing-key").json()
    assert [_verifies(received, key_set) for received in receiver.received] == [False, True]


@pytest.mark.parametrize("fault", ["late_webhook", "lost_webhook"])
def test_armed_delays_and_losses_strike_the_next_delivery(alone, receiver, newest, eventually, fault):
    alone.arm(fault=fault, seconds=60)
    first = alone.start(newest, 2, receiver.url)
    eventually(lambda: alone.get("/sandbox/faults").json()["armed"] == [])
    second = alone.start(newest, 2, receiver.url)

    eventually(lambda: second.encode() in b"".join(one.body for one in receiver.received))
    eventually(lambda: len(alone.log("attempts")) == 2)

    assert (first.encode() in b"".join(one.body for one in receiver.received)) is (fault == "late_webhook")


def test_a_webhook_fault_may_be_asked_for_by_the_header_of_the_start(alone, receiver, newest, eventually):
    alone.headers["X-Sandbox-Fault"] = "wrong_signature"
    alone.start(newest, 2, receiver.url)
    del alone.headers["X-Sandbox-Fault"]

    eventually(lambda: receiver.received)

    assert not _verifies(receiver.received[0], alone.get("/v1/webhooks/signing-key").json())


# Restarts


def test_runs_keys_and_pending_webhooks_survive_a_restart(
    open_sandbox, open_caller, receiver, newest, eventually, tmp_path
):
    first = open_sandbox(database=tmp_path / "sandbox.db", speed=20.0)
    caller = open_caller(first)
    keys = caller.get("/v1/webhooks/signing-key").json()
    receiver.script = [500]
    retried = caller.start(newest, 2, receiver.url)
    eventually(lambda: caller.log("attempts"))
    planned = caller.start(newest, 2, receiver.url)
    running = caller.start(newest, 5)
    before = caller.get(newest.run_path(retried)).json()["data"]
    first.stop()

    caller = open_caller(open_sandbox(database=tmp_path / "sandbox.db", speed=20.0))
    eventually(lambda: len(receiver.received) >= 3)

    assert caller.get("/v1/webhooks/signing-key").json() == keys
    assert [row["runId"] for row in caller.get("/v1/runs").json()["data"]] == [running, planned, retried]
    after = caller.get(newest.run_path(retried)).json()["data"]
    assert (after["status"], after["completedAt"]) == (before["status"], before["completedAt"])
    attempts = eventually(lambda: len(log := caller.log("attempts")) == 3 and log)
    assert [(one["executionId"], one["attempt"]) for one in attempts if one["executionId"] == retried] == [
        (retried, 1),
        (retried, 2),
    ]
    assert all(_verifies(received, keys) for received in receiver.received)


def test_a_webhook_in_flight_when_the_sandbox_stops_is_sent_again(
    open_sandbox, open_caller, receiver, newest, eventually, tmp_path
):
    first = open_sandbox(database=tmp_path / "sandbox.db")
    receiver.hold.clear()
    open_caller(first).start(newest, 2, receiver.url)
    eventually(lambda: receiver.received)
    began = time.monotonic()
    first.stop()
    elapsed = time.monotonic() - began  # the receiver holds on to it for two minutes, the sandbox for 15 s
    receiver.hold.set()

    caller = open_caller(open_sandbox(database=tmp_path / "sandbox.db"))
    (attempt,) = eventually(lambda: caller.log("attempts"))

    assert elapsed < 10
    assert (attempt["attempt"], attempt["status"]) == (1, 200)
    assert len(receiver.received) == 2
