"""Ed25519 as Lamina's webhooks use it: the message is `<timestamp>.<body>`, the signature is hex.

Pure: keys, bytes and the present time come in as arguments. Source: Lamina's page "get webhook
signing key" for headers, message and JWK; RFC 8032 for the algorithm.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lamina_core import errors

SIGNATURE_HEADER = "X-Lamina-Webhook-Signature"
TIMESTAMP_HEADER = "X-Lamina-Webhook-Timestamp"
REQUEST_ID_HEADER = "X-Lamina-Webhook-Request-Id"
USER_ID_HEADER = "X-Lamina-Webhook-User-Id"

TOLERANCE = 300  # seconds, either way, inclusive

_SIGNATURE_SHAPE = re.compile(r"[0-9A-Fa-f]{128}")
_TIMESTAMP_SHAPE = re.compile(r"[0-9]{1,20}")

# A public key is a point, written as its y coordinate. A y that is not reduced, or that belongs to one of the
# eight points of small order, lets anybody make signatures that verify: such a key is no key.
_FIELD_PRIME = 2**255 - 19
_ORDER_EIGHT_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_SMALL_ORDER_Y = {0, 1, _FIELD_PRIME - 1, _ORDER_EIGHT_Y, _FIELD_PRIME - _ORDER_EIGHT_Y}


class Reason(StrEnum):
    """Why a webhook does not verify: stable codes, stored and shown."""

    MISSING_SIGNATURE = "missing_signature"
    MISSING_TIMESTAMP = "missing_timestamp"
    MALFORMED_SIGNATURE = "malformed_signature"
    MALFORMED_TIMESTAMP = "malformed_timestamp"
    STALE_TIMESTAMP = "stale_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    NOT_VERIFIED = "not_verified"


@dataclass(frozen=True)
class PublicKey:
    """One key of a set: its id, as far as the set names one, and the raw 32 bytes."""

    key_id: str | None
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise ValueError(f"an Ed25519 public key has 32 bytes, not {len(self.raw)}")
        y = int.from_bytes(self.raw, "little") & ((1 << 255) - 1)
        if y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
            raise ValueError("this Ed25519 public key is of small order or not canonical")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether this key made this signature over this message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key and its id; only the sandbox and tests hold one."""

    key_id: str
    private: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, key_id: str, seed: bytes) -> "SigningKey":
        """Return the key that these 32 secret bytes determine."""
        return cls(key_id, Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, timestamp: str, body: bytes) -> str:
        """Return the signature in hex, 128 characters."""
        return self.private.sign(signed_message(timestamp, body)).hex()

    def public(self) -> PublicKey:
        """Return the public half."""
        return PublicKey(self.key_id, self.private.public_key().public_bytes_raw())


def signed_message(timestamp: str, body: bytes) -> bytes:
    """Return the bytes that Lamina signs; the timestamp is the header's text as received."""
    return timestamp.encode() + b"." + body


def to_jwk(key: PublicKey) -> dict[str, str]:
    """Return the key as Lamina's signing-key endpoint writes it."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64.urlsafe_b64encode(key.raw).rstrip(b"=").decode(),
        "kid": key.key_id or "",
        "use": "sig",
        "alg": "EdDSA",
    }


def from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the key of a JWK; ValueError says what is wrong with it."""
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("not an Ed25519 key: kty must be OKP and crv Ed25519")
    x = jwk.get("x")
    if not isinstance(x, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", x):
        raise ValueError("x must be 32 bytes in base64url")
    raw = base64.urlsafe_b64decode(x.rstrip("=") + "=")
    key_id = jwk.get("kid")
    return PublicKey(key_id if isinstance(key_id, str) else None, raw)


def parse_key_set(document: Any) -> tuple[PublicKey, ...]:
    """Return the usable keys of `{"keys": [...]}`; keys of another kind are passed over.

    ValueError if the document has no list of keys, or no usable key in it.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError('a key set looks like {"keys": [...]}')
    keys = []
    for jwk in listed:
        try:
            keys.append(from_jwk(jwk if isinstance(jwk, Mapping) else {}))
        except ValueError:
            continue
    if not keys:
        raise ValueError("the key set holds no usable Ed25519 key")
    return tuple(keys)


def check_headers(signature: str | None, timestamp: str | None) -> tuple[bytes, int]:
    """Return the signature's 64 bytes and the timestamp's seconds, or raise SignatureRejected."""
    if not signature:
        raise errors.SignatureRejected(Reason.MISSING_SIGNATURE, f"The header {SIGNATURE_HEADER} is missing.")
    if not timestamp:
        raise errors.SignatureRejected(Reason.MISSING_TIMESTAMP, f"The header {TIMESTAMP_HEADER} is missing.")
    if not _SIGNATURE_SHAPE.fullmatch(signature):
        raise errors.SignatureRejected(
            Reason.MALFORMED_SIGNATURE,
            f"The signature must be 128 hexadecimal digits; {len(signature)} characters came.",
        )
    if not _TIMESTAMP_SHAPE.fullmatch(timestamp):
        raise errors.SignatureRejected(
            Reason.MALFORMED_TIMESTAMP, "The timestamp must be Unix seconds in decimal digits."
        )
    return bytes.fromhex(signature), int(timestamp)


def check_freshness(timestamp: int, now: float) -> None:
    """Raise SignatureRejected unless the timestamp is within TOLERANCE seconds of now."""
    age = int(now) - timestamp
    if age > TOLERANCE:
        raise errors.SignatureRejected(
            Reason.STALE_TIMESTAMP, f"The timestamp is {age} s old; at most {TOLERANCE} s are accepted."
        )
    if age < -TOLERANCE:
        raise errors.SignatureRejected(
            Reason.FUTURE_TIMESTAMP, f"The timestamp is {-age} s in the future; check clocks and units."
        )


def find_key(keys: Iterable[PublicKey], signature: bytes, timestamp: str, body: bytes) -> PublicKey:
    """Return the key of the set that made the signature, or raise SignatureRejected.

    Deliveries carry no key id, so every key is tried.
    """
    message = signed_message(timestamp, body)
    for key in keys:
        if key.verifies(signature, message):
            return key
    raise errors.SignatureRejected(
        Reason.NOT_VERIFIED, "No key of the set made this signature over this timestamp and body."
    )
