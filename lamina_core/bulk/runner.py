"""The loop that carries out bulk operations: one in all processes of a database, and nothing is sent twice.

Before an item is sent it is marked, and its start carries the item's own token: after a crash the same item is sent
again with the same token, which is the same start.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Course, Item, ItemState, choose_course
from lamina_core.clock import Clock
from lamina_core.domain import Event, Operator, Role
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.starts import StartRequest
from lamina_core.store import bulks, events, executions
from lamina_core.store.duty import Duty
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer
from lamina_core.triage import patch

TICK = 0.5  # seconds between two looks at what runs
LEASE = "bulk"


class BulkRunner:
    """Sends the items of running operations, a few a minute, while this process holds the lease."""

    def __init__(
        self,
        *,
        holder: str,
        engines: Engines,
        writer: Writer,
        operations: Operations,
        budget: Budget,
        clock: Clock,
        webhook_url: Callable[[], str | None],
    ) -> None:
        self._duty = Duty(lease=LEASE, holder=holder, writer=writer, clock=clock, tick=TICK, do_round=self.step)
        self._engines = engines
        self._writer = writer
        self._operations = operations
        self._budget = budget
        self._clock = clock
        self._webhook_url = webhook_url

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._duty.start()

    def stop(self) -> None:
        """End; an item under way is left to end by itself."""
        self._duty.stop()

    def step(self) -> None:
        """Do one round: of every operation that runs, send one item at most."""
        with self._engines.reading() as connection:
            running = bulks.find_running(connection)
        if running and self._duty.is_ours():
            for bulk in running:
                self._advance(bulk)

    def _advance(self, bulk: Bulk) -> None:
        now = self._clock.now()
        if bulk.next_at is not None and now < bulk.next_at:
            return
        with self._engines.reading() as connection:
            course, reason = choose_course(bulk, bulks.read_survey(connection, bulk))
            item = bulks.find_next(connection, bulk.id)
        if course is Course.STOP:
            self._end(bulk.id, BulkState.STOPPED, reason)
        elif course is Course.FINISH:
            self._end(bulk.id, BulkState.DONE, None)
        elif course is Course.SEND and item is not None and self._budget.may_poll() and self._mark(bulk, item):
            sent = self._send(bulk, item)
            if sent is not None:
                self._writer.run(lambda connection: bulks.write_item(connection, sent), order=item.execution)

    def _mark(self, bulk: Bulk, item: Item) -> bool:
        """Write down that an item is being sent and when the next one may be; False where it runs no more."""

        def work(connection: sa.Connection) -> bool:
            current = bulks.find(connection, bulk.id, for_update=True)
            if current is None or current.state is not BulkState.RUNNING:
                return False
            now = self._clock.now()
            bulks.write(connection, replace(current, next_at=now + timedelta(minutes=1) / bulk.per_minute))
            bulks.write_item(connection, replace(item, state=ItemState.SENDING))
            return True

        return self._writer.run(work)

    def _send(self, bulk: Bulk, item: Item) -> Item | None:
        """Do to one execution what is to be done, and return what became of the item; None: it is to be tried again."""
        operator = Operator(bulk.created_by, Role.OPERATOR)
        try:
            if bulk.kind is BulkKind.CANCEL:
                self._operations.cancel(operator, item.execution)
                return replace(item, state=ItemState.SENT)
            replay = self._operations.start(operator, self._request(bulk, item), self._webhook_url())
        except errors.BudgetUsedUp:
            return None
        except errors.AuthRefused as error:
            self._end(bulk.id, BulkState.STOPPED, str(error))
            return None
        except (errors.OperationRefused, errors.ApiError) as error:
            if isinstance(error, errors.ApiError) and error.retryable:
                return None
            return replace(item, state=ItemState.LEFT_OUT, problem=str(error))
        return replace(item, state=ItemState.SENT, replay=replay)

    def _request(self, bulk: Bulk, item: Item) -> StartRequest:
        with self._engines.reading() as connection:
            original = executions.find(connection, item.execution)
            payload = executions.find_payload(connection, item.execution)
        if original is None or payload is None or payload.inputs is None or item.token is None:
            raise errors.OperationRefused("Its inputs are not known here any more.")
        return StartRequest(
            token=item.token,
            app=self._operations.open_app(original.app_id),
            inputs=patch.apply_patch(bulk.patch, payload.inputs),
            chosen_outputs=payload.chosen_outputs,
            replay_of=original.id,
            in_bulk=True,
        )

    def _end(self, bulk_id: int, state: BulkState, reason: str | None) -> None:
        def work(connection: sa.Connection) -> None:
            current = bulks.find(connection, bulk_id, for_update=True)
            if current is None or current.state is not BulkState.RUNNING:
                return
            now = self._clock.now()
            bulks.write(connection, replace(current, state=state, stopped_because=reason, updated_at=now))
            detail = {"bulk": bulk_id} | ({"reason": reason} if reason else {})
            events.append(connection, Event(now, f"bulk_{state}", "desk", detail))

        self._writer.run(work)
