"""The Deliveries screen's URL, its rows with their executions and attempts, and the webhooks that never came."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core import bodies, signing
from lamina_core.domain import Status, Verdict
from lamina_core.insights import deliveries, filters
from lamina_core.insights.deliveries import DUE_WITHIN, GAPS, PAGE, DeliveryFilter, View
from lamina_core.insights.reasons import REASONS, explain
from lamina_core.progress import Effect
from lamina_core.store import delivery_search
from lamina_core.store.criteria import Count
from lamina_core.store.delivery_search import Reconciliation
from lamina_core.store.tables import DeliveryTable
from lamina_core.webhooks import receiver

A, R, U = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNCHECKED


@pytest.fixture
def receive(writer, clock):
    """Insert deliveries and return their ids; `second` places one in time."""

    def columns(changes: dict) -> dict:
        second = changes.pop("second", 0)
        return {
            "received_at": clock.now() + timedelta(seconds=second),
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
            "duplicate_of": None,
        } | changes

    def receive(*rows: dict) -> list[int]:
        insert = sa.insert(DeliveryTable).returning(DeliveryTable.id, sort_by_parameter_order=True)
        given = [columns(dict(each)) for each in rows]
        return writer.run(lambda connection: list(connection.execute(insert, given).scalars()))

    return receive


def ids(found) -> list[int]:
    return [row.delivery.id for row in found.rows]


# The URL

places = some.none() | some.integers(0, 10**17 - 1)
words = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=200)
views = some.just(DeliveryFilter(View.MISSING)) | some.builds(
    DeliveryFilter,
    verdicts=some.frozensets(some.sampled_from(Verdict)),
    reason=some.none() | some.sampled_from(sorted(REASONS)),
    execution=some.none() | words.map(str.strip).filter(bool),
    range=some.sampled_from(sorted(filters.RANGES)),
    older_than=places,
    newer_than=places,
)


@given(views)
def test_a_view_survives_its_url(view):
    assert DeliveryFilter.from_params(view.to_params()) == view


def test_a_url_reads_as_people_write_it():
    assert DeliveryFilter().to_params() == {}
    view = DeliveryFilter(View.RECEIVED, frozenset({R, U}), "not_verified", "e-1", "24h", older_than=7)
    assert view.to_params() == {
        "verdict": "rejected,unchecked",
        "reason": "not_verified",
        "execution": "e-1",
        "range": "24h",
        "older": "7",
    }


GARBAGE = [
    {"view": "nonsense"},
    {"verdict": "nonsense,,ACCEPTED "},
    {"reason": "' OR 1=1 --"},
    {"range": "forever"},
    {"older": "-1"},
    {"older": "\u00b2"},
    {"older": "9" * 30},
    {"newer": "1.0"},
    {"execution": "\x00"},
    {"execution": " "},
]


@pytest.mark.parametrize("params", GARBAGE)
def test_garbage_in_a_url_does_not_restrict(params):
    assert DeliveryFilter.from_params(params) == DeliveryFilter()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    params=some.dictionaries(
        some.sampled_from(["view", "verdict", "reason", "execution", "range", "older", "newer"]), some.text(max_size=60)
    )
)
def test_no_url_at_all_breaks_the_screen(engines, clock, params):
    view = DeliveryFilter.from_params(params)
    assert deliveries.read_listing(engines, view, clock.now()).rows == ()
    assert DeliveryFilter.from_params(view.to_params()) == view


# The words


def test_every_reason_that_can_be_stored_has_words_and_its_verdict():
    refusals = re.findall(r'BodyRefused\(\d+, "(\w+)"', Path(bodies.__file__).read_text())
    literals = re.findall(r'Judgement\(Verdict\.\w+, \d+, "(\w+)"', Path(receiver.__file__).read_text())
    assert len(refusals) == 3
    assert literals == ["not_stored", "request_id_mismatch"]
    rejected = {*signing.Reason, *refusals, "request_id_mismatch"}
    unchecked = {receiver.NO_KEY_SET, "not_stored"}
    accepted = {*Effect, "duplicate", "unreadable_body", "not_of_this_workspace"} - {Effect.CHANGED}
    assert {reason for reason, found in REASONS.items() if found.verdict is R} == rejected
    assert {reason for reason, found in REASONS.items() if found.verdict is U} == unchecked
    assert {reason for reason, found in REASONS.items() if found.verdict is A} == accepted
    assert len({found.words for found in REASONS.values()}) == len(REASONS)


def test_a_reason_is_told_in_words():
    assert explain(None) == ""
    assert explain("not_verified") == "No key of Lamina's made this signature"
    assert explain("duplicate", 7) == "A copy of #7"
    assert explain("from_the_future") == "from the future"


# The list


def test_rows_come_with_their_execution_and_their_place_among_its_attempts(engines, add, receive, clock):
    one, two = add({"execution_id": "e-1", "app_name": "Studio"}, {"execution_id": "e-2"})
    known = receive(
        {"verdict": R, "reason": "not_verified", "request_id": "e-1", "answered": 401},
        {"request_id": "e-2", "execution": two},
        {"request_id": "e-1", "execution": one},
        {"request_id": "e-9", "reason": "unknown_execution"},
        {"verdict": R, "reason": "too_large"},
    )
    found = deliveries.read_listing(engines, DeliveryFilter(), clock.now())
    assert ids(found) == known[::-1]
    told = [(row.execution and row.execution.id, row.attempt, row.attempts) for row in found.rows]
    assert told == [(None, 1, 1), (None, 1, 1), (one, 2, 2), (two, 1, 1), (one, 1, 2)]
    assert (found.rows[-1].delivery.answered, found.rows[-1].execution.app_name) == (401, "Studio")


@pytest.mark.parametrize(
    ("seconds", "delay"), [(3, 3), (0, 0), (-2, 0), (-4.9, 0), (-5, None), (-60, None), (7_200, 7_200)]
)
def test_the_delay_is_from_the_end_at_lamina_to_the_receipt(engines, add, receive, clock, seconds, delay):
    (row,) = add({"execution_id": "e-1", "completed_at": clock.now()})
    receive({"request_id": "e-1", "execution": row, "second": seconds})
    (found,) = deliveries.read_listing(engines, DeliveryFilter(), clock.now()).rows
    assert found.delay == (None if delay is None else timedelta(seconds=delay))


def test_without_an_end_there_is_no_delay(engines, add, receive, clock):
    add({"execution_id": "e-1", "status": Status.RUNNING})
    receive({"request_id": "e-1"}, {})
    assert [row.delay for row in deliveries.read_listing(engines, DeliveryFilter(), clock.now()).rows] == [None, None]


def listed(engines, clock, **wanted) -> list[int]:
    return ids(deliveries.read_listing(engines, DeliveryFilter(**wanted), clock.now()))


def test_filters_restrict_each_for_itself_and_together(engines, add, receive, clock):
    add({"execution_id": "e-1", "reference": "order-7"}, {"execution_id": "e-12", "reference": None})
    old, one, two, three = receive(
        {"second": -7_200, "request_id": "e-1"},
        {"verdict": R, "reason": "not_verified", "request_id": "e-1"},
        {"verdict": U, "reason": "no_key_set", "request_id": "e-12"},
        {"reason": "unreadable_body", "request_id": "stranger"},
    )
    assert listed(engines, clock, range="1h") == [three, two, one]
    assert listed(engines, clock, verdicts=frozenset({R})) == [one]
    assert listed(engines, clock, verdicts=frozenset({R, U}), reason="not_verified") == [one]
    assert listed(engines, clock, verdicts=frozenset({U}), reason="not_verified") == []
    assert listed(engines, clock, reason="unreadable_body") == [three]
    assert listed(engines, clock, execution="e-1") == [one, old]  # whole: not the beginning of another
    assert listed(engines, clock, execution="e-1", range="1h", verdicts=frozenset({A})) == []
    assert listed(engines, clock, execution="e-") == [two, one, old]
    assert listed(engines, clock, execution="order-7") == [one, old]
    assert listed(engines, clock, execution="#2") == [two]
    assert listed(engines, clock, execution="2") == [two]
    add({"execution_id": "e-3", "reference": "2"})
    assert listed(engines, clock, execution="2") == []  # the customer's number comes before ours
    assert listed(engines, clock, execution="stranger") == [three]
    assert listed(engines, clock, execution="strange") == []
    assert listed(engines, clock, execution="%") == []
    assert listed(engines, clock, execution="#99") == []


def test_pages_lead_to_each_other_and_keep_the_filters(engines, receive, clock):
    known = receive(*[{"verdict": R, "reason": "too_slow"}] * (PAGE + 10))[::-1]
    receive({})
    first = deliveries.read_listing(engines, DeliveryFilter(verdicts=frozenset({R})), clock.now())
    assert (ids(first), first.newer) == (known[:PAGE], None)
    second = deliveries.read_listing(engines, first.older, clock.now())
    assert (ids(second), second.older, second.newer.verdicts) == (known[PAGE:], None, {R})
    back = deliveries.read_listing(engines, second.newer, clock.now())
    assert (ids(back), back.newer) == (known[:PAGE], None)


def test_changes_show_the_same_rows_in_their_order_and_count_what_is_new(engines, add, receive, writer, clock):
    (row,) = add({"execution_id": "e-1"})
    one, two = receive({"verdict": R, "reason": "cut_off"}, {"verdict": U, "reason": "no_key_set", "request_id": "e-1"})
    view = DeliveryFilter(verdicts=frozenset({U, R}))
    first = deliveries.read_listing(engines, view, clock.now())
    change = f"UPDATE delivery SET verdict = 'accepted', reason = NULL, execution = {row} WHERE id = {two}"
    writer.run(lambda connection: connection.exec_driver_sql(change).close())
    writer.run(lambda connection: connection.exec_driver_sql(f"DELETE FROM delivery WHERE id = {one}").close())
    receive({"verdict": R, "reason": "cut_off"}, {"request_id": "e-1"})
    changes = deliveries.read_changes(engines, view, first, clock.now())
    assert [(each.delivery.id, each.delivery.verdict, each.attempts) for each in changes.rows] == [
        (two, A, 2),
        (one, R, 1),  # thrown away meanwhile: it stays as it was shown
    ]
    assert changes.newer == Count(1, False)
    assert changes.counts == {A: Count(2, False), R: Count(1, False), U: Count(0, False)}


def test_counts_follow_every_filter_but_the_verdict(engines, receive, clock):
    receive(
        {"reason": "same", "second": -7_200},
        {"verdict": R, "reason": "cut_off", "request_id": "e-1"},
        {"verdict": R, "reason": "too_slow"},
        {"reason": "same", "request_id": "e-1"},
    )

    def count(**wanted) -> list[int]:
        view = DeliveryFilter(**wanted)
        listing = deliveries.read_listing(engines, view, clock.now())
        counts = deliveries.read_changes(engines, view, listing, clock.now()).counts
        assert not any(found.capped for found in counts.values())
        return [counts[verdict].number for verdict in (A, R, U)]

    assert count() == [2, 2, 0]
    assert count(verdicts=frozenset({U})) == [2, 2, 0]
    assert count(range="1h") == [1, 2, 0]
    assert count(reason="cut_off") == [0, 1, 0]
    assert count(execution="e-1") == [1, 1, 0]


def test_an_empty_page_counts_all_that_came(engines, receive, clock):
    listing = deliveries.read_listing(engines, DeliveryFilter(), clock.now())
    receive({}, {})
    assert deliveries.read_changes(engines, DeliveryFilter(), listing, clock.now()).newer == Count(2, False)


# What never came


def ended(clock, minutes: float, **changes) -> dict:
    at = clock.now() - timedelta(minutes=minutes)
    columns = {"completed_at": at, "updated_at": at, "delivered_at": None, "execution_id": None}
    return columns | {"webhook_expected": True, "second": -minutes * 60 - 9} | changes


def test_gaps_are_those_due_whose_webhook_did_not_come_and_say_what_was_refused(engines, add, receive, clock):
    limit = DUE_WITHIN.total_seconds() / 60
    lost, refused, *_ = add(
        ended(clock, 60, execution_id="lost"),
        ended(clock, 50, execution_id="refused", status=Status.FAILED),
        ended(clock, limit),
        ended(clock, 30, delivered_at=clock.now() - timedelta(minutes=30)),
        ended(clock, 20, delivered_at=clock.now()),
        ended(clock, 8 * 24 * 60),
    )
    receive(*[{"verdict": R, "request_id": "refused"}] * 2)
    found = deliveries.read_gaps(engines, clock.now())
    assert [(gap.execution.id, gap.refused, gap.is_open) for gap in found.rows] == [(refused, 2, True), (lost, 0, True)]
    assert found.ends == Reconciliation(by_webhook=1, by_poll_first=1, never=2, awaited=1)
    assert (found.has_more, found.newer, found.is_cut, found.since) == (
        False,
        0,
        False,
        clock.now() - timedelta(days=7),
    )


def test_gaps_that_are_shown_keep_their_places_when_others_come_or_their_webhook_does(
    engines, add, receive, writer, clock
):
    one, two = add(ended(clock, 60, execution_id="e-1"), ended(clock, 50, execution_id="e-2"))
    shown = [gap.execution.id for gap in deliveries.read_gaps(engines, clock.now()).rows]
    assert shown == [two, one]
    add(ended(clock, 40))
    receive({"request_id": "e-2", "execution": two})
    found = deliveries.read_gaps(engines, clock.now(), shown)
    assert [(gap.execution.id, gap.is_open) for gap in found.rows] == [(two, False), (one, True)]
    assert found.newer == 1


def test_of_many_gaps_the_last_are_shown_and_that_there_are_more(engines, add, clock):
    known = add(*[ended(clock, 60 + number) for number in range(GAPS + 1)])
    found = deliveries.read_gaps(engines, clock.now())
    assert ([gap.execution.id for gap in found.rows], found.has_more) == (known[:GAPS], True)
    add(ended(clock, 50), ended(clock, 40))
    (last,) = deliveries.read_gaps(engines, clock.now(), known[-1:]).rows
    assert (last.execution.id, last.is_open) == (known[-1], True)  # though not among the last any more


def test_where_not_all_executions_are_looked_at_that_is_said(engines, add, clock, monkeypatch):
    monkeypatch.setattr(delivery_search, "LOOKED_AT", 2)
    known = add(*[ended(clock, 60 - number) for number in range(4)])
    found = deliveries.read_gaps(engines, clock.now())
    assert [gap.execution.id for gap in found.rows] == known[:1:-1]
    assert (found.is_cut, found.since, found.ends.never) == (True, found.rows[-1].execution.created_at, 2)


def test_each_reading_asks_a_fixed_number_of_questions(engines, add, receive, clock):
    def questions(read) -> int:
        asked = []
        note = lambda *arguments: asked.append(arguments[2])  # noqa: E731
        sa.event.listen(engines.read, "before_cursor_execute", note)
        read()
        sa.event.remove(engines.read, "before_cursor_execute", note)
        return len(asked)

    def ask_all() -> list[int]:
        view = DeliveryFilter(range="24h", reason="same")
        listing = deliveries.read_listing(engines, view, clock.now())
        return [
            questions(lambda: deliveries.read_listing(engines, view, clock.now())),
            questions(lambda: deliveries.read_changes(engines, view, listing, clock.now())),
            questions(lambda: deliveries.read_gaps(engines, clock.now())),
        ]

    def fill(names: range) -> None:
        rows = add(*[ended(clock, 60 + number, execution_id=f"e-{number}") for number in names])
        receive(
            *[
                {"request_id": f"e-{place}", "execution": row, "reason": "same"}
                for place, row in zip(names, rows, strict=True)
            ]
        )

    fill(range(2))
    few = ask_all()
    fill(range(2, 62))
    assert ask_all() == few
