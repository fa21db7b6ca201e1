"""What every reader of pasted material needs to know of text: escapes, halves of characters, bytes."""

import json
import re

_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(\r\n|.))",
    re.DOTALL,
)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "\n": "", "\r\n": ""}


def unescape(token: str, inside: str) -> str:
    """Return what a quoted token stands for, half characters mended; `inside` is the token without its quotes."""
    if "\\" not in inside:
        return inside
    try:  # far faster where it applies, and it applies to nearly everything
        if token.startswith('"'):
            return join_surrogates(str(json.loads(token, strict=False)))
    except ValueError:
        pass
    return join_surrogates(_ESCAPE.sub(_unescape_one, inside))


def _unescape_one(found: re.Match[str]) -> str:
    code, named = found.group(1) or found.group(2) or found.group(3) or found.group(4), found.group(6)
    if named is not None:
        return _NAMED.get(named, named)
    number = int(code, 16) if code else int(found.group(5), 8)
    return chr(number) if number <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"


def join_surrogates(text: str) -> str:
    """Return text that has a UTF-8 form: halves of one character joined, a lone half replaced as browsers do."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
        return _HALF.sub("\N{REPLACEMENT CHARACTER}", joined)
    return text


def decode(raw: bytes) -> str:
    """Return bytes as text: UTF-8, or each byte as one character where they are none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
