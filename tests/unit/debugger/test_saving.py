"""What operators save can be opened by its token as it was, holds no secret, and is bounded; deliveries open too."""

import hashlib
import json
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lamina_core import errors, signing
from lamina_core.bodies import BODY_LIMIT
from lamina_core.debugger import saving as module
from lamina_core.debugger.records import KeyMaterial, MendedKey, Specimen, specimen_from
from lamina_core.debugger.saving import SavedWebhooks
from lamina_core.domain import Verdict
from lamina_core.signing import SigningKey
from lamina_core.store import deliveries
from lamina_core.store.deliveries import Arrival
from lamina_core.store.tables import SavedWebhookTable

KEYS = [SigningKey.from_seed(f"k-{number}", bytes([number]) * 32).public() for number in range(1, 5)]
MATERIAL = KeyMaterial(keys=(KEYS[0], replace(KEYS[1], key_id=None)), origin="a pasted JWKS")
SPECIMEN = Specimen(
    signature="AB" * 64,
    timestamp="1773478800",
    body=b'\x00{"a": "\xff\xc3\xa9"}\r\n',
    request_id="e-1",
    user_id="user-1",
    headers=((signing.SIGNATURE_HEADER.upper(), "AB" * 64), ("Content-Length", "17"), ("content-length", "99")),
    exact=True,
    source="a curl command",
)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PRIVATE_JWK = json.dumps(
    {"kty": "OKP", "crv": "Ed25519", "d": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "x": "A" * 43}
)


@pytest.fixture
def saved(engines, writer, clock, rng) -> SavedWebhooks:
    return SavedWebhooks(engines, writer, clock, rng)


def count(engines) -> int:
    with engines.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(SavedWebhookTable)).scalar_one()


def stored(engines) -> str:
    """All that the store holds of saved webhooks, and of what was done."""
    with engines.reading() as connection:
        rows = [*connection.execute(sa.text("SELECT * FROM saved_webhook"))]
        return repr(rows) + repr([*connection.execute(sa.text("SELECT * FROM event"))])


def test_what_is_saved_opens_as_it_was(saved, clock, ada):
    received = replace(SPECIMEN, received_at=clock.now())
    token = saved.save(ada, received, MATERIAL, "An order of today", "see ticket 7")
    specimen, material = saved.open(token)
    assert specimen == received
    assert material == replace(MATERIAL, origin="the keys that were saved with it")
    (entry,) = saved.newest()
    assert (entry.token, entry.title, entry.note) == (token, "An order of today", "see ticket 7")
    assert (entry.saved_by, entry.saved_at) == ("Ada", clock.now())


def test_parts_that_are_missing_stay_so(saved, ada):
    bare = Specimen()
    assert saved.open(saved.save(ada, bare, KeyMaterial(problem="no_key"), "t", ""))[0] == bare


def test_all_that_the_cause_hangs_on_is_kept_of_the_keys(saved, ada):
    material = KeyMaterial(
        mended=(MendedKey(KEYS[0], "key_hex", "it is in hex"),),
        others=((KEYS[1], "Lamina's present set"), (KEYS[2], "an earlier set of Lamina's")),
        problem="key_unusable",
    )
    _, found = saved.open(saved.save(ada, SPECIMEN, material, "t", ""))
    assert found == replace(material, origin=found.origin)


def test_tokens_are_random_and_open_nothing_else(saved, ada):
    tokens = {saved.save(ada, SPECIMEN, MATERIAL, "t", "") for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) == 32 and token.isalnum() and token.isascii() for token in tokens)
    for wrong in (
        "",
        "0" * 32,
        "\x00",
        "\ud800",
        next(iter(tokens))[:-1],
        next(iter(tokens)).upper(),
        "%",
        "x" * 10**6,
    ):
        assert saved.open(wrong) is None, wrong


def test_headers_that_an_examination_may_need_are_kept_in_their_order(saved, ada):
    names = (
        *("X-Lamina-Webhook-Timestamp", "x-lamina-anything", "Content-Type", "CONTENT-ENCODING", "User-Agent", "Date"),
        *("X-Hub-Signature-256", "Svix-Timestamp", "webhook-signature", "Date"),
    )
    headers = tuple((name, f"value {place}") for place, name in enumerate(names))
    specimen = specimen_from(headers, b"", exact=True, source="s")
    assert saved.open(saved.save(ada, specimen, MATERIAL, "t", ""))[0].headers == headers


def test_other_headers_are_not_stored(saved, engines, ada):
    names = (
        *("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth", "X-Forwarded-For"),
        *("X-Lamina-Api-Key", "X-Lamina-Token", "X-Amz-Security-Token", "X-Token-Signature", "Content-Session"),
        *("X-Secret-Timestamp", "x-user-agent", "Dates", "Host", ""),
    )
    headers = [("Date", "today"), *((name, "h1dden") for name in names)]
    specimen = specimen_from(headers, b"", exact=True, source="s")
    assert saved.open(saved.save(ada, specimen, MATERIAL, "t", ""))[0].headers == (("Date", "today"),)
    assert "h1dden" not in stored(engines)


def test_a_key_of_lamina_s_in_a_header_is_blanked(saved, engines, ada):
    specimen = specimen_from([("User-Agent", "probe lma_0123456789")], b"", exact=True, source="s")
    saved.save(ada, specimen, MATERIAL, "t", "")
    assert "lma_0123456789" not in stored(engines)


def test_of_a_private_key_only_the_warning_and_the_public_half_are_kept(saved, engines, ada):
    public = signing.PublicKey(None, PRIVATE.public_key().public_bytes_raw())
    seed = PRIVATE.private_bytes_raw()
    material = KeyMaterial(
        mended=(MendedKey(public, "key_private", f"read from {seed.hex()}"),),
        origin=f"a pasted key {seed.hex()}",
        remarks=(f"seed {seed.hex()}",),
        holds_private=True,
    )
    _, found = saved.open(saved.save(ada, SPECIMEN, material, "t", ""))
    assert (found.holds_private, found.mended[0].key, found.mended[0].cause) == (True, public, "key_private")
    assert seed.hex() not in stored(engines)


@pytest.mark.parametrize("place", ["body", "signature", "request_id", "headers", "source", "title", "note", "key id"])
def test_a_private_key_is_refused_wherever_it_stands(saved, engines, ada, place):
    for secret in (PEM, PRIVATE_JWK, json.dumps(PEM), json.dumps(PRIVATE_JWK)):
        given = {"specimen": SPECIMEN, "material": MATERIAL, "title": "t", "note": ""}
        if place == "body":
            given["specimen"] = replace(SPECIMEN, body=b"x" * 100_000 + secret.encode())
        elif place == "headers":
            given["specimen"] = replace(SPECIMEN, headers=(("Content-Type", secret),))
        elif place == "key id":
            given["material"] = KeyMaterial(keys=(replace(KEYS[0], key_id=secret),))
        elif place in given:
            given[place] = secret
        else:
            given["specimen"] = replace(SPECIMEN, **{place: secret})
        with pytest.raises(errors.OperationRefused, match="holds a private key"):
            saved.save(ada, **given)
    assert count(engines) == 0


def test_a_body_of_exactly_the_limit_is_saved_and_a_larger_one_refused(saved, ada):
    full = replace(SPECIMEN, body=b"\xff" * BODY_LIMIT)
    assert saved.open(saved.save(ada, full, MATERIAL, "t", ""))[0].body == full.body
    with pytest.raises(errors.OperationRefused, match="1,000,001 bytes"):
        saved.save(ada, replace(full, body=full.body + b"x"), MATERIAL, "t", "")


def test_what_is_too_large_is_refused_in_words(saved, engines, ada):
    too_large = (
        {"signature": "ab" * 500_000},
        {"timestamp": "1" * 4_001},
        {"request_id": "1" * 4_001},
        {"user_id": "1" * 4_001},
        {"headers": (("Content-Type", "x" * 1_000_000),)},
        {"headers": (("X-Lamina-" + "x" * 1_000_000, "x"),)},
        {"headers": (("Date", "x"),) * 101},
    )
    given = {"specimen": SPECIMEN, "material": MATERIAL, "title": "t", "note": ""}
    wrong = (
        *({"specimen": replace(SPECIMEN, **changes)} for changes in too_large),
        *({"title": title} for title in ("x" * 201, "  ", "")),
        {"note": "x" * 2_001},
        {"material": KeyMaterial(keys=(KEYS[0],) * 101)},
        {"material": KeyMaterial(others=((KEYS[0], "w"),) * 101)},
        {"material": KeyMaterial(keys=(replace(KEYS[0], key_id="x" * 1_000_000),))},
    )
    for changes in wrong:
        with pytest.raises(errors.OperationRefused, match=r"saved|Give it a title") as refused:
            saved.save(ada, **given | changes)
        assert len(str(refused.value)) < 200
    assert count(engines) == 0


@pytest.mark.parametrize(
    "body", [b'"d"' * 300_000, b'"d"' + b" " * 900_000, b'kty "d' + b"\\" * 900_000, b"-" * 900_000]
)
def test_hostile_bodies_and_ten_thousand_headers_are_no_work(saved, ada, body):
    headers = tuple((f"X-{number}", "y" * 500) for number in range(10_000))
    began = time.process_time()
    token = saved.save(ada, replace(SPECIMEN, body=body, headers=headers), MATERIAL, "t", "")
    assert time.process_time() - began < 2
    assert saved.open(token)[0].headers == ()


def test_texts_that_no_database_holds_are_saved_all_the_same(saved, ada):
    odd = replace(
        SPECIMEN, signature="a\x00\ud800", headers=(("Date", "\x00\ud800"),), source="\x00", request_id="\udfff"
    )
    keys = KeyMaterial(keys=(replace(KEYS[0], key_id="\x00\ud800"),), others=((KEYS[1], "\x00"),))
    specimen, material = saved.open(saved.save(ada, odd, keys, "\x00 title", "\ud800"))
    assert specimen.signature.startswith("a")
    assert material.keys[0].raw == KEYS[0].raw


def test_who_may_save_and_delete(saved, trail, viewer, ada, bob, admin):
    with pytest.raises(errors.OperationRefused, match="needs the role operator"):
        saved.save(viewer, SPECIMEN, MATERIAL, "t", "")
    first, second = (saved.save(ada, SPECIMEN, MATERIAL, title, "") for title in ("one", "two"))
    for other, words in ((viewer, "needs the role operator"), (bob, "Ada saved it")):
        with pytest.raises(errors.OperationRefused, match=words):
            saved.delete(other, first)
    assert [entry.title for entry in saved.newest()] == ["two", "one"]
    saved.delete(ada, first)
    saved.delete(admin, second)
    assert (saved.open(first), saved.open(second), saved.newest()) == (None, None, ())
    for gone in (first, "0" * 32, "\x00"):
        with pytest.raises(errors.OperationRefused, match="no saved webhook"):
            saved.delete(admin, gone)
    assert [(kind, actor, detail["title"]) for kind, actor, detail in trail()] == [
        ("webhook_saved", "Ada", "one"),
        ("webhook_saved", "Ada", "two"),
        ("webhook_deleted", "Ada", "one"),
        ("webhook_deleted", "Root", "two"),
    ]
    assert not any(token in str(trail()) for token in (first, second))


def test_a_store_keeps_so_many_and_refuses_more(saved, engines, writer, ada, trail):
    token = saved.save(ada, SPECIMEN, MATERIAL, "t", "")
    with engines.reading() as connection:
        row = dict(connection.execute(sa.select(SavedWebhookTable)).one()._mapping)
    more = [row | {"id": number, "token": f"{number:032x}"} for number in range(2, module.LIMIT + 1)]
    writer.run(lambda connection: connection.execute(sa.insert(SavedWebhookTable), more))
    other = SavedWebhooks(engines, writer, saved._clock, saved._rng)
    with pytest.raises(errors.OperationRefused, match="500 webhooks are saved already"):
        other.save(ada, SPECIMEN, MATERIAL, "t", "")
    assert (count(engines), len(saved.newest()), len(trail())) == (module.LIMIT, module.LISTED, 1)
    saved.delete(ada, token)


def test_nothing_is_stored_by_opening_or_by_a_refusal(saved, engines, ada, trail):
    saved.open("0" * 32)
    with pytest.raises(errors.OperationRefused):
        saved.save(ada, SPECIMEN, MATERIAL, "", "")
    assert (count(engines), trail()) == (0, [])


# Stored deliveries


def keep(writer, clock, body: bytes, verdict=Verdict.REJECTED) -> int:
    headers = {signing.SIGNATURE_HEADER: "ab" * 64, signing.TIMESTAMP_HEADER: "1773478800", "Content-Length": "9"}
    digest = hashlib.sha256(body).hexdigest() if body else ""
    arrival = Arrival(clock.now(), verdict, "not_verified", 401, "e-1", None, headers, body, digest, "t" * 32)
    return writer.run(lambda connection: deliveries.insert(connection, arrival))


@pytest.mark.parametrize("verdict", Verdict)
def test_a_stored_delivery_opens_with_its_exact_bytes(saved, writer, clock, verdict):
    row_id = keep(writer, clock, b"\x00\xff{}", verdict)
    found = saved.open_delivery(row_id)
    assert (found.body, found.exact, found.received_at) == (b"\x00\xff{}", True, clock.now())
    assert (found.signature, found.timestamp, found.request_id) == ("ab" * 64, "1773478800", None)
    assert (found.source, found.remarks) == (f"delivery {row_id}", ())
    assert "t" * 32 not in repr(found), "the start's token stays"


def test_a_delivery_whose_body_was_not_kept_claims_no_bytes(saved, writer, clock):
    found = saved.open_delivery(keep(writer, clock, b""))
    assert (found.body, found.exact) == (b"", False)
    assert "No body is stored" in found.remarks[0]


@pytest.mark.parametrize("number", [0, -1, 5, 10**17])
def test_a_delivery_that_is_not_there_is_none(saved, number):
    assert saved.open_delivery(number) is None
