"""What bytes are as a key: 32 raw bytes, DER, a certificate, what SSH writes; the private and the foreign ones by name.

Private bytes are looked at, the public half is derived, and nothing else of them goes on.
"""

import re
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lamina_core import signing
from lamina_core.debugger.records import MendedKey

_SPKI = bytes.fromhex("302a300506032b6570032100")
_LARGEST_CERTIFICATE = 100_000  # bytes

# The curve of Ed25519, to tell the half of all 32 bytes that is no point of it.
_PRIME = 2**255 - 19
_D = -121_665 * pow(121_666, -1, _PRIME) % _PRIME

_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
_ALGORITHM = re.compile(
    rb"\x30" + _LENGTH + rb"(?P<version>\x02\x01[\x00\x01])?\x30" + _LENGTH + rb"\x06(?P<length>.)", re.DOTALL
)
_SEED = re.compile(
    rb"\x30" + _LENGTH + rb"\x02\x01[\x00\x01]\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20(.{32})", re.DOTALL
)
_BARE = {  # DER without the name of an algorithm
    "the private key of an elliptic curve": re.compile(rb"\x30" + _LENGTH + rb"\x02\x01\x01\x04", re.DOTALL),
    "an RSA private key": re.compile(rb"\x30" + _LENGTH + rb"\x02\x01[\x00\x01]\x02[\x81\x82]", re.DOTALL),
    "an RSA key": re.compile(rb"\x30" + _LENGTH + rb"\x02[\x81\x82]", re.DOTALL),
}
_ED25519 = "1.3.101.112"
_ALGORITHMS = {
    _ED25519: "an Ed25519 key",
    "1.2.840.113549.1.1.1": "an RSA key",
    "1.2.840.113549.1.1.10": "an RSA key (PSS)",
    "1.2.840.10040.4.1": "a DSA key",
    "1.2.840.10045.2.1": "a key of an elliptic curve for ECDSA",
    "1.2.840.113549.1.5.13": "a private key under a password",
    "1.3.101.110": "an X25519 key, which encrypts and cannot sign",
    "1.3.101.111": "an X448 key, which encrypts and cannot sign",
    "1.3.101.113": "an Ed448 key",
    "2.16.840.1.101.3.4.3.17": "an ML-DSA key",
    "2.16.840.1.101.3.4.3.18": "an ML-DSA key",
    "2.16.840.1.101.3.4.3.19": "an ML-DSA key",
}
_ENCRYPTED = "1.2.840.113549.1.5.13"
_CURVES = {
    bytes.fromhex("06082a8648ce3d030107"): "P-256",
    bytes.fromhex("06052b81040022"): "P-384",
    bytes.fromhex("06052b81040023"): "P-521",
    bytes.fromhex("06052b8104000a"): "secp256k1",
}

_SSH_PRIVATE = b"openssh-key-v1\0"
_SSH_ED25519 = re.compile(rb"\0\0\0\x0bssh-ed25519\0\0\0\x20(.{32})", re.DOTALL)
_SSH_NAMES = {
    b"ssh-rsa": "an RSA key of SSH",
    b"ssh-dss": "a DSA key of SSH",
    b"ecdsa-sha2-": "an ECDSA key of SSH",
    b"sk-ssh-ed25519": "the key of a security token for SSH, which signs more than the message",
    b"sk-ecdsa": "the key of a security token for SSH",
}


@dataclass(frozen=True)
class Reading:
    """What one candidate for a key turned out to be.

    `flaw` completes a sentence that begins with the key ("is an RSA key"); empty where nothing is wrong. `is_known`
    is False where nobody can say what it is, so that another way of reading it is worth a try.
    """

    form: str  # in people's words: "JWK", "PEM"
    keys: tuple[signing.PublicKey, ...] = ()
    mended: tuple[MendedKey, ...] = ()
    flaw: str = ""
    encoding: str = ""  # hex, base64 or base64url, where it was text
    is_private: bool = False
    is_known: bool = True

    def is_readable(self) -> bool:
        """Say whether a public key was found, if only after a change."""
        return bool(self.keys or self.mended)


def mend(reading: Reading, cause: str, detail: str, flaw: str) -> Reading:
    """Return a reading whose keys are usable only after a change."""
    if not reading.keys:
        return reading
    changed = tuple(MendedKey(key, cause, detail) for key in reading.keys)
    return replace(reading, keys=(), mended=(*changed, *reading.mended), flaw=flaw)


def check_point(raw: bytes, key_id: str | None = None) -> signing.PublicKey:
    """Return the public key of 32 bytes; ValueError, with the end of a sentence, if they cannot be one."""
    try:
        key = signing.PublicKey(key_id, raw)
    except ValueError as error:
        why = "is of small order or not canonical, so that anybody could sign for it" if len(raw) == 32 else str(error)
        raise ValueError(why) from None
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = (y * y - 1) * (_D * y * y + 1)
    if pow(square, (_PRIME - 1) // 2, _PRIME) != 1:
        raise ValueError("is no point of the curve Ed25519")
    return key


def derive(seed: bytes, detail: str) -> MendedKey:
    """Return the public key that belongs to a private seed."""
    return MendedKey(signing.PublicKey(None, _public_half(seed)), "key_private", detail)


def read_bytes(raw: bytes) -> Reading:
    """Return what these bytes are as a key."""
    if len(raw) == 32:
        return _read_raw(raw)
    if len(raw) == 64:
        return _read_pair(raw)
    if raw.startswith(_SSH_PRIVATE):
        return _read_ssh_private(raw)
    if raw.startswith(b"\0\0\0"):
        return _read_ssh(raw)
    if raw.startswith(b"\x30"):
        return _read_der(raw)
    return Reading("bytes", flaw=f"has {len(raw):,} bytes where 32 belong, or 44 as SPKI (DER)", is_known=False)


def _read_raw(raw: bytes) -> Reading:
    seed = derive(raw, "the 32 bytes at hand are the private seed; signed with the key that it makes")
    try:
        return Reading("32 bytes", (check_point(raw),), (seed,))
    except ValueError as error:
        return Reading("32 bytes", mended=(seed,), flaw=f"{error}; if it is a private seed, replace it")


def _read_pair(raw: bytes) -> Reading:
    if _public_half(raw[:32]) != raw[32:]:
        return Reading("64 bytes", flaw="has 64 bytes, as many as a signature, where a public key has 32")
    made = derive(raw[:32], "at hand: the private seed and the public key behind it")
    return Reading("64 bytes", mended=(made,), flaw="is a private key (seed and public key)", is_private=True)


def _read_ssh_private(raw: bytes) -> Reading:
    found = _SSH_ED25519.search(raw)
    if found is None:
        return Reading("OpenSSH", flaw="is a private key of SSH, and none of Ed25519", is_private=True)
    return _private(found.group(1), "at hand: OpenSSH's private key", "is a private key of SSH", "OpenSSH")


def _read_ssh(raw: bytes) -> Reading:
    if found := _SSH_ED25519.fullmatch(raw):
        return _public(found.group(1), "OpenSSH")
    names = (words for name, words in _SSH_NAMES.items() if raw[4:].startswith(name))
    return Reading("OpenSSH", flaw=f"is {next(names, 'a key of SSH that is cut off, or of a kind unknown here')}")


def _read_der(raw: bytes) -> Reading:
    if len(raw) == 44 and raw.startswith(_SPKI):
        return _public(raw[len(_SPKI) :], "SPKI (DER)")
    if seed := _SEED.match(raw):
        public = _public_half(seed.group(1))
        return _private(public, "at hand: the private key as PKCS #8", "is a private key (PKCS #8)", "PKCS #8")
    if named := _ALGORITHM.match(raw):
        return _read_named(raw, named)
    for words, shape in _BARE.items():
        if shape.match(raw):
            return Reading("DER", flaw=f"is {words}", is_private="private" in words)
    return _read_certificate(raw)


def _read_named(raw: bytes, named: re.Match[bytes]) -> Reading:
    end = named.end() + named.group("length")[0]
    number = _dotted(raw[named.end() : end])
    words = _ALGORITHMS.get(number, "a key of a kind unknown here")
    curves = (curve for mark, curve in _CURVES.items() if raw.startswith(mark, end))
    words += "".join(f" ({curve})" for curve in list(curves)[:1])
    is_private = bool(named.group("version")) or number == _ENCRYPTED
    if number == _ED25519:
        words += f" that is cut off or wrapped in an unusual way ({len(raw):,} bytes where a public key has 44)"
    return Reading(
        "DER", flaw=f"is {words}{', a private one' if named.group('version') else ''}", is_private=is_private
    )


def _read_certificate(raw: bytes) -> Reading:
    try:
        certificate = x509.load_der_x509_certificate(raw[:_LARGEST_CERTIFICATE])
        number = certificate.public_key_algorithm_oid.dotted_string
        public = certificate.public_key() if number == _ED25519 else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Reading("DER", flaw=f"is no key in DER, or a part of one ({len(raw):,} bytes)", is_known=False)
    if isinstance(public, Ed25519PublicKey):
        reading = _public(public.public_bytes_raw(), "certificate")
        return replace(reading, flaw=reading.flaw or "is a certificate: its issuer and dates were not looked at")
    return Reading(
        "certificate", flaw=f"is a certificate for {_ALGORITHMS.get(number, 'a key of a kind unknown here')}"
    )


def _public(raw: bytes, form: str) -> Reading:
    try:
        return Reading(form, (check_point(raw),))
    except ValueError as error:
        return Reading(form, flaw=str(error))


def _private(public: bytes, detail: str, flaw: str, form: str) -> Reading:
    try:
        made: tuple[MendedKey, ...] = (MendedKey(check_point(public), "key_private", detail),)
    except ValueError:
        made = ()
    return Reading(form, mended=made, flaw=flaw, is_private=True)


def _public_half(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _dotted(encoded: bytes) -> str:
    numbers, value = [], 0
    for byte in encoded:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]] if numbers else []))
