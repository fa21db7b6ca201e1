"""The loop that carries out bulk operations: one in all processes of a database, and nothing is sent twice.

Before an item is sent it is marked, and its start carries the item's own token: after a crash the same item is sent
again with the same token, which is the same start.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Course, Item, ItemState, choose_course
from lamina_core.clock import Clock
from lamina_core.domain import Event, Operator, Role
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.starts import StartRequest
from lamina_core.store import bulks, events, executions, leases
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer
from lamina_core.triage import patch

log = logging.getLogger(__name__)

TICK = 0.5  # seconds between two looks at what runs
LEASE = "bulk"
_HEARTBEAT = timedelta(seconds=3)
_STORE_PAUSE = 2.0  # seconds before a database that failed is tried again
_STOP_PATIENCE = 0.5  # seconds for the item under way when the process is stopped


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
        self._holder = holder
        self._engines = engines
        self._writer = writer
        self._operations = operations
        self._budget = budget
        self._clock = clock
        self._webhook_url = webhook_url
        self._holds_lease = False
        self._heartbeat_at: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bulk", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop and give the lease back; an item under way is left to end by itself."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_PATIENCE)
        if self._holds_lease:
            self._holds_lease = False
            try:
                self._writer.run(lambda connection: leases.release(connection, LEASE, self._holder))
            except errors.StoreError as error:
                log.warning("the lease of bulk operations was not given back and will run out: %s", error)

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            try:
                self.step()
            except errors.StoreError as error:
                log.warning("bulk operations wait for the database: %s", error)
                self._stop.wait(_STORE_PAUSE)
            except Exception:
                log.exception("a round of the bulk operations failed")

    def step(self) -> None:
        """Do one round: of every operation that runs, send one item at most."""
        with self._engines.reading() as connection:
            running = bulks.find_running(connection)
        if running and self._keep_lease(self._clock.now()):
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

    def _keep_lease(self, now: datetime) -> bool:
        """Say whether this process holds the lease, with a sign of life every few seconds."""
        if self._heartbeat_at is None or now - self._heartbeat_at >= _HEARTBEAT:
            self._holds_lease = self._writer.run(lambda connection: leases.hold(connection, LEASE, self._holder, now))
            self._heartbeat_at = now
        return self._holds_lease
