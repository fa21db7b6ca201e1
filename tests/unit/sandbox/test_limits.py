"""The rate limit counts by address in windows of a minute."""

from lamina_core.sandbox.limits import Limiter


def test_the_limit_admits_so_many_and_says_how_many_are_left(clock):
    limiter = Limiter(2, clock)

    verdicts = [limiter.admit("127.0.0.1") for _ in range(3)]

    assert [verdict.admitted for verdict in verdicts] == [True, True, False]
    assert [verdict.headers["RateLimit-Remaining"] for verdict in verdicts] == ["1", "0", "0"]
    assert verdicts[0].headers["RateLimit-Limit"] == "2"


def test_reset_is_seconds_left_in_the_window_and_never_zero(clock):
    limiter = Limiter(1, clock)

    assert limiter.admit("a").reset == 60
    clock.advance(59.5)
    verdict = limiter.admit("a")
    assert (verdict.admitted, verdict.reset, verdict.headers["RateLimit-Reset"]) == (False, 1, "1")


def test_a_new_window_opens_after_a_minute(clock):
    limiter = Limiter(1, clock)
    limiter.admit("a")
    clock.advance(60)

    assert limiter.admit("a").admitted


def test_addresses_do_not_share_a_window(clock):
    limiter = Limiter(1, clock)
    limiter.admit("a")

    assert limiter.admit("b").admitted


def test_no_limit_admits_everything_without_headers(clock):
    limiter = Limiter(0, clock)

    assert all(limiter.admit("a").admitted for _ in range(500))
    assert limiter.admit("a").headers == {}


def test_windows_that_are_over_are_forgotten_when_there_are_many(clock):
    limiter = Limiter(1, clock)
    for number in range(10_000):
        limiter.admit(f"address {number}")
    clock.advance(61)

    limiter.admit("the last one")

    assert len(limiter._windows) == 1
