"""Failures fall into groups as they happen, and support's word on them holds until something new happens."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.domain import Operator, Role
from lamina_core.store import events, failures, groups, notes, rules
from lamina_core.store.groups import GroupView
from lamina_core.triage.advice import Action, FailureClass, Rule
from lamina_core.triage.groups import TriageDesk
from lamina_core.triage.records import GroupState, Triage
from lamina_core.triage.regrouping import Regrouping
from tests.conftest import SettableClock
from tests.unit.conftest import T0, at, count_again, counts, report

ADA, VERA = Operator("Ada", Role.ADMIN), Operator("Vera", Role.VIEWER)
OTTO = Operator("Otto", Role.OPERATOR)
TIMED_OUT, NOT_FOUND = "Provider timed out after 30 s", "Could not fetch https://example.com/a.png: 404"


@pytest.fixture
def desk(engines, writer, clock: SettableClock) -> TriageDesk:
    return TriageDesk(engines, writer, clock)


@pytest.fixture
def read(engines):
    def reading(function, *arguments, **named):
        with engines.reading() as connection:
            return function(connection, *arguments, **named)

    return reading


def only_group(read):
    (group,) = read(groups.find_view, GroupView.ALL, T0, 10)
    return group


def test_the_same_error_with_other_numbers_is_one_group_and_another_error_another(end, engines, read):
    end("Provider timed out after 30 s", seconds=10)
    end("Provider timed out after 45 s", seconds=4_000)
    end(NOT_FOUND)
    assert counts(engines) == [("open", 2, 2), ("open", 1, 1)]
    first = read(groups.find_view, GroupView.OPEN, T0, 10)[0]
    assert (first.first_seen, first.last_seen) == (at(10), at(4_000))
    assert first.sample == "Provider timed out after 45 s", "the newest"
    hours = read(groups.find_hours, {first.fingerprint}, T0)
    assert [(hour.begins, hour.number) for hour in hours] == [(T0, 1), (T0 + timedelta(hours=1), 1)]


def test_other_apps_have_groups_of_their_own(end, engines):
    end(TIMED_OUT)
    end(TIMED_OUT, app="app-2")
    assert counts(engines) == [("open", 1, 1), ("open", 1, 1)]


def test_an_output_in_error_makes_a_completed_execution_a_failure_of_its_own_group(end, engines):
    broken = {"id": "n", "label": "Back", "type": "error", "value": None, "status": "error", "error": TIMED_OUT}
    end(outputs=[broken])
    end(TIMED_OUT)
    end()
    assert counts(engines) == [("open", 1, 1), ("open", 1, 1)]


def test_a_failure_that_lamina_takes_back_leaves_its_group(end, engines, writer, read):
    row = end(TIMED_OUT)
    writer.run(lambda connection: report(connection, row, None, 60))
    assert counts(engines) == []
    assert read(groups.find_failure, row) is None
    assert read(groups.count_open, T0) == 0


def test_a_failure_that_becomes_another_moves(end, engines, writer):
    row = end(TIMED_OUT)
    writer.run(lambda connection: report(connection, row, NOT_FOUND, 60))
    assert counts(engines) == [("open", 1, 1)]


def test_a_successful_replay_closes_its_original_and_what_that_was_a_replay_of(end, engines, read):
    first = end(TIMED_OUT)
    second = end(TIMED_OUT, replay_of=first)
    third = end(TIMED_OUT, replay_of=second)
    assert counts(engines) == [("open", 3, 3)], "a replay that fails closes nothing"
    success = end(replay_of=second)
    closed = [read(groups.find_failure, row) for row in (first, second)]
    assert [(each.triage, each.resolved_by) for each in closed] == [(Triage.RESOLVED, success)] * 2
    assert read(groups.find_failure, third).triage is Triage.OPEN
    assert counts(engines) == [("open", 3, 1)]
    (told,) = [event for event in read(events.of_execution, first) if event.kind == "resolved"]
    assert (told.actor, told.detail) == ("replay", {"replay": success})


def test_a_replay_that_fails_in_part_closes_nothing(end, read):
    original = end(TIMED_OUT)
    broken = {"id": "n", "label": "Back", "type": "error", "value": None, "status": "error", "error": "No."}
    end(replay_of=original, outputs=[broken])
    assert read(groups.find_failure, original).triage is Triage.OPEN


def test_acknowledge_resolve_and_reopen_are_told_and_counted(end, desk, engines, read, clock):
    row = end(TIMED_OUT)
    assert desk.acknowledge(ADA, [row]) == 1
    assert desk.acknowledge(OTTO, [row]) == 0, "done already"
    assert read(groups.find_failure, row).triage_by == "Ada"
    assert counts(engines) == [("open", 1, 1)], "somebody looks after it, but it is not mended"
    clock.advance(60)
    assert desk.resolve(OTTO, [row]) == 1
    assert counts(engines) == [("open", 1, 0)]
    assert desk.reopen(ADA, [row]) == 1
    assert counts(engines) == [("open", 1, 1)]
    told = [(event.kind, event.actor, event.at) for event in read(events.of_execution, row)][:3]
    assert told == [
        ("reopened", "Ada", at(60)),
        ("resolved", "Otto", at(60)),
        ("acknowledged", "Ada", T0),
    ]


def test_an_assignee_a_ticket_and_a_note(end, desk, read):
    row, fine = end(TIMED_OUT), end()
    desk.assign(ADA, [row], "  Otto ")
    desk.set_ticket(ADA, [row], "https://tickets.example.com/7")
    assert desk.add_note(ADA, [row, fine], "Asked the customer.") == 2
    failure = read(groups.find_failure, row)
    assert (failure.assignee, failure.ticket) == ("Otto", "https://tickets.example.com/7")
    desk.assign(ADA, [row], "")
    assert read(groups.find_failure, row).assignee is None
    notes_of_fine = [event.detail["text"] for event in read(events.of_execution, fine) if event.kind == "note"]
    assert notes_of_fine == ["Asked the customer."]


ACTS = {
    "acknowledge": lambda desk, row, group: desk.acknowledge(VERA, [row]),
    "resolve": lambda desk, row, group: desk.resolve(VERA, [row]),
    "reopen": lambda desk, row, group: desk.reopen(VERA, [row]),
    "assign": lambda desk, row, group: desk.assign(VERA, [row], "Vera"),
    "set_ticket": lambda desk, row, group: desk.set_ticket(VERA, [row], "T-1"),
    "add_note": lambda desk, row, group: desk.add_note(VERA, [row], "x"),
    "acknowledge_group": lambda desk, row, group: desk.acknowledge_group(VERA, group),
    "resolve_group": lambda desk, row, group: desk.resolve_group(VERA, group),
    "reopen_group": lambda desk, row, group: desk.reopen_group(VERA, group),
    "ignore_group": lambda desk, row, group: desk.ignore_group(VERA, group),
    "add_rule": lambda desk, row, group: desk.add_rule(OTTO, RULE),
    "remove_rule": lambda desk, row, group: desk.remove_rule(OTTO, 1),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_a_role_that_may_not_is_refused_in_the_handler(end, desk, read, act):
    row = end(TIMED_OUT)
    with pytest.raises(errors.OperationRefused, match="needs the role"):
        act(desk, row, only_group(read).fingerprint)


def test_what_has_not_failed_and_what_is_not_here_is_refused(end, desk):
    fine = end()
    with pytest.raises(errors.OperationRefused, match="None of these executions has failed"):
        desk.resolve(ADA, [fine, 999])
    with pytest.raises(errors.OperationRefused, match="no execution 999"):
        desk.add_note(ADA, [fine, 999], "x")
    with pytest.raises(errors.OperationRefused, match="no such group"):
        desk.resolve_group(ADA, "f1-nothing")
    with pytest.raises(errors.OperationRefused, match="Write the note first"):
        desk.add_note(ADA, [fine], " \x00 ")
    with pytest.raises(errors.OperationRefused, match=r"longer than 4,000 signs"):
        desk.add_note(ADA, [fine], "x" * 4_001)


def test_a_resolved_group_that_comes_back_opens_itself_and_says_so(end, desk, engines, read):
    rows = [end(TIMED_OUT) for _ in range(3)]
    assert desk.resolve_group(ADA, only_group(read).fingerprint) == 3
    assert counts(engines) == [("resolved", 3, 0)]
    assert all("resolved" in {event.kind for event in read(events.of_execution, row)} for row in rows)
    assert read(groups.find_view, GroupView.OPEN, T0, 10) == []
    end(TIMED_OUT, seconds=90)
    group = only_group(read)
    assert (group.state, group.open_number, group.reopened_at) == (GroupState.OPEN, 1, at(90))
    assert read(groups.count_views, T0) == {
        GroupView.OPEN: 1,
        GroupView.IGNORED: 0,
        GroupView.RESOLVED: 0,
        GroupView.ALL: 1,
    }


def test_a_group_that_was_mended_one_by_one_comes_back_too_and_says_so(end, desk, engines, read):
    desk.resolve(ADA, [end(TIMED_OUT)])
    end(replay_of=end(TIMED_OUT))
    desk.acknowledge_group(ADA, only_group(read).fingerprint)
    assert only_group(read).open_number == 0
    end(TIMED_OUT, seconds=90)
    group = only_group(read)
    assert (group.state, group.state_by, group.open_number, group.reopened_at) == (GroupState.OPEN, None, 1, at(90))
    end(TIMED_OUT, seconds=95)
    assert only_group(read).reopened_at == at(90), "once"


def test_a_failure_that_is_opened_again_brings_its_resolved_group_back_into_sight(end, desk, read):
    rows = [end(TIMED_OUT) for _ in range(2)]
    desk.resolve_group(ADA, only_group(read).fingerprint)
    desk.reopen(ADA, rows[:1])
    assert read(groups.count_open, T0) == 1
    assert [member.execution.id for member in read(groups.find_newest_open, T0, 10)] == rows[:1]
    assert only_group(read).reopened_at is None, "nothing came back"


@pytest.mark.parametrize("state", [GroupState.RESOLVED, GroupState.IGNORED, GroupState.ACKNOWLEDGED])
def test_new_rules_leave_each_group_in_the_state_that_it_had(end, desk, engines, writer, clock, read, state):
    for _ in range(3):
        end(TIMED_OUT)
    new = only_group(read).fingerprint
    act = {
        GroupState.RESOLVED: desk.resolve_group,
        GroupState.IGNORED: lambda who, name: desk.ignore_group(who, name, failures_more=2),
        GroupState.ACKNOWLEDGED: desk.acknowledge_group,
    }[state]
    act(ADA, new)

    def make_older(connection: sa.Connection) -> None:
        for table in ("failure", "failure_group", "failure_hour"):
            connection.exec_driver_sql(f"UPDATE {table} SET fingerprint = 'f0-older'")
        notes.write(connection, notes.FINGERPRINTS, {"version": 0, "until": None}, clock.now())

    before = only_group(read)
    writer.run(make_older)
    regrouping = Regrouping(engines, writer, clock)
    while regrouping.is_unfinished():
        regrouping.regroup_next()
    assert read(groups.count_views, T0)[GroupView.ALL] == 1, "the older one has no failures left"
    assert read(failures.find_groups, {new})[new] == before


def test_reopening_a_group_opens_what_resolving_it_closed_and_nothing_else(end, desk, engines, read, clock):
    rows = [end(TIMED_OUT) for _ in range(4)]
    desk.resolve(OTTO, rows[:1])
    end(replay_of=rows[1])
    clock.advance(60)
    name = only_group(read).fingerprint
    assert desk.resolve_group(ADA, name) == 2
    clock.advance(60)
    desk.reopen_group(ADA, name)
    assert counts(engines) == [("open", 4, 2)]
    triages = [read(groups.find_failure, row).triage for row in rows]
    assert triages == [Triage.RESOLVED, Triage.RESOLVED, Triage.OPEN, Triage.OPEN]
    assert [event.kind for event in read(events.of_execution, rows[2])][:2] == ["reopened", "resolved"]


def test_an_ignored_group_is_not_open_until_its_time_has_come(end, desk, read):
    end(TIMED_OUT)
    desk.ignore_group(ADA, only_group(read).fingerprint, until=at(600))
    end(TIMED_OUT, seconds=5)
    assert read(groups.count_open, at(599)) == 0
    assert read(groups.find_newest_open, at(599), 10) == []
    assert read(groups.count_open, at(600)) == 2
    assert only_group(read).state_now(at(599)) is GroupState.IGNORED
    assert only_group(read).state_now(at(600)) is GroupState.OPEN


def test_an_ignored_group_is_open_again_after_so_many_failures_more(end, desk, read):
    end(TIMED_OUT)
    desk.ignore_group(ADA, only_group(read).fingerprint, failures_more=2)
    end(TIMED_OUT)
    assert read(groups.count_open, T0) == 0
    end(TIMED_OUT, seconds=7)
    assert read(groups.count_open, T0) == 3
    assert only_group(read).reopened_at == at(7)


def test_ignoring_for_a_time_that_is_over_or_for_no_failure_is_refused(end, desk, read):
    end(TIMED_OUT)
    name = only_group(read).fingerprint
    with pytest.raises(errors.OperationRefused, match="That time is over"):
        desk.ignore_group(ADA, name, until=T0)
    with pytest.raises(errors.OperationRefused, match="at least one more"):
        desk.ignore_group(ADA, name, failures_more=0)


RULE = Rule("timed out", FailureClass.PROVIDER, Action.WAIT, "Please wait a little.")


def test_rules_of_admins_are_kept_newest_first_and_removed(desk, read):
    first = desk.add_rule(ADA, RULE)
    second = desk.add_rule(ADA, Rule("timed", FailureClass.UNKNOWN, Action.WAIT, "Wait.", app_id="app-1"))
    stored = read(rules.read_rules)
    assert [each.id for each in stored] == [second, first]
    assert (stored[1].rule.text, stored[1].rule.author, stored[0].rule.app_id) == ("timed out", "Ada", "app-1")
    desk.remove_rule(ADA, first)
    with pytest.raises(errors.OperationRefused, match="gone already"):
        desk.remove_rule(ADA, first)


def test_what_failed_before_there_were_groups_is_grouped_once(end, engines, writer, clock, read):
    rows = [end(TIMED_OUT), end(), end(NOT_FOUND), end(TIMED_OUT)]

    def forget(connection: sa.Connection) -> None:
        for table in ("failure", "failure_group", "failure_hour"):
            connection.exec_driver_sql(f"DELETE FROM {table}")

    writer.run(forget)
    regrouping = Regrouping(engines, writer, clock)
    rounds = 0
    while regrouping.is_unfinished():
        regrouping.regroup_next()
        rounds += 1
    assert counts(engines) == [("open", 2, 2), ("open", 1, 1)]
    assert read(groups.find_failure, rows[1]) is None
    assert not Regrouping(engines, writer, clock).is_unfinished(), "after a restart too"
    assert read(notes.read, notes.FINGERPRINTS).document["until"] is None
    assert rounds == 1


def test_groups_count_what_there_is(end, desk, read):
    rows = [end(TIMED_OUT) for _ in range(4)] + [end(NOT_FOUND)]
    desk.resolve(ADA, rows[:2])
    end(replay_of=rows[2])
    counted = read(count_again)
    assert sorted(counted.values()) == [(1, 1), (4, 1)]
    assert {
        name: (group.number, group.open_number) for name, group in read(failures.find_groups, counted.keys()).items()
    } == counted
