"""Paging while rows come, change and go: what was there all the time is seen once, and nothing twice.

So it is too where each page ends at a deadline and the next goes on from where that one got.
"""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlmodel import col

from lamina_core import errors
from lamina_core.clock import SystemClock
from lamina_core.domain import Status
from lamina_core.store import deadline as deadlines
from lamina_core.store import planning, purge, search, walks, ways
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.store.deadline import Deadline
from lamina_core.store.tables import ExecutionTable, FailureTable, PayloadTable
from lamina_core.triage.records import Triage
from tests.unit.store import test_search_model as model
from tests.unit.store.conftest import T0

EVER = timedelta(days=365)
# What a walk finds in each of these is in turn read at once, and walked past window by window.
VIEWS = (
    Criteria(),
    Criteria(statuses=frozenset({Status.FAILED})),
    Criteria(statuses=frozenset({Status.FAILED, Status.RUNNING})),
    Criteria(app_ids=frozenset({"app-1"})),
    Criteria(app_ids=frozenset({"app-1", "app-2"}), statuses=frozenset({Status.COMPLETED})),
    Criteria(operators=frozenset({"Ada"})),
    Criteria(operators=frozenset({"Ada"}), statuses=frozenset({Status.FAILED})),
    Criteria(triages=frozenset({Triage.OPEN, Triage.RESOLVED})),
    Criteria(slower_than=timedelta(seconds=1)),
    Criteria(text="answer", scope=Scope.ERROR),
    Criteria(text="fox", scope=Scope.INPUTS),
    Criteria(text="ox", scope=Scope.INSIDE),
    Criteria(since=T0 + timedelta(seconds=8)),
)


class Clock(SystemClock):
    """One on which a moment passes at each look, now none and now a long one."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._seconds = 0.0

    def monotonic(self) -> float:
        self._seconds += self._rng.choice((0, 0, 0.01, 0.3))
        return self._seconds


class Life:
    """Rows that come, change and go; it remembers what it has stored."""

    def __init__(self, writer: Any, add: Callable[..., list[int]], view: Criteria) -> None:
        self._writer = writer
        self._add = add
        self._view = view
        self._number = 0
        self.rows: dict[int, dict] = {}
        self.steady: set[int] = set()  # those that have been there, and have matched, since `watch`

        def clear(connection: sa.Connection) -> None:
            for table in (FailureTable, PayloadTable, ExecutionTable):
                connection.execute(sa.delete(table))

        writer.run(clear)

    def watch(self) -> None:
        self.steady = {row_id for row_id, row in self.rows.items() if model.matches(row, self._view)}

    def store(self, rows: list[dict]) -> None:
        for row in rows:
            self._number += 1
            row["execution_id"] = f"exec-{self._number}"
        told = [{name: value for name, value in row.items() if name not in {"triage", "prompt"}} for row in rows]
        ids = self._add(*told) if told else []
        self.rows |= {row_id: {**row, "id": row_id} for row_id, row in zip(ids, rows, strict=True)}

        def complete(connection: sa.Connection) -> None:
            for row_id in ids:
                row = self.rows[row_id]
                connection.execute(sa.insert(PayloadTable).values(execution=row_id, inputs={"p": row["prompt"]}))
                if row["triage"]:
                    failure = {"execution": row_id, "fingerprint": "f", "failed_at": T0, "triage": row["triage"]}
                    connection.execute(sa.insert(FailureTable).values(**failure))

        self._writer.run(complete)

    def change(self, row_id: int, status: Status) -> None:
        here = col(ExecutionTable.id) == row_id
        self._writer.run(lambda c: c.execute(sa.update(ExecutionTable).where(here).values(status=status)))
        self.rows[row_id] = self.rows[row_id] | {"status": status}
        if not model.matches(self.rows[row_id], self._view):
            self.steady.discard(row_id)

    def purge(self, row_id: int) -> None:
        status, later = self.rows[row_id]["status"], T0 + EVER
        assert self._writer.run(lambda c: purge.delete(c, [row_id], status, later, later)) == 1
        del self.rows[row_id]
        self.steady.discard(row_id)

    def go_on(self, deed: tuple[str, Any, int]) -> None:
        """Let one thing happen: rows come newest or long ago, one ends otherwise, one is too old."""
        kind, what, place = deed
        known = sorted(self.rows)
        if kind == "come":
            self.store([what])
        elif known and kind == "change":
            self.change(known[place % len(known)], what)
        elif known and kind == "go":
            self.purge(known[place % len(known)])


later = some.integers(31, 60)
deeds = some.lists(
    some.one_of(
        some.tuples(
            some.just("come"), model.rows | some.builds(lambda r, s: r | {"second": s}, model.rows, later), some.just(0)
        ),
        some.tuples(some.just("change"), some.sampled_from(model.STATUSES), some.integers(0, 60)),
        some.tuples(some.just("go"), some.none(), some.integers(0, 60)),
    ),
    max_size=25,
)


@pytest.fixture
def tight(monkeypatch):
    """Make windows so small that a walk has many, and nothing so rare that it is read at once, or everything."""

    def tightening(window: int, few: int) -> None:
        monkeypatch.setattr(walks, "FIRST_WINDOW", window)
        monkeypatch.setattr(deadlines, "_STEPS", 5)  # so that it strikes within small statements too
        monkeypatch.setattr(planning, "FEW", few)
        monkeypatch.setattr(ways, "_SMALL_COST", float(few))

    return tightening


def pages(
    engines, view: Criteria, limit: int, clock: SystemClock | None, *, upwards: bool
) -> Iterator[tuple[tuple[int, str | None], ...]]:
    """Page through a list from one end, going on from where a page's time was over.

    A row is known by Lamina's id too: SQLite gives the number of one that is gone to another.
    """
    place = Cursor(T0 - EVER, 0) if upwards else Cursor(T0 + EVER, 0)
    for _ in range(500):
        where = {"newer_than" if upwards else "older_than": place}
        deadline = Deadline.after(clock, 0.5) if clock else None
        with engines.reading() as connection:
            page = search.find_page(connection, view, limit, **where, deadline=deadline)
        rows = page.rows[::-1] if upwards else page.rows
        assert clock or page.reached is None
        yield tuple((row.id, row.execution_id) for row in rows)
        if not (page.has_newer if upwards else page.has_older):
            return
        place = page.reached or Cursor(rows[-1].created_at, rows[-1].id)
    pytest.fail("the pages have no end")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    view=some.sampled_from(VIEWS),
    stored=some.lists(model.rows, min_size=5, max_size=25),
    happening=deeds,
    window=some.integers(1, 4),
    few=some.sampled_from((0, 100)),
    limit=some.integers(1, 4),
    seed=some.none() | some.integers(0, 99),
    upwards=some.booleans(),
)
def test_what_is_there_all_the_time_is_seen_once_and_nothing_twice(
    engines, writer, add, tight, view, stored, happening, window, few, limit, seed, upwards
):
    tight(window, few)
    life = Life(writer, add, view)
    life.store(stored)
    life.watch()
    waiting, seen = iter(happening), []
    for page in pages(engines, view, limit, Clock(seed) if seed is not None else None, upwards=upwards):
        assert len(page) <= limit
        seen += page
        for deed in (next(waiting, None), next(waiting, None)):
            if deed is not None:
                life.go_on(deed)
    assert len(seen) == len(set(seen)), "a row was seen twice"
    assert life.steady <= {row_id for row_id, _ in seen}, "a row was passed over"


# Deadlines


@pytest.fixture
def far(writer, add):
    """Forty rows of which the oldest alone failed."""
    add(*[{"second": second, "status": Status.COMPLETED if second else Status.FAILED} for second in range(40)])


def test_a_walk_whose_time_is_over_ends_after_its_first_window_and_says_so(engines, far, tight, clock):
    tight(5, 0)
    passed = Deadline.after(clock, -1)
    sought = Criteria(text="nothing says this", scope=Scope.INSIDE)
    with engines.reading() as connection:
        page = search.find_page(connection, sought, 3, deadline=passed)
        assert (page.rows, page.has_older) == ((), True)
        assert page.reached is not None
        assert page.reached.created_at == T0 + timedelta(seconds=35)
        again = search.find_page(connection, sought, 3, older_than=page.reached, deadline=passed)
        assert again.reached is not None
        assert again.reached.created_at == T0 + timedelta(seconds=30)
        count = search.count(connection, sought, deadline=passed)
        assert (count.number, count.capped) == (0, True)
        whole = search.find_page(connection, sought, 3, deadline=Deadline.after(clock, 1))
        assert (whole.rows, whole.has_older, whole.reached) == ((), False, None)


class StrikingClock(SystemClock):
    """One on which a second passes at each so-manieth look."""

    def __init__(self, looks: int) -> None:
        self._every = looks
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return float(self._looks // self._every)


@pytest.mark.parametrize("upwards", [False, True])
def test_wherever_the_deadline_strikes_nothing_is_passed_over(sqlite_engines, sqlite_writer, add_to, tight, upwards):
    ids = add_to(sqlite_writer, *[{"second": second, "error_message": "no"} for second in range(30)])
    tight(4, 0)
    short = Criteria(text="no", scope=Scope.ERROR)  # too short for an index
    for looks in range(2, 40):
        found = pages(sqlite_engines, short, 50, StrikingClock(looks), upwards=upwards)
        assert [row_id for page in found for row_id, _ in page] == (ids if upwards else ids[::-1]), looks


ENDLESS = """
    WITH RECURSIVE step (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < 1000000000) SELECT max(n) FROM step
"""


def test_a_statement_that_takes_too_long_is_ended_and_the_connection_goes_on(engines, far):
    clock = SystemClock()
    begins = clock.monotonic()
    with engines.reading() as connection:
        assert connection.execute(sa.select(1)).scalar_one() == 1
        for _ in range(2):
            deadline = Deadline.after(clock, 0.05)
            with pytest.raises(errors.DeadlinePassed), deadline.enforced(connection):
                connection.exec_driver_sql(ENDLESS).all()
            assert deadline.has_passed
            assert len(search.find_page(connection, Criteria(), 50).rows) == 40
        # Nothing of it is left: what takes longer than that deadline may.
        short = ENDLESS.replace("1000000000", "300000")
        assert connection.exec_driver_sql(short).scalar_one() == 300_000
    assert clock.monotonic() - begins < 60  # a minute: the statement itself would take many


def test_an_error_of_another_kind_stays_what_it_is(engines):
    with engines.reading() as connection, pytest.raises(sa.exc.DBAPIError):  # noqa: SIM117
        with Deadline.after(SystemClock(), 5).enforced(connection):
            connection.exec_driver_sql("SELECT nothing_like_it")
