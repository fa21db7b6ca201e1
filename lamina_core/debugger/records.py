"""A webhook under examination, the keys it is held against, and what the examination found: frozen records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lamina_core import signing


@dataclass(frozen=True)
class Specimen:
    """A webhook as somebody has it: the parts that the signature is about, and what came with them.

    `headers` are all that were found, in their order and spelling. `exact` says that `body` holds the bytes as
    they were received (a file, base64, a stored delivery); pasted text cannot prove that.
    """

    signature: str | None = None
    timestamp: str | None = None
    body: bytes = b""
    request_id: str | None = None
    user_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    exact: bool = False
    source: str = "separate fields"  # what it was read from, in people's words: "a curl command"
    received_at: datetime | None = None
    remarks: tuple[str, ...] = ()  # what had to be assumed while reading it


def specimen_from(
    headers: Sequence[tuple[str, str]],
    body: bytes,
    *,
    exact: bool,
    source: str,
    received_at: datetime | None = None,
    remarks: Sequence[str] = (),
) -> Specimen:
    """Return the specimen of these headers and this body; names match in any case, the first of several counts."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.lower(), value)
    return Specimen(
        signature=found.get(signing.SIGNATURE_HEADER.lower()),
        timestamp=found.get(signing.TIMESTAMP_HEADER.lower()),
        body=body,
        request_id=found.get(signing.REQUEST_ID_HEADER.lower()),
        user_id=found.get(signing.USER_ID_HEADER.lower()),
        headers=tuple(headers),
        exact=exact,
        source=source,
        received_at=received_at,
        remarks=tuple(remarks),
    )


@dataclass(frozen=True)
class MendedKey:
    """A key that could be read only after a change; `cause` is the code of the mistake in `causes`."""

    key: signing.PublicKey
    cause: str
    detail: str


@dataclass(frozen=True)
class KeyMaterial:
    """The keys that a webhook is held against.

    `keys` can be used as they are; `mended` only after a change, so that nothing is authentic by them. `others` are
    keys that a signature may have been made with although they were not given, each with a few words on where it
    is from: Lamina's live set beside a pasted key, earlier sets. `problem` is the code of why there is no usable
    key. `holds_private` warns that a private key was pasted; it is neither kept nor shown.
    """

    keys: tuple[signing.PublicKey, ...] = ()
    mended: tuple[MendedKey, ...] = ()
    others: tuple[tuple[signing.PublicKey, str], ...] = ()
    origin: str = "no key"  # in people's words: "Lamina's key set, read 3 hours ago"
    problem: str | None = None
    remarks: tuple[str, ...] = ()
    holds_private: bool = False


class Certainty(StrEnum):
    """How sure a cause is."""

    VERIFIED = "verified"  # exactly this change makes the signature hold
    INDICATED = "indicated"  # nothing makes it hold, but the evidence points there


@dataclass(frozen=True)
class Variant:
    """What one part may have been when it was signed, had the mistake `cause` been made since."""

    cause: str
    detail: str  # in people's words: "signed: indented by 2"
    value: bytes


@dataclass(frozen=True)
class Change:
    """One thing that differs between what was signed and what is at hand.

    `part` is signature, timestamp, body, key or message. `given` and `signed` are the bytes of both sides.
    """

    cause: str
    part: str
    detail: str  # in people's words: "signed: compact; at hand: indented by 2"
    given: bytes
    signed: bytes


@dataclass(frozen=True)
class Verdicts:
    """The three questions, never merged: each has its own answer.

    `problems` say what is not well formed. `key_place` is the place of the key in its set, from 1. `age` is in
    seconds now, `age_at_receipt` when it was received; negative: signed in the future. None where the timestamp
    cannot be read or nobody knows when it was received.
    """

    well_formed: bool
    problems: tuple[str, ...]
    authentic: bool
    key_id: str | None
    key_place: int | None
    keys_tried: int
    fresh: bool
    age: int | None
    age_at_receipt: int | None


@dataclass(frozen=True)
class Diagnosis:
    """Why a webhook does not verify, as far as experiments can tell.

    `causes` are codes of the table in `causes`, none if nothing was found or nothing is wrong; several only where
    one mistake alone does not explain it. `changes` lead from what is at hand to what was signed. `ruled_out` says
    in people's words what was tried in vain, `left_out` what was not tried and why, `remaining` what is left.
    """

    causes: tuple[str, ...]
    certainty: Certainty | None
    explanation: str
    tried: int
    seconds: float
    changes: tuple[Change, ...] = ()
    key: signing.PublicKey | None = None  # the one that verifies, after the changes if there are any
    ruled_out: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examination:
    """Everything that is found out about a specimen without looking into the store."""

    specimen: Specimen
    material: KeyMaterial
    verdicts: Verdicts
    diagnosis: Diagnosis
