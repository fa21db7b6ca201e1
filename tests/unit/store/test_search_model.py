"""Every combination of filters finds what a look at each row finds, page by page, down and up, while rows arrive."""

import itertools
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core.domain import MAY_HAVE_FAILED, Origin, Status
from lamina_core.store import planning, search, tally, walks
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.store.tables import ExecutionTable, FailureTable, PayloadTable
from lamina_core.triage.records import Triage
from tests.unit.store.conftest import T0

APPS, OPERATORS = ("app-1", "app-2", "app-3"), ("Ada", "Bo", "registered")
STATUSES = (Status.COMPLETED, Status.FAILED, Status.RUNNING, Status.GONE)
ERRORS = (None, "no answer from example.com", "credits are used up", "No Answer: 17 tries")
PROMPTS = ("a red fox", "the fox, asleep", "Ein Föhn", "https://cdn.example.com/a/photo-17.jpg", "photo 18")
TEXTS = ("exec-1", "ref-", "answer", "fox", "no", "photo-17.jpg", "https://cdn.example.com/a/photo-17.jpg", "öh", "ox")

ALL_TEXTS = tuple(itertools.product(TEXTS, Scope))

rows = some.fixed_dictionaries(
    {
        "second": some.integers(0, 30),
        "app_id": some.sampled_from(APPS),
        "status": some.sampled_from(STATUSES),
        "origin": some.sampled_from((Origin.FORM, Origin.REPLAY, Origin.REGISTERED)),
        "started_by": some.sampled_from(OPERATORS),
        "error_message": some.sampled_from(ERRORS),
        "reference": some.sampled_from((None, "ref-1", "ref-2", "other")),
        "duration": some.sampled_from((None, 500, 5_000, 500_000)),
        "triage": some.none() | some.sampled_from(Triage),
        "prompt": some.sampled_from(PROMPTS),
    }
)


def several(words):
    return some.frozensets(some.sampled_from(words), min_size=1, max_size=2)


PARTS = {
    "statuses": several(STATUSES),
    "app_ids": several(APPS),
    "since": some.integers(0, 30).map(lambda second: T0 + timedelta(seconds=second)),
    "triages": several(tuple(Triage)),
    "origins": several((Origin.FORM, Origin.REPLAY, Origin.WEBHOOK)),
    "operators": several((*OPERATORS, "Nobody")),
    "slower_than": some.sampled_from((timedelta(seconds=1), timedelta(hours=9))),
    "text": some.sampled_from(ALL_TEXTS),
}


def view(parts: dict) -> Criteria:
    text, scope = parts.pop("text", (None, Scope.NAMES))
    return Criteria(**parts, text=text, scope=scope)


# Few parts at once, or nothing would ever be found.
criteria = (
    some.lists(some.sampled_from(sorted(PARTS)), max_size=3, unique=True)
    .flatmap(lambda names: some.fixed_dictionaries({name: PARTS[name] for name in names}))
    .map(view)
)


def matches(row: dict, wanted: Criteria) -> bool:
    """Say by a look at one row, in Python alone, whether it is looked for."""
    is_among = all(
        row[name] in chosen
        for name, chosen in (
            ("status", wanted.statuses),
            ("app_id", wanted.app_ids),
            ("origin", wanted.origins),
            ("started_by", wanted.operators),
            ("triage", wanted.triages),
        )
        if chosen
    )
    is_late = wanted.since is None or T0 + timedelta(seconds=row["second"]) >= wanted.since
    is_slow = wanted.slower_than is None or (row["duration"] or -1) >= wanted.slower_than.total_seconds() * 1_000
    return is_among and is_late and is_slow and (wanted.text is None or says(row, wanted.text, wanted.scope))


def says(row: dict, text: str, scope: Scope) -> bool:
    if scope is Scope.INSIDE:
        return text.lower() in row["prompt"].lower()
    if scope is Scope.INPUTS:
        return f" {words_of(text)} " in f" {words_of(row['prompt'])} "
    in_error = text.lower() in (row["error_message"] or "").lower()
    in_reference = text.lower() in (row["reference"] or "").lower()
    return in_error or (scope is Scope.NAMES and (in_reference or row["execution_id"].startswith(text)))


def words_of(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.lower()).split())


@pytest.fixture
def fill(writer, add):
    """Store rows with their inputs and what support has done about them."""

    def filling(wanted: list[dict]) -> None:
        def clear(connection: sa.Connection) -> None:
            for table in (FailureTable, PayloadTable, ExecutionTable):
                connection.execute(sa.delete(table))

        def complete(connection: sa.Connection) -> None:
            for row in wanted:
                connection.execute(sa.insert(PayloadTable).values(execution=row["id"], inputs={"p": row["prompt"]}))
                if row["triage"]:
                    failure = {"execution": row["id"], "fingerprint": "f", "failed_at": T0, "triage": row["triage"]}
                    connection.execute(sa.insert(FailureTable).values(**failure))
            while tally.fold(connection, 7):
                pass

        writer.run(clear)
        told = [{name: value for name, value in row.items() if name not in {"triage", "prompt"}} for row in wanted]
        for row, row_id in zip(wanted, add(*told), strict=True):
            row["id"] = row_id
        writer.run(complete)

    return filling


def place(row: dict) -> tuple:
    return row["second"], row["id"]


@pytest.fixture
def tight(monkeypatch):
    """Make windows and probes so small that every way of looking is gone."""

    def tightening(window: int, few: int) -> None:
        monkeypatch.setattr(walks, "FIRST_WINDOW", window)
        monkeypatch.setattr(planning, "FEW", few)

    return tightening


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    stored=some.lists(rows, min_size=1, max_size=25),
    views=some.lists(criteria, min_size=4, max_size=4),
    window=some.integers(1, 5),
    few=some.sampled_from((0, 2, 100)),
    limit=some.integers(1, 6),
)
def test_pages_and_counts_are_those_of_a_look_at_each_row(engines, fill, tight, stored, views, window, few, limit):
    for number, row in enumerate(stored):
        row["execution_id"] = f"exec-{number}"
        row["triage"] = row["triage"] if row["status"] in MAY_HAVE_FAILED else None
    fill(stored)
    tight(window, few)
    for wanted in views:
        expected = [row["id"] for row in sorted(stored, key=place, reverse=True) if matches(row, wanted)]
        with engines.reading() as connection:
            assert walk_down(connection, wanted, limit) == expected, wanted
            assert walk_up(connection, wanted, limit) == expected[::-1], wanted
            counted = search.count_by_status(connection, wanted)
            assert search.count(connection, wanted).number == len(expected)
        every = Criteria(**{**vars(wanted), "statuses": frozenset()})
        numbers = Counter(row["status"] for row in stored if matches(row, every))
        assert {status: found.number for status, found in counted.items() if found.number} == numbers


@pytest.mark.parametrize("few", [0, 100])
def test_every_text_is_found_wherever_it_is_looked_for(engines, fill, tight, few):
    stored = [
        dict(zip(("error_message", "prompt", "reference"), each, strict=True))
        for each in itertools.product(ERRORS, PROMPTS, (None, "ref-1"))
    ]
    rest = {"app_id": "app-1", "status": Status.FAILED, "origin": Origin.FORM, "started_by": "Ada"}
    for number, row in enumerate(stored):
        row.update(rest | {"execution_id": f"exec-{number}", "second": number, "duration": None, "triage": None})
    fill(stored)
    tight(3, few)
    for wanted in itertools.starmap(lambda text, scope: Criteria(text=text, scope=scope), ALL_TEXTS):
        expected = [row["id"] for row in reversed(stored) if matches(row, wanted)]
        with engines.reading() as connection:
            assert walk_down(connection, wanted, 7) == expected, wanted


def walk_down(connection, wanted: Criteria, limit: int) -> list[int]:
    found, after = [], None
    while True:
        page = search.find_page(connection, wanted, limit, older_than=after)
        found += [row.id for row in page.rows]
        if not page.has_older:
            return found
        assert len(page.rows) == limit
        after = Cursor(page.rows[-1].created_at, page.rows[-1].id)


def walk_up(connection, wanted: Criteria, limit: int) -> list[int]:
    found, before = [], Cursor(T0 - timedelta(days=1), 0)
    while True:
        page = search.find_page(connection, wanted, limit, newer_than=before)
        found += [row.id for row in reversed(page.rows)]
        if not page.has_newer:
            return found
        before = Cursor(page.rows[0].created_at, page.rows[0].id)
