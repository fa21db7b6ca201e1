"""What operators do. Every function takes the acting operator, checks role and state again, and leaves a trace."""

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from lamina_core import errors, intake, registration
from lamina_core.api.client import Estimate
from lamina_core.api.generations import Feature
from lamina_core.domain import POLLED, Absence, App, Event, Kind, Operator, Origin, Role, Source, Update
from lamina_core.settlement import Settlement
from lamina_core.starts import require
from lamina_core.store import catalogue, events, executions, notes, polls

DETAILS_FRESH = timedelta(minutes=5)


class Operations(Settlement):
    """Acts for operators on Lamina and on the store."""

    def cancel(self, operator: Operator, row_id: int) -> None:
        """Ask Lamina to cancel an execution, and read what became of it."""
        require(operator, Role.OPERATOR)
        execution = self._find(row_id)
        if execution.status not in POLLED or execution.execution_id is None:
            raise errors.OperationRefused(f"An execution that is {execution.status} cannot be cancelled.")
        self._budget.take_action()
        self._client.cancel(execution.execution_id)
        self._trace(operator, "cancel_asked", row_id)
        self.check(operator, row_id)

    def check(self, operator: Operator, row_id: int) -> None:
        """Read an execution from Lamina now."""
        require(operator, Role.OPERATOR)
        execution = self._find(row_id)
        if execution.execution_id is None:
            raise errors.OperationRefused("Lamina has not named this execution, so it cannot be read.")
        self._budget.take_action()
        began = self._clock.now()
        try:
            report = self._client.get(execution.execution_id)
            update = Update(Source.POLL, began, row_id, report=report)
        except errors.NotFound:
            update = Update(Source.POLL, began, row_id, absence=Absence.NOT_FOUND)

        def work(connection: sa.Connection) -> None:
            polls.record(connection, [row_id], self._clock.now(), None)
            intake.apply_update(connection, update, self._clock.now())

        self._writer.run(work, order=row_id)
        if update.report is None:
            raise errors.OperationRefused("Lamina answers that it knows no such execution (404).")

    def track(self, operator: Operator, execution_id: str, reference: str | None) -> int:
        """Take in an execution that others started, by Lamina's id, and return its row's id."""
        require(operator, Role.OPERATOR)
        wanted = execution_id.strip()
        if not wanted:
            raise errors.OperationRefused("Paste Lamina's id of the execution to track.")
        try:
            registration.check_text(reference)
        except ValueError as error:
            raise errors.OperationRefused(f"The reference {error}.") from None
        self._budget.take_action()
        began = self._clock.now()
        try:
            report = self._client.get(wanted)
        except errors.NotFound:
            raise errors.OperationRefused(f"Lamina knows no execution {wanted} in this workspace (404).") from None

        def work(connection: sa.Connection) -> int:
            now = self._clock.now()
            (row_id,) = registration.take_in(
                connection, [report], Origin.REGISTERED, operator.name, began, self._generation, now
            )
            if reference:
                executions.refer(connection, row_id, reference)
            return row_id

        return self._writer.run(work)

    def set_kind(self, operator: Operator, app_id: str, kind: Kind | None) -> None:
        """Decide how often executions of an app are polled; None leaves it to what they show."""
        require(operator, Role.OPERATOR)
        event = Event(self._clock.now(), "kind_set", operator.name, {"app_id": app_id, "kind": kind})

        def work(connection: sa.Connection) -> None:
            polls.set_kind(connection, app_id, kind)
            events.append(connection, event)

        self._writer.run(work)

    def open_app(self, app_id: str) -> App:
        """Return an app with its parameters, read from Lamina where the cached ones are too old.

        When Lamina cannot be asked, older parameters are better than none.
        """
        with self._engines.reading() as connection:
            cached = catalogue.find(connection, app_id)
        now = self._clock.now()
        usable = cached is not None and cached.parameters is not None
        if cached and usable and cached.fetched_at and now - cached.fetched_at < DETAILS_FRESH:
            return cached
        try:
            self._budget.take_action()
            app = self._client.get_app(app_id)
        except errors.DeskError:
            if cached and usable:
                return cached
            raise
        self._writer.run(lambda connection: catalogue.put(connection, app, now))
        return app

    def refresh_apps(self) -> None:
        """Read the list of apps from Lamina into the cache."""
        apps = self._client.list_apps()
        now = self._clock.now()
        self._writer.run(lambda connection: catalogue.replace_list(connection, apps, now))

    def estimate(self, app_id: str) -> Estimate:
        """Return what a start would cost."""
        self._budget.take_action()
        estimate = self._client.estimate(app_id)
        return estimate if estimate.balance is not None else replace(estimate, balance=self._client.usage())

    def supports(self, feature: Feature) -> bool:
        """Say whether the API generation in use has the feature."""
        return self._client.supports(feature)

    def pause_polling(self, operator: Operator, *, paused: bool) -> None:
        """Stop or resume the poller for everybody."""
        require(operator, Role.ADMIN)
        now = self._clock.now()

        def work(connection: sa.Connection) -> None:
            notes.write(connection, notes.POLLING, {"paused_by": operator.name if paused else None}, now)
            kind = "polling_paused" if paused else "polling_resumed"
            events.append(connection, Event(at=now, kind=kind, actor=operator.name))

        self._writer.run(work)

    def _trace(self, operator: Operator, kind: str, row_id: int) -> None:
        event = Event(at=self._clock.now(), kind=kind, actor=operator.name, execution=row_id)
        self._writer.run(lambda connection: events.append(connection, event), order=row_id)
