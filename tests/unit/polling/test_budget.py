"""One budget for all callers: Lamina's limit is never reached, and operators are let through first."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lamina_core import errors
from lamina_core.polling.budget import PATIENCE, Budget


class Ticking:
    """A clock of its own for each example; sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@settings(max_examples=60, deadline=None)
@given(
    limit=some.integers(10, 300),
    takes=some.lists(
        some.tuples(some.sampled_from(["poll", "action"]), some.sampled_from([0.0, 0.01, 0.3, 1.0, 7.0, 60.0, 1e4])),
        max_size=400,
    ),
)
def test_no_minute_sees_more_requests_than_lamina_allows(limit, takes):
    clock = Ticking()
    budget, spent = Budget(limit, clock), []
    for what, pause in takes:
        clock.seconds += pause
        try:
            if what == "action":
                budget.take_action()
            elif not budget.take_poll():
                continue
        except errors.OperationRefused:
            continue
        spent.append(clock.seconds)
    for place, instant in enumerate(spent):
        within = [other for other in spent[place:] if other < instant + 60]
        assert len(within) <= limit


@pytest.mark.parametrize("limit", [10, 50, 100, 1_000])
def test_however_greedy_the_polls_are_a_fifth_of_the_limit_is_left(clock, limit):
    budget = Budget(limit, clock)
    clock.advance(3_600)
    for _ in range(6_000):
        budget.take_poll()
        clock.advance(0.01)
    assert limit * 0.6 <= budget.spent_last_minute() <= limit * 0.8


def test_operators_have_a_reserve_when_polls_have_used_up_theirs(clock):
    budget = Budget(100, clock)
    while budget.take_poll():
        pass
    before = clock.now()
    budget.take_action()
    assert clock.now() == before


def test_operators_use_the_polls_share_when_their_own_is_used_up(clock):
    budget = Budget(100, clock)
    before = clock.now()
    for _ in range(8):
        budget.take_action()
    assert clock.now() == before
    assert budget.spent_last_minute() == 8


def test_an_operator_waits_a_little_and_is_then_told(clock):
    budget = Budget(10, clock)
    for _ in range(3):
        budget.take_action()
    before = clock.now()
    with pytest.raises(errors.OperationRefused, match="Try again in a minute"):
        budget.take_action()
    assert PATIENCE <= (clock.now() - before).total_seconds() <= PATIENCE + 1


def test_an_operator_who_waits_gets_what_comes_free(clock):
    budget = Budget(100, clock)
    while budget.take_poll():
        pass
    before = clock.now()
    for _ in range(8):
        budget.take_action()
    assert clock.now() > before
    assert budget.spent_last_minute() == 10


def test_what_can_neither_wait_nor_be_left_out_is_counted_and_later_polls_wait_for_it(clock):
    budget, other = Budget(100, clock), Budget(100, clock)
    for each in (budget, other):
        while each.take_poll():
            pass
    spent = budget.spent_last_minute()
    budget.take_anyway()
    assert budget.spent_last_minute() == spent + 1
    clock.advance(1)
    assert (other.take_poll(), budget.take_poll()) == (True, False)
    clock.advance(1)
    assert budget.take_poll()


def test_the_spent_ones_are_forgotten_although_nobody_counts_them(clock):
    budget = Budget(6_000, clock)
    for _ in range(3_000):
        clock.advance(0.1)
        budget.take_poll()
    assert len(budget._spent) <= 601


def test_the_spent_ones_of_the_last_minute_are_counted(clock):
    budget = Budget(100, clock)
    budget.take_poll()
    clock.advance(30)
    budget.take_poll()
    assert budget.spent_last_minute() == 2
    clock.advance(31)
    assert budget.spent_last_minute() == 1


@pytest.mark.parametrize(
    ("status", "headers", "held"),
    [
        (429, {"retry-after": "7"}, 7),
        (429, {"retry-after": " 7 ", "ratelimit-reset": "40"}, 7),
        (429, {"ratelimit-reset": "40"}, 40),
        (429, {"ratelimit-reset": "1773478860"}, 15),  # an instant
        (429, {"retry-after": "soon", "ratelimit-reset": "later"}, 15),
        (429, {"retry-after": "\u00b2"}, 15),
        (429, {"retry-after": "-5"}, 15),
        (429, {"retry-after": "9" * 400}, 15),
        (429, {}, 15),
        (429, {"retry-after": "0"}, 0),
        (200, {"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12),
        (200, {"ratelimit-remaining": " 0 ", "retry-after": "3"}, 15),
        (200, {"ratelimit-remaining": "3", "ratelimit-reset": "12"}, 12),  # others use our address too
        (200, {"ratelimit-remaining": "4", "ratelimit-reset": "12"}, 0),
        (200, {"ratelimit-remaining": "9" * 400, "ratelimit-reset": "12"}, 0),
        (200, {"ratelimit-remaining": "none", "ratelimit-reset": "12"}, 0),
        (200, {"ratelimit-reset": "12"}, 0),
        (503, {"retry-after": "12"}, 0),
    ],
)
def test_polls_wait_as_long_as_lamina_says(clock, status, headers, held):
    budget = Budget(100, clock)
    budget.observe(status, headers)
    assert budget.held_for() == held
    assert budget.take_poll() == (held == 0)
    clock.advance(held)
    assert budget.held_for() == 0
    assert budget.take_poll()


def test_a_date_in_retry_after_is_understood(clock):
    budget = Budget(100, clock)
    until = format_datetime(clock.now() + timedelta(seconds=50), usegmt=True)
    budget.observe(429, {"retry-after": until})
    assert budget.held_for() == 50


def test_a_hold_is_never_shortened_by_a_later_answer(clock):
    budget = Budget(100, clock)
    budget.observe(429, {"retry-after": "50"})
    budget.observe(429, {"retry-after": "2"})
    assert budget.held_for() == 50


def test_operators_are_let_through_while_polls_are_held(clock):
    budget = Budget(100, clock)
    budget.observe(429, {"retry-after": "50"})
    before = clock.now()
    budget.take_action()
    assert clock.now() == before
