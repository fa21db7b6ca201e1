"""What points to a mistake where no experiment proves one: lengths, shapes, signs of damage."""

import itertools
import re
from collections.abc import Iterator

from lamina_core.debugger import header_values, json_text, json_values
from lamina_core.debugger.records import KeyMaterial, Specimen
from lamina_core.debugger.search import content_length

Indication = tuple[str, str]  # code, and what was seen

_WORD_FOR_BODY = re.compile(
    r"\[object \w{1,40}\]|undefined|null|nil|None|System\.Byte\[\]|\[B@[0-9a-f]{1,8}|<Buffer[^>]{0,200}>"
    r"|<[^<>]{1,200} at 0x[0-9a-fA-F]{1,16}>"
)
_SHORTEST = 8  # bytes: less is a word that happens to read as hex or base64
_LOST = "\N{REPLACEMENT CHARACTER}"


def indications(specimen: Specimen, material: KeyMaterial) -> Iterator[Indication]:
    """Give the codes that the evidence points to, the surest first, each with what was seen."""
    yield from _of_signature(specimen.signature)
    yield from _of_timestamp(specimen.timestamp)
    yield from _of_keys(material)
    yield from _of_body(specimen)


def _of_keys(material: KeyMaterial) -> Iterator[Indication]:
    if not material.keys:
        yield material.problem or "no_key", " ".join(material.remarks) or "No key was given."


def _of_signature(signature: str | None) -> Iterator[Indication]:
    if not (signature or "").strip():
        yield "missing_signature", "There is no value of X-Lamina-Webhook-Signature."
        return
    text = (signature or "").strip()
    if re.fullmatch("[0-9a-fA-F]{128}", text):
        return
    bare = re.sub(r"[\s'\"]+", "", header_values.PREFIX.sub("", text[:10_000]))
    if re.fullmatch("[0-9a-fA-F]+", bare) and len(bare) != 64:
        size, seen = len(bare) / 2, f"{len(bare)} hex digits, {len(bare) / 2:g} bytes; a signature has 128, 64 bytes."
    else:
        sizes = {encoding: len(raw) for encoding, raw in header_values.decode_signature(bare)}
        encoding = "hex" if len(bare) == 64 and "hex" in sizes else next(reversed(sizes), "")
        size = sizes.get(encoding, 0)
        seen = f"{len(bare)} characters; {size} bytes, read as {encoding}." if encoding else f"{len(bare)} characters."
    if size == 32:
        yield "signature_of_32_bytes", seen
    elif size < _SHORTEST:
        yield "malformed_signature", seen
    elif size != 64:
        yield "signature_cut" if size < 64 else "signature_too_long", seen


def _of_timestamp(timestamp: str | None) -> Iterator[Indication]:
    text = (timestamp or "").strip()
    if not text:
        yield "missing_timestamp", "There is no value of X-Lamina-Webhook-Timestamp."
    elif not re.fullmatch("[0-9]{1,20}", timestamp or ""):
        yield "malformed_timestamp", f"It reads {text[:60]!r}; Lamina writes Unix seconds in decimal digits."


def _of_body(specimen: Specimen) -> Iterator[Indication]:
    body, length = specimen.body, content_length(specimen)
    if not body:
        yield "body_empty", "The body has no bytes."
        return
    if length is not None and length > len(body):
        yield "body_truncated", f"Content-Length {length:,} and body {len(body):,} bytes."
    text, is_cut = _decode(body)
    if _WORD_FOR_BODY.fullmatch(text.strip()):
        yield "body_not_kept", f"It reads {text.strip()}."
    if length is None and (is_cut or _breaks_off(text)):
        yield "body_truncated", "It breaks off within a character." if is_cut else "The JSON breaks off before its end."
    if _LOST in text:
        yield (
            "body_characters_lost",
            f"{text.count(_LOST):,} characters cannot be read as UTF-8, or stand for lost ones.",
        )
    pieces = json_text.take_apart(text)
    if pieces is None:
        return
    if any(re.fullmatch(r"-?[1-9]\d{16,}", piece) and piece.endswith("00") for piece in set(pieces)):
        yield "body_numbers", "A number of more than 16 digits ends in zeros, as JavaScript rounds them."
    bare = json_text.without_space(pieces)
    if bare.count(":") > 2 and json_values.sort_keys(bare) == bare and json_values.order_as_lamina(bare) != bare:
        yield "body_keys_reordered", "All keys are in the order of the alphabet, which Lamina's are not."
    if json_text.find_layout(pieces) not in {json_text.LAYOUTS[0], None}:
        yield "body_reformatted", "It is written with white space; Lamina writes none."


def _decode(body: bytes) -> tuple[str, bool]:
    """Return the text, and whether its last character is cut off."""
    try:
        return body.decode(), False
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data"
        return body[: error.start if is_cut else None].decode(errors="replace"), is_cut


def _breaks_off(text: str) -> bool:
    """Say whether a text begins as a JSON object or array and ends before that does."""
    start = text.lstrip()
    if start[:1] not in {"{", "["}:
        return False
    outside = re.sub(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', "", start, flags=re.DOTALL)
    depths = itertools.accumulate((letter in "{[") - (letter in "}]") for letter in outside)
    return all(depth > 0 for depth in depths)
