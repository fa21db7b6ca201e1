"""What is known about replaying one execution, before it is replayed."""

import pytest

from lamina_core.domain import Status
from lamina_core.insights import replays


def test_an_execution_that_nobody_replayed_has_its_inputs_and_nothing_in_the_way(engines, add, clock):
    (row,) = add({"status": Status.FAILED})
    state = replays.read_replay_state(engines, row, clock.now())
    assert (state.original.id, state.inputs, state.chosen_outputs) == (row, {"Prompt": "x"}, ())
    assert (state.replays, state.under_way, state.completed, state.blocking) == ((), (), (), ())
    assert (state.unsettled, state.as_of) == (False, clock.now())


def test_what_the_store_does_not_know_cannot_be_replayed(engines, clock):
    assert replays.read_replay_state(engines, 404, clock.now()) is None


def test_its_replays_are_told_the_newest_first_and_those_of_others_are_not(engines, add, clock):
    row, other = add({"status": Status.FAILED}, {"status": Status.FAILED})
    made = add(
        {"status": Status.FAILED, "replay_of": row},
        {"status": Status.COMPLETED, "replay_of": row},
        {"status": Status.RUNNING, "replay_of": row},
    )
    add({"status": Status.RUNNING, "replay_of": other}, {"status": Status.RUNNING, "replay_of": made[0]})
    state = replays.read_replay_state(engines, row, clock.now())
    failed, completed, running = made
    assert [replay.id for replay in state.replays] == [running, completed, failed]
    assert [replay.id for replay in state.blocking] == [running, completed]
    assert [replay.id for replay in state.under_way] == [running]
    assert [replay.id for replay in state.completed] == [completed]


@pytest.mark.parametrize(
    "status",
    [Status.STARTING, Status.START_UNCONFIRMED, Status.QUEUED, Status.RUNNING, Status.UNKNOWN],
)
def test_a_replay_that_may_be_running_unseen_is_under_way(engines, add, clock, status):
    (row,) = add({"status": Status.FAILED})
    add({"status": status, "replay_of": row})
    state = replays.read_replay_state(engines, row, clock.now())
    assert state.under_way == state.blocking == state.replays != ()


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.START_FAILED, Status.GONE])
def test_a_replay_without_success_is_not_in_the_way(engines, add, clock, status):
    (row,) = add({"status": Status.FAILED})
    add({"status": status, "replay_of": row})
    state = replays.read_replay_state(engines, row, clock.now())
    assert (len(state.replays), state.blocking) == (1, ())


@pytest.mark.parametrize("status", list(Status))
def test_an_original_without_an_answer_is_unsettled(engines, add, clock, status):
    (row,) = add({"status": status})
    unsettled = replays.read_replay_state(engines, row, clock.now()).unsettled
    assert unsettled == (status in {Status.STARTING, Status.START_UNCONFIRMED})
