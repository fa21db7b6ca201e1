"""A page of executions with its counts, what changed since, and what a pasted id means."""

from dataclasses import replace

import pytest

from lamina_core.domain import Status
from lamina_core.insights import listing
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.insights.listing import PAGE
from lamina_core.store.criteria import Count


def ids(rows) -> list[int]:
    return [row.id for row in rows]


def test_pages_lead_to_each_other_and_keep_the_filters(engines, add, clock):
    known = add(*[{"second": place} for place in range(PAGE + 10)])[::-1]
    add({"app_id": "app-2", "second": 1})
    view = ExecutionFilter(app_ids=frozenset({"app-1"}))
    first = listing.read_listing(engines, view, clock)
    assert (ids(first.rows), first.newer) == (known[:PAGE], None)
    second = listing.read_listing(engines, first.older, clock)
    assert (ids(second.rows), second.older, second.newer.app_ids) == (known[PAGE:], None, view.app_ids)
    back = listing.read_listing(engines, second.newer, clock)
    assert (ids(back.rows), back.newer) == (known[:PAGE], None)


def test_an_empty_page_leads_nowhere(engines, clock):
    empty = listing.read_listing(engines, ExecutionFilter(), clock)
    assert (empty.rows, empty.older, empty.newer) == ((), None, None)
    assert (empty.older, empty.newer) == (None, None)


def test_changes_show_the_same_rows_in_the_same_order_as_they_stand_now(engines, add, writer, clock):
    add({"status": Status.RUNNING, "second": 1}, {"status": Status.RUNNING, "second": 2})
    view = ExecutionFilter(statuses=frozenset({Status.RUNNING}))
    shown = listing.read_listing(engines, view, clock).rows
    writer.run(lambda connection: connection.exec_driver_sql("UPDATE execution SET status='failed' WHERE id=2").close())
    add({"status": Status.RUNNING, "second": 3}, {"status": Status.RUNNING, "second": 0})
    changes = listing.read_changes(engines, view, shown, clock)
    assert [(row.id, row.status) for row in changes.rows] == [(2, Status.FAILED), (1, Status.RUNNING)]
    assert changes.newer == Count(1, False)
    assert changes.counts[Status.FAILED] == Count(1, False)


def test_changes_of_an_empty_page_count_all_that_came(engines, add, clock):
    add({}, {})
    assert listing.read_changes(engines, ExecutionFilter(), [], clock).newer == Count(2, False)


def test_a_row_that_is_gone_from_the_store_stays_as_it_was_shown(engines, add, clock):
    add({})
    (shown,) = listing.read_listing(engines, ExecutionFilter(), clock).rows
    ghost = replace(shown, id=99)
    assert listing.read_changes(engines, ExecutionFilter(), [ghost], clock).rows == (ghost,)


@pytest.mark.parametrize(
    ("pasted", "found"),
    [
        ("e-abc-1", [1]),
        ("  e-abc-1\n", [1]),
        ("e-abc", [1, 2]),
        ("e-", [1, 2]),
        ("3", [3]),
        ("#3", [3]),
        (" #3 ", [3]),
        ("4711", [4]),
        ("#4", [4]),
        ("99", []),
        ("#99", []),
        ("", []),
        ("   ", []),
        ("#", []),
        ("%", []),
        ("e_abc", []),
        ("\x00", []),
        ("e-abc-1\x00", [1]),
        ("\ud800", []),
        ("-1", []),
        ("1.0", []),
        ("\u00b2", []),
        ("9" * 30, []),
        ("x" * 10_000, []),
    ],
)
def test_a_pasted_id_is_lamina_s_or_ours_or_a_beginning(engines, add, pasted, found):
    add({"execution_id": "e-abc-1"}, {"execution_id": "e-abc-2"}, {}, {"execution_id": "4711"})
    assert sorted(listing.find_pasted(engines, pasted)) == found
