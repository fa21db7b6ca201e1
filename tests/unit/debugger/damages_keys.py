"""Messages that were not put together as Lamina does it, and keys that were not pasted as Lamina shows them."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives import serialization

from lamina_core import signing
from lamina_core.debugger.records import KeyMaterial
from tests.unit.debugger.damage import Damage, Damaged, Webhook, indicated, over, with_key


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# The message


def stamp(webhook: Webhook) -> bytes:
    return webhook.timestamp.encode()


def whole(webhook: Webhook) -> bytes:
    return stamp(webhook) + b"." + webhook.body


def fal(webhook: Webhook) -> bytes:
    parts = [webhook.request_id, webhook.user_id, webhook.timestamp, hashlib.sha256(webhook.body).hexdigest()]
    return "\n".join(parts).encode()


MESSAGES = [
    *(
        over("message_separator", repr(by), lambda webhook, by=by: stamp(webhook) + by + webhook.body)
        for by in (b"", b":", b"|", b"\n", b" ", b",", b"-", b"_", b"\r\n", b";", b"\t", b"/", b"\0")
    ),
    *(
        over("message_order", repr(by), lambda webhook, by=by: webhook.body + by + stamp(webhook))
        for by in (b".", b"", b":", b"\n", b"|")
    ),
    over("message_body_only", "the body", lambda webhook: webhook.body),
    over("message_hashed", "of the message", lambda webhook: hashlib.sha256(whole(webhook)).digest()),
    over("message_hashed", "of the message, hex", lambda webhook: hashlib.sha256(whole(webhook)).hexdigest().encode()),
    over("message_hashed", "of the message, SHA-512", lambda webhook: hashlib.sha512(whole(webhook)).digest()),
    over("message_hashed", "of the body", lambda webhook: hashlib.sha256(webhook.body).hexdigest().encode()),
    over("message_hashed", "of the body, raw", lambda webhook: hashlib.sha256(webhook.body).digest()),
    over(
        "message_hashed",
        "after the timestamp",
        lambda webhook: stamp(webhook) + b"." + hashlib.sha256(webhook.body).hexdigest().encode(),
    ),
    over(
        "message_other_scheme", "Standard Webhooks", lambda webhook: webhook.request_id.encode() + b"." + whole(webhook)
    ),
    over("message_other_scheme", "fal", fal),
    over("message_other_scheme", "Slack", lambda webhook: b"v0:" + stamp(webhook) + b":" + webhook.body),
    over("message_other_scheme", "the timestamp", stamp),
]


# The key


def der(key: signing.SigningKey) -> bytes:
    return key.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def private_pem(key: signing.SigningKey) -> str:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode()


def private_jwk(key: signing.SigningKey) -> str:
    seed = base64.urlsafe_b64encode(key.private.private_bytes_raw()).decode().rstrip("=")
    return json.dumps(signing.to_jwk(key.public()) | {"d": seed})


def jwk(x: Callable[[signing.SigningKey], str]) -> Callable[[signing.SigningKey], str]:
    return lambda key: json.dumps({"keys": [signing.to_jwk(key.public()) | {"x": x(key)}]})


def instead(where: str) -> Callable[[Webhook, random.Random], Damaged]:
    """Hold it against another key, with the right one in reach."""

    def make(webhook: Webhook, rng: random.Random) -> Damaged:
        wrong = [signing.SigningKey.from_seed("wrong", rng.randbytes(32)).public() for _ in range(3)]
        others = [(wrong[1], where), (webhook.key.public(), where), (wrong[2], where)]
        return webhook.received(), KeyMaterial(keys=(wrong[0],), others=tuple(others))

    return make


KEYS = [
    with_key("key_spki", "in base64url", jwk(lambda key: base64.urlsafe_b64encode(der(key)).decode().rstrip("="))),
    with_key("key_spki", "in base64", jwk(lambda key: base64_of(der(key)))),
    with_key("key_standard_base64", "padded", jwk(lambda key: base64_of(key.public().raw))),
    with_key("key_hex", "digits", jwk(lambda key: key.public().raw.hex())),
    with_key("key_hex", "capitals", jwk(lambda key: key.public().raw.hex().upper())),
    with_key("key_decorated", "blanks", jwk(lambda key: f" {signing.to_jwk(key.public())['x']}\n")),
    with_key("key_decorated", "quotes", jwk(lambda key: f'"{signing.to_jwk(key.public())["x"]}"')),
    with_key("key_decorated", "a variable", lambda key: f"LAMINA_KEY='{base64_of(key.public().raw)}'"),
    Damage("key_other", "of the set", instead("Lamina's present set")),
    Damage("key_retired", "of an earlier set", instead("an earlier set of Lamina's")),
    with_key("key_private", "PEM", private_pem),
    with_key("key_private", "PKCS 8 in base64", lambda key: "".join(private_pem(key).splitlines()[1:-1])),
    replace(with_key("key_private", "JWK", private_jwk), authentic=True),
    *indicated(
        with_key("key_unusable", "RSA", lambda _key: json.dumps({"kty": "RSA", "n": "AQAB" * 60, "e": "AQAB"})),
        with_key("key_unusable", "cut", lambda key: key.public().raw.hex()[:60]),
        with_key("key_unusable", "a shared secret", lambda key: f"whsec_{base64_of(key.public().raw)}"),
        with_key("no_key", "nothing", lambda _key: " "),
        Damage("no_key", "no material", lambda webhook, _rng: (webhook.received(), KeyMaterial())),
    ),
]

DAMAGES = [*MESSAGES, *KEYS]
