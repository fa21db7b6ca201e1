"""One reading for all who ask within a moment, a new one after it, and no error is kept."""

import threading

import pytest

from lamina_core.insights import sharing
from lamina_core.insights.sharing import LIFETIME, Sharing


def test_a_reading_is_shared_for_a_moment_and_by_its_key(clock):
    shared, read = Sharing(clock), iter(range(9))
    assert [shared.read("a", lambda: next(read)) for _ in range(3)] == [0, 0, 0]
    assert shared.read("b", lambda: next(read)) == 1
    clock.advance(2 * LIFETIME)
    assert shared.read("a", lambda: next(read)) == 2


def test_of_many_who_ask_at_once_one_reads(clock):
    shared, asked, begun, may_end = Sharing(clock), [], threading.Event(), threading.Event()

    def read() -> int:
        asked.append(1)
        begun.set()
        assert may_end.wait(30)
        return len(asked)

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(shared.read("a", read))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert (found, len(asked)) == ([1] * 8, 1)


def test_an_error_is_told_and_not_kept(clock):
    shared = Sharing(clock)
    with pytest.raises(ZeroDivisionError):
        shared.read("a", lambda: 1 // 0)
    assert shared.read("a", lambda: 7) == 7


def test_what_is_over_is_let_go(clock, monkeypatch):
    monkeypatch.setattr(sharing, "_KEPT", 3)
    shared = Sharing(clock)
    for key in range(50):
        clock.advance(LIFETIME)
        shared.read(key, lambda: key)  # noqa: B023 - called at once
    assert len(shared._readings) <= 4
