"""A duty: something that one process of a database does again and again, in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.store import leases
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

_HEARTBEAT = timedelta(seconds=3)  # with the lease's term of 10 s, another takes over within 14 s
_STORE_PAUSE = 2.0  # seconds before a database that failed is tried again
_STOP_PATIENCE = 0.5  # seconds for the round under way when the process is stopped


class Duty:
    """Does a round every `tick` seconds; a round asks `is_ours` before it does what only one process may do."""

    def __init__(
        self, *, lease: str, holder: str, writer: Writer, clock: Clock, tick: float, do_round: Callable[[], None]
    ) -> None:
        self._lease = lease
        self._holder = holder
        self._writer = writer
        self._clock = clock
        self._tick = tick
        self._do_round = do_round
        self.is_held = False
        self._heartbeat_at: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=lease, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and give the lease back; what a round has begun elsewhere is left to end by itself."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_PATIENCE)
        if self.is_held:
            self.is_held = False
            try:
                self._writer.run(lambda connection: leases.release(connection, self._lease, self._holder))
            except errors.StoreError as error:
                log.warning("the lease %s was not given back and will run out: %s", self._lease, error)

    def is_ours(self) -> bool:
        """Say whether this process holds the lease, with a sign of life every few seconds."""
        now = self._clock.now()
        if self._heartbeat_at is not None and now - self._heartbeat_at < _HEARTBEAT:
            return self.is_held
        held = self._writer.run(lambda connection: leases.hold(connection, self._lease, self._holder, now))
        if held != self.is_held:
            log.info("%s: %s", self._lease, "begins here" if held else "is done by another process")
        self.is_held, self._heartbeat_at = held, now
        return held

    def _run(self) -> None:
        while not self._stop.wait(self._tick):
            try:
                self._do_round()
            except errors.StoreError as error:
                log.warning("%s: waits for the database: %s", self._lease, error)
                self._stop.wait(_STORE_PAUSE)
            except Exception:
                log.exception("%s: a round failed", self._lease)
