"""The machine's clock: aware UTC, never backwards, and it really sleeps."""

from datetime import UTC, datetime, timedelta

from lamina_core.clock import SystemClock


def test_now_is_aware_utc():
    before, now, after = datetime.now(UTC), SystemClock().now(), datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= after


def test_monotonic_time_passes_while_it_sleeps():
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
