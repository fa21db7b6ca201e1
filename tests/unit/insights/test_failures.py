"""Failures by their causes as screens read them, from executions that really failed, on either database."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Generation, Kind, Operator, Origin, Role, Source, Status, Update
from lamina_core.insights import failures
from lamina_core.store import executions, groups
from lamina_core.store.executions import Intent
from lamina_core.store.groups import GroupView
from lamina_core.triage.advice import Action, FailureClass, Rule
from lamina_core.triage.groups import TriageDesk
from lamina_core.triage.records import GroupState, Triage
from tests.conftest import _create_database

ADA = Operator("Ada", Role.ADMIN)
TIMEOUT = "Image generation timed out: the provider did not answer within 90 s"
MEDIA = "Could not download the file given"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'desk.db'}"
    prefix, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    name = f"desk_{random.getrandbits(60):x}"
    _create_database(prefix, f"CREATE DATABASE {name} TEMPLATE {template}")
    return prefix.format(name=name)


@pytest.fixture
def desk(engines, writer, clock) -> TriageDesk:
    return TriageDesk(engines, writer, clock)


@pytest.fixture
def end_all(writer, clock):
    """Let executions end as Lamina says they did, each so many hours ago; returns our ids of them."""

    def end_all(ends: list[dict]) -> list[int]:
        return writer.run(lambda connection: [end_one(connection, clock.now(), **each) for each in ends])

    return end_all


@pytest.fixture
def end(end_all):
    """Let one execution end; without an error it succeeds."""
    return lambda error=None, **changes: end_all([{"error": error} | changes])[0]


def end_one(connection, now, error=None, *, hours=0, app_id="app-1", inputs=None, replay_of=None, outputs=()) -> int:
    at, number = now - timedelta(hours=hours), f"{random.getrandbits(60):x}"
    intent = Intent(
        token=f"token-{number}",
        app_id=app_id,
        app_name=f"Name of {app_id}",
        kind=Kind.IMAGE,
        generation=Generation.EXECUTIONS,
        inputs=inputs or {},
        chosen_outputs=(),
        origin=Origin.FORM,
        replay_of=replay_of,
        started_by="Ada",
        webhook_expected=False,
    )
    instant = at.isoformat().replace("+00:00", "Z")
    document = {
        "executionId": f"exec-{number}",
        "workflowId": app_id,
        "status": "failed" if error else "completed",
        "outputs": list(outputs),
        "errorMessage": error,
        "createdAt": instant,
        "completedAt": instant,
    }
    row_id = executions.insert_intent(connection, intent, at)
    intake.apply_update(connection, Update(Source.START, at, row_id, report=wire.report_from(document)), at)
    return row_id


@contextmanager
def counted(engines) -> Iterator[list[str]]:
    """Collect the statements that are asked of the reading side."""
    asked: list[str] = []

    def note(connection, cursor, statement, *rest) -> None:
        asked.append(statement)

    sa.event.listen(engines.read, "before_cursor_execute", note)
    yield asked
    sa.event.remove(engines.read, "before_cursor_execute", note)
    asked[:] = [statement for statement in asked if statement.startswith(("SELECT", "WITH"))]


def titles(listing) -> list[str]:
    return [row.group.title for row in listing.rows]


def group_of(engines, row_id: int) -> str:
    with engines.reading() as connection:
        return groups.find_failure(connection, row_id).fingerprint


def test_groups_come_by_impact_with_advice_history_and_exact_counts(engines, end, clock):
    for hours in (0.5, 7, 30, 100, 200):
        end(TIMEOUT, hours=hours)
    end(MEDIA, app_id="app-2")
    end()
    listing = failures.read_groups(engines, GroupView.OPEN, clock.now())
    first, second = listing.rows
    assert (first.group.open_number, first.group.number, first.state) == (5, 5, GroupState.OPEN)
    assert (first.advice.failure_class, second.advice.failure_class) == (FailureClass.PROVIDER, FailureClass.MEDIA)
    assert (first.history.last_day, first.history.day_before, sum(first.history.numbers)) == (2, 1, 4)
    assert [place for place, number in enumerate(first.history.numbers) if number] == [11, 22, 26, 27]
    assert second.history.numbers == (*[0] * 27, 1)
    assert listing.counts == {GroupView.OPEN: 2, GroupView.IGNORED: 0, GroupView.RESOLVED: 0, GroupView.ALL: 2}
    assert (listing.newer, listing.as_of) == (0, clock.now())


def test_a_failure_that_lamina_dates_ahead_of_our_clock_is_counted_in_the_last_hours(engines, end, clock):
    end(TIMEOUT, hours=-30)
    (row,) = failures.read_groups(engines, GroupView.OPEN, clock.now()).rows
    assert row.history.numbers[-1] == 1


def test_groups_that_are_shown_keep_their_order_with_fresh_numbers_and_new_ones_wait(engines, end, desk, clock):
    for _ in range(2):
        end(TIMEOUT)
    gone = group_of(engines, end(MEDIA))
    shown = [row.group.fingerprint for row in failures.read_groups(engines, GroupView.OPEN, clock.now()).rows]
    for _ in range(3):
        end(MEDIA)
    end("Insufficient credits")
    listing = failures.read_groups(engines, GroupView.OPEN, clock.now(), shown)
    assert [(row.group.fingerprint, row.group.open_number) for row in listing.rows] == [(shown[0], 2), (gone, 4)]
    assert (listing.newer, listing.counts[GroupView.OPEN]) == (1, 3)
    desk.resolve_group(ADA, gone)
    listing = failures.read_groups(engines, GroupView.OPEN, clock.now(), shown)
    assert [row.state for row in listing.rows] == [GroupState.OPEN, GroupState.RESOLVED]
    assert titles(failures.read_groups(engines, GroupView.RESOLVED, clock.now())) == [listing.rows[1].group.title]


def test_a_group_is_in_one_view_whatever_is_done_about_it(engines, end, desk, clock):
    fingerprint = group_of(engines, end(TIMEOUT))

    def views() -> tuple[set[GroupView], GroupState]:
        (row,) = failures.read_groups(engines, GroupView.ALL, clock.now()).rows
        found = {
            view for view in list(GroupView)[:3] if failures.read_groups(engines, view, clock.now()).rows == (row,)
        }
        return found, row.state

    assert views() == ({GroupView.OPEN}, GroupState.OPEN)
    desk.acknowledge_group(ADA, fingerprint)
    assert views() == ({GroupView.OPEN}, GroupState.ACKNOWLEDGED)
    desk.ignore_group(ADA, fingerprint, until=clock.now() + timedelta(hours=1))
    assert views() == ({GroupView.IGNORED}, GroupState.IGNORED)
    clock.advance(3_601)
    assert views() == ({GroupView.OPEN}, GroupState.OPEN)
    desk.resolve_group(ADA, fingerprint)
    assert views() == ({GroupView.RESOLVED}, GroupState.RESOLVED)
    end(TIMEOUT)
    assert views() == ({GroupView.OPEN}, GroupState.OPEN)


def test_a_group_whose_failures_were_all_mended_one_by_one_is_resolved(engines, end, clock):
    failed = end(TIMEOUT)
    end(replay_of=failed)
    (row,) = failures.read_groups(engines, GroupView.RESOLVED, clock.now()).rows
    assert (row.group.state, row.state) == (GroupState.OPEN, GroupState.RESOLVED)


def test_a_group_shows_its_newest_open_failures_of_how_many(engines, end, end_all, desk, clock):
    ids = end_all([{"error": TIMEOUT, "hours": hours} for hours in range(failures.MEMBERS + 3, 0, -1)])
    fingerprint = group_of(engines, ids[0])
    desk.resolve(ADA, [ids[-1]])
    found = failures.read_group(engines, fingerprint, clock.now())
    assert [member.id for member in found.members] == ids[-2 : -failures.MEMBERS - 2 : -1]
    assert (found.of_members, found.row.group.number) == (len(ids) - 1, len(ids))
    newer = end(TIMEOUT)
    again = failures.read_group(engines, fingerprint, clock.now(), [member.id for member in found.members])
    assert ([member.id for member in again.members], again.of_members) == ([m.id for m in found.members], len(ids))
    desk.resolve_group(ADA, fingerprint)
    found = failures.read_group(engines, fingerprint, clock.now())
    assert (found.members[0].id, len(found.members), found.of_members) == (newer, failures.MEMBERS, len(ids) + 1)
    assert failures.read_group(engines, "f1-nothing", clock.now()) is None


def test_what_open_failures_share_is_set_against_successes_in_full_of_the_same_app(engines, end, desk):
    ids = [end(TIMEOUT, inputs={"Size": "huge", "n": number}) for number in range(4)]
    resolved = end(TIMEOUT, inputs={"Size": "small"})
    desk.resolve(ADA, [resolved])
    for number in range(3):
        end(inputs={"Size": "small", "n": number})
    end(inputs={"Size": "huge"}, outputs=[{"label": "A", "status": "error", "error": "no"}])  # succeeded in part only
    end(inputs={"Size": "huge"}, app_id="app-2")
    likeness = failures.read_likeness(engines, group_of(engines, ids[0]))
    assert (likeness.failures, likeness.successes) == (4, 3)
    (shared,) = [each for each in likeness.found if each.name == "Size"]
    assert (shared.value, shared.in_failures, shared.in_successes) == ("huge", 4, 0)
    assert failures.read_likeness(engines, "f1-nothing") == failures.Likeness((), 0, 0)


def test_inputs_that_are_not_known_are_not_compared(engines, end, writer):
    failed = end(TIMEOUT)
    end()
    writer.run(lambda connection: connection.exec_driver_sql("UPDATE execution_payload SET inputs = NULL").close())
    likeness = failures.read_likeness(engines, group_of(engines, failed))
    assert (likeness.failures, likeness.successes) == (0, 0)


def test_no_more_than_fifty_of_each_are_compared_the_newest(engines, end_all):
    ended = [{"hours": number, "inputs": {"Old": number >= failures.COMPARED}} for number in range(55)]
    failed, *_ = end_all([{"error": TIMEOUT} | each for each in ended])
    end_all(ended)
    likeness = failures.read_likeness(engines, group_of(engines, failed))
    assert (likeness.failures, likeness.successes, likeness.found) == (failures.COMPARED, failures.COMPARED, ())


def test_a_failed_execution_comes_with_its_group_and_the_advice_that_an_admin_added(engines, end, desk, clock):
    failed, _ = end(TIMEOUT), end(TIMEOUT)
    found = failures.read_failure(engines, row(engines, failed))
    assert (found.failure.triage, found.group.number) == (Triage.OPEN, 2)
    assert found.advice.action is Action.REPLAY_UNCHANGED
    desk.add_rule(ADA, Rule("did not answer", FailureClass.PROVIDER, Action.WAIT, "Wait a bit."))
    found = failures.read_failure(engines, row(engines, failed))
    assert (found.advice.action, found.advice.sentence) == (Action.WAIT, "Wait a bit.")
    assert found.advice.reason.startswith("added by Ada")
    (listed,) = failures.read_groups(engines, GroupView.OPEN, clock.now()).rows
    assert listed.advice == found.advice
    (own,) = failures.read_own_advice(engines)
    assert (own.rule.text, own.rule.author) == ("did not answer", "Ada")
    assert failures.read_failure(engines, row(engines, end())) is None


def row(engines, row_id: int):
    with engines.reading() as connection:
        return executions.find(connection, row_id)


def test_the_overview_gets_open_failures_only_and_the_starts_without_an_answer(engines, end, desk, add, clock):
    ids = [end(TIMEOUT, hours=3), end(TIMEOUT, hours=2), end(MEDIA, hours=1), end("Insufficient credits")]
    desk.resolve(ADA, ids[:1])
    desk.ignore_group(ADA, group_of(engines, ids[3]))
    (lost,) = add({"status": Status.START_UNCONFIRMED, "second": 5})
    found = failures.read_open(engines, clock.now(), 1)
    assert ([each.id for each in found.rows], found.number) == ([ids[2]], 2)
    assert ([each.id for each in found.unsettled], found.unsettled_count.number) == ([lost], 1)


def test_each_screen_asks_the_store_few_questions_however_much_has_failed(engines, end_all, clock):
    *_, failed = end_all([{"error": f"The part called {letter} broke"} for letter in ("one", "two", "three") * 4])
    fingerprint, execution = group_of(engines, failed), row(engines, failed)
    shown = [each.group.fingerprint for each in failures.read_groups(engines, GroupView.OPEN, clock.now()).rows]
    for number, read in (
        (4, lambda: failures.read_groups(engines, GroupView.OPEN, clock.now())),
        (5, lambda: failures.read_groups(engines, GroupView.IGNORED, clock.now(), shown)),
        (4, lambda: failures.read_group(engines, fingerprint, clock.now())),
        (5, lambda: failures.read_likeness(engines, fingerprint)),
        (3, lambda: failures.read_failure(engines, execution)),
        (5, lambda: failures.read_open(engines, clock.now(), 12)),
    ):
        with counted(engines) as asked:
            read()
        assert len(asked) == number, asked
