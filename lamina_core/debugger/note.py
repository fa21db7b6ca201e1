"""What an examination found, as a note in Markdown to paste into a ticket.

Of the body it shows nothing but the few bytes around a difference, of the headers only those that say how the body
came, and no secret. What came from outside stands in code, so that it cannot become markup, a link or a mention.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.passage import difference
from lamina_core.debugger.records import Certainty, Change, Examination, Verdicts
from lamina_core.insights import wording
from lamina_core.triage import redaction

_HEADERS = re.compile(r"x-lamina-webhook-[a-z-]{1,40}|content-(?:type|length|encoding)|user-agent", re.IGNORECASE)
_LINE_LIMIT = 300  # characters of a text from outside
_SEARCHED = 1_000  # characters of it that are searched for secrets: it may shrink, and its end is not to be trusted
_LIST_LIMIT = 20  # lines of a list
_KEY_LIMIT = 5
_LONGEST_SPAN = 10**13  # seconds; a timestamp may have twenty digits, a timedelta not
_AROUND = 3_500  # bytes to each side that are searched for secrets
_MARGIN = 20  # bytes to each side that are shown at most
_MARK = redaction.mark("").partition(":")[0]
_HARMLESS = re.compile(r"(?!www\.)[^\W_](?:(?!://|\bwww\.)(?:[^\W_]|[ ,.;:()'\"/%+=–…-]))*")
_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~]")
_MEANINGS = {
    Certainty.VERIFIED: "exactly this change makes the signature hold",
    Certainty.INDICATED: "nothing makes it hold, but the evidence points there",
}


def write_note(examination: Examination, facts: Sequence[str] = (), link: str | None = None) -> str:
    """Return the note; `facts` are sentences on what the store knows, `link` leads to the examination."""
    parts = (
        _write_symptom(examination, link),
        _write_cause(examination),
        _write_effort(examination),
        _write_evidence(examination),
        _write_list("What is known of the payload", facts),
    )
    text = "\n".join(line for part in parts for line in part)
    return re.sub("\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def thumbprint(key: signing.PublicKey) -> str:
    """Return the fingerprint of a key by RFC 7638, as tools for JWKs write it."""
    jwk = signing.to_jwk(key)
    text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def escape(prose: str) -> str:
    """Return prose of ours so that Markdown shows it letter by letter; what is in backticks stays code."""
    parts = _CODE.split(prose)
    return "".join(part if place % 2 else _MARKUP.sub(r"\\\g<0>", part) for place, part in enumerate(parts))


def _write_symptom(examination: Examination, link: str | None) -> Iterator[str]:
    verdicts, material = examination.verdicts, examination.material
    yield f"# Lamina webhook: {_tell_verdict(verdicts)}"
    yield ""
    problems = " ".join(verdicts.problems)
    yield f"- **Well-formed: {_yes(verdicts.well_formed)}.**{f' {_tell(problems)}' if problems else ''}"
    yield f"- **Authentic: {'yes' if verdicts.authentic else 'no, not as received'}.** {_tell_held(examination)}"
    yield f"- **Fresh: {_yes(verdicts.fresh)}.** {_tell_age(verdicts)}"
    if material.holds_private:
        yield "- **A private key was pasted.** It is not in this note; whoever owns it must replace it."
    if link:
        yield f"- Examination: {_code(link)}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _tell_verdict(verdicts: Verdicts) -> str:
    if not verdicts.authentic:
        return "not authentic as received"
    return "authentic and fresh" if verdicts.fresh else "authentic, but not fresh"


def _tell_held(examination: Examination) -> str:
    verdicts, origin = examination.verdicts, _tell(examination.material.origin)
    if verdicts.authentic:
        return f"By key {verdicts.key_place} of {verdicts.keys_tried}: {origin}."
    return f"Held against {verdicts.keys_tried} key{'' if verdicts.keys_tried == 1 else 's'}: {origin}."


def _tell_age(verdicts: Verdicts) -> str:
    if verdicts.age is None:
        return "The timestamp cannot be read."
    told = f"{_span(verdicts.age)} {'ago' if verdicts.age >= 0 else 'in the future'} by the clock here"
    if (age := verdicts.age_at_receipt) is not None:
        told = f"{_span(age)} {'before' if age >= 0 else 'after'} it was received, {told}"
    return f"Signed {told}; {signing.TOLERANCE} s are accepted either way."


def _span(seconds: int) -> str:
    return wording.format_span(timedelta(seconds=min(abs(seconds), _LONGEST_SPAN)))


def _write_cause(examination: Examination) -> Iterator[str]:
    diagnosis = examination.diagnosis
    if diagnosis.certainty is None and examination.verdicts.authentic:
        return
    yield from _open("Cause")
    for code in diagnosis.causes:
        yield f"- **{escape(CAUSES[code].title)}** `{code}`, {_tell_certainty(examination)}."
    if not diagnosis.changes:
        yield f"- {_tell(diagnosis.explanation)}"
    for change in diagnosis.changes:
        yield from _write_change(change)
    yield from _write_list("How to fix it", [CAUSES[code].fix for code in diagnosis.causes], escape)


def _tell_certainty(examination: Examination) -> str:
    certainty = examination.diagnosis.certainty
    if certainty is None:
        return "unknown"
    return certainty if examination.verdicts.authentic else f"{certainty}: {_MEANINGS[certainty]}"


def _write_change(change: Change) -> Iterator[str]:
    seen = difference(change.given, change.signed)
    sizes = f"{len(change.given):,} bytes at hand, {len(change.signed):,} signed"
    yield f"- {change.part.capitalize()}, first difference at byte {seen.offset:,} ({sizes}): {_tell(change.detail)}"
    if not (_may_be_shown(change.given, seen.offset) and _may_be_shown(change.signed, seen.offset)):
        yield "  The bytes there look like something secret or personal and are left out."
        return
    width = max(len(seen.given_hex), len(seen.signed_hex))
    lines = [
        f"at hand  {seen.given_hex:<{width}}  {seen.given_text}",
        f"signed   {seen.signed_hex:<{width}}  {seen.signed_text}",
    ]
    fence = "`" * max(3, *(_longest_run(line) + 1 for line in lines))
    yield from ("", f"  {fence}text", *(f"  {line}".rstrip() for line in lines), f"  {fence}", "")


def _may_be_shown(data: bytes, offset: int) -> bool:
    """Say whether what is shown around this place neither holds nor is a part of what redaction would take out."""
    # As Latin-1 a byte stays a character; line ends are made alike, for a cut can fall between CR and LF.
    text = data[max(0, offset - _AROUND) : offset + _AROUND].decode("latin-1").replace("\r", "\n")
    place = min(offset, _AROUND)
    shown = text[max(0, place - _MARGIN) : place + _MARGIN]
    redacted = redaction.redact_text(shown)
    return redacted.count(_MARK) == shown.count(_MARK) and redacted in redaction.redact_text(text)


def _write_effort(examination: Examination) -> Iterator[str]:
    diagnosis = examination.diagnosis
    if examination.verdicts.authentic:
        return
    yield from _open("What was tried")
    yield " ".join((f"{diagnosis.tried:,} combinations in {diagnosis.seconds:.1f} s.", *map(_tell, diagnosis.left_out)))
    yield from _write_list("Ruled out", diagnosis.ruled_out)
    yield from _write_list("What remains", diagnosis.remaining)


def _write_evidence(examination: Examination) -> Iterator[str]:
    specimen = examination.specimen
    yield from _open("Evidence")
    exact = "the bytes as they were received" if specimen.exact else "pasted text, which cannot prove its bytes equal"
    yield f"- Read from {_tell(specimen.source)}: {exact}."
    yield f"- Body: {len(specimen.body):,} bytes, SHA-256 `{hashlib.sha256(specimen.body).hexdigest()}`."
    yield f"- Timestamp: {_tell_timestamp(specimen.timestamp)}."
    if specimen.received_at is not None:
        yield f"- Received: {specimen.received_at:%Y-%m-%d %H:%M:%S %Z}."
    yield from _list_keys(examination)
    named = [(name, value) for name, value in specimen.headers if _HEADERS.fullmatch(name)]
    yield from (f"- {_code(name)}: {_code(value)}" for name, value in named[:_LIST_LIMIT])
    remarks = (*specimen.remarks, *examination.material.remarks)
    yield from (f"- Remark: {_tell(remark)}" for remark in remarks[:_LIST_LIMIT])


def _tell_timestamp(timestamp: str | None) -> str:
    if not timestamp:
        return "none"
    try:
        moment = datetime.fromtimestamp(int(timestamp) if re.fullmatch("[0-9]{1,11}", timestamp) else 10**20, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{_code(timestamp)}, no Unix seconds of our time"
    return f"`{timestamp}`, {moment:%Y-%m-%d %H:%M:%S} UTC"


def _list_keys(examination: Examination) -> Iterator[str]:
    proved = examination.diagnosis.key
    keys = (proved,) if proved else examination.material.keys
    for key in keys[:_KEY_LIMIT]:
        word = "It verifies with key" if proved else "Held against key"
        yield f"- {word} {_code(key.key_id or 'without id')}, fingerprint (RFC 7638) `{thumbprint(key)}`."
    if len(keys) > _KEY_LIMIT:
        yield f"- {len(keys) - _KEY_LIMIT:,} more keys were tried."


def _open(title: str) -> tuple[str, ...]:
    return ("", f"## {title}", "")


def _write_list(title: str, lines: Sequence[str], tell: Callable[[str], str] | None = None) -> Iterator[str]:
    if lines:
        yield from ("", f"**{title}**", "", *(f"- {(tell or _tell)(line)}" for line in lines[:_LIST_LIMIT]))
        yield from [f"- {len(lines) - _LIST_LIMIT:,} more"] if len(lines) > _LIST_LIMIT else []


def _tell(text: str) -> str:
    """Return a sentence that may hold words from outside: as it is where nothing in it can be markup, else as code."""
    text = _shorten(text)
    return text if _HARMLESS.fullmatch(text) else _fence(text)


def _code(text: str) -> str:
    return _fence(_shorten(text))


def _shorten(text: str) -> str:
    text = " ".join(redaction.redact_text(text, limit=_SEARCHED).split())
    return text if len(text) <= _LINE_LIMIT else f"{text[:_LINE_LIMIT]}…"


def _fence(text: str) -> str:
    """Return a line as Markdown's code, whatever backticks it holds."""
    fence = "`" * (_longest_run(text) + 1)
    edge = " " if "`" in text or not text else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
