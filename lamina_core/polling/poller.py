"""The loop that asks Lamina: one in all processes of a database, under the budget, with bounded reads at once."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamina_core import errors, intake
from lamina_core.api.client import LaminaClient
from lamina_core.clock import Clock
from lamina_core.domain import Absence, Execution, Source, Update
from lamina_core.polling import schedule
from lamina_core.polling.budget import Budget
from lamina_core.polling.health import ApiHealth, ApiState
from lamina_core.store import executions, leases, notes
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

TICK = 0.25  # seconds between two looks at what is due
READS_AT_ONCE = 4
_HEARTBEAT = timedelta(seconds=4)
_STOP_PATIENCE = 0.5  # seconds for the round under way when the poller is stopped


@dataclass
class Chore:
    """Something else that only one process does, every so often; raises ApiError where Lamina failed it."""

    name: str
    every: timedelta
    run: Callable[[], None]
    asks_lamina: bool
    due_at: datetime | None = field(default=None)


class Poller:
    """Reads executions that are due and does the chores, while this process holds the lease."""

    def __init__(
        self,
        *,
        holder: str,
        engines: Engines,
        writer: Writer,
        client: LaminaClient,
        budget: Budget,
        clock: Clock,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._holder = holder
        self._engines = engines
        self._writer = writer
        self._client = client
        self._budget = budget
        self._clock = clock
        self._chores = chores
        self._health = ApiHealth()
        self._health_lock = threading.Lock()
        self._reading: set[int] = set()
        self._failed: dict[int, datetime] = {}  # reads of which nothing was stored, and when
        self._holds_lease = False
        self._heartbeat_at: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to poll in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop and give the lease back; reads and chores under way are left to end by themselves."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_PATIENCE)
        if self._holds_lease:
            self._holds_lease = False
            try:
                self._writer.run(lambda connection: leases.release(connection, leases.POLLER, self._holder))
            except errors.StoreError as error:
                log.warning("the poller's lease was not given back and will run out: %s", error)

    def wake_chores(self) -> None:
        """Make every chore due now; an operator asked for it."""
        for chore in self._chores:
            chore.due_at = None

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            try:
                self.step()
            except errors.StoreError as error:
                log.warning("the poller waits for the database: %s", error)
            except Exception:
                log.exception("a round of the poller failed")

    def step(self) -> None:
        """Do one round: keep the lease, do the chores, and hand out the reads that are due."""
        now = self._clock.now()
        if not self._keep_lease(now):
            return
        for chore in self._chores:
            self._do_chore(chore, now)
        now = self._clock.now()
        if not self._keep_lease(now):  # a chore may have taken longer than the lease
            return
        with self._engines.reading() as connection:
            paused = notes.read(connection, notes.POLLING)
            room = READS_AT_ONCE - len(self._reading)
            due = executions.due(connection, now, limit=2 * READS_AT_ONCE) if room > 0 else []
        if paused is not None and paused.document["paused_by"]:
            return
        for execution in due:
            if execution.id in self._reading or self._must_rest(execution, now) or not self._may_ask(now):
                continue
            if len(self._reading) >= READS_AT_ONCE or not self._budget.take_poll():
                return
            self._reading.add(execution.id)
            # Not a pool's thread: the process must be able to end while Lamina lets a read hang.
            threading.Thread(target=self._read_in_background, args=(execution,), name="poll", daemon=True).start()

    def _keep_lease(self, now: datetime) -> bool:
        """Say whether this process holds the lease, with a sign of life every few seconds."""
        if self._heartbeat_at is not None and now - self._heartbeat_at < _HEARTBEAT:
            return self._holds_lease
        held = self._writer.run(lambda connection: leases.hold(connection, leases.POLLER, self._holder, now))
        if held != self._holds_lease:
            log.info("polling %s", "begins here" if held else "is done by another process")
        if held and not self._holds_lease:
            self._take_up_health(now)
        self._holds_lease, self._heartbeat_at = held, now
        return held

    def _take_up_health(self, now: datetime) -> None:
        """Go on from what the poller before us wrote down, with a try at once: the trouble may be over."""
        with self._engines.reading() as connection:
            note = notes.read(connection, notes.API_HEALTH)
        if note is not None:
            known = ApiHealth.from_document(note.document)
            self._health = known if known.state is ApiState.OK else replace(known, next_try=now)

    def _do_chore(self, chore: Chore, now: datetime) -> None:
        if chore.due_at is not None and now < chore.due_at:
            return
        if chore.asks_lamina and not (self._may_ask(now) and self._budget.take_poll()):
            return
        chore.due_at = now + chore.every
        try:
            chore.run()
        except errors.ApiError as error:
            health = self._health.after_error(error, now)
            if health.failures or error.retryable:  # else Lamina would say the same again
                chore.due_at = None  # as soon as Lamina may be asked
            self._note(health)
        except errors.StoreError as error:
            log.warning("%s waits for the database: %s", chore.name, error)
        else:
            if chore.asks_lamina:
                self._note(self._health.after_success(now))

    def _may_ask(self, now: datetime) -> bool:
        """Say whether Lamina may be asked: always while it answers, else one probe at the time of the next try."""
        health = self._health
        if health.state is ApiState.OK:
            return True
        return not self._reading and health.next_try is not None and now >= health.next_try

    def _must_rest(self, execution: Execution, now: datetime) -> bool:
        failed_at = self._failed.get(execution.id)
        return failed_at is not None and schedule.earliest_poll_at(execution.kind, failed_at, now) > now

    def _read_in_background(self, execution: Execution) -> None:
        self._failed[execution.id] = self._clock.now()
        try:
            self.read(execution)
        except errors.StoreError as error:
            log.warning("execution %s was read but not stored: %s", execution.id, error)
        except Exception:
            log.exception("reading execution %s failed", execution.id)
        else:
            del self._failed[execution.id]
        finally:
            self._reading.discard(execution.id)

    def read(self, execution: Execution) -> None:
        """Ask Lamina for one execution and store what it says."""
        began = self._clock.now()
        assert execution.execution_id is not None  # noqa: S101 - only executions that Lamina named are due
        try:
            report = self._client.get(execution.execution_id)
        except errors.NotFound:
            self._note(self._health.after_success(began))
            self._store(Update(Source.POLL, began, execution.id, absence=Absence.NOT_FOUND), None)
        except errors.ApiError as error:
            self._note(self._health.after_error(error, began))
            self._postpone(execution, error)
        else:
            self._note(self._health.after_success(began))
            self._store(Update(Source.POLL, began, execution.id, report=report), None)

    def _store(self, update: Update, error: str | None) -> None:
        row_id, now = update.execution, self._clock.now()
        assert row_id is not None  # noqa: S101 - polls know their row

        def work(connection: sa.Connection) -> None:
            executions.record_poll(connection, row_id, now, error)
            intake.apply_update(connection, update, now)

        self._writer.run(work, order=row_id)

    def _postpone(self, execution: Execution, error: errors.ApiError) -> None:
        now = self._clock.now()
        next_poll_at = schedule.next_poll_at(
            execution.kind,
            webhook_expected=execution.webhook_expected,
            polls=execution.poll_count,
            created_at=execution.created_at,
            now=now,
        )

        def work(connection: sa.Connection) -> None:
            executions.record_poll(connection, execution.id, now, str(error))
            executions.schedule_poll(connection, execution.id, next_poll_at)

        self._writer.run(work, order=execution.id)

    def _note(self, health: ApiHealth) -> None:
        with self._health_lock:
            before, self._health = self._health, health
        if health.to_document() == before.to_document():
            return
        if health.state is not before.state:
            log.info("Lamina is %s %s", health.state, health.message or "")
        now = self._clock.now()
        self._writer.submit(lambda connection: notes.write(connection, notes.API_HEALTH, health.to_document(), now))
