"""Nothing secret leaves in a ticket, whatever shape it has; what is no secret stays."""

import base64
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina_core.triage import redaction
from lamina_core.triage.redaction import redact, redact_text

SECRET = "hunter2-Zq9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nq9Zf\n-----END PRIVATE KEY-----"
BASIC = base64.b64encode(b"desk:hunter2").decode()

# Which rule, a text, and what of it must be gone.
TEXTS = [
    ("logs", "key lma_live_0123 refused", "lma_live_0123"),
    ("logs", "sent Bearer abc.def+/=~", "abc.def"),
    ("logs", "https://desk.example.com/webhooks/lamina?start=0123abcd", "0123abcd"),
    ("logs", "url=https%3A%2F%2Fdesk.example.com%2Fwebhooks%2Flamina%3Fstart%3D0123abcd", "0123abcd"),
    ("logs", "https://ada:s3cret@files.example.com/a.png", "s3cret"),
    ("private key", f"key: {PEM} end", "q9Zf"),
    ("private key", f"cut {PEM[:50]}", "MIGHAgEA"),
    ("header", "Cookie: a=b; sid=c0ffee; d=e\nnext", "c0ffee"),
    ("header", "authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=fe5f80", "fe5f80"),
    ("JWT", f"id {JWT}.", JWT[-10:]),
    ("JWT", f"id {JWT[:30]}", JWT[3:30]),
    ("credentials", f"sent Basic {BASIC}", BASIC),
    ("credentials", f"sent basic {BASIC.rstrip('=')}.", BASIC.rstrip("=")),
    ("credentials", "https://ghosttoken@files.example.com/a.png", "ghosttoken"),
    ("key", "AKIAIOSFODNN7EXAMPLE denied", "AKIAIOSFODNN7EXAMPLE"),
    ("key", "ASIAIOSFODNN7EXAMPLE denied", "IOSFODNN7"),
    ("key", "sk-proj-abcdefghijklmnop1234 denied", "abcdefghijklmnop"),
    ("key", "ghp_abcdefghijklmnopqrst1234 denied", "abcdefghijklmnop"),
    ("parameter", "https://example.com/a.png?w=1&sig=q1w2%2Fe3&h=2", "q1w2"),
    ("parameter", "https://example.com/a.png?key=q1w2", "q1w2"),
    ("parameter", "https://example.com/a.png?X-Amz-Date=20260314&X-Amz-Expires=900", "20260314"),
    ("parameter", "https://example.com/?to=https%3A%2F%2Fexample.org%3Fsig%3Dq1w2%26w%3D1", "q1w2"),
    ("parameter", "https://example.com/a.png?X-Amz-Signature=fe5f80&w=1", "fe5f80"),
    ("value", "https://example.com/a.png?access_token=q1w2", "q1w2"),
    ("value", 'body {"password": "two \\"words\\"!", "size": 3}', "words"),
    ("value", r"body {\"api_key\": \"two words\", \"size\": 3}", "two words"),
    ("value", "X-API-Key: q1w2", "q1w2"),
    ("value", "client_secret='q1 w2'", "w2"),
    ("value", "PASSWORD=q1w2", "q1w2"),
    ("e-mail", "write to Ada.Lovelace+x@mail.example.co.uk.", "Lovelace"),
    ("e-mail", "https://example.com/?to=ada%40example.com", "ada"),
    ("phone", "call +49 (30) 1234-5678 now", "1234"),
    ("phone", "call +4915112345678", "15112345678"),
    ("phone", "call (555) 123-4567 now", "4567"),
    ("phone", "call 020 7946 0958 now", "7946"),
    ("phone", "call 030/12345678", "12345678"),
]
MARKS = {name: "[redacted]" if name == "logs" else redaction.mark(name) for name, _, _ in TEXTS}


@pytest.mark.parametrize(("rule", "text", "secret"), TEXTS)
def test_what_is_secret_in_a_text_gives_way_to_a_marker(rule, text, secret):
    redacted = redact_text(text)
    assert secret not in redacted
    assert MARKS[rule] in redacted


def test_every_rule_has_an_example():
    assert {rule.name for rule in redaction.RULES} == {name for name, _, _ in TEXTS} - {"logs"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The provider did not answer within 90 s (attempt 3 of 3)",
        "7a62d16d-dbe6-47f2-875e-efb4c6dea863",
        "2026-03-14T09:00:00.000Z to 2026-03-14 09:00:00+00:00",
        "https://files.example.com:8443/runs/0123456789/a@2x.png?w=1024&h=1024#top",
        "https://example.com/keys?monkey=1&restart=now",
        "1024 x 1024, seed 4815162342, ratio 16:9, 0.75, 127.0.0.1:8501",
        "Basic information on the author's tokens and keys",
        "Missing required input: Prompt\n  at line 3\n",
        "👩‍🚀 שלום | `code` <b>",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact_text(text) == text


def test_what_stands_around_a_secret_stays():
    assert redact_text("a?w=1&token=x&h=2") == "a?w=1&token=[redacted: value]&h=2"
    assert redact_text('{"password": "x", "size": 3}') == '{"password": [redacted: value], "size": 3}'
    assert redact_text("Cookie: a=b\nHost: c") == "Cookie: [redacted: header]\nHost: c"


def test_known_secrets_are_gone_in_a_text_a_key_and_an_address():
    known = ["s/e+c", "", "s/e+cret"]
    assert redact_text("a s/e+cret b s%2Fe%2Bcret c s/e+c", known) == "a [redacted] b [redacted] c [redacted]"
    assert redact({"s/e+c": ["s/e+c"]}, known) == {"[redacted]": ["[redacted]"]}


NAMES = ["password", "PassWord", "api_key", "x-api-key", "apiKey", "APIKey", "Api Key", "accessToken", "auth", "Cookie"]
NAMES += ["Set-Cookie", "AUTHORIZATION", "client_secret", "webhookSignature", "user.pwd", "refresh-token", "session_id"]


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_under_a_secret_s_name_is_gone_at_any_depth(name):
    for value in (SECRET, 1234, [SECRET], {"a": SECRET}):
        assert SECRET not in json.dumps(redact({"a": [{"b": {name: value}}]}))
        assert "[redacted: " in redact({name: value})[name]


def test_a_name_beside_its_value_counts_too():
    pairs = [{"name": "Authorization", "value": SECRET}, ["x-api-key", SECRET], {"key": "Prompt", "value": "a bike"}]
    assert redact(pairs) == [
        {"name": "Authorization", "value": "[redacted: secret]"},
        ["x-api-key", "[redacted: apikey]"],
        {"key": "Prompt", "value": "a bike"},
    ]


def test_names_of_other_things_keep_their_values():
    plain = {
        "author": "Ada",
        "key": "a",
        "Prompt": "b",
        "max_tokens": 500,
        "signal": 1,
        "Mobile layout": "yes",
        "n": 0.5,
    }
    assert redact(plain) == plain


def test_that_nothing_was_given_as_a_secret_is_told():
    empty = {"token": "", "password": None, "has_secret": False, "cookies": []}
    assert redact(empty) == empty


def test_a_phone_number_needs_no_shape_where_its_name_says_it():
    assert redact({"phone": 4915112345678, "Mobile number": "15112345678"}) == {
        "phone": "[redacted: phone]",
        "Mobile number": "[redacted: phone]",
    }


def test_two_keys_that_become_one_are_both_kept():
    assert redact({"lma_a": 1, "lma_b": 2}) == {"[redacted]": 1, "[redacted] (1)": 2}


def test_what_is_long_wide_or_deep_is_cut_and_says_so():
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    ring: dict = {}
    ring["again"] = ring
    assert "[cut]" in json.dumps(redact(deep))
    assert "[cut]" in json.dumps(redact(ring))
    assert redact(list(range(1_000)))[-1] == "[cut: 800 more]"
    assert redact({str(n): n for n in range(1_000)})["[cut]"] == "800 more"
    assert redact_text("x" * 100_000).endswith("x [cut]")
    wide = [[[0] * 200] * 200] * 200
    assert len(json.dumps(redact(wide))) < 50_000
    assert len(json.dumps(redact(["word " * 1_500] * 200))) < redaction.DOCUMENT_LIMIT * 1.2


@pytest.mark.parametrize("place", range(redaction.TEXT_LIMIT - 30, redaction.TEXT_LIMIT + 2))
def test_a_secret_that_lies_across_a_cut_is_not_half_shown(place):
    for secret in ("https://ada:topsecretword@example.com", "topsecretword-and-more"):
        redacted = redact_text(" " * place + secret + " " * 100, ["topsecretword-and-more"])
        assert "top" not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "password" * 20_000,
        "password: " * 16_000,
        'password="\\' * 15_000,
        "-----BEGIN A-----" * 9_000,
        "eyJ" * 50_000,
        "?key=" * 30_000,
        "a@" * 80_000,
        "a.b@" * 40_000,
        "://" * 50_000,
        "0 " * 80_000,
        "+1" * 80_000,
        "\\" * 160_000,
    ],
)
def test_no_text_takes_long(text):
    began = time.thread_time()
    redact_text(text)
    assert time.thread_time() - began < 10


def test_what_json_does_not_know_becomes_a_text():
    strange = redact({"a": float("nan"), "b": b"x", 1: 10**5000, 10**5000: {1, 2}, "c": "\ud800\u202e\x00"})
    assert strange == {"a": "nan", "b": "[bytes]", "1": "[cut]", "[cut]": "[set]", "c": "\\ud800\\u202e\\u0000"}
    json.dumps(strange, allow_nan=False).encode()


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
)


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_any_value_becomes_json(value):
    redacted = redact(value, ["s"])
    json.dumps(redacted, allow_nan=False, ensure_ascii=False).encode()
