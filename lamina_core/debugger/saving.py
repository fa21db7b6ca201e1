"""Webhooks that operators save so as to share them by address, and stored deliveries: what can be examined again.

Of what was pasted, only what an examination needs is kept: the parts, the body, headers of the kinds below, public
keys. Whatever may be a secret of the sender or of the receiver is left out.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamina_core import errors, logs, signing
from lamina_core.api.wire import clean_text
from lamina_core.bodies import BODY_LIMIT
from lamina_core.clock import Clock
from lamina_core.debugger.keys.material import holds_private_key
from lamina_core.debugger.records import KeyMaterial, MendedKey, Specimen, specimen_from
from lamina_core.domain import Event, Operator, Role
from lamina_core.starts import new_token, require
from lamina_core.store import deliveries, events, saved
from lamina_core.store.engine import Engines
from lamina_core.store.saved import Saved, SavedEntry
from lamina_core.store.writer import Writer

LIMIT = 500  # saved webhooks in a store
LISTED = 100

_TITLE, _NOTE = 200, 2_000  # characters
_TEXT = 4_000  # characters of a part, or of a header's value
_HEADERS, _KEYS = 100, 100

_TOKEN = re.compile(r"[0-9a-f]{32}")
_KEPT_HEADER = re.compile(r"x-lamina-.*|content-.*|user-agent|date|.*(?:signature|timestamp).*")
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|passw|credential|session|api-?key")


class SavedWebhooks:
    """Keeps webhooks that operators save, and opens those and stored deliveries for another examination."""

    def __init__(self, engines: Engines, writer: Writer, clock: Clock, rng: random.Random) -> None:
        self._engines = engines
        self._writer = writer
        self._clock = clock
        self._rng = rng

    def save(self, acting: Operator, specimen: Specimen, material: KeyMaterial, title: str, note: str) -> str:
        """Keep a webhook and its public keys under a new token, and return that.

        OperationRefused for viewers, where it is too large or holds a private key, and where LIMIT are kept already.
        """
        require(acting, Role.OPERATOR)
        kept = self._prepare(acting, specimen, material, title, note)
        _check_size(kept)
        _check_privacy(kept)

        def work(connection: sa.Connection) -> None:
            if saved.count(connection) >= LIMIT:
                raise errors.OperationRefused(f"{LIMIT} webhooks are saved already. Delete one that nobody needs.")
            row_id = saved.insert(connection, kept)
            detail = {"saved": row_id, "title": kept.title}
            events.append(connection, Event(kept.saved_at, "webhook_saved", acting.name, detail))

        self._writer.run(work)
        return kept.token

    def open(self, token: str) -> tuple[Specimen, KeyMaterial] | None:
        """Return what was saved under a token, None if there is nothing."""
        if not _TOKEN.fullmatch(token):
            return None
        with self._engines.reading() as connection:
            kept = saved.find(connection, token)
        return (_specimen(kept), _read_keys(kept.keys)) if kept else None

    def newest(self) -> tuple[SavedEntry, ...]:
        """Return the last ones that were saved, newest first, LISTED at most."""
        with self._engines.reading() as connection:
            return tuple(saved.newest(connection, LISTED))

    def delete(self, acting: Operator, token: str) -> None:
        """Forget a saved webhook; OperationRefused unless it is the acting operator's own, or they are an admin."""
        require(acting, Role.OPERATOR)

        def work(connection: sa.Connection) -> None:
            entry = saved.find_entry(connection, token) if _TOKEN.fullmatch(token) else None
            if entry is None:
                raise errors.OperationRefused("There is no saved webhook at this address. It may have been deleted.")
            if entry.saved_by != acting.name and not acting.role.covers(Role.ADMIN):
                raise errors.OperationRefused(f"{entry.saved_by} saved it: only they or an admin can delete it.")
            saved.delete(connection, entry.id)
            detail = {"saved": entry.id, "title": entry.title, "saved_by": entry.saved_by}
            events.append(connection, Event(self._clock.now(), "webhook_deleted", acting.name, detail))

        self._writer.run(work)

    def open_delivery(self, delivery_id: int) -> Specimen | None:
        """Return a stored delivery, None if there is none, as old refused ones make room."""
        with self._engines.reading() as connection:
            try:
                kept = deliveries.find_kept(connection, delivery_id)
            except sa.exc.NoResultFound:
                return None
        remarks = [] if kept.body else ["No body is stored with it: none came, or it was refused before it was whole."]
        return specimen_from(
            list(kept.headers.items()),
            kept.body,
            exact=bool(kept.body),
            source=f"delivery {kept.id}",
            received_at=kept.received_at,
            remarks=remarks,
        )

    def _prepare(self, acting: Operator, specimen: Specimen, material: KeyMaterial, title: str, note: str) -> Saved:
        return Saved(
            token=new_token(self._rng),
            saved_at=self._clock.now(),
            saved_by=acting.name,
            title=clean_text(title.strip()),
            note=clean_text(note.strip()),
            signature=_clean(specimen.signature),
            timestamp=_clean(specimen.timestamp),
            request_id=_clean(specimen.request_id),
            user_id=_clean(specimen.user_id),
            headers=_keep_headers(specimen.headers),
            body=specimen.body,
            exact=specimen.exact,
            source=clean_text(specimen.source[:_TITLE]),
            received_at=specimen.received_at,
            keys=_write_keys(material),
        )


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def _keep_headers(headers: Sequence[tuple[str, str]]) -> list[list[str]]:
    kept = [(name, value) for name, value in headers if _may_keep(name.lower())]
    if len(kept) > _HEADERS or any(len(name) + len(value) > _TEXT for name, value in kept):
        raise errors.OperationRefused(f"At most {_HEADERS} headers of {_TEXT:,} characters each are saved.")
    return [[clean_text(name), clean_text(logs.redact(value))] for name, value in kept]


def _may_keep(name: str) -> bool:
    return bool(_KEPT_HEADER.fullmatch(name)) and not _SECRET_HEADER.search(name)


def _check_size(kept: Saved) -> None:
    if not kept.title:
        raise errors.OperationRefused("Give it a title, by which it is found again.")
    if len(kept.body) > BODY_LIMIT:
        raise errors.OperationRefused(f"The body has {len(kept.body):,} bytes; at most {BODY_LIMIT:,} are saved.")
    for name, text, most in (
        ("title", kept.title, _TITLE),
        ("note", kept.note, _NOTE),
        ("signature", kept.signature, _TEXT),
        ("timestamp", kept.timestamp, _TEXT),
        ("request id", kept.request_id, _TEXT),
        ("user id", kept.user_id, _TEXT),
    ):
        if len(text or "") > most:
            raise errors.OperationRefused(f"The {name} has {len(text or ''):,} characters; at most {most:,} are saved.")
    written = [key for part in ("keys", "mended", "others") for key in kept.keys[part]]
    if len(written) > _KEYS or any(len(text) > _TEXT for key in written for text in key.values()):
        raise errors.OperationRefused(f"At most {_KEYS} keys with ids of {_TEXT:,} characters are saved.")


def _check_privacy(kept: Saved) -> None:
    parts = (kept.title, kept.note, kept.signature, kept.timestamp, kept.request_id, kept.user_id, kept.source)
    texts = [*parts, *(text for header in kept.headers for text in header), json.dumps(kept.keys)]
    for content in (kept.body, *(text.encode() for text in texts if text)):
        if holds_private_key(content):
            raise errors.OperationRefused("It holds a private key, which is never stored. Take it out, and replace it.")


def _specimen(kept: Saved) -> Specimen:
    return Specimen(
        signature=kept.signature,
        timestamp=kept.timestamp,
        body=bytes(kept.body),
        request_id=kept.request_id,
        user_id=kept.user_id,
        headers=tuple((name, value) for name, value in kept.headers),
        exact=kept.exact,
        source=kept.source,
        received_at=kept.received_at,
    )


def _write_keys(material: KeyMaterial) -> dict[str, Any]:
    mended = []
    for each in material.mended:  # what is said of how a private key was written is left out with it
        detail = "the public half of what was given" if material.holds_private else clean_text(each.detail)
        mended.append(_write_key(each.key) | {"cause": each.cause, "detail": detail})
    return {
        "keys": [_write_key(key) for key in material.keys],
        "mended": mended,
        "others": [_write_key(key) | {"where": clean_text(where)} for key, where in material.others],
        "problem": material.problem,
        "holds_private": material.holds_private,
    }


def _write_key(key: signing.PublicKey) -> dict[str, str]:
    return {name: clean_text(value) for name, value in signing.to_jwk(key).items() if value}  # no kid where it has none


def _read_keys(document: Mapping[str, Any]) -> KeyMaterial:
    return KeyMaterial(
        keys=tuple(signing.from_jwk(jwk) for jwk in document["keys"]),
        mended=tuple(MendedKey(signing.from_jwk(jwk), jwk["cause"], jwk["detail"]) for jwk in document["mended"]),
        others=tuple((signing.from_jwk(jwk), jwk["where"]) for jwk in document["others"]),
        origin="the keys that were saved with it",
        problem=document["problem"],
        holds_private=document["holds_private"],
    )
