"""How Lamina treats us, from one answer to the next."""

from datetime import timedelta

import pytest

from lamina_core import errors
from lamina_core.polling.health import ApiHealth, ApiState

UNREACHABLE = errors.ApiUnreachable("Lamina could not be reached.", sent=False)
FAULT = errors.ServerFault("broken", status=500)
UNREADABLE = errors.ApiUnreadable("HTML", status=200)
REFUSED = errors.AuthRefused("Invalid API key", status=401)


def after(clock, *happened, health=None) -> ApiHealth:
    health = health or ApiHealth()
    for error in happened:
        health = health.after_error(error, clock.now()) if error else health.after_success(clock.now())
    return health


def test_no_answer_at_all_is_told_at_once(clock):
    health = after(clock, UNREACHABLE)
    assert (health.state, health.since, health.message) == (ApiState.UNREACHABLE, clock.now(), str(UNREACHABLE))
    assert health.next_try == clock.now() + timedelta(seconds=2)


@pytest.mark.parametrize("error", [FAULT, UNREADABLE])
def test_bad_answers_count_when_three_come_in_a_row(clock, error):
    assert [after(clock, *[error] * count).state for count in (1, 2, 3)] == [
        ApiState.OK,
        ApiState.OK,
        ApiState.UNREACHABLE,
    ]
    assert after(clock, error, error, None, error, error).state is ApiState.OK


def test_a_refused_key_pauses_for_a_minute_at_a_time(clock):
    health = after(clock, REFUSED)
    assert (health.state, health.next_try) == (ApiState.REFUSED, clock.now() + timedelta(minutes=1))
    began = clock.now()
    clock.advance(60)
    health = after(clock, REFUSED, health=health)
    assert (health.since, health.next_try) == (began, clock.now() + timedelta(minutes=1))


@pytest.mark.parametrize(
    "error",
    [
        errors.NotFound("no such execution", status=404),
        errors.RateLimited("slowly", status=429),
        errors.InvalidRequest("no", status=400),
    ],
)
def test_what_concerns_one_request_says_that_lamina_answers(clock, error):
    assert after(clock, error) == ApiHealth()
    assert after(clock, UNREACHABLE, error).state is ApiState.OK


def test_pauses_grow_to_a_minute(clock):
    health, pauses = ApiHealth(), []
    for _ in range(8):
        health = after(clock, UNREACHABLE, health=health)
        pauses.append((health.next_try - clock.now()).total_seconds())
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_one_good_answer_makes_all_well(clock):
    assert after(clock, UNREACHABLE, UNREACHABLE, None) == ApiHealth(since=clock.now())
    assert after(clock, REFUSED, None).state is ApiState.OK


def test_since_stands_while_all_is_well(clock):
    health = after(clock, UNREACHABLE, None)
    clock.advance(100)
    assert after(clock, None, health=health) is health


@pytest.mark.parametrize("happened", [(), (UNREACHABLE,), (REFUSED,), (UNREACHABLE, None)])
def test_a_state_survives_the_store(clock, happened):
    health = after(clock, *happened)
    again = ApiHealth.from_document(health.to_document())
    assert (again.state, again.since, again.message, again.next_try) == (
        health.state,
        health.since,
        health.message,
        health.next_try,
    )
