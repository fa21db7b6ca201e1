"""Lamina's webhook key set: cached in the store, read again when nothing verifies, once a minute at most."""

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lamina_core import errors, signing
from lamina_core.api.client import LaminaClient
from lamina_core.clock import Clock
from lamina_core.polling.budget import Budget
from lamina_core.store import notes
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

REFRESH_PAUSE = timedelta(minutes=1)
STALE_AFTER = timedelta(hours=24)
RETIRED_KEPT = 50

Retired = tuple[tuple[signing.PublicKey, datetime], ...]


class KeyRing:
    """The keys that Lamina signs with; safe to share between threads."""

    def __init__(self, engines: Engines, writer: Writer, client: LaminaClient, budget: Budget, clock: Clock) -> None:
        self._engines = engines
        self._writer = writer
        self._client = client
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[signing.PublicKey, ...] = ()
        self._retired: Retired = ()
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None

    def load(self) -> None:
        """Take up the key set that an earlier process left in the store."""
        with self._engines.reading() as connection:
            note = notes.read(connection, notes.KEY_SET)
            self._retired = _read_retired(connection)
        if note is not None:
            self._keys, self._fetched_at = signing.parse_key_set(note.document), note.updated_at

    @property
    def fetched_at(self) -> datetime | None:
        """Return when the key set was read from Lamina, None if there is none."""
        return self._fetched_at

    def keys(self) -> tuple[signing.PublicKey, ...]:
        """Return the keys at hand, none if Lamina was never reached."""
        return self._keys

    def retired(self) -> Retired:
        """Return the keys that left the set, the last seen first, each with when it was last seen in it.

        They name the key of an old signature; nothing is verified with them.
        """
        present = {key.raw for key in self._keys}
        return tuple((key, seen) for key, seen in self._retired if key.raw not in present)

    def is_stale(self) -> bool:
        """Say whether the key set should be read again although everything verifies."""
        return self._fetched_at is None or self._clock.now() - self._fetched_at > STALE_AFTER

    def may_refresh(self) -> bool:
        """Say whether a minute has passed since Lamina was last asked."""
        return self._asked_at is None or self._clock.now() - self._asked_at >= REFRESH_PAUSE

    def refresh(self) -> bool:
        """Read the key set from Lamina, unless that was tried within the last minute; say whether it changed.

        Errors are logged, not raised: the keys at hand stay.
        """
        with self._lock:
            if not self.may_refresh():
                return False
            now = self._asked_at = self._clock.now()
            self._budget.take_anyway()  # without the keys no webhook can be told from a forgery
            try:
                document = self._client.signing_key()
                keys = signing.parse_key_set(document)
            except (errors.ApiError, ValueError) as error:
                log.warning("the webhook key set could not be read: %s", error)
                return False
            changed = keys != self._keys
            left = self._leavers(keys)
            self._retired = _join(left, self._retired)
            self._keys, self._fetched_at = keys, now
            try:
                self._writer.run(lambda connection: _keep(connection, document, left, now))
            except errors.StoreError as error:
                log.warning("the webhook key set is not stored: %s", error)
            return changed

    def _leavers(self, keys: tuple[signing.PublicKey, ...]) -> Retired:
        staying = {key.raw for key in keys}
        seen = self._fetched_at
        return tuple((key, seen) for key in self._keys if seen is not None and key.raw not in staying)


def _keep(connection: sa.Connection, document: Mapping[str, Any], left: Retired, now: datetime) -> None:
    notes.write(connection, notes.KEY_SET, document, now)
    if left:  # joined to what is stored: another process may have seen other keys leave
        kept = [
            {**signing.to_jwk(key), "lastSeen": seen.isoformat()}
            for key, seen in _join(left, _read_retired(connection))
        ]
        notes.write(connection, notes.RETIRED_KEYS, {"keys": kept}, now)


def _read_retired(connection: sa.Connection) -> Retired:
    note = notes.read(connection, notes.RETIRED_KEYS)
    listed = note.document["keys"] if note else []
    return tuple((signing.from_jwk(jwk), datetime.fromisoformat(jwk["lastSeen"])) for jwk in listed)


def _join(*parts: Iterable[tuple[signing.PublicKey, datetime]]) -> Retired:
    """Return each key once, the last seen first, and no more than are kept."""
    ordered = sorted((entry for part in parts for entry in part), key=lambda entry: entry[1])
    newest = {key.raw: (key, seen) for key, seen in ordered}
    return tuple(sorted(newest.values(), key=lambda entry: entry[1], reverse=True))[:RETIRED_KEPT]
