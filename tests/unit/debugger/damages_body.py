"""Bodies that were wrapped, cut, framed, converted or retyped on their way.

Composed text is drawn where it is decomposed: a text that is neither composed nor decomposed cannot be found again.
Typographic quotes of the text itself are drawn only where the straight ones that JSON needs can be told from them.
"""

import base64
import gzip
import html
import html.entities
import itertools
import json
import random
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable

from lamina_core.debugger.records import Specimen
from tests.unit.debugger import payloads
from tests.unit.debugger.damage import (
    ChangeBytes,
    Webhook,
    as_received,
    before_signing,
    both_ways,
    indicated,
    on_the_way,
    through_node,
)
from tests.unit.debugger.payloads import LATIN, PLAIN, QUOTED, SIGNS, STRANGE, WIDE, draw_any, draw_run, drawing
from tests.unit.debugger.writers import by_node, draw_foreign_by_node, draw_node

FOREIGN = drawing([*LATIN, *WIDE], PLAIN, SIGNS, STRANGE)
MARKED = drawing(["<b>bold</b> & more"], ["it's"], LATIN)
UNTYPED = drawing(PLAIN, LATIN, WIDE, SIGNS)  # no typographic quotes
SMALL = drawing(LATIN, WIDE, SIGNS, PLAIN)
NAMES = {point: f"&{name};" for point, name in html.entities.codepoint2name.items()}


def text(change: Callable[[str], str]) -> ChangeBytes:
    return lambda body, _rng: change(body.decode()).encode()


def raw(change: Callable[[bytes], bytes]) -> ChangeBytes:
    return lambda body, _rng: change(body)


def composed(rng: random.Random) -> bytes:
    return unicodedata.normalize("NFC", FOREIGN(rng).decode()).encode()


def pretty(rng: random.Random) -> bytes:
    return json.dumps(json.loads(draw_any(rng)), ensure_ascii=False, indent=rng.choice([1, 2, 4])).encode()


def read_as(charset: str) -> ChangeBytes:
    return raw(lambda body: body.decode(charset).encode())


def written_as(charset: str) -> ChangeBytes:
    return text_to_bytes(lambda whole: whole.encode(charset))


def text_to_bytes(change: Callable[[str], bytes]) -> ChangeBytes:
    return lambda body, _rng: change(body.decode())


def normal(form: str) -> ChangeBytes:
    return text(lambda whole: unicodedata.normalize(form, whole))  # type: ignore[arg-type]


# White space


def with_space(body: bytes, rng: random.Random) -> bytes:
    before, after = rng.choice([(b"", b"\n"), (b"", b"\r\n"), (b"", b" "), (b"", b"\n\n"), (b"\n", b""), (b" ", b"\n")])
    return before + body + after


def trimmed_space(body: bytes, rng: random.Random) -> bytes:
    before, after = rng.choice(
        [(b"", b"\n"), (b"", b"\r\n"), (b"", b" "), (b"", b"\n\n"), (b"\n", b""), (b"\n", b"\n")]
    )
    return before + body + after


SPACE = [
    on_the_way("body_newline_added", "white space around it", with_space),
    on_the_way("body_newline_added", "a pretty one, then a line end", raw(lambda body: body + b"\n"), pretty),
    before_signing("body_trimmed", "white space around it", trimmed_space),
    *both_ways("body_line_endings", "CRLF", raw(lambda body: body.replace(b"\n", b"\r\n")), pretty),
    on_the_way("body_line_endings", "CR", raw(lambda body: body.replace(b"\n", b"\r")), pretty),
    *both_ways("body_bom", "a mark", raw(lambda body: body.decode().encode("utf-8-sig"))),
]


# Encodings around it


def in_chunks(body: bytes, rng: random.Random) -> bytes:
    cuts = sorted({0, len(body), *(rng.randrange(len(body)) for _ in range(rng.randint(0, 4)))})
    sizes = rng.choice(["{:x}\r\n", "{:X}\r\n", "{:08x};name=value\r\n"])
    chunks = [body[start:end] for start, end in itertools.pairwise(cuts)]
    return b"".join(sizes.format(len(chunk)).encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n\r\n"


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def as_url(**options: str) -> ChangeBytes:
    return text(lambda whole: urllib.parse.quote(whole, **options))


WRAPPED = [
    on_the_way("body_double_encoded", "by Python", text(json.dumps)),
    on_the_way("body_double_encoded", "by Python, as is", text(lambda whole: json.dumps(whole, ensure_ascii=False))),
    on_the_way("body_double_encoded", "without its quotes", text(lambda whole: json.dumps(whole)[1:-1])),
    on_the_way("body_double_encoded", "quotes alone", text(lambda whole: whole.replace('"', '\\"')), drawing(PLAIN)),
    before_signing("body_double_encoded", "by Python", text(json.dumps)),
    *(
        on_the_way("body_base64", name, change)
        for name, change in (
            ("standard", raw(base64.b64encode)),
            ("for URLs", raw(base64.urlsafe_b64encode)),
            ("without padding", raw(lambda body: base64.b64encode(body).rstrip(b"="))),
            ("in lines", raw(base64.encodebytes)),
            ("a data URL", raw(lambda body: b"data:application/json;base64," + base64.b64encode(body))),
            ("a JSON string", raw(lambda body: b'"' + base64.b64encode(body) + b'"')),
            ("hex", raw(lambda body: body.hex().encode())),
        )
    ),
    on_the_way("body_url_encoded", "everything", as_url(safe="")),
    on_the_way("body_url_encoded", "all but slashes", as_url()),
    on_the_way("body_url_encoded", "blanks as +", text(urllib.parse.quote_plus)),
    on_the_way("body_url_encoded", "a field", text(lambda whole: urllib.parse.urlencode({"v": 1, "payload": whole}))),
    on_the_way("body_url_encoded", "a name", text(lambda whole: urllib.parse.urlencode({whole: ""}))),
    on_the_way("body_url_encoded", "an = after it", raw(lambda body: body + b"=")),
    on_the_way("body_chunk_framing", "chunks", in_chunks),
    on_the_way("body_compressed", "gzip", raw(gzip.compress)),
    on_the_way("body_compressed", "zlib", raw(zlib.compress)),
    on_the_way("body_compressed", "deflate", raw(deflated)),
    on_the_way("body_data_only", "data", raw(lambda body: body[8:-1]), draw_run),
    before_signing("body_data_only", "data", raw(lambda body: body[8:-1]), draw_run),
    on_the_way("body_python_text", "bytes", text(lambda whole: repr(whole.encode())), SMALL),
    on_the_way("body_python_text", "text", text(repr), SMALL),
    on_the_way("body_python_text", "an object", text(lambda whole: str(json.loads(whole))), payloads.draw_legible),
    *through_node(
        on_the_way("body_double_encoded", "by Node", by_node("string"), draw_node),
        on_the_way("body_base64", "by Node", by_node("base64"), draw_node),
        on_the_way("body_base64", "by Node, for URLs", by_node("base64url"), draw_node),
        on_the_way("body_url_encoded", "by Node", by_node("uri"), draw_node),
        on_the_way("body_url_encoded", "by Node, a field", by_node("form"), draw_node),
        on_the_way("body_url_encoded", "by Node, a name", by_node("key"), draw_node),
    ),
]


# Characters


def typed(opening: str, closing: str, apostrophe: str = "'") -> ChangeBytes:
    """Replace straight quotes as a word processor does: the one that opens, then the one that closes."""

    def change(whole: str) -> str:
        marks = itertools.cycle((opening, closing))
        return re.sub('"', lambda _: next(marks), whole).replace("'", apostrophe)

    return text(change)


CHARACTERS = [
    on_the_way("body_html_escaped", "by Python", text(html.escape)),
    on_the_way("body_html_escaped", "without quotes", text(lambda whole: html.escape(whole, quote=False)), MARKED),
    on_the_way("body_html_escaped", "quotes alone", text(lambda whole: whole.replace('"', "&quot;")), drawing(LATIN)),
    on_the_way("body_html_escaped", "by numbers", text(lambda whole: html.escape(whole).replace("&quot;", "&#34;"))),
    on_the_way("body_html_escaped", "by names", text(lambda whole: whole.translate(NAMES)), drawing(LATIN, SIGNS)),
    *(on_the_way("body_mojibake", f"as {name}", read_as(name), FOREIGN) for name in ("latin-1", "mac-roman", "cp437")),
    *(
        on_the_way("body_character_set", name, written_as(name))
        for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
    ),
    *both_ways("body_character_set", "latin-1", written_as("latin-1"), drawing(LATIN, PLAIN)),
    *both_ways("body_character_set", "cp1252", written_as("cp1252"), drawing(QUOTED, LATIN, PLAIN)),
    *both_ways("body_unicode_normalized", "NFD", normal("NFD"), composed),
    on_the_way("body_unicode_normalized", "NFKC", normal("NFKC"), payloads.draw_compatible),
    on_the_way("body_smart_quotes", "“ ”", typed("“", "”"), UNTYPED),
    on_the_way("body_smart_quotes", "“ ” ’", typed("“", "”", "’"), UNTYPED),
    on_the_way("body_smart_quotes", "„ “", typed("„", "“"), UNTYPED),
    on_the_way("body_smart_quotes", "« »", typed("«", "»"), UNTYPED),
    on_the_way("body_smart_quotes", "” ” beside others", typed("”", "”"), drawing(QUOTED, PLAIN, LATIN)),
    *through_node(
        on_the_way("body_mojibake", "by Node, latin-1", by_node("latin1"), draw_foreign_by_node),
        on_the_way("body_mojibake", "by Node, windows-1252", by_node("cp1252"), draw_foreign_by_node),
    ),
]


# Cut, lost, or too long


def followed(webhook: Webhook, rng: random.Random) -> Specimen:
    more = rng.choice([b"\0" * 9, b"\n-- end of request", b"}", webhook.body, rng.randbytes(30)])
    return webhook.received(webhook.body + more, Content_Length=str(len(webhook.body)))


def cut(webhook: Webhook, rng: random.Random) -> Specimen:
    return webhook.received(webhook.body[: rng.randrange(1, len(webhook.body))])


def cut_with_length(webhook: Webhook, rng: random.Random) -> Specimen:
    kept = webhook.body[: rng.randrange(1, len(webhook.body))]
    return webhook.received(kept, content_length=str(len(webhook.body)))


def cut_in_letter(webhook: Webhook, rng: random.Random) -> Specimen:
    kept = webhook.body[: rng.randrange(1, len(webhook.body))]
    return webhook.received(kept + "狐".encode()[: rng.randint(1, 2)])


def kept_word(webhook: Webhook, rng: random.Random) -> Specimen:
    words = [
        b"[object Object]",
        b"undefined",
        b"null",
        b"None",
        b"System.Byte[]",
        b"<Buffer 7b 22 64 ... 900 more bytes>",
    ]
    return webhook.received(rng.choice(words))


LOST = [
    as_received("body_longer_than_length", "something after it", followed),
    *indicated(
        as_received("body_truncated", "cut", cut),
        as_received("body_truncated", "cut, with its length", cut_with_length),
        as_received("body_truncated", "cut within a letter", cut_in_letter),
        as_received("body_empty", "nothing", lambda webhook, _rng: webhook.received(b"")),
        as_received("body_not_kept", "a word", kept_word),
        on_the_way(
            "body_characters_lost", "to ASCII", raw(lambda body: body.decode("ascii", "replace").encode()), FOREIGN
        ),
        on_the_way(
            "body_characters_lost",
            "left out",
            text_to_bytes(lambda whole: whole.encode("cp1252", "ignore")),
            drawing(["déjà 狐"], LATIN, WIDE),
        ),
        *through_node(on_the_way("body_not_kept", "by Node", by_node("kept"), draw_node)),
    ),
]
DAMAGES = [*SPACE, *WRAPPED, *CHARACTERS, *LOST]
