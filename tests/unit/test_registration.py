"""Executions that others started: what is taken, and that every door and every order ends in one row."""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core import intake, registration
from lamina_core.api import wire
from lamina_core.domain import App, Generation, Kind, Origin, Registration, Source, Status, Update, Verdict
from lamina_core.polling import schedule
from lamina_core.registration import Answer, Result
from lamina_core.store import catalogue, deliveries, events, executions, polls
from lamina_core.store.deliveries import Arrival
from lamina_core.store.executions import Intent

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
LEAST = {"executionId": "e-1", "appId": "app-1"}
OURS = {"Prompt": "our own"}
COUNTER = itertools.count()


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def parse(document) -> Registration:
    return registration.parse(document, Origin.REGISTERED, T0)


@pytest.mark.parametrize("name", ["executionId", "appId"])
@pytest.mark.parametrize(
    "value", [..., None, 5, True, [], {}, "", "  ", "\n", "e\x00", "e\n1", "\ud800", "\u202ee", "e" * 201]
)
def test_what_names_an_execution_is_printable_text_of_at_most_200_characters(name, value):
    document = {key: given for key, given in (LEAST | {name: value}).items() if given is not ...}
    with pytest.raises(ValueError, match=f"^{name}: "):
        parse(document)


@pytest.mark.parametrize("value", [5, False, [], {}, "", " \t", "R\x00", "\udfff", "R" * 201])
def test_a_reference_is_printable_text_too(value):
    with pytest.raises(ValueError, match=r"^reference: "):
        parse(LEAST | {"reference": value})


def test_texts_up_to_the_limit_and_of_any_script_are_taken_as_they_are():
    taken = parse({"executionId": "e" * 200, "appId": "🦊-ä", "reference": "№ 7 / déjà"})
    assert (len(taken.execution_id), taken.app_id, taken.reference) == (200, "🦊-ä", "№ 7 / déjà")


def test_blanks_around_ids_and_references_are_none_of_theirs():
    taken = parse({"executionId": " e-1\n", "appId": "\u00a0app-1\t", "reference": f" R {'7' * 196} "})
    assert taken == Registration("e-1", "app-1", Origin.REGISTERED, reference=f"R {'7' * 196}")


@pytest.mark.parametrize("value", [5, True, [], {}, "", "soon", "2026-13-01", "T09:00", "9999-12-31T23:59:59-14:00"])
def test_a_start_that_is_no_instant_is_refused(value):
    with pytest.raises(ValueError, match=r"^startedAt: "):
        parse(LEAST | {"startedAt": value})


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-14T08:00:00Z", at(-3_600)),
        ("2026-03-14T08:00:00", at(-3_600)),  # without a zone it counts as UTC, as Lamina's own instants do
        ("2026-03-14T10:00:00.5+02:00", at(-3_599.5)),
        ("2026-03-14", at(-32_400)),
        ("2026-03-14T09:05:00Z", at(300)),  # the sender's clock may be five minutes ahead
    ],
)
def test_a_start_is_read_as_utc(text, instant):
    assert parse(LEAST | {"startedAt": text}).started_at == instant


def test_a_start_beyond_what_clocks_differ_by_lies_in_the_future():
    with pytest.raises(ValueError, match="startedAt: lies in the future"):
        parse(LEAST | {"startedAt": "2026-03-14T09:05:00.001Z"})


@pytest.mark.parametrize("name", ["input", "execution_id", "started_at", "InPuts", "runID", ""])
def test_an_unknown_field_is_refused_by_name_for_what_it_holds_would_be_lost(name):
    with pytest.raises(ValueError, match=f"^{name}: Extra inputs"):
        parse(LEAST | {name: "x"})


@pytest.mark.parametrize("document", [None, 5, "e-1", [], [LEAST]])
def test_what_is_no_object_is_told_what_one_looks_like(document):
    with pytest.raises(ValueError, match="an execution looks like"):
        parse(document)


def test_the_id_may_be_called_run_id_but_not_both():
    assert parse({"runId": "r-1", "appId": "app-1"}) == Registration("r-1", "app-1", Origin.REGISTERED)
    with pytest.raises(ValueError, match=r"^runId: "):
        parse(LEAST | {"runId": "e-1"})


DEEP: dict = {}
for _ in range(60):
    DEEP = {"deeper": [DEEP, "\ud800\x00"]}


@pytest.mark.parametrize("inputs", [None, {}, {"Prompt": ["a", 1, None, {"b": 1.5}]}, DEEP, {"big": 10**300}])
def test_inputs_are_an_object_or_unknown_and_come_back_as_they_were_given(engines, writer, inputs):
    (answer,) = register(writer, parse(LEAST | {"inputs": inputs}))
    assert payload(engines, answer.execution).inputs == inputs


@pytest.mark.parametrize("inputs", [[], "{}", 5, False])
def test_inputs_of_another_kind_are_refused(inputs):
    with pytest.raises(ValueError, match=r"^inputs: "):
        parse(LEAST | {"inputs": inputs})


def one(name="e-1", app="app-1", origin=Origin.REGISTERED, **more) -> Registration:
    return Registration(name, app, origin, **more)


def register(writer, *given: Registration, now=T0) -> list[Answer]:
    return writer.run(lambda connection: registration.register(connection, given, "Bo", Generation.RUNS, now))


def payload(engines, row_id: int):
    with engines.reading() as connection:
        return executions.find_payload(connection, row_id)


def rows(engines) -> list:
    with engines.reading() as connection:
        ids = connection.execute(sa.text("SELECT id FROM execution ORDER BY id")).scalars()
        return [executions.find(connection, row_id) for row_id in ids]


def test_a_new_one_is_created_and_read_at_once(engines, writer):
    (answer,) = register(writer, one(inputs={"a": 1}, reference="R-1", started_at=at(-60)))
    (row,) = rows(engines)
    assert answer == Answer("e-1", Result.CREATED, row.id)
    assert (row.status, row.app_name, row.kind, row.created_at, row.next_poll_at) == (
        Status.QUEUED,
        "app-1",
        Kind.IMAGE,
        at(-60),
        T0,
    )
    assert (row.origin, row.started_by, row.reference, row.webhook_expected) == ("registered", "registered", "R-1", 0)
    with engines.reading() as connection:
        (told,) = events.of_execution(connection, row.id)
    assert (told.kind, told.actor) == ("registered", "Bo")


def test_without_a_start_it_counts_as_started_now(engines, writer):
    register(writer, one())
    assert rows(engines)[0].created_at == T0


def test_the_same_again_is_known_and_changes_nothing(engines, writer):
    given = one(inputs={"a": 1}, reference="R-1")
    register(writer, given)
    before = rows(engines)
    assert [answer.result for answer in register(writer, given, one(), now=at(60))] == [Result.KNOWN] * 2
    assert rows(engines) == before


def test_what_was_missing_is_completed_and_what_is_known_is_kept(engines, writer):
    results = [
        register(writer, given)[0].result
        for given in (
            one(),
            one(reference="R-1"),
            one(reference="R-2"),
            one(inputs={}),
            one(inputs={"a": 2}, reference="R-3"),
        )
    ]
    assert results == [Result.CREATED, Result.COMPLETED, Result.KNOWN, Result.COMPLETED, Result.KNOWN]
    (row,) = rows(engines)
    assert (row.reference, payload(engines, row.id).inputs) == ("R-1", {})


def test_the_same_id_of_another_app_is_refused_and_names_the_first(engines, writer):
    register(writer, one())
    (answer,) = register(writer, one(app="app-2", reference="R-1"))
    assert (answer.result, answer.execution) == (Result.REFUSED, rows(engines)[0].id)
    assert "app-1" in answer.error
    assert (rows(engines)[0].app_id, rows(engines)[0].reference) == ("app-1", None)


def test_the_same_id_twice_in_one_list_is_one_row_and_the_first_counts(engines, writer):
    answers = register(
        writer,
        one(reference="R-1"),
        one("e-2"),
        one(app="app-2"),
        one(inputs={"a": 1}, reference="R-2"),
    )
    assert [answer.result for answer in answers] == [
        Result.CREATED,
        Result.CREATED,
        Result.REFUSED,
        Result.COMPLETED,
    ]
    assert [answer.execution_id for answer in answers] == ["e-1", "e-2", "e-1", "e-1"]
    found = {row.execution_id: row for row in rows(engines)}
    assert (len(found), found["e-1"].id, found["e-1"].reference) == (2, answers[3].execution, "R-1")
    assert payload(engines, found["e-1"].id).inputs == {"a": 1}


@pytest.mark.parametrize("is_known", [False, True])
def test_the_first_of_a_list_to_name_inputs_and_a_reference_wins(engines, writer, is_known):
    if is_known:
        register(writer, one())
    register(writer, one(), one(inputs={"a": 1}, reference="R-1"), one(inputs={"a": 2}, reference="R-2"))
    (row,) = rows(engines)
    assert (row.reference, payload(engines, row.id).inputs) == ("R-1", {"a": 1})


def test_the_rows_of_a_list_are_in_its_order(engines, writer):
    register(writer, *(one(f"e-{place}") for place in range(5)))
    assert [row.execution_id for row in rows(engines)] == [f"e-{place}" for place in range(5)]


def test_the_name_and_the_kind_come_from_the_catalogue(engines, writer):
    film = App("app-1", "Campaign Film", None, is_public=True, produces=("video",))
    writer.run(lambda connection: catalogue.put(connection, film, T0))
    register(writer, one(), one("e-2", "app-2"))
    found = {row.execution_id: (row.app_name, row.kind) for row in rows(engines)}
    assert found == {"e-1": ("Campaign Film", Kind.VIDEO), "e-2": ("app-2", Kind.IMAGE)}


@pytest.mark.parametrize("way", ["list", "details"])
def test_the_name_of_an_app_that_becomes_known_later_is_given_to_its_executions(engines, writer, way):
    register(writer, one(), one("e-2"), one("e-3", "app-2"))
    film = App("app-1", "Campaign Film", None, is_public=True)
    if way == "list":
        writer.run(lambda connection: catalogue.replace_list(connection, [film], T0))
    else:
        writer.run(lambda connection: catalogue.put(connection, film, T0))
    assert [row.app_name for row in rows(engines)] == ["Campaign Film", "Campaign Film", "app-2"]


def test_a_new_name_of_an_app_leaves_its_old_executions_as_they_were_called(engines, writer):
    film = App("app-1", "Campaign Film", None, is_public=True)
    writer.run(lambda connection: catalogue.replace_list(connection, [film], T0))
    register(writer, one())
    renamed = replace(film, name="Campaign Video")
    writer.run(lambda connection: catalogue.replace_list(connection, [renamed], T0))
    writer.run(lambda connection: catalogue.put(connection, renamed, T0))
    assert [row.app_name for row in rows(engines)] == ["Campaign Film"]


def test_an_execution_of_which_lamina_named_no_app_gets_it_from_whoever_knows(engines, writer):
    nameless = wire.report_from({"executionId": "e-1", "status": "running"})
    writer.run(
        lambda connection: registration.take_in(
            connection, [nameless], Origin.WEBHOOK, "delivery", T0, Generation.RUNS, T0
        )
    )
    (answer,) = register(writer, one(inputs={"a": 1}))
    assert (answer.result, rows(engines)[0].app_id) == (Result.COMPLETED, "app-1")


def test_late_ones_are_due_behind_all_others(engines, writer):
    day = schedule.LATE_AFTER.total_seconds()
    started = {"later": -day - 7_200, "late": -day - 1, "just not": -day, "old": -9_000, "new": -1}
    register(writer, *(one(name, started_at=at(seconds)) for name, seconds in started.items()))
    with engines.reading() as connection:
        due = polls.due(connection, T0, 10)
        cut = polls.due(connection, T0, 3)
    assert {each.execution_id for each in due} == set(started)
    assert {each.execution_id for each in cut} == {"just not", "old", "new"}, "a backfill must not crowd out the rest"
    ranked = [each.execution_id for each in schedule.rank(due, {}, T0)]
    assert set(ranked[:3]) == {"just not", "old", "new"}
    assert schedule.rank(due, {}, T0, late_first=True)[0].execution_id == "later", "their turn comes too"


def report(name: str, status: str) -> dict:
    done = status == "completed"
    output = {"id": "n", "label": "Picture", "type": "image", "value": "https://x.example.com/1.png", "error": None}
    stamps = {"createdAt": "2026-03-14T08:59:00Z", "completedAt": "2026-03-14T09:00:30Z" if done else None}
    outputs = [output | {"status": "completed"}] if done else []
    return {"executionId": name, "workflowId": "app-1", "status": status, "outputs": outputs} | stamps


@dataclass
class Case:
    """One execution, and the doors that it may come through; each door is a step in one transaction."""

    connection: sa.Connection
    name: str
    row: int | None = None  # of our own start
    second: int = 0

    def intend(self) -> None:
        intent = Intent(
            token=self.name,
            app_id="app-1",
            app_name="Portrait Studio",
            kind=Kind.IMAGE,
            generation=Generation.RUNS,
            inputs=OURS,
            chosen_outputs=(),
            origin=Origin.FORM,
            replay_of=None,
            started_by="Ada",
            webhook_expected=True,
        )
        self.row = executions.insert_intent(self.connection, intent, T0)

    def answer(self) -> None:
        said = wire.report_from(report(self.name, "queued"))
        if self.row is not None:
            intake.apply_update(self.connection, Update(Source.START, at(0), self.row, report=said), at(self.second))

    def register(self, inputs=None, reference=None, origin=Origin.REGISTERED) -> None:
        given = [Registration(self.name, "app-1", origin, inputs, at(-60), reference)]
        registration.register(self.connection, given, origin, Generation.RUNS, at(self.second))

    def take_in(self, status: str, origin: Origin, *, listed: bool = False) -> None:
        data = report(self.name, status)
        said = wire.report_from({key: value for key, value in data.items() if key != "outputs"} if listed else data)
        now = at(self.second)
        registration.take_in(self.connection, [said], origin, "poll", now, Generation.RUNS, now)

    def deliver(self, status: str, *, with_token: bool) -> None:
        body = json.dumps({"data": report(self.name, status)}).encode()
        came = Arrival(
            received_at=at(self.second),
            verdict=Verdict.ACCEPTED,
            reason=None,
            answered=200,
            request_id=self.name,
            key_id="k",
            headers={},
            body=body,
            content_hash=hashlib.sha256(body).hexdigest(),
            start_token=self.name if self.row and with_token else None,
            report=wire.report_from(wire.data_of(json.loads(body))),
        )
        intake.take_deliveries(self.connection, [came], at(self.second))

    def go(self, steps: Sequence[str]) -> None:
        for step in steps:
            self.second += 10
            DOORS[step](self)


DOORS: dict[str, Callable[[Case], None]] = {
    "start's answer": Case.answer,
    "backend, all": lambda case: case.register({"Prompt": "a backend's"}, "BACKEND-1"),
    "backend, inputs": lambda case: case.register({"Prompt": "only inputs"}),
    "backend, ids alone": lambda case: case.register(),
    "file": lambda case: case.register({"Prompt": "a file's"}, "FILE-1", Origin.IMPORTED),
    "list row, ended": lambda case: case.take_in("completed", Origin.IMPORTED, listed=True),
    "adopted": lambda case: case.take_in("running", Origin.WEBHOOK),
    "webhook, open": lambda case: case.deliver("running", with_token=False),
    "webhook, ended": lambda case: case.deliver("completed", with_token=True),
    "webhook, failed": lambda case: case.deliver("failed", with_token=False),  # Lamina thinks better of it later
    "read": lambda case: case.take_in("completed", Origin.IMPORTED),
}
INPUTS = {"backend, all": "a backend's", "backend, inputs": "only inputs", "file": "a file's"}
REFERENCES = {"backend, all": "BACKEND-1", "file": "FILE-1"}


def check_one_row(connection: sa.Connection, case: Case, steps: Sequence[str]) -> None:
    named = sa.text("SELECT id FROM execution e JOIN execution_payload p ON p.execution = e.id WHERE execution_id = :n")
    (row_id,) = connection.execute(named.bindparams(n=case.name)).scalars()
    assert case.row in {None, row_id}, "our own start is the row that stays"
    row, kept = executions.find(connection, row_id), executions.find_payload(connection, row_id)
    first = next((INPUTS[step] for step in steps if step in INPUTS), None)
    assert kept.inputs == (OURS if case.row else first and {"Prompt": first})
    assert row.reference == next((REFERENCES[step] for step in steps if step in REFERENCES), None)
    assert (row.status, len(kept.outputs), row.next_poll_at) == (Status.COMPLETED, 1, None)
    told = sa.text("SELECT execution FROM delivery WHERE request_id = :n").bindparams(n=case.name)
    assert set(connection.execute(told).scalars()) <= {row_id}
    assert deliveries.waiting_for(connection, [case.name]) == []
    strangers = sa.text("SELECT count(*) FROM event WHERE execution NOT IN (SELECT id FROM execution)")
    assert connection.execute(strangers).scalar_one() == 0


ENDS = {"webhook, ended", "list row, ended", "read"}


def go_through(writer, steps: Sequence[str], *, is_ours: bool) -> None:
    """Take an execution through these doors, then read it as the poller does, and look at it after both."""

    def work(connection: sa.Connection) -> None:
        case = Case(connection, f"e-{next(COUNTER)}")
        if is_ours:
            case.intend()
        case.go(steps)
        known = executions.known_by_execution_id(connection, {case.name}).get(case.name)
        if known and ENDS & set(steps) and "webhook, failed" not in steps:  # two ends are for a read to settle
            status = executions.find(connection, known.id).status
            assert status is Status.COMPLETED, "whoever told the end, it is not lost"
        waiting = deliveries.waiting_for(connection, [case.name])
        assert not (known and waiting), "a webhook waits only while there is no row for it"
        case.go(["read"])
        check_one_row(connection, case, steps)

    writer.run(work)


@pytest.mark.parametrize("door", ["backend, all", "adopted", "file", "list row, ended"])
def test_a_start_of_ours_ends_as_one_row_whenever_its_answer_comes(writer, door):
    for order in itertools.permutations(["start's answer", door, "webhook, open", "webhook, ended"]):
        go_through(writer, order, is_ours=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=some.lists(some.sampled_from(sorted(DOORS)), max_size=7), is_ours=some.booleans())
def test_any_doors_in_any_order_end_in_one_row_with_the_most_that_is_known(writer, steps, is_ours):
    answered = ["start's answer"] if is_ours else []  # at the latest
    go_through(writer, [*steps, *answered], is_ours=is_ours)


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_webhook_that_came_first_ends_the_execution_as_soon_as_it_is_registered(engines, writer, is_ours):
    def work(connection: sa.Connection) -> None:
        case = Case(connection, "e-1")
        case.go(["webhook, ended", "webhook, ended"])
        if is_ours:
            case.intend()
        case.go(["start's answer" if is_ours else "backend, all"])

    writer.run(work)
    (row,) = rows(engines)
    assert (row.status, row.next_poll_at) == (Status.COMPLETED, None)
    with engines.reading() as connection:
        kept = [(each.execution, each.reason) for each in deliveries.of_execution(connection, row.id)]
    assert kept == [(row.id, "duplicate"), (row.id, None)]


def test_a_late_start_answer_does_not_take_back_an_end_that_was_read(engines, writer):
    def work(connection: sa.Connection) -> None:
        case = Case(connection, "e-1")
        case.intend()
        case.go(["read", "start's answer"])

    writer.run(work)
    (row,) = rows(engines)
    assert (row.status, len(payload(engines, row.id).outputs)) == (Status.COMPLETED, 1)
