"""Takes in executions that nobody told us of: those that verified webhooks name, and those of Lamina's list.

A webhook that verifies may be about another workspace, for Lamina's key looks service-wide; so an unknown id is
adopted only after a read with our own key. The poller's process does both as chores, from the polls' budget.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from lamina_core import errors, registration
from lamina_core.api.client import LaminaClient
from lamina_core.clock import Clock
from lamina_core.domain import Generation, Origin, Report, Source
from lamina_core.polling.budget import Budget
from lamina_core.store import deliveries, notes
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

_SETTLING = timedelta(seconds=5)  # for the answer to a start of ours, which may still be on its way
_FAILED_REST = timedelta(minutes=5)  # before Lamina is asked again for one that it did not answer for
_PAGE = 100  # executions in one answer of the list
_PAGES = 5  # in one go; the next one goes on
_FIRST_IMPORT = timedelta(hours=24)  # how far back the first one looks
_OVERLAP = timedelta(minutes=5)  # by which two imports overlap: clocks differ, and rows may come late


class Adoption:
    """Makes executions of others ours, each with what Lamina says of it."""

    def __init__(
        self,
        *,
        engines: Engines,
        writer: Writer,
        client: LaminaClient,
        budget: Budget,
        clock: Clock,
        generation: Generation,
    ) -> None:
        self._engines = engines
        self._writer = writer
        self._client = client
        self._budget = budget
        self._clock = clock
        self._generation = generation
        self._failed: dict[str, datetime] = {}  # those that Lamina did not answer for, so that others get their turn

    def is_any_waiting(self) -> bool:
        """Say whether a verified webhook named an execution that we do not know, and nobody has asked for yet."""
        return self._oldest() is not None

    def _oldest(self) -> deliveries.Kept | None:
        now = self._clock.now()
        self._failed = {name: at for name, at in self._failed.items() if now - at < _FAILED_REST}
        with self._engines.reading() as connection:
            waiting = deliveries.unclaimed(connection, now - _SETTLING, len(self._failed) + 1)
        return next((kept for kept in waiting if kept.request_id not in self._failed), None)

    def adopt_next(self) -> None:
        """Ask Lamina for the execution of the oldest such webhook, and take it in if it is of our workspace."""
        waiting = self._oldest()
        if waiting is None or waiting.request_id is None:
            return
        request_id, began = waiting.request_id, self._clock.now()
        self._failed[request_id] = began
        try:
            report = self._client.get(request_id)
        except (errors.NotFound, errors.InvalidRequest):
            self._writer.run(lambda connection: deliveries.disown(connection, request_id))
        else:
            self._take_in([report], Origin.WEBHOOK, Source.DELIVERY, began)

    def _take_in(self, reports: Sequence[Report], origin: Origin, actor: str, began: datetime) -> None:
        now = self._clock.now()
        self._writer.run(
            lambda connection: registration.take_in(connection, reports, origin, actor, began, self._generation, now)
        )

    def import_listed(self) -> None:
        """Take in what Lamina's list has had since the last time; what has ended is read in full by the poller."""
        with self._engines.reading() as connection:
            note = notes.read(connection, notes.IMPORTED)
        now = self._clock.now()
        state: Mapping[str, Any] = note.document if note else {"until": (now - _FIRST_IMPORT).isoformat(), "offset": 0}
        since, offset = datetime.fromisoformat(state["until"]), int(state["offset"])
        began = state.get("began", now.isoformat())  # of the first of the goes that one list takes
        for page in range(_PAGES):
            if page and not self._budget.take_poll():
                break
            rows = self._client.list(since=since - _OVERLAP, limit=_PAGE, offset=offset).reports
            self._take_in(rows, Origin.IMPORTED, Source.POLL, now)
            offset += _PAGE
            if len(rows) < _PAGE:
                since, offset = datetime.fromisoformat(began), 0
                break
        reached = {"until": since.isoformat(), "offset": offset} | ({"began": began} if offset else {})
        self._writer.run(lambda connection: notes.write(connection, notes.IMPORTED, reached, now))
