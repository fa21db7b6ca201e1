"""What no mistake explains: altered content, forged signatures and unknown keys never count as authentic."""

import json
import random
from collections.abc import Callable

import pytest

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.records import Certainty, Examination, KeyMaterial
from tests.unit.debugger.damage import Damaged, Webhook
from tests.unit.debugger.payloads import draw_free, draw_run
from tests.unit.debugger.test_corpus import PatientClock
from tests.unit.debugger.writers import TIMES

BODIES = 80  # for each kind, each with a search that ends early
FULL = 1  # for each kind, each searched to the end
_FEW_LOOKS = 60


def alter(webhook: Webhook, rng: random.Random) -> Damaged:
    """Change what the body says."""
    document = json.loads(webhook.body)
    name = rng.choice(list(document))
    kind = rng.choice(["another value", "one more", "one less"])
    if kind == "another value":
        document[name] = {"altered": document[name]}
    elif kind == "one more":
        document["paid"] = True
    else:
        del document[name]
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return webhook.received(body), webhook.keys()


def alter_letter(webhook: Webhook, rng: random.Random) -> Damaged:
    """Change one letter of a word, or one digit."""
    places = [at for at, letter in enumerate(webhook.body) if chr(letter) in "abcdefghijklmnoqsuvwxyz123456789"]
    place = rng.choice(places)
    letter = b"p" if chr(webhook.body[place]).isalpha() else b"0"
    return webhook.received(webhook.body[:place] + letter + webhook.body[place + 1 :]), webhook.keys()


def forge(webhook: Webhook, rng: random.Random) -> Damaged:
    """Make a signature up."""
    return webhook.with_signature(rng.randbytes(64).hex()), webhook.keys()


def borrow(webhook: Webhook, rng: random.Random) -> Damaged:
    """Take the signature of another webhook of the same signer."""
    other = Webhook(webhook.key, webhook.timestamp, draw_run(rng))
    return webhook.with_signature(other.headers()[signing.SIGNATURE_HEADER]), webhook.keys()


def mistake_key(webhook: Webhook, rng: random.Random) -> Damaged:
    """Hold it against keys that did not make it."""
    keys = [signing.SigningKey.from_seed("wrong", rng.randbytes(32)).public() for _ in range(4)]
    return webhook.received(), KeyMaterial(keys=tuple(keys[:2]), others=((keys[2], "here"), (keys[3], "earlier")))


def change_time(webhook: Webhook, rng: random.Random) -> Damaged:
    """Pretend that it is from another day, by a number of seconds that is no time zone."""
    return webhook.with_timestamp(str(int(webhook.timestamp) + 86_400 * rng.randint(1, 99) + 7)), webhook.keys()


FRAUDS = [alter, alter_letter, forge, borrow, mistake_key, change_time]
Fraud = Callable[[Webhook, random.Random], Damaged]


def examine_fraud(fraud: Fraud, rng: random.Random, clock: PatientClock) -> Examination:
    key = signing.SigningKey.from_seed("signer", rng.randbytes(32))
    body = rng.choice([draw_run, draw_free])(rng)
    return examine(*fraud(Webhook(key, str(rng.choice(TIMES)), body), rng), clock)


def check_says_what_remains(found: Examination) -> None:
    diagnosis = found.diagnosis
    assert not found.verdicts.authentic
    assert found.verdicts.well_formed
    assert (diagnosis.changes, diagnosis.key) == ((), None)
    assert diagnosis.certainty is (Certainty.INDICATED if diagnosis.causes else None)
    assert set(diagnosis.causes) <= set(CAUSES)
    assert f"{diagnosis.tried:,} combinations" in diagnosis.explanation
    assert "none verifies" in diagnosis.explanation
    assert {"Content that was altered after signing.", "A forged request."} <= set(diagnosis.remaining)
    assert any(line.startswith("Another key than") for line in diagnosis.remaining)


@pytest.mark.parametrize("fraud", FRAUDS, ids=lambda fraud: fraud.__name__)
def test_a_fraud_gets_no_proof_however_soon_the_search_ends(fraud):
    rng = random.Random(fraud.__name__)
    for _ in range(BODIES):
        found = examine_fraud(fraud, rng, PatientClock(rng.randint(5, _FEW_LOOKS)))

        check_says_what_remains(found)
        assert found.diagnosis.left_out == ("The time was up before everything was tried.",)
        assert found.diagnosis.tried <= _FEW_LOOKS * found.verdicts.keys_tried


@pytest.mark.parametrize("fraud", FRAUDS, ids=lambda fraud: fraud.__name__)
def test_a_fraud_gets_no_proof_when_everything_was_tried(fraud):
    rng = random.Random(f"{fraud.__name__} in full")
    for _ in range(FULL):
        found = examine_fraud(fraud, rng, PatientClock())

        check_says_what_remains(found)
        assert found.diagnosis.left_out == ()
        assert found.diagnosis.tried > 1_000
        assert any("other forms of the body" in line for line in found.diagnosis.ruled_out)
        assert any("pairs" in line for line in found.diagnosis.ruled_out)


def test_what_nobody_damaged_is_authentic_and_has_no_cause():
    rng = random.Random("undamaged")
    for _ in range(200):
        body = rng.choice([draw_run, draw_free])(rng)
        run = json.loads(body).get("data", {})
        webhook = Webhook(signing.SigningKey.from_seed("signer", rng.randbytes(32)), str(rng.choice(TIMES)), body)
        request_id = run.get("runId") or run.get("executionId") or "any"
        found = examine(webhook.received(**{signing.REQUEST_ID_HEADER: request_id}), webhook.keys(), PatientClock())

        assert found.verdicts.authentic
        assert (found.diagnosis.causes, found.diagnosis.certainty) == ((), None)


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b'{"data":{"executionId":"e-1","status":"completed"}}', None),
        (b'{"data":{"executionId":"e\\u0000","status":"completed"}}', "e\0"),  # as the receiver reads both
        (b'{"data":{"status":"completed"}}', "e-1"),
        (b"no JSON", "e-1"),
        (b"[" * 100_000, "e-1"),
    ],
)
def test_a_request_id_that_cannot_be_compared_is_no_cause(body, request_id):
    webhook = Webhook(signing.SigningKey.from_seed("signer", bytes(32)), str(TIMES[0]), body)
    found = examine(webhook.received(**{signing.REQUEST_ID_HEADER: request_id}), webhook.keys(), PatientClock())

    assert found.verdicts.authentic
    assert found.diagnosis.causes == ()
