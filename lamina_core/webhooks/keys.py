"""Lamina's webhook key set: cached in the store, read again when nothing verifies, once a minute at most."""

import logging
import threading
from datetime import datetime, timedelta

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
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None

    def load(self) -> None:
        """Take up the key set that an earlier process left in the store."""
        with self._engines.reading() as connection:
            note = notes.read(connection, notes.KEY_SET)
        if note is not None:
            self._keys, self._fetched_at = signing.parse_key_set(note.document), note.updated_at

    @property
    def fetched_at(self) -> datetime | None:
        """Return when the key set was read from Lamina, None if there is none."""
        return self._fetched_at

    def keys(self) -> tuple[signing.PublicKey, ...]:
        """Return the keys at hand, none if Lamina was never reached."""
        return self._keys

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
            self._keys, self._fetched_at = keys, now
            try:
                self._writer.run(lambda connection: notes.write(connection, notes.KEY_SET, document, now))
            except errors.StoreError as error:
                log.warning("the webhook key set is not stored: %s", error)
            return changed
