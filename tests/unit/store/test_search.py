"""Pages neither overlap nor skip while rows arrive, text is literal, counts are honest."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core.domain import Status
from lamina_core.store import search
from lamina_core.store.criteria import Count, Criteria, Cursor, Scope

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def page(engines, criteria=Criteria(), limit=50, **place):  # noqa: B008 - frozen
    with engines.reading() as connection:
        return search.find_page(connection, criteria, limit, **place)


def ids(found) -> list[int]:
    return [row.id for row in found.rows]


def cursor(row) -> Cursor:
    return Cursor(row.created_at, row.id)


def found_ids(engines, **criteria) -> list[int]:
    return ids(page(engines, Criteria(**criteria)))


def test_nothing_is_an_empty_page(engines):
    assert page(engines) == search.Page((), has_older=False, has_newer=False)


def test_the_newest_come_first_and_of_equal_instants_the_last_recorded(engines, add):
    first, second, third, fourth = add({"second": 5}, {"second": 9}, {"second": 5}, {"second": 5})
    assert ids(page(engines)) == [second, fourth, third, first]


def test_pages_go_down_and_up_again_over_equal_instants(engines, add):
    known = add(*[{"second": 7}] * 7)[::-1]
    first = page(engines, limit=3)
    second = page(engines, limit=3, older_than=cursor(first.rows[-1]))
    third = page(engines, limit=3, older_than=cursor(second.rows[-1]))
    assert [*ids(first), *ids(second), *ids(third)] == known
    assert [(each.has_older, each.has_newer) for each in (first, second, third)] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    back = page(engines, limit=3, newer_than=cursor(third.rows[0]))
    assert (ids(back), back.has_newer) == (ids(second), True)
    top = page(engines, limit=3, newer_than=cursor(second.rows[0]))
    assert (ids(top), top.has_newer, top.has_older) == (ids(first), False, True)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=some.lists(some.integers(0, 3), max_size=14),
    arriving=some.lists(some.lists(some.integers(3, 5), max_size=3), max_size=6),
    limit=some.integers(1, 5),
)
def test_walking_down_while_rows_arrive_shows_each_row_once(
    sqlite_engines, sqlite_writer, add_to, seconds, arriving, limit
):
    sqlite_writer.run(lambda connection: connection.execute(sa.text("DELETE FROM execution")))
    if seconds:
        add_to(sqlite_writer, *[{"second": second} for second in seconds])
    there = ids(page(sqlite_engines))
    walked, place, arrivals = [], {}, iter(arriving)
    while True:
        found = page(sqlite_engines, limit=limit, **place)
        walked += ids(found)
        assert len(found.rows) <= limit
        if not found.has_older:
            break
        place = {"older_than": cursor(found.rows[-1])}
        for second in next(arrivals, []):
            add_to(sqlite_writer, {"second": second})
    assert walked == there
    if not walked:
        return
    everything = ids(page(sqlite_engines, limit=100))
    up, top = [], cursor(page(sqlite_engines, limit=100).rows[-1])
    while True:
        found = page(sqlite_engines, limit=limit, newer_than=top)
        up = ids(found) + up
        if not found.has_newer:
            break
        top = cursor(found.rows[0])
    assert [*up, everything[-1]] == everything


def test_filters_restrict_each_for_itself_and_together(engines, add):
    one, two, three, four = add(
        {"second": 1, "status": Status.FAILED},
        {"second": 2, "status": Status.FAILED, "app_id": "app-2"},
        {"second": 3, "status": Status.GONE},
        {"second": 4},
    )
    assert found_ids(engines, statuses=frozenset({Status.FAILED, Status.GONE})) == [three, two, one]
    assert found_ids(engines, app_ids=frozenset({"app-2"})) == [two]
    assert found_ids(engines, since=T0 + timedelta(seconds=3)) == [four, three]
    assert found_ids(engines, statuses=frozenset({Status.FAILED}), app_ids=frozenset({"app-1"})) == [one]
    assert found_ids(engines, app_ids=frozenset({"app'; DROP TABLE execution; --"})) == []


def test_text_is_looked_for_at_the_beginning_of_ids_and_anywhere_in_references_and_errors(engines, add):
    by_id, by_reference, by_error, by_part, _ = add(
        {"second": 3, "execution_id": "fox-1"},
        {"second": 2, "reference": "fox/2026"},
        {"second": 1, "error_message": "the quick FOX\nfell over"},
        {"second": 0, "reference": "a FOX"},
        {"second": 0, "execution_id": "1-fox"},
    )
    assert found_ids(engines, text="fox") == [by_id, by_reference, by_error, by_part]
    assert found_ids(engines, text="fox", scope=Scope.ERROR) == [by_error]


SIGNS = ["%", "_", "\\", "'", '"', "/", "[", "*", "?", "''", "%%", "\\%", "ß", "🦊", "--"]


def test_signs_that_mean_something_to_a_database_are_literal(engines, add):
    wanted = add(*[{"error_message": f"a{sign}b"} for sign in SIGNS], {"error_message": "aXb"})
    found = [found_ids(engines, text=f"a{sign}b") for sign in SIGNS]
    assert found == [[row] for row in wanted[:-1]]
    assert [found_ids(engines, text=f"b{sign}a") for sign in SIGNS] == [[]] * len(SIGNS)


def test_a_very_long_text_finds_nothing_and_breaks_nothing(engines, add):
    add({"error_message": "x"})
    assert found_ids(engines, text="%_" * 100) == []


def test_counts_follow_every_filter_but_the_status_and_name_zeros(engines, add):
    add(
        {"status": Status.FAILED},
        {"status": Status.FAILED, "app_id": "app-2"},
        {"status": Status.RUNNING},
        {"status": Status.RUNNING, "second": -100},
    )
    criteria = Criteria(frozenset({Status.FAILED}), app_ids=frozenset({"app-1"}), since=T0)
    with engines.reading() as connection:
        counts = search.count_by_status(connection, criteria)
    assert set(counts) == set(Status)
    assert {status: found.number for status, found in counts.items() if found.number} == {
        Status.FAILED: 1,
        Status.RUNNING: 1,
    }


@pytest.mark.parametrize(
    ("rows", "found"), [(999, Count(999, False)), (1_000, Count(1_000, False)), (1_001, Count(1_000, True))]
)
def test_a_count_stops_at_its_cap_and_says_so(sqlite_engines, sqlite_writer, add_to, rows, found):
    add_to(sqlite_writer, *[{}] * rows)
    with sqlite_engines.reading() as connection:
        assert search.count(connection, Criteria(since=T0)) == found
        assert search.count(connection, Criteria()) == Count(rows, False)


def test_newer_ones_are_counted_from_a_place(engines, add):
    add({"second": 1}, {"second": 2})
    top = cursor(page(engines).rows[0])
    add({"second": 2}, {"second": 3}, {"second": 0}, {"second": 3, "app_id": "app-2"})
    with engines.reading() as connection:
        assert search.count(connection, Criteria(app_ids=frozenset({"app-1"})), top) == Count(2, False)


def test_rows_on_a_screen_are_read_again_by_their_ids(engines, add):
    known = add({}, {}, {})
    with engines.reading() as connection:
        found = search.find_by_ids(connection, [known[2], known[0], 999_999])
        assert search.find_by_ids(connection, []) == {}
    assert set(found) == {known[0], known[2]}


def test_an_id_is_found_by_its_beginning_taken_literally(engines, add):
    whole, other = add({"execution_id": "a%b-1"}, {"execution_id": "aXb-1"})
    with engines.reading() as connection:
        assert search.find_ids_by_text(connection, "a%b", 5) == [whole]
        assert search.find_ids_by_text(connection, "aXb-1", 5) == [other]
        assert search.find_ids_by_text(connection, "b-1", 5) == []
        assert len(search.find_ids_by_text(connection, "a", 1)) == 1


def test_a_status_from_newer_code_is_shown_as_unknown(engines, add):
    add({"status": "refunded"})
    assert page(engines).rows[0].status is Status.UNKNOWN


@pytest.mark.parametrize("analyze", [False, True])
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM execution ORDER BY created_at DESC, id DESC LIMIT 51", "execution_newest"),
        ("SELECT id FROM execution WHERE next_poll_at <= '2026' ORDER BY next_poll_at LIMIT 8", "execution_due"),
        ("SELECT id FROM execution WHERE status = 'failed' ORDER BY created_at DESC, id DESC", "execution_status"),
        ("SELECT id FROM execution WHERE replay_of = 5 ORDER BY id", "execution_replays"),
    ],
)
def test_the_questions_of_the_screens_are_answered_from_an_index(
    sqlite_engines, sqlite_writer, add_to, query, index, analyze
):
    add_to(sqlite_writer, *[{"second": place} for place in range(300)])
    add_to(sqlite_writer, {"status": Status.FAILED}, {"next_poll_at": T0}, {"replay_of": 1})
    if analyze:
        sqlite_writer.run(lambda connection: connection.exec_driver_sql("ANALYZE").close())
    with sqlite_engines.reading() as connection:
        plan = [each.detail for each in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert any(index in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan
