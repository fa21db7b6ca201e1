"""`python -m lamina_core verify`: the debugger from the shell.

Exit status: 0 authentic and fresh, 1 not, 2 the arguments cannot be used.
"""

import argparse
import json
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lamina_core import config, errors, signing
from lamina_core.api.client import LaminaClient
from lamina_core.api.documents import fetch_document
from lamina_core.clock import Clock, SystemClock
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.keys.material import live_material, read_keys
from lamina_core.debugger.passage import difference
from lamina_core.debugger.paste.reader import read_pasted
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen, Verdicts

_LARGEST = 16_000_000  # bytes of a file
_KEYS_LARGEST = 1_000_000


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--request", metavar="FILE", help="the whole webhook as somebody has it: raw HTTP, curl, HAR…")
    parser.add_argument("--body", metavar="FILE", help="the exact bytes of the body; - reads standard input")
    parser.add_argument("--signature", metavar="HEX", help=f"the value of {signing.SIGNATURE_HEADER}")
    parser.add_argument("--timestamp", metavar="T", help=f"the value of {signing.TIMESTAMP_HEADER}")
    parser.add_argument("--keys", metavar="FILE|URL", help="JWKS, JWK, PEM, DER or raw; default: Lamina's own")
    parser.add_argument("--now", metavar="T", help="judge freshness at this time: Unix seconds or ISO 8601")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=verify)


def verify(arguments: argparse.Namespace) -> None:
    """Examine a webhook and print what was found; ends the process, see the module."""
    clock = SystemClock()
    try:
        _check_input(arguments)
        specimen = _specimen(arguments)
        material = _material(arguments.keys, clock)
        now = _instant(arguments.now)
    except (errors.DeskError, ValueError) as error:  # ValueError: an address that is none
        print(error, file=sys.stderr)
        sys.exit(2)
    examination = examine(specimen, material, clock, now)
    _show(json.dumps(_document(examination)) if arguments.json else "\n".join(_lines(examination)))
    sys.exit(0 if examination.verdicts.authentic and examination.verdicts.fresh else 1)


def _check_input(arguments: argparse.Namespace) -> None:
    asked = (arguments.request, arguments.body, arguments.keys).count("-")
    if asked > 1:
        raise errors.ConfigurationError("Standard input can be only one of --request, --body and --keys.")
    if asked and sys.stdin is None:  # closed by whoever started the process
        raise errors.ConfigurationError("There is no standard input to read.")


def _show(text: str) -> None:
    """Print a text, with escapes for characters that the output's encoding does not have."""
    encoding = sys.stdout.encoding
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _specimen(arguments: argparse.Namespace) -> Specimen:
    if arguments.request is None and arguments.body is None:
        raise errors.ConfigurationError("Give --request FILE, or --body FILE with --signature and --timestamp.")
    specimen = Specimen(source="the arguments")
    if arguments.request is not None:
        # A file may be examined long after it came: its freshness is asked for now, or for --now.
        specimen = replace(read_pasted(_read(arguments.request)), received_at=None)
    if arguments.body is not None:
        specimen = replace(specimen, body=_read(arguments.body), exact=True)
    if arguments.signature is not None:
        specimen = replace(specimen, signature=_as_text(arguments.signature))
    if arguments.timestamp is not None:
        specimen = replace(specimen, timestamp=_as_text(arguments.timestamp))
    return specimen


def _as_text(argument: str) -> str:
    """Return an argument whose bytes may have been no text with a sign for what was lost."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


def _read(name: str) -> bytes:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_LARGEST + 1)
    except OSError as error:
        raise errors.ConfigurationError(f"{name} cannot be read: {error.strerror}.") from error
    if len(content) > _LARGEST:
        raise errors.ConfigurationError(f"{name} holds more than {_LARGEST:,} bytes; no webhook is that large.")
    return content


def _material(keys: str | None, clock: Clock) -> KeyMaterial:
    if keys is None:
        return _live_material(clock)
    if keys.startswith(("http://", "https://")):
        content = fetch_document(keys, _KEYS_LARGEST, _key_for(keys))
        return replace(read_keys(content), origin=f"the key set at {keys}")
    return replace(read_keys(_read(keys)), origin=f"the keys of {keys}")


def _key_for(url: str) -> config.Secret | None:
    """Return the key that may be shown at this address: only Lamina sees ours, any sandbox its well-known one."""
    settings = config.from_environment()
    parts, lamina = urlsplit(url), urlsplit(settings.base_url)
    is_lamina = (parts.scheme, parts.netloc) == (lamina.scheme, lamina.netloc)
    return settings.api_key if is_lamina or (settings.sandbox and parts.hostname in config.LOOPBACK_HOSTS) else None


def _live_material(clock: Clock) -> KeyMaterial:
    settings = config.from_environment()
    client = LaminaClient(
        base_url=settings.base_url,
        api_key=settings.api_key,
        generation=settings.generation,
        clock=clock,
        rng=random.SystemRandom(),
    )
    try:
        keys = signing.parse_key_set(client.signing_key())
    except (errors.ApiError, ValueError) as error:
        raise errors.ConfigurationError(f"Lamina's key set cannot be read: {error} Give --keys FILE or URL.") from error
    finally:
        client.close()
    return live_material(keys, clock.now(), clock.now(), ())


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise errors.ConfigurationError(
            f"--now {text}: give Unix seconds, or a date such as 2026-11-24T15:00Z."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _document(examination: Examination) -> dict[str, Any]:
    verdicts, diagnosis = examination.verdicts, examination.diagnosis
    return {
        "well_formed": verdicts.well_formed,
        "authentic": verdicts.authentic,
        "fresh": verdicts.fresh,
        "key_id": verdicts.key_id,
        "cause": diagnosis.causes[0] if diagnosis.causes else None,
        "causes": list(diagnosis.causes),
        "certainty": diagnosis.certainty,
        "explanation": diagnosis.explanation,
        "tried": diagnosis.tried,
        "seconds": round(diagnosis.seconds, 3),
        "complete": not diagnosis.left_out,
        "age": verdicts.age,
        "problems": list(verdicts.problems),
        "remaining": list(diagnosis.remaining),
        "keys": examination.material.origin,
    }


def _lines(examination: Examination) -> list[str]:
    verdicts, diagnosis = examination.verdicts, examination.diagnosis
    lines = [
        f"well-formed  {'yes' if verdicts.well_formed else 'no: ' + ' '.join(verdicts.problems)}",
        f"authentic    {_authentic(verdicts, examination.material)}",
        f"fresh        {_fresh(verdicts)}",
    ]
    if examination.material.holds_private:
        lines.append("WARNING      A private key was given. Take it out of wherever it came from, and replace it.")
    if diagnosis.certainty:
        lines.append(f"cause        {', '.join(diagnosis.causes)} ({diagnosis.certainty})")
    lines += ["", diagnosis.explanation]
    for change in diagnosis.changes:
        seen = difference(change.given, change.signed)
        lines += [f"  {change.part}, first difference at byte {seen.offset:,}"]
        lines += [
            f"    at hand  {seen.given_hex}  {seen.given_text}",
            f"    signed   {seen.signed_hex}  {seen.signed_text}",
        ]
    lines += [f"To mend it: {CAUSES[code].fix}" for code in diagnosis.causes]
    for title, entries in (("Ruled out:", diagnosis.ruled_out), ("What remains:", diagnosis.remaining)):
        lines += [title, *(f"  {entry}" for entry in entries)] if entries else []
    return lines


def _authentic(verdicts: Verdicts, material: KeyMaterial) -> str:
    if not verdicts.authentic:
        return "no, not as received"
    key = f"key {verdicts.key_place} of {verdicts.keys_tried} ({verdicts.key_id or 'without id'})"
    return f"yes, by {key} of {material.origin}"


def _fresh(verdicts: Verdicts) -> str:
    if verdicts.age is None:
        return "no: the timestamp cannot be read"
    side = f"{verdicts.age:,} s old" if verdicts.age >= 0 else f"{-verdicts.age:,} s in the future"
    return f"{'yes' if verdicts.fresh else 'no'}: {side}; {signing.TOLERANCE} s are accepted either way"
