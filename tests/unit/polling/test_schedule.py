"""The policy's documented bounds, whatever the numbers."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as some

from lamina_core.domain import Kind
from lamina_core.polling import schedule

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
GUIDE = {Kind.IMAGE: (3, 5), Kind.MULTI_STEP: (5, 10), Kind.VIDEO: (10, 15)}  # seconds, of Lamina's guide

kinds = some.sampled_from(Kind)
polls = some.integers(0, 10**6)
ages = some.floats(-10_000, 86_400)


def pause(kind, webhook_expected, count, age) -> float:
    now = T0 + timedelta(seconds=age)
    planned = schedule.next_poll_at(kind, webhook_expected=webhook_expected, polls=count, created_at=T0, now=now)
    return (planned - now).total_seconds()


@given(kinds, polls, ages)
def test_without_a_webhook_the_guide_s_interval_holds(kind, count, age):
    shorter, longer = GUIDE[kind]
    assert shorter <= pause(kind, False, count, age) <= longer


@given(kinds, polls, ages)
@example(Kind.IMAGE, 2_000, 0.0)
def test_with_a_webhook_a_poll_is_never_more_eager_and_never_rarer_than_a_minute(kind, count, age):
    assert GUIDE[kind][1] <= pause(kind, True, count, age) <= 60


@given(kinds, some.booleans(), some.integers(0, 3_000))
def test_pauses_never_shrink_as_reads_go_on(kind, webhook_expected, count):
    assert pause(kind, webhook_expected, count, 0) <= pause(kind, webhook_expected, count + 1, 0)


@given(kinds, some.booleans(), polls, some.floats(86_401, 10**8))
def test_what_is_late_is_read_once_an_hour(kind, webhook_expected, count, age):
    assert pause(kind, webhook_expected, count, age) == 3_600


@given(kinds, some.floats(-100, 100))
def test_a_confirming_read_keeps_the_interval_too(kind, ago):
    last = T0 - timedelta(seconds=ago)
    planned = schedule.earliest_poll_at(kind, last, T0)
    assert planned >= T0
    assert planned >= last + timedelta(seconds=GUIDE[kind][0])
    assert planned in {T0, last + timedelta(seconds=GUIDE[kind][0])}


def test_a_confirming_read_of_what_was_never_read_is_due_at_once():
    assert schedule.earliest_poll_at(Kind.VIDEO, None, T0) == T0


@given(some.integers(1, 10**9))
def test_backing_off_takes_from_two_seconds_to_a_minute(failures):
    assert timedelta(seconds=2) <= schedule.back_off(failures) <= timedelta(seconds=60)
    assert schedule.back_off(failures) <= schedule.back_off(failures + 1)
