"""A ticket gets what was found and its proof, as text that stays text, and nothing secret."""

import base64
import hashlib
import json
import re
from datetime import timedelta

import pytest

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.diagnosis import examine
from lamina_core.debugger.note import escape, thumbprint, write_note
from lamina_core.debugger.records import (
    Certainty,
    Change,
    Diagnosis,
    Examination,
    KeyMaterial,
    Specimen,
    Verdicts,
    specimen_from,
)

KEY = signing.SigningKey.from_seed("lamina-webhook-v1", bytes(range(32)))
DOCUMENT = {"data": {"executionId": "exec-1", "name": "Grüße", "rest": "PRIVATE-BODY-TEXT"}}
BODY = json.dumps(DOCUMENT, separators=(",", ":"), ensure_ascii=False).encode()
MATERIAL = KeyMaterial(keys=(KEY.public(),), origin="Lamina's key set, read 3 hours ago")
HOSTILE = "```\n# Not a title\n</code><script>x</script> ````` @team [a](https://example.com) `~~~"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.fixture
def timestamp(clock) -> str:
    return str(int(clock.now().timestamp()) - 40)


def specimen_of(timestamp: str, body: bytes, *, signed: bytes = BODY, more=(), **others) -> Specimen:
    headers = [
        ("X-Lamina-Webhook-Signature", KEY.sign(timestamp, signed)),
        ("x-lamina-webhook-timestamp", timestamp),
        ("Content-Length", str(len(body))),
        *more,
    ]
    return specimen_from(headers, body, **{"exact": True, "source": "a file", **others})


def proved(specimen: Specimen, *changes: Change) -> Examination:
    verdicts = Verdicts(True, (), False, None, None, 1, True, 40, None)
    causes = tuple(change.cause for change in changes)
    diagnosis = Diagnosis(causes, Certainty.VERIFIED, "explained", 2_418, 0.62, changes, KEY.public())
    return Examination(specimen, MATERIAL, verdicts, diagnosis)


def section(note: str, title: str) -> str:
    return note.partition(f"## {title}\n")[2].partition("\n## ")[0]


def visible(note: str) -> str:
    """Return what of the note is not in code: fenced blocks and code spans taken out as CommonMark reads them."""
    note = re.sub(r"^ {0,3}(`{3,})\w*\n.*?\n {0,3}\1`*$", "", note, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", note)


def test_a_reformatted_body_is_shown_with_its_proof_and_its_fix(clock, timestamp):
    changed = json.dumps(DOCUMENT, ensure_ascii=False).encode()
    change = Change("body_reformatted", "body", "signed: compact; at hand: blanks", changed, BODY)
    specimen = specimen_of(timestamp, changed, received_at=clock.now() - timedelta(seconds=38))
    note = write_note(proved(specimen, change), ["The request id is the id in the body."], "https://desk.example.com/x")
    assert note.startswith("# Lamina webhook: not authentic as received\n")
    for line in (
        "- **Well-formed: yes.**",
        "- **Authentic: no, not as received.** Held against 1 key: Lamina's key set, read 3 hours ago.",
        "- Examination: `https://desk.example.com/x`",
        f"- **{CAUSES['body_reformatted'].title}** `body_reformatted`, verified: "
        "exactly this change makes the signature hold.",
        f"- Body, first difference at byte 8 ({len(changed)} bytes at hand, {len(BODY)} signed): "
        "signed: compact; at hand: blanks",
        '  at hand  7b 22 64 61 74 61 22 3a 20 7b 22 65 78 65 63 75  {"data":·{"execu',
        '  signed   7b 22 64 61 74 61 22 3a 7b 22 65 78 65 63 75 74  {"data":{"execut',
        f"- {CAUSES['body_reformatted'].fix}",
        "2,418 combinations in 0.6 s.",
        "- Read from a file: the bytes as they were received.",
        f"- Body: {len(changed)} bytes, SHA-256 `{hashlib.sha256(changed).hexdigest()}`.",
        f"- Timestamp: `{timestamp}`, 2026-03-14 08:59:20 UTC.",
        "- Received: 2026-03-14 08:59:22 UTC.",
        f"- It verifies with key `lamina-webhook-v1`, fingerprint (RFC 7638) `{thumbprint(KEY.public())}`.",
        "- The request id is the id in the body.",
    ):
        assert line in note.splitlines(), line
    assert "PRIVATE" not in note


def test_real_examinations_are_written_down(clock, timestamp):
    good = examine(specimen_of(timestamp, BODY), MATERIAL, clock)
    note = write_note(good)
    assert note.startswith("# Lamina webhook: authentic and fresh\n")
    assert "By key 1 of 1: Lamina's key set, read 3 hours ago." in note
    assert "Signed 40 s ago by the clock here; 300 s are accepted either way." in note
    assert "## Cause" not in note
    late = examine(specimen_of(timestamp, BODY, received_at=clock.advance(3_600)), MATERIAL, clock)
    note = write_note(late)
    assert note.startswith("# Lamina webhook: authentic, but not fresh\n")
    assert "Signed 1 h 1 min before it was received, 1 h 1 min ago by the clock here" in note
    assert "`stale_timestamp`, verified.\n" in section(note, "Cause")
    assert "The signature holds over these bytes." in section(note, "Cause")
    forged = write_note(examine(specimen_of(timestamp, b"[]", exact=False), MATERIAL, clock))
    tried = section(forged, "What was tried")
    assert re.search(r"^[\d,]+ combinations in \d\.\d s\.", tried.strip())
    assert "**Ruled out**" in tried
    assert "- A forged request." in tried
    assert "pasted text, which cannot prove its bytes equal" in forged
    cut = write_note(examine(Specimen(signature="00" * 63, timestamp="9" * 20, body=BODY), MATERIAL, clock))
    assert "`signature_cut`, indicated: nothing makes it hold, but the evidence points there." in cut
    assert f"- Timestamp: `{'9' * 20}`, no Unix seconds of our time." in cut
    empty = write_note(examine(Specimen(), KeyMaterial(), clock))
    assert "- Timestamp: none." in empty
    assert "The timestamp cannot be read." in empty


def test_headers_of_others_and_secrets_stay_out(timestamp):
    secrets = [
        ("Authorization", "Bearer header-secret"),
        ("Cookie", "session=header-secret"),
        ("X-Api-Key", "header-secret"),
        ("X-Forwarded-For", "192.0.2.1 header-secret"),
        ("X-Lamina-Api-Key", "header-secret"),
        ("Content-Type", f"application/json; token={JWT}"),
        ("User-Agent", "Lamina/1.0 lma_0123456789abcdef"),
    ]
    specimen = specimen_of(timestamp, BODY, more=secrets, source=f"a curl command with {JWT}", remarks=[f"saw {JWT}"])
    change = Change("body_trimmed", "body", f"signed: {JWT}", BODY, BODY + b"\n")
    note = write_note(proved(specimen, change), [f"A fact: {JWT}"])
    assert "header-secret" not in note
    assert JWT[:40] not in note
    assert "0123456789abcdef" not in note
    for kept in ("`X-Lamina-Webhook-Signature`", "`User-Agent`: `Lamina/1.0 ", "`Content-Type`", "`Content-Length`"):
        assert kept in note


@pytest.mark.parametrize("secret", [JWT, "ada@example.com", "lma_0123456789abcdef", "sk_live_0123456789abcdef01"])
def test_a_difference_within_a_secret_is_not_shown(timestamp, secret):
    given = json.dumps({"text": f"by {secret} now"}).encode()
    place = given.index(secret.encode()) + len(secret) // 2
    signed = given[:place] + b"?" + given[place + 1 :]
    for change in (
        Change("body_mojibake", "body", "", given, signed),
        Change("body_mojibake", "body", "", signed, given),
    ):
        note = write_note(proved(specimen_of(timestamp, given), change))
        assert f"first difference at byte {place}" in note
        assert "look like something secret or personal and are left out" in note
        assert given[place - 4 : place].hex(" ") not in note
        assert given[place - 4 : place].decode() not in section(note, "Cause")


def test_line_ends_at_the_edge_of_what_is_shown_hide_nothing(timestamp):
    for between in range(24):
        rest = b"x" * between + b"\r\n" + b"y" * 30
        change = Change("body_trimmed", "body", "", rest[::-1] + b"!" + rest, rest[::-1] + b"?" + rest)
        assert "left out" not in write_note(proved(specimen_of(timestamp, b""), change))


def test_a_private_key_is_warned_of(clock, timestamp):
    material = KeyMaterial(keys=(KEY.public(),), holds_private=True)
    note = write_note(examine(specimen_of(timestamp, BODY), material, clock))
    assert "**A private key was pasted.** It is not in this note" in note
    assert KEY.private.private_bytes_raw().hex() not in note


def test_hostile_text_stays_code(timestamp):
    key = signing.PublicKey(HOSTILE, KEY.public().raw)
    specimen = specimen_from(
        [("X-Lamina-Webhook-Request-Id", HOSTILE), ("User-Agent", HOSTILE), ("Content-Type", HOSTILE)],
        HOSTILE.encode(),
        exact=False,
        source=HOSTILE,
        remarks=[HOSTILE],
    )
    specimen = Specimen(**{**vars(specimen), "timestamp": HOSTILE, "signature": HOSTILE})
    verdicts = Verdicts(False, (HOSTILE,), False, None, None, 1, False, None, None)
    change = Change("body_trimmed", "body", HOSTILE, HOSTILE.encode(), b"\n```\n" + HOSTILE.encode())
    for changes in ((change,), ()):
        diagnosis = Diagnosis(
            ("body_trimmed",), Certainty.VERIFIED, HOSTILE, 1, 0.1, changes, key, (HOSTILE,), (HOSTILE,), (HOSTILE,)
        )
        material = KeyMaterial(keys=(key,), origin=HOSTILE, remarks=(HOSTILE,))
        facts = [HOSTILE, "www.example.com", "see www.example.com", "https://example.com/x", "- x", "ada@example.com"]
        note = write_note(Examination(specimen, material, verdicts, diagnosis), facts, HOSTILE)
        shown = visible(note)
        assert "Not a title" in note
        for sign in ("Not a title", "script", "@team", "example.com", "](", "~~~", "`", "<", "- - "):
            assert sign not in shown, sign


def test_the_note_stays_short_whatever_comes_in(clock):
    headers = [("X-Lamina-Webhook-Request-Id", "x" * 10_000)] * 10_000
    specimen = specimen_from(headers, bytes(2_000_000), exact=True, source="s" * 100_000, remarks=["r" * 9_000] * 500)
    verdicts = Verdicts(False, ("p" * 100_000,), False, None, None, 500, False, 10**20, -(10**20))
    diagnosis = Diagnosis(("body_trimmed",), Certainty.INDICATED, "e" * 100_000, 1, 0.1, ruled_out=("o",) * 1_000)
    material = KeyMaterial(keys=(KEY.public(),) * 500)
    note = write_note(Examination(specimen, material, verdicts, diagnosis), ["f" * 9_000] * 500)
    assert len(note) < 40_000
    assert "- 495 more keys were tried." in note
    assert "- 980 more" in note


def test_fingerprint_is_that_of_the_standard():
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")  # RFC 8037, appendix A.3
    assert thumbprint(signing.PublicKey("any", raw)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_prose_of_ours_reads_as_it_is_written():
    assert escape("\\u and \\/ of `<a>.<b>` & [object] *") == "\\\\u and \\\\/ of `<a>.<b>` \\& \\[object\\] \\*"
