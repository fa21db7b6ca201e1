"""The generated corpus: every mistake, made on twenty random bodies at least, is named for what it is."""

import os
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.records import Certainty, Examination
from tests.unit.debugger.damage import Damage, Damaged, Webhook
from tests.unit.debugger.damages import DAMAGES, damages_of
from tests.unit.debugger.writers import TIMES

BODIES = 20  # at least, for every code
_LEAST = 3  # for every way to bring a code about


@dataclass
class PatientClock:
    """A clock at which a search takes no time, or ends after so many looks."""

    looks: int | None = None
    looked: int = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp(TIMES[0], UTC)

    def monotonic(self) -> float:
        self.looked += 1
        return 10.0 if self.looks is not None and self.looked > self.looks else 0.0

    def sleep(self, seconds: float) -> None:
        pass


def draw_cases(damage: Damage, count: int) -> Iterator[Damaged]:
    """Give what became of webhooks on which the damage is real."""
    rng = random.Random(str(damage))
    for _ in range(50 * count):
        key = signing.SigningKey.from_seed("signer", rng.randbytes(32))
        body = damage.draw(rng)
        named = re.match(rb'{"data":{"(?:runId|executionId)":"([^"]*)"', body)
        webhook = Webhook(key, str(rng.choice(TIMES)), body, named[1].decode() if named else "e-1")
        specimen, material = damaged = damage.make(webhook, rng)
        is_usable = material.keys == webhook.keys().keys and not material.holds_private
        if specimen != webhook.received() or not is_usable:
            yield damaged
            count -= 1
        if not count:
            return
    raise AssertionError(f"{damage} changes nothing")


def verifies_after(found: Examination) -> bool:
    """Say whether the signed sides of the changes verify, by cryptography alone."""
    specimen, key = found.specimen, found.diagnosis.key
    parts = {"signature": (specimen.signature or "").encode(), "timestamp": (specimen.timestamp or "").encode()}
    parts |= {"body": specimen.body, "key": key.raw if key else b""}
    for change in found.diagnosis.changes:
        assert change.given != change.signed
        parts[change.part] = change.signed
    message = parts.get("message", parts["timestamp"] + b"." + parts["body"])
    signature = bytes.fromhex(parts["signature"].decode())
    return signing.PublicKey(None, parts["key"]).verifies(signature, message)


def test_every_code_has_its_damage():
    assert {damage.code for damage in DAMAGES} == set(CAUSES)
    assert all(damage.equal <= set(CAUSES) for damage in DAMAGES)


def test_no_damage_claims_more_than_the_table_does():
    for damage in DAMAGES:
        assert CAUSES[damage.code].certainty == Certainty.VERIFIED or damage.certainty == Certainty.INDICATED


@pytest.mark.parametrize("bodies", [5, pytest.param(BODIES, marks=pytest.mark.long)])
@pytest.mark.parametrize("code", CAUSES)
def test_a_mistake_is_named_for_what_it_is(code, bodies):
    damages = damages_of(code)
    if not shutil.which("node"):
        assert os.environ.get("REQUIRE_NODE") != "1", "no node found; on Debian: apt-get install nodejs"
        damages = [damage for damage in damages if not damage.needs_node]
    examined = 0
    for damage in damages:
        for specimen, material in draw_cases(damage, max(min(_LEAST, bodies // 5), -(-bodies // len(damages)))):
            examined += 1
            is_lost = damage.certainty is Certainty.INDICATED
            found = examine(specimen, material, PatientClock(60 if is_lost else None))

            assert found.verdicts.authentic is damage.authentic, damage
            assert found.diagnosis.causes, (damage, specimen)
            assert set(found.diagnosis.causes) <= {code} | damage.equal, (damage, specimen)
            assert found.diagnosis.certainty is damage.certainty, damage
            if not is_lost:
                assert verifies_after(found), damage
    assert examined >= bodies
