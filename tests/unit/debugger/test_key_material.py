"""Keys in every form that people paste, made by OpenSSL, Node, ssh-keygen and cryptography; and all that is no key."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as some

from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.keys.material import live_material, read_keys, with_others
from lamina_core.debugger.records import KeyMaterial
from lamina_core.signing import PublicKey, SigningKey, to_jwk

NODE_SCRIPT = """
const { generateKeyPairSync } = require("node:crypto");
const made = { publicKey: {}, privateKey: {} };
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const text = (out) => Buffer.isBuffer(out) ? out.toString("hex") : out;
const write = (key, options) => text(key.export(options));
made.jwk = publicKey.export({ format: "jwk" });
made.privateJwk = privateKey.export({ format: "jwk" });
made.pem = write(publicKey, { format: "pem", type: "spki" });
made.der = write(publicKey, { format: "der", type: "spki" });
made.privatePem = write(privateKey, { format: "pem", type: "pkcs8" });
made.privateDer = write(privateKey, { format: "der", type: "pkcs8" });
for (const [name, type, options] of [["rsa", "rsa", { modulusLength: 2048 }], ["ec", "ec", { namedCurve: "P-256" }],
                                     ["x25519", "x25519", {}], ["ed448", "ed448", {}]]) {
  const other = generateKeyPairSync(type, options);
  made[name] = { jwk: other.publicKey.export({ format: "jwk" }), privateJwk: other.privateKey.export({ format: "jwk" }),
                 pem: write(other.publicKey, { format: "pem", type: "spki" }),
                 privatePem: write(other.privateKey, { format: "pem", type: "pkcs8" }) };
}
console.log(JSON.stringify(made));
"""


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True, timeout=60).stdout


@dataclass(frozen=True)
class Pair:
    """A key pair in the forms that its maker writes."""

    raw: bytes
    seed: bytes
    pem: str
    der: bytes
    private_pem: str
    private_der: bytes


@pytest.fixture(scope="session")
def node() -> dict:
    """What Node's crypto makes, all keys random."""
    if not shutil.which("node"):
        reason = "no node found; on Debian: apt-get install nodejs"
        pytest.fail(reason) if os.environ.get("REQUIRE_NODE") == "1" else pytest.skip(reason)
    made = subprocess.run(["node", "-e", NODE_SCRIPT], capture_output=True, check=True, timeout=60).stdout
    return json.loads(made)


def from_openssl() -> Pair:
    private_pem = openssl("genpkey", "-algorithm", "ed25519")
    private_der = openssl("pkey", "-outform", "DER", given=private_pem)
    der = openssl("pkey", "-pubout", "-outform", "DER", given=private_pem)
    pem = openssl("pkey", "-pubout", given=private_pem)
    return Pair(der[-32:], private_der[-32:], pem.decode(), der, private_pem.decode(), private_der)


def from_cryptography() -> Pair:
    key = Ed25519PrivateKey.generate()
    public, plain = key.public_key(), form.NoEncryption()
    spki, pkcs8 = form.PublicFormat.SubjectPublicKeyInfo, form.PrivateFormat.PKCS8
    return Pair(
        public.public_bytes_raw(),
        key.private_bytes_raw(),
        public.public_bytes(form.Encoding.PEM, spki).decode(),
        public.public_bytes(form.Encoding.DER, spki),
        key.private_bytes(form.Encoding.PEM, pkcs8, plain).decode(),
        key.private_bytes(form.Encoding.DER, pkcs8, plain),
    )


@pytest.fixture(scope="module", params=["openssl", "node", "cryptography"])
def pair(request) -> Pair:
    if request.param == "node":
        made = request.getfixturevalue("node")
        der, private = bytes.fromhex(made["der"]), bytes.fromhex(made["privateDer"])
        return Pair(der[-32:], private[-32:], made["pem"], der, made["privatePem"], private)
    return from_openssl() if request.param == "openssl" else from_cryptography()


def raws(material: KeyMaterial) -> list[bytes]:
    return [key.raw for key in material.keys]


def causes(material: KeyMaterial, raw: bytes) -> list[str]:
    """Return the causes under which a key is mended."""
    return [mended.cause for mended in material.mended if mended.key.raw == raw]


def hides(material: KeyMaterial, secret: bytes) -> bool:
    """Say whether none of a secret's spellings is in what came back."""
    shown = repr(material)
    spellings = [secret.hex(), secret.hex().upper(), b64(secret), b64url(secret), b64(secret)[:40], repr(secret)[2:-1]]
    return not any(spelling in shown for spelling in spellings)


# Accepted as it is


def test_spki_is_taken_as_it_is(pair):
    hexed = pair.der.hex()
    for pasted in (
        *(pair.pem, pair.pem.encode(), pair.pem.replace("\n", "\r\n"), f"\n\n {pair.pem}\n\n", "A note.\n" + pair.pem),
        *(pair.der, b64(pair.der), b64url(pair.der), b64(pair.der).encode() + b"\n", hexed, hexed.upper()),
    ):
        material = read_keys(pasted)
        assert (raws(material), material.problem, material.remarks) == ([pair.raw], None, ()), pasted
        assert (material.mended, material.holds_private) == ((), False)


def test_32_raw_bytes_are_a_public_key_or_a_seed(pair):
    from_seed = SigningKey.from_seed("", pair.raw).public().raw
    digits = pair.raw.hex()
    for pasted in (pair.raw, b64(pair.raw), b64url(pair.raw), digits, digits.upper(), f"  {b64(pair.raw)}\r\n"):
        material = read_keys(pasted)
        assert (raws(material), material.problem) == ([pair.raw], None)
        assert causes(material, from_seed) == ["key_private"]
        assert (len(material.mended), material.holds_private, material.remarks) == (1, False, ())


def test_a_jwk_of_node_is_taken_in_every_wrapping(node):
    jwk, raw = node["jwk"], bytes.fromhex(node["der"])[-32:]
    other = to_jwk(SigningKey.from_seed("k-2", bytes(range(32))).public())
    named = jwk | {"kid": "k-1", "use": "sig", "alg": "EdDSA"}
    for document in (jwk, named, {"keys": [named, other]}, [named, other], {"data": {"keys": [named, other]}}):
        for text in (json.dumps(document), json.dumps(document, indent=2), json.dumps(document).encode()):
            material = read_keys(text)
            assert raws(material)[0] == raw
            assert (material.problem, material.mended, material.remarks) == (None, (), ())
    assert [key.key_id for key in read_keys(json.dumps({"keys": [named, other]})).keys] == ["k-1", "k-2"]
    assert read_keys(json.dumps(jwk)).keys[0].key_id is None


def test_one_padding_character_in_a_jwk_is_tolerated_as_in_the_receiver():
    jwk = to_jwk(SigningKey.from_seed("k", bytes(32)).public())
    assert len(read_keys(json.dumps(jwk | {"x": jwk["x"] + "="})).keys) == 1


def test_several_keys_may_stand_one_a_line(pair):
    other = SigningKey.from_seed("k", bytes(range(32))).public().raw
    assert raws(read_keys(f"# ours\n{b64(pair.raw)}\n\n{other.hex()}\n")) == [pair.raw, other]
    assert raws(read_keys(f"{b64(pair.der)}\n{b64url(other)}")) == [pair.raw, other]
    assert raws(read_keys(pair.pem + pair.pem + from_openssl().pem))[:2] == [pair.raw, pair.raw]


def test_an_answer_with_its_headers_is_read(node):
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{json.dumps({'keys': [node['jwk']]})}\n"
    material = read_keys(answer)
    assert (len(material.keys), material.remarks) == (1, ("What stands around the JSON was left out.",))


def test_the_origin_says_how_the_key_was_read(pair):
    assert read_keys(pair.pem).origin == "the pasted key, read as PEM"
    assert read_keys(pair.raw.hex()).origin == "the pasted key, read as 32 bytes in hex"
    assert read_keys(b64(pair.der) + "\n" + pair.der.hex()).origin == (
        f"the pasted keys, read as SPKI (DER) in {'base64' if re.search('[+/=]', b64(pair.der)) else 'base64url'}, "
        "SPKI (DER) in hex"
    )


@pytest.fixture(scope="module")
def ssh(tmp_path_factory) -> Path:
    """A folder with key files of ssh-keygen."""
    assert shutil.which("ssh-keygen"), "these tests need ssh-keygen; on Debian: apt-get install openssh-client"
    folder = tmp_path_factory.mktemp("ssh")
    for name, kind, password in (("id", "ed25519", ""), ("locked", "ed25519", "secret"), ("rsa", "rsa", "")):
        arguments = ["-q", "-t", kind, "-N", password, "-C", "ops@example.com", "-f", str(folder / name)]
        subprocess.run(["ssh-keygen", *arguments], check=True, timeout=60)
    return folder


def ssh_public(path: Path) -> bytes:
    return form.load_ssh_public_key(path.read_bytes()).public_bytes_raw()


def test_a_public_key_of_ssh_is_taken(ssh):
    material = read_keys((ssh / "id.pub").read_text())
    assert (raws(material), material.problem, material.holds_private) == ([ssh_public(ssh / "id.pub")], None, False)


@pytest.mark.parametrize("name", ["id", "locked"])
def test_a_private_key_of_ssh_gives_its_public_half(ssh, name):
    pasted = (ssh / name).read_bytes()
    material = read_keys(pasted)
    assert causes(material, ssh_public(ssh / f"{name}.pub")) == ["key_private"]
    assert (material.keys, material.problem, material.holds_private) == ((), "key_unusable", True)
    if name == "id":
        assert hides(material, form.load_ssh_private_key(pasted, None).private_bytes_raw())


def test_an_rsa_key_of_ssh_is_named(ssh):
    assert "What was given is an RSA key of SSH." in read_keys((ssh / "rsa.pub").read_text()).remarks
    material = read_keys((ssh / "rsa").read_text())
    assert (material.holds_private, material.mended) == (True, ())


# Readable only after a change


MANGLED = {
    "escaped": lambda pem: pem.strip().replace("\n", "\\n"),
    "escaped CRLF": lambda pem: pem.strip().replace("\n", "\\r\\n"),
    "blanks": lambda pem: pem.strip().replace("\n", " "),
    "one line": lambda pem: pem.strip().replace("\n", ""),
    "no blank at all": lambda pem: re.sub(r"\s", "", pem),
    "JSON string": json.dumps,
    "quoted": lambda pem: f"LAMINA_KEY='{pem.strip()}'",
    "indented": lambda pem: "\n".join(f"    {line}" for line in ["key: |", *pem.splitlines()]),
    "source code": lambda pem: '"' + pem.strip().replace("\n", '\\n" +\n  "') + '"',
    "without its end": lambda pem: pem.partition("-----END")[0],
    "long dashes": lambda pem: pem.replace("-----", "—–-"),
    "in base64": lambda pem: b64(pem.encode()),
}


@pytest.mark.parametrize("way", MANGLED)
def test_a_mangled_pem_is_mended(pair, way):
    material = read_keys(MANGLED[way](pair.pem))
    assert causes(material, pair.raw) == ["key_decorated"]
    assert (material.keys, material.problem) == ((), "key_unusable")


@pytest.mark.parametrize(
    "around", ['"{}"', "'{}'", "whpk_{}", "ed25519:{}", "KEY={}", "PUBLIC_KEY = '{}';", "`{}`,", "{}\\n"]
)
def test_a_decorated_key_is_mended(pair, around):
    for text in (b64(pair.raw), b64url(pair.raw), pair.raw.hex(), b64(pair.der)):
        material = read_keys(around.format(text))
        assert causes(material, pair.raw) == ["key_decorated"], text
        assert (material.keys, material.problem) == ((), "key_unusable")


def test_hex_of_other_manners_is_mended(pair):
    printed = openssl("pkey", "-pubin", "-text", "-noout", given=pair.pem.encode()).decode()
    for text in ("0x" + pair.raw.hex(), pair.raw.hex(":"), pair.raw.hex(" ").upper(), printed):
        assert causes(read_keys(text), pair.raw) == ["key_decorated"], text


def test_a_line_end_after_raw_bytes_is_mended(pair):
    for raw in (pair.raw, pair.der):
        for end in (b"\n", b"\r\n"):
            assert causes(read_keys(raw + end), pair.raw) == ["key_decorated"]


@pytest.mark.parametrize("last", [b"\r", b"\n"])
def test_a_key_that_ends_as_a_line_does_is_read_with_a_line_end_too(last):
    seeds = (number.to_bytes(32, "big") for number in range(10_000))
    raw = next(raw for seed in seeds if (raw := SigningKey.from_seed("", seed).public().raw).endswith(last))
    assert raws(read_keys(raw)) == [raw]
    for end in (b"\n", b"\r\n"):
        assert causes(read_keys(raw + end), raw) == ["key_decorated"]


@pytest.mark.parametrize("first", ["_", "-"])
def test_a_key_that_begins_as_a_prefix_ends_is_told_from_it(first):
    seeds = (number.to_bytes(32, "big") for number in range(10_000))
    raw = next(raw for seed in seeds if b64url(raw := SigningKey.from_seed("", seed).public().raw).startswith(first))
    for around in ("whpk_{}", "ed25519:{}", "KEY={}", "public-key: {}"):
        assert causes(read_keys(around.format(b64url(raw))), raw) == ["key_decorated"]


def test_base64_of_base64_is_mended(pair):
    assert causes(read_keys(b64(b64(pair.raw).encode())), pair.raw) == ["key_decorated"]


def jwk_of(x: object, **more: object) -> str:
    return json.dumps({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k-9", **more})


def test_a_jwk_with_an_x_of_another_kind_is_mended(pair):
    forms = {
        "key_hex": [pair.raw.hex(), pair.raw.hex().upper()],
        "key_spki": [b64(pair.der), b64url(pair.der), pair.der.hex(), pair.pem],
        "key_decorated": [
            *(f" {b64url(pair.raw)}", f'"{b64url(pair.raw)}"', f"{b64url(pair.raw)}\\n", f"{b64url(pair.raw)}\n"),
            *(f"whpk_{b64url(pair.raw)}", f"ed25519:{b64(pair.raw)}"),
        ],
        "key_standard_base64": [b64url(pair.raw) + "=="],
    }
    for cause, texts in forms.items():
        for x in texts:
            material = read_keys(jwk_of(x))
            assert [(mended.key, mended.cause) for mended in material.mended] == [
                (PublicKey("k-9", pair.raw), cause)
            ], x
            assert (material.keys, material.problem, material.holds_private) == ((), "key_unusable", False)


@settings(deadline=None)
@given(some.binary(min_size=32, max_size=32))
def test_standard_base64_in_a_jwk_is_usable_only_where_it_is_base64url_too(seed):
    raw = SigningKey.from_seed("", seed).public().raw
    for x in (b64(raw), b64(raw).rstrip("=")):
        material = read_keys(jwk_of(x))
        if re.search("[+/]", x):
            assert (material.keys, causes(material, raw)) == ((), ["key_standard_base64"])
        else:
            assert (raws(material), material.mended) == ([raw], ())


@settings(deadline=None)
@given(some.binary(min_size=32, max_size=32))
def test_any_key_is_read_in_every_plain_form(seed):
    key = SigningKey.from_seed("k", seed).public()
    spki = form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo
    der = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(*spki)
    for pasted in (key.raw, key.raw.hex(), b64(key.raw), b64url(key.raw), der, b64(der), json.dumps(to_jwk(key))):
        assert raws(read_keys(pasted)) == [key.raw]


LOOSE = {
    "Python": str,
    "JSON string": lambda keys: json.dumps(json.dumps(keys)),
    "escaped": lambda keys: json.dumps(keys).replace('"', '\\"'),
    "smart quotes": lambda keys: json.dumps(keys).replace('"', "“"),
    "JavaScript": lambda keys: re.sub(r'"(\w+)":', r"\1:", json.dumps(keys)).replace('"', "'").replace("}", ",}"),
}


@pytest.mark.parametrize("way", LOOSE)
def test_a_set_that_is_not_quite_json_is_mended(node, way):
    material = read_keys(LOOSE[way]({"keys": [node["jwk"] | {"kid": "k-1", "ext": True}]}))
    (mended,) = material.mended
    assert (mended.key.raw, mended.key.key_id, mended.cause) == (
        bytes.fromhex(node["der"])[-32:],
        "k-1",
        "key_decorated",
    )
    assert (material.keys, material.problem) == ((), "key_unusable")


def test_a_pem_inside_json_is_mended(node):
    document = {"data": {"publicKey": node["pem"], "name": "production"}}
    assert causes(read_keys(json.dumps(document)), bytes.fromhex(node["der"])[-32:]) == ["key_decorated"]


def test_a_key_set_in_utf_16_as_windows_writes_it_is_read(node):
    assert len(read_keys(json.dumps({"keys": [node["jwk"]]}).encode("utf-16")).keys) == 1


# Private keys


def test_a_private_key_warns_and_gives_its_public_half(pair):
    whole = pair.seed + pair.raw
    for pasted in (
        *(pair.private_pem, pair.private_der, b64(pair.private_der), pair.private_der.hex()),
        *(json.dumps(pair.private_pem), pair.private_pem.replace("\n", "\\n"), b64(pair.private_pem.encode())),
        *(whole, b64(whole), b64url(whole), whole.hex(), f"whsk_{b64(whole)}", f"whsk_{b64(pair.seed)}"),
        *(f"KEY='{b64(whole)}'", f"-----BEGIN PRIVATE KEY-----\n{b64(pair.seed)}\n-----END PRIVATE KEY-----"),
        jwk_of(b64(whole)),
    ):
        material = read_keys(pasted)
        assert causes(material, pair.raw) == ["key_private"], pasted
        assert (material.keys, len(material.mended), material.problem) == ((), 1, "key_unusable")
        assert material.holds_private
        assert material.remarks[0].startswith("A PRIVATE KEY was given")
        assert hides(material, pair.seed)


def test_a_private_key_beside_its_public_one_warns_too(pair):
    material = read_keys(pair.private_pem + pair.pem)
    assert (raws(material), material.problem, material.holds_private) == ([pair.raw], None, True)
    assert hides(material, pair.seed)


def test_a_private_jwk_of_node_is_used_by_its_public_part(node):
    secret = bytes.fromhex(node["privateDer"])[-32:]
    material = read_keys(json.dumps(node["privateJwk"]))
    assert (raws(material), material.mended, material.problem) == ([bytes.fromhex(node["der"])[-32:]], (), None)
    assert (material.holds_private, hides(material, secret)) == (True, True)


def test_a_private_jwk_without_a_right_x_gives_the_key_that_d_makes(pair):
    d = b64url(pair.seed)
    stranger = SigningKey.from_seed("", bytes(32)).public().raw
    for x, keys in ((d, []), (b64(pair.seed), []), (None, []), (b64url(stranger), [stranger]), (pair.seed.hex(), [])):
        material = read_keys(jwk_of(x, d=d))
        assert (raws(material), causes(material, pair.raw)) == (keys, ["key_private"])
        assert (material.holds_private, hides(material, pair.seed)) == (True, True)


def test_a_seed_that_is_no_point_is_not_kept():
    seeds = (bytes([number]) * 32 for number in range(1, 200))
    refused = [(seed, material) for seed in seeds if not (material := read_keys(seed.hex())).keys]
    assert 50 < len(refused) < 150, "half of all values are no point of the curve"
    for seed, material in refused:
        assert hides(material, seed)
        assert causes(material, SigningKey.from_seed("", seed).public().raw) == ["key_private"]


AROUND = ["{}", "{}x", "[{}]", '"{}"', "k={}", '{"d":"{}"}', '{"kty":"OKP","crv":"Ed25519","d":"{}"}', "{}\n{}"]


@settings(max_examples=60, deadline=None)
@given(some.binary(min_size=32, max_size=32), some.sampled_from(AROUND))
def test_no_spelling_of_a_planted_secret_comes_back(seed, around):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    pkcs8 = key.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())
    pair = seed + key.public_key().public_bytes_raw()
    for text in (b64(pkcs8), b64url(pair), pair.hex(), f"-----BEGIN PRIVATE KEY-----\n{b64(pkcs8)}"):
        assert hides(read_keys(around.replace("{}", text)), seed)


# What is no key of ours


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rsa", "an RSA key"),
        ("ec", "a key of an elliptic curve for ECDSA (P-256)"),
        ("x25519", "an X25519 key, which encrypts and cannot sign"),
        ("ed448", "an Ed448 key"),
    ],
)
def test_a_key_of_another_algorithm_is_named(node, name, words):
    made = node[name]
    body = "".join(made["pem"].splitlines()[1:-1])
    for pasted in (made["pem"], json.dumps(made["jwk"]), body, base64.b64decode(body)):
        material = read_keys(pasted)
        assert (material.keys, material.mended, material.problem) == ((), (), "key_unusable")
        assert material.remarks[0] == f"What was given is {words}."
        assert not material.holds_private
    for pasted in (made["privatePem"], json.dumps(made["privateJwk"])):
        material = read_keys(pasted)
        assert (material.keys, material.mended, material.holds_private) == ((), (), True)
        assert words in material.remarks[1]
    assert made["privateJwk"]["d"] not in repr(material)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (["genrsa", "-traditional", "2048"], "an RSA private key"),
        (["ecparam", "-genkey", "-noout", "-name", "prime256v1"], "the private key of an elliptic curve"),
        (["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x"], "a private key under a password"),
    ],
)
def test_a_private_key_of_another_kind_warns(make, words):
    pem = openssl(*make).decode()
    inner = "".join(pem.splitlines()[1:-1])
    for pasted in (pem, inner, base64.b64decode(inner)):
        material = read_keys(pasted)
        assert (material.keys, material.mended, material.holds_private) == ((), (), True)
        assert f"What was given is {words}." in material.remarks
        assert inner[:40] not in repr(material)


def test_a_certificate_gives_its_key_or_names_it():
    for kind, words in (("ed25519", None), ("rsa:2048", "a certificate for an RSA key")):
        made = openssl(
            "req", "-x509", "-newkey", kind, "-nodes", "-subj", "/CN=example.com", "-keyout", "/dev/stdout"
        ).decode()
        at = made.index("-----BEGIN CERTIFICATE")
        material = read_keys(made[at:])
        if words:
            assert (material.keys, material.remarks[0]) == ((), f"What was given is {words}.")
        else:
            der = openssl("pkey", "-pubout", "-outform", "DER", given=made[:at].encode())
            assert (raws(material), material.problem) == ([der[-32:]], None)
            assert material.remarks == ("What was given is a certificate: its issuer and dates were not looked at.",)
        assert not material.holds_private


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a shared secret for HMAC"),
        ('{"kty":"oct","k":"c2VjcmV0"}', "a shared secret for HMAC"),
        ('{"crv":"Ed25519","x":"abc"}', "has no kty"),
        ('{"kty":"okp","crv":"Ed25519"}', "exactly OKP"),
        ('{"kty":"OKP","crv":"ed25519"}', "exactly Ed25519"),
        ('{"kty":"OKP","crv":"Ed25519"}', "has no x"),
        ('{"kty":"OKP","crv":"Ed25519","x":5}', "has an x that is no text"),
        ('{"kty":"OKP","crv":"Ed25519","x":""}', "has an x that is empty"),
        (jwk_of(b64url(bytes(range(31)))), "has an x that has 31 bytes"),
        (jwk_of(b64url(bytes([2, *bytes(31)]))), "has an x that is no point of the curve"),
        (jwk_of(b64url(bytes(32))), "small order"),
        ("ab" * 31, "62 hexadecimal digits"),
        ("ab" * 31 + "c", "63 hexadecimal digits"),
        ("ab" * 64, "64 bytes, as many as a signature"),
        ("hello", "neither JSON nor PEM"),
        ("{", "cut off"),
        ('{"keys": [{"kty": "OKP", "crv"', "cut off"),
        ("[1]", "is no JWK"),
        ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n-----END PUBLIC KEY-----", "cut off"),
        (b"\x00\x01\x02", "has 3 bytes"),
    ],
)
def test_what_is_no_key_is_told_exactly(pasted, words):
    material = read_keys(pasted)
    assert (material.keys, material.mended, material.problem) == ((), (), "key_unusable")
    assert words in material.remarks[0]
    assert material.remarks[-1].startswith("Give Lamina's key set")


@pytest.mark.parametrize(
    "pasted", ["", b"\n", " \n\t", "\ufeff", "# only a comment", '{"keys": []}', "[]", "{}", '{"a": 1}']
)
def test_nothing_is_no_key(pasted):
    material = read_keys(pasted)
    assert (material.keys, material.problem, material.origin) == ((), "no_key", "no key")
    assert material.remarks


def test_the_unusable_keys_of_a_set_are_passed_over_by_place(node):
    keys = [node["jwk"], node["rsa"]["jwk"], "nonsense", node["ec"]["jwk"]]
    material = read_keys(json.dumps({"keys": keys}))
    assert (len(material.keys), material.problem) == (1, None)
    assert material.remarks == (
        "Key 2 of 4 is an RSA key: passed over.",
        "Key 3 of 4 has 6 bytes where 32 belong, or 44 as SPKI (DER): passed over.",
        "Key 4 of 4 is a key of an elliptic curve for ECDSA (P-256): passed over.",
    )


def test_the_same_key_twice_in_a_set_is_fine(node):
    material = read_keys(json.dumps({"keys": [node["jwk"], node["jwk"]]}))
    assert (len(material.keys), material.remarks) == (2, ())


@pytest.mark.parametrize(("kid", "kept"), [('"k-1"', "k-1"), ('"\\ud800"', "?"), ("5", None), ("null", None)])
def test_a_key_id_is_text_that_can_be_shown(node, kid, kept):
    text = json.dumps(node["jwk"] | {"kid": "KID"}).replace('"KID"', kid)
    assert [key.key_id for key in read_keys(text).keys] == [kept]


def test_a_number_of_any_length_beside_a_key_is_no_hindrance(node):
    text = json.dumps(node["jwk"] | {"nbf": 5}).replace("5}", "9" * 100_000 + "}")
    assert len(read_keys(text).keys) == 1


def test_names_that_stand_twice_are_told():
    x = b64url(SigningKey.from_seed("", bytes(32)).public().raw)
    material = read_keys(f'{{"kty":"OKP","crv":"Ed25519","x":"AAAA","x":"{x}","odd":1,"odd":2}}')
    assert len(material.keys) == 1
    assert [remark.partition(" stands twice")[0] for remark in material.remarks] == ['"x"', "A name"]


# Hostile input


NESTED = '{"keys":' + "[" * 100_000
HOSTILE = {
    "too long": "a" * 1_000_001,
    "too long, bytes": bytes(1_000_001),
    "deep lists": NESTED,
    "deep objects": '{"a":' * 100_000,
    "deep and closed": "[" * 100_000 + "]" * 100_000,
    "deep, not JSON": "{'a':" * 100_000,
    "a huge number": '{"keys":[{"kty":"OKP","n":' + "9" * 900_000 + "}]}",
    "many keys": json.dumps({"keys": [{"kty": "OKP"}] * 30_000}),
    "many members": "[" + "1," * 400_000 + "1]",
    "many lines": "QUJD\n" * 190_000,
    "many begins": "-----BEGIN PUBLIC KEY-----" * 38_000,
    "many blanks in PEM": "-----BEGIN PUBLIC KEY-----\n'" + " " * 900_000 + "x",
    "many quotes": '"' * 1_000_000,
    "many dashes": "-" * 1_000_000,
    "many names": json.dumps({f"key{number}": "a\n" * 900 for number in range(300)}),
    "one long word": "A" * 1_000_000,
    "one long prefix": "A_" * 500_000,
    "one long hex": "ab" * 500_000,
    "long DER": b"\x30\x83\x0f\x42\x3b" + bytes(999_000),
    "blanks": " " * 1_000_000,
    "blanks and a brace": " " * 900_000 + "{" + " " * 90_000,
    "commas": "{" + ", " * 450_000,
    "odd characters": "\ud800" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_in_no_time(name):
    began = time.process_time()
    material = read_keys(HOSTILE[name])
    assert time.process_time() - began < 2
    assert (material.keys, bool(material.problem), bool(material.remarks)) == ((), True, True)
    assert sum(map(len, material.remarks)) < 5_000


def test_a_thousand_keys_are_read_and_no_more():
    line = b64(SigningKey.from_seed("", bytes(32)).public().raw)
    assert len(read_keys("\n".join([line] * 1_000)).keys) == 1_000
    refused = read_keys("\n".join([line] * 1_001))
    assert (refused.keys, refused.problem) == ((), "key_unusable")
    assert "at most 1,000" in refused.remarks[0]


PIECES = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    '"keys"',
    '"kty"',
    '"OKP"',
    '"crv"',
    '"Ed25519"',
    '"x"',
    '"d"',
    "null",
    "\\",
]
PIECES += ["-----BEGIN ", "PRIVATE KEY-----", "-----END ", "PUBLIC KEY-----", "\n", "MCowBQYDK2VwAyEA", "=", "0x", "9"]


@given(
    some.one_of(some.binary(max_size=200), some.text(max_size=100), some.lists(some.sampled_from(PIECES)).map("".join))
)
@settings(max_examples=500, deadline=None)
def test_no_input_raises(pasted):
    material = read_keys(pasted)
    assert bool(material.keys) is (material.problem is None)
    assert {mended.cause for mended in material.mended} | {material.problem or "no_key"} <= set(CAUSES)


@settings(deadline=None)
@given(
    some.binary(max_size=120),
    some.sampled_from(["302a300506032b6570032100", "302e020100300506032b657004220420", "30820122", "3082"]),
)
def test_no_der_raises(rest, start):
    read_keys(bytes.fromhex(start) + rest)


# Lamina's own


LIVE = (SigningKey.from_seed("k-1", bytes(range(32))).public(),)
OLD = SigningKey.from_seed("k-0", bytes(range(1, 33))).public()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (5, "5 s ago"),
        (119, "1 min ago"),
        (10_900, "3 h ago"),
        (86_400 * 9, "9 d ago"),
        (-50, "just now"),
    ],
)
def test_the_live_set_has_its_age(clock, seconds, words):
    material = live_material(LIVE, clock.now() - timedelta(seconds=seconds), clock.now(), ((OLD, "earlier"),))
    assert material.origin == f"Lamina's key set, read {words}"
    assert (material.keys, material.others, material.problem) == (LIVE, ((OLD, "earlier"),), None)


def test_a_live_set_is_old_after_a_day(clock):
    day = timedelta(hours=24)
    assert live_material(LIVE, clock.now() - day, clock.now(), ()).remarks == ()
    (remark,) = live_material(LIVE, clock.now() - day - timedelta(seconds=1), clock.now(), ()).remarks
    assert remark == "Lamina's key set was read 1 d ago: it may have changed since."
    assert live_material(LIVE, None, clock.now(), ()).remarks


def test_without_a_live_set_there_is_no_key_but_the_earlier_ones_are_known(clock):
    material = live_material((), None, clock.now(), ((OLD, "earlier"),))
    assert (material.keys, material.problem, material.others) == ((), "no_key", ((OLD, "earlier"),))
    assert material.remarks


def test_other_keys_stand_beside_once():
    material = with_others(KeyMaterial(keys=LIVE), [(LIVE[0], "present"), (OLD, "present"), (OLD, "earlier")])
    assert (material.keys, material.others) == (LIVE, ((OLD, "present"),))
    assert with_others(material, [(OLD, "again")]).others == ((OLD, "present"),)
