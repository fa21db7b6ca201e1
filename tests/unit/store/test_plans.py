"""Every question is answered by the index that is meant for it, whatever the database believes of its rows.

SQLite chooses by statistics where there are some, and those grow old: each question is put to a store without any, to
one with its own, and to one with those of a store that held little, and all of one kind.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from lamina_core.domain import Kind, Origin, Status, Verdict
from lamina_core.store import (
    deliveries,
    engine,
    events,
    executions,
    exports,
    failures,
    groups,
    lineage,
    planning,
    polls,
    remote,
    search,
    tally,
    walks,
)
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.store.engine import Engines
from lamina_core.store.groups import GroupView
from lamina_core.store.tables import (
    DeliveryTable,
    EventTable,
    ExecutionTable,
    FailureGroupTable,
    FailureHourTable,
    FailureTable,
    PayloadTable,
)
from lamina_core.triage.records import GroupState, Triage
from tests.unit.store.conftest import T0, row

ROWS = 6_000
FEW, WINDOW = 100, 200  # in place of what is meant for a million
OPEN_STATUSES = (Status.QUEUED, Status.RUNNING, Status.STARTING, Status.START_UNCONFIRMED)


# A store as a busy desk has it: few apps have most, most succeed, few wait for anything


def _status(number: int) -> Status:
    if number % 500 == 1:
        return OPEN_STATUSES[number // 500 % 4]
    return Status.FAILED if number % 16 == 0 else Status.CANCELLED if number % 90 == 7 else Status.COMPLETED


def _source(number: int) -> dict[str, str]:
    if number % 40 == 3:
        return {"origin": Origin.REPLAY, "started_by": "Bo"}
    if number % 11 == 5:
        return {"origin": Origin.FORM, "started_by": "Ada" if number % 2 else "Bo"}
    return {"origin": Origin.REGISTERED, "started_by": "registered"}


def _app(number: int) -> str:
    place = number * 37 % 100
    return next(f"app-{rank}" for rank, share in ((1, 50), (2, 75), (3, 88), (4, 95), (5, 100)) if place < share)


def _execution(number: int) -> dict[str, Any]:
    status = _status(number)
    failed = status is Status.FAILED
    is_open = status in OPEN_STATUSES
    error = ("no answer from example.com" if number % 800 == 0 else "credits are used up") if failed else None
    return row(
        id=number,
        second=number - ROWS,
        execution_id=None if status is Status.STARTING else f"exec-{number:05}",
        app_id=_app(number),
        status=status,
        error_message=error,
        reference=f"order-{number}" if number % 3 == 0 else None,
        duration=None if is_open else 900_000 if number % 100 == 9 else 1_000 + number % 60_000,
        completed_at=None if is_open else T0 + timedelta(seconds=number - ROWS + 30),
        next_poll_at=T0 + timedelta(seconds=number % 60 - 30) if is_open else None,
        replay_of=number - 2 if number % 40 == 3 else None,
        webhook_expected=True,
        **_source(number),
    )


def _rows() -> Iterator[tuple[type[SQLModel], list[dict[str, Any]]]]:
    numbers = range(1, ROWS + 1)
    stored = [_execution(number) for number in numbers]
    failed = [each for each in stored if each["status"] is Status.FAILED]
    yield ExecutionTable, stored
    yield (
        PayloadTable,
        [
            {
                "execution": number,
                "start_token": f"token-{number}" if number % 11 == 5 else None,
                "inputs": {"prompt": "a red fox" if number % 700 else "one zebra", "image": f"photo-{number}.jpg"},
            }
            for number in numbers
        ],
    )
    instants = [each["created_at"] + timedelta(seconds=30) for each in failed]
    prints = [f"print-{number % 5}" for number in range(len(failed))]
    yield (
        FailureTable,
        [
            {
                "execution": each["id"],
                "fingerprint": name,
                "failed_at": at,
                "triage": Triage.OPEN
                if place % 3 == 0
                else Triage.ACKNOWLEDGED
                if place % 50 == 1
                else Triage.RESOLVED,
                "resolved_by": each["id"] + 1 if place % 9 == 2 else None,
            }
            for place, (each, at, name) in enumerate(zip(failed, instants, prints, strict=True))
        ],
    )
    group = {"app_id": "app-1", "app_name": "A", "error_class": "other", "title": "t", "number": 75, "open_number": 25}
    yield (
        FailureGroupTable,
        [
            {"fingerprint": name, "first_seen": T0, "last_seen": T0, "state": GroupState.OPEN, **group}
            for name in sorted(set(prints))
        ],
    )
    yield (
        FailureHourTable,
        [
            {"fingerprint": f"print-{place % 5}", "hour": T0 - timedelta(hours=place), "number": 3}
            for place in range(2_000)
        ],
    )
    yield (
        DeliveryTable,
        [
            {
                "received_at": T0 + timedelta(seconds=number - ROWS),
                "verdict": Verdict.REJECTED if number % 200 == 0 else Verdict.ACCEPTED,
                "reason": "unknown_execution" if number % 700 == 3 else None,
                "answered": 200,
                "request_id": f"exec-{number:05}",
                "headers": {},
                "body": b"{}",
                "body_size": 2,
                "content_hash": "h",
                "execution": number,
            }
            for number in numbers
        ],
    )
    yield (
        EventTable,
        [
            {"execution": number, "at": T0, "kind": "status", "actor": "poll", "detail": {"seconds_after_end": 2}}
            for number in numbers
        ],
    )


def fill(connection: sa.Connection) -> None:
    """Store everything; the last changes of the tally are not folded yet."""
    for table, told in _rows():
        connection.execute(sa.insert(table), told)
    while tally.fold(connection):
        pass
    connection.exec_driver_sql("UPDATE execution SET status = 'cancelled' WHERE id = 5999")


# How SQLite answers


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    file = tmp_path_factory.mktemp("plans") / "filled.db"
    shutil.copy(migrated, file)
    with opened(file) as engines, engines.write.begin() as connection:
        fill(connection)
    return file


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Engines]:
    engines = engine.open_engines(f"sqlite:///{file}")
    yield engines
    engines.close()


def _analyze(file: Path) -> None:
    with opened(file) as engines, engines.write.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def _analyze_nearly_empty(file: Path, migrated: Path) -> None:
    """Give a store the statistics of one with few rows, which are all of one app and failed."""
    small = file.with_name("small.db")
    shutil.copy(migrated, small)
    with opened(small) as engines:
        with engines.write.begin() as connection:
            few = [_execution(16 * number) | {"app_id": "app-1", "replay_of": None} for number in range(1, 301)]
            connection.execute(sa.insert(ExecutionTable), few)
            payloads = [{"execution": each["id"], "inputs": {}} for each in few]
            connection.execute(sa.insert(PayloadTable), payloads)
        _analyze(small)
        with engines.reading() as connection:
            statistics = [tuple(each) for each in connection.exec_driver_sql("SELECT tbl, idx, stat FROM sqlite_stat1")]
    _analyze(file)
    with opened(file) as engines, engines.write.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sqlite_stat1")
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics)


@pytest.fixture(scope="module", params=["no statistics", "statistics", "statistics of another store"])
def store(request: pytest.FixtureRequest, filled: Path, migrated: Path) -> Iterator[Engines]:
    file = filled.with_name(f"{request.param}.db")
    shutil.copy(filled, file)
    if request.param == "statistics":
        _analyze(file)
    elif request.param != "no statistics":
        _analyze_nearly_empty(file, migrated)
    with opened(file) as engines:
        yield engines


# The questions, and by which ways their rows are come to


@dataclass(frozen=True)
class Shape:
    """A question, and the index by which its rows are found, or none where it names them one by one.

    `ways` write an index and the columns in it that are given; they begin with the one that has to be used, and others
    may be used besides. `is_sorted`: what is found may be sorted.
    """

    ask: Callable[[sa.Connection], object]
    ways: tuple[str, ...] = ()
    is_sorted: bool = False


MIDDLE = Cursor(T0 - timedelta(seconds=ROWS // 2), ROWS // 2)
SINCE = T0 - timedelta(seconds=600)
PLACES: tuple[tuple[str, dict[str, Cursor]], ...] = (
    ("newest", {}),
    ("older", {"older_than": MIDDLE}),
    ("newer", {"newer_than": MIDDLE}),
)
NEWEST, BY_STATUS, BY_APP = "execution_newest()", "execution_status(status)", "execution_app_status(app_id, status)"
BY_STARTER, BY_TRIAGE, BY_DURATION = (
    "execution_starter(started_by)",
    "failure_newest(triage)",
    "execution_duration(app_id, status)",
)
BY_ID, BY_REFERENCE = "sqlite_autoindex_execution_1()", "execution_text_reference()"
REFERENCES = "reference_index()"
ERRORS, WORDS, MEMBER = "error_index()", "inputs_index()", "sqlite_autoindex_failure_1(execution)"
# A few failures at the end of a walk are all looked at for the least and the greatest of their ids.
ENDS = "failure_triage(triage)"

FAILED, DONE, LIVE = frozenset({Status.FAILED}), frozenset({Status.COMPLETED}), frozenset({Status.RUNNING})
APP, APPS, RARE_APP = frozenset({"app-1"}), frozenset({"app-1", "app-3"}), frozenset({"app-4"})
REPLAYED, REGISTERED, FORM = frozenset({Origin.REPLAY}), frozenset({Origin.REGISTERED}), frozenset({Origin.FORM})
OPEN, MENDED = frozenset({Triage.OPEN}), frozenset({Triage.RESOLVED})
ADA, BACKEND = frozenset({"Ada"}), frozenset({"registered"})
SLOW, SLOWER = timedelta(seconds=2), timedelta(minutes=10)
ERROR = {"scope": Scope.ERROR}
INPUTS = {"scope": Scope.INPUTS}
INSIDE = {"scope": Scope.INSIDE}

# Criteria, the ways of a page, and the way of a count where it is another one.
LISTS: dict[str, tuple[Criteria, tuple[str, ...]]] = {
    "all": (Criteria(), (NEWEST,)),
    "a status": (Criteria(statuses=FAILED), (BY_STATUS,)),
    "a rare status": (Criteria(statuses=LIVE), (BY_STATUS,)),
    "statuses": (Criteria(statuses=FAILED | LIVE), (BY_STATUS,)),
    "an app": (Criteria(app_ids=APP), (BY_APP,)),
    "an app's status": (Criteria(app_ids=APP, statuses=FAILED), (BY_APP,)),
    "apps and statuses": (Criteria(app_ids=APPS, statuses=FAILED | DONE), (BY_APP,)),
    "lately": (Criteria(since=SINCE), (NEWEST,)),
    "an app lately": (Criteria(since=SINCE, app_ids=APP), (BY_APP,)),
    "a status lately": (Criteria(since=SINCE, statuses=FAILED), (BY_STATUS,)),
    "an origin": (Criteria(origins=REPLAYED), (BY_STARTER,)),
    "a common origin": (Criteria(origins=REGISTERED), (BY_STARTER,)),
    "an operator": (Criteria(operators=ADA), (BY_STARTER,)),
    "an origin and an app": (Criteria(origins=REPLAYED, app_ids=APP), (BY_STARTER,)),
    "an origin, a rarer app and a status": (
        Criteria(origins=REGISTERED, app_ids=RARE_APP, statuses=FAILED),
        (BY_APP,),
    ),
    "an operator and a status": (Criteria(operators=ADA, statuses=DONE), (BY_STARTER,)),
    "a backend and a rarer status": (Criteria(operators=BACKEND, statuses=FAILED), (BY_STATUS,)),
    "an operator, an app and a status": (Criteria(operators=ADA, app_ids=APP, statuses=DONE), (BY_STARTER,)),
    "triage": (Criteria(triages=OPEN), (BY_TRIAGE,)),
    "triages": (Criteria(triages=OPEN | MENDED), (BY_TRIAGE,)),
    "triage and app": (Criteria(triages=OPEN, app_ids=APP), (BY_TRIAGE,)),
    "triage and status": (Criteria(triages=MENDED, statuses=FAILED), (BY_TRIAGE,)),
    "triage and origin": (Criteria(triages=MENDED, origins=FORM), (BY_TRIAGE,)),
    "triage and operator": (Criteria(triages=MENDED, operators=ADA), (BY_TRIAGE,)),
    "slow": (Criteria(slower_than=SLOW), (NEWEST, BY_DURATION)),
    "slow, of an app": (Criteria(slower_than=SLOW, app_ids=APP), (BY_APP, BY_DURATION)),
    "slow, of a status": (Criteria(slower_than=SLOW, statuses=DONE), (BY_STATUS, BY_DURATION)),
    "slow, of a triage": (Criteria(slower_than=SLOW, triages=MENDED), (BY_TRIAGE, BY_DURATION)),
    "ids that begin so": (Criteria(text="exec-0"), (NEWEST, BY_ID)),
    "an error": (Criteria(text="credits", **ERROR), (NEWEST, ERRORS)),
    "two signs of an error": (Criteria(text="cr", **ERROR), (NEWEST,)),
    "an error of a status": (Criteria(text="credits", **ERROR, statuses=FAILED), (BY_STATUS, ERRORS)),
    "inside": (Criteria(text="ebr", **INSIDE), (NEWEST,)),
    "inside, of a triage": (Criteria(text="ebr", **INSIDE, triages=OPEN), (BY_TRIAGE, ENDS)),
}
SORTED_LISTS: dict[str, tuple[Criteria, tuple[str, ...]]] = {
    "inside, of an origin": (Criteria(text="ebr", **INSIDE, origins=FORM), (BY_STARTER, NEWEST)),
    "slower": (Criteria(slower_than=SLOWER), (BY_DURATION,)),
    "slower, of an app": (Criteria(slower_than=SLOWER, app_ids=APP), (BY_DURATION,)),
    "slower, of a status": (Criteria(slower_than=SLOWER, statuses=DONE), (BY_DURATION,)),
    # Where it knows that there are but some thousand, SQLite may look at them all.
    "slower, of an origin": (Criteria(slower_than=SLOWER, origins=FORM), (BY_DURATION, "execution()")),
    "slower, of a triage": (Criteria(slower_than=SLOWER, triages=MENDED), (BY_DURATION, MEMBER)),
    "an id": (Criteria(text="exec-04444"), (BY_ID, REFERENCES, ERRORS)),
    "a reference": (Criteria(text="order-4443"), (REFERENCES, BY_ID, ERRORS)),
    "a rare error": (Criteria(text="no answer", **ERROR), (ERRORS,)),
    "a rare error of an app": (Criteria(text="no answer", **ERROR, app_ids=APP), (ERRORS,)),
    "a rare word": (Criteria(text="zebra", **INPUTS), (WORDS,)),
    "a file": (Criteria(text="photo-17.jpg", **INPUTS), (WORDS,)),
    "a rare word of a triage": (Criteria(text="zebra", **INPUTS, triages=OPEN), (WORDS, MEMBER)),
    # Walked past in windows, and in each it is the index of words that is asked.
    "words": (Criteria(text="red fox", **INPUTS), (NEWEST, WORDS)),
    "words of an app": (Criteria(text="red fox", **INPUTS, app_ids=APP), (BY_APP, WORDS)),
    "words of a triage": (Criteria(text="red fox", **INPUTS, triages=OPEN), (BY_TRIAGE, WORDS, ENDS, MEMBER)),
}


def _page(criteria: Criteria, place: dict[str, Cursor]) -> Callable[[sa.Connection], object]:
    return lambda connection: search.find_page(connection, criteria, 50, **place)


PAGES = {
    f"{name}, {where}": Shape(_page(criteria, place), ways, is_sorted=name in SORTED_LISTS)
    for name, (criteria, ways) in (LISTS | SORTED_LISTS).items()
    for where, place in PLACES
}


def _count(name: str, newer_than: Cursor | None = None) -> Callable[[sa.Connection], object]:
    criteria, _ = (LISTS | SORTED_LISTS)[name]
    return lambda connection: search.count(connection, criteria, newer_than)


def _by_status(name: str, **more: Any) -> Callable[[sa.Connection], object]:
    criteria, _ = (LISTS | SORTED_LISTS)[name]
    return lambda connection: search.count_by_status(connection, replace(criteria, **more))


COUNTS = {
    "count, by the tally": Shape(_count("an app's status")),
    "count, newer": Shape(_count("all", MIDDLE), (BY_STATUS,)),
    "count, newer of a status": Shape(_count("a status", MIDDLE), (BY_STATUS,)),
    "count, newer of an app": Shape(_count("an app", MIDDLE), (BY_APP,)),
    "count, newer of an operator": Shape(_count("an operator", MIDDLE), (BY_STARTER,)),
    "count, lately": Shape(_count("lately"), (BY_STATUS,)),
    "count, triage": Shape(_count("triage"), (BY_TRIAGE,)),
    "count, slow": Shape(_count("slow"), (NEWEST, BY_DURATION)),
    "count, slower": Shape(_count("slower"), (BY_DURATION,)),
    "count, an id": Shape(_count("an id"), (BY_ID, REFERENCES, ERRORS)),
    "count, a rare word": Shape(_count("a rare word"), (WORDS,)),
    "count, words": Shape(_count("words"), (NEWEST, WORDS)),
    # Its window is a range of the instants, which statistics may have it seek starter by starter.
    "count, inside": Shape(_count("inside"), (NEWEST, "execution_starter(ANY(started_by))")),
    "by status": Shape(_by_status("all")),
    "by status, lately": Shape(_by_status("lately"), (BY_STATUS,)),
    "by status, an app lately": Shape(_by_status("an app lately"), (BY_APP,)),
    "by status, an operator lately": Shape(_by_status("an operator", since=SINCE), (BY_STARTER,)),
    "by status, triage": Shape(_by_status("triage"), (BY_TRIAGE,)),
    "by status, triage and origin": Shape(_by_status("triage and origin"), (BY_TRIAGE,)),
    "by status, slow": Shape(_by_status("slow"), (NEWEST, BY_DURATION)),
    "by status, slower": Shape(_by_status("slower"), (BY_DURATION,)),
    "by status, a rare error": Shape(_by_status("a rare error"), (ERRORS,)),
    "by status, an error": Shape(_by_status("an error"), (NEWEST, ERRORS)),
}

# What else the store is asked. A few of these sort what they have found: names of a family, hours of a group.
DUE, REPLAYS, NAMED = "execution_due()", "execution_replays(replay_of)", "sqlite_autoindex_execution_1(execution_id)"
REFERRED, TOKEN = "execution_text_reference(reference)", "sqlite_autoindex_execution_payload_2(start_token)"
IDS = ["exec-00009", "exec-00010"]
EXPORT = exports.Export(Criteria(statuses=FAILED), T0, exports.Format.CSV)
INPUT = {"prompt": "a red fox", "image": "photo-5900.jpg"}
OTHERS = {
    "rows": Shape(lambda c: search.find_by_ids(c, range(1, 51))),
    "ids to operate on": Shape(lambda c: search.find_ids(c, Criteria(statuses=FAILED, app_ids=APP), T0, 50), (BY_APP,)),
    "a pasted id": Shape(lambda c: search.find_ids_by_text(c, "exec-00009", 2), (NAMED, REFERRED)),
    "a pasted beginning": Shape(
        lambda c: search.find_ids_by_text(c, "exec-0000", 2), (BY_ID, BY_REFERENCE, NAMED, REFERRED)
    ),
    "operators": Shape(tally.find_operators, is_sorted=True),
    "apps": Shape(tally.find_apps),
    "cells": Shape(lambda c: tally.group(c, ("app_id", "status"), [])),
    "changes of the tally": Shape(tally.has_changes),
    "folding": Shape(tally.fold, is_sorted=True),
    "due": Shape(lambda c: polls.due(c, T0, 20), (DUE,)),
    "due for longest": Shape(lambda c: polls.due(c, T0, 20, longest_first=True), (DUE,)),
    "in flight": Shape(lambda c: polls.in_flight(c, 20), (DUE,), is_sorted=True),
    "next due": Shape(polls.next_due_at, (DUE,)),
    "number due": Shape(lambda c: polls.count_due(c, T0, 1_000), (DUE,)),
    "number in flight": Shape(
        lambda c: polls.count_in_flight(c, SINCE, 1_000), (BY_STATUS, "execution_app_status(ANY(app_id), status)")
    ),
    "durations": Shape(lambda c: polls.durations(c, "app-1", 50), (BY_APP,)),
    "a kind": Shape(lambda c: polls.shown_kind(c, "app-1"), (BY_APP,)),
    "setting a kind": Shape(lambda c: polls.set_kind(c, "app-1", Kind.VIDEO), (BY_APP,)),
    "polled": Shape(lambda c: polls.record(c, [1, 2], T0, None)),
    "postponed": Shape(lambda c: polls.postpone(c, 1, T0)),
    "unclaimed": Shape(
        lambda c: executions.find_unclaimed(c, "app-1", INPUT, SINCE, T0, 5), (BY_APP, NEWEST), is_sorted=True
    ),
    "unnamed": Shape(lambda c: executions.unnamed_before(c, T0), (BY_STATUS,)),
    "known ones": Shape(lambda c: executions.known_by_execution_id(c, IDS), (NAMED,)),
    "replays": Shape(lambda c: executions.find_replays(c, [1, 2, 41]), (REPLAYS,), is_sorted=True),
    "its replays": Shape(lambda c: executions.replays_of(c, 41), (REPLAYS,)),
    "errors to group": Shape(lambda c: executions.find_with_errors(c, 3_000, 50), ("rowid()",)),
    "a token": Shape(lambda c: executions.id_by_token(c, "token-5"), (TOKEN,)),
    "inputs": Shape(lambda c: executions.find_inputs(c, [1, 2])),
    "locked": Shape(lambda c: remote.lock(c, [1, 2])),
    "locked by name": Shape(lambda c: remote.lock_named(c, IDS), (NAMED,), is_sorted=True),
    "newest open failures": Shape(lambda c: groups.find_newest_open(c, T0, 20), (ENDS,)),
    "hours": Shape(
        lambda c: groups.find_hours(c, ["print-1"], T0 - timedelta(days=7)),
        ("sqlite_autoindex_failure_hour_1(fingerprint)",),
        is_sorted=True,
    ),
    "groups": Shape(lambda c: groups.find_view(c, GroupView.OPEN, T0, 50), is_sorted=True),
    "numbers of groups": Shape(lambda c: groups.count_views(c, T0)),
    "number of open failures": Shape(lambda c: groups.count_open(c, T0)),
    "members": Shape(
        lambda c: groups.find_members(c, "print-1", [Triage.OPEN], 50), ("failure_group_members(fingerprint, triage)",)
    ),
    "open members": Shape(lambda c: groups.find_open_ids(c, "print-1"), ("failure_group_members(fingerprint)",)),
    "a failure": Shape(lambda c: groups.find_failure(c, 16), (MEMBER,)),
    "successes": Shape(lambda c: groups.find_successful_inputs(c, "app-1", 20), (BY_APP, MEMBER), is_sorted=True),
    "locked failures": Shape(lambda c: failures.lock(c, [16, 32]), (MEMBER,)),
    "lineage": Shape(lambda c: lineage.find_lineage(c, 41), (REPLAYS,), is_sorted=True),
    "the last success": Shape(lambda c: lineage.last_success(c, "app-1", T0), (BY_APP,)),
    "a timeline": Shape(lambda c: events.of_execution(c, 41), ("event_execution(execution)",)),
    "the last lines": Shape(lambda c: events.seconds_after_end(c, 500), ("event()",)),
    "the last delivery": Shape(deliveries.newest, ("delivery()",)),
    "the last accepted": Shape(lambda c: deliveries.newest(c, Verdict.ACCEPTED), ("delivery_verdict(verdict)",)),
    "deliveries of a day": Shape(lambda c: deliveries.count_since(c, SINCE), ("delivery_newest()",)),
    "its deliveries": Shape(lambda c: deliveries.of_execution(c, 41), ("delivery_execution(execution)",)),
    "unclaimed deliveries": Shape(lambda c: deliveries.unclaimed(c, T0, 5), ("delivery_unclaimed()",), is_sorted=True),
    "unchecked deliveries": Shape(lambda c: deliveries.unchecked(c, 5), ("delivery_verdict(verdict)",)),
    "waiting deliveries": Shape(lambda c: deliveries.waiting_for(c, IDS), ("ix_delivery_request_id(request_id)",)),
    "an export": Shape(lambda c: exports.read_page(c, EXPORT, MIDDLE), (BY_STATUS,)),
    "an export's inputs": Shape(lambda c: exports.read_wide(c, [1, 2])),
}
SHAPES = PAGES | COUNTS | OTHERS


# The plans


@dataclass(frozen=True)
class Step:
    """One line of a plan, beneath another one or (0) none."""

    beneath: int
    told: str

    @property
    def way(self) -> str | None:
        """An index with what is given of it, or a table that is walked through; None for what is no way to rows."""
        found = _STEP.match(self.told)
        if not found or self.told == f"SEARCH {found['table']}":  # that is its first or last row
            return None
        given = re.findall(r"(\w+)=\?|(ANY\(\w+\))", found["given"] or "")
        index = "rowid" if found["key"] else found["index"] or found["table"]
        return f"{index}({', '.join(one or other for one, other in given)})"


_BIG = (
    "execution|execution_text|execution_payload|failure|failure_hour|delivery|event"
    "|error_index|inputs_index|reference_index"
)
_STEP = re.compile(
    rf"(?:SEARCH|SCAN) (?P<table>{_BIG})(?: VIRTUAL TABLE INDEX .*| USING (?:COVERING )?(?:INDEX (?P<index>\w+)"
    r"|(?P<key>INTEGER PRIMARY KEY))(?: \((?P<given>.*)\))?)?(?: LEFT-JOIN)?$"
)
_BY_ITS_KEY = {"rowid(rowid)", "sqlite_autoindex_execution_payload_1(execution)"}
_IN_ORDER = re.compile(r"execution_(newest|status|app_status|starter)|failure_newest")


def statements_of(connection: sa.Connection, ask: Callable[[sa.Connection], object]) -> list[tuple[str, Any]]:
    """Each statement of a question, and what it is given."""
    asked: list[tuple[str, Any]] = []

    def record(connection, cursor, statement, parameters, context, many) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    sa.event.listen(connection, "before_cursor_execute", record)
    ask(connection)
    sa.event.remove(connection, "before_cursor_execute", record)
    return asked


def plans_of(connection: sa.Connection, ask: Callable[[sa.Connection], object]) -> list[tuple[str, list[Step]]]:
    """Each statement of a question, and how SQLite answers it."""
    return [
        (
            statement,
            [Step(row[1], row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", told)],
        )
        for statement, told in statements_of(connection, ask)
    ]


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rare at a million is so at some thousand."""
    monkeypatch.setattr(planning, "FEW", FEW)
    monkeypatch.setattr(walks, "FIRST_WINDOW", WINDOW)


@pytest.mark.parametrize("name", SHAPES)
def test_rows_are_come_to_by_the_index_that_is_meant(store: Engines, tight: None, name: str):
    shape = SHAPES[name]
    with store.write.connect() as connection:
        connection.execute(sa.select(1))  # begins the transaction, which is undone in the end
        plans = plans_of(connection, shape.ask)
    assert plans
    used = {step.way for _, plan in plans for step in plan if step.way} - _BY_ITS_KEY
    assert set(shape.ways[:1]) <= used <= set(shape.ways), [step.told for _, plan in plans for step in plan]
    for statement, plan in plans:
        for step in plan:
            assert "AUTOMATIC" not in step.told, (statement, plan)
            assert not re.match(rf"BLOOM FILTER ON ({_BIG})\b(?!_)", step.told), (statement, plan)
            assert shape.is_sorted or not is_sort_of_rows(step, plan), (statement, plan)
            assert not begins_anew(step, statement), (statement, plan)


def is_sort_of_rows(step: Step, plan: list[Step]) -> bool:
    """Say whether rows are sorted as they are found, and not only the few that branches have each brought in order."""
    found_there = {other.way for other in plan if other.beneath == step.beneath} - {None}
    return "TEMP B-TREE" in step.told and "ORDER BY" in step.told and bool(found_there)


def begins_anew(step: Step, statement: str) -> bool:
    """Say whether a statement that names a place in the list goes through its index from the end on."""
    names_place = "(?, ?) < (execution" in statement or "(?, ?) > (execution" in statement  # else few are read whole
    return bool(names_place and step.way and _IN_ORDER.match(step.way) and "created_at" not in step.told)


# How PostgreSQL answers

_MORE = """
    INSERT INTO execution (app_id, app_name, status, kind, generation, error_message, created_at, updated_at, origin,
        started_by, webhook_expected, duration, completed_at)
    SELECT app_id, app_name, status, kind, generation, error_message, created_at - shift * interval '2 hours',
        updated_at, origin, started_by, webhook_expected, duration, completed_at
    FROM execution, generate_series(1, 3) AS shift WHERE next_poll_at IS NULL
"""
_THEIR_PAYLOADS = """
    INSERT INTO execution_payload (execution, inputs)
    SELECT id, '{"prompt": "a blue fox"}' FROM execution WHERE id NOT IN (SELECT execution FROM execution_payload)
"""
_THEIR_FAILURES = """
    INSERT INTO failure (execution, fingerprint, failed_at, triage)
    SELECT id, 'print-1', created_at, 'resolved' FROM execution
    WHERE status = 'failed' AND id NOT IN (SELECT execution FROM failure)
"""
_NEVER_WHOLE = {"execution", "execution_payload", "execution_text", "failure", "delivery", "event"}


@pytest.fixture(scope="module")
def postgres_store(postgres: str, postgres_template: str) -> Iterator[Engines]:
    admin = sa.create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE plans TEMPLATE {postgres_template}")
    admin.dispose()
    engines = engine.open_engines(postgres.format(name="plans"))
    with engines.write.begin() as connection:
        fill(connection)
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('execution', 'id'), {ROWS})")
        for statement in (_MORE, _THEIR_PAYLOADS, _THEIR_FAILURES):
            connection.exec_driver_sql(statement)
        while tally.fold(connection):
            pass
    yield engines
    engines.close()


def walked_through(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for beneath in plan.get("Plans", ()):
        yield from walked_through(beneath)


# Of these a page lies together in an index: to look at some thousand rows is never faster.
_PLAIN = {f"{name}, older" for name in ("all", "a status", "a rare status", "lately", "a status lately", "triage")}


@pytest.mark.postgres
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_postgresql_walks_through_no_large_table(postgres_store: Engines, tight: None, is_analyzed: bool):
    """Where it might be right to look at all of so few rows, it is asked whether there is an index at all."""
    if is_analyzed:
        with postgres_store.write.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    wrong: dict[str, Any] = {}
    shapes = {name: shape for name, shape in SHAPES.items() if not name.endswith((", newest", ", newer"))}
    for name, shape in shapes.items():
        with postgres_store.write.connect() as connection:
            connection.exec_driver_sql(f"SET LOCAL enable_seqscan = {'on' if name in _PLAIN else 'off'}")
            for statement, plan in postgres_plans(connection, shape.ask):
                if whole := _NEVER_WHOLE & set(walked_through(plan)):
                    wrong[name] = whole, statement
    assert shapes.keys() > _PLAIN
    assert not wrong


def postgres_plans(connection: sa.Connection, ask: Callable[[sa.Connection], object]) -> Iterator[tuple[str, Any]]:
    for statement, told in statements_of(connection, ask):
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", told).scalar_one()
            yield statement, explained[0]["Plan"]
