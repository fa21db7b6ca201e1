"""Scripts to take away that verify one webhook, so that nobody has to take our word for it.

What is in a webhook may be hostile: it stands in the scripts in base64, or as it is where it holds nothing but
letters, digits and a few harmless signs.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lamina_core import signing
from lamina_core.debugger.records import Change, Specimen

LARGEST = 65_536  # bytes that stand in a script; more are read from a file
_LONGEST = 1_000  # characters of a signature or timestamp; no longer one can verify
_WIDTH = 76  # characters of a line of base64
_HARMLESS = re.compile(rb"[A-Za-z0-9+/=_.:-]{1,200}")
_TEMPLATES = Path(__file__).parent / "verifiers"


@dataclass(frozen=True)
class _Language:
    """How a language writes things: comments, bytes as they are and in base64, and how the message is joined."""

    template: str
    comment: str
    literal: str
    base64: str
    joined: str
    whole: str


_LANGUAGES = {
    "Python": _Language(
        "verify.py.txt",
        "#",
        'b"{}"',
        'base64.b64decode("""\n{}\n""")',
        'TIMESTAMP + b"." + BODY',
        "BODY",
    ),
    "Node": _Language(
        "verify.mjs.txt",
        "//",
        'Buffer.from("{}")',
        'Buffer.from(`\n{}\n`, "base64")',
        'Buffer.concat([TIMESTAMP, Buffer.from("."), BODY])',
        "BODY",
    ),
    "Go": _Language("verify.go.txt", "//", '[]byte("{}")', "decode(`\n{}\n`)", "join(timestamp, body)", "join(body)"),
    "curl + openssl": _Language(
        "verify.sh.txt",
        "#",
        "printf %s '{}'",
        "decode '{}'",
        '{ cat "$work/timestamp"; printf .; cat "$work/body"; }',
        'cat "$work/body"',
    ),
}


@dataclass(frozen=True)
class _Case:
    """What a script verifies; `whole`: the body is the whole message, joined in another way than Lamina's."""

    signature: bytes
    timestamp: bytes
    body: bytes
    whole: bool = False
    remarks: tuple[str, ...] = ()

    def message(self) -> bytes:
        return self.body if self.whole else self.timestamp + b"." + self.body


def verifier_snippets(specimen: Specimen, key: signing.PublicKey, changes: Sequence[Change] = ()) -> dict[str, str]:
    """Return complete scripts by language that verify these bytes with this key and exit with 0 or 1.

    With the changes of a proved diagnosis they verify what was signed, and say so in their first lines.
    """
    case = _signed_case(specimen, key, changes) or _case_as_received(specimen)
    return {name: _write(language, case, key) for name, language in _LANGUAGES.items()}


def _case_as_received(specimen: Specimen) -> _Case:
    values = [(value or "")[:_LONGEST].encode(errors="replace") for value in (specimen.signature, specimen.timestamp)]
    remarks = ["It verifies the webhook as it is at hand."]
    if any(len(value or "") > _LONGEST for value in (specimen.signature, specimen.timestamp)):
        remarks.append(f"Signature or timestamp are cut after {_LONGEST:,} characters; nothing as long can verify.")
    return _Case(values[0], values[1], specimen.body, remarks=tuple(remarks))


def _signed_case(specimen: Specimen, key: signing.PublicKey, changes: Sequence[Change]) -> _Case | None:
    """Return what was signed, None if the changes do not lead to it: a script must not say so then."""
    if not changes:
        return None
    case = _case_as_received(specimen)
    for change in changes:
        if change.part == "message":
            case = replace(case, body=change.signed, whole=True)
        elif change.part == "body":
            case = replace(case, body=change.signed)
        elif change.part == "timestamp":
            case = replace(case, timestamp=change.signed)
        elif change.part == "signature":
            case = replace(case, signature=change.signed)
    if not re.fullmatch(rb"[0-9A-Fa-f]{128}", case.signature):
        return None
    if not key.verifies(bytes.fromhex(case.signature.decode()), case.message()):
        return None
    put_right = ", ".join(dict.fromkeys(f"{change.part} ({change.cause})" for change in changes))
    remarks = ["It verifies what was SIGNED, not the webhook as it is at hand.", f"Put right: {put_right}."]
    if case.whole:
        remarks.append("The body below is the whole message: it was not joined as <timestamp>.<body>.")
    return replace(case, remarks=tuple(remarks))


def _write(language: _Language, case: _Case, key: signing.PublicKey) -> str:
    from_file = len(case.body) > LARGEST
    remarks = ["Does the Ed25519 signature of a Lamina webhook hold? Its age is not judged here.", *case.remarks]
    remarks.append(f"Bytes of the body: {len(case.body):,}; their SHA-256: {hashlib.sha256(case.body).hexdigest()}.")
    if from_file:
        remarks.append("That is too long to stand here: name a file with exactly these bytes on the command line.")
    parts: dict[str, Callable[[], str]] = {
        "REMARKS": lambda: "\n".join(f"{language.comment} {remark}" for remark in remarks),
        "ARGUMENT": lambda: " FILE" if from_file else "",
        "KEY": lambda: signing.to_jwk(key)["x"],
        "SIGNATURE": partial(_write_value, language, case.signature),
        "TIMESTAMP": partial(_write_value, language, case.timestamp),
        "BODY": partial(_write_base64, language, case.body),
        "MESSAGE": lambda: language.whole if case.whole else language.joined,
    }
    source = _choose_lines((_TEMPLATES / language.template).read_text(), "@file " if from_file else "@embedded ")
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]](), source)


def _choose_lines(source: str, kind: str) -> str:
    """Return the lines that are common, and those of one kind."""
    return "".join(
        line.removeprefix(kind)
        for line in source.splitlines(keepends=True)
        if line.startswith(kind) or not line.startswith(("@file ", "@embedded "))
    )


def _write_value(language: _Language, value: bytes) -> str:
    if _HARMLESS.fullmatch(value):
        return language.literal.format(value.decode())
    return _write_base64(language, value)


def _write_base64(language: _Language, value: bytes) -> str:
    text = base64.b64encode(value).decode()
    return language.base64.format("\n".join(text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)))
