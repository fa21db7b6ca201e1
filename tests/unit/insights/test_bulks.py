"""The read model of operations on many executions: numbers by outcome, time left, and their rows."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Item, ItemState
from lamina_core.domain import Status
from lamina_core.insights import bulks
from lamina_core.insights.bulks import Outcome
from lamina_core.store import bulks as stored
from lamina_core.store.tables import PayloadTable
from lamina_core.triage.patch import Patch, PatchKind


@pytest.fixture
def bulk(clock) -> Bulk:
    return Bulk(
        id=0,
        kind=BulkKind.REPLAY,
        state=BulkState.RUNNING,
        chosen_as="3 ticked rows",
        chosen_at=clock.now(),
        created_by="Ada",
        reason="mended",
        patch=Patch(PatchKind.SET, "Prompt", "y"),
        canaries=1,
        per_minute=10,
        checked=0,
        changed_by=None,
        stopped_because=None,
        updated_at=clock.now(),
        next_at=None,
    )


@pytest.fixture
def store(writer, add):
    """Store an operation with an item for each pair of a state and what its replay has become; return its id."""

    def store(bulk: Bulk, *pairs: tuple[ItemState, Status | None]) -> int:
        items = []
        for place, (state, became) in enumerate(pairs):
            (original,) = add({"status": Status.FAILED, "second": place})
            replay = add({"status": became, "error_message": f"end {place}"})[0] if became else None
            problem = "cannot be done: so" if state is ItemState.LEFT_OUT else None
            items.append(Item(0, place, original, state, f"{bulk.reason}-{place}", replay, problem))
        return writer.run(lambda connection: stored.insert(connection, bulk, items))

    return store


def read(engines, bulk_id, clock) -> bulks.Progress:
    found = bulks.read_bulk(engines, bulk_id, clock.now())
    assert found is not None
    return found.progress


@pytest.mark.parametrize(
    ("state", "became", "outcome"),
    [
        (ItemState.WAITING, None, Outcome.WAITING),
        (ItemState.SENDING, None, Outcome.UNDER_WAY),
        (ItemState.SENT, Status.STARTING, Outcome.UNDER_WAY),
        (ItemState.SENT, Status.QUEUED, Outcome.UNDER_WAY),
        (ItemState.SENT, Status.RUNNING, Outcome.UNDER_WAY),
        (ItemState.SENT, Status.UNKNOWN, Outcome.UNDER_WAY),
        (ItemState.SENT, Status.COMPLETED, Outcome.COMPLETED),
        (ItemState.SENT, Status.FAILED, Outcome.FAILED),
        (ItemState.SENT, Status.START_FAILED, Outcome.FAILED),
        (ItemState.SENT, Status.GONE, Outcome.FAILED),
        (ItemState.SENT, Status.CANCELLED, Outcome.CANCELLED),
        (ItemState.SENT, Status.START_UNCONFIRMED, Outcome.UNCONFIRMED),
        (ItemState.LEFT_OUT, None, Outcome.LEFT_OUT),
    ],
)
def test_each_item_counts_under_what_became_of_it(engines, store, bulk, clock, state, became, outcome):
    bulk_id = store(bulk, (state, became))
    numbers = read(engines, bulk_id, clock).numbers
    assert {each: number for each, number in numbers.items() if number} == {outcome: 1}
    assert [row.outcome for row in bulks.read_bulk(engines, bulk_id, clock.now()).items] == [outcome]


def test_percent_leaves_out_what_was_left_out_and_never_rounds_up_to_the_whole(engines, store, bulk, clock):
    done = [(ItemState.SENT, Status.COMPLETED)] * 2
    progress = read(engines, store(bulk, *done, (ItemState.WAITING, None), (ItemState.LEFT_OUT, None)), clock)
    assert (progress.total, progress.to_do, progress.ended, progress.percent) == (4, 3, 2, 66)
    almost = replace(progress, numbers=dict.fromkeys(Outcome, 0) | {Outcome.COMPLETED: 999, Outcome.WAITING: 1})
    assert almost.percent == 99
    assert replace(progress, numbers=dict.fromkeys(Outcome, 0) | {Outcome.LEFT_OUT: 3}).percent == 100


def test_time_left_is_that_of_the_waiting_ones_at_the_set_rate(engines, store, bulk, clock):
    waiting = [(ItemState.WAITING, None)] * 3
    at = clock.now()
    assert read(engines, store(bulk, *waiting), clock).time_left == timedelta(seconds=12)
    later = replace(bulk, next_at=at + timedelta(seconds=5), reason="b")
    assert read(engines, store(later, *waiting), clock).time_left == timedelta(seconds=17)
    earlier = replace(bulk, next_at=at - timedelta(seconds=5), reason="c", state=BulkState.PAUSED)
    assert read(engines, store(earlier, *waiting), clock).time_left == timedelta(seconds=12)
    sent = store(replace(bulk, reason="d"), (ItemState.SENT, Status.RUNNING))
    assert read(engines, sent, clock).time_left is None


def test_what_waited_when_it_was_aborted_is_not_sent_and_has_not_ended(engines, store, bulk, clock):
    aborted = replace(bulk, state=BulkState.ABORTED)
    progress = read(engines, store(aborted, (ItemState.WAITING, None), (ItemState.SENT, Status.COMPLETED)), clock)
    assert (progress.numbers[Outcome.NOT_SENT], progress.numbers[Outcome.WAITING]) == (1, 0)
    assert (progress.ended, progress.percent, progress.time_left) == (1, 50, None)


def test_a_cancelling_counts_what_it_asked_for(engines, store, bulk, clock):
    cancel = replace(bulk, kind=BulkKind.CANCEL, patch=None, canaries=0)
    progress = read(engines, store(cancel, (ItemState.SENT, None), (ItemState.WAITING, None)), clock)
    assert (progress.numbers[Outcome.ASKED], progress.ended, progress.awaits_canaries) == (1, 1, False)


def test_the_others_wait_for_the_first_ones_until_these_end_or_an_operator_resumes(engines, store, bulk, clock):
    def awaits(bulk: Bulk, *pairs) -> bool:
        return read(engines, store(bulk, *pairs), clock).awaits_canaries

    waiting, running = (ItemState.WAITING, None), (ItemState.SENT, Status.RUNNING)
    assert awaits(bulk, running, waiting)
    assert not awaits(replace(bulk, reason="b", canaries=2), running, waiting)
    assert not awaits(replace(bulk, reason="c", checked=1), running, waiting)
    assert not awaits(replace(bulk, reason="d", state=BulkState.PAUSED), running, waiting)
    assert not awaits(replace(bulk, reason="e"), running)
    assert not awaits(replace(bulk, reason="f"), (ItemState.SENT, Status.FAILED), waiting)


def test_rows_name_the_replay_and_why_one_was_left_out_or_failed(engines, store, bulk, clock):
    bulk_id = store(bulk, (ItemState.SENT, Status.FAILED), (ItemState.LEFT_OUT, None), (ItemState.WAITING, None))
    rows = bulks.read_bulk(engines, bulk_id, clock.now()).items
    assert [row.problem for row in rows] == ["end 0", "cannot be done: so", None]
    assert [row.app_name for row in rows] == ["Portrait Studio"] * 3
    assert rows[0].replay not in {None, rows[0].execution}
    assert [row.replay for row in rows[1:]] == [None, None]


def test_an_operation_that_is_not_there_is_none(engines, clock):
    assert bulks.read_bulk(engines, 7, clock.now()) is None


def test_the_history_begins_with_the_newest_and_has_its_numbers(engines, store, bulk, clock):
    first = store(bulk, (ItemState.SENT, Status.COMPLETED))
    second = store(replace(bulk, reason="again"), (ItemState.WAITING, None), (ItemState.WAITING, None))
    rows = bulks.read_history(engines, clock.now())
    assert [(row.bulk.id, row.total, row.percent) for row in rows] == [(second, 2, 0), (first, 1, 100)]


def test_the_inputs_that_occur_are_counted_the_most_frequent_first(engines, writer, add):
    ids = add({}, {}, {}, {})

    def change(connection) -> None:
        for row_id, inputs in zip(ids, [{"Tone": 1}, {"Tone": 1, "Prompt": ""}, {"Tone": None}, None], strict=True):
            values = {"inputs": sa.null() if inputs is None else inputs}
            connection.execute(sa.update(PayloadTable).where(col(PayloadTable.execution) == row_id).values(**values))

    writer.run(change)
    assert list(bulks.count_fields(engines, ids).items()) == [("Tone", 3), ("Prompt", 1)]
    assert bulks.count_fields(engines, ids[3:]) == {}


def test_the_apps_are_counted(engines, add):
    ids = add({"app_id": "a"}, {"app_id": "b"}, {"app_id": "a"})
    assert bulks.count_apps(engines, ids) == {"a": 2, "b": 1}
    assert bulks.count_apps(engines, ids[:1]) == {"a": 1}


def test_the_apps_of_what_waits_are_counted(engines, store, bulk, add):
    sent, left_out = (ItemState.SENT, Status.COMPLETED), (ItemState.LEFT_OUT, None)
    bulk_id = store(bulk, sent, left_out, (ItemState.WAITING, None), (ItemState.WAITING, None))
    other = store(replace(bulk, reason="b"), (ItemState.WAITING, None))
    assert list(bulks.count_waiting_apps(engines, bulk_id).values()) == [2]
    assert list(bulks.count_waiting_apps(engines, other).values()) == [1]
