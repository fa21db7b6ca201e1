"""Starting executions: the intent is committed before the request leaves, and nothing is ever sent twice.

What became of a start that got no answer is settled by a webhook with its token, or by an operator: see `settlement`.
"""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from lamina_core import errors, intake
from lamina_core.api.client import LaminaClient
from lamina_core.api.generations import Feature
from lamina_core.clock import Clock
from lamina_core.domain import (
    IN_FLIGHT,
    UNSETTLED_START,
    Absence,
    App,
    Event,
    Execution,
    Generation,
    Operator,
    Origin,
    Role,
    Source,
    Status,
    Update,
)
from lamina_core.polling import pace
from lamina_core.polling.budget import Budget
from lamina_core.store import catalogue, events, executions
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Intent
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

START_ANSWER_LIMIT = timedelta(seconds=65)  # the client's deadline + 30 s: no answer is on its way any more
ANSWER_PATIENCE = 10.0  # seconds for which a database that takes nothing is asked again to keep a start's answer
UNDER_WAY = IN_FLIGHT | UNSETTLED_START  # a replay that has no answer may be running too


@dataclass(frozen=True)
class StartRequest:
    """A start as an operator asks for it.

    `token` is random and made when the form is opened: the same token again, by a double click or a
    re-run of the screen, is the same start. It also travels in the webhook URL.

    Two consents: `may_repeat`, where a replay of the same execution is under way or has completed already, and
    `may_bill_twice`, where the start that is replayed may be running unseen.
    """

    token: str
    app: App
    inputs: Mapping[str, Any]
    chosen_outputs: Sequence[str] = ()
    replay_of: int | None = None
    may_repeat: bool = False
    may_bill_twice: bool = False
    in_bulk: bool = False


def new_token(rng: random.Random) -> str:
    """Return a token that nobody can guess; `rng` must be a system source outside tests."""
    return f"{rng.getrandbits(128):032x}"


def require(operator: Operator, role: Role) -> None:
    """Raise OperationRefused unless the operator may do what the role may do."""
    if not operator.role.covers(role):
        raise errors.OperationRefused(f"{operator.name} is a {operator.role}; this needs the role {role}.")


class Starts:
    """Starts executions for operators."""

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
        OperationRefused for a replay that its request does not consent to.
        """
        require(operator, Role.OPERATOR)
        _require_json(request.inputs)
        if request.chosen_outputs and not self._client.supports(Feature.CHOOSE_OUTPUTS):
            raise errors.OperationRefused("Choosing outputs needs LAMINA_API_GENERATION=runs.")
        self._budget.take_action()
        row_id, is_new = self._writer.run(
            lambda connection: self._record_intent(connection, operator, request, webhook_url is not None),
            order=request.replay_of or 0,
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
                self._settle(update)
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
        if request.replay_of is not None:
            _require_consent(connection, request, request.replay_of)
        now = self._clock.now()
        intent = Intent(
            token=request.token,
            app_id=request.app.app_id,
            app_name=request.app.name,
            kind=pace.read_kind(connection, request.app.app_id, request.app),
            generation=self._generation,
            inputs=request.inputs,
            chosen_outputs=request.chosen_outputs,
            origin=_origin(request),
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

    def replay(
        self, operator: Operator, row_id: int, token: str, webhook_url: str | None, *, may_bill_twice: bool = False
    ) -> int:
        """Start the same app with the same inputs again and return the new row's id.

        `may_bill_twice` is the operator's consent, needed where the first start may be running unseen, or a replay
        of it is under way or has completed.
        """
        require(operator, Role.OPERATOR)
        with self._engines.reading() as connection:
            original = known_here(executions.find(connection, row_id), row_id)
            payload = executions.find_payload(connection, row_id)
            app = catalogue.find(connection, original.app_id)
        if payload is None or payload.inputs is None:
            raise errors.OperationRefused("The inputs of this execution are not known here. Start it from the form.")
        request = StartRequest(
            token=token,
            app=app or App(original.app_id, original.app_name, None, is_public=False),
            inputs=payload.inputs,
            chosen_outputs=payload.chosen_outputs if self._client.supports(Feature.CHOOSE_OUTPUTS) else (),
            replay_of=row_id,
            may_repeat=may_bill_twice,
            may_bill_twice=may_bill_twice,
        )
        return self.start(operator, request, webhook_url)

    def expire_starts(self) -> None:
        """Call a start unconfirmed whose answer can no longer come, because its process was killed."""
        now = self._clock.now()
        with self._engines.reading() as connection:
            stale = executions.unnamed_before(connection, now - START_ANSWER_LIMIT)
        reason = "No answer to this start was recorded here."
        for row_id in stale:
            self._settle(Update(Source.START, now, row_id, absence=Absence.START_LOST, reason=reason))

    def _settle(self, update: Update) -> None:
        now = self._clock.now()
        self._writer.run(lambda connection: intake.apply_update(connection, update, now), order=update.execution or 0)

    def _find(self, row_id: int) -> Execution:
        with self._engines.reading() as connection:
            return known_here(executions.find(connection, row_id), row_id)


def _origin(request: StartRequest) -> Origin:
    if request.in_bulk:
        return Origin.BULK
    return Origin.FORM if request.replay_of is None else Origin.REPLAY


def known_here(execution: Execution | None, row_id: int) -> Execution:
    """Return the execution, or raise OperationRefused where the store has none."""
    if execution is None:
        raise errors.OperationRefused(f"There is no execution {row_id} in this store.")
    return execution


def blocks_repeat(replay: Execution) -> bool:
    """Say whether this replay is under way or has completed, so that one more needs an operator's consent."""
    return replay.status in UNDER_WAY or replay.status is Status.COMPLETED


def _require_consent(connection: sa.Connection, request: StartRequest, row_id: int) -> None:
    """Raise OperationRefused for a replay that may do again what is done; others wait until this one is recorded."""
    original = known_here(executions.find(connection, row_id, for_update=True), row_id)
    if original.status in UNSETTLED_START and not request.may_bill_twice:
        raise errors.OperationRefused(
            f"Whether Lamina accepted the start of #{row_id} is not known: to start again may be billed twice."
        )
    known = [replay for replay in executions.replays_of(connection, row_id) if blocks_repeat(replay)]
    if known and not request.may_repeat:
        named = ", ".join(f"#{replay.id} ({replay.status.replace('_', ' ')})" for replay in known)
        raise errors.OperationRefused(f"#{row_id} was replayed already: {named}. Another replay needs your consent.")


def _require_json(inputs: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(inputs), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.OperationRefused(f"These inputs cannot be sent as JSON: {error}.") from None


def _surely_not_started(error: errors.ApiError) -> bool:
    if isinstance(error, errors.ApiUnreachable):
        return not error.sent
    return isinstance(error, errors.ApiRefused) and not isinstance(error, errors.ServerFault)
