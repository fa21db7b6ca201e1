"""Two executions beside each other, in plain data."""

from datetime import timedelta

import pytest

from lamina_core import registration
from lamina_core.domain import Status
from lamina_core.insights import comparison, detail
from lamina_core.store import executions, remote
from lamina_core.store.remote import PayloadChange
from lamina_core.triage.diff import Change, Difference


@pytest.fixture
def compare(engines, clock):
    def compare(row_id: int, other: int):
        return comparison.read_comparison(engines, detail.read_detail(engines, row_id, clock.now()), other)

    return compare


@pytest.fixture
def success_of(engines, clock):
    """The last success that an execution is compared with."""

    def success_of(row_id: int) -> int | None:
        found = comparison.read_last_success(engines, detail.read_detail(engines, row_id, clock.now()))
        ids = {found.before.execution.id, found.after.execution.id} - {row_id} if found else set()
        return ids.pop() if ids else None

    return success_of


def send(writer, row_id: int, inputs: dict | None) -> None:
    writer.run(lambda connection: executions.keep_inputs(connection, row_id, inputs))


def make(writer, row_id: int, *outputs: dict) -> None:
    writer.run(lambda connection: remote.write_remote(connection, [], [PayloadChange(row_id, outputs=list(outputs))]))


def test_the_earlier_one_comes_first_whichever_was_asked_for(add, compare):
    late, early = add({"second": 9}, {"second": 1})
    for one, other in ((late, early), (early, late)):
        found = compare(one, other)
        assert (found.before.execution.id, found.after.execution.id) == (early, late)


def test_of_two_that_began_at_once_the_lower_number_comes_first(add, compare):
    one, other = add({}, {})
    assert compare(other, one).before.execution.id == one


def test_inputs_are_told_as_changes_and_what_stayed(add, writer, compare):
    one, other = add({}, {"second": 1})
    send(writer, one, {"Prompt": "a", "Size": 1, "Same": [1], "Old": None})
    send(writer, other, {"Prompt": "b", "Size": True, "Same": [1], "New": ""})
    found = compare(one, other)
    assert found.changes == (
        Change("Prompt", Difference.CHANGED, "a", "b"),
        Change("Size", Difference.CHANGED, 1, True),
        Change("Old", Difference.REMOVED, None, None),
        Change("New", Difference.ADDED, None, ""),
    )
    assert found.unchanged == {"Same": [1]}


def test_inputs_that_are_not_known_are_not_compared(engines, writer, add, compare):
    one, other = add({}, {})
    found = compare(one, other)
    assert (found.changes, found.unchanged) == ((), {"Prompt": "x"})
    unknown = comparison.Side(found.before.execution, None, ())
    for sides in ((unknown, found.after), (found.before, unknown)):
        assert comparison.compare(*sides).changes is None


def test_outputs_are_paired_by_label_and_those_of_one_label_by_their_order(add, writer, compare):
    one, other = add({}, {"second": 1})
    make(writer, one, *({"label": label, "value": f"one {label} {place}"} for place, label in enumerate("ABAC")))
    make(writer, other, *({"label": label, "value": f"other {label} {place}"} for place, label in enumerate("DACA")))
    pairs = [
        (pair.label, pair.before and pair.before.value, pair.after and pair.after.value)
        for pair in compare(one, other).outputs
    ]
    assert pairs == [
        ("A", "one A 0", "other A 1"),
        ("B", "one B 1", None),
        ("A", "one A 2", "other A 3"),
        ("C", "one C 3", "other C 2"),
        ("D", None, "other D 0"),
    ]


def test_how_much_longer_it_took_is_known_once_both_have_ended(add, compare, clock):
    ended = {"created_at": clock.now(), "completed_at": clock.now() + timedelta(seconds=9)}
    slow, quick, open_still = add(
        ended, ended | {"completed_at": clock.now() + timedelta(seconds=4)}, {"completed_at": None}
    )
    assert compare(slow, quick).longer == timedelta(seconds=-5)
    assert compare(slow, open_still).longer is None


def test_what_the_store_does_not_know_is_not_compared(add, compare):
    (row,) = add({})
    assert compare(row, 404) is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.START_FAILED])
def test_a_failure_is_compared_with_the_success_before_it_else_with_the_newest(add, success_of, status):
    failed, before, _, after = add({"status": status}, {"second": -5}, {"second": -9}, {"second": 5})
    assert success_of(failed) == before
    failed_first, *_ = add(
        {"status": status, "app_id": "app-2"}, {"app_id": "app-2", "second": 7}, {"app_id": "app-2", "second": 6}
    )
    assert success_of(failed_first) == failed_first + 1
    assert after != before


def test_nothing_is_compared_without_a_failure_a_success_or_an_app(add, success_of):
    unknown = registration.UNKNOWN_APP
    running, failed, unnamed, _ = add(
        {"status": Status.RUNNING},
        {"status": Status.FAILED, "app_id": "app-2"},
        {"status": Status.FAILED, "app_id": unknown},
        {"app_id": unknown, "second": -5},
    )
    add({"second": -5})
    assert [success_of(row) for row in (running, failed, unnamed)] == [None, None, None]


def test_others_are_found_by_our_number_before_all_else(engines, add):
    numbered, lookalike, other = add({}, {"execution_id": "1-begins-like-a-number"}, {"execution_id": "e-3"})
    assert numbered == 1
    for text, found in (
        ("1", [numbered]),
        (" #1 ", [numbered]),
        ("1-", [lookalike]),
        ("e-3", [other]),
        ("#404", []),
        ("9" * 30, []),
        ("'; DROP TABLE execution; --", []),
        ("\x00", []),
        ("", []),
    ):
        assert comparison.find_others(engines, text) == found, text
