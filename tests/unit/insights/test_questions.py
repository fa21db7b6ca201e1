"""Each view asks the store a fixed number of questions, however many rows there are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from lamina_core.domain import Origin, Status
from lamina_core.insights import detail, failures, health, listing
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store import search, tally
from lamina_core.store.criteria import Scope
from lamina_core.store.engine import Engines
from lamina_core.store.groups import GroupView
from lamina_core.store.tables import FailureGroupTable, FailureTable
from lamina_core.triage.records import GroupState, Triage

FEW, MANY = 100, 3_000
ALL = ExecutionFilter()
VIEWS: dict[str, ExecutionFilter] = {
    "all": ALL,
    "a status": ExecutionFilter(statuses=frozenset({Status.FAILED})),
    "an app": ExecutionFilter(app_ids=frozenset({"app-1"})),
    "an app's status": ExecutionFilter(app_ids=frozenset({"app-1"}), statuses=frozenset({Status.FAILED})),
    "a time": ExecutionFilter(range="24h"),
    "an origin": ExecutionFilter(origins=frozenset({Origin.FORM})),
    "triage": ExecutionFilter(triages=frozenset({Triage.OPEN})),
    "an error": ExecutionFilter(text="credits", scope=Scope.ERROR),
    "words": ExecutionFilter(text="x", scope=Scope.INPUTS),
}


@contextmanager
def listening(engine: sa.Engine) -> Iterator[list[tuple[str, str]]]:
    """Give the questions that are asked meanwhile, each with what it is asked for."""
    asked: list[tuple[str, str]] = []

    def record(connection, cursor, statement, parameters, context, many) -> None:
        if not statement.startswith("BEGIN"):
            asked.append((statement, repr(parameters)))

    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)


@pytest.fixture
def filled(engines, add, writer, clock) -> Callable[[int], list[int]]:
    """Store so many more executions, of which each fifth failed for one of two reasons."""

    def filling(number: int) -> list[int]:
        ids = add(
            *[
                {
                    "second": place - MANY,
                    "status": Status.COMPLETED if place % 5 else Status.FAILED,
                    "app_id": f"app-{place % 3}",
                    "error_message": None if place % 5 else "credits are used up",
                }
                for place in range(number)
            ]
        )

        def fail(connection: sa.Connection) -> None:
            connection.execute(sa.delete(FailureGroupTable))
            failed = [row_id for place, row_id in enumerate(ids) if place % 5 == 0]
            for name in ("f-1", "f-2"):
                group = {
                    "app_id": "app-1",
                    "app_name": "A",
                    "error_class": "other",
                    "title": "t",
                    "state": GroupState.OPEN,
                }
                counts = {"number": number, "open_number": number, "first_seen": clock.now(), "last_seen": clock.now()}
                connection.execute(sa.insert(FailureGroupTable).values(fingerprint=name, **group, **counts))
            connection.execute(
                sa.insert(FailureTable),
                [
                    {
                        "execution": row_id,
                        "fingerprint": f"f-{row_id % 2 + 1}",
                        "failed_at": clock.now(),
                        "triage": Triage.OPEN,
                    }
                    for row_id in failed
                ],
            )
            while tally.fold(connection):
                pass

        writer.run(fail)
        return ids

    return filling


def questions(engines: Engines, clock, row_id: int) -> dict[str, Callable[[], object]]:
    now = clock.now()
    views: dict[str, Callable[[], object]] = {}
    for name, view in VIEWS.items():
        views[f"page: {name}"] = lambda view=view: listing.read_listing(engines, view, clock)
        shown = listing.read_listing(engines, view, clock).rows
        views[f"refresh: {name}"] = lambda view=view, shown=shown: listing.read_changes(engines, view, shown, clock)
    with engines.reading() as connection:
        execution = next(iter(search.find_by_ids(connection, [row_id]).values()))
    return views | {
        "choices": lambda: listing.read_choices(engines),
        "a pasted id": lambda: listing.find_pasted(engines, "exec-1"),
        "health": lambda: health.read_health(engines, now),
        "latencies": lambda: health.read_latencies(engines),
        "open failures": lambda: failures.read_open(engines, now, 12),
        "groups": lambda: failures.read_groups(engines, GroupView.OPEN, now),
        "a group": lambda: failures.read_group(engines, "f-1", now),
        "likeness": lambda: failures.read_likeness(engines, "f-1"),
        "a failure": lambda: failures.read_failure(engines, execution),
        "an execution": lambda: detail.read_detail(engines, row_id, now),
    }


NUMBERS = {
    "page: all": 2,
    "refresh: all": 3,
    "page: a status": 2,
    "refresh: a status": 3,
    "page: an app": 4,
    "refresh: an app": 4,
    "page: an app's status": 3,
    "refresh: an app's status": 4,
    "page: a time": 2,
    "refresh: a time": 3,
    "page: an origin": 5,
    "refresh: an origin": 6,
    "page: triage": 3,
    "refresh: triage": 7,
    "page: an error": 3,
    "refresh: an error": 5,
    "page: words": 3,
    "refresh: words": 5,
    "choices": 2,
    "a pasted id": 4,
    "health": 9,
    "latencies": 1,
    "open failures": 5,
    "groups": 4,
    "a group": 4,
    "likeness": 5,
    "a failure": 3,
    "an execution": 6,
}
# Two counts, each of which asks whether few rows match.
ASKED_AGAIN = {"refresh: triage", "refresh: an error", "refresh: words"}


def test_a_view_asks_as_much_of_many_rows_as_of_few_and_nothing_twice(engines, filled, clock):
    for number in (FEW, MANY - FEW):
        first, *_ = filled(number)
        counted = {}
        for name, ask in questions(engines, clock, first).items():
            with listening(engines.read) as asked:
                ask()
            assert len(asked) - len(set(asked)) == (name in ASKED_AGAIN), (name, asked)
            counted[name] = len(asked)
        assert counted == NUMBERS
