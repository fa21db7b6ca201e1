"""Executions that nobody told us of: adopted after a read with our own key, or taken in from Lamina's list."""

import hashlib
import json
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from lamina_core import errors, intake, registration
from lamina_core.adoption import Adoption
from lamina_core.api import wire
from lamina_core.api.client import LaminaClient
from lamina_core.config import Secret
from lamina_core.domain import Generation, Origin, Registration, Status, Verdict
from lamina_core.polling.budget import Budget
from lamina_core.polling.poller import Poller
from lamina_core.store import events, executions, notes, polls
from lamina_core.store.deliveries import Arrival

KEY = "lma_our_own_key"
SETTLED = 5.001  # seconds after which a webhook for an unknown id is looked into
REST = 301.0  # seconds after which Lamina is asked again for one that it did not answer for


def report(name: str, status: str = "completed", created: str = "2026-03-14T09:00:00Z", **more) -> dict:
    output = {"id": "n", "label": "Picture", "type": "image", "status": "completed", "value": f"made for {name}"}
    ended = {"outputs": [output], "completedAt": "2026-03-14T09:00:30Z"} if status == "completed" else {"outputs": []}
    return {"runId": name, "workflowId": "app-1", "status": status, "createdAt": created} | ended | more


class Lamina:
    """Knows the executions of our workspace, and remembers what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, dict] = {}
        self.refusals: dict[str, Callable[[], httpx.Response]] = {}
        self.asked: list[str] = []
        self.pages: list[int] = []
        self.since: list[datetime] = []
        self.before_list: Callable[[], object] = lambda: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-api-key"] == KEY
        name = request.url.path.rpartition("/")[2]
        if name == "runs":
            return self.list(request.url.params)
        self.asked.append(name)
        if name in self.refusals:
            return self.refusals[name]()
        if name not in self.known:
            return httpx.Response(404, json={"error": "Run not found", "code": "NOT_FOUND"})
        return httpx.Response(200, json={"data": self.known[name]})

    def list(self, asked: httpx.QueryParams) -> httpx.Response:
        self.before_list()
        offset, since = int(asked["offset"]), datetime.fromisoformat(asked["since"])
        self.pages.append(offset)
        self.since.append(since)
        young = [each for each in self.known.values() if datetime.fromisoformat(each["createdAt"]) >= since]
        young.sort(key=lambda each: each["createdAt"], reverse=True)
        rows = [{key: value for key, value in each.items() if key != "outputs"} for each in young]
        page = rows[offset : offset + int(asked["limit"])]
        return httpx.Response(200, json={"data": page, "pagination": {"total": len(rows)}})


class Desk:
    """Adoption on a real store, against a Lamina whose answers a test decides."""

    def __init__(self, engines, writer, clock) -> None:
        self.engines, self.writer, self.clock, self.lamina = engines, writer, clock, Lamina()
        self.budget = Budget(6_000, clock)
        self.client = LaminaClient(
            base_url="https://lamina.example.com",
            api_key=Secret(KEY),
            generation=Generation.RUNS,
            clock=clock,
            rng=random.Random(1),
            may_repeat=lambda: False,
            inner=httpx.MockTransport(self.lamina),
        )
        self.shared = {"engines": engines, "writer": writer, "client": self.client, "clock": clock}
        self.adoption = self.open()

    def open(self) -> Adoption:
        return Adoption(**self.shared, budget=self.budget, generation=Generation.RUNS)

    def arrival(self, name: str, status: str = "completed") -> Arrival:
        body = json.dumps({"data": report(name, status)}).encode()
        return Arrival(
            received_at=self.clock.now(),
            verdict=Verdict.ACCEPTED,
            reason=None,
            answered=200,
            request_id=name,
            key_id="k",
            headers={},
            body=body,
            content_hash=hashlib.sha256(body).hexdigest(),
            start_token=None,
            report=wire.report_from(wire.data_of(json.loads(body))),
        )

    def deliver(self, *names: str, status: str = "completed") -> None:
        came = [self.arrival(name, status) for name in names]
        self.writer.run(lambda connection: intake.take_deliveries(connection, came, self.clock.now()))

    def register(self, name: str) -> None:
        given = [Registration(name, "app-1", Origin.REGISTERED, {"Prompt": "a fox"}, None, "ORDER-1")]
        now = self.clock.now()
        self.writer.run(lambda connection: registration.register(connection, given, "Bo", Generation.RUNS, now))

    def go(self) -> list[str]:
        """Do what the poller's chore does, and return what Lamina was asked for."""
        before = len(self.lamina.asked)
        if self.adoption.is_any_waiting():
            self.adoption.adopt_next()
        return self.lamina.asked[before:]

    def rows(self) -> dict:
        with self.engines.reading() as connection:
            ids = list(connection.execute(sa.text("SELECT id FROM execution")).scalars())
            return {row.execution_id: row for row in (executions.find(connection, row_id) for row_id in ids)}

    def reasons(self) -> list[tuple[int | None, str | None]]:
        with self.engines.reading() as connection:
            return [tuple(row) for row in connection.execute(sa.text("SELECT execution, reason FROM delivery"))]

    def note(self) -> dict:
        with self.engines.reading() as connection:
            return dict(notes.read(connection, notes.IMPORTED).document)

    def know(self, number: int, *, second: float = -60, status: str = "running") -> None:
        """Let Lamina have more executions, one a millisecond from this second on."""
        for place in range(number):
            created = self.clock.now() + timedelta(seconds=second, milliseconds=place)
            name = f"e-{len(self.lamina.known)}"
            self.lamina.known[name] = report(name, status, created.isoformat().replace("+00:00", "Z"))


@pytest.fixture
def desk(engines, writer, clock):
    opened = Desk(engines, writer, clock)
    yield opened
    opened.client.close()


def test_an_unknown_execution_is_adopted_after_a_read_with_our_own_key(desk):
    desk.lamina.known["e-1"] = report("e-1")
    desk.deliver("e-1")
    desk.clock.advance(SETTLED)
    assert desk.go() == ["e-1"]
    row = desk.rows()["e-1"]
    assert (row.status, row.app_id, row.origin, row.created_at.minute) == (Status.COMPLETED, "app-1", "webhook", 0)
    assert desk.reasons() == [(row.id, None)]
    with desk.engines.reading() as connection:
        kept = executions.find_payload(connection, row.id)
        told = [(event.kind, event.actor) for event in events.of_execution(connection, row.id)][::-1]
    assert (kept.inputs, kept.outputs[0]["value"]) == (None, "made for e-1"), "nobody told us the inputs"
    assert told == [("webhook", "delivery"), ("status", "delivery")]
    assert desk.go() == []


def test_what_is_not_of_our_workspace_stays_so_and_is_never_asked_for_again(desk):
    desk.deliver("e-1", status="running")
    desk.deliver("e-1")
    desk.clock.advance(SETTLED)
    assert desk.go() == ["e-1"]
    desk.clock.advance(10 * REST)
    desk.deliver("e-1")  # Lamina sends it again
    desk.clock.advance(SETTLED)
    assert (desk.go(), desk.open().is_any_waiting()) == ([], False)
    assert desk.rows() == {}
    refused = (None, "not_of_this_workspace")
    assert desk.reasons() == [refused, refused, (None, "duplicate")]


def test_what_was_not_ours_when_asked_is_still_there_for_who_registers_it(desk):
    desk.deliver("e-1")
    desk.clock.advance(SETTLED)
    desk.go()
    desk.register("e-1")
    row = desk.rows()["e-1"]
    assert (row.status, desk.reasons()) == (Status.COMPLETED, [(row.id, None)])


def cut() -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


@pytest.mark.parametrize(
    "answer",
    [
        cut,
        lambda: httpx.Response(401, json={"error": "Invalid API key"}),
        lambda: httpx.Response(429, json={"error": "slow down"}),
        lambda: httpx.Response(500, json={"error": "broken"}),
        lambda: httpx.Response(200, text="<html>"),
        lambda: httpx.Response(200, json={"data": report("e-2")}),
    ],
    ids=["no answer", "401", "429", "500", "html", "another execution"],
)
def test_an_answer_that_tells_nothing_is_asked_for_again_later(desk, answer):
    desk.lamina.refusals["e-1"] = answer
    desk.deliver("e-1")
    desk.clock.advance(SETTLED)
    with pytest.raises(errors.ApiError):
        desk.go()
    assert (desk.rows(), desk.reasons(), desk.go()) == ({}, [(None, "unknown_execution")], [])
    desk.clock.advance(REST)
    del desk.lamina.refusals["e-1"]
    desk.lamina.known["e-1"] = report("e-1")
    assert desk.go() == ["e-1"]
    assert desk.rows()["e-1"].status is Status.COMPLETED


def test_one_that_lamina_does_not_answer_for_holds_up_no_other(desk):
    desk.lamina.refusals["e-1"] = cut
    desk.lamina.known["e-2"] = report("e-2")
    desk.deliver("e-1", "e-2")
    desk.clock.advance(SETTLED)
    with pytest.raises(errors.ApiUnreachable):
        desk.go()
    assert desk.go() == ["e-2"]


def test_an_id_that_lamina_calls_invalid_is_nobody_s(desk):
    desk.lamina.refusals["e-1"] = lambda: httpx.Response(400, json={"error": "not an id"})
    desk.deliver("e-1")
    desk.clock.advance(SETTLED)
    assert desk.go() == ["e-1"]
    assert desk.reasons() == [(None, "not_of_this_workspace")]


def test_nothing_is_asked_where_nothing_waits(desk):
    desk.register("e-1")
    desk.deliver("e-1")
    desk.clock.advance(REST)
    assert desk.adoption.is_any_waiting() is False
    desk.adoption.adopt_next()
    assert desk.lamina.asked == []


def test_a_start_s_answer_has_five_seconds_to_come_before_its_webhook_is_looked_into(desk):
    desk.deliver("e-1")
    desk.clock.advance(5.0)
    assert desk.adoption.is_any_waiting() is False
    desk.adoption.adopt_next()
    desk.register("e-1")  # here it comes
    desk.clock.advance(1.0)
    assert (desk.go(), desk.reasons()[0][1]) == ([], None)


def test_one_go_asks_for_one_execution_the_oldest(desk):
    desk.lamina.known |= {name: report(name) for name in ("e-1", "e-2", "e-3")}
    for name in ("e-2", "e-3", "e-1"):
        desk.deliver(name)
        desk.clock.advance(1)
    desk.clock.advance(SETTLED)
    assert [desk.go() for _ in range(4)] == [["e-2"], ["e-3"], ["e-1"], []]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_a_webhook_that_another_process_took_while_ours_registered_is_claimed(desk):
    with desk.engines.write.connect() as other, other.begin():
        intake.take_deliveries(other, [desk.arrival("e-1")], desk.clock.now())
        desk.register("e-1")  # neither sees what the other has not committed
    desk.lamina.known["e-1"] = report("e-1")
    asked = []
    for _ in range(3):
        desk.clock.advance(REST)
        asked += desk.go()
    assert asked == ["e-1"]
    assert desk.reasons() == [(desk.rows()["e-1"].id, None)]


def test_the_first_import_takes_in_the_last_day_and_the_next_what_came_since(desk):
    began = desk.clock.now()
    desk.know(3, second=-86_000)
    desk.know(1, second=-90_000)
    desk.adoption.import_listed()
    assert set(desk.rows()) == {"e-0", "e-1", "e-2"}
    assert {row.origin for row in desk.rows().values()} == {"imported"}
    assert desk.note() == {"until": began.isoformat(), "offset": 0}
    desk.clock.advance(60)
    desk.know(1)
    desk.adoption.import_listed()
    assert (len(desk.rows()), desk.lamina.pages) == (4, [0, 0])
    overlap = timedelta(minutes=5)
    assert desk.lamina.since == [began - timedelta(hours=24) - overlap, began - overlap]


def test_what_is_here_already_is_left_as_it_is_and_no_inputs_are_made_up(desk):
    desk.know(2)
    desk.register("e-0")
    for _ in range(2):
        desk.adoption.import_listed()
    rows = desk.rows()
    assert (len(rows), rows["e-0"].origin, rows["e-0"].reference) == (2, "registered", "ORDER-1")
    with desk.engines.reading() as connection:
        inputs = [executions.find_payload(connection, rows[name].id).inputs for name in ("e-0", "e-1")]
    assert inputs == [{"Prompt": "a fox"}, None]


def test_a_long_list_is_taken_in_page_by_page_over_several_goes(desk):
    desk.know(620, second=-7_200)
    desk.adoption.import_listed()
    assert (desk.lamina.pages, len(desk.rows()), desk.note()["offset"]) == ([0, 100, 200, 300, 400], 500, 500)
    desk.clock.advance(15)
    desk.open().import_listed()  # after a restart, too
    assert (desk.lamina.pages[5:], len(desk.rows()), desk.note()["offset"]) == ([500, 600], 620, 0)
    assert len(set(desk.lamina.since)) == 1, "the offset counts from one instant"


def test_a_page_that_is_exactly_full_is_followed_by_an_empty_one(desk):
    desk.know(100)
    desk.adoption.import_listed()
    assert (desk.lamina.pages, desk.note()["offset"]) == ([0, 100], 0)


def test_an_import_stops_where_the_budget_does_and_goes_on_there(desk):
    desk.know(350)
    while desk.budget.take_poll():
        pass
    desk.clock.advance(0.015)  # one request comes free; the first page's own is spent by the poller
    desk.adoption.import_listed()
    assert (desk.lamina.pages, desk.note()["offset"]) == ([0, 100], 200)
    desk.adoption.import_listed()
    desk.clock.advance(60)
    desk.adoption.import_listed()
    assert desk.lamina.pages == [0, 100, 200, 300]
    assert len(desk.rows()) == 350


def test_a_page_that_fails_loses_none_of_those_before_it(desk):
    desk.know(250)

    def fail_third() -> None:
        if len(desk.lamina.pages) == 2:
            raise httpx.ReadTimeout("no answer")

    desk.lamina.before_list = fail_third
    with pytest.raises(errors.ApiUnreachable):
        desk.adoption.import_listed()
    assert len(desk.rows()) == 200
    desk.lamina.before_list = lambda: None
    desk.adoption.import_listed()
    assert len(desk.rows()) == 250


def test_what_came_while_a_long_list_was_taken_in_is_not_passed_over(desk):
    desk.know(620, second=-7_200)
    desk.adoption.import_listed()
    desk.know(1, second=60)  # one minute later it starts, at the head of the list
    desk.clock.advance(600)  # the poller was paused, or Lamina did not answer for ten minutes
    for _ in range(3):
        desk.adoption.import_listed()
        desk.clock.advance(15)
    assert "e-620" in desk.rows()


def test_a_row_that_has_ended_is_read_in_full_by_the_poller(desk, clock):
    desk.know(2, status="completed")
    desk.adoption.import_listed()
    row = desk.rows()["e-0"]
    assert (row.status, row.next_poll_at) == (Status.COMPLETED, clock.now())
    with desk.engines.reading() as connection:
        assert executions.find_payload(connection, row.id).outputs == (), "a list does not tell what was made"
        assert [each.ended for each in polls.due(connection, clock.now(), 10)] == [True, True]
    clock.advance(1)
    poller = Poller(holder="one", **desk.shared, budget=desk.budget)
    poller.step()
    poller.stop()
    for thread in [each for each in threading.enumerate() if each.name == "poll"]:
        thread.join(10)
    assert sorted(desk.lamina.asked) == ["e-0", "e-1"]
    with desk.engines.reading() as connection:
        assert executions.find_payload(connection, row.id).outputs[0]["value"] == "made for e-0"
    assert desk.rows()["e-0"].next_poll_at is None
