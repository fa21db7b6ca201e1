"""The search for the change that makes a signature hold: every single mistake, then pairs, until the time is up."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lamina_core import errors, signing
from lamina_core.clock import Clock
from lamina_core.debugger.body_json import vary_json
from lamina_core.debugger.body_text import (
    vary_bom,
    vary_ends,
    vary_entities,
    vary_line_ends,
    vary_mojibake,
    vary_normal_form,
    vary_quotes,
)
from lamina_core.debugger.body_wrapping import (
    vary_base64,
    vary_character_set,
    vary_chunks,
    vary_compression,
    vary_data,
    vary_double_encoding,
    vary_length,
    vary_python_text,
    vary_url_encoding,
)
from lamina_core.debugger.header_values import vary_signature, vary_timestamp
from lamina_core.debugger.messages import Joining, other_joinings
from lamina_core.debugger.records import Change, KeyMaterial, Specimen, Variant

TIME = 1.0  # seconds
_BREATH = 0.002  # seconds of work after which others get their turn
_USUAL_JSON = 60  # ways of writing JSON that are tried together with other mistakes
LARGEST_IN_PAIRS = 256_000  # bytes of a body; all ways of writing it are held in memory then
_FAR = {"timestamp_neighbour", "timestamp_time_zone"}

_TEXT = (vary_ends, vary_line_ends, vary_bom)
_CHARACTERS = (vary_mojibake, vary_normal_form)  # what may have gone wrong before the body was parsed
_WRAPPINGS = (
    *(vary_double_encoding, vary_base64, vary_url_encoding, vary_entities, vary_mojibake, vary_character_set),
    *(vary_normal_form, vary_quotes, vary_compression, vary_chunks, vary_python_text, vary_data),
)


class Effort:
    """How much is tried: counts, ends when the time is up, and lets other threads have their turn meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._breathed = clock.monotonic()
        self.tried = 0
        self.is_over = False

    @property
    def seconds(self) -> float:
        """Return how long it took until now."""
        return self._clock.monotonic() - self._began

    def go_on(self) -> bool:
        """Say whether there is time for another try."""
        now = self._clock.monotonic()
        if now - self._breathed > _BREATH:
            self._clock.sleep(_BREATH / 10)
            self._breathed = self._clock.monotonic()
        self.is_over = self.is_over or now - self._began >= TIME
        return not self.is_over


@dataclass(frozen=True)
class _Attempt:
    """What is verified, and the changes that led there from what is at hand."""

    signature: bytes
    timestamp: bytes
    body: bytes
    keys: tuple[signing.PublicKey, ...]
    joining: Joining | None = None
    changes: tuple[Change, ...] = ()

    def message(self) -> bytes:
        if self.joining is None:
            return self.timestamp + b"." + self.body
        return self.joining.join(self.timestamp, self.body)

    def with_signature(self, variant: Variant, given: str) -> "_Attempt":
        change = Change(variant.cause, "signature", variant.detail, given.encode(), variant.value.hex().encode())
        return replace(self, signature=variant.value, changes=(*self.changes, change))

    def with_timestamp(self, variant: Variant, given: str) -> "_Attempt":
        change = Change(variant.cause, "timestamp", variant.detail, given.encode(), variant.value)
        return replace(self, timestamp=variant.value, changes=(*self.changes, change))

    def with_body(self, variant: Variant) -> "_Attempt":
        change = Change(variant.cause, "body", variant.detail, self.body, variant.value)
        return replace(self, body=variant.value, changes=(*self.changes, change))

    def with_joining(self, joining: Joining) -> "_Attempt":
        signed = joining.join(self.timestamp, self.body)
        change = Change(joining.cause, "message", joining.detail, self.message(), signed)
        return replace(self, joining=joining, changes=(*self.changes, change))

    def with_key(self, key: signing.PublicKey, cause: str, detail: str) -> "_Attempt":
        given = self.keys[0].raw if self.keys and cause != "key_private" else b""  # a seed looks like a public key
        change = Change(cause, "key", detail, given, key.raw)
        return replace(self, keys=(key,), changes=(*self.changes, change))


@dataclass(frozen=True)
class Found:
    """The changes after which the signature holds, and the key that holds it then."""

    changes: tuple[Change, ...]
    key: signing.PublicKey


class Search:
    """One search; `find` does it, `ruled_out` says afterwards what was in vain."""

    def __init__(self, specimen: Specimen, material: KeyMaterial, effort: Effort) -> None:
        self._specimen = specimen
        self._material = material
        self._effort = effort
        self._seen: set[tuple[int, int, bytes]] = set()
        self._signatures = list(vary_signature(specimen))
        self._timestamps = list(vary_timestamp(specimen))
        self._near = [variant for variant in self._timestamps if variant.cause not in _FAR]
        self._joinings = other_joinings(specimen)
        self._content_length = content_length(specimen)
        self.tries_pairs = len(specimen.body) <= LARGEST_IN_PAIRS
        self.ruled_out: dict[str, int] = {}

    def find(self) -> Found | None:
        """Return what makes the signature hold, None if that was not found in time."""
        bases = list(self._bases())
        usable = [base for base in bases if self.tries_pairs and not base.changes]
        for attempt in itertools.chain(
            bases,
            *(self._singles(base) for base in bases),
            *(self._pairs(base) for base in usable),
        ):
            if not self._effort.go_on():
                return None
            if key := self._find_key(attempt):
                return Found(attempt.changes, key)
        return None

    def _find_key(self, attempt: _Attempt) -> signing.PublicKey | None:
        message = attempt.message()
        for key in attempt.keys:
            mark = (hash(attempt.signature), hash(message), key.raw)
            if mark in self._seen:
                continue
            self._seen.add(mark)
            self._effort.tried += 1
            if key.verifies(attempt.signature, message):
                return key
        part = attempt.changes[-1].part if len(attempt.changes) == 1 else ""
        self.ruled_out[part] = self.ruled_out.get(part, 0) + 1
        return None

    # What can be verified at all: a part that is missing or unreadable must be put right first.

    def _bases(self) -> Iterator[_Attempt]:
        given = self._specimen
        start = _Attempt(b"", (given.timestamp or "").encode(), given.body, self._material.keys)
        try:
            signature, _ = signing.check_headers(given.signature, "1")
            signed = [replace(start, signature=signature)]
        except errors.SignatureRejected:
            signed = list(self._with_signatures(start))
        dated = signed if given.timestamp else []
        if not re.fullmatch("[0-9]{1,20}", given.timestamp or ""):
            near = self._near if given.timestamp else [*self._near, _NO_TIMESTAMP]
            dated = [*(dated for base in signed for dated in self._with_timestamps(base, near)), *dated]
        yield from dated if self._material.keys else (keyed for base in dated for keyed in self._with_keys(base))

    def _with_signatures(self, base: _Attempt) -> Iterator[_Attempt]:
        return (base.with_signature(variant, self._specimen.signature or "") for variant in self._signatures)

    def _with_timestamps(self, base: _Attempt, variants: Iterable[Variant]) -> Iterator[_Attempt]:
        return (base.with_timestamp(variant, self._specimen.timestamp or "") for variant in variants)

    def _with_keys(self, base: _Attempt) -> Iterator[_Attempt]:
        yield from (base.with_key(mended.key, mended.cause, mended.detail) for mended in self._material.mended)
        for key, where in self._material.others:
            yield base.with_key(key, "key_retired" if "earlier" in where else "key_other", where)

    # One mistake, the likely ones first.

    def _singles(self, base: _Attempt) -> Iterator[_Attempt]:
        yield from self._with_signatures(base)
        yield from self._with_timestamps(base, self._near)
        yield from self._with_keys(base)
        yield from map(base.with_body, self._bodies(base.body))
        yield from map(base.with_joining, self._joinings)
        forms = vary_json(base.body)
        yield from map(base.with_body, itertools.islice(forms, _USUAL_JSON))
        yield from self._with_timestamps(base, self._timestamps)
        yield from map(base.with_body, forms)

    def _bodies(self, body: bytes) -> Iterator[Variant]:
        yield from vary_length(body, self._content_length)
        for vary in (*_TEXT, *_WRAPPINGS):
            yield from vary(body)

    # Two mistakes: in two parts, or twice in the body.

    def _pairs(self, base: _Attempt) -> Iterator[_Attempt]:
        elsewhere = [*self._with_signatures(base), *self._with_timestamps(base, self._near), *self._with_keys(base)]
        bodies = list(self._bodies(base.body))
        usual = list(itertools.islice(vary_json(base.body), _USUAL_JSON))
        for first in elsewhere:
            yield from self._elsewhere_too(first)
            yield from map(first.with_body, bodies + usual)
            yield from map(first.with_joining, self._joinings)
        for first in map(base.with_body, usual):
            yield from (first.with_body(second) for vary in (*_TEXT, *_CHARACTERS) for second in vary(first.body))
        for first in map(base.with_body, bodies):
            if len(first.body) > LARGEST_IN_PAIRS:
                continue  # it was compressed
            yield from map(first.with_body, self._bodies(first.body))
            yield from map(first.with_body, itertools.islice(vary_json(first.body), _USUAL_JSON))
        for joining in self._joinings:
            yield from (base.with_body(variant).with_joining(joining) for variant in bodies + usual)

    def _elsewhere_too(self, first: _Attempt) -> Iterator[_Attempt]:
        if first.changes[-1].part == "signature":
            yield from self._with_timestamps(first, self._timestamps)
        if first.changes[-1].part != "key":
            yield from self._with_keys(first)


_NO_TIMESTAMP = Variant("missing_timestamp", "signed: with an empty timestamp", b"")


def content_length(specimen: Specimen) -> int | None:
    """Return what the header Content-Length names, None where it is missing or no number."""
    values = [value.strip() for name, value in specimen.headers if name.lower() == "content-length"]
    return int(values[0]) if values and values[0].isdecimal() and len(values[0]) < 12 else None
