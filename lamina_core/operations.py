"""What operators do. Every function takes the acting operator, checks role and state again, and leaves a trace."""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from lamina_core import errors, intake
from lamina_core.api.client import Estimate, LaminaClient
from lamina_core.api.generations import Feature
from lamina_core.clock import Clock
from lamina_core.domain import (
    POLLED,
    Absence,
    App,
    Event,
    Execution,
    Generation,
    Operator,
    Origin,
    Role,
    Source,
    Update,
)
from lamina_core.polling.budget import Budget
from lamina_core.store import catalogue, events, executions, notes
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Intent
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

START_ANSWER_LIMIT = timedelta(seconds=65)  # the client's deadline + 30 s: no answer is on its way any more
DETAILS_FRESH = timedelta(minutes=5)
ANSWER_PATIENCE = 10.0  # seconds for which a database that takes nothing is asked again to keep a start's answer


@dataclass(frozen=True)
class StartRequest:
    """A start as an operator asks for it.

    `token` is random and made when the form is opened: the same token again, by a double click or a
    re-run of the screen, is the same start. It also travels in the webhook URL.
    """

    token: str
    app: App
    inputs: Mapping[str, Any]
    chosen_outputs: Sequence[str] = ()
    replay_of: int | None = None


def new_token(rng: random.Random) -> str:
    """Return a token that nobody can guess; `rng` must be a system source outside tests."""
    return f"{rng.getrandbits(128):032x}"


def require(operator: Operator, role: Role) -> None:
    """Raise OperationRefused unless the operator may do what the role may do."""
    if not operator.role.covers(role):
        raise errors.OperationRefused(f"{operator.name} is a {operator.role}; this needs the role {role}.")


class Operations:
    """Acts for operators on Lamina and on the store."""

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

    def start(self, operator: Operator, request: StartRequest, webhook_url: str | None) -> int:
        """Start an execution and return its row's id; what became of it stands in the row.

        The intent is committed before the request leaves. Lamina's refusal makes the row `start_failed`; a
        lost answer makes it `start_unconfirmed`, and nothing is sent again, for it may be billed twice.
        `webhook_url` is the receiver's address without a token; None: Lamina is not asked for a webhook.
        """
        require(operator, Role.OPERATOR)
        _require_json(request.inputs)
        if request.chosen_outputs and not self._client.supports(Feature.CHOOSE_OUTPUTS):
            raise errors.OperationRefused("Choosing outputs needs LAMINA_API_GENERATION=runs.")
        self._budget.take_action()
        row_id, is_new = self._writer.run(
            lambda connection: self._record_intent(connection, operator, request, webhook_url is not None)
        )
        if not is_new:
            return row_id
        began = self._clock.now()
        webhook = webhook_url and f"{webhook_url}?{urlencode({'start': request.token})}"
        self._keep_answer(self._send_start(row_id, request, webhook, began))
        return row_id

    def _keep_answer(self, update: Update) -> None:
        """Store a start's answer, trying for a while: nobody else knows the id that it may hold."""
        ends = self._clock.monotonic() + ANSWER_PATIENCE
        while True:
            try:
                self._settle_start(update)
            except errors.StoreError as error:
                named = update.report.execution_id if update.report else "no execution"
                log.warning("the answer to start %s, naming %s, is not stored: %s", update.execution, named, error)
                if self._clock.monotonic() > ends:
                    raise
            else:
                return
            self._clock.sleep(1.0)

    def _record_intent(
        self, connection: sa.Connection, operator: Operator, request: StartRequest, webhook_expected: bool
    ) -> tuple[int, bool]:
        known = executions.id_by_token(connection, request.token)
        if known is not None:
            sent = executions.find_payload(connection, known)
            if sent is not None and sent.inputs != dict(request.inputs):
                raise errors.OperationRefused(f"This form was already sent, with other inputs, as #{known}.")
            return known, False
        now = self._clock.now()
        intent = Intent(
            token=request.token,
            app_id=request.app.app_id,
            app_name=request.app.name,
            kind=executions.learned_kind(connection, request.app.app_id) or request.app.kind,
            generation=self._generation,
            inputs=request.inputs,
            chosen_outputs=request.chosen_outputs,
            origin=Origin.FORM if request.replay_of is None else Origin.REPLAY,
            replay_of=request.replay_of,
            started_by=operator.name,
            webhook_expected=webhook_expected,
        )
        row_id = executions.insert_intent(connection, intent, now)
        events.append(connection, Event(at=now, kind="started", actor=operator.name, execution=row_id))
        if request.replay_of is not None:
            replayed = Event(
                at=now,
                kind="replayed",
                actor=operator.name,
                detail={"replay": row_id},
                execution=request.replay_of,
            )
            events.append(connection, replayed)
        return row_id, True

    def _send_start(self, row_id: int, request: StartRequest, webhook: str | None, began: datetime) -> Update:
        try:
            report = self._client.start(
                request.app.app_id, request.inputs, webhook=webhook, outputs=request.chosen_outputs
            )
        except errors.ApiError as error:
            lost = not _surely_not_started(error)
            return Update(
                Source.START,
                began,
                row_id,
                absence=Absence.START_LOST if lost else Absence.START_REFUSED,
                reason=str(error),
                problems=error.details if isinstance(error, errors.ApiRefused) else (),
            )
        return Update(Source.START, began, row_id, report=report)

    def replay(self, operator: Operator, row_id: int, token: str, webhook_url: str | None) -> int:
        """Start the same app with the same inputs again and return the new row's id."""
        require(operator, Role.OPERATOR)
        with self._engines.reading() as connection:
            original = _known(executions.find(connection, row_id), row_id)
            payload = executions.find_payload(connection, row_id)
            app = catalogue.find(connection, original.app_id)
        if payload is None:
            raise errors.OperationRefused("The inputs of this execution are not known here.")
        request = StartRequest(
            token=token,
            app=app or App(original.app_id, original.app_name, None, is_public=False),
            inputs=payload.inputs,
            chosen_outputs=payload.chosen_outputs if self._client.supports(Feature.CHOOSE_OUTPUTS) else (),
            replay_of=row_id,
        )
        return self.start(operator, request, webhook_url)

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
            executions.record_poll(connection, row_id, self._clock.now(), None)
            intake.apply_update(connection, update, self._clock.now())

        self._writer.run(work, order=row_id)
        if update.report is None:
            raise errors.OperationRefused("Lamina answers that it knows no such execution (404).")

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

    def expire_starts(self) -> None:
        """Call a start unconfirmed whose answer can no longer come, because its process was killed."""
        now = self._clock.now()
        with self._engines.reading() as connection:
            stale = executions.stale_starts(connection, now - START_ANSWER_LIMIT)
        for row_id in stale:
            self._settle_start(
                Update(
                    Source.START,
                    now,
                    row_id,
                    absence=Absence.START_LOST,
                    reason="No answer to this start was recorded here.",
                )
            )

    def _settle_start(self, update: Update) -> None:
        now = self._clock.now()
        self._writer.run(lambda connection: intake.apply_update(connection, update, now), order=update.execution or 0)

    def _find(self, row_id: int) -> Execution:
        with self._engines.reading() as connection:
            return _known(executions.find(connection, row_id), row_id)

    def _trace(self, operator: Operator, kind: str, row_id: int) -> None:
        event = Event(at=self._clock.now(), kind=kind, actor=operator.name, execution=row_id)
        self._writer.run(lambda connection: events.append(connection, event), order=row_id)


def _known(execution: Execution | None, row_id: int) -> Execution:
    if execution is None:
        raise errors.OperationRefused(f"There is no execution {row_id} in this store.")
    return execution


def _require_json(inputs: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(inputs), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.OperationRefused(f"These inputs cannot be sent as JSON: {error}.") from None


def _surely_not_started(error: errors.ApiError) -> bool:
    if isinstance(error, errors.ApiUnreachable):
        return not error.sent
    return isinstance(error, errors.ApiRefused) and not isinstance(error, errors.ServerFault)
