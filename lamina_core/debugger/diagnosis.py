"""The examination of a webhook: three verdicts by plain verification, then why it does not verify.

A verdict never leans on the search: what only verifies after a change is not authentic as received.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from lamina_core import errors, signing
from lamina_core.api import wire
from lamina_core.clock import Clock
from lamina_core.debugger import json_text
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.evidence import indications
from lamina_core.debugger.records import Certainty, Change, Diagnosis, Examination, KeyMaterial, Specimen, Verdicts
from lamina_core.debugger.search import LARGEST_IN_PAIRS, Effort, Found, Search

_MILLISECONDS = 10**11  # a timestamp beyond this many seconds, in the year 5138, is meant in a smaller unit


def examine(specimen: Specimen, material: KeyMaterial, clock: Clock, now: datetime | None = None) -> Examination:
    """Return the verdicts on a specimen and, where it does not verify, the cause; `now` in place of the clock's.

    The search takes `search.TIME` at most, and sleeps briefly between tries so that it holds up nobody.
    """
    verdicts = judge(specimen, material, now or clock.now())
    if verdicts.authentic:
        return Examination(specimen, material, verdicts, _diagnose_authentic(specimen, material, verdicts))
    effort = Effort(clock)
    search = Search(specimen, material, effort)
    found = search.find()
    diagnosis = _proved(found, effort) if found else _indicated(specimen, material, search, effort)
    if (
        "key_private" in diagnosis.causes
    ):  # what was taken for a public key may be the secret itself: it goes no further
        material = replace(material, keys=(), holds_private=True)
    return Examination(specimen, material, verdicts, diagnosis)


def judge(specimen: Specimen, material: KeyMaterial, now: datetime) -> Verdicts:
    """Return the three verdicts; freshness is judged at the time of receipt where that is known."""
    problems = []
    for signature, timestamp in ((specimen.signature, "1"), ("0" * 128, specimen.timestamp)):
        try:
            signing.check_headers(signature, timestamp)
        except errors.SignatureRejected as error:
            problems.append(str(error))
    key = None if problems else _find_key(specimen, material)
    seconds = _seconds(specimen.timestamp)
    age = None if seconds is None else int(now.timestamp()) - seconds
    received = specimen.received_at
    age_at_receipt = int(received.timestamp()) - seconds if received and seconds is not None else None
    decisive = age if age_at_receipt is None else age_at_receipt
    return Verdicts(
        well_formed=not problems,
        problems=tuple(problems),
        authentic=key is not None,
        key_id=key.key_id if key else None,
        key_place=material.keys.index(key) + 1 if key else None,
        keys_tried=len(material.keys),
        fresh=decisive is not None and abs(decisive) <= signing.TOLERANCE,
        age=age,
        age_at_receipt=age_at_receipt,
    )


def _find_key(specimen: Specimen, material: KeyMaterial) -> signing.PublicKey | None:
    try:
        signature, _ = signing.check_headers(specimen.signature, specimen.timestamp)
        return signing.find_key(material.keys, signature, specimen.timestamp or "", specimen.body)
    except errors.SignatureRejected:
        return None


def _seconds(timestamp: str | None) -> int | None:
    try:
        return signing.check_headers("0" * 128, timestamp)[1]
    except errors.SignatureRejected:
        return None


def _diagnose_authentic(specimen: Specimen, material: KeyMaterial, verdicts: Verdicts) -> Diagnosis:
    cause = _cause_of_authentic(specimen, material, verdicts)
    key = material.keys[(verdicts.key_place or 1) - 1]
    explanation = " ".join(["The signature holds over these bytes.", *([CAUSES[cause].title] if cause else [])])
    certainty = Certainty.VERIFIED if cause else None
    return Diagnosis((cause,) if cause else (), certainty, explanation, 1, 0.0, key=key)


def _cause_of_authentic(specimen: Specimen, material: KeyMaterial, verdicts: Verdicts) -> str | None:
    if material.holds_private:
        return "key_private"
    if not verdicts.fresh:
        if (_seconds(specimen.timestamp) or 0) >= _MILLISECONDS:
            return "timestamp_milliseconds"
        age = verdicts.age if verdicts.age_at_receipt is None else verdicts.age_at_receipt
        return "stale_timestamp" if (age or 0) > 0 else "future_timestamp"
    return "request_id_mismatch" if _names_another_request(specimen) else None


def _names_another_request(specimen: Specimen) -> bool:
    """Say whether the request id, if there is one, is not the id in the body: the receiver refuses that."""
    try:
        report = wire.report_from(wire.data_of(wire.parse_json(specimen.body)))
    except ValueError:
        return False
    return specimen.request_id is not None and wire.clean_text(specimen.request_id) != report.execution_id


def _proved(found: Found, effort: Effort) -> Diagnosis:
    causes = tuple(dict.fromkeys(change.cause for change in found.changes))
    changes = tuple(change for change in found.changes if change.given != change.signed)
    return Diagnosis(
        causes=causes,
        certainty=Certainty.VERIFIED,
        explanation=" ".join(f"{CAUSES[cause].title} {_details(found.changes, cause)}" for cause in causes),
        tried=effort.tried,
        seconds=effort.seconds,
        changes=changes,
        key=found.key,
    )


def _details(changes: tuple[Change, ...], cause: str) -> str:
    details = "; ".join(change.detail for change in changes if change.cause == cause)
    return f"({details[:1].upper()}{details[1:]}.)"


def _indicated(specimen: Specimen, material: KeyMaterial, search: Search, effort: Effort) -> Diagnosis:
    found = list(indications(specimen, material))
    seen = [f"{CAUSES[code].title} {what}" for code, what in found]
    left_out = tuple(_left_out(specimen, search, effort))
    told = seen[:1]
    if effort.tried:
        told = told or ["Nothing that was tried makes it verify:"]
        told.append(f"{effort.tried:,} combinations in {effort.seconds:.1f} s, none verifies.")
    return Diagnosis(
        causes=tuple(code for code, _ in found[:1]),
        certainty=Certainty.INDICATED if found else None,
        explanation=" ".join((*told, *left_out)),
        tried=effort.tried,
        seconds=effort.seconds,
        ruled_out=_ruled_out(search),
        left_out=left_out,
        remaining=(*seen[1:], *_remaining(specimen, material)),
    )


def _left_out(specimen: Specimen, search: Search, effort: Effort) -> Iterator[str]:
    if effort.is_over:
        yield f"The time was up before {'everything' if effort.tried else 'anything'} was tried."
    elif not search.tries_pairs:
        yield f"Pairs of mistakes were not tried: the body has more than {LARGEST_IN_PAIRS:,} bytes."
    if json_text.is_monstrous(specimen.body.decode(errors="replace")):
        yield "Other ways of writing the JSON were not tried: it is too long or too deep for that."


_RULED_OUT = {
    "signature": "{} other ways to read the signature",
    "timestamp": "{} other timestamps, neighbours and time zones included",
    "body": "{} other forms of the body",
    "message": "{} other ways to join timestamp and body",
    "key": "{} other keys",
}


def _ruled_out(search: Search) -> tuple[str, ...]:
    lines = [
        text.format(f"{search.ruled_out[part]:,}") for part, text in _RULED_OUT.items() if part in search.ruled_out
    ]
    pairs = search.ruled_out.get("", 0)
    return (*lines, f"{pairs:,} pairs of these") if pairs > 1 else tuple(lines)


def _remaining(specimen: Specimen, material: KeyMaterial) -> tuple[str, ...]:
    held = len(material.keys)
    lines = [f"Another key than the {held} that it was held against."] if held > 1 else []
    lines += ["Another key than this one."] if held == 1 else []
    if not specimen.exact:
        lines.append("Bytes that the pasting changed: text cannot prove them equal. Examine a file with the raw bytes.")
    return (*lines, "Content that was altered after signing.", "A forged request.")
