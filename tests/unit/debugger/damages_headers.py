"""Timestamps, signatures and headers that are not as Lamina sent them; of those cut or too long nothing is proved."""

import base64
import hmac
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from lamina_core import signing
from lamina_core.debugger.records import Specimen, specimen_from
from tests.unit.debugger.damage import (
    Webhook,
    as_received,
    in_signature,
    in_timestamp,
    indicated,
    through_node,
)
from tests.unit.debugger.writers import node_date

SIGNATURE, TIMESTAMP = signing.SIGNATURE_HEADER, signing.TIMESTAMP_HEADER
REQUEST_ID, USER_ID = signing.REQUEST_ID_HEADER, signing.USER_ID_HEADER


# The timestamp


def moment(timestamp: str) -> datetime:
    return datetime.fromtimestamp(int(timestamp), UTC)


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def shifted(seconds: int) -> Callable[[str, random.Random], str]:
    return lambda stamp, rng: str(int(stamp) + rng.choice([-1, 1]) * seconds)


def in_other_header(webhook: Webhook, rng: random.Random) -> Specimen:
    """Have the receiver's own time in the header, and Lamina's in another one."""
    name = rng.choice(["X-Original-Timestamp", "X-Request-Time", "X-Forwarded-Lamina-Timestamp", "X-Signed-At"])
    own = str(int(webhook.timestamp) + rng.randint(90_000, 900_000) * 2 + 1)
    return webhook.received(**{TIMESTAMP: own, name: webhook.timestamp + rng.choice(["", "000"])})


def aged(seconds: Callable[[random.Random], int]) -> Callable[[Webhook, random.Random], Specimen]:
    return lambda webhook, rng: replace(webhook, timestamp=str(int(webhook.timestamp) + seconds(rng))).received()


DATES: dict[str, Callable[[datetime], str]] = {
    "ISO": datetime.isoformat,
    "ISO with Z": lambda date: date.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "without a zone": lambda date: date.strftime("%Y-%m-%d %H:%M:%S"),
    "in another zone": lambda date: date.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(),
    "of mail": format_datetime,
}
DECORATED = ['"{}"', "'{}'", " {}", "{}\n", "t={}", "timestamp: {}", "[{}]", "{}s", "{}n", "\ufeff{}", "{};"]
TIMESTAMPS = [
    in_timestamp("timestamp_milliseconds", "milliseconds", lambda stamp, rng: stamp + digits(rng, 3)),
    in_timestamp("timestamp_milliseconds", "microseconds", lambda stamp, rng: stamp + digits(rng, 6)),
    in_timestamp("timestamp_milliseconds", "nanoseconds", lambda stamp, rng: stamp + digits(rng, 9)),
    *(
        in_timestamp("timestamp_date", name, lambda stamp, _rng, show=show: show(moment(stamp)))
        for name, show in DATES.items()
    ),
    *through_node(
        *(
            in_timestamp("timestamp_date", f"Node's {form}", lambda stamp, _rng, form=form: node_date(form, stamp))
            for form in ("iso", "utc", "spoken", "json")
        )
    ),
    *(
        in_timestamp("timestamp_decorated", repr(form), lambda stamp, _rng, form=form: form.format(stamp))
        for form in DECORATED
    ),
    in_timestamp(
        "timestamp_number_format", "with a point", lambda stamp, rng: f"{stamp}.{digits(rng, rng.randint(0, 7))}"
    ),
    in_timestamp("timestamp_number_format", "with an exponent", lambda stamp, _rng: f"{int(stamp):.9e}"),
    in_timestamp("timestamp_number_format", "with commas", lambda stamp, _rng: f"{int(stamp):,}"),
    in_timestamp("timestamp_number_format", "with a sign", lambda stamp, _rng: f"+{stamp}"),
    in_timestamp("timestamp_number_format", "in hex", lambda stamp, _rng: hex(int(stamp))),
    as_received("timestamp_other_header", "another header", in_other_header),
    in_timestamp("timestamp_neighbour", "near", lambda stamp, rng: shifted(rng.randint(1, 300))(stamp, rng)),
    in_timestamp("timestamp_time_zone", "hours", lambda stamp, rng: shifted(rng.randint(1, 14) * 3600)(stamp, rng)),
    in_timestamp(
        "timestamp_time_zone", "quarters", lambda stamp, rng: shifted(rng.choice([34_200, 20_700]))(stamp, rng)
    ),
    *indicated(
        as_received("missing_timestamp", "none", lambda webhook, _rng: webhook.with_timestamp(None)),
        in_timestamp("missing_timestamp", "blank", lambda _stamp, rng: " " * rng.randint(0, 3)),
        in_timestamp(
            "malformed_timestamp",
            "a word",
            lambda _stamp, rng: rng.choice(["NaN", "undefined", "yesterday", "-", "12:30"]),
        ),
    ),
    *(
        replace(damage, authentic=True)
        for damage in (
            as_received("stale_timestamp", "old", aged(lambda rng: -rng.randint(600, 10**7))),
            as_received("future_timestamp", "ahead", aged(lambda rng: rng.randint(600, 10**7))),
        )
    ),
]


# The signature


def raw_of(signature: str) -> bytes:
    return bytes.fromhex(signature)


def pairs(signature: str, separator: str) -> str:
    return separator.join(signature[at : at + 2] for at in range(0, len(signature), 2))


def twice(webhook: Webhook, rng: random.Random) -> Specimen:
    """Have somebody else's signature before Lamina's."""
    other = (SIGNATURE.lower(), rng.randbytes(64).hex())
    return specimen_from([other, *webhook.headers().items()], webhook.body, exact=True, source="a test")


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def hmac_of(signature: str, rng: random.Random) -> bytes:
    return hmac.digest(rng.randbytes(20), signature.encode(), "sha256")


BASE64: dict[str, Callable[[str], str]] = {
    "standard": lambda text: base64_of(raw_of(text)),
    "for URLs": lambda text: base64.urlsafe_b64encode(raw_of(text)).decode(),
    "without padding": lambda text: base64_of(raw_of(text)).rstrip("="),
    "in lines": lambda text: base64.encodebytes(raw_of(text)).decode(),
}
PREFIXED = [
    "0x{}",
    "\\x{}",
    "sha256={}",
    "ed25519={}",
    "v1={}",
    "v1a,{}",
    "ed25519:{}",
    "Signature: {}",
    "v1 {}",
    "t=1,v1={}",
]
AROUND = ['"{}"', "'{}'", " {} ", "{}\n", "{}\r\n", "<{}>", "[{}]", "b'{}'", "{}\\n"]
BETWEEN = [" ", ":", "-"]
DOUBLED = ["{0}{0}", "{0},{0}", "{0}, {0}", "{0};{0}"]
AGAIN: dict[str, Callable[[str], str]] = {
    "hex of hex": lambda text: text.encode().hex(),
    "base64 of hex": lambda text: base64_of(text.encode()),
    "base64 of base64": lambda text: base64_of(base64_of(raw_of(text)).encode()),
}
SIGNATURES = [
    *(
        in_signature("signature_base64", name, lambda text, _rng, show=show: show(text))
        for name, show in BASE64.items()
    ),
    *(in_signature("signature_prefix", form, lambda text, _rng, form=form: form.format(text)) for form in PREFIXED),
    *(
        in_signature("signature_decorated", repr(form), lambda text, _rng, form=form: form.format(text))
        for form in AROUND
    ),
    *(
        in_signature("signature_decorated", repr(by), lambda text, _rng, by=by: pairs(text, by).upper())
        for by in BETWEEN
    ),
    in_signature("signature_decorated", "in two lines", lambda text, _rng: f"{text[:64]}\n  {text[64:]}"),
    *(in_signature("signature_doubled", form, lambda text, _rng, form=form: form.format(text)) for form in DOUBLED),
    *(
        in_signature("signature_double_encoded", name, lambda text, _rng, show=show: show(text))
        for name, show in AGAIN.items()
    ),
    as_received("signature_duplicate_header", "two of them", twice),
    *indicated(
        in_signature("signature_cut", "digits", lambda text, rng: text[: rng.choice([40, 100, 120, 126, 127])]),
        in_signature("signature_cut", "base64", lambda text, rng: BASE64["standard"](text)[: rng.choice([32, 60, 80])]),
        in_signature("signature_too_long", "digits", lambda text, rng: text + rng.randbytes(rng.randint(1, 9)).hex()),
        in_signature("signature_of_32_bytes", "HMAC", lambda text, rng: hmac_of(text, rng).hex()),
        in_signature("signature_of_32_bytes", "HMAC, prefix", lambda text, rng: "sha256=" + hmac_of(text, rng).hex()),
        in_signature("signature_of_32_bytes", "HMAC in base64", lambda text, rng: base64_of(hmac_of(text, rng))),
        in_signature(
            "malformed_signature",
            "a word",
            lambda _text, rng: rng.choice(["[object Object]", "not one!", "null", "\u2026", "undefined"]),
        ),
        as_received("missing_signature", "none", lambda webhook, _rng: webhook.with_signature(None)),
        in_signature("missing_signature", "blank", lambda _text, rng: " " * rng.randint(0, 3)),
    ),
]


# Headers


def swapped(*names: str) -> Callable[[Webhook, random.Random], Specimen]:
    """Give each header the value of the next one."""

    def make(webhook: Webhook, _rng: random.Random) -> Specimen:
        given = webhook.headers()
        following = (*names[1:], names[0])
        return webhook.received(**{name: given[other] for name, other in zip(names, following, strict=True)})

    return make


def renamed(*names: str) -> Callable[[Webhook, random.Random], Specimen]:
    """Give headers other names, as proxies, CGI and frameworks do."""

    def make(webhook: Webhook, rng: random.Random) -> Specimen:
        way = rng.choice(["HTTP_{}", "X-Amzn-Remapped-{}", "x-forwarded-{}", "{}-Original"])
        given = webhook.headers()
        spelled = [(way.format(name) if name in names else name, value) for name, value in given.items()]
        cgi = [(name.upper().replace("-", "_") if way[0] == "H" else name, value) for name, value in spelled]
        return specimen_from(cgi, webhook.body, exact=True, source="a test")

    return make


HEADERS = [
    as_received("headers_swapped", "signature and timestamp", swapped(SIGNATURE, TIMESTAMP)),
    as_received("headers_swapped", "timestamp and request id", swapped(TIMESTAMP, REQUEST_ID)),
    as_received("headers_swapped", "signature and user id", swapped(SIGNATURE, USER_ID)),
    as_received("headers_swapped", "three in turn", swapped(SIGNATURE, TIMESTAMP, REQUEST_ID)),
    as_received("header_renamed", "signature", renamed(SIGNATURE)),
    as_received("header_renamed", "timestamp", renamed(TIMESTAMP)),
    as_received("header_renamed", "all", renamed(SIGNATURE, TIMESTAMP, REQUEST_ID, USER_ID)),
]


def of_another_run(webhook: Webhook, rng: random.Random) -> Specimen:
    sent = replace(
        webhook,
        body=json.dumps({"data": {rng.choice(["runId", "executionId"]): "e-9", "status": "completed"}}).encode(),
    )
    return sent.received()


MISMATCHES = [replace(as_received("request_id_mismatch", "of another run", of_another_run), authentic=True)]
DAMAGES = [*TIMESTAMPS, *SIGNATURES, *HEADERS, *MISMATCHES]
