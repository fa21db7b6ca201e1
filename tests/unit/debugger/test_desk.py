"""The debugger's desk: Lamina's keys with their age, pasted ones beside them, and one examination at a time."""

import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from lamina_core import signing
from lamina_core.api.client import LaminaClient
from lamina_core.clock import SystemClock
from lamina_core.config import Secret
from lamina_core.debugger.desk import DebuggerDesk
from lamina_core.debugger.facts import read_facts
from lamina_core.debugger.records import Specimen
from lamina_core.domain import Generation
from lamina_core.polling.budget import Budget
from lamina_core.signing import SigningKey
from lamina_core.store import notes
from lamina_core.webhooks.keys import KeyRing

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)  # the settable clock's first instant
LIVE = [SigningKey.from_seed(f"live-{number}", bytes([number]) * 32) for number in (1, 2)]
OLD = SigningKey.from_seed("old", bytes([3]) * 32)
PASTED = SigningKey.from_seed("pasted", bytes([4]) * 32)
BODY = b'{"data":{"executionId":"e-1","status":"completed"}}'
TIMESTAMP = str(int(NOW.timestamp()))


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def keys(engines, writer, clock) -> Iterator[KeyRing]:
    client = LaminaClient(
        base_url="https://lamina.example.com",
        api_key=Secret("lma_test"),
        generation=Generation.EXECUTIONS,
        clock=clock,
        rng=random.Random(7),
    )
    yield KeyRing(engines, writer, client, Budget(100, clock), clock)
    client.close()


@pytest.fixture
def desk(engines, keys, clock) -> DebuggerDesk:
    return DebuggerDesk(engines, keys, clock)


def keep_keys(writer, keys: KeyRing, age: timedelta, *retired: tuple[SigningKey, datetime]) -> None:
    """Leave a key set in the store, as an earlier process did, and take it up."""
    live = {"keys": [signing.to_jwk(key.public()) for key in LIVE]}
    left = {"keys": [{**signing.to_jwk(key.public()), "lastSeen": seen.isoformat()} for key, seen in retired]}

    def work(connection) -> None:
        notes.write(connection, notes.KEY_SET, live, NOW - age)
        notes.write(connection, notes.RETIRED_KEYS, left, NOW)

    writer.run(work)
    keys.load()


def signed_by(key: SigningKey) -> Specimen:
    return Specimen(key.sign(TIMESTAMP, BODY), TIMESTAMP, BODY, request_id="e-1")


def test_before_lamina_was_reached_there_is_no_key_and_that_is_said(desk):
    material = desk.live_keys()
    assert (material.keys, material.others, material.problem) == ((), (), "no_key")
    assert "was never read" in material.remarks[0]


@pytest.mark.parametrize(
    ("age", "told", "is_old"),
    [
        (timedelta(), "just now", False),
        (timedelta(seconds=50), "50 s ago", False),
        (timedelta(hours=3), "3 h ago", False),
        (timedelta(days=2), "2 d ago", True),
    ],
)
def test_lamina_s_keys_come_with_their_age(desk, keys, writer, age, told, is_old):
    keep_keys(writer, keys, age)
    material = desk.live_keys()
    assert [key.key_id for key in material.keys] == ["live-1", "live-2"]
    assert material.origin == f"Lamina's key set, read {told}"
    assert bool(material.remarks) is is_old


def test_keys_that_lamina_had_earlier_stand_beside_and_make_nothing_authentic(desk, keys, writer):
    keep_keys(writer, keys, timedelta(), (OLD, NOW - timedelta(days=9)))
    material = desk.live_keys()
    assert material.others == ((OLD.public(), "an earlier set of Lamina's, last seen 2026-03-05"),)
    found = desk.examine(signed_by(OLD), material)
    assert not found.verdicts.authentic
    assert found.diagnosis.causes == ("key_retired",)
    assert "An earlier set of Lamina's, last seen 2026-03-05" in found.diagnosis.explanation


def test_a_live_key_makes_it_authentic(desk, keys, writer):
    keep_keys(writer, keys, timedelta())
    verdicts = desk.examine(signed_by(LIVE[1]), desk.live_keys()).verdicts
    assert (verdicts.authentic, verdicts.key_id, verdicts.key_place) == (True, "live-2", 2)


def test_beside_pasted_keys_stand_lamina_s_own_present_and_earlier(desk, keys, writer):
    keep_keys(writer, keys, timedelta(), (OLD, NOW - timedelta(days=9)))
    for pasted in (json.dumps(signing.to_jwk(PASTED.public())), PASTED.public().raw):
        material = desk.read_keys(pasted)
        assert [key.raw for key in material.keys] == [PASTED.public().raw]
        assert [(key.key_id, where) for key, where in material.others] == [
            ("live-1", "Lamina's present set"),
            ("live-2", "Lamina's present set"),
            ("old", "an earlier set of Lamina's, last seen 2026-03-05"),
        ]
    found = desk.examine(signed_by(LIVE[0]), material)
    assert not found.verdicts.authentic
    assert found.diagnosis.key == LIVE[0].public()


def test_a_pasted_key_of_lamina_s_is_no_other_key(desk, keys, writer):
    keep_keys(writer, keys, timedelta())
    material = desk.read_keys(json.dumps(signing.to_jwk(LIVE[0].public())))
    assert [key.key_id for key, _ in material.others] == ["live-2"]
    assert desk.examine(signed_by(LIVE[0]), material).verdicts.authentic


def test_the_facts_are_those_of_the_store(desk, engines):
    specimen = signed_by(PASTED)
    assert desk.read_facts(specimen, 7) == read_facts(engines, specimen, 7)


class WatchingClock(SystemClock):
    """The real clock; notes which thread looked at it, for an examination looks often."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def monotonic(self) -> float:
        self.looks.append(threading.get_ident())
        return super().monotonic()


def test_two_examinations_take_turns(engines, keys, writer):
    keep_keys(writer, keys, timedelta())
    clock = WatchingClock()
    desk = DebuggerDesk(engines, keys, clock)
    material = desk.live_keys()
    found = []

    def examine() -> None:
        found.append(desk.examine(signed_by(PASTED), material))

    threads = [threading.Thread(target=examine) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [each.verdicts.authentic for each in found] == [False, False]
    turns = [ident for place, ident in enumerate(clock.looks) if not place or clock.looks[place - 1] != ident]
    assert len(turns) == 2


def test_an_examination_that_fails_gives_its_turn_away(desk, keys, writer):
    keep_keys(writer, keys, timedelta())
    with pytest.raises(AttributeError):
        desk.examine(None, desk.live_keys())  # type: ignore[arg-type]
    assert desk.examine(signed_by(LIVE[0]), desk.live_keys()).verdicts.authentic
