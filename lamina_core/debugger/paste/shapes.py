"""What a literal means: headers in every shape that programs print them in, and a body with how sure its bytes are."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lamina_core import errors
from lamina_core.debugger.paste.kinds import Call, Number, Table, Value, Word
from lamina_core.debugger.paste.text import decode

Pairs = list[tuple[str, str]]

_NAME = re.compile(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CGI = re.compile(r"HTTP_[A-Z0-9_]+")
_WELL_KNOWN = {
    *("host", "user-agent", "accept", "accept-encoding", "accept-language", "content-type"),
    *("content-length", "connection", "date", "via", "traceparent", "x-forwarded-for"),
    *("x-forwarded-proto", "x-forwarded-host", "x-request-id", "transfer-encoding", "content-encoding", ":method"),
    *(":path", ":authority", "cache-control", "http_host", "content_type", "content_length"),
    *("x-amzn-trace-id", "cf-ray", "cookie"),
}
_NAME_KEYS = ("name", "key", "header", "headername")
_BYTE_CLASSES = {"Buffer.from", "Buffer", "Uint8Array", "bytes", "bytearray", "memoryview", "ArrayBuffer"}
_REPRINTED = (
    "The body was there as an object, not as text: it was written again as compact JSON, so the bytes that were sent "
    "are lost."
)


@dataclass(frozen=True)
class Body:
    """A body that was found, with what had to be assumed about it."""

    content: bytes
    exact: bool = False
    remarks: tuple[str, ...] = ()


def is_header_name(text: str) -> bool:
    """Say whether a header may have this name."""
    return len(text) <= 200 and _NAME.fullmatch(text) is not None


def is_lamina_name(name: str) -> bool:
    """Say whether a header's name, in whatever spelling, is one of Lamina's."""
    return "lamina" in name.lower()


def looks_like_headers(pairs: Iterable[tuple[str, str]]) -> bool:
    """Say whether these names are headers' beyond doubt: one that is nothing else, or two that may be."""
    known = {name.lower() for name, _ in pairs if name.lower() in _WELL_KNOWN or is_lamina_name(name)}
    return len(known) > 1 or any(re.search("[-_:]", name) for name in known)


def from_cgi(pairs: Pairs) -> Pairs:
    """Return the headers of a CGI environment (WSGI, Django's META, PHP's $_SERVER) under their own names.

    Such an environment writes X-A as HTTP_X_A beside variables that are no headers; anything else stays as it is.
    """
    if not any(_CGI.fullmatch(name) for name, _ in pairs):
        return pairs
    named = [(name.removeprefix("HTTP_"), value) for name, value in pairs if _CGI.fullmatch(name)]
    named += [(name, value) for name, value in pairs if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value]
    return [(name.replace("_", "-").title(), value) for name, value in named]


# Headers


def _plain(value: Value) -> str | None:
    match value:
        case str():
            return value
        case bytes():
            return decode(value)
        case bool():
            return str(value).lower()
        case Number(text):
            return text
    return None


def _expand(name: Value, value: Value) -> Pairs:
    known = _plain(name)
    if known is None or not is_header_name(known):
        return []
    values = value if isinstance(value, list) else [value]
    pairs: Pairs = []
    for one in values:
        text = _plain(one)
        if isinstance(one, Table):  # undici and Lambda@Edge: {"host": [{"key": "Host", "value": "x"}]}
            pairs += _from_members(one)
        elif text is not None:
            pairs.append((known, text))
    return pairs


def _from_members(table: Table) -> Pairs:
    members = {key.lower(): value for key, value in table.pairs if isinstance(key, str)}
    members |= {key.text.lower(): value for key, value in table.pairs if isinstance(key, Word)}
    name = next((members[key] for key in _NAME_KEYS if key in members), None)
    return _expand(name, members["value"]) if name is not None and "value" in members else []


def _from_single(table: Table) -> Pairs:
    return _expand(table.pairs[0][0], table.pairs[0][1]) if len(table.pairs) == 1 else []


def _from_list(items: Sequence[Value]) -> Pairs:
    items = [item for item in items if not isinstance(item, Word)]  # "... 12 more items"
    if items and all(isinstance(item, list) and len(item) == 2 for item in items):
        return [pair for item in items if isinstance(item, list) for pair in _expand(item[0], item[1])]
    if any(isinstance(item, Table) for item in items):
        return [pair for item in items if isinstance(item, Table) for pair in _from_members(item) or _from_single(item)]
    texts = [text for item in items if (text := _plain(item)) is not None]
    if len(texts) != len(items):
        return []
    if texts and all(": " in text and is_header_name(text.partition(":")[0]) for text in texts):
        return [(text.partition(":")[0], text.partition(":")[2].strip()) for text in texts]
    if len(texts) % 2 or not all(map(is_header_name, texts[::2])):
        return []
    return list(zip(texts[::2], texts[1::2], strict=True))


def _from_text(text: str) -> Pairs:
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not lines or not all(colon and is_header_name(name.strip()) for name, colon, _ in lines):
        return []
    return [(name.strip(), value.strip()) for name, _, value in lines]


def headers_of(value: Value) -> Pairs:
    """Return the headers that a value holds, in their order; none if it is of no shape that headers have."""
    for _ in range(10):  # classes around classes
        if not isinstance(value, Call):
            break
        inside = value.arguments + [part for _, part in value.named.pairs if isinstance(part, list)]
        shown = [part for part in inside if isinstance(part, (Table, list, Call))]
        value = shown[-1] if shown else value.named
    if isinstance(value, Table):
        pairs = [pair for key, held in value.pairs for pair in _expand(_as_name(key), held)]
    elif isinstance(value, list):
        pairs = _from_list(value)
    else:
        pairs = _from_text(value) if isinstance(value, str) else []
    return from_cgi(pairs)


def _as_name(key: Value) -> Value:
    return key.text if isinstance(key, Word) else key


# Bodies


def body_of(value: Value, *, encoded: bool = False, cut: bool = False) -> Body:
    """Return the body that a value stands for; `encoded` says that its text is base64.

    PasteRefused where parts of it are not in the text.
    """
    if encoded and isinstance(value, (str, bytes)):
        return decode_base64(_plain(value) or "")
    raw = _as_bytes(value)
    if raw is not None:
        remarks = ("The program that printed the body left out its end.",) if cut else ()
        return Body(raw, remarks=remarks)
    if isinstance(value, Call) and value.name.split(".")[-1] in {"stringify", "dumps"} and value.arguments:
        value = value.arguments[0]
    return Body(write_json(value).encode(), remarks=(_REPRINTED,))


def decode_base64(text: str) -> Body:
    """Return the bytes of a body in base64: these are exact; text that is none stays as it is."""
    packed = re.sub(r"\s+", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Body(text.encode(), remarks=("The body is said to be base64, but it is not; it was left as it is.",))
    return Body(raw, exact=True, remarks=("The body was in base64 and was decoded: its bytes are exact.",))


def _as_bytes(value: Value) -> bytes | None:
    match value:
        case str():
            return value.encode()
        case bytes():
            return value
        case list() if value and all(isinstance(item, bytes) for item in value):
            return b"".join(item for item in value if isinstance(item, bytes))
        case Table(pairs) if ("type", "Buffer") in pairs:
            return next((_from_numbers(held) for key, held in pairs if key == "data"), None)
        case Call(name, arguments) if name.removeprefix("new ") in _BYTE_CLASSES and arguments:
            return _from_call(arguments)
        case Call(name, []) if name in _BYTE_CLASSES:
            return b""
    return None


def _from_call(arguments: list[Value]) -> bytes | None:
    last = arguments[-1]
    if isinstance(last, list):
        return _from_numbers(last)
    if isinstance(last, Table):
        return next((held for _, held in last.pairs if isinstance(held, bytes)), None)
    text = _plain(arguments[0])
    if text is None:
        return None
    if last == "base64":
        return decode_base64(text).content
    if last == "hex" and re.fullmatch(r"(?:[0-9a-fA-F]{2})*+", text):
        return bytes.fromhex(text)
    return arguments[0] if isinstance(arguments[0], bytes) else text.encode()


def _from_numbers(value: Value) -> bytes | None:
    numbers = [item.text for item in value if isinstance(item, Number)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(numbers) != len(value):
        return None
    if not all(len(number) <= 3 and number.isdecimal() and int(number) < 256 for number in numbers):
        return None
    return bytes(map(int, numbers))


def write_json(value: Value) -> str:
    """Write a value as compact JSON; numbers stay as they are written. Its depth is bounded by the reader."""
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return json.dumps(decode(value), ensure_ascii=False)
        case Number(text):
            return text.removesuffix("n") if not text.startswith(("0x", "0X")) else text
        case list():
            return f"[{','.join(map(write_json, value))}]"
        case Table(pairs):
            shown = [(_as_name(key), held) for key, held in pairs if held != Word("undefined")]
            return "{" + ",".join(f"{write_json(_key_text(key))}:{write_json(held)}" for key, held in shown) + "}"
        case Call(_, [inside], Table([])):
            return write_json(inside)
        case Call(_, [], named) if named.pairs:
            return write_json(named)
    name = value.text if isinstance(value, Word) else value.name
    raise errors.PasteRefused(
        f"The body is not in the text: where a value belongs, it says {name[:60]!r}. "
        "Print the raw text of the body and paste that."
    )


def _key_text(key: Value) -> str:
    text = _plain(key)
    return "null" if text is None else text
