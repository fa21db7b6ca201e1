"""What operators do with many executions at once: choose them, see what would be sent, begin, pause, resume, abort."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.bulk.prospects import LIMIT, Candidate, Preview, Prospect, Selection, Wish, foresee
from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Item, ItemState
from lamina_core.clock import Clock
from lamina_core.domain import App, Event, Operator, Role
from lamina_core.operations import Operations
from lamina_core.starts import new_token, require
from lamina_core.store import bulks, events, executions, failures, groups, search
from lamina_core.store.criteria import Criteria
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer
from lamina_core.triage import patch

CANARY_LIMIT = 5
RATE_LIMIT = 60  # executions a minute


class BulkDesk:
    """Prepares and steers bulk operations for operators; `runner` does them."""

    def __init__(
        self, engines: Engines, writer: Writer, operations: Operations, clock: Clock, rng: random.Random
    ) -> None:
        self._engines = engines
        self._writer = writer
        self._operations = operations
        self._clock = clock
        self._rng = rng

    def choose_rows(self, ids: Sequence[int]) -> Selection:
        """Choose executions by their ids, as an operator has ticked them."""
        chosen_at = self._clock.now()
        with self._engines.reading() as connection:
            found = search.find_by_ids(connection, list(ids)[:LIMIT])
        rows = tuple((row.id, row.status) for row in found.values())
        return Selection(rows, chosen_at, f"{len(rows):,} ticked rows", is_cut=len(ids) > LIMIT)

    def choose_group(self, fingerprint: str) -> Selection:
        """Choose the failures of a group that are open."""
        chosen_at = self._clock.now()
        with self._engines.reading() as connection:
            ids = groups.find_open_ids(connection, fingerprint)
            found = search.find_by_ids(connection, ids[:LIMIT])
            title = failures.find_groups(connection, {fingerprint})
        named = title[fingerprint].title if fingerprint in title else fingerprint
        rows = tuple((row_id, found[row_id].status) for row_id in ids[:LIMIT] if row_id in found)
        return Selection(rows, chosen_at, f"the open failures of: {named}", is_cut=len(ids) > LIMIT)

    def choose_filter(self, criteria: Criteria, described: str) -> Selection:
        """Choose what a filter matches now, newest first."""
        chosen_at = self._clock.now()
        with self._engines.reading() as connection:
            rows = search.find_ids(connection, criteria, chosen_at, LIMIT + 1)
        return Selection(tuple(rows[:LIMIT]), chosen_at, described, is_cut=len(rows) > LIMIT)

    def preview(self, selection: Selection, wish: Wish) -> list[Preview]:
        """Return for each execution what would be sent, or why it would not; nothing is sent."""
        if wish.patch is not None:
            patch.check_patch(wish.patch)
        apps = self._open_apps(selection) if wish.kind is BulkKind.REPLAY else {}
        with self._engines.reading() as connection:
            return self._preview(connection, selection, wish, apps)

    def create(self, operator: Operator, selection: Selection, wish: Wish) -> int:
        """Store the operation, to be begun at once, and return its id; what is not ready is left out with a reason.

        OperationRefused where nothing is ready or the wish cannot be followed.
        """
        require(operator, Role.OPERATOR)
        self._check(wish)
        apps = self._open_apps(selection) if wish.kind is BulkKind.REPLAY else {}

        def work(connection: sa.Connection) -> int:
            previews = self._preview(connection, selection, wish, apps)
            now = self._clock.now()
            items = [self._item(position, each) for position, each in enumerate(previews)]
            if not any(item.state is ItemState.WAITING for item in items):
                raise errors.OperationRefused("None of these executions is ready for it. Look at the preview.")
            bulk = Bulk(
                id=0,
                kind=wish.kind,
                state=BulkState.RUNNING,
                chosen_as=selection.chosen_as,
                chosen_at=selection.chosen_at,
                created_by=operator.name,
                reason=wish.reason.strip(),
                patch=wish.patch,
                canaries=wish.canaries if wish.kind is BulkKind.REPLAY else 0,
                per_minute=wish.per_minute,
                checked=0,
                changed_by=None,
                stopped_because=None,
                updated_at=now,
                next_at=None,
            )
            bulk_id = bulks.insert(connection, bulk, items)
            detail = {"bulk": bulk_id, "what": wish.kind, "executions": len(items), "reason": bulk.reason}
            events.append(connection, Event(now, "bulk_begun", operator.name, detail))
            return bulk_id

        return self._writer.run(work)

    def pause(self, operator: Operator, bulk_id: int) -> None:
        """Send nothing more until it is resumed; what was sent goes on."""
        self._steer(operator, bulk_id, {BulkState.RUNNING}, BulkState.PAUSED)

    def resume(self, operator: Operator, bulk_id: int) -> None:
        """Go on, although it was paused or has stopped by itself: what was sent until now stops it no more."""
        self._steer(operator, bulk_id, {BulkState.PAUSED, BulkState.STOPPED}, BulkState.RUNNING)

    def abort(self, operator: Operator, bulk_id: int) -> None:
        """End it for good; what was sent goes on."""
        self._steer(operator, bulk_id, {BulkState.RUNNING, BulkState.PAUSED, BulkState.STOPPED}, BulkState.ABORTED)

    def _steer(self, operator: Operator, bulk_id: int, allowed: Collection[BulkState], state: BulkState) -> None:
        require(operator, Role.OPERATOR)

        def work(connection: sa.Connection) -> None:
            bulk = bulks.find(connection, bulk_id, for_update=True)
            if bulk is None:
                raise errors.OperationRefused(f"There is no bulk operation {bulk_id} in this store.")
            if bulk.state not in allowed:
                raise errors.OperationRefused(f"This operation is {bulk.state}; it cannot be {state} now.")
            now, following = self._clock.now(), bulks.find_next(connection, bulk_id)
            was_stopped = bulk.state is BulkState.STOPPED
            changed = replace(
                bulk,
                state=state,
                changed_by=operator.name,
                stopped_because=None,
                checked=following.position if was_stopped and following else bulk.checked,
                updated_at=now,
            )
            bulks.write(connection, changed)
            events.append(connection, Event(now, f"bulk_{state}", operator.name, {"bulk": bulk_id}))

        self._writer.run(work)

    def _check(self, wish: Wish) -> None:
        if wish.patch is not None:
            patch.check_patch(wish.patch)
        if not 1 <= wish.canaries <= CANARY_LIMIT:
            raise errors.OperationRefused(f"Let between 1 and {CANARY_LIMIT} go first.")
        if not 1 <= wish.per_minute <= RATE_LIMIT:
            raise errors.OperationRefused(f"Choose between 1 and {RATE_LIMIT} executions a minute.")
        if not wish.reason.strip():
            raise errors.OperationRefused("Say why: the reason stands in the history.")

    def _open_apps(self, selection: Selection) -> dict[str, App]:
        """Return the apps with their parameters of today, asked of Lamina where the cached ones are too old."""
        with self._engines.reading() as connection:
            found = search.find_by_ids(connection, selection.ids)
        return {app_id: self._operations.open_app(app_id) for app_id in sorted({row.app_id for row in found.values()})}

    def _preview(
        self, connection: sa.Connection, selection: Selection, wish: Wish, apps: Mapping[str, App]
    ) -> list[Preview]:
        ids = selection.ids
        known = search.find_by_ids(connection, ids)
        inputs = executions.find_inputs(connection, ids) if wish.kind is BulkKind.REPLAY else {}
        replays = executions.find_replays(connection, ids)
        busy = bulks.find_busy(connection, ids)
        previews = []
        for row_id, status in selection.rows:
            execution = known.get(row_id)
            candidate = Candidate(
                row_id, status, execution, inputs.get(row_id), replays.get(row_id, ()), busy.get(row_id)
            )
            previews.append(foresee(candidate, apps.get(execution.app_id) if execution else None, wish))
        return previews

    def _item(self, position: int, preview: Preview) -> Item:
        ready = preview.prospect is Prospect.READY
        reason = None if ready else f"{preview.prospect}: {preview.reason}" if preview.reason else preview.prospect
        state = ItemState.WAITING if ready else ItemState.LEFT_OUT
        return Item(0, position, preview.execution, state, new_token(self._rng), problem=reason)
