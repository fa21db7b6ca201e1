"""Two mistakes at once, as they come together in life, are found before the time of a search is up."""

import base64
import gzip
import html
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest

from lamina_core import signing
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.keys.material import read_keys
from lamina_core.debugger.records import Certainty, KeyMaterial
from tests.unit.debugger import damages_headers, damages_keys, writers
from tests.unit.debugger.damage import Damaged, Webhook
from tests.unit.debugger.payloads import LATIN, PLAIN, SIGNS, WIDE, Draw, draw_run, drawing
from tests.unit.debugger.test_corpus import PatientClock, verifies_after

BODIES = 5
_MOST_TRIED = 8_000  # what a slow machine verifies in the second that a search has
SIGNATURE, TIMESTAMP = signing.SIGNATURE_HEADER, signing.TIMESTAMP_HEADER
FOREIGN = drawing([*LATIN, *WIDE], PLAIN, SIGNS, shapes=(draw_run,))
Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Pair:
    """Two mistakes: of which codes, what becomes of the webhook, and the bodies that they are made on."""

    name: str
    codes: set[str]
    make: Callable[[Webhook], Damaged]
    draw: Draw = FOREIGN


def python(body: bytes, **options: object) -> bytes:
    return json.dumps(json.loads(body), **options).encode()


pretty = partial(python, indent=2, ensure_ascii=False)


def body(*changes: Change, **headers: str) -> Callable[[Webhook], Damaged]:
    """Change the body in turn, and headers."""

    def make(webhook: Webhook) -> Damaged:
        changed = webhook.body
        for change in changes:
            changed = change(changed)
        return webhook.received(changed, **headers), webhook.keys()

    return make


def parts(
    change: Change = bytes, signature: Callable[[str], str] = str, timestamp: Callable[[str], str] = str
) -> Callable[[Webhook], Damaged]:
    """Change the body and the texts of signature and timestamp."""

    def make(webhook: Webhook) -> Damaged:
        sent = webhook.headers()
        headers = {SIGNATURE: signature(sent[SIGNATURE]), TIMESTAMP: timestamp(sent[TIMESTAMP])}
        return webhook.received(change(webhook.body), **headers), webhook.keys()

    return make


def signed(message: Callable[[Webhook], bytes], change: Change = bytes) -> Callable[[Webhook], Damaged]:
    """Sign another message, and change the body."""
    return lambda webhook: (
        webhook.received(change(webhook.body), **{SIGNATURE: webhook.sign(message(webhook))}),
        webhook.keys(),
    )


def renamed(webhook: Webhook) -> Damaged:
    return webhook.received(
        pretty(webhook.body), **{SIGNATURE: None, "HTTP-" + SIGNATURE: webhook.headers()[SIGNATURE]}
    ), webhook.keys()


def swapped(webhook: Webhook) -> Damaged:
    sent = webhook.headers()
    return (
        webhook.received(webhook.body + b"\n", **{SIGNATURE: sent[TIMESTAMP], TIMESTAMP: sent[SIGNATURE]}),
        webhook.keys(),
    )


def held_against(
    others: str, change: Change = bytes, timestamp: Callable[[str], str] = str
) -> Callable[[Webhook], Damaged]:
    """Hold it against a wrong key, with the right one in reach."""
    wrong = signing.SigningKey.from_seed("wrong", bytes(32)).public()

    def make(webhook: Webhook) -> Damaged:
        material = KeyMaterial(keys=(wrong,), others=((webhook.key.public(), others),))
        return replace(parts(change, timestamp=timestamp)(webhook)[0]), material

    return make


def spki(webhook: Webhook) -> Damaged:
    x = base64.urlsafe_b64encode(damages_keys.der(webhook.key)).decode()
    return webhook.received(webhook.body + b"\n"), read_keys(json.dumps({"kty": "OKP", "crv": "Ed25519", "x": x}))


def with_milliseconds(timestamp: str) -> str:
    return f"{timestamp}417"


def line_end(body: bytes) -> bytes:
    return body + b"\n"


def crlf(body: bytes) -> bytes:
    return body.replace(b"\n", b"\r\n")


def as_latin1(body: bytes) -> bytes:
    return body.decode("latin-1").encode()


def base64_of(signature: str) -> str:
    return base64.b64encode(bytes.fromhex(signature)).decode()


def one_chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def draw_pretty(rng: random.Random) -> bytes:
    return pretty(FOREIGN(rng))


RESERIALIZED = {"body_reserialized", "body_reformatted", "body_unicode_escapes"}
PAIRS = [
    Pair("pretty, and a line end", {"body_reformatted", "body_newline_added"}, body(pretty, line_end)),
    Pair("pretty, and CRLF", {"body_reformatted", "body_line_endings"}, body(pretty, crlf)),
    Pair(
        "milliseconds, and re-serialised",
        RESERIALIZED | {"timestamp_milliseconds"},
        parts(python, timestamp=with_milliseconds),
    ),
    Pair("base64 signature, and CRLF", {"signature_base64", "body_line_endings"}, parts(crlf, base64_of), draw_pretty),
    Pair(
        "double-encoded, and pretty",
        {"body_double_encoded", "body_reformatted"},
        body(pretty, lambda body: json.dumps(body.decode()).encode()),
    ),
    Pair("headers swapped, and a line end", {"headers_swapped", "body_newline_added"}, swapped),
    Pair("header renamed, and pretty", {"header_renamed", "body_reformatted"}, renamed),
    Pair(
        "other key, and a line end", {"key_other", "body_newline_added"}, held_against("Lamina's present set", line_end)
    ),
    Pair("old key, and re-serialised", RESERIALIZED | {"key_retired"}, held_against("an earlier set", python)),
    Pair(
        "old key, and milliseconds",
        {"key_retired", "timestamp_milliseconds"},
        held_against("an earlier set", timestamp=with_milliseconds),
    ),
    Pair("key as SPKI, and a line end", {"key_spki", "body_newline_added"}, spki),
    Pair("mojibake, and pretty", {"body_mojibake", "body_reformatted"}, body(as_latin1, pretty)),
    Pair("mojibake, and Python's defaults", RESERIALIZED | {"body_mojibake"}, body(as_latin1, python)),
    Pair("base64 of gzip", {"body_base64", "body_compressed"}, body(gzip.compress, base64.b64encode)),
    Pair("gzip in chunks", {"body_compressed", "body_chunk_framing"}, body(gzip.compress, one_chunk)),
    Pair(
        "a mark, and CRLF",
        {"body_bom", "body_line_endings"},
        body(crlf, lambda body: b"\xef\xbb\xbf" + body),
        draw_pretty,
    ),
    Pair(
        "prefix, and a quoted timestamp",
        {"signature_prefix", "timestamp_decorated"},
        parts(bytes, "sha256={}".format, '"{}"'.format),
    ),
    Pair(
        "a date, and entities",
        {"timestamp_date", "body_html_escaped"},
        parts(
            lambda body: html.escape(body.decode()).encode(),
            timestamp=lambda stamp: damages_headers.moment(stamp).isoformat(),
        ),
    ),
    Pair(
        "wrong order, and pretty",
        {"message_order", "body_reformatted"},
        signed(lambda webhook: webhook.body + b"." + webhook.timestamp.encode(), pretty),
    ),
    Pair(
        "colon, and a line end",
        {"message_separator", "body_newline_added"},
        signed(lambda webhook: webhook.timestamp.encode() + b":" + webhook.body, line_end),
    ),
    Pair(
        "data alone, and escaped",
        {"body_data_only", "body_unicode_escapes"},
        body(lambda body: python(body[8:-1], separators=(",", ":"))),
    ),
    Pair(
        "an object of Python's, and a line end",
        {"body_python_text", "body_newline_added"},
        body(lambda body: str(json.loads(body)).encode(), line_end),
    ),
    Pair("entities twice", {"body_html_escaped"}, body(lambda body: html.escape(html.escape(body.decode())).encode())),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_two_mistakes_are_found_together(pair):
    rng = random.Random(pair.name)
    for _ in range(BODIES):
        key = signing.SigningKey.from_seed("signer", rng.randbytes(32))
        webhook = Webhook(key, str(rng.choice(writers.TIMES)), pair.draw(rng))
        specimen, material = pair.make(webhook)
        found = examine(specimen, material, PatientClock())

        assert not found.verdicts.authentic
        assert found.diagnosis.certainty is Certainty.VERIFIED, specimen
        assert set(found.diagnosis.causes) <= pair.codes
        assert verifies_after(found)
        assert found.diagnosis.tried < _MOST_TRIED
