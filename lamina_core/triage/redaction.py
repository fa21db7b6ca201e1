"""What may leave in a ticket: texts and documents without secrets, e-mail addresses and phone numbers.

The shapes that logs blank are blanked here by the same code; the table below adds those of texts and documents
that people send on. A marker names what stood there. Whatever the value, nothing raises, and what is deep, wide
or long is cut with a marker too.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lamina_core import logs

TEXT_LIMIT = 8_000  # characters of one text
DEPTH_LIMIT = 12  # containers within each other
ITEM_LIMIT = 200  # items of one container
VALUE_LIMIT = 2_000  # values of one document
DOCUMENT_LIMIT = 200_000  # characters of one document
_TAIL = 256  # characters before a cut that may hold the first half of a secret

_LONG_NAMES = (
    r"pass(?:word|wd|phrase|code)|secret|token|authori[sz]ation|credential|cookie|signature|bearer"
    r"|(?:api|access|private|signing|encryption|license|subscription)[-_ .]?key|session[-_ .]?id"
)
_SECRET_NAME = re.compile(_LONG_NAMES)
_SECRET_WORDS = frozenset({"pwd", "pass", "auth", "jwt", "otp", "pin", "sig", "sid", "hmac"})
_PHONE_NAME = re.compile(r"phone|mobile|whatsapp|telefon|^tel$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMING_KEYS, _VALUE_KEY = ("name", "key", "header", "field", "label"), "value"
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# A value after a name and a sign; quoted ones end at their quote, however the quote itself is escaped.
_VALUE = r"""(?!\\*["']?\[redacted)(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?"""
_VALUE += r"""|\\+["'](?:(?!\\+["']).)*(?:\\+["'])?|(?:(?!%26)[^\s,;&"'<>()\[\]{}\\])+)"""


def _holds_colon(found: str) -> bool:
    try:
        return b":" in base64.b64decode(found + "=" * (-len(found) % 4))
    except binascii.Error:
        return False


@dataclass(frozen=True)
class Rule:
    """A shape of what must not leave; what its group `kept` holds stays, and `fits` looks at `hidden` once more."""

    name: str
    shape: re.Pattern[str]
    fits: Callable[[str], bool] | None = None

    def apply(self, text: str) -> str:
        """Return the text with a marker in place of all that has the shape."""
        return self.shape.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        parts = match.groupdict("")
        if self.fits is not None and not self.fits(parts["hidden"]):
            return match[0]
        return parts.get("kept", "") + mark(self.name)


def mark(name: str) -> str:
    """Return the marker that stands in place of a secret."""
    return f"[redacted: {name}]"


RULES = (
    Rule(
        "private key", re.compile(r"-----BEGIN [A-Z0-9 ]{1,60}-----.*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)", re.DOTALL)
    ),
    Rule(
        "header",  # schemes of their own and lists of cookies go on to the end of the line
        re.compile(
            r"(?i)(?P<kept>\b(?:proxy-)?authorization\s{0,3}[:=]\s{0,3}|\b(?:set-)?cookie2?\s{0,3}[:=]\s{0,3})"
            r"(?!\[redacted)[^\s\"'][^\r\n\"']*"
        ),
    ),
    Rule("JWT", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")),
    Rule(
        "credentials",
        re.compile(r"(?P<kept>\b(?i:basic)\s{1,3})(?P<hidden>[A-Za-z0-9+/_-]{6,}=*)", re.ASCII),
        _holds_colon,
    ),
    Rule("key", re.compile(r"\bA(?:KIA|SIA|ROA|IDA|GPA|NPA|CCA)[A-Z0-9]{12,}")),  # AWS
    Rule(
        "key",  # others with a prefix of their own
        re.compile(
            r"\b(?:(?:sk|rk|pk|whsec)[-_](?:live_|test_|proj-|ant-)?[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}"
            r"|github_pat_\w{20,}|xox[a-z]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|glpat-[A-Za-z0-9_-]{16,})"
        ),
    ),
    Rule("credentials", re.compile(r"(?<=://)(?!\[redacted)[^/\s@?#\"'<>]+(?=@)")),  # a user without a password
    Rule(
        "parameter",  # of an address, or of one that is a part of another
        re.compile(
            r"(?i)(?P<kept>(?:[?&;#]|%3F|%26)(?:key|sig|sign|start|code|auth|jwt|pwd|pass|sid|hmac|x-(?:amz|goog|ms)-[\w-]{1,40})"
            rf"(?:=|%3D)){_VALUE}"
        ),
    ),
    Rule(
        "value",  # of a secret's name, as in a configuration, a JSON text or a query
        re.compile(
            rf"(?is)(?P<kept>(?:{_LONG_NAMES})[\w.-]{{0,40}}\]?\\*[\"']?\s{{0,3}}(?:=>|=|:(?!//)|%3D)\s{{0,3}}){_VALUE}"
        ),
    ),
    Rule(
        "e-mail",
        re.compile(
            r"(?<![\w.+-])[\w.+-]{1,100}(?:@|%40)[\w-]{1,63}(?:\.(?!(?:png|jpe?g|webp|gif|svg)\b)[\w-]{1,63}){1,8}"
        ),
    ),
    Rule(
        "phone",
        re.compile(
            r"(?<![\w+.:/-])(?:(?:\+|00)\d(?:[ ()./-]{0,3}\d){7,14}|\(?[2-9]\d{2}\)?[ .-]{1,2}\d{3}[ .-]\d{4}"
            r"|\(?0(?=(?:[ )/-]{0,2}\d){8,14}(?!\d))\d{1,5}\)?(?:[ /-]{1,2}\d{2,8}){1,5})(?![\w-])"
        ),
    ),
)


def is_secret_name(name: str) -> bool:
    """Say whether what stands under this name is a secret, however it is spelt."""
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or bool(_SECRET_NAME.search("".join(words)))


def redact_text(text: str, secrets: Iterable[str] = (), limit: int = TEXT_LIMIT) -> str:
    """Return the text without secrets, at most about `limit` characters of it; `secrets` are known ones."""
    known = _spellings(secrets)
    cut = len(text) > limit
    text = text[:limit]
    text = logs.redact(text, known)
    for rule in RULES:
        text = rule.apply(text)
    if cut:  # a secret that is cut in half has no shape any more
        text = text[: -max([_TAIL, *map(len, known)])] + " [cut]"
    text = text.replace("\r\n", "\n")
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def redact(value: object, secrets: Iterable[str] = ()) -> Any:
    """Return the value as JSON of the same shape, without secrets; instants become ISO 8601."""
    return _Walk(tuple(secrets)).redact(value, DEPTH_LIMIT)


def _spellings(secrets: Iterable[str]) -> list[str]:
    given = [secret for secret in secrets if secret]
    spelt = {form for secret in given for form in (secret, quote(secret, safe="", errors="replace"))}
    return sorted(spelt, key=len, reverse=True)


class _Walk:
    """One pass over a document, bounded in all."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._values = VALUE_LIMIT
        self._characters = DOCUMENT_LIMIT

    def redact(self, value: object, depth: int) -> Any:
        self._values -= 1
        if isinstance(value, Mapping | list | tuple) and (depth == 0 or self._values < 0):
            return "[cut]"
        if isinstance(value, Mapping):
            return self._redact_mapping(value, depth - 1)
        if isinstance(value, list | tuple):
            return self._redact_list(value, depth - 1)
        return self._redact_one(value)

    def _redact_one(self, value: object) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if value.bit_length() < 64 else "[cut]"
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, datetime):
            return value.isoformat()
        return self._redact_text(value) if isinstance(value, str) else f"[{type(value).__name__}]"

    def _redact_text(self, text: str) -> str:
        if self._characters <= 0:
            return "[cut]"
        redacted = redact_text(text, self._secrets)
        self._characters -= len(redacted)
        return redacted

    def _redact_list(self, values: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        if len(values) == 2 and isinstance(values[0], str) and isinstance(values[1], str):  # a header, perhaps
            return [self.redact(values[0], depth), self._redact_under(values[0], values[1], depth)]
        room = self._room()
        redacted = [self.redact(each, depth) for each in values[:room]]
        return redacted + ([f"[cut: {len(values) - room} more]"] if len(values) > room else [])

    def _redact_mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        told = [values.get(key) for key in _NAMING_KEYS]
        names_secret = any(isinstance(name, str) and is_secret_name(name) for name in told)
        redacted: dict[str, Any] = {}
        room = self._room()
        for place, (key, value) in enumerate(values.items()):
            if place == room:
                redacted["[cut]"] = f"{len(values) - room} more"
                break
            written = key if isinstance(key, str) else str(self._redact_one(key))
            name = "value of a secret" if names_secret and written == _VALUE_KEY else written
            shown = self._redact_text(written)
            shown = f"{shown} ({place})" if shown in redacted else shown
            redacted[shown] = self._redact_under(name, value, depth)
        return redacted

    def _redact_under(self, name: str, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return value  # that nothing was given may be the very reason
        if is_secret_name(name) and not (isinstance(value, int | float) and name.lower().endswith("tokens")):
            return mark(_label(name))
        if _PHONE_NAME.search("".join(_WORD.findall(name)).lower()) and isinstance(value, str | int):
            digits = sum(sign.isdigit() for sign in str(value)[:TEXT_LIMIT])
            return mark("phone") if digits > 6 else self.redact(value, depth)
        return self.redact(value, depth)

    def _room(self) -> int:
        return max(0, min(ITEM_LIMIT, self._values))


def _label(name: str) -> str:
    found = _SECRET_NAME.search("".join(_WORD.findall(name)).lower())
    return found[0] if found else "secret"
