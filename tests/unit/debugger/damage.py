"""A webhook as Lamina sent it, one way to damage it, and the makers of such ways."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from lamina_core import signing
from lamina_core.debugger.keys.material import read_keys
from lamina_core.debugger.records import Certainty, KeyMaterial, Specimen, specimen_from
from tests.unit.debugger.payloads import Draw, draw_any

ChangeBytes = Callable[[bytes, random.Random], bytes]
ChangeText = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Webhook:
    """A webhook as Lamina sent it."""

    key: signing.SigningKey
    timestamp: str
    body: bytes
    request_id: str = "e-1"
    user_id: str = "user-7"

    def sign(self, message: bytes) -> str:
        return self.key.private.sign(message).hex()

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            signing.SIGNATURE_HEADER: self.sign(self.timestamp.encode() + b"." + self.body),
            signing.TIMESTAMP_HEADER: self.timestamp,
            signing.REQUEST_ID_HEADER: self.request_id,
            signing.USER_ID_HEADER: self.user_id,
        }

    def received(self, body: bytes | None = None, **headers: str | None) -> Specimen:
        """Return it as received, with another body or other headers: `Content_Length="9"`; None takes one away."""
        given = self.headers() | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = [(name, value) for name, value in given.items() if value is not None]
        return specimen_from(kept, self.body if body is None else body, exact=True, source="a test")

    def with_signature(self, signature: str | None) -> Specimen:
        return self.received(**{signing.SIGNATURE_HEADER: signature})

    def with_timestamp(self, timestamp: str | None) -> Specimen:
        return self.received(**{signing.TIMESTAMP_HEADER: timestamp})

    def keys(self) -> KeyMaterial:
        return KeyMaterial(keys=(self.key.public(),), origin="a key")


Damaged = tuple[Specimen, KeyMaterial]
Make = Callable[[Webhook, random.Random], Damaged]


@dataclass(frozen=True)
class Damage:
    """One way to bring about a cause; `equal` are codes that say the same of it, `draw` gives bodies for it."""

    code: str
    name: str
    make: Make
    draw: Draw = draw_any
    equal: frozenset[str] = frozenset()
    certainty: Certainty = Certainty.VERIFIED
    authentic: bool = False
    needs_node: bool = False

    def __str__(self) -> str:
        return f"{self.code}, {self.name}"


def on_the_way(code: str, name: str, change: ChangeBytes, draw: Draw = draw_any, *equal: str) -> Damage:
    """Change the body after it was signed."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        return webhook.received(change(webhook.body, rng)), webhook.keys()

    return Damage(code, name, make, draw, frozenset(equal))


def before_signing(code: str, name: str, change: ChangeBytes, draw: Draw = draw_any, *equal: str) -> Damage:
    """Have a changed body signed, and the unchanged one at hand."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        signed = replace(webhook, body=change(webhook.body, rng))
        return signed.received(webhook.body), webhook.keys()

    return Damage(code, f"{name}, signed so", make, draw, frozenset(equal))


def both_ways(code: str, name: str, change: ChangeBytes, draw: Draw = draw_any, *equal: str) -> tuple[Damage, Damage]:
    """Change the body after it was signed, and before."""
    return on_the_way(code, name, change, draw, *equal), before_signing(code, name, change, draw, *equal)


def in_signature(code: str, name: str, change: ChangeText, *equal: str) -> Damage:
    """Change the text of the signature."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        return webhook.with_signature(change(webhook.headers()[signing.SIGNATURE_HEADER], rng)), webhook.keys()

    return Damage(code, name, make, equal=frozenset(equal))


def in_timestamp(code: str, name: str, change: ChangeText, *equal: str) -> Damage:
    """Change the text of the timestamp."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        return webhook.with_timestamp(change(webhook.timestamp, rng)), webhook.keys()

    return Damage(code, name, make, equal=frozenset(equal))


def as_received(code: str, name: str, make: Callable[[Webhook, random.Random], Specimen], *equal: str) -> Damage:
    """Have a specimen made in any way."""
    return Damage(code, name, lambda webhook, rng: (make(webhook, rng), webhook.keys()), equal=frozenset(equal))


def over(code: str, name: str, build: Callable[[Webhook], bytes]) -> Damage:
    """Sign another message than Lamina does."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        return webhook.with_signature(webhook.sign(build(webhook))), webhook.keys()

    return Damage(code, name, make)


def with_key(code: str, name: str, show: Callable[[signing.SigningKey], str | bytes], *equal: str) -> Damage:
    """Paste the key in another form."""
    return Damage(
        code, name, lambda webhook, _rng: (webhook.received(), read_keys(show(webhook.key))), equal=frozenset(equal)
    )


def indicated(*damages: Damage) -> list[Damage]:
    """Say that nothing can prove these: what was signed is lost."""
    return [replace(damage, certainty=Certainty.INDICATED) for damage in damages]


def through_node(*damages: Damage) -> list[Damage]:
    """Say that Node makes these."""
    return [replace(damage, needs_node=True) for damage in damages]
