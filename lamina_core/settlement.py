"""Settling the starts whose answer was lost, by an operator who has looked them up in Lamina.

Nothing is linked by itself: what fits by app and time only is suggested.
"""

from datetime import timedelta

import sqlalchemy as sa

from lamina_core import errors, intake
from lamina_core.domain import Absence, Event, Execution, Operator, Report, Role, Source, Status, Update
from lamina_core.starts import Starts, require
from lamina_core.store import events, executions

CANDIDATE_BEFORE, CANDIDATE_AFTER = timedelta(minutes=1), timedelta(minutes=5)  # around a start: clocks differ


class Settlement(Starts):
    """Starts executions, and settles those that got no answer."""

    def link(self, operator: Operator, row_id: int, execution_id: str) -> None:
        """Settle a start without an answer: it exists, and this is Lamina's id of it.

        The id is read from Lamina first. A row that the same execution has here already becomes one with the start's.
        """
        require(operator, Role.OPERATOR)
        start = self._find_unsettled(row_id)
        name = execution_id.strip()
        if not name:
            raise errors.OperationRefused("Paste Lamina's id of the execution to link.")
        self._budget.take_action()
        began = self._clock.now()
        try:
            report = self._client.get(name)
        except errors.NotFound:
            raise errors.OperationRefused(f"Lamina knows no execution {name} (404).") from None
        if report.app_id not in {None, start.app_id}:
            raise errors.OperationRefused(f"That is an execution of another app, {report.app_id}.")

        def work(connection: sa.Connection) -> None:
            known = executions.known_by_execution_id(connection, {report.execution_id}).get(report.execution_id)
            if known is not None and known.is_ours and known.id != row_id:
                raise errors.OperationRefused(f"That execution was started here as #{known.id}.")
            now = self._clock.now()
            intake.apply_update(connection, Update(Source.OPERATOR, began, row_id, report=report), now)
            linked = Event(now, "linked", operator.name, {"execution_id": report.execution_id}, row_id)
            events.append(connection, linked)

        self._writer.run(work, order=row_id)

    def find_candidates(self, operator: Operator, row_id: int) -> list[Report]:
        """Look in Lamina's list for executions that a start without an answer may have become, the nearest first.

        They fit by app and time only, so that none is linked by itself; needs a generation that has the list.
        """
        require(operator, Role.OPERATOR)
        start = self._find_unsettled(row_id)
        self._budget.take_action()
        began, ended = start.created_at - CANDIDATE_BEFORE, start.created_at + CANDIDATE_AFTER
        rows = self._client.list(app_id=start.app_id, since=began, limit=100).reports
        with self._engines.reading() as connection:
            known = executions.known_by_execution_id(connection, {row.execution_id for row in rows})
        accounted_for = {name for name, each in known.items() if each.is_ours or each.has_inputs}
        near = [row for row in rows if row.created_at is not None and row.created_at <= ended]
        fitting = [row for row in near if row.execution_id not in accounted_for]
        return sorted(fitting, key=lambda row: abs((row.created_at or began) - start.created_at))

    def deny(self, operator: Operator, row_id: int) -> None:
        """Settle a start without an answer: an operator knows that it never started."""
        require(operator, Role.OPERATOR)
        self._find_unsettled(row_id)
        reason = f"{operator.name} says that it never started."
        absence = Absence.START_REFUSED
        self._settle(Update(Source.OPERATOR, self._clock.now(), row_id, absence=absence, reason=reason))

    def _find_unsettled(self, row_id: int) -> Execution:
        execution = self._find(row_id)
        if execution.status is not Status.START_UNCONFIRMED:
            raise errors.OperationRefused(f"This start needs no settling: it is {execution.status}.")
        return execution
