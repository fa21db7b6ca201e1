"""What operators do about failures: look after them, resolve them, ignore a group, write notes, add advice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.domain import Event, Operator, Role
from lamina_core.starts import known_here, require
from lamina_core.store import events, executions, failures, resolutions, rules
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer
from lamina_core.triage.advice import Rule, check_rule
from lamina_core.triage.records import Failure, FailureGroup, GroupState, Triage

NOTE_LENGTH = 4_000  # signs
_TEXT_LENGTH = 300  # signs of a ticket's link or an assignee's name


class TriageDesk:
    """Acts on failures for operators; every act leaves a line in each execution's timeline."""

    def __init__(self, engines: Engines, writer: Writer, clock: Clock) -> None:
        self._engines = engines
        self._writer = writer
        self._clock = clock

    def acknowledge(self, operator: Operator, ids: Sequence[int]) -> int:
        """Take note of failures that are open, and return how many they were."""
        return self._change(
            operator,
            ids,
            "acknowledged",
            lambda failure: (
                replace(failure, triage=Triage.ACKNOWLEDGED, triage_by=operator.name)
                if failure.triage is Triage.OPEN
                else failure
            ),
        )

    def resolve(self, operator: Operator, ids: Sequence[int]) -> int:
        """Call failures resolved, and return how many were not before."""
        return self._change(
            operator,
            ids,
            "resolved",
            lambda failure: (
                failure
                if failure.triage is Triage.RESOLVED
                else replace(failure, triage=Triage.RESOLVED, triage_by=operator.name)
            ),
        )

    def reopen(self, operator: Operator, ids: Sequence[int]) -> int:
        """Open failures again, and return how many were not open."""
        return self._change(
            operator,
            ids,
            "reopened",
            lambda failure: replace(failure, triage=Triage.OPEN, triage_by=None, resolved_by=None),
        )

    def assign(self, operator: Operator, ids: Sequence[int], assignee: str) -> int:
        """Say who looks after failures, an empty name for nobody, and return how many have changed."""
        name = _clean(assignee, _TEXT_LENGTH, "The name")
        return self._change(
            operator, ids, "assigned", lambda failure: replace(failure, assignee=name or None), {"to": name}
        )

    def set_ticket(self, operator: Operator, ids: Sequence[int], ticket: str) -> int:
        """Write where else failures are dealt with, a link or a number, and return how many have changed."""
        text = _clean(ticket, _TEXT_LENGTH, "The ticket")
        return self._change(
            operator, ids, "ticket_set", lambda failure: replace(failure, ticket=text or None), {"ticket": text}
        )

    def add_note(self, operator: Operator, ids: Sequence[int], text: str) -> int:
        """Write a note into the timelines of executions, failed or not, and return of how many."""
        require(operator, Role.OPERATOR)
        cleaned = _clean(text, NOTE_LENGTH, "The note")
        if not cleaned:
            raise errors.OperationRefused("Write the note first.")

        def work(connection: sa.Connection) -> int:
            for row_id in ids:
                known_here(executions.find(connection, row_id), row_id)
            now = self._clock.now()
            told = [Event(now, "note", operator.name, {"text": cleaned}, row_id) for row_id in ids]
            events.append_all(connection, told)
            return len(told)

        return self._writer.run(work)

    def acknowledge_group(self, operator: Operator, fingerprint: str) -> None:
        """Say that somebody looks after a group."""
        self._change_group(operator, fingerprint, "group_acknowledged", GroupState.ACKNOWLEDGED)

    def reopen_group(self, operator: Operator, fingerprint: str) -> None:
        """Show a group again that was resolved, ignored or looked after; what resolving it closed is open again."""
        require(operator, Role.OPERATOR)

        def work(connection: sa.Connection) -> None:
            group, now = _find_group(connection, fingerprint), self._clock.now()
            if group.state is GroupState.RESOLVED and group.state_at is not None:
                resolutions.reopen_all(connection, fingerprint, group.state_at, operator.name, now)
                group = _find_group(connection, fingerprint)
            failures.write_group(connection, _in_state(group, GroupState.OPEN, operator, now))
            events.append(connection, Event(now, "group_reopened", operator.name, {"fingerprint": fingerprint}))

        self._writer.run(work)

    def ignore_group(
        self, operator: Operator, fingerprint: str, *, until: datetime | None = None, failures_more: int | None = None
    ) -> None:
        """Hide a group until an instant, or until so many more have failed, or for good."""
        if until is not None and until <= self._clock.now():
            raise errors.OperationRefused("That time is over. Choose a later one.")
        if failures_more is not None and failures_more < 1:
            raise errors.OperationRefused("Ignore it until at least one more has failed.")
        self._change_group(
            operator, fingerprint, "group_ignored", GroupState.IGNORED, until=until, failures_more=failures_more
        )

    def resolve_group(self, operator: Operator, fingerprint: str) -> int:
        """Resolve a group and every failure in it that is open, and return how many were; one more opens it again."""
        require(operator, Role.OPERATOR)

        def work(connection: sa.Connection) -> int:
            now = self._clock.now()
            number = resolutions.resolve_all(connection, fingerprint, operator.name, now)
            group = _find_group(connection, fingerprint)
            failures.write_group(connection, _in_state(group, GroupState.RESOLVED, operator, now))
            detail = {"fingerprint": fingerprint, "failures": number}
            events.append(connection, Event(now, "group_resolved", operator.name, detail))
            return number

        return self._writer.run(work)

    def add_rule(self, operator: Operator, rule: Rule) -> int:
        """Add advice on an error and return its id; asked before the advice that is built in."""
        require(operator, Role.ADMIN)
        check_rule(rule)

        def work(connection: sa.Connection) -> int:
            now = self._clock.now()
            rule_id = rules.add_rule(connection, rule, operator.name, now)
            detail = {"rule": rule_id, "text": rule.text, "class": rule.failure_class}
            events.append(connection, Event(now, "advice_added", operator.name, detail))
            return rule_id

        return self._writer.run(work)

    def remove_rule(self, operator: Operator, rule_id: int) -> None:
        """Take out advice that was added."""
        require(operator, Role.ADMIN)

        def work(connection: sa.Connection) -> None:
            if not rules.remove_rule(connection, rule_id):
                raise errors.OperationRefused("That advice is gone already.")
            events.append(connection, Event(self._clock.now(), "advice_removed", operator.name, {"rule": rule_id}))

        self._writer.run(work)

    def _change(
        self,
        operator: Operator,
        ids: Sequence[int],
        kind: str,
        change: Callable[[Failure], Failure],
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Change failures by their executions' ids; those that are as wanted already are left alone."""
        require(operator, Role.OPERATOR)

        def work(connection: sa.Connection) -> int:
            known = failures.lock(connection, ids)
            if not known:
                raise errors.OperationRefused("None of these executions has failed.")
            now = self._clock.now()
            changed = [(each, change(each)) for each in known.values() if change(each) != each]
            dated = [new if new.triage is old.triage else replace(new, triage_at=now) for old, new in changed]
            failures.write(connection, [old for old, _ in changed], dated, now)
            told = [Event(now, kind, operator.name, detail or {}, each.execution) for each, _ in changed]
            events.append_all(connection, told)
            return len(changed)

        return self._writer.run(work)

    def _change_group(
        self,
        operator: Operator,
        fingerprint: str,
        kind: str,
        state: GroupState,
        *,
        until: datetime | None = None,
        failures_more: int | None = None,
    ) -> None:
        require(operator, Role.OPERATOR)

        def work(connection: sa.Connection) -> None:
            group, now = _find_group(connection, fingerprint), self._clock.now()
            limit = failures_more and group.number + failures_more
            failures.write_group(
                connection,
                replace(_in_state(group, state, operator, now), ignored_until=until, ignored_limit=limit),
            )
            events.append(connection, Event(now, kind, operator.name, {"fingerprint": fingerprint}))

        self._writer.run(work)


def _find_group(connection: sa.Connection, fingerprint: str) -> FailureGroup:
    found = failures.find_groups(connection, {fingerprint}, for_update=True)
    if fingerprint not in found:
        raise errors.OperationRefused("There is no such group of failures in this store.")
    return found[fingerprint]


def _in_state(group: FailureGroup, state: GroupState, operator: Operator, now: datetime) -> FailureGroup:
    return replace(
        group,
        state=state,
        state_by=operator.name,
        state_at=now,
        ignored_until=None,
        ignored_limit=None,
        reopened_at=None,
    )


def _clean(text: str, length: int, what: str) -> str:
    cleaned = text.replace("\x00", "").strip()
    if len(cleaned) > length:
        raise errors.OperationRefused(f"{what} is longer than {length:,} signs. Shorten it.")
    return cleaned
