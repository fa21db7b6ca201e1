"""The Executions screen's URL: the same view for a colleague, and nothing that a URL can hold breaks it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core.domain import Origin, Status
from lamina_core.insights import listing
from lamina_core.insights.filters import RANGES, SLOWNESS, ExecutionFilter
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.triage.records import Triage

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)

cursors = some.builds(
    Cursor,
    some.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001 - zone beside it
    some.integers(0, 2**63 - 1),
)
words = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=200)
names = some.frozensets(words, max_size=3)
filters = some.builds(
    ExecutionFilter,
    statuses=some.frozensets(some.sampled_from(Status)),
    app_ids=names,
    range=some.sampled_from(sorted(RANGES)),
    triages=some.frozensets(some.sampled_from(Triage)),
    origins=some.frozensets(some.sampled_from(Origin)),
    operators=names,
    slowness=some.none() | some.sampled_from(sorted(SLOWNESS)),
    text=some.none() | words,
    older_than=some.none() | cursors,
    newer_than=some.none() | cursors,
)


@given(filters)
def test_a_view_survives_its_url(view):
    assert ExecutionFilter.from_params(view.to_params()) == view


@given(words, some.sampled_from(Scope))
def test_where_a_text_is_looked_for_survives_with_it(text, scope):
    view = ExecutionFilter(text=text, scope=scope)
    assert ExecutionFilter.from_params(view.to_params()) == view
    assert "in" not in ExecutionFilter(scope=scope).to_params()


def test_a_view_without_restrictions_has_a_bare_url():
    assert ExecutionFilter().to_params() == {}
    assert ExecutionFilter.from_params({}) == ExecutionFilter()


def test_a_url_reads_as_people_write_it():
    view = ExecutionFilter(
        statuses=frozenset({Status.FAILED, Status.GONE}),
        app_ids=frozenset({"app-1"}),
        range="24h",
        text="fox",
        scope=Scope.INPUTS,
        triages=frozenset({Triage.OPEN}),
        origins=frozenset({Origin.REPLAY, Origin.FORM}),
        operators=frozenset({"Lovelace, Ada", "50 %"}),
        slowness="5m",
        older_than=Cursor(T0, 7),
    )
    assert view.to_params() == {
        "status": "failed,gone",
        "app": "app-1",
        "range": "24h",
        "q": "fox",
        "in": "inputs",
        "triage": "open",
        "origin": "form,replay",
        "by": "50 %25,Lovelace%2C Ada",
        "slow": "5m",
        "older": "2026-03-14T09:00:00+00:00~7",
    }


GARBAGE = [
    {"status": "failed,nonsense,,STARTING,gone "},
    {"range": "forever"},
    {"older": "~"},
    {"older": "2026-03-14T09:00:00+00:00"},
    {"older": "2026-03-14T09:00:00~7"},
    {"older": "2026-03-14T09:00:00+00:00~" + "9" * 40},
    {"older": "2026-03-14T09:00:00+00:00~" + "9" * 9_000},
    {"older": "2026-03-14T09:00:00+00:00~-" + "9" * 40},
    {"older": "2026-03-14T09:00:00+00:00~-1"},
    {"newer": "0001-01-01T00:00:00+14:00~1"},
    {"newer": "9999-12-31T23:59:59-14:00~1"},
    {"newer": "not a date~1"},
    {"q": "\x00"},
    {"app": "\x00"},
    {"q": "%" * 10_000},
    {"app": "x" * 10_000},
    {"q": "\ud800"},
    {"app": "\udfff"},
]


@pytest.mark.parametrize("params", GARBAGE)
def test_garbage_in_a_url_does_not_restrict_and_does_not_break(engines, clock, params):
    view = ExecutionFilter.from_params(params)
    assert view.statuses <= {Status.FAILED}
    assert view.older_than is None
    assert view.newer_than is None
    assert len(view.text or "") <= 200
    assert listing.read_listing(engines, view, clock).rows == ()


keys = some.sampled_from(
    ["status", "app", "range", "q", "in", "triage", "origin", "by", "slow", "older", "newer", "id"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=some.dictionaries(keys, some.text(max_size=60)))
def test_no_url_at_all_breaks_the_screen(engines, clock, params):
    view = ExecutionFilter.from_params(params)
    assert listing.read_listing(engines, view, clock).rows == ()
    assert ExecutionFilter.from_params(view.to_params()) == view


def test_a_place_in_another_zone_is_the_same_place():
    written = Cursor(T0.astimezone(timezone(timedelta(hours=5, minutes=30))), 7)
    assert ExecutionFilter.from_params(ExecutionFilter(older_than=written).to_params()).older_than == Cursor(T0, 7)


@pytest.mark.parametrize(("name", "ago"), [(name, length) for name, (_, length) in RANGES.items()])
def test_a_range_counts_back_from_now(name, ago):
    found = ExecutionFilter(range=name, app_ids=frozenset({"app-1"}), text="x").criteria(T0)
    assert found == Criteria(app_ids=frozenset({"app-1"}), since=T0 - ago if ago else None, text="x")
