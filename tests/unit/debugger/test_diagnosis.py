"""The three verdicts, and what the search may and may not do to them."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from lamina_core.debugger import search
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.keys.material import read_keys
from lamina_core.debugger.records import Certainty, KeyMaterial, MendedKey, Specimen
from lamina_core.signing import SigningKey

KEY = SigningKey.from_seed("key-2", bytes(range(32)))
OTHER = SigningKey.from_seed("key-1", bytes(32))
BOTH = KeyMaterial(keys=(OTHER.public(), KEY.public()), origin="two keys")
SIGNED_AT = datetime(2026, 3, 14, 9, tzinfo=UTC)
TIMESTAMP = str(int(SIGNED_AT.timestamp()))
RUN = {"data": {"executionId": "e-1", "status": "completed", "outputs": [{"value": "https://example.com/ä.png"}]}}
BODY = json.dumps(RUN, separators=(",", ":"), ensure_ascii=False).encode()
GOOD = Specimen(KEY.sign(TIMESTAMP, BODY), TIMESTAMP, BODY, request_id="e-1")


@dataclass
class SteppingClock:
    """A clock that goes on by a step at each look at its monotonic time, and notes every sleep."""

    step: float = 0.0
    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return SIGNED_AT + timedelta(seconds=12)

    def monotonic(self) -> float:
        self.seconds += self.step
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def test_a_good_webhook_is_authentic_by_the_second_key_and_fresh():
    found = examine(GOOD, BOTH, SteppingClock())

    verdicts = found.verdicts
    assert (verdicts.well_formed, verdicts.authentic, verdicts.fresh) == (True, True, True)
    assert (verdicts.key_id, verdicts.key_place, verdicts.keys_tried, verdicts.age) == ("key-2", 2, 2, 12)
    assert (found.diagnosis.causes, found.diagnosis.certainty) == ((), None)
    assert found.diagnosis.key == KEY.public()


@pytest.mark.parametrize(
    ("age", "fresh", "causes"),
    [
        (300, True, ()),
        (301, False, ("stale_timestamp",)),
        (-300, True, ()),
        (-301, False, ("future_timestamp",)),
    ],
)
def test_an_old_webhook_is_authentic_and_not_fresh(age, fresh, causes):
    verdicts = examine(GOOD, BOTH, SteppingClock(), SIGNED_AT + timedelta(seconds=age))

    assert verdicts.verdicts.authentic
    assert verdicts.verdicts.fresh is fresh
    assert verdicts.diagnosis.causes == causes
    assert verdicts.diagnosis.explanation.startswith("The signature holds over these bytes.")


def test_a_request_id_of_another_webhook_leaves_it_authentic_and_fresh_and_is_told():
    found = examine(replace(GOOD, request_id="e-2"), BOTH, SteppingClock())

    assert (found.verdicts.authentic, found.verdicts.fresh) == (True, True)
    assert (found.diagnosis.causes, found.diagnosis.certainty) == (("request_id_mismatch",), Certainty.VERIFIED)
    assert found.diagnosis.explanation == (
        "The signature holds over these bytes. The request id is not the id in the body."
    )


def test_what_was_fresh_when_it_was_received_is_fresh():
    received = replace(GOOD, received_at=SIGNED_AT + timedelta(seconds=3))

    verdicts = examine(received, BOTH, SteppingClock(), SIGNED_AT + timedelta(days=9)).verdicts

    assert verdicts.fresh
    assert (verdicts.age, verdicts.age_at_receipt) == (9 * 86_400, 3)


def test_a_timestamp_that_was_signed_in_milliseconds_is_named_so():
    timestamp = TIMESTAMP + "000"
    found = examine(Specimen(KEY.sign(timestamp, BODY), timestamp, BODY), BOTH, SteppingClock())

    assert found.verdicts.authentic
    assert not found.verdicts.fresh
    assert found.diagnosis.causes == ("timestamp_milliseconds",)


def test_a_mended_key_proves_the_cause_and_never_makes_a_webhook_authentic():
    material = KeyMaterial(mended=(MendedKey(KEY.public(), "key_spki", "x holds SPKI"),), problem="key_unusable")

    found = examine(GOOD, material, SteppingClock())

    assert not found.verdicts.authentic
    assert (found.diagnosis.causes, found.diagnosis.certainty) == (("key_spki",), Certainty.VERIFIED)
    assert found.diagnosis.key == KEY.public()


@pytest.mark.parametrize(
    ("where", "cause"), [("Lamina's present set", "key_other"), ("an earlier set of Lamina's", "key_retired")]
)
def test_a_key_that_was_not_given_is_named_and_does_not_make_it_authentic(where, cause):
    material = KeyMaterial(keys=(OTHER.public(),), others=((KEY.public(), where),))

    found = examine(GOOD, material, SteppingClock())

    assert not found.verdicts.authentic
    assert (found.diagnosis.causes, found.diagnosis.certainty) == ((cause,), Certainty.VERIFIED)


def test_a_seed_that_was_given_as_a_public_key_is_named_and_goes_no_further():
    seed = bytes(range(7, 39))
    signer = SigningKey.from_seed("own", seed)
    given = replace(GOOD, signature=signer.sign(TIMESTAMP, BODY))

    found = examine(given, read_keys(seed.hex()), SteppingClock())

    assert (found.diagnosis.causes, found.diagnosis.certainty) == (("key_private",), Certainty.VERIFIED)
    assert found.material.holds_private
    assert repr(seed) not in repr(found)
    assert seed.hex() not in repr(found)


def test_a_private_key_is_warned_of_though_all_else_is_well():
    found = examine(GOOD, replace(BOTH, holds_private=True), SteppingClock())

    assert found.verdicts.authentic
    assert found.diagnosis.causes == ("key_private",)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"signature": None}, "missing_signature"),
        ({"signature": GOOD.signature[:126]}, "signature_cut"),
        ({"signature": GOOD.signature + "ab"}, "signature_too_long"),
        ({"signature": "ab" * 32}, "signature_of_32_bytes"),
        ({"signature": "zz"}, "malformed_signature"),
        ({"timestamp": None}, "missing_timestamp"),
        ({"timestamp": "yesterday"}, "malformed_timestamp"),
        ({"body": b""}, "body_empty"),
        ({"body": BODY[:-9]}, "body_truncated"),
        ({"body": BODY[:30], "headers": (("content-length", str(len(BODY))),)}, "body_truncated"),
        ({"body": BODY.replace("ä".encode(), "\ufffd".encode())}, "body_characters_lost"),
        ({"body": b"[object Object]"}, "body_not_kept"),
    ],
)
def test_what_nothing_can_prove_is_indicated(changes, cause):
    found = examine(replace(GOOD, **changes), BOTH, SteppingClock(step=0.002))

    assert not found.verdicts.authentic
    assert (found.diagnosis.causes, found.diagnosis.certainty) == ((cause,), Certainty.INDICATED)
    assert found.diagnosis.remaining


def test_a_forged_webhook_has_no_cause_and_says_what_was_tried():
    found = examine(replace(GOOD, body=BODY.replace(b"e-1", b"e-2")), BOTH, SteppingClock())

    diagnosis = found.diagnosis
    assert (diagnosis.causes, diagnosis.certainty, diagnosis.changes) == ((), None, ())
    assert diagnosis.left_out == ()
    assert f"{diagnosis.tried:,} combinations" in diagnosis.explanation
    assert diagnosis.tried > 1_000
    assert {"A forged request.", "Content that was altered after signing."} <= set(diagnosis.remaining)
    assert any("other timestamps" in line for line in diagnosis.ruled_out)


def test_the_search_ends_in_time_and_lets_others_have_their_turn():
    clock = SteppingClock(step=0.001)

    diagnosis = examine(replace(GOOD, body=BODY.replace(b"e-1", b"e-2")), BOTH, clock).diagnosis

    assert diagnosis.explanation.endswith("none verifies. The time was up before everything was tried.")
    assert 0 < diagnosis.tried < 2_000
    assert clock.seconds < 2 * search.TIME
    assert len(clock.slept) > 100


def test_where_the_time_is_up_at_once_that_is_told():
    diagnosis = examine(replace(GOOD, body=BODY.replace(b"e-1", b"e-2")), BOTH, SteppingClock(step=2)).diagnosis

    assert (diagnosis.tried, diagnosis.causes, diagnosis.certainty) == (0, (), None)
    assert diagnosis.explanation == "The time was up before anything was tried."


@pytest.mark.parametrize(
    ("body", "is_told"),
    [
        (b"[" + b"1," * 125_000 + b"1]", True),
        (b"[" * 201 + b"]" * 201, True),
        (b"[" + b"1," * 124_998 + b"1]", False),
        (b"[" * 200 + b"]" * 200, False),
        (b"x" * 500_000, False),
    ],
)
def test_json_that_is_too_large_to_be_written_in_other_ways_is_told(body, is_told):
    diagnosis = examine(replace(GOOD, body=body), BOTH, SteppingClock(step=0.1)).diagnosis

    told = "Other ways of writing the JSON were not tried: it is too long or too deep for that."
    assert (told in diagnosis.left_out) is is_told
    assert diagnosis.explanation.endswith(" ".join(diagnosis.left_out))


def test_a_body_that_is_too_large_for_pairs_is_told():
    diagnosis = examine(replace(GOOD, body=b"x" * 256_001), BOTH, SteppingClock()).diagnosis

    assert diagnosis.left_out == ("Pairs of mistakes were not tried: the body has more than 256,000 bytes.",)
    assert not any("pairs" in line for line in diagnosis.ruled_out)


def test_the_changes_lead_from_what_is_at_hand_to_what_was_signed():
    body = json.dumps(RUN, indent=2, ensure_ascii=False).encode() + b"\n"
    given = replace(GOOD, timestamp=TIMESTAMP + "789", body=body)

    diagnosis = examine(given, BOTH, SteppingClock()).diagnosis

    assert set(diagnosis.causes) == {"timestamp_milliseconds", "body_reformatted"}
    sides = {change.part: (change.given, change.signed) for change in diagnosis.changes}
    assert sides == {"timestamp": (given.timestamp.encode(), TIMESTAMP.encode()), "body": (body, BODY)}
