"""How a body may have been wrapped, framed or cut out: encodings undone, `data` taken out or put back."""

import ast
import base64
import binascii
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote_plus, unquote_to_bytes

from lamina_core.debugger import json_text
from lamina_core.debugger.records import Variant

_LARGEST = 4_000_000  # bytes that are unpacked
_LITERAL = 200_000  # characters of Python that are read; its parser needs a hundred bytes for each
_DEEPEST = 100
_MOST_CHUNKS = 10_000
_MOST_ESCAPES = 500_000
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[^\r\n]{0,200})?\r?\n")
_BOMS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def vary_double_encoding(body: bytes) -> Iterator[Variant]:
    """Take the body out of a JSON string, with or without its quotes, or put it into one."""
    text = _text(body)
    if text is None:
        return
    stripped = text.strip()
    quoted = stripped if stripped[:1] == stripped[-1:] == '"' and len(stripped) > 1 else f'"{stripped}"'
    try:
        inner = json.loads(quoted, strict=False)
    except ValueError:
        inner = stripped.replace('\\"', '"')
    if isinstance(inner, str) and inner != text:
        yield Variant("body_double_encoded", "signed: what the string holds", inner.encode(errors="surrogatepass"))
    yield Variant("body_double_encoded", "signed: the body as a JSON string", json.dumps(text).encode())


def vary_base64(body: bytes) -> Iterator[Variant]:
    """Take the body out of base64, base64url or hex."""
    packed = body.translate(None, b" \t\r\n").removeprefix(b'"').removesuffix(b'"')
    packed = re.sub(rb"^data:[^,]{0,100};base64,", b"", packed).rstrip(b"=")
    if len(packed) < 2 or not re.fullmatch(rb"[A-Za-z0-9+/_-]+", packed):
        return
    if len(packed) % 2 == 0 and re.fullmatch(rb"[0-9a-fA-F]+", packed):
        yield Variant("body_base64", "signed: what the hex holds", bytes.fromhex(packed.decode()))
    try:
        unpacked = base64.b64decode(packed.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(packed) % 4))
    except binascii.Error:
        return
    yield Variant("body_base64", "signed: what the base64 holds", unpacked)


def vary_url_encoding(body: bytes) -> Iterator[Variant]:
    """Undo percent-encoding and forms."""
    if 0 < body.count(b"%") <= _MOST_ESCAPES:
        yield Variant("body_url_encoded", "signed: without percent-encoding", unquote_to_bytes(body))
        plus = unquote_plus(body.decode("latin-1"), "latin-1")
        yield Variant("body_url_encoded", "signed: without percent-encoding, + as blank", plus.encode("latin-1"))
    if b"=" in body[:200] or body.endswith(b"="):
        try:
            fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=50, encoding="latin-1")
        except ValueError:
            fields = []
        for name, value in fields:
            yield Variant("body_url_encoded", "signed: a field of the form", (value or name).encode("latin-1"))
    if body.endswith(b"="):
        yield Variant("body_url_encoded", "signed: without the = of a form", body[:-1])


def vary_compression(body: bytes) -> Iterator[Variant]:
    """Unpack gzip and deflate, up to a limit."""
    kinds = (("gzip", 31, body[:2] == b"\x1f\x8b"), ("zlib", 15, body[:1] == b"\x78"), ("deflate", -15, True))
    for name, window, fits in kinds:
        if fits and body:
            try:
                unpacked = zlib.decompressobj(window).decompress(body, _LARGEST)
            except zlib.error:
                continue
            yield Variant("body_compressed", f"signed: what the {name} holds", unpacked)


def vary_chunks(body: bytes) -> Iterator[Variant]:
    """Take away the framing of HTTP chunks."""
    whole: list[bytes] = []
    at = 0
    while len(whole) < _MOST_CHUNKS and (found := _CHUNK_SIZE.match(body, at)):
        size = int(found[1], 16)
        if size == 0:
            yield Variant("body_chunk_framing", "signed: the chunks put together", b"".join(whole))
            return
        whole.append(body[found.end() : found.end() + size])
        at = found.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1


def vary_character_set(body: bytes) -> Iterator[Variant]:
    """Read the body in another character set and write it as UTF-8, or the other way."""
    text = _text(body)
    names = [name for mark, name in _BOMS.items() if body.startswith(mark)][:1]
    if not names and b"\x00" in body[:8]:
        names = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
    if text is None:
        names += ["cp1252", "latin-1"]
    for name in names:
        try:
            yield Variant("body_character_set", f"at hand: {name}; signed: UTF-8", body.decode(name).encode())
        except UnicodeError:
            continue
    if text is None or text.isascii():
        return
    for name in ("cp1252", "latin-1"):
        try:
            yield Variant("body_character_set", f"at hand: UTF-8; signed: {name}", text.encode(name))
        except UnicodeError:
            continue


def vary_python_text(body: bytes) -> Iterator[Variant]:
    """Turn what Python prints of bytes, text or an object back into the bytes."""
    text = (_text(body) or "").strip()
    if not text or len(text) > _LITERAL or text[0] not in "b'\"{[(" or (text[0] in "{[(" and _depth(text) > _DEEPEST):
        return
    if json_text.take_apart(text):
        return
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return
    if isinstance(value, bytes | str):
        whole = value if isinstance(value, bytes) else value.encode(errors="surrogatepass")
        yield Variant("body_python_text", "signed: what the literal holds", whole)
        return
    for name, separators, ascii_only in (
        ("compact", (",", ":"), False),
        ("with blanks", (", ", ": "), True),
        ("compact", (",", ":"), True),
        ("with blanks", (", ", ": "), False),
    ):
        try:
            written = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        except (TypeError, ValueError):
            return
        yield Variant("body_python_text", f"signed: as JSON, {name}", written.encode(errors="surrogatepass"))


def _depth(text: str) -> int:
    return max(itertools.accumulate((letter in "{[(") - (letter in "}])") for letter in text), default=0)


def vary_data(body: bytes) -> Iterator[Variant]:
    """Take the value of `data` out of the body, or put the body back into one."""
    for before, after in ((b'{"data":', b"}"), (b'{"data": ', b"}"), (b'{\n  "data": ', b"\n}")):
        yield Variant("body_data_only", "signed: the whole body, at hand: the content of data", before + body + after)
    text = _text(body)
    pieces = text and json_text.take_apart(text)
    if not pieces:
        return
    bare = [(at, piece) for at, piece in enumerate(pieces) if piece[0] not in " \t\r\n"]
    if [piece for _, piece in bare[:3]] == ["{", '"data"', ":"] and len(bare) > 4:
        inside = pieces[bare[3][0] : _end_of_value(pieces, bare[3][0])]
        yield Variant("body_data_only", "signed: the content of data", "".join(inside).encode())


def _end_of_value(pieces: json_text.Pieces, start: int) -> int:
    depth = 0
    for at in range(start, len(pieces)):
        depth += (pieces[at] in {"{", "["}) - (pieces[at] in {"}", "]"})
        if depth == 0:
            return at + 1
    return len(pieces)


def vary_length(body: bytes, content_length: int | None) -> Iterator[Variant]:
    """Cut off what follows after the end that Content-Length names."""
    if content_length is not None and 0 < content_length < len(body):
        yield Variant("body_longer_than_length", f"signed: the first {content_length} bytes", body[:content_length])
