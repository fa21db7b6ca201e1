"""Deliveries are found a page at a time, each question by an index, and expected webhooks that never came too."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core.domain import Status, Verdict
from lamina_core.store import delivery_search
from lamina_core.store.criteria import COUNT_CAP, Count
from lamina_core.store.delivery_search import Attempt, Criteria, Page, Reconciliation, Window
from lamina_core.store.tables import DeliveryTable
from tests.unit.store.conftest import T0

A, R, U = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNCHECKED
DAY = timedelta(days=1)


def row(**changes) -> dict:
    """The columns of an accepted delivery; `second` places it in time."""
    second = changes.pop("second", 0)
    return {
        "received_at": T0 + timedelta(seconds=second),
        "verdict": A,
        "reason": None,
        "answered": 200,
        "request_id": None,
        "key_id": None,
        "headers": {},
        "body": b"{}",
        "body_size": 2,
        "content_hash": "h",
        "execution": None,
    } | changes


def receive(writer, *rows: dict) -> list[int]:
    """Insert deliveries and return their ids."""

    def work(connection: sa.Connection) -> list[int]:
        insert = sa.insert(DeliveryTable).returning(DeliveryTable.id, sort_by_parameter_order=True)
        return list(connection.execute(insert, [row(**each) for each in rows]).scalars())

    return writer.run(work)


def ask(engines, question, *arguments, **named):
    with engines.reading() as connection:
        return question(connection, *arguments, **named)


def page(engines, criteria=Criteria(), limit=50, **place) -> Page:  # noqa: B008 - frozen
    return ask(engines, delivery_search.find_page, criteria, limit, **place)


def ids(engines, **criteria) -> list[int]:
    return list(page(engines, Criteria(**criteria)).ids)


def test_nothing_is_an_empty_page(engines):
    assert page(engines) == Page((), None, None)
    assert ask(engines, delivery_search.count, Criteria()) == Count(0, False)
    assert ask(engines, delivery_search.find_place, T0) == 0


def test_the_last_stored_comes_first_and_each_filter_restricts(engines, writer):
    one, two, three, four, five = receive(
        writer,
        {"request_id": "e-1", "second": 9},
        {"verdict": R, "reason": "not_verified", "request_id": "e-1"},
        {"verdict": U, "reason": "no_key_set"},
        {"verdict": R, "reason": "too_large"},
        {"reason": "duplicate", "request_id": "e-2"},
    )
    assert ids(engines) == [five, four, three, two, one]
    assert ids(engines, verdicts=frozenset(Verdict)) == [five, four, three, two, one]
    assert ids(engines, verdicts=frozenset({R})) == [four, two]
    assert ids(engines, verdicts=frozenset({R, U})) == [four, three, two]
    assert ids(engines, reason="not_verified") == [two]
    assert ids(engines, verdicts=frozenset({A}), reason="duplicate") == [five]
    assert ids(engines, names=frozenset({"e-1"})) == [two, one]
    assert ids(engines, names=frozenset({"e-1", "e-2"}), verdicts=frozenset({A})) == [five, one]
    assert ids(engines, names=frozenset({"e-1"}), reason="not_verified", after=one) == [two]
    assert ids(engines, names=frozenset({"e-1"}), after=two) == []
    assert ids(engines, names=frozenset()) == []
    assert ids(engines, after=three) == [five, four]


def test_a_time_is_the_place_of_the_last_one_before_it(engines, writer):
    one, two, three = receive(writer, {"second": 1}, {"second": 2}, {"second": 2})
    places = [ask(engines, delivery_search.find_place, T0 + timedelta(seconds=second)) for second in (1, 2, 3)]
    assert places == [0, one, three]
    assert ids(engines, after=places[1]) == [three, two]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # "odd" stands beside every verdict, so that several walks go on side by side.
    kinds=some.lists(some.sampled_from([(A, "odd"), (A, None), (R, "odd"), (U, "odd")]), max_size=25).map(
        lambda kinds: kinds or [(A, "odd"), (R, "odd"), (A, "odd"), (A, None)] * 3
    ),
    criteria=some.builds(
        Criteria,
        verdicts=some.sampled_from([frozenset({A, R}), frozenset(), frozenset({A}), frozenset(Verdict)]),
        reason=some.sampled_from(["odd", None]),
        names=some.sampled_from([None, None, None, frozenset({"even"})]),
        after=some.sampled_from([0, 0, 3]),
    ),
    limit=some.integers(1, 5),
    walk=some.integers(1, 4),
)
def test_pages_lead_down_and_up_again_over_each_match_once(sqlite_engines, sqlite_writer, kinds, criteria, limit, walk):
    sqlite_writer.run(lambda connection: connection.exec_driver_sql("DELETE FROM delivery").close())
    named = [{"verdict": verdict, "reason": reason} for verdict, reason in kinds]
    rows = [each | {"id": place, "request_id": "odd" if place % 2 else "even"} for place, each in enumerate(named, 1)]
    stored = receive(sqlite_writer, *rows) if rows else []
    matching = [
        row_id
        for row_id, (verdict, reason) in zip(stored, kinds, strict=True)
        if row_id > criteria.after
        and verdict in (criteria.verdicts or set(Verdict))
        and criteria.reason in {None, reason}
        and (criteria.names is None or row_id % 2 == 0)
    ][::-1]
    kept, delivery_search.WALK = delivery_search.WALK, walk
    try:
        pages = [page(sqlite_engines, criteria, limit)]
        while pages[-1].older is not None:
            pages.append(page(sqlite_engines, criteria, limit, older_than=pages[-1].older))
            assert len(pages) < 60
        assert [each for found in pages for each in found.ids] == matching
        back = [page(sqlite_engines, criteria, limit, newer_than=0)]
        while back[-1].newer is not None:
            back.append(page(sqlite_engines, criteria, limit, newer_than=back[-1].newer))
            assert len(back) < 60
        assert [each for found in reversed(back) for each in found.ids] == matching
        assert all(len(found.ids) <= limit for found in [*pages, *back])
        counted = ask(sqlite_engines, delivery_search.count, criteria)
        assert counted.number == len(matching) or (counted.capped and counted.number < len(matching))
    finally:
        delivery_search.WALK = kept


def test_the_page_before_a_place_is_the_one_that_led_to_it(engines, writer):
    known = receive(writer, *[{}] * 7)[::-1]
    first = page(engines, limit=3)
    second = page(engines, limit=3, older_than=first.older)
    third = page(engines, limit=3, older_than=second.older)
    assert [first.ids, second.ids, third.ids] == [tuple(known[:3]), tuple(known[3:6]), tuple(known[6:])]
    assert (first.newer, third.older) == (None, None)
    back = page(engines, limit=3, newer_than=third.newer)
    assert back.ids == second.ids
    top = page(engines, limit=3, newer_than=back.newer)
    assert (top.ids, top.newer, top.older) == (first.ids, None, first.older)


@pytest.mark.parametrize("upwards", [False, True])
def test_a_reason_is_looked_for_in_a_bounded_part_and_that_is_said(sqlite_engines, sqlite_writer, upwards):
    found, *_ = receive(sqlite_writer, {"reason": "disputed"}, *[{}] * delivery_search.WALK, {"reason": "disputed"})
    last = found + delivery_search.WALK + 1
    criteria = Criteria(frozenset({A}), "disputed")
    if upwards:
        cut = page(sqlite_engines, criteria, newer_than=0)
        assert (cut.ids, cut.is_cut, cut.newer) == ((found,), True, last - 1)
        assert page(sqlite_engines, criteria, newer_than=cut.newer).ids == (last,)
    else:
        cut = page(sqlite_engines, criteria)
        assert (cut.ids, cut.is_cut, cut.older) == ((last,), True, found + 1)
        rest = page(sqlite_engines, criteria, older_than=cut.older)
        assert (rest.ids, rest.is_cut, rest.older) == ((found,), False, None)
    assert ask(sqlite_engines, delivery_search.count, criteria) == Count(1, True)


@pytest.mark.parametrize(
    ("rows", "found"),
    [(COUNT_CAP, Count(COUNT_CAP, False)), (COUNT_CAP + 1, Count(COUNT_CAP, True))],
)
def test_a_count_stops_at_its_cap_and_says_so(sqlite_engines, sqlite_writer, rows, found):
    receive(sqlite_writer, *[{}] * rows)
    assert ask(sqlite_engines, delivery_search.count, Criteria()) == found


def test_newer_ones_are_counted_from_a_place(engines, writer):
    top = receive(writer, {}, {"verdict": R})[-1]
    receive(writer, {}, {"verdict": R}, {"verdict": U})
    for verdicts, number in ((frozenset(), 3), (frozenset({R}), 1), (frozenset({R, A}), 2)):
        assert ask(engines, delivery_search.count, Criteria(verdicts), top) == Count(number, False)


def test_rows_come_by_their_ids_with_all_that_is_shown_of_them(engines, writer, add):
    (execution,) = add({"execution_id": "e-1"})
    one, two = receive(
        writer,
        {"request_id": "e-1", "execution": execution, "key_id": "k-1", "second": 3},
        {"verdict": R, "answered": 401, "reason": "too_slow", "body_size": 7},
    )
    found = ask(engines, delivery_search.find_by_ids, [two, one, 999_999])
    assert set(found) == {one, two}
    assert (found[one].execution, found[one].key_id, found[one].received_at) == (
        execution,
        "k-1",
        T0 + timedelta(seconds=3),
    )
    assert (found[two].verdict, found[two].answered, found[two].reason, found[two].body_size) == (R, 401, "too_slow", 7)
    assert ask(engines, delivery_search.find_by_ids, []) == {}
    assert set(ask(engines, delivery_search.find_executions, {"e-1", "e-2"})) == {"e-1"}


def test_attempts_of_one_execution_are_in_the_order_of_their_coming(engines, writer):
    one, _, three, _ = receive(
        writer, {"verdict": R, "request_id": "e-1"}, {"request_id": "e-2"}, {"request_id": "e-1"}, {}
    )
    assert ask(engines, delivery_search.find_attempts, {"e-1", "e-3"}) == {"e-1": [Attempt(one, R), Attempt(three, A)]}
    assert ask(engines, delivery_search.find_attempts, set()) == {}


# Expected webhooks that never came


def ended(second: float, **changes) -> dict:
    at = T0 + timedelta(seconds=second)
    return {
        "second": second - 60,
        "webhook_expected": True,
        "completed_at": at,
        "updated_at": at,
        "delivered_at": None,
    } | changes


def unheard(engines, since=T0 - DAY, before=T0, limit=100) -> list[int]:
    found = ask(engines, delivery_search.find_unheard, Window(since, False), before, limit)
    return [each.id for each in found]


def test_unheard_are_those_that_ended_and_to_which_no_verified_delivery_belongs(engines, writer, add):
    lost, refused, heard, disputed, later, *_ = add(
        ended(-900, execution_id="lost"),
        ended(-800, execution_id="refused", status=Status.FAILED),
        ended(-700, delivered_at=T0),
        ended(-600, execution_id="disputed"),
        ended(-100, status=Status.CANCELLED, completed_at=None),
        ended(-500, webhook_expected=False),
        ended(-400, status=Status.RUNNING, completed_at=None),
        ended(-300, status=Status.GONE, completed_at=None),
    )
    receive(
        writer,
        {"verdict": R, "reason": "not_verified", "request_id": "refused"},
        {"reason": "disputed", "request_id": "disputed", "execution": disputed},
    )
    assert unheard(engines) == [later, refused, lost]
    assert heard not in unheard(engines)
    assert unheard(engines, limit=2) == [later, refused]
    assert unheard(engines, before=T0 - timedelta(seconds=200)) == [refused, lost]
    assert unheard(engines, since=T0 - timedelta(seconds=870)) == [later, refused]


def test_ends_are_told_apart_by_what_came_first(engines, writer, add):
    *_, disputed = add(
        ended(-900, delivered_at=T0 - timedelta(seconds=901)),  # received, then written
        ended(-900, delivered_at=T0 - timedelta(seconds=900)),
        ended(-900, delivered_at=T0 - timedelta(seconds=890)),  # written by a poll, then received
        ended(-900),
        ended(-100),  # its webhook may still come
        ended(-900, webhook_expected=False),
        ended(-900, status=Status.RUNNING),
        ended(-9_000, delivered_at=T0),  # too long ago
        ended(-900),
    )
    receive(writer, {"reason": "disputed", "execution": disputed})
    window = Window(T0 - DAY, False)
    since, before = T0 - timedelta(hours=1), T0 - timedelta(minutes=5)
    found = ask(engines, delivery_search.reconcile, window, since, before)
    assert found == Reconciliation(by_webhook=2, by_poll_first=2, never=1, awaited=1)
    assert found.total == 6
    assert ask(engines, delivery_search.reconcile, Window(T0, False), since, before) == Reconciliation()


def test_no_more_executions_are_looked_at_than_a_fixed_number(sqlite_engines, sqlite_writer, add_to, monkeypatch):
    monkeypatch.setattr(delivery_search, "LOOKED_AT", 3)
    add_to(sqlite_writer, *[{"second": second} for second in (1, 2, 3, 4)])
    look = lambda since: ask(sqlite_engines, delivery_search.find_window, since)  # noqa: E731
    assert look(T0) == Window(T0 + timedelta(seconds=2), True)
    assert look(T0 + timedelta(seconds=3)) == Window(T0 + timedelta(seconds=3), False)


# How the databases answer

WINDOW = Window(T0 - timedelta(minutes=10), False)  # a tenth of what there is
REASON = Criteria(frozenset({A}), "unreadable_body")
QUESTIONS = {
    "a time": lambda connection: delivery_search.find_place(connection, T0),
    "the newest": lambda connection: delivery_search.find_page(connection, Criteria(), 50),
    "older ones": lambda connection: delivery_search.find_page(connection, Criteria(after=7), 50, older_than=900),
    "newer ones": lambda connection: delivery_search.find_page(connection, Criteria(), 50, newer_than=900),
    "a verdict": lambda connection: delivery_search.find_page(connection, Criteria(frozenset({R})), 50, older_than=900),
    "two verdicts": lambda connection: delivery_search.find_page(connection, Criteria(frozenset({R, U})), 50),
    "a reason": lambda connection: delivery_search.find_page(connection, REASON, 50, older_than=900),
    "a reason upwards": lambda connection: delivery_search.find_page(connection, REASON, 50, newer_than=7),
    "an execution": lambda connection: delivery_search.find_page(
        connection, Criteria(frozenset({A}), "same", frozenset({"e-7"})), 50
    ),
    "a count": lambda connection: delivery_search.count(connection, Criteria(), 900),
    "a verdict's count": lambda connection: delivery_search.count(connection, Criteria(frozenset({R}))),
    "a reason's count": lambda connection: delivery_search.count(connection, REASON),
    "rows": lambda connection: delivery_search.find_by_ids(connection, [3, 900]),
    "attempts": lambda connection: delivery_search.find_attempts(connection, {"e-7", "e-8"}),
    "executions": lambda connection: delivery_search.find_executions(connection, {"e-7", "e-8"}),
    "what is looked at": lambda connection: delivery_search.find_window(connection, T0 - timedelta(minutes=5)),
    "unheard ones": lambda connection: delivery_search.find_unheard(connection, WINDOW, T0, 100),
    "ends": lambda connection: delivery_search.reconcile(connection, WINDOW, T0 - DAY, T0),
}
EXPECTED = {  # where SQLite has more than one way
    "a time": "COVERING INDEX delivery_newest",
    "a verdict": "COVERING INDEX delivery_verdict (verdict=? AND id>? AND id<?)",
    "two verdicts": "COVERING INDEX delivery_verdict (verdict=? AND id>?)",
    "a reason": "delivery_verdict (verdict=? AND id>? AND id<?)",
    "an execution": "ix_delivery_request_id (request_id=?)",
    "a verdict's count": "COVERING INDEX delivery_verdict",
    "attempts": "ix_delivery_request_id (request_id=?)",
    "what is looked at": "COVERING INDEX execution_newest",
    "unheard ones": "COVERING INDEX delivery_execution",
    "ends": "COVERING INDEX delivery_execution",
}
ROWS = 6_000


def fill(writer, add) -> None:
    """Many executions and deliveries, one a second; the rare are as rare as in life."""
    numbers = range(1, ROWS + 1)
    statuses = [
        Status.FAILED if number % 20 == 0 else Status.RUNNING if number % 500 == 1 else Status.COMPLETED
        for number in numbers
    ]
    told = [T0 - timedelta(seconds=ROWS - number) for number in numbers]
    add(
        *(
            ended(number - ROWS, execution_id=f"e-{number}", status=status, delivered_at=at if number % 700 else None)
            for number, status, at in zip(numbers, statuses, told, strict=True)
        )
    )
    verdicts = [R if number % 200 == 0 else U if number == 77 else A for number in numbers]
    receive(
        writer,
        *(
            {
                "received_at": at,
                "verdict": verdict,
                "request_id": f"e-{number}",
                "execution": number if number % 700 else None,
                "body": bytes(500),
            }
            for number, verdict, at in zip(numbers, verdicts, told, strict=True)
        ),
    )


def plans_of(engines, question, *, is_analyzed: bool = True) -> list[tuple[str, list[str]]]:
    """Each statement of a question, and how the database answers it.

    Where PostgreSQL knows nothing of so small a table, it is asked whether there is an index for it at all.
    """
    asked = []

    def record(connection, cursor, statement, parameters, context, many) -> None:
        asked.append((statement, parameters))

    explain = "EXPLAIN QUERY PLAN" if engines.read.dialect.name == "sqlite" else "EXPLAIN"
    with engines.reading() as connection:
        connection.execute(sa.select(1))  # begins the transaction
        if engines.read.dialect.name == "postgresql" and not is_analyzed:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        sa.event.listen(connection, "before_cursor_execute", record)
        question(connection)
        sa.event.remove(connection, "before_cursor_execute", record)
        return [
            (statement, [str(each[-1]) for each in connection.exec_driver_sql(f"{explain} {statement}", parameters)])
            for statement, parameters in asked
        ]


@pytest.mark.parametrize("analyze", [False, True])
def test_every_question_is_answered_from_an_index(engines, writer, add, analyze):
    fill(writer, add)
    if analyze:
        with engines.write.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    for name, question in QUESTIONS.items():
        plans = plans_of(engines, question, is_analyzed=analyze)
        assert plans, name
        for statement, plan in plans:
            for line in plan:
                assert "SCAN delivery" not in line, (name, statement, plan)
                assert "SCAN execution" not in line, (name, statement, plan)
                assert "Seq Scan" not in line, (name, statement, plan)
        if engines.read.dialect.name == "sqlite" and name in EXPECTED:
            assert any(EXPECTED[name] in line for _, plan in plans for line in plan), (name, plans)
        if name in {"the newest", "older ones", "newer ones", "a verdict", "two verdicts", "a reason"}:
            assert not any("TEMP B-TREE" in line for _, plan in plans for line in plan), (name, plans)


@pytest.mark.parametrize("name", ["the newest", "a verdict", "a reason", "unheard ones", "ends"])
def test_no_list_reads_bodies_or_json(sqlite_engines, name):
    for statement, _ in plans_of(sqlite_engines, QUESTIONS[name]):
        assert "body," not in statement
        assert "headers" not in statement


def test_instants_are_aware(engines, writer):
    (one,) = receive(writer, {})
    assert ask(engines, delivery_search.find_by_ids, [one])[one].received_at == datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
