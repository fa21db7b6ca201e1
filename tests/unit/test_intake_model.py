"""News of executions in any interleaving, against a small Lamina that holds the truth: every row ends as it says.

The machine starts executions, lets Lamina go on with them, and asks for news that tell of one moment and arrive at
another: start answers, reads, looks at the list, webhooks. After each step it checks what must always hold. At the
end all news come, the poller reads what it wants to read, and every row is compared with the truth.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import col

from lamina_core import intake, registration
from lamina_core.api import wire
from lamina_core.domain import (
    POLLED,
    TERMINAL,
    Absence,
    Execution,
    Generation,
    Kind,
    Origin,
    Registration,
    Report,
    Source,
    Status,
    Update,
    Verdict,
)
from lamina_core.store import executions, polls
from lamina_core.store.deliveries import UNKNOWN_EXECUTION, Arrival
from lamina_core.store.executions import Intent
from lamina_core.store.tables import PayloadTable
from lamina_core.triage import fingerprint
from tests.conftest import SettableClock
from tests.unit.conftest import count_again

EXAMPLES, STEPS = 150, 30
ROUNDS = 12  # of reads at the end, more than any execution needs
APP = "app-1"
FATES = ("answered", "lost", "never arrived")
WEBHOOKS = ("with token", "without token", "none")
ENDS = ("completed", "completed in part", "failed", "failed without a word", "cancelled")

_OUTPUTS = sa.select(col(PayloadTable.execution), col(PayloadTable.outputs))
_ROWS = sa.select(*executions.ROW).order_by(executions.ROW[0])


@dataclass
class Truth:
    """One execution as Lamina has it: what it would answer, from which instant on.

    `start` is the token of our own start, None where others started it; `webhook` says whether, and how, its webhooks
    come to us; `tells_end` whether its reports carry `completedAt`.
    """

    name: str
    start: str | None
    webhook: str
    tells_end: bool
    versions: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    has_ended: bool = False

    def at(self, moment: datetime) -> dict[str, Any] | None:
        found = [document for instant, document in self.versions if instant <= moment]
        return found[-1] if found else None

    @property
    def now(self) -> dict[str, Any]:
        return self.versions[-1][1]

    @property
    def token(self) -> str | None:
        return self.start if self.webhook == "with token" else None


@dataclass
class Posted:
    """A webhook that Lamina sends until it is taken, and as often as it likes after that."""

    truth: Truth
    document: dict[str, Any]
    times: int = 0


@dataclass(frozen=True)
class News:
    """An answer on its way: it tells of some moment from `began` on."""

    began: datetime
    take: Callable[[datetime], None]


class Machine(RuleBasedStateMachine):
    """Hands news to intake over a real store. Every rule moves the clock: no two instants are the same."""

    def __init__(self, engines, writer) -> None:
        super().__init__()
        self.engines, self.writer = engines, writer
        self.clock = SettableClock()
        self.truths: list[Truth] = []
        self.starts: dict[str, int] = {}  # rows of our own starts, by token
        self.lost: set[int] = set()  # those of them that were said to have got no answer
        self.settled: set[str] = set()  # tokens that a webhook has brought
        self.news: list[News] = []
        self.posted: list[Posted] = []
        self.taken = 0  # deliveries
        self.ended: set[int] = set()  # rows that were seen ended
        self.made = 0  # versions, so that no two have the same content
        self.seen: tuple[list[Execution], Sequence[sa.Row]] | None = None
        writer.run(forget)

    # What happens at Lamina

    def create(self, start: str | None, webhook: str, *, tells_end: bool) -> Truth:
        truth = Truth(f"e-{len(self.truths) + 1}", start, webhook, tells_end)
        self.truths.append(truth)
        self.become(truth, "queued")
        return truth

    def become(self, truth: Truth, status: str, ending: str = "") -> None:
        now, before = self.clock.now(), truth.now if truth.versions else {}
        self.made += 1
        document = {
            "executionId": truth.name,
            "workflowId": APP,
            "status": status,
            "outputs": [self.output(truth, place, status, ending) for place in range(2)],
            "errorMessage": f"It failed, reason {self.made}" if ending == "failed" else None,
            "createdAt": before.get("createdAt") or stamp(now),
            "startedAt": None if status == "queued" else before.get("startedAt") or stamp(now),
            "completedAt": stamp(now) if ending and truth.tells_end else None,
        }
        truth.versions.append((now, document))
        if ending and ending != "cancelled" and truth.webhook != "none":  # Lamina sends none for what was cancelled
            self.posted.append(Posted(truth, document))

    def output(self, truth: Truth, place: int, status: str, ending: str) -> dict[str, Any]:
        made = status == "completed" and (place == 0 or ending == "completed")
        broken = not made and ending not in {"", "cancelled"}
        return {
            "id": f"n-{place}",
            "label": f"Picture {place}",
            "type": "image" if made else "pending",
            "value": f"https://media.example.com/{truth.name}/{self.made}-{place}.png" if made else None,
            "status": "completed" if made else "error" if broken else "pending",
            "error": f"no picture {self.made}" if broken else None,
        }

    @precondition(lambda self: len(self.starts) < 3)
    @rule(
        fate=some.sampled_from(FATES),
        webhook=some.sampled_from(WEBHOOKS),
        tells_end=some.booleans(),
        late=some.booleans(),
    )
    def start_here(self, fate: str, webhook: str, tells_end: bool, late: bool) -> None:
        """An operator starts an execution; the answer may never come, or Lamina never hear of it."""
        began, token = self.tick(), f"token-{len(self.starts) + 1}"
        row = self.run(lambda connection: executions.insert_intent(connection, intent(token), began))
        self.starts[token] = row
        truth = None if fate == "never arrived" else self.create(token, webhook, tells_end=tells_end)
        answer = wire.report_from(truth.now) if truth and fate == "answered" else None

        def take(_: datetime) -> None:
            if answer is None:
                self.lose(row)
            else:
                self.apply([Update(Source.START, began, row, report=answer)])

        self.expect(News(began, take), late)

    @precondition(lambda self: len(self.truths) < 4)
    @rule(webhook=some.sampled_from(WEBHOOKS[1:]), tells_end=some.booleans())
    def start_elsewhere(self, webhook: str, tells_end: bool) -> None:
        self.tick()
        self.create(None, webhook, tells_end=tells_end)

    @precondition(lambda self: self.truths)
    @rule(who=some.integers(0, 3), ending=some.sampled_from(ENDS))
    def go_on(self, who: int, ending: str) -> None:
        """From the queue to an end; feedback has a completed one done again in place, with a webhook of its own."""
        self.tick()
        truth = pick(self.truths, who)
        if truth.now["status"] == "queued":
            self.become(truth, "running")
        elif truth.now["status"] == "running":
            self.end(truth, ending)
        elif truth.now["status"] == "completed" and truth.webhook != "none":  # else nobody would tell us
            self.become(truth, "running")

    def end(self, truth: Truth, ending: str) -> None:
        ending = "completed" if truth.has_ended else ending
        truth.has_ended = True
        self.become(truth, ending.partition(" ")[0], ending)

    # What is asked

    def expect(self, news: News, late: bool) -> None:
        if late:
            self.news.append(news)
        else:
            news.take(news.began)

    @precondition(lambda self: self.rows(named=True))
    @rule(which=some.integers(0, 5), late=some.booleans())
    def ask(self, which: int, late: bool) -> None:
        """The poller, or an operator, reads an execution."""
        began, row = self.tick(), pick(self.rows(named=True), which)
        self.expect(News(began, lambda moment: self.read(row, began, moment)), late)

    def read(self, row: Execution, began: datetime, moment: datetime) -> None:
        (truth,) = [truth for truth in self.truths if truth.name == row.execution_id]
        self.apply_polls({row.execution_id: row.id}, [wire.report_from(truth.at(moment))], began)

    @precondition(lambda self: self.rows(named=True))
    @rule(late=some.booleans())
    def sweep(self, late: bool) -> None:
        """The poller looks at the list for all that is open."""
        began = self.tick()
        wanted = {row.execution_id: row.id for row in self.rows(named=True) if row.status in POLLED}
        self.expect(News(began, lambda moment: self.apply_polls(wanted, self.listed(moment), began)), late)

    @precondition(lambda self: self.truths)
    @rule(late=some.booleans())
    def import_listed(self, late: bool) -> None:
        """All that is in the list is taken in, whoever started it."""
        began = self.tick()

        def take(moment: datetime) -> None:
            self.take_in(self.listed(moment), Origin.IMPORTED, began)

        self.expect(News(began, take), late)

    @precondition(lambda self: self.truths)
    @rule(who=some.integers(0, 3), late=some.booleans())
    def adopt(self, who: int, late: bool) -> None:
        """An execution is read by its id and taken in: an operator pasted it, or a webhook named it."""
        began, truth = self.tick(), pick(self.truths, who)

        def take(moment: datetime) -> None:
            self.take_in([wire.report_from(truth.at(moment))], Origin.WEBHOOK, began)

        self.expect(News(began, take), late)

    def listed(self, moment: datetime) -> list[Report]:
        listed = [document for truth in self.truths if (document := truth.at(moment))]
        return [wire.report_from({name: row[name] for name in row if name != "outputs"}) for row in listed]

    # What arrives

    @precondition(lambda self: self.news)
    @rule(which=some.integers(0, 5), moment=some.integers(0, 5))
    def arrive(self, which: int, moment: int) -> None:
        """An answer arrives that tells of a moment between the question and now."""
        self.tick()
        news = self.news.pop(which % len(self.news))
        changes = {instant for truth in self.truths for instant, _ in truth.versions if instant > news.began}
        news.take(pick([news.began, *sorted(changes)], moment))

    @precondition(lambda self: self.posted)
    @rule(
        which=some.lists(some.integers(0, 5), min_size=1, max_size=3),
        stripped=some.lists(some.booleans(), min_size=3, max_size=3),
    )
    def deliver(self, which: list[int], stripped: list[bool]) -> None:
        """Webhooks arrive together, late, again, in any order; `stripped` ones have lost the token on their way."""
        now = self.tick()
        posted = [pick(self.posted, each) for each in which]
        tokens = [None if strip else each.truth.token for each, strip in zip(posted, stripped, strict=False)]
        arrivals = [arrival(each, token, now) for each, token in zip(posted, tokens, strict=True)]
        self.seen = None
        stored = self.writer.submit_items(
            lambda connection, items: intake.take_deliveries(connection, items, now), arrivals
        )
        assert [each for each in stored.result() if isinstance(each, Exception)] == []
        self.taken += len(arrivals)
        self.settled |= {token for token in tokens if token}
        for each in posted:
            each.times += 1

    @precondition(lambda self: self.truths)
    @rule(who=some.integers(0, 3), inputs=some.sampled_from([None, {"Prompt": "a fox"}]))
    def register(self, who: int, inputs: dict | None) -> None:
        """A backend tells us of an execution that it started, or believes it started."""
        now = self.tick()
        told = [Registration(pick(self.truths, who).name, APP, Origin.REGISTERED, inputs)]
        self.run(lambda connection: registration.register(connection, told, "backend", Generation.RUNS, now))

    @precondition(lambda self: self.starts)
    @rule(which=some.integers(0, 2))
    def expire(self, which: int) -> None:
        """A start has waited too long for its answer, which may come all the same."""
        self.tick()
        self.lose(pick(list(self.starts.values()), which))

    @precondition(lambda self: self.unsettled())
    @rule(which=some.integers(0, 2))
    def link(self, which: int) -> None:
        """An operator says which execution a start has become; it is read first."""
        began = self.tick()
        row, truth = pick(self.unsettled(), which)
        self.apply([Update(Source.OPERATOR, began, row, report=wire.report_from(truth.now))])

    @rule(seconds=some.sampled_from([3, 10, 60]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # The end

    def teardown(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Let all news arrive and the poller read what is due; then every row must be as the truth."""
        for truth in self.truths:
            if truth.has_ended and truth.now["status"] == "running":
                self.tick()
                self.end(truth, "completed")
        while self.news:
            self.arrive(0, 0)
            self.check()
        for place, posted in enumerate(self.posted):
            if not posted.times:
                self.deliver([place], [False])
                self.check()
        self.adopt_unclaimed()
        while self.unsettled():
            self.link(0)
            self.check()
        self.poll()
        self.compare()

    def adopt_unclaimed(self) -> None:
        """Read what webhooks name that belong to nothing here, the oldest first, as the chore does."""
        for _ in range(ROUNDS):
            unclaimed = [each.request_id for each in self.deliveries() if each.reason == UNKNOWN_EXECUTION]
            if not unclaimed:
                return
            self.adopt([truth.name for truth in self.truths].index(unclaimed[0]), late=False)
            self.check()
        pytest.fail(f"asked for again and again: {unclaimed}")

    def poll(self) -> None:
        """Read what is due until only open executions are, each of which was read."""
        read: set[int] = set()
        for _ in range(ROUNDS):
            due = [row for row in self.rows() if row.next_poll_at is not None]
            if not [row for row in due if row.status in TERMINAL or row.id not in read]:
                return
            for row in due:
                self.clock.instant = max(self.clock.instant, row.next_poll_at)
                began = self.tick()
                self.read(row, began, began)
                self.check()
            read |= {row.id for row in due}
        pytest.fail(f"read again and again: {due}")

    def compare(self) -> None:
        rows = {row.execution_id: row for row in self.rows(named=True)}
        expected = {truth.name for truth in self.truths if truth.start} | {each.truth.name for each in self.posted}
        assert rows.keys() >= expected, "an execution is missing"
        for truth in self.truths:
            if truth.name in rows:
                row, report = rows[truth.name], wire.report_from(truth.now)
                with self.engines.reading() as connection:
                    outputs = executions.find_payload(connection, row.id).outputs
                told = (row.status, row.completed_at, row.error_message, outputs)
                assert told == (report.status, report.completed_at, reason(truth.now), report.outputs), truth.name
                assert row.started_at == report.started_at, truth.name
                assert truth.start or row.created_at == report.created_at, truth.name

    # What must always hold

    @invariant()
    def check(self) -> None:
        rows = self.rows()
        named = {row.execution_id: row.id for row in rows if row.execution_id is not None}
        assert len(named) == len(self.rows(named=True)), "two rows of one execution"
        ended = {row.id for row in rows if row.status in TERMINAL}
        taken_back = self.ended.intersection(row.id for row in rows) - ended
        assert not taken_back, f"ended before, and open again: {taken_back}"
        self.ended = ended
        asleep = [row for row in rows if row.status in POLLED and row.next_poll_at is None]
        assert asleep == [], "open, and nobody will read it again"
        self.check_starts({row.id: row for row in rows})
        assert len(self.deliveries()) == self.taken, "a delivery is missing"
        astray = [each for each in self.deliveries() if each.execution != named.get(each.request_id)]
        assert astray == [], "deliveries that are not linked to the row of their execution"
        self.check_failures(rows)

    def check_starts(self, rows: dict[int, Execution]) -> None:
        names = {truth.start: truth.name for truth in self.truths}
        for token, row_id in self.starts.items():
            row = rows[row_id]  # a start keeps its row, whatever else is merged into it
            wanted = {names.get(token)} if token in self.settled else {names.get(token), None}
            assert row.execution_id in wanted, "a start is not linked to its execution"
            assert row.status is not Status.START_UNCONFIRMED or row_id in self.lost, "its answer was never lost"

    # Small things

    def tick(self) -> datetime:
        return self.clock.advance(1)

    def run(self, work):
        self.seen = None
        return self.writer.run(work)

    def apply(self, updates: list[Update]) -> None:
        now = self.clock.now()
        self.run(lambda connection: intake.apply_updates(connection, updates, now))

    def lose(self, row: int) -> None:
        self.lost.add(row)
        lost = Update(Source.START, self.clock.now(), row, absence=Absence.START_LOST, reason="no answer")
        self.apply([lost])

    def apply_polls(self, wanted: dict[str, int], reports: list[Report], began: datetime) -> None:
        """Store what the poller has read of rows by their ids, as it does."""
        now = self.clock.now()
        told = [report for report in reports if report.execution_id in wanted]
        updates = [Update(Source.POLL, began, wanted[report.execution_id], report=report) for report in told]

        def work(connection: sa.Connection) -> None:
            polls.record(connection, [update.execution for update in updates], now, None)
            intake.apply_updates(connection, updates, now)

        self.run(work)

    def take_in(self, reports: list[Report], origin: Origin, began: datetime) -> None:
        now, generation = self.clock.now(), Generation.RUNS
        self.run(
            lambda connection: registration.take_in(connection, reports, origin, "somebody", began, generation, now)
        )

    def unsettled(self) -> list[tuple[int, Truth]]:
        """Return the starts that an operator may settle, and what became of them."""
        lost = {row.id for row in self.rows() if row.status is Status.START_UNCONFIRMED}
        began = {truth.start: truth for truth in self.truths}
        return [(row, began[token]) for token, row in self.starts.items() if row in lost and token in began]

    def check_failures(self, rows: Sequence[Execution]) -> None:
        """What failed is in the group of its cause, and groups and hours count what there is."""
        with self.engines.reading() as connection:
            outputs = {row_id: tuple(made or ()) for row_id, made in connection.execute(_OUTPUTS)}
            failed = connection.exec_driver_sql("SELECT execution, fingerprint FROM failure")
            kept = {row.execution: row.fingerprint for row in failed}
            counted = count_again(connection)
            groups = connection.exec_driver_sql("SELECT fingerprint, number, open_number FROM failure_group").all()
            hours = connection.exec_driver_sql("SELECT fingerprint, sum(number) FROM failure_hour GROUP BY 1").all()
        causes = {
            row.id: fingerprint.find_cause(row.app_id, row.status, row.error_message, outputs[row.id]) for row in rows
        }
        assert kept == {row_id: cause.fingerprint for row_id, cause in causes.items() if cause}
        assert {name: (number, opened) for name, number, opened in groups if number} == counted
        assert {name: number for name, number in hours if number} == {name: both[0] for name, both in counted.items()}

    def rows(self, *, named: bool = False) -> list[Execution]:
        return [row for row in self.look()[0] if row.execution_id is not None or not named]

    def deliveries(self) -> Sequence[sa.Row]:
        return self.look()[1]

    def look(self) -> tuple[list[Execution], Sequence[sa.Row]]:
        if self.seen is None:
            with self.engines.reading() as connection:
                rows = [executions.execution_from(row) for row in connection.execute(_ROWS)]
                self.seen = rows, connection.exec_driver_sql("SELECT * FROM delivery ORDER BY id").all()
        return self.seen


def pick(choices: Sequence[Any], which: int) -> Any:
    return choices[which % len(choices)]


def stamp(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def reason(document: dict[str, Any]) -> str | None:
    found = [document["errorMessage"], *(output["error"] for output in document["outputs"])]
    return next((text for text in found if text), None)


def intent(token: str) -> Intent:
    return Intent(
        token=token,
        app_id=APP,
        app_name="Portrait Studio",
        kind=Kind.IMAGE,
        generation=Generation.RUNS,
        inputs={"Prompt": "a fox"},
        chosen_outputs=(),
        origin=Origin.FORM,
        replay_of=None,
        started_by="Ada",
        webhook_expected=True,
    )


def arrival(posted: Posted, token: str | None, received: datetime) -> Arrival:
    body = json.dumps({"data": posted.document}).encode()
    return Arrival(
        received_at=received,
        verdict=Verdict.ACCEPTED,
        reason=None,
        answered=200,
        request_id=posted.truth.name,
        key_id="k",
        headers={},
        body=body,
        content_hash=hashlib.sha256(body).hexdigest(),
        start_token=token,
        report=wire.report_from(posted.document),
    )


def forget(connection: sa.Connection) -> None:
    for table in ("failure", "failure_group", "failure_hour", "event", "delivery", "execution_payload", "execution"):
        connection.exec_driver_sql(f"DELETE FROM {table}")


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def test_whatever_the_interleaving_every_row_ends_as_the_truth(engines, writer):
    run_state_machine_as_test(
        lambda: Machine(engines, writer),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
