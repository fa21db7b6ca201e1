"""The loop that asks Lamina: one in all processes of a database, under the budget, with bounded reads at once."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from lamina_core import errors
from lamina_core.api.client import LaminaClient
from lamina_core.api.generations import Feature
from lamina_core.clock import Clock
from lamina_core.domain import Pollable
from lamina_core.polling import schedule
from lamina_core.polling.budget import Budget
from lamina_core.polling.health import ApiHealth, ApiState
from lamina_core.polling.pace import Paces
from lamina_core.polling.reader import Reader
from lamina_core.store import leases, notes, polls
from lamina_core.store.duty import Duty
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

TICK = 0.25  # seconds between two looks at what is due
READS_AT_ONCE = 16  # more than slow answers can fill at the rate that the budget allows
CANDIDATES = 2_000  # executions among which the next read is chosen
_SWEEP_PAUSE = timedelta(seconds=3)  # between two looks at the list: the guide's shortest interval


def _always() -> bool:
    return True


@dataclass
class Chore:
    """Something else that only one process does, every so often; raises ApiError where Lamina failed it.

    `is_needed` is asked first, so that no request is spent on nothing.
    """

    name: str
    every: timedelta
    run: Callable[[], None]
    asks_lamina: bool
    is_needed: Callable[[], bool] = _always
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
        self._duty = Duty(lease=leases.POLLER, holder=holder, writer=writer, clock=clock, tick=TICK, do_round=self.step)
        self._engines = engines
        self._writer = writer
        self._budget = budget
        self._clock = clock
        self._chores = chores
        self._reader = Reader(writer=writer, client=client, budget=budget, clock=clock, tell=self._hear)
        self._sweeps = client.supports(Feature.LIST)
        self._unlisted: frozenset[int] = frozenset()
        self._swept_at: datetime | None = None
        self._paces = Paces()
        self._turn = 0
        self._health = ApiHealth()
        self._health_lock = threading.Lock()
        self._reading: set[int] = set()  # rows being read; 0 stands for the list
        self._failed: dict[int, datetime] = {}  # reads of which nothing was stored, and when

    def start(self) -> None:
        """Begin to poll in a thread of its own."""
        self._duty.start()

    def stop(self) -> None:
        """End the loop and give the lease back; reads and chores under way are left to end by themselves."""
        self._duty.stop()

    def wake_chores(self) -> None:
        """Make every chore due now; an operator asked for it."""
        for chore in self._chores:
            chore.due_at = None

    def step(self) -> None:
        """Do one round: keep the lease, do the chores, and hand out the reads that are due."""
        now = self._clock.now()
        was_held = self._duty.is_held
        if not self._duty.is_ours():
            return
        if not was_held:
            self._take_up_health(now)
        for chore in self._chores:
            self._do_chore(chore, now)
        now = self._clock.now()
        if not self._duty.is_ours():  # a chore may have taken longer than the lease
            return
        if len(self._reading) >= READS_AT_ONCE or not self._may_ask(now) or not self._budget.may_poll():
            return
        for execution in self._choose(now):
            if len(self._reading) >= READS_AT_ONCE or not self._may_ask(now) or not self._budget.take_poll():
                return
            self._turn += 1
            self._in_background(execution.id, partial(self._reader.read, execution))

    def _choose(self, now: datetime) -> list[Pollable]:
        """Return the executions to read one by one, the first to read first; a look at the list is begun here."""
        late_first = self._turn % schedule.LATE_TURN == schedule.LATE_TURN - 1
        with self._engines.reading() as connection:
            paused = notes.read(connection, notes.POLLING)
            if paused is not None and paused.document["paused_by"]:
                return []
            due = polls.due(connection, now, CANDIDATES)
            if len(due) == CANDIDATES:  # what has been due for longest is beyond them
                due += polls.due(connection, now, 1, longest_first=True)
            free = [each for each in due if each.id not in self._reading and not self._must_rest(each, now)]
            ranked = schedule.rank(free, self._paces.of(connection, free, now), now, late_first=late_first)
            open_still = polls.in_flight(connection, CANDIDATES) if self._sweeps and len(due) > 1 else []
        if late_first:
            return ranked[:1]
        if len(open_still) > 1:
            return self._leave_to_list(ranked, open_still, now)
        return ranked

    def _leave_to_list(self, ranked: list[Pollable], open_still: list[Pollable], now: datetime) -> list[Pollable]:
        """Return those to read one by one: who has ended, and who was not in the list when it was last looked at."""
        listed = {execution.id for execution in open_still} - self._unlisted
        alone = [execution for execution in ranked if execution.id not in listed]
        rested = self._swept_at is None or now - self._swept_at >= _SWEEP_PAUSE
        if len(alone) < len(ranked) and rested and 0 not in self._reading and self._budget.take_poll():
            self._swept_at = now
            self._in_background(0, partial(self._sweep, open_still))
        return alone

    def _sweep(self, open_still: list[Pollable]) -> None:
        self._unlisted = self._reader.sweep(open_still)

    def _in_background(self, row_id: int, read: Callable[[], None]) -> None:
        self._reading.add(row_id)
        self._failed[row_id] = self._clock.now()
        # Not a pool's thread: the process must be able to end while Lamina lets a read hang.
        threading.Thread(target=self._read, args=(row_id, read), name="poll", daemon=True).start()

    def _read(self, row_id: int, read: Callable[[], None]) -> None:
        try:
            read()
        except errors.StoreError as error:
            log.warning("what Lamina said of %s was not stored: %s", row_id or "many", error)
        except Exception:
            log.exception("a read of %s failed", row_id or "many")
        else:
            del self._failed[row_id]
        finally:
            self._reading.discard(row_id)

    def _must_rest(self, execution: Pollable, now: datetime) -> bool:
        failed_at = self._failed.get(execution.id)
        return failed_at is not None and schedule.earliest_poll_at(execution.kind, failed_at, now) > now

    def _take_up_health(self, now: datetime) -> None:
        """Go on from what the poller before us wrote down, with a try at once: the trouble may be over."""
        with self._engines.reading() as connection:
            note = notes.read(connection, notes.API_HEALTH)
        if note is not None:
            known = ApiHealth.from_document(note.document)
            self._health = known if known.state is ApiState.OK else replace(known, next_try=now)

    def _do_chore(self, chore: Chore, now: datetime) -> None:
        if (chore.due_at is not None and now < chore.due_at) or not chore.is_needed():
            return
        if chore.asks_lamina and not (self._may_ask(now) and self._budget.take_poll()):
            return
        chore.due_at = now + chore.every
        try:
            chore.run()
        except errors.ApiError as error:
            self._hear(error, now)
            if self._health.failures or error.retryable:  # else Lamina would say the same again
                chore.due_at = None  # as soon as Lamina may be asked
        except errors.StoreError as error:
            log.warning("%s waits for the database: %s", chore.name, error)
        else:
            if chore.asks_lamina:
                self._hear(None, now)

    def _may_ask(self, now: datetime) -> bool:
        """Say whether Lamina may be asked: always while it answers, else one probe at the time of the next try."""
        health = self._health
        if health.state is ApiState.OK:
            return True
        return not self._reading and health.next_try is not None and now >= health.next_try

    def _hear(self, error: errors.ApiError | None, began: datetime) -> None:
        """Learn from an answer how Lamina is, and write it down for the screens of every process."""
        with self._health_lock:
            before = self._health
            self._health = before.after_success(began) if error is None else before.after_error(error, began)
            health = self._health
        if health.to_document() == before.to_document():
            return
        if health.state is not before.state:
            log.info("Lamina is %s %s", health.state, health.message or "")
        now = self._clock.now()
        self._writer.submit(lambda connection: notes.write(connection, notes.API_HEALTH, health.to_document(), now))
