"""Asks Lamina how executions stand, one by one or by its list, and hands what it says to intake."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamina_core import errors, intake
from lamina_core.api.client import LaminaClient
from lamina_core.clock import Clock
from lamina_core.domain import Absence, Pollable, Report, Source, Update
from lamina_core.polling import schedule
from lamina_core.polling.budget import Budget
from lamina_core.store import polls
from lamina_core.store.writer import Writer

PAGE = 100  # executions in one answer of the list, the most that Lamina gives
_CLOCKS_APART = timedelta(minutes=5)  # by which Lamina's clock and ours may differ


class Reader:
    """Reads executions; `tell` hears of every answer: the error or None, and when the request began."""

    def __init__(
        self,
        *,
        writer: Writer,
        client: LaminaClient,
        budget: Budget,
        clock: Clock,
        tell: Callable[[errors.ApiError | None, datetime], None],
    ) -> None:
        self._writer = writer
        self._client = client
        self._budget = budget
        self._clock = clock
        self._tell = tell

    def read(self, execution: Pollable) -> None:
        """Ask Lamina for one execution and store what it says."""
        began = self._clock.now()
        try:
            report = self._client.get(execution.execution_id)
        except errors.NotFound:
            self._tell(None, began)
            self._store([Update(Source.POLL, began, execution.id, absence=Absence.NOT_FOUND)])
        except errors.ApiError as error:
            self._tell(error, began)
            self._postpone(execution, error)
        else:
            self._tell(None, began)
            self._store([Update(Source.POLL, began, execution.id, report=report)])

    def sweep(self, executions: Sequence[Pollable]) -> frozenset[int]:
        """Ask Lamina for its list, as many pages as these executions may take; return those that were not in it.

        What has ended is read in full afterwards: the list does not tell what was made.
        """
        began = self._clock.now()
        since = min(execution.created_at for execution in executions) - _CLOCKS_APART
        wanted = {execution.execution_id: execution.id for execution in executions}
        listed: dict[str, Report] = {}
        try:
            for page in range(math.ceil(len(executions) / PAGE) + 1):
                if page and not self._budget.take_poll():
                    break
                rows = self._client.list(since=since, limit=PAGE, offset=page * PAGE).reports
                listed |= {row.execution_id: row for row in rows if row.execution_id in wanted}
                if len(rows) < PAGE or len(listed) == len(wanted):
                    break
        except errors.ApiError as error:
            self._tell(error, began)
            return frozenset()
        self._tell(None, began)
        self._store([Update(Source.POLL, began, wanted[row.execution_id], report=row) for row in listed.values()])
        return frozenset(row_id for execution_id, row_id in wanted.items() if execution_id not in listed)

    def _store(self, updates: Sequence[Update]) -> None:
        now = self._clock.now()
        ids = [update.execution for update in updates if update.execution is not None]

        def work(connection: sa.Connection) -> None:
            polls.record(connection, ids, now, None)
            intake.apply_updates(connection, updates, now)

        if ids:
            self._writer.run(work, order=min(ids))

    def _postpone(self, execution: Pollable, error: errors.ApiError) -> None:
        now = self._clock.now()
        next_poll_at = schedule.next_poll_at(
            execution.kind,
            webhook_expected=execution.webhook_expected,
            polls=execution.poll_count,
            created_at=execution.created_at,
            now=now,
        )

        def work(connection: sa.Connection) -> None:
            polls.record(connection, [execution.id], now, str(error))
            polls.postpone(connection, execution.id, next_poll_at)

        self._writer.run(work, order=execution.id)
