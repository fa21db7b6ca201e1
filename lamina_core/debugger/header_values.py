"""What signature and timestamp may have read when Lamina signed: other encodings, units, headers."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lamina_core import signing
from lamina_core.debugger.records import Specimen, Variant

_SIGNATURE_BYTES = 64
_LONGEST = 2_000  # characters of a header's value that are looked at
PREFIX = re.compile(r"(?i)^\s*['\"]?\s*(?:0x|\\x|[a-z][a-z0-9_.-]{0,30}\s*[=:,]\s*|v1a?\s+|bearer\s+|ed25519\s+)")
_DECORATION = re.compile(r"^\s*b(?=['\"])|[\s'\":\-\u200b\u200e\ufeff<>{}\[\]();]+|\\[nrt]|%0[AaDd]|%20")
_NEIGHBOURS = 300  # seconds, each way: the longest that attempts of one webhook can lie apart
_NAMES = {
    name.lower()
    for name in (signing.SIGNATURE_HEADER, signing.TIMESTAMP_HEADER, signing.REQUEST_ID_HEADER, signing.USER_ID_HEADER)
}
_QUARTER = 900  # seconds: time zones differ by quarters of an hour
_FARTHEST = 14 * 3600


def decode_signature(text: str) -> Iterator[tuple[str, bytes]]:
    """Give the bytes that a text can stand for, each with the encoding: hex, base64 or base64url."""
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        yield "hex", bytes.fromhex(text)
    packed = text.rstrip("=")
    if len(packed) >= 4 and re.fullmatch(r"[A-Za-z0-9+/_-]+", packed):
        name = "base64url" if re.search("[_-]", packed) else "base64"
        try:
            yield name, base64.b64decode(packed.translate(str.maketrans("-_", "+/")) + "=" * (-len(packed) % 4))
        except binascii.Error:
            return


def vary_signature(specimen: Specimen) -> Iterator[Variant]:
    """Give the 64 bytes that the signature may have been, from its own text and from other headers."""
    yield from _read_signature(specimen.signature or "")
    for name, value in _other_values(specimen, signing.SIGNATURE_HEADER):
        cause = _moved(specimen, name, signing.SIGNATURE_HEADER)
        for variant in _read_signature(value, as_given=True):
            yield Variant(cause, f"signed: what the header {name} holds", variant.value)


def _read_signature(text: str, *, as_given: bool = False) -> Iterator[Variant]:
    text = text[:_LONGEST]
    plain = text.strip()
    bare = _DECORATION.sub("", text)
    unprefixed = PREFIX.sub("", text).strip(" '\"")
    first = re.split(r"[,;\s]+", plain)[0]
    readings = [("signature_decorated", bare), ("signature_prefix", unprefixed), ("signature_doubled", first)]
    readings += [("signature_prefix", _DECORATION.sub("", unprefixed)), ("signature_doubled", plain[: len(plain) // 2])]
    for part in re.split(r"[,;\s]+", plain)[1:4]:
        readings += [("signature_doubled", part), ("signature_prefix", PREFIX.sub("", part))]
    seen: set[bytes] = set() if as_given or not re.fullmatch("[0-9a-fA-F]{128}", text) else {bytes.fromhex(text)}
    for cause, reading in [("signature_decorated", plain), *readings]:
        for encoding, raw in decode_signature(reading):
            known = cause if encoding == "hex" or cause != "signature_decorated" else "signature_base64"
            for found, detail in _unpack(raw, known, encoding):
                if len(found) == _SIGNATURE_BYTES and found not in seen:
                    seen.add(found)
                    yield Variant(detail[0], detail[1], found)


def _unpack(raw: bytes, cause: str, encoding: str) -> Iterator[tuple[bytes, tuple[str, str]]]:
    yield raw, (cause, f"at hand: {encoding}")
    if raw[: len(raw) // 2] == raw[len(raw) // 2 :]:
        yield raw[: len(raw) // 2], ("signature_doubled", f"at hand: {encoding}, twice")
    if raw.isascii():
        for inner, unpacked in decode_signature(raw.decode().strip()):
            yield unpacked, ("signature_double_encoded", f"at hand: {encoding} of {inner}")


# The timestamp


def vary_timestamp(specimen: Specimen) -> Iterator[Variant]:
    """Give the texts that the timestamp may have been, from its own text, other headers and its neighbourhood."""
    given = (specimen.timestamp or "")[:_LONGEST]
    seen = {given}
    for variant in _timestamps(specimen, given):
        text = variant.value.decode()
        if text not in seen:
            seen.add(text)
            yield variant


def _timestamps(specimen: Specimen, given: str) -> Iterator[Variant]:
    readings = list(_read_timestamp(given))
    yield from (Variant(cause, f"signed: {text}", text.encode()) for cause, text in readings)
    for name, value in _other_values(specimen, signing.TIMESTAMP_HEADER):
        cause = _moved(specimen, name, signing.TIMESTAMP_HEADER)
        values = [value.strip()] if re.fullmatch(r"\s*[0-9]{1,20}\s*", value) else []
        for text in dict.fromkeys(values + [text for _, text in _read_timestamp(value)]):
            yield Variant(cause, f"signed: {text}, from the header {name}", text.encode())
    whole = [text for text in (given.strip(), *(text for _, text in readings)) if re.fullmatch("[0-9]{9,11}", text)]
    for text in dict.fromkeys(whole[:2]):
        yield from _around(int(text))


def _around(seconds: int) -> Iterator[Variant]:
    for distance in range(1, _NEIGHBOURS + 1):
        for near in (seconds - distance, seconds + distance):
            yield Variant("timestamp_neighbour", f"signed: {near - seconds:+d} s", str(near).encode())
    for distance in range(_QUARTER, _FARTHEST + 1, _QUARTER):
        for far in (seconds - distance, seconds + distance):
            yield Variant("timestamp_time_zone", f"signed: {(far - seconds) / 3600:+g} h", str(far).encode())


def _read_timestamp(text: str) -> Iterator[tuple[str, str]]:
    """Give the seconds that a text can stand for, as Lamina would have written them."""
    plain = text.strip()
    bare = re.sub(r"[^0-9.eE+-]", "", re.sub(r"(?i)^\W*[a-z][a-z_-]*\s*[=:]\s*", "", plain))
    for cause, reading in (("timestamp_decorated", plain), ("timestamp_decorated", bare)):
        digits = reading.replace(",", "").replace("_", "")
        if re.fullmatch("[0-9]{1,11}", reading):
            yield cause, reading
        elif re.fullmatch("[0-9]{12,20}", digits):
            for power in (3, 6, 9):
                if 9 <= len(digits) - power <= 11:
                    yield "timestamp_milliseconds", digits[:-power]
                    yield "timestamp_milliseconds", str(round(int(digits) / 10**power))
        elif re.fullmatch(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,12})?(?:[eE][+-]?[0-9]{1,2})?", digits):
            value = float(digits)
            if 1e11 <= value < 1e20:
                value /= 10 ** (3 if value < 1e14 else 6 if value < 1e17 else 9)
            if 0 <= value < 1e11:
                yield "timestamp_number_format", str(int(value))
                yield "timestamp_number_format", str(round(value))
    if re.fullmatch("(?:0x)?[0-9a-fA-F]{8}", plain) and not plain.isdigit():
        yield "timestamp_number_format", str(int(plain, 16))
    for moment in _dates(plain.strip("'\"")):
        yield "timestamp_date", str(int(moment.timestamp()))


def _dates(text: str) -> Iterator[datetime]:
    for read in (datetime.fromisoformat, parsedate_to_datetime, _read_spoken_date):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if 1990 <= moment.year <= 2100:
            yield moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read_spoken_date(text: str) -> datetime:
    """Read what JavaScript's Date prints: `Tue Nov 24 2026 15:08:38 GMT+0000 (…)`."""
    return datetime.strptime(text.partition(" (")[0], "%a %b %d %Y %H:%M:%S GMT%z")


# Where else a value may be


def _other_values(specimen: Specimen, wanted: str) -> Iterator[tuple[str, str]]:
    """Give the values that may belong to a header although they came under another name, likely names first."""
    word = wanted.rpartition("-")[2].lower()
    headers: Sequence[tuple[str, str]] = specimen.headers or (
        (signing.SIGNATURE_HEADER, specimen.signature or ""),
        (signing.TIMESTAMP_HEADER, specimen.timestamp or ""),
        (signing.REQUEST_ID_HEADER, specimen.request_id or ""),
        (signing.USER_ID_HEADER, specimen.user_id or ""),
    )
    given = (specimen.signature, specimen.timestamp)[wanted == signing.TIMESTAMP_HEADER]
    others = [(name, value[:_LONGEST]) for name, value in headers if value and value != given]
    yield from sorted(others[:_NEIGHBOURS], key=lambda header: word not in header[0].lower())


def _moved(specimen: Specimen, name: str, wanted: str) -> str:
    """Return the mistake by which a value that belongs under `wanted` came under `name`."""
    lower, word = name.lower(), wanted.rpartition("-")[2].lower()
    if lower == wanted.lower():
        return "signature_duplicate_header" if wanted == signing.SIGNATURE_HEADER else "timestamp_other_header"
    if lower in _NAMES:
        return "headers_swapped"
    is_named_so = word in lower and not (wanted == signing.TIMESTAMP_HEADER and specimen.timestamp)
    return "header_renamed" if is_named_so or wanted == signing.SIGNATURE_HEADER else "timestamp_other_header"
