"""The family of an execution, however wide, deep or broken; and the last success of an app."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Status
from lamina_core.store import lineage
from lamina_core.store.tables import ExecutionTable
from tests.unit.store.conftest import T0


def family(engines, row_id: int) -> tuple[list[tuple[int, int]], bool]:
    with engines.reading() as connection:
        found = lineage.find_lineage(connection, row_id)
    return [(node.execution.id, node.depth) for node in found.nodes], found.capped


def chain(add, length: int) -> list[int]:
    rows = add({})
    while len(rows) < length:
        rows += add({"replay_of": rows[-1]})
    return rows


def test_every_member_sees_the_whole_tree_each_replay_below_its_original_and_the_oldest_first(engines, add):
    (first, stranger) = add({}, {})
    second, third = add({"replay_of": first, "second": 9}, {"replay_of": first, "second": 1})
    (below_second, below_third) = add({"replay_of": second}, {"replay_of": third})
    (deep,) = add({"replay_of": below_second})
    tree = [(first, 0), (second, 1), (below_second, 2), (deep, 3), (third, 1), (below_third, 2)]
    for member in (first, second, third, below_second, below_third, deep):
        assert family(engines, member) == (tree, False)
    assert family(engines, stranger) == ([], False)


def test_what_the_store_does_not_know_has_no_family(engines):
    assert family(engines, 404) == ([], False)


def test_a_family_that_just_fits_is_whole(engines, add):
    (first,) = add({})
    add(*[{"replay_of": first}] * (lineage.NODES - 1))
    nodes, capped = family(engines, first)
    assert (len(nodes), capped) == (lineage.NODES, False)


def test_of_too_many_replays_those_around_the_one_asked_for_are_kept(engines, add):
    (first,) = add({})
    replays = add(*[{"replay_of": first}] * (lineage.NODES * 2))
    asked = replays[-1]
    own = add({"replay_of": asked}, {"replay_of": asked})
    nodes, capped = family(engines, asked)
    assert (len(nodes), capped) == (lineage.NODES, True)
    assert nodes[:2] == [(first, 0), (replays[0], 1)]
    assert nodes[-3:] == [(asked, 1), (own[0], 2), (own[1], 2)]


def test_of_a_long_chain_the_part_around_the_one_asked_for_is_kept(engines, add):
    rows = chain(add, 90)
    nodes, capped = family(engines, rows[80])
    assert [row for row, _ in nodes] == rows[40:]
    assert capped
    assert family(engines, rows[30]) == ([(row, depth) for depth, row in enumerate(rows)], False)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_ring_of_replays_ends(engines, writer, add, length):
    rows = chain(add, length)
    (beside,) = add({"replay_of": rows[0]})

    def close(connection) -> None:
        ring = sa.update(ExecutionTable).where(col(ExecutionTable.id) == rows[0]).values(replay_of=rows[-1])
        connection.execute(ring)

    writer.run(close)
    for member in (*rows, beside):
        nodes, _ = family(engines, member)
        assert sorted(row for row, _ in nodes) == sorted([*rows, beside])


def plans_of(engines, query) -> list[list[str]]:
    """How SQLite answers each statement of a query."""
    asked_for = []

    def record(connection, cursor, statement, parameters, context, many) -> None:
        asked_for.append((statement, parameters))

    with engines.reading() as connection:
        connection.execute(sa.select(1))  # begins the transaction
        sa.event.listen(connection, "before_cursor_execute", record)
        query(connection)
        sa.event.remove(connection, "before_cursor_execute", record)
        return [
            [each.detail for each in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked_for
        ]


def test_a_family_is_read_by_four_statements_that_never_go_through_all_executions(
    sqlite_engines, sqlite_writer, add_to
):
    first, *_ = add_to(sqlite_writer, *[{}] * 300)
    (asked,) = add_to(sqlite_writer, {"replay_of": first})
    plans = plans_of(sqlite_engines, lambda connection: lineage.find_lineage(connection, asked))
    assert len(plans) == 4
    for plan in plans:
        assert not any("SCAN execution" in line for line in plan), plan
    assert any("execution_replays" in line for line in plans[1]), plans[1]


def test_the_last_success_is_the_newest_completed_one_of_the_app_before_the_instant(engines, add):
    rows = add(
        {"second": 1},
        {"second": 2},
        {"second": 3, "status": Status.FAILED},
        {"second": 4, "app_id": "app-2"},
        {"second": 5},
    )
    with engines.reading() as connection:
        assert lineage.last_success(connection, "app-1") == rows[4]
        assert lineage.last_success(connection, "app-1", T0 + timedelta(seconds=5)) == rows[1]
        assert lineage.last_success(connection, "app-1", T0 + timedelta(seconds=1)) is None
        assert lineage.last_success(connection, "app-3") is None


def test_the_last_success_comes_from_the_index_of_app_and_status(sqlite_engines, sqlite_writer, add_to):
    add_to(sqlite_writer, *[{"second": place} for place in range(300)])
    ((line,),) = plans_of(sqlite_engines, lambda connection: lineage.last_success(connection, "app-1", T0))
    assert "COVERING INDEX execution_app_status (app_id=? AND status=? AND created_at<?)" in line
