"""The rule by which a bulk operation goes on: canaries first, and it stops where it would only fail on."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.bulk.records import Bulk, BulkKind, BulkState, Course, Survey, choose_course, is_settled
from lamina_core.domain import Status

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
BULK = Bulk(
    id=1,
    kind=BulkKind.REPLAY,
    state=BulkState.RUNNING,
    chosen_as="5 ticked rows",
    chosen_at=T0,
    created_by="Ada",
    reason="The provider is back.",
    patch=None,
    canaries=2,
    per_minute=10,
    checked=0,
    changed_by=None,
    stopped_because=None,
    updated_at=T0,
    next_at=None,
)
FRESH = Survey(waiting=5, under_way=0, canaries=(), latest=(), returned=None)
DONE, FAILED, RUNNING = Status.COMPLETED, Status.FAILED, Status.RUNNING
UNCONFIRMED = Status.START_UNCONFIRMED

CASES = {
    "nothing was sent yet": (FRESH, Course.SEND),
    "one canary of two": (replace(FRESH, canaries=(RUNNING,), latest=(RUNNING,)), Course.SEND),
    "both are out": (replace(FRESH, canaries=(RUNNING, DONE), latest=(DONE, RUNNING)), Course.WAIT),
    "one completed, one failed otherwise": (
        replace(FRESH, canaries=(FAILED, DONE), latest=(DONE, FAILED)),
        Course.SEND,
    ),
    "none completed": (replace(FRESH, canaries=(FAILED, UNCONFIRMED), latest=(UNCONFIRMED, FAILED)), Course.STOP),
    "the same cause": (replace(FRESH, canaries=(FAILED,), latest=(FAILED,), returned=7), Course.STOP),
    "three in a row": (
        replace(FRESH, canaries=(DONE, DONE), latest=(FAILED, Status.START_FAILED, FAILED)),
        Course.STOP,
    ),
    "two in a row": (replace(FRESH, canaries=(DONE, DONE), latest=(FAILED, FAILED, DONE)), Course.SEND),
    "all are out": (replace(FRESH, waiting=0, under_way=1, canaries=(DONE, DONE)), Course.WAIT),
    "all have ended": (replace(FRESH, waiting=0, canaries=(DONE, DONE), latest=(FAILED,) * 3), Course.FINISH),
}


@pytest.mark.parametrize(("survey", "course"), CASES.values(), ids=CASES.keys())
def test_what_comes_next(survey, course):
    chosen, reason = choose_course(BULK, survey)
    assert chosen is course
    assert (reason is not None) == (course is Course.STOP)


def test_after_an_operator_resumed_it_no_canary_is_waited_for():
    survey = replace(FRESH, canaries=(RUNNING,), latest=(RUNNING,))
    assert choose_course(replace(BULK, checked=2), survey)[0] is Course.SEND


def test_a_cancel_has_no_canaries():
    assert choose_course(replace(BULK, kind=BulkKind.CANCEL, canaries=0), FRESH)[0] is Course.SEND


STATUSES = some.lists(some.sampled_from(list(Status)), max_size=3).map(tuple)


@given(
    some.integers(0, 3), some.integers(0, 3), STATUSES, STATUSES, some.none() | some.integers(1, 9), some.integers(1, 5)
)
def test_it_never_sends_beside_what_stops_it(waiting, under_way, canaries, latest, returned, wanted):
    survey = Survey(waiting, under_way, canaries, latest, returned)
    course, _ = choose_course(replace(BULK, canaries=wanted), survey)
    if course is Course.SEND:
        assert waiting
        assert returned is None
        assert len(canaries) < wanted or (all(map(is_settled, canaries)) and DONE in canaries)
    if course is Course.FINISH:
        assert not waiting
        assert not under_way
