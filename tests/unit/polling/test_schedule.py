"""The policy's documented bounds, whatever the numbers."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as some

from lamina_core.domain import Kind, Pollable
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


def candidate(row: int, *, age=20.0, since=3.0, read=True, due=None, kind=Kind.IMAGE, **more) -> Pollable:
    """An execution of this age in seconds, seen open `since` seconds ago, or never read and due since then."""
    seen = T0 - timedelta(seconds=since)
    return Pollable(
        id=row,
        execution_id=f"e-{row}",
        app_id="app-1",
        kind=kind,
        created_at=T0 - timedelta(seconds=age),
        last_poll_at=seen if read else None,
        due_at=seen if due is None else T0 - timedelta(seconds=due),
        poll_count=int(read),
        webhook_expected=more.get("webhook_expected", False),
        ended=more.get("ended", False),
    )


def ranked(*candidates, paces=None, late_first=False) -> list[int]:
    found = schedule.rank(candidates, paces or {}, T0, late_first=late_first)
    return [each.id for each in found]


def test_the_one_whose_end_is_likeliest_meanwhile_comes_first():
    young, ripe, old = candidate(1, age=4), candidate(2, age=13), candidate(3, age=200)
    assert ranked(young, ripe, old) == [2, 3, 1]


def test_what_ended_comes_before_every_gain_and_what_waited_too_long_before_the_others():
    ended, starved = candidate(1, ended=True), candidate(2, age=5_000, since=700, due=700)
    assert ranked(candidate(3, age=13), starved, ended) == [1, 2, 3]


def test_a_webhook_that_is_expected_makes_a_read_count_little():
    assert ranked(candidate(1, age=13, webhook_expected=True), candidate(2, age=13)) == [2, 1]


def test_the_late_ones_come_last_or_first_and_never_crowd_out_the_others():
    late = [candidate(row, age=90_000 + row, since=5_000, due=5_000 + row, read=False) for row in (1, 2)]
    assert ranked(*late, candidate(3)) == [3, 2, 1]
    assert ranked(*late, candidate(3), late_first=True) == [2, 1, 3]


def test_one_that_was_never_read_waits_to_be_found_from_the_time_it_became_known():
    assert ranked(candidate(1, age=5_000, since=1, read=False), candidate(2, age=5_000, since=20, read=False)) == [2, 1]
    assert ranked(candidate(1, age=4, since=3, read=False), candidate(2, age=300, since=3, read=False)) == [2, 1]


def test_an_app_s_own_pace_counts_before_its_kind():
    slow = {"app-1": schedule.Pace(math.log(300), 0.3)}
    assert ranked(candidate(1, age=13), candidate(2, age=280)) == [1, 2]
    assert ranked(candidate(1, age=13), candidate(2, age=280), paces=slow) == [2, 1]


durations = some.lists(some.floats(0, 100_000), max_size=60)
spans = some.floats(0, 200_000)


@given(kinds, durations, spans, spans, some.booleans())
def test_the_gain_is_never_less_than_nothing_nor_more_than_the_time_unseen(kind, seconds, first, second, was_open):
    since, age = sorted((first, second))
    gain = schedule.expected_gain(schedule.learn_pace(kind, seconds), age, since, was_open=was_open)
    assert gain >= 0
    assert math.isfinite(gain)
    if not was_open:
        assert gain <= max(age, 0.5) - since + 1.0


@given(kinds, spans)
def test_the_longer_unseen_the_more_there_is_to_gain(kind, since):
    pace = schedule.PRIORS[kind]
    gains = [schedule.expected_gain(pace, since + wait, since, was_open=True) for wait in (0, 1, 5, 30)]
    assert gains == sorted(gains)


def test_the_gain_is_the_integral_that_it_stands_for():
    pace, since, age, steps = schedule.Pace(math.log(20), 0.4), 15.0, 30.0, 200_000

    def density(u: float) -> float:
        z = (math.log(u) - pace.mu) / pace.sigma
        return math.exp(-z * z / 2) / (u * pace.sigma * math.sqrt(2 * math.pi))

    width = (age - since) / steps
    points = [since + (step + 0.5) * width for step in range(steps)]
    open_then = math.erfc((math.log(since) - pace.mu) / pace.sigma / math.sqrt(2)) / 2
    expected = sum((age - u) * density(u) for u in points) * width / open_then
    assert math.isclose(schedule.expected_gain(pace, age, since, was_open=True), expected, rel_tol=1e-4)


def test_a_pace_is_learned_from_history_and_begins_with_what_the_kind_promises():
    assert schedule.learn_pace(Kind.VIDEO, []) == schedule.PRIORS[Kind.VIDEO]
    learned = schedule.learn_pace(Kind.VIDEO, [10.0] * schedule.HISTORY)
    assert 10 < math.exp(learned.mu) < 13
    assert learned.sigma < 0.2


def test_durations_make_a_kind_longer_but_never_shorter():
    assert schedule.learn_kind(Kind.IMAGE, [90.0] * 4) is Kind.IMAGE, "four say nothing yet"
    assert schedule.learn_kind(Kind.IMAGE, [90.0] * 5) is Kind.VIDEO
    assert schedule.learn_kind(Kind.IMAGE, [30.0] * 5) is Kind.MULTI_STEP
    assert schedule.learn_kind(Kind.VIDEO, [5.0] * 50) is Kind.VIDEO
