"""The keys that a webhook is held against: pasted in any form, or Lamina's own with their age.

A key that can only be read after a change never makes anything authentic. Of private and shared secrets nothing is
kept, and no remark repeats pasted text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lamina_core import signing
from lamina_core.debugger.keys.bytes import Reading, mend, read_bytes
from lamina_core.debugger.keys.jwk import read_json
from lamina_core.debugger.keys.text import read_texts
from lamina_core.debugger.records import KeyMaterial

_LARGEST = 1_000_000  # bytes or characters
_MOST_REMARKS = 20
_STALE_AFTER = timedelta(hours=24)
_PRIVATE_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_PRIVATE_JWK = re.compile(rb'"d\\*"\s*:\s*\\*"[A-Za-z0-9_-]{43}')
_PRIVATE = (
    "A PRIVATE KEY was given: whoever has it can sign in its owner's name. Take it out of every place where it was "
    "pasted, and replace it. It is neither kept nor shown."
)
_ADVICE = "Give Lamina's key set (JWKS), a JWK of it, or its Ed25519 public key as PEM, base64 or hex."


def read_keys(pasted: str | bytes) -> KeyMaterial:
    """Return the keys in what was pasted, or in a file; what cannot be used is named in `problem` and remarks."""
    if len(pasted) > _LARGEST:
        return _refuse(f"That is {len(pasted):,} bytes; a key set of more than {_LARGEST:,} is not read.")
    remarks: list[str] = []
    try:
        readings = _read_file(pasted, remarks) if isinstance(pasted, bytes) else _read_text(pasted, remarks)
    except ValueError as error:
        return _refuse(str(error))
    return _summarise(readings, remarks)


def holds_private_key(content: bytes) -> bool:
    """Say whether a private key, as PEM or JWK, stands anywhere in what is no key itself, such as a body."""
    return bool(_PRIVATE_PEM.search(content) or (b"kty" in content and _PRIVATE_JWK.search(content)))


def _refuse(why: str) -> KeyMaterial:
    return KeyMaterial(problem="key_unusable", remarks=(why, _ADVICE))


def _read_file(raw: bytes, remarks: list[str]) -> list[Reading]:
    text = _find_text(raw)
    if text is not None:
        return _read_text(text, remarks)
    reading = read_bytes(raw)
    if not reading.is_readable():
        for end in (b"\n", b"\r\n"):
            bare = read_bytes(raw.removesuffix(end))
            if bare.is_readable():
                return [mend(bare, "key_decorated", "at hand: with a line end", "has a line end after its bytes")]
    return [reading]


def _find_text(raw: bytes) -> str | None:
    """Return a file's text, None if it holds bytes."""
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text if len(raw) != 32 and all(mark.isprintable() or mark in "\r\n\t" for mark in text) else None


def _read_text(text: str, remarks: list[str]) -> list[Reading]:
    text = text.strip().strip("\ufeff\0").strip()
    readings = read_json(text, remarks)
    return read_texts(text) if readings is None else readings


def _summarise(readings: list[Reading], remarks: list[str]) -> KeyMaterial:
    keys = tuple(key for reading in readings for key in reading.keys)
    is_private = any(reading.is_private for reading in readings)
    told = [*_describe(readings), *remarks]
    if not readings:
        told = told or ["No key was given."]
    if not keys:
        told.append(_ADVICE)
    return KeyMaterial(
        keys=keys,
        mended=tuple(mended for reading in readings for mended in reading.mended),
        origin=_name_origin(readings),
        problem=None if keys else "key_unusable" if readings else "no_key",
        remarks=(_PRIVATE, *told) if is_private else tuple(told),
        holds_private=is_private,
    )


def _describe(readings: list[Reading]) -> Iterator[str]:
    flawed = [(place, reading) for place, reading in enumerate(readings, 1) if reading.flaw]
    for place, reading in flawed[:_MOST_REMARKS]:
        subject = "What was given" if len(readings) == 1 else f"Key {place} of {len(readings):,}"
        passed_over = len(readings) > 1 and not reading.is_readable()
        yield f"{subject} {reading.flaw}{': passed over' if passed_over else ''}."
    if len(flawed) > _MOST_REMARKS:
        yield f"There is something wrong with {len(flawed) - _MOST_REMARKS:,} more."


def _name_origin(readings: list[Reading]) -> str:
    read = [reading for reading in readings if reading.is_readable()]
    forms = dict.fromkeys(" in ".join(filter(None, (reading.form, reading.encoding))) for reading in read)
    if not read:
        return "no key"
    return f"the pasted {'key' if len(read) == 1 else 'keys'}, read as {', '.join(list(forms)[:3])}"


# Lamina's own


def live_material(
    keys: tuple[signing.PublicKey, ...],
    fetched_at: datetime | None,
    now: datetime,
    retired: tuple[tuple[signing.PublicKey, str], ...],
) -> KeyMaterial:
    """Return Lamina's key set with its age, and the keys that it held earlier, which make nothing authentic."""
    if not keys:
        why = "Lamina's key set was never read: see on the System screen whether Lamina answers, or give the keys."
        return with_others(KeyMaterial(problem="no_key", remarks=(why,)), retired)
    age = "at a time that nobody knows" if fetched_at is None else _name_age(now - fetched_at)
    is_stale = fetched_at is None or now - fetched_at > _STALE_AFTER
    old = f"Lamina's key set was read {age}: it may have changed since."
    material = KeyMaterial(keys=keys, origin=f"Lamina's key set, read {age}", remarks=(old,) if is_stale else ())
    return with_others(material, retired)


def _name_age(age: timedelta) -> str:
    seconds = age.total_seconds()
    for limit, length, unit in ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h")):
        if seconds < limit:
            return f"{int(seconds / length)} {unit} ago" if seconds >= 1 else "just now"
    return f"{int(seconds / 86_400)} d ago"


def with_others(material: KeyMaterial, others: Iterable[tuple[signing.PublicKey, str]]) -> KeyMaterial:
    """Return the material with keys to try beside its own, each once; they make nothing authentic."""
    known = {key.raw for key in material.keys}
    added = {key.raw: (key, where) for key, where in reversed((*material.others, *others)) if key.raw not in known}
    return replace(material, others=tuple(reversed(added.values())))
