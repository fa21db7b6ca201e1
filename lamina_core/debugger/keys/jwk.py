"""Keys in JSON: a JWK, a set, a list of them, wrapped or written loosely."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lamina_core import signing
from lamina_core.debugger.keys.bytes import Reading, check_point, derive, mend
from lamina_core.debugger.keys.text import MOST, decode, read_texts
from lamina_core.debugger.records import MendedKey

_NAMES = {"kty", "crv", "x", "d", "kid", "use", "alg", "keys"}  # what a remark may repeat of the pasted names
_KINDS = {
    "RSA": "is an RSA key",
    "EC": "is a key of an elliptic curve for ECDSA",
    "oct": "is a shared secret for HMAC, which verifies no Ed25519 signature",
    "AKP": "is a post-quantum key (ML-DSA)",
}
_CURVES = {
    "X25519": "is an X25519 key, which encrypts and cannot sign",
    "X448": "is an X448 key, which encrypts and cannot sign",
    "Ed448": "is an Ed448 key",
}
_EC_CURVES = ("P-256", "P-384", "P-521", "secp256k1")
_WRONG_X = {
    "key_spki": "has an x that is wrapped (SPKI); it should be the 32 bytes in base64url",
    "key_hex": "has an x in hex; it should be in base64url",
    "key_standard_base64": "has an x in standard base64; it should be in base64url, without padding",
    "key_decorated": "has an x with quotes, blanks, escapes or a prefix around it",
}


def read_json(text: str, remarks: list[str]) -> list[Reading] | None:
    """Return what the keys in JSON are, None if the text is no JSON; ValueError says why it cannot be taken.

    What is noticed on the way is added to the remarks.
    """
    document, is_loose = _load(text, remarks)
    if isinstance(document, str):
        readings = read_json(document, remarks) if document[:1] in {"{", "["} else None
        flaw = "is a JSON string: its quotes and escapes do not belong to the key"
        return [_decorate(reading, flaw) for reading in (read_texts(document) if readings is None else readings)]
    if not isinstance(document, dict | list):
        return None
    readings = _collect(document)
    if not readings:
        remarks.append('This JSON holds no key. A key set looks like {"keys": [...]}, with kty, crv and x in each.')
    return [_decorate(reading, "is not written as JSON demands") for reading in readings] if is_loose else readings


def _decorate(reading: Reading, flaw: str) -> Reading:
    return mend(reading, "key_decorated", "at hand: with altered quotes or escapes", flaw)


def _load(text: str, remarks: list[str]) -> tuple[Any, bool]:
    """Return the document, None if there is none, and whether it had to be mended before it could be read."""
    if "{" not in text and text[:1] not in {"[", '"'}:
        return None, False
    cut = text[text.find("{") : text.rfind("}") + 1] if "{" in text else text
    broken = ""
    for candidate, is_loose in ((text, False), (cut, False), (_loosen(text), True), (_loosen(cut), True)):
        repeated: set[str] = set()
        try:
            document = json.loads(candidate, object_pairs_hook=_note_repeated(repeated), parse_int=float)
        except RecursionError:
            raise ValueError("This JSON is nested far too deeply for a key set.") from None
        except json.JSONDecodeError as error:
            broken = broken or f"{error.msg}, line {error.lineno}, column {error.colno}"
            continue
        if candidate is cut and cut != text:
            remarks.append("What stands around the JSON was left out.")
        remarks += [
            f"{name} stands twice in one object: the last one was taken, other readers take the first."
            for name in sorted(repeated)
        ]
        return document, is_loose
    if text[:1] in {"{", "["} and "BEGIN" not in text:
        raise ValueError(f"This begins as JSON, but it is none or is cut off: {broken}.")
    return None, False


def _note_repeated(repeated: set[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for name, value in pairs:
            if name in built:
                repeated.add(f'"{name}"' if name in _NAMES else "A name")
            built[name] = value
        return built

    return build


def _loosen(text: str) -> str:
    """Return as JSON what Python, JavaScript or a word processor makes of it."""
    text = re.sub("[“”„'`‘’]", '"', text.replace('\\"', '"'))
    text = re.sub(r"([{,]\s*)([A-Za-z_]\w{0,40})(\s*:)", r'\1"\2"\3', text)
    text = re.sub(r"\b(?:None|undefined|True|False)\b", "null", text)
    return re.sub(r",(\s*[}\]])", r"\1", text)


def _collect(document: dict[str, Any] | list[Any]) -> list[Reading]:
    members: list[Any] = list(document) if isinstance(document, list) else []
    named: list[str] = []
    waiting: list[Any] = [] if isinstance(document, list) else [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict) and ("kty" in value or ("crv" in value and "x" in value)):
            members.append(value)
        elif isinstance(value, dict) and isinstance(value.get("keys"), list):
            members.extend(value["keys"])
        elif isinstance(value, dict):
            named += [text for name, text in value.items() if isinstance(text, str) and "key" in name.lower()]
            waiting.extend(reversed(value.values()))
    if len(members) + len(named) > MOST:
        raise ValueError(f"{len(members) + len(named):,} keys were given; at most {MOST:,} are read.")
    return [_read_member(member) for member in members] or list(_read_named(named))


def _read_named(texts: list[str]) -> Iterator[Reading]:
    """Give the keys among texts that are under a name such as public_key."""
    readings = (reading for text in texts for reading in read_texts(text))
    for reading in itertools.islice(readings, MOST):
        if reading.is_readable() or reading.is_private:
            yield _decorate(reading, "is no JWK, but a text inside JSON")


def _read_member(member: Any) -> Reading:
    if isinstance(member, dict):
        return read_jwk(member)
    if isinstance(member, str) and (readings := read_texts(member)):
        return readings[0]
    return Reading("JWK", flaw="is no JWK")


def read_jwk(jwk: dict[str, Any]) -> Reading:
    """Return what a JWK is as a key; the private part of one is looked at and left out."""
    kty, crv, secret = jwk.get("kty"), jwk.get("crv"), jwk.get("d")
    flaw = _find_kind(kty, crv)
    if flaw:
        return Reading("JWK", flaw=flaw, is_private=bool(secret))
    reading = _read_x(jwk)
    if not isinstance(secret, str) or not secret:
        return reading
    made = _read_seed(secret)
    keys = tuple(key for key in reading.keys if made is None or key.raw != made[0])
    others = tuple(mended for mended in reading.mended if made is None or mended.key.raw != made[0])
    if made and not any(key.raw == made[1].key.raw for key in keys):
        others = (*others, made[1])
    return replace(reading, keys=keys, mended=others, flaw=reading.flaw or "holds the private part d", is_private=True)


def _find_kind(kty: Any, crv: Any) -> str:
    if kty == "OKP" and crv == "Ed25519":
        return ""
    if kty == "OKP":
        found = _CURVES.get(crv) if isinstance(crv, str) else None
        return found or "has no crv that is known here, where exactly Ed25519 belongs"
    if kty is None:
        return "has no kty, where OKP belongs"
    found = _KINDS.get(kty) if isinstance(kty, str) else None
    if kty == "EC" and crv in _EC_CURVES:
        return f"{found} ({crv})"
    return found or "has a kty that is not known here, where exactly OKP belongs"


def _read_x(jwk: dict[str, Any]) -> Reading:
    x, kid = jwk.get("x"), jwk.get("kid")
    key_id = kid.encode(errors="replace").decode() if isinstance(kid, str) else None
    if not isinstance(x, str):
        return Reading("JWK", flaw="has no x" if x is None else "has an x that is no text")
    try:
        return Reading("JWK", (check_point(signing.from_jwk(jwk).raw, key_id),))
    except ValueError as error:
        if re.fullmatch(r"[A-Za-z0-9_-]{43}=?", x):
            return Reading("JWK", flaw=f"has an x that {error}")
    reading = next(iter(read_texts(x)), Reading("JWK", flaw="is empty"))
    return _name_x(reading if x == x.strip() else _decorate(reading, "has blanks around it"), key_id)


def _name_x(reading: Reading, key_id: str | None) -> Reading:
    """Return what an x is that is not written as it should be; only after a change can it be a key."""
    if reading.is_private:
        return replace(reading, form="JWK", flaw=f"has an x that {reading.flaw}")
    decorated = [mended.key for mended in reading.mended if mended.cause == "key_decorated"]
    found = [signing.PublicKey(key_id, key.raw) for key in (*reading.keys, *decorated)]
    if not found:
        return Reading("JWK", flaw=f"has an x that {reading.flaw}")
    if reading.form != "32 bytes":
        cause = "key_spki"
    elif reading.encoding == "hex":
        cause = "key_hex"
    else:
        cause = "key_decorated" if decorated else "key_standard_base64"
    detail = f"at hand: an x of {reading.form}" + (f" in {reading.encoding}" if reading.encoding else "")
    return Reading("JWK", mended=tuple(MendedKey(key, cause, detail) for key in found), flaw=_WRONG_X[cause])


def _read_seed(text: str) -> tuple[bytes, MendedKey] | None:
    raw, _ = decode(text.strip())
    return (raw, derive(raw, "at hand: the private part d of a JWK")) if raw is not None and len(raw) == 32 else None
