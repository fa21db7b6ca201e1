"""Grouping what failed before this version grouped it, and again where the rules of fingerprints have changed."""

import sqlalchemy as sa

from lamina_core.clock import Clock
from lamina_core.store import executions, failures, notes
from lamina_core.store.engine import Engines
from lamina_core.store.failures import Noted
from lamina_core.store.writer import Writer
from lamina_core.triage.fingerprint import VERSION, find_cause

_AT_ONCE = 500  # executions in one transaction, which others wait for


class Regrouping:
    """Goes through all failures once for each version of the rules, and survives a restart in the middle."""

    def __init__(self, engines: Engines, writer: Writer, clock: Clock) -> None:
        self._engines = engines
        self._writer = writer
        self._clock = clock
        self._is_done = False

    def is_unfinished(self) -> bool:
        """Say whether failures are left that these rules have not seen."""
        if not self._is_done:
            with self._engines.reading() as connection:
                self._is_done = _read_until(connection) is None
        return not self._is_done

    def regroup_next(self) -> None:
        """Group the next few."""

        def work(connection: sa.Connection) -> None:
            until = _read_until(connection)
            if until is None:
                return
            now = self._clock.now()
            found = executions.find_with_errors(connection, until, _AT_ONCE)
            noted = [
                Noted(
                    row.id,
                    row.app_name,
                    find_cause(row.app_id, row.status, row.error_message, outputs, problems),
                    row.error_message,
                    row.completed_at or row.updated_at,
                )
                for row, outputs, problems in found
            ]
            failures.note(connection, noted, now)
            document = {"version": VERSION, "until": found[-1][0].id if len(found) == _AT_ONCE else None}
            notes.write(connection, notes.FINGERPRINTS, document, now)

        self._writer.run(work)


def _read_until(connection: sa.Connection) -> int | None:
    """Return the last execution that these rules have seen, None where they have seen all."""
    note = notes.read(connection, notes.FINGERPRINTS)
    if note is None or note.document["version"] != VERSION:
        return 0
    until = note.document["until"]
    return None if until is None else int(until)
