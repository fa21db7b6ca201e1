"""Ed25519 as Lamina's webhooks use it, against RFC 8032's vectors and every refusal."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core import errors, signing
from lamina_core.signing import PublicKey, Reason, SigningKey

RFC_8032 = [  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]

KEY = SigningKey.from_seed("test-key", bytes(range(32)))
BODY = b'{"data":{"executionId":"e-1"}}'


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_rfc_8032_vectors_verify(public, message, signature):
    key = PublicKey(None, bytes.fromhex(public))
    assert key.verifies(bytes.fromhex(signature), bytes.fromhex(message))
    assert not key.verifies(bytes.fromhex(signature), bytes.fromhex(message) + b"x")


def test_the_signed_message_is_timestamp_dot_body():
    assert signing.signed_message("1773478800", BODY) == b"1773478800." + BODY


@given(some.binary(max_size=200), some.integers(0, 10**11))
def test_what_is_signed_verifies_with_its_own_key_among_others(body, seconds):
    other = SigningKey.from_seed("other", bytes(32))
    signature, _ = signing.check_headers(KEY.sign(str(seconds), body), str(seconds))
    found = signing.find_key([other.public(), KEY.public()], signature, str(seconds), body)
    assert found.key_id == "test-key"


@given(some.integers(0, 511))
def test_one_changed_bit_of_a_signature_never_verifies(bit):
    signature = bytearray(bytes.fromhex(KEY.sign("1", BODY)))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(errors.SignatureRejected) as refused:
        signing.find_key([KEY.public()], bytes(signature), "1", BODY)
    assert refused.value.reason == Reason.NOT_VERIFIED


@pytest.mark.parametrize(
    ("signature", "timestamp", "reason"),
    [
        (None, "1", Reason.MISSING_SIGNATURE),
        ("", "1", Reason.MISSING_SIGNATURE),
        ("ab" * 64, None, Reason.MISSING_TIMESTAMP),
        ("ab" * 63, "1", Reason.MALFORMED_SIGNATURE),
        ("ab" * 64 + "00", "1", Reason.MALFORMED_SIGNATURE),
        ("0x" + "ab" * 63, "1", Reason.MALFORMED_SIGNATURE),
        ("zz" * 64, "1", Reason.MALFORMED_SIGNATURE),
        (" " + "ab" * 63 + "a", "1", Reason.MALFORMED_SIGNATURE),
        ("ab" * 64, "2026-03-14T09:00:00Z", Reason.MALFORMED_TIMESTAMP),
        ("ab" * 64, "-5", Reason.MALFORMED_TIMESTAMP),
        ("ab" * 64, "1.5", Reason.MALFORMED_TIMESTAMP),
        ("ab" * 64, "١٢٣", Reason.MALFORMED_TIMESTAMP),
        ("ab" * 64, "9" * 21, Reason.MALFORMED_TIMESTAMP),
    ],
)
def test_headers_that_cannot_be_right_are_named(signature, timestamp, reason):
    with pytest.raises(errors.SignatureRejected) as refused:
        signing.check_headers(signature, timestamp)
    assert refused.value.reason == reason


def test_hexadecimal_digits_may_be_upper_case():
    assert signing.check_headers("AB" * 64, "12") == (b"\xab" * 64, 12)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_a_timestamp_within_the_window_is_fresh(age):
    now = 1_773_478_800.9
    assert signing.check_freshness(int(now) - age, now) is None


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        (1_773_478_800 - 301, Reason.STALE_TIMESTAMP),
        (1_773_478_800 + 301, Reason.FUTURE_TIMESTAMP),
        (1_773_478_800_000, Reason.FUTURE_TIMESTAMP),  # milliseconds
    ],
)
def test_a_timestamp_outside_the_window_is_refused(timestamp, reason):
    with pytest.raises(errors.SignatureRejected) as refused:
        signing.check_freshness(timestamp, 1_773_478_800.0)
    assert refused.value.reason == reason


def test_a_key_survives_the_jwk_form():
    assert signing.from_jwk(signing.to_jwk(KEY.public())) == KEY.public()


SMALL_ORDER = [  # the eight points of small order, and encodings that are not canonical
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_a_key_with_which_anybody_can_sign_is_no_key(encoded):
    with pytest.raises(ValueError, match="small order"):
        PublicKey(None, bytes.fromhex(encoded))


def test_a_key_that_is_no_point_verifies_nothing():
    assert not PublicKey(None, b"\x02" + bytes(31)).verifies(bytes(64), b"")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"kty": "RSA"}, "kty must be OKP"),
        ({"crv": "X25519"}, "crv Ed25519"),
        ({"x": None}, "32 bytes"),
        ({"x": base64.b64encode(bytes(31)).decode()}, "32 bytes"),
        ({"x": "+" * 43}, "32 bytes"),
    ],
)
def test_a_jwk_of_another_kind_says_what_is_wrong(change, wrong):
    with pytest.raises(ValueError, match=wrong):
        signing.from_jwk(signing.to_jwk(KEY.public()) | change)


def test_a_key_set_passes_over_keys_of_other_kinds():
    document = {"keys": [{"kty": "RSA"}, "nonsense", signing.to_jwk(KEY.public())]}
    assert signing.parse_key_set(document) == (KEY.public(),)


@pytest.mark.parametrize("document", [None, [], {}, {"keys": "x"}, {"keys": []}, {"keys": [{"kty": "RSA"}]}])
def test_a_document_without_usable_keys_is_refused(document):
    with pytest.raises(ValueError, match="key set"):
        signing.parse_key_set(document)


def test_a_key_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        PublicKey(None, bytes(31))
