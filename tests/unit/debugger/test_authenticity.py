"""Plain verification: what is authentic, by the vectors of RFC 8032 and by Node, and everything that never is."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lamina_core.debugger.diagnosis import judge
from lamina_core.debugger.keys.material import read_keys
from lamina_core.debugger.records import KeyMaterial, Specimen
from lamina_core.signing import PublicKey, SigningKey

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc8032.json").read_text())  # section 7.1
NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
SEED = bytes(range(32))
KEY = SigningKey.from_seed("k-1", SEED)
BODY = b'{"data":{"executionId":"e-1","status":"completed"}}'
STAMP = "1773478800"
SIGNED = STAMP.encode() + b"." + BODY

NODE_SCRIPT = """
const { generateKeyPairSync, sign, randomBytes, randomInt } = require("node:crypto");
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const text = JSON.stringify({ data: { prompt: "Füchse, 狐, \\u{1f98a}", cost: 1e-7, nested: [[[null, true]]] } });
const bodies = [Buffer.alloc(0), Buffer.from(text), Buffer.from("\\r\\n \\ufeff"), randomBytes(1000000)];
for (let i = 0; i < 60; i++) bodies.push(randomBytes(randomInt(4000)));
const signed = bodies.map((body) => {
  const timestamp = String(randomInt(2000000000));
  const message = Buffer.concat([Buffer.from(timestamp + "."), body]);
  return { timestamp, body: body.toString("hex"), signature: sign(null, message, privateKey).toString("hex") };
});
console.log(JSON.stringify({ keys: [publicKey.export({ format: "jwk" })], signed }));
"""


def is_authentic(signature: bytes, key: PublicKey, timestamp: str = STAMP, body: bytes = BODY) -> bool:
    """Say what the debugger's verdict is."""
    return judge(Specimen(signature.hex(), timestamp, body), KeyMaterial(keys=(key,)), NOW).authentic


GENUINE = bytes.fromhex(KEY.sign(STAMP, BODY))


# What is authentic


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_vectors_of_rfc_8032_hold(vector):
    secret, public, message, signature = (
        bytes.fromhex(vector[part]) for part in ("secret", "public", "message", "signature")
    )
    pair = SigningKey.from_seed("rfc", secret)
    assert (pair.public().raw, pair.private.sign(message)) == (public, signature)
    assert pair.public().verifies(signature, message)
    for wrong in (message + b"\0", b"\0" + message, message[:-1] + b"?", message.hex().encode() + b"."):
        assert not pair.public().verifies(signature, wrong)


def test_the_vectors_are_all_five():
    assert [len(vector["message"]) // 2 for vector in VECTORS] == [0, 1, 2, 1_023, 64]


def test_what_node_signs_is_authentic_and_nothing_near_it_is():
    if not shutil.which("node"):
        reason = "no node found; on Debian: apt-get install nodejs"
        pytest.fail(reason) if os.environ.get("REQUIRE_NODE") == "1" else pytest.skip(reason)
    made = subprocess.run(["node", "-e", NODE_SCRIPT], capture_output=True, check=True, timeout=60).stdout
    material = read_keys(json.dumps({"keys": json.loads(made)["keys"]}))
    signed = json.loads(made)["signed"]
    assert len(signed) == 64
    for entry in signed:
        specimen = Specimen(entry["signature"], entry["timestamp"], bytes.fromhex(entry["body"]))
        verdicts = judge(specimen, material, NOW)
        assert (verdicts.well_formed, verdicts.authentic, verdicts.key_place) == (True, True, 1)
        for changed in (
            replace(specimen, body=specimen.body + b"\n"),
            replace(specimen, body=specimen.body[:-1] if specimen.body else b" "),
            replace(specimen, timestamp=str(int(entry["timestamp"]) + 1)),
            replace(specimen, timestamp="0" + entry["timestamp"]),
        ):
            assert not judge(changed, material, NOW).authentic


@settings(deadline=None)
@given(some.binary(max_size=300), some.integers(0, 10**12), some.binary(min_size=32, max_size=32))
def test_what_a_key_signed_is_authentic_by_it_alone(body, seconds, seed):
    pair = SigningKey.from_seed("any", seed)
    signature = bytes.fromhex(pair.sign(str(seconds), body))
    assert is_authentic(signature, pair.public(), str(seconds), body)
    assert not is_authentic(
        signature, SigningKey.from_seed("other", hashlib.sha256(seed).digest()).public(), str(seconds), body
    )


# Signatures that were mauled

ORDER = 2**252 + 27742317777372353535851937790883648493


def test_no_bit_of_a_signature_or_a_key_can_change():
    assert is_authentic(GENUINE, KEY.public())
    for bit in range(512):
        mauled = bytearray(GENUINE)
        mauled[bit // 8] ^= 1 << bit % 8
        assert not is_authentic(bytes(mauled), KEY.public()), bit
    for bit in range(256):
        raw = bytearray(KEY.public().raw)
        raw[bit // 8] ^= 1 << bit % 8
        assert not is_authentic(GENUINE, PublicKey(None, bytes(raw))), bit


def test_no_bit_of_what_was_signed_can_change():
    for bit in range(8 * len(BODY)):
        mauled = bytearray(BODY)
        mauled[bit // 8] ^= 1 << bit % 8
        assert not is_authentic(GENUINE, KEY.public(), body=bytes(mauled)), bit


def test_a_scalar_beyond_the_order_is_refused():
    """S and S + L name the same scalar: who accepts both lets anybody make a second signature from the first."""
    scalar = int.from_bytes(GENUINE[32:], "little")
    others = [scalar + times * ORDER for times in range(1, 16) if scalar + times * ORDER < 2**256]
    assert len(others) >= 14
    for other in [*others, ORDER - scalar, ORDER, 0, 2**256 - 1]:
        assert not is_authentic(GENUINE[:32] + other.to_bytes(32, "little"), KEY.public())


def test_empty_signatures_are_no_signatures():
    for signature in (bytes(64), b"\xff" * 64, GENUINE[32:] + GENUINE[:32], GENUINE[:32] * 2, bytes(32) + GENUINE[32:]):
        assert not is_authentic(signature, KEY.public())


# Points of small order, worked out from the curve's equation alone

PRIME = 2**255 - 19
D = -121_665 * pow(121_666, -1, PRIME) % PRIME
Point = tuple[int, int]


def add(one: Point, two: Point) -> Point:
    x, y, u, v = *one, *two
    twist = D * x * y * u * v
    return (
        (x * v + y * u) * pow(1 + twist, -1, PRIME) % PRIME,
        (y * v + x * u) * pow(1 - twist, -1, PRIME) % PRIME,
    )


def multiply(times: int, point: Point) -> Point:
    product = (0, 1)
    for digit in f"{times:b}":
        product = add(product, product)
        product = add(product, point) if digit == "1" else product
    return product


def find_point(y: int) -> Point | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    for root in (
        pow(square, (PRIME + 3) // 8, PRIME),
        pow(square, (PRIME + 3) // 8, PRIME) * pow(2, (PRIME - 1) // 4, PRIME),
    ):
        if root * root % PRIME == square:
            return root % PRIME, y
    return None


def encodings(point: Point) -> Iterator[bytes]:
    """Give the canonical way to write a point first, then all others that fit into 32 bytes."""
    x, y = point
    signs = [x & 1] if x else [0, 1]
    for high in (y, y + PRIME):
        for sign in signs:
            if high < 2**255:
                yield (high | sign << 255).to_bytes(32, "little")


@pytest.fixture(scope="module")
def torsion() -> list[Point]:
    """The eight points whose order divides eight."""
    found: set[Point] = set()
    y = 2
    while len(found) < 8:
        if point := find_point(y):
            start = multiply(ORDER, point)
            found |= {multiply(times, start) for times in range(8)}
        y += 1
    return sorted(found)


def test_there_are_eight_such_points_and_fourteen_ways_to_write_them(torsion):
    assert all(multiply(8, point) == (0, 1) for point in torsion)
    assert (len(torsion), sum(len(list(encodings(point))) for point in torsion)) == (8, 14)


def test_a_key_of_small_order_is_refused_in_every_writing(torsion):
    for point in torsion:
        for raw in encodings(point):
            with pytest.raises(ValueError, match="small order or not canonical"):
                PublicKey(None, raw)
            material = read_keys(raw.hex())
            assert (material.keys, material.problem) == ((), "key_unusable")
            assert "small order or not canonical" in material.remarks[0]


def test_a_key_that_is_not_reduced_is_refused():
    for y in range(PRIME, 2**255):
        for sign in (0, 1):
            with pytest.raises(ValueError, match="not canonical"):
                PublicKey(None, (y | sign << 255).to_bytes(32, "little"))


def test_a_first_half_of_small_order_makes_no_signature_of_a_genuine_one(torsion):
    for point in torsion:
        for raw in encodings(point):
            for second in (GENUINE[32:], bytes(32), (1).to_bytes(32, "little")):
                assert not is_authentic(raw + second, KEY.public())


def test_even_the_owner_of_a_key_makes_no_signature_with_a_first_half_of_small_order(torsion):
    """With the nonce 0 the identity is right by the equation; no other point, and no other way to write it, is."""
    digest = hashlib.sha512(SEED).digest()
    secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    right = []
    for point in torsion:
        for raw in encodings(point):
            hashed = int.from_bytes(hashlib.sha512(raw + KEY.public().raw + SIGNED).digest(), "little")
            second = (hashed * secret % ORDER).to_bytes(32, "little")
            right += [raw] if is_authentic(raw + second, KEY.public()) else []
    assert right == [(1).to_bytes(32, "little")]


# A hundred thousand random inputs


def alterations(rng: random.Random, stamp: str, body: bytes) -> tuple[str, bytes]:
    """Return another timestamp or body than these, but one that is near."""
    at = rng.randrange(len(body))
    kind = rng.randrange(7)
    if kind == 0:
        return str(int(stamp) + rng.choice([-1, 1]) * rng.randrange(1, 400)), body
    if kind == 1:
        return f"{rng.choice(['0', '00', '1'])}{stamp}", body
    if kind == 2:
        return stamp, body[:at] + bytes([body[at] ^ rng.randrange(1, 256)]) + body[at + 1 :]
    if kind == 3:
        return stamp, body[:at] + rng.choice([b" ", b"\n", b"\0", b"."]) + body[at:]
    if kind == 4:
        return stamp, body[:at]
    if kind == 5:
        return stamp[:-1], stamp[-1:].encode() + b"." + body
    return stamp, body + rng.randbytes(rng.randrange(1, 9))


def random_inputs(rng: random.Random, count: int) -> Iterator[tuple[bytes, PublicKey, str, bytes]]:
    """Give what was never signed so: signature, key, timestamp and body."""
    pairs = [SigningKey.from_seed("random", rng.randbytes(32)) for _ in range(200)]
    publics = [pair.public() for pair in pairs]
    deliveries = []
    for pair in pairs:
        stamp, body = str(rng.randrange(10**9, 2 * 10**9)), rng.randbytes(rng.randrange(1, 300))
        deliveries.append((bytes.fromhex(pair.sign(stamp, body)), pair.public(), stamp, body))
    for number in range(count):
        signature, key, stamp, body = rng.choice(deliveries)
        way = number % 10
        if way < 2:  # both halves are of the right kind, a point and a reduced scalar
            scalar = rng.randrange(ORDER).to_bytes(32, "little")
            yield rng.choice(publics).raw + scalar, key, stamp, body
        elif way == 2:
            yield rng.randbytes(64), key, str(rng.randrange(10**10)), rng.randbytes(rng.randrange(100))
        elif way == 3:
            yield signature[:32] + rng.randrange(ORDER).to_bytes(32, "little"), key, stamp, body
        elif way == 4:
            yield signature, rng.choice([other for other in rng.sample(publics, 2) if other != key]), stamp, body
        elif way == 5:
            other = rng.choice([delivery for delivery in rng.sample(deliveries, 2) if delivery[0] != signature])
            yield other[0], key, stamp, body
        else:
            yield signature, key, *alterations(rng, stamp, body)


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_nothing_random_is_authentic(count):
    inputs = random_inputs(random.Random(count), count)
    assert [given for given in inputs if is_authentic(*given)] == []


def test_the_random_inputs_are_made_of_what_is_authentic(rng):
    """Without the alteration they verify: that none does afterwards is worth something."""
    pair = SigningKey.from_seed("random", rng.randbytes(32))
    for _ in range(200):
        stamp, body = str(rng.randrange(10**9, 2 * 10**9)), rng.randbytes(rng.randrange(1, 300))
        signature = bytes.fromhex(pair.sign(stamp, body))
        assert is_authentic(signature, pair.public(), stamp, body)
        changed = alterations(rng, stamp, body)
        assert changed != (stamp, body)
        assert not is_authentic(signature, pair.public(), *changed)
