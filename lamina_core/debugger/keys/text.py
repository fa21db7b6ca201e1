"""Keys in text: PEM, whole or mangled, lines of hex, base64 or SSH, and what copying puts around them."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace

from lamina_core.debugger.keys.bytes import Reading, mend, read_bytes

MOST = 1_000  # keys, and lines that may be keys

_MARK = re.compile(r"[-–—]{2,5} ?(BEGIN|END) ?([A-Z0-9 ]{1,40}?) ?[-–—]{2,5}")
_PROPER = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(?:[A-Za-z0-9+/=]+[ \t]*\r?\n)+-----END \1-----")
_PEM_HEADER = re.compile(r"(?m)^[A-Za-z0-9-]{1,40}:.*$")
_LABELS = {
    "RSAPRIVATEKEY": "an RSA private key",
    "ECPRIVATEKEY": "the private key of an elliptic curve",
    "DSAPRIVATEKEY": "a DSA private key",
    "ENCRYPTEDPRIVATEKEY": "a private key under a password",
    "PGPPRIVATEKEYBLOCK": "a private PGP key",
    "PGPPUBLICKEYBLOCK": "a PGP key",
    "RSAPUBLICKEY": "an RSA key",
    "ECPARAMETERS": "the name of an elliptic curve for ECDSA, no key",
    "CERTIFICATEREQUEST": "a request for a certificate",
    "NEWCERTIFICATEREQUEST": "a request for a certificate",
}
_SSH_LINE = re.compile(r"(?:^|\s)(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]{1,60}\s+(AAAA[A-Za-z0-9+/]+={0,2})")
_DECORATION = re.compile(r"[\s'\"`“”‘’,;<>\[\](){}\u200b\u200e\ufeff]+|\\[nrt]|%0[AaDd]")
_JOINED = re.compile(r"(['\"`])(?:\\[nr])*\s*(?:[+.]\s*)?\1")  # two string literals, joined in source code
_PREFIX = re.compile(r"\s*(?:0[xX]|\\x|[A-Za-z][A-Za-z0-9.]{0,30}(?: *(?::=|=>|[_:=-]) *| +))")
_HEX = 50  # from so many digits on, what can be read as hex is no base64
_PREFIXES = 6  # "WEBHOOK_PUBLIC_KEY = ed25519:" is so long
_DECORATED = "is usable only without the quotes, blanks, escapes or prefix around it"


def read_texts(text: str) -> list[Reading]:
    """Return what each key in a text is: one PEM after the other, or one key a line; ValueError if too many."""
    marks = list(_MARK.finditer(text))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if (many := len(marks) // 2 or len(lines)) > MOST:
        raise ValueError(f"{many:,} keys or lines were given; at most {MOST:,} are read.")
    if marks:
        return list(_read_blocks(text, marks))
    readings = [read_line(line) for line in lines]
    if len(lines) > 1 and not any(reading.is_readable() for reading in readings):
        whole = read_line("".join(lines))
        if whole.is_known:
            return [mend(whole, "key_decorated", "at hand: broken into lines", "is broken into lines")]
    return readings


def read_line(line: str) -> Reading:
    """Return what one line of text is as a key."""
    if ssh := _SSH_LINE.search(line):
        return _read_plain(ssh.group(1))
    if re.match(r"\W*whsec_", line):
        return Reading("text", flaw="is a shared secret for HMAC (whsec_), which verifies no Ed25519 signature")
    reading = _read_plain(line)
    if not reading.is_known:
        found = (mended for text in _bare_texts(line) if (mended := _read_plain(text)).is_known)
        reading = mend(next(found, reading), "key_decorated", "at hand: with something around it", _DECORATED)
    return _as_private(reading, "is a private key (whsk_)") if re.match(r"\W*whsk_", line) else reading


def _as_private(reading: Reading, flaw: str) -> Reading:
    """Return the reading of something that is said to be private: its bytes are no public key then."""
    made = tuple(mended for mended in reading.mended if mended.cause == "key_private")
    return replace(reading, keys=(), mended=made, flaw=flaw, is_private=True, is_known=True)


def _read_plain(text: str) -> Reading:
    raw, encoding = decode(text)
    if raw is None:
        return Reading("text", flaw="is neither JSON nor PEM nor hex nor base64", is_known=False)
    reading = replace(read_bytes(raw), encoding=encoding)
    if reading.is_known or not re.fullmatch(rb"[\s!-~]{40,}", raw):
        return _name_digits(reading, text)
    inner = raw.decode().strip()
    again, _ = decode(inner)
    blocks = _read_blocks(inner, list(_MARK.finditer(inner)))
    reading = next(blocks, reading) if again is None else read_bytes(again)
    return mend(reading, "key_decorated", "at hand: encoded in base64 once more", "is encoded in base64 once more")


def _name_digits(reading: Reading, text: str) -> Reading:
    if reading.is_known or len(text) < _HEX or not re.fullmatch("[0-9a-fA-F]+", text):
        return reading
    return replace(reading, flaw=f"has {len(text):,} hexadecimal digits where 64 belong")


def _bare_texts(text: str) -> Iterator[str]:
    """Give what may be left of a text without what was put around it, the longest first."""
    for _ in range(_PREFIXES):
        bare = _DECORATION.sub("", text)
        yield bare
        if re.fullmatch(r"(?:[0-9a-fA-F]{2}[:-])+[0-9a-fA-F]{2}:?", bare):
            yield re.sub("[:-]", "", bare)
        prefix = _PREFIX.match(text.lstrip("'\"`"))
        if prefix is None:
            return
        text = text.lstrip("'\"`")[prefix.end() :]


def decode(text: str) -> tuple[bytes | None, str]:
    """Return the bytes that a text stands for and its encoding; None if it is neither hex nor base64."""
    if len(text) >= _HEX and len(text) % 2 == 0 and re.fullmatch("[0-9a-fA-F]+", text):
        return bytes.fromhex(text), "hex"
    packed = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9+/]+|[A-Za-z0-9_-]+", packed) or len(text) - len(packed) > 2:
        return None, ""
    try:
        raw = base64.b64decode(packed.translate(str.maketrans("-_", "+/")) + "=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        return None, ""
    is_plain = packed == text and not re.search("[+/]", packed)
    return raw, "base64url" if is_plain else "base64"


# PEM


def _read_blocks(text: str, marks: list[re.Match[str]]) -> Iterator[Reading]:
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        if mark.group(1) == "END":
            continue
        ended = following is not None and following.group(1) == "END"
        body_end = following.start() if following else len(text)
        end = following.end() if following and ended else body_end
        label = mark.group(2).replace(" ", "")
        reading = _read_block(label, text[mark.end() : body_end])
        starts_line = mark.start() == 0 or text[mark.start() - 1] == "\n"
        ends_line = end == len(text) or text[end] in "\r\n"
        if not (starts_line and ends_line and _PROPER.fullmatch(text, mark.start(), end)):
            flaw = "is PEM that can be read only with its line breaks, blanks, quotes or end put right"
            reading = mend(reading, "key_decorated", "at hand: PEM with altered lines", flaw)
        yield reading


def _read_block(label: str, body: str) -> Reading:
    body = _DECORATION.sub("", _PEM_HEADER.sub("", _JOINED.sub("", body)))
    raw, _ = decode(body)
    reading = Reading("PEM", is_known=False) if raw is None else replace(read_bytes(raw), form="PEM")
    if "PRIVATE" in label and not (label in _LABELS or reading.is_private):
        return _as_private(reading, "is a private key by the name of its PEM block")
    if raw is not None and len(raw) == 32:
        flaw = "is PEM around 32 raw bytes, where SPKI belongs"
        reading = mend(reading, "key_decorated", "at hand: 32 raw bytes as PEM", flaw)
    if reading.is_readable() or (reading.is_known and label not in _LABELS):
        return reading
    words = _LABELS.get(label) or "a PEM block whose content is cut off or altered"
    return Reading("PEM", flaw=f"is {words}", is_private="PRIVATE" in label)
