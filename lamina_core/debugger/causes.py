"""The one table of causes: each code with what it means and how the receiver is mended.

The screen, the command `verify` and the tests share it; docs/webhook-causes.md is this table for reading.
"""

from dataclasses import dataclass

from lamina_core.debugger.records import Certainty

_RAW_BODY = "Verify the bytes of the request as they arrived, before anything parses, prints or converts them."
_HEADER_AS_IS = "Use the header's value exactly as it arrived."
_PASTE = "Take the body from the request's raw bytes, not from a log, a page or a chat."


@dataclass(frozen=True)
class Cause:
    """One mistake; `certainty` is the highest that it can be shown with."""

    code: str
    part: str
    certainty: Certainty
    title: str
    fix: str


def _proved(code: str, part: str, title: str, fix: str) -> Cause:
    return Cause(code, part, Certainty.VERIFIED, title, fix)


def _indicated(code: str, part: str, title: str, fix: str) -> Cause:
    return Cause(code, part, Certainty.INDICATED, title, fix)


_BODY = [
    _proved("body_reformatted", "body", "The body was parsed and written again with other white space.", _RAW_BODY),
    _proved("body_keys_reordered", "body", "The body was written again with its keys in another order.", _RAW_BODY),
    _proved(
        "body_unicode_escapes",
        "body",
        "Characters beyond ASCII were turned into \\u escapes, or escapes into characters.",
        _RAW_BODY,
    ),
    _proved("body_slash_escapes", "body", "Slashes were escaped as \\/ or their escapes were taken away.", _RAW_BODY),
    _proved(
        "body_markup_escapes",
        "body",
        "The characters < > & ' were turned into \\u escapes, or back, as some JSON writers do.",
        _RAW_BODY,
    ),
    _proved("body_numbers", "body", "Numbers were written in another form, such as 1.0 for 1.", _RAW_BODY),
    _proved(
        "body_reserialized",
        "body",
        "The body was parsed and written again by a JSON library that differs in several habits.",
        _RAW_BODY,
    ),
    _proved("body_newline_added", "body", "White space was added before or after the body.", _RAW_BODY),
    _proved("body_trimmed", "body", "White space at the body's start or end was taken away.", _RAW_BODY),
    _proved("body_line_endings", "body", "Line ends were converted between LF and CRLF.", _RAW_BODY),
    _proved("body_bom", "body", "A byte order mark was put before the body, or taken away.", _RAW_BODY),
    _proved("body_double_encoded", "body", "The body was encoded as a JSON string once more.", _RAW_BODY),
    _proved(
        "body_base64",
        "body",
        "The body is still in base64, as gateways hand it to functions.",
        "Decode the body once (isBase64Encoded says so), then verify those bytes.",
    ),
    _proved("body_html_escaped", "body", "Characters were turned into HTML entities such as &quot;.", _PASTE),
    _proved("body_url_encoded", "body", "The body was percent-encoded, or sent as a form.", _RAW_BODY),
    _proved("body_mojibake", "body", "UTF-8 was read as another character set and written again.", _RAW_BODY),
    _proved("body_character_set", "body", "The body was converted to another character set.", _RAW_BODY),
    _proved("body_unicode_normalized", "body", "Characters were composed or decomposed (NFC, NFD).", _RAW_BODY),
    _proved("body_smart_quotes", "body", "Straight quotes were replaced by typographic ones.", _PASTE),
    _proved(
        "body_python_text", "body", "The body is Python's way of showing an object, not the bytes sent.", _RAW_BODY
    ),
    _proved("body_chunk_framing", "body", "The sizes of HTTP chunks are still in the body.", _RAW_BODY),
    _proved(
        "body_compressed",
        "body",
        "The body is compressed; what was signed is not.",
        "Undo the Content-Encoding that a proxy applied, then verify.",
    ),
    _proved("body_data_only", "body", "Only the content of `data` was signed or kept, not the whole body.", _RAW_BODY),
    _proved("body_longer_than_length", "body", "Bytes follow after the end that Content-Length names.", _RAW_BODY),
    _indicated(
        "body_truncated",
        "body",
        "The body is cut off.",
        "Raise the body limit of the receiver or of its proxy; a log often cuts long lines.",
    ),
    _indicated("body_empty", "body", "There is no body.", _RAW_BODY + " A body can often be read only once."),
    _indicated(
        "body_not_kept",
        "body",
        "What was kept is a word for the body, such as [object Object], not the body.",
        _RAW_BODY,
    ),
    _indicated(
        "body_characters_lost",
        "body",
        "Characters were replaced (\N{REPLACEMENT CHARACTER}); the bytes are lost.",
        _RAW_BODY,
    ),
]

_TIMESTAMP = [
    _proved(
        "timestamp_milliseconds",
        "timestamp",
        "The timestamp is in milliseconds or smaller; Lamina signs seconds.",
        _HEADER_AS_IS,
    ),
    _proved(
        "timestamp_date", "timestamp", "The timestamp was turned into a date; Lamina signs seconds.", _HEADER_AS_IS
    ),
    _proved(
        "timestamp_decorated", "timestamp", "There are quotes, blanks or a prefix around the timestamp.", _HEADER_AS_IS
    ),
    _proved("timestamp_number_format", "timestamp", "The timestamp was written again as a number.", _HEADER_AS_IS),
    _proved("timestamp_other_header", "timestamp", "The webhook's own timestamp is in another header.", _HEADER_AS_IS),
    _proved(
        "timestamp_neighbour",
        "timestamp",
        "The timestamp belongs to another delivery: each attempt is signed anew.",
        "Keep headers and body of one request together.",
    ),
    _proved("timestamp_time_zone", "timestamp", "The timestamp is off by a time zone.", _HEADER_AS_IS),
    _indicated(
        "missing_timestamp",
        "timestamp",
        "The timestamp header is missing.",
        "Let the proxy pass all X-Lamina-* headers on.",
    ),
    _indicated("malformed_timestamp", "timestamp", "The timestamp is no number of seconds.", _HEADER_AS_IS),
    _proved(
        "stale_timestamp",
        "timestamp",
        "The webhook is older than 300 seconds.",
        "Verify at receipt, not later from a queue; check the receiver's clock.",
    ),
    _proved(
        "future_timestamp",
        "timestamp",
        "The webhook is from more than 300 seconds in the future.",
        "Set the receiver's clock (NTP).",
    ),
]

_SIGNATURE = [
    _proved("signature_base64", "signature", "The signature is in base64; Lamina writes hex.", _HEADER_AS_IS),
    _proved(
        "signature_prefix", "signature", "There is a prefix such as 0x or sha256= before the signature.", _HEADER_AS_IS
    ),
    _proved(
        "signature_decorated",
        "signature",
        "There is white space, or there are quotes or colons, in the signature.",
        _HEADER_AS_IS,
    ),
    _proved(
        "signature_doubled",
        "signature",
        "The signature is there twice.",
        "Take the first value where a proxy joined two.",
    ),
    _proved("signature_double_encoded", "signature", "The signature's text was encoded once more.", _HEADER_AS_IS),
    _proved(
        "signature_duplicate_header",
        "signature",
        "The signature header is there twice, with different values.",
        "Find out which proxy or middleware adds one.",
    ),
    _indicated(
        "signature_cut",
        "signature",
        "The signature is too short.",
        "Do not shorten the header; a column or log may cut it.",
    ),
    _indicated("signature_too_long", "signature", "The signature is too long.", _HEADER_AS_IS),
    _indicated(
        "signature_of_32_bytes",
        "signature",
        "32 bytes are no Ed25519 signature: an HMAC, or a key, is in its place.",
        "Lamina signs with Ed25519 and 64 bytes; there is no shared secret.",
    ),
    _indicated("malformed_signature", "signature", "The signature is neither hex nor base64.", _HEADER_AS_IS),
    _indicated(
        "missing_signature",
        "signature",
        "The signature header is missing.",
        "Let the proxy pass all X-Lamina-* headers on.",
    ),
]

_HEADERS = [
    _proved(
        "headers_swapped",
        "headers",
        "Headers are in each other's place.",
        "Check which header is read into which variable.",
    ),
    _proved(
        "header_renamed",
        "headers",
        "A proxy or framework gave a header another name.",
        "Read it under its new name, or let the proxy keep the name.",
    ),
    _proved(
        "request_id_mismatch",
        "headers",
        "The request id is not the id in the body.",
        "Keep headers and body of one request together.",
    ),
]

_MESSAGE = [
    _proved(
        "message_separator",
        "message",
        "Timestamp and body were joined by something other than one dot.",
        "Sign and verify `<timestamp>.<body>`.",
    ),
    _proved(
        "message_order",
        "message",
        "Body and timestamp were joined in the wrong order.",
        "Sign and verify `<timestamp>.<body>`.",
    ),
    _proved(
        "message_body_only",
        "message",
        "Only the body was signed, without the timestamp.",
        "Sign and verify `<timestamp>.<body>`.",
    ),
    _proved(
        "message_hashed",
        "message",
        "A hash was signed in place of the message itself.",
        "Ed25519 takes the whole message; do not hash first.",
    ),
    _proved(
        "message_other_scheme",
        "message",
        "The message was built as another service builds it.",
        "Lamina signs `<timestamp>.<body>`, nothing more.",
    ),
]

_KEY = [
    _proved(
        "key_spki",
        "key",
        "The key is wrapped as SPKI (DER) where 32 raw bytes belong.",
        "Use the JWK's `x`: base64url of the 32 bytes.",
    ),
    _proved(
        "key_standard_base64",
        "key",
        "The key is in standard base64 where base64url belongs.",
        "Decode `x` as base64url without padding.",
    ),
    _proved("key_hex", "key", "The key is in hex where base64url belongs.", "Decode `x` as base64url without padding."),
    _proved(
        "key_decorated",
        "key",
        "There are quotes, blanks, escapes or a prefix around the key.",
        "Store the key as Lamina's endpoint gives it.",
    ),
    _proved(
        "key_other",
        "key",
        "Another key of Lamina's present set made the signature.",
        "Try every key of the set: webhooks name none.",
    ),
    _proved(
        "key_retired",
        "key",
        "A key that Lamina used earlier made the signature.",
        "Read the key set anew; keep no key for ever.",
    ),
    _proved(
        "key_private",
        "key",
        "A private key was used as the public one.",
        "Take it out of every place where it was pasted; replace it.",
    ),
    _indicated(
        "key_unusable", "key", "What was given is no Ed25519 public key.", "Use Lamina's key set: kty OKP, crv Ed25519."
    ),
    _indicated(
        "no_key", "key", "There is no key to verify with.", "Read Lamina's key set (GET …/webhooks/signing-key)."
    ),
]

CAUSES: dict[str, Cause] = {
    cause.code: cause for cause in (*_BODY, *_TIMESTAMP, *_SIGNATURE, *_HEADERS, *_MESSAGE, *_KEY)
}
