"""What operators do: the intent before the request, one start a token, no start twice, and a trace of all of it."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa

from lamina_core import errors, intake, starts
from lamina_core.api import transport, wire
from lamina_core.api.client import LaminaClient
from lamina_core.api.generations import Feature
from lamina_core.clock import SystemClock
from lamina_core.config import Secret
from lamina_core.domain import App, Generation, Kind, Operator, Origin, Parameter, Role, Source, Status, Update
from lamina_core.operations import DETAILS_FRESH, Operations
from lamina_core.polling.budget import Budget
from lamina_core.starts import START_ANSWER_LIMIT, StartRequest
from lamina_core.store import catalogue, events, executions, notes
from lamina_core.store.writer import Writer

ADA = Operator("Ada", Role.OPERATOR)
VIEWER = Operator("Vic", Role.VIEWER)
ADMIN = Operator("Eve", Role.ADMIN)
APP = App("app-1", "Portrait Studio", None, is_public=True)
TOKEN = "0123456789abcdef"
INPUTS = {"Prompt": "a fox", "Model  Ethnicity": "Standard ", "links": ["https://example.com/a b"], "n": 1.5}
HOOK = "https://desk.example.com/webhooks/lamina"


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def report(status="queued", **more) -> dict:
    data = {"workflowId": "app-1", "workflowName": "Portrait Studio", "status": status, "outputs": []}
    return data | {"executionId": "e-1", "runId": "e-1", "createdAt": "2026-03-14T09:00:00.000Z"} | more


class Lamina:
    """Answers as a test decides, and remembers what was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(
            202 if request.method == "POST" else 200, json={"data": report()}
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def say(self, status: int, **content) -> None:
        self.answer = lambda request: httpx.Response(status, **content)

    def fail(self, error: Exception) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            raise error

        self.answer = answer


class Desk:
    """Operations on a real store, and what a test wants to know of it."""

    def __init__(self, engines, writer, clock, generation: Generation) -> None:
        self.lamina, self.engines, self.writer, self.clock = Lamina(), engines, writer, clock
        self.budget = Budget(100, clock)
        self.client = LaminaClient(
            base_url="https://lamina.example.com",
            api_key=Secret("lma_test"),
            generation=generation,
            clock=clock,
            rng=random.Random(1),
            inner=httpx.MockTransport(self.lamina),
        )
        self.operations = Operations(
            engines=engines,
            writer=writer,
            client=self.client,
            budget=self.budget,
            clock=clock,
            generation=generation,
        )

    def start(self, *, token=TOKEN, operator=ADA, hook=HOOK, **changes) -> int:
        request = StartRequest(**{"token": token, "app": APP, "inputs": INPUTS} | changes)
        return self.operations.start(operator, request, hook)

    def row(self, row_id: int):
        with self.engines.reading() as connection:
            return executions.find(connection, row_id)

    def payload(self, row_id: int):
        with self.engines.reading() as connection:
            return executions.find_payload(connection, row_id)

    def timeline(self, row_id: int) -> list[tuple[str, str]]:
        with self.engines.reading() as connection:
            return [(event.kind, event.actor) for event in events.of_execution(connection, row_id)][::-1]

    def rows(self) -> int:
        with self.engines.reading() as connection:
            return connection.execute(sa.text("SELECT count(*) FROM execution")).scalar_one()


@pytest.fixture
def open_desk(engines, writer, clock):
    opened = []

    def open_(generation: Generation) -> Desk:
        opened.append(Desk(engines, writer, clock, generation))
        return opened[-1]

    yield open_
    for desk in opened:
        desk.client.close()


@pytest.fixture
def desk(open_desk) -> Desk:
    return open_desk(Generation.EXECUTIONS)


@pytest.fixture
def runs(open_desk) -> Desk:
    return open_desk(Generation.RUNS)


def test_the_intent_is_durable_before_the_request_leaves(desk, database_url):
    seen = []

    def look(request: httpx.Request) -> httpx.Response:
        other = sa.create_engine(database_url)
        with other.connect() as connection:
            found = connection.execute(sa.text("SELECT status, started_by FROM execution")).one()
            inputs = connection.execute(sa.text("SELECT inputs FROM execution_payload")).scalar_one()
        other.dispose()
        seen.append((*found, json.loads(inputs)))
        return httpx.Response(202, json={"data": report()})

    desk.lamina.answer = look
    row = desk.start()
    assert seen == [("starting", "Ada", INPUTS)]
    assert (desk.row(row).status, desk.row(row).execution_id) == (Status.QUEUED, "e-1")


def test_a_start_sends_the_inputs_untouched_and_its_token_in_the_webhook_url(desk):
    row = desk.start()
    (request,) = desk.lamina.requests
    assert (request.method, request.url.path) == ("POST", "/api/apps/app-1/executions")
    assert json.loads(request.content) == {"inputs": INPUTS}
    (webhook,) = parse_qs(urlsplit(str(request.url)).query)["webhook"]
    assert webhook == f"{HOOK}?start={TOKEN}"
    assert desk.row(row).webhook_expected
    assert desk.timeline(row) == [("started", "Ada"), ("status", "start")]


def test_without_an_address_of_ours_no_webhook_is_asked_for(desk):
    row = desk.start(hook=None)
    assert "webhook" not in str(desk.lamina.requests[0].url)
    assert not desk.row(row).webhook_expected


def test_the_same_token_twice_is_one_start(desk):
    assert desk.start() == desk.start()
    assert (len(desk.lamina.requests), desk.rows()) == (1, 1)


def test_the_same_token_with_other_inputs_is_refused_and_names_the_start(desk):
    row = desk.start()
    with pytest.raises(errors.OperationRefused, match=f"#{row}"):
        desk.start(inputs={"Prompt": "another"})
    assert (len(desk.lamina.requests), desk.rows()) == (1, 1)


def test_the_same_token_while_the_first_is_under_way_is_one_start(desk):
    again = []

    def double_click(request: httpx.Request) -> httpx.Response:
        again.append(desk.start())
        return httpx.Response(202, json={"data": report()})

    desk.lamina.answer = double_click
    assert [desk.start()] == again
    assert (len(desk.lamina.requests), desk.rows()) == (1, 1)


@pytest.mark.parametrize(
    "act",
    [
        lambda desk: desk.start(operator=VIEWER),
        lambda desk: desk.operations.replay(VIEWER, 1, TOKEN, None),
        lambda desk: desk.operations.cancel(VIEWER, 1),
        lambda desk: desk.operations.check(VIEWER, 1),
        lambda desk: desk.operations.pause_polling(VIEWER, paused=True),
        lambda desk: desk.operations.pause_polling(ADA, paused=True),
    ],
    ids=["start", "replay", "cancel", "check", "pause", "pause as operator"],
)
def test_who_may_not_is_refused_and_nothing_happens(desk, act):
    with pytest.raises(errors.OperationRefused, match="needs the role"):
        act(desk)
    assert (desk.lamina.requests, desk.rows(), desk.budget.spent_last_minute()) == ([], 0, 0)


@pytest.mark.parametrize(
    "inputs", [{"a": float("nan")}, {"a": [float("inf")]}, {"a": "\ud800"}, {"a": object()}, {"a": {1, 2}}]
)
def test_inputs_that_no_json_can_hold_are_refused_before_anything_is_recorded(desk, inputs):
    with pytest.raises(errors.OperationRefused, match="cannot be sent as JSON"):
        desk.start(inputs=inputs)
    assert (desk.lamina.requests, desk.rows()) == ([], 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_what_lamina_refuses_has_failed_to_start_with_the_reasons(desk, status):
    desk.lamina.say(status, json={"error": "Invalid inputs", "details": ['"Prompt": too short', "and more"]})
    row = desk.start()
    found = desk.row(row)
    assert (found.status, found.error_message, found.execution_id) == (Status.START_FAILED, "Invalid inputs", None)
    assert [(each["field"], each["message"]) for each in desk.payload(row).problems] == [
        ("Prompt", "too short"),
        (None, "and more"),
    ]
    assert desk.payload(row).inputs == INPUTS


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.ReadError("cut"),
        httpx.WriteError("cut"),
        httpx.RemoteProtocolError("Server disconnected"),
    ],
)
def test_a_start_whose_answer_was_lost_is_unconfirmed_and_not_sent_again(desk, error):
    desk.lamina.fail(error)
    row = desk.start()
    assert desk.row(row).status is Status.START_UNCONFIRMED
    assert len(desk.lamina.requests) == 1
    assert desk.row(row).next_poll_at is None


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, {"json": {"error": "broken"}}),
        (502, {"html": "<h1>Bad gateway</h1>"}),
        (503, {}),
        (202, {"content": b'{"data": {"execu', "headers": {"content-type": "application/json"}}),
        (202, {"json": {"data": {"status": "queued"}}}),
        (200, {"html": "<p>hello</p>"}),
        (302, {"headers": {"location": "https://example.com"}}),
    ],
)
def test_an_answer_that_does_not_tell_leaves_the_start_unconfirmed(desk, status, content):
    desk.lamina.say(status, **content)
    row = desk.start()
    assert desk.row(row).status is Status.START_UNCONFIRMED
    assert len(desk.lamina.requests) == 1


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")]
)
def test_a_request_that_never_left_has_failed_to_start(desk, error):
    desk.lamina.fail(error)
    assert desk.row(desk.start()).status is Status.START_FAILED


def test_a_used_up_budget_refuses_before_anything_is_recorded(desk, engines, writer, clock):
    scarce = Operations(
        engines=engines,
        writer=writer,
        client=desk.client,
        budget=Budget(10, clock),
        clock=clock,
        generation=Generation.EXECUTIONS,
    )
    for place in range(3):
        desk.lamina.say(202, json={"data": report(executionId=f"e-{place}")})
        scarce.start(ADA, StartRequest(f"t-{place}", APP, INPUTS), None)
    with pytest.raises(errors.OperationRefused, match="used up"):
        scarce.start(ADA, StartRequest(TOKEN, APP, INPUTS), None)
    assert (desk.rows(), len(desk.lamina.requests)) == (3, 3)


def test_a_store_that_takes_nothing_lets_no_request_leave(desk, engines, clock):
    stuck = Operations(
        engines=engines,
        writer=Writer(engines.write, SystemClock(), capacity=0),
        client=desk.client,
        budget=desk.budget,
        clock=clock,
        generation=Generation.EXECUTIONS,
    )
    with pytest.raises(errors.StoreBusy):
        stuck.start(ADA, StartRequest(TOKEN, APP, INPUTS), None)
    assert desk.lamina.requests == []


def test_chosen_outputs_need_a_generation_that_knows_them(desk, runs):
    with pytest.raises(errors.OperationRefused, match="LAMINA_API_GENERATION=runs"):
        desk.start(chosen_outputs=["Back"])
    assert desk.lamina.requests == []
    row = runs.start(chosen_outputs=["Back"])
    assert json.loads(runs.lamina.requests[0].content)["outputs"] == ["Back"]
    assert runs.payload(row).chosen_outputs == ("Back",)
    assert (runs.operations.supports(Feature.CANCEL), desk.operations.supports(Feature.CANCEL)) == (True, False)


def test_a_replay_sends_the_same_inputs_and_keeps_its_lineage(runs):
    original = runs.start(chosen_outputs=["Back"])
    runs.lamina.answer = lambda request: httpx.Response(202, json={"data": report(runId="e-2", executionId="e-2")})
    row = runs.operations.replay(Operator("Bob", Role.OPERATOR), original, "another", HOOK)
    found = runs.row(row)
    assert (found.origin, found.replay_of, found.started_by, found.app_name) == (
        Origin.REPLAY,
        original,
        "Bob",
        APP.name,
    )
    assert json.loads(runs.lamina.requests[1].content) == json.loads(runs.lamina.requests[0].content)
    assert "start%3Danother" in str(runs.lamina.requests[1].url)
    assert ("replayed", "Bob") in runs.timeline(original)
    assert runs.operations.replay(ADA, original, "another", HOOK) == row, "the same token is the same replay"


def test_a_replay_on_a_generation_without_choice_makes_all_outputs(runs, desk):
    original = runs.start(chosen_outputs=["Back"])
    desk.lamina.answer = lambda request: httpx.Response(202, json={"data": report(executionId="e-2")})
    desk.operations.replay(ADA, original, "another", None)
    assert "outputs" not in json.loads(desk.lamina.requests[0].content)


def test_a_replay_of_a_known_app_is_polled_as_that_app_is(desk):
    original = desk.start()
    film = App("app-1", "Portrait Studio", None, is_public=True, produces=("video",))
    desk.writer.run(lambda connection: catalogue.put(connection, film, desk.clock.now()))
    desk.lamina.answer = lambda request: httpx.Response(202, json={"data": report(executionId="e-2")})
    assert desk.row(desk.operations.replay(ADA, original, "another", None)).kind == "video"


@pytest.mark.parametrize("act", ["replay", "cancel", "check"])
def test_what_the_store_does_not_know_is_refused(desk, act):
    arguments = ("t", None) if act == "replay" else ()
    with pytest.raises(errors.OperationRefused, match="There is no execution 99"):
        getattr(desk.operations, act)(ADA, 99, *arguments)


def test_a_replay_without_its_inputs_is_refused(desk):
    row = desk.start()
    desk.writer.run(lambda connection: connection.exec_driver_sql("DELETE FROM execution_payload").close())
    with pytest.raises(errors.OperationRefused, match="inputs of this execution are not known"):
        desk.operations.replay(ADA, row, "another", None)


def test_a_cancel_is_asked_for_read_back_and_traced(runs):
    row = runs.start()
    runs.lamina.answer = lambda request: httpx.Response(200, json={"data": report("cancelled")})
    runs.operations.cancel(ADA, row)
    assert [request.url.path for request in runs.lamina.requests[1:]] == ["/v1/runs/e-1/cancel", "/v1/runs/e-1"]
    assert runs.row(row).status is Status.CANCELLED
    assert ("cancel_asked", "Ada") in runs.timeline(row)
    with pytest.raises(errors.OperationRefused, match="that is cancelled cannot be cancelled"):
        runs.operations.cancel(ADA, row)


def test_a_cancel_on_a_generation_without_it_says_which_setting_brings_it(desk):
    row = desk.start()
    with pytest.raises(errors.ConfigurationError, match="LAMINA_API_GENERATION=runs"):
        desk.operations.cancel(ADA, row)
    assert desk.row(row).status is Status.QUEUED


def test_a_cancel_that_lamina_refuses_leaves_no_trace(runs):
    row = runs.start()
    runs.lamina.say(500, json={"error": "broken", "code": "X", "retryable": False, "requestId": "r"})
    with pytest.raises(errors.ServerFault):
        runs.operations.cancel(ADA, row)
    assert ("cancel_asked", "Ada") not in runs.timeline(row)


@pytest.mark.parametrize("act", ["cancel", "check"])
def test_what_lamina_never_named_can_be_neither_read_nor_cancelled(runs, act):
    runs.lamina.fail(httpx.ReadTimeout("slow"))
    row = runs.start()
    with pytest.raises(errors.OperationRefused):
        getattr(runs.operations, act)(ADA, row)
    assert len(runs.lamina.requests) == 1


def test_a_check_reads_at_once_and_counts_as_a_poll(desk, clock):
    row = desk.start()
    clock.advance(1)
    desk.lamina.say(200, json={"data": report("running")})
    desk.operations.check(ADA, row)
    found = desk.row(row)
    assert (found.status, found.poll_count, found.last_poll_at) == (Status.RUNNING, 1, clock.now())


def test_a_check_of_what_lamina_does_not_know_is_counted_and_told(desk):
    row = desk.start()
    desk.lamina.say(404, json={"error": "Execution not found"})
    for _ in range(3):
        with pytest.raises(errors.OperationRefused, match="404"):
            desk.operations.check(ADA, row)
    assert desk.row(row).status is Status.GONE


def test_a_check_without_an_answer_changes_nothing(desk):
    row = desk.start()
    desk.lamina.say(401, json={"error": "Invalid API key"})
    with pytest.raises(errors.AuthRefused):
        desk.operations.check(ADA, row)
    assert (desk.row(row).status, desk.row(row).poll_count) == (Status.QUEUED, 0)


def details(name="Portrait Studio") -> dict:
    parameter = {"id": "p-1", "name": "Prompt", "type": "text", "required": True}
    return {"data": {"appId": "app-1", "name": name, "parameters": [parameter]}}


def test_an_app_is_read_once_in_five_minutes(desk, clock):
    desk.lamina.say(200, json=details())
    assert desk.operations.open_app("app-1").parameters == (
        Parameter("Prompt", "text", True, False, None, identities=("Prompt", "p-1")),
    )
    clock.advance(DETAILS_FRESH.total_seconds() - 1)
    desk.operations.open_app("app-1")
    assert len(desk.lamina.requests) == 1
    clock.advance(1)
    desk.lamina.say(200, json=details("New Name"))
    assert desk.operations.open_app("app-1").name == "New Name"
    assert len(desk.lamina.requests) == 2


def test_a_listed_app_without_parameters_is_read(desk, clock):
    desk.writer.run(lambda connection: catalogue.replace_list(connection, [APP], clock.now()))
    desk.lamina.say(200, json=details())
    assert desk.operations.open_app("app-1").parameters


@pytest.mark.parametrize("trouble", [401, 404, 500])
def test_older_parameters_are_better_than_none(desk, clock, trouble):
    desk.lamina.say(200, json=details())
    desk.operations.open_app("app-1")
    clock.advance(3_600)
    desk.lamina.say(trouble, json={"error": "no"})
    assert desk.operations.open_app("app-1").parameters
    with pytest.raises(errors.ApiRefused):
        desk.operations.open_app("app-2")


def test_the_list_of_apps_is_read_into_the_cache(desk):
    desk.lamina.say(200, json={"data": [{"appId": "b", "name": "B"}, {"appId": "a", "name": "A"}]})
    desk.operations.refresh_apps()
    with desk.engines.reading() as connection:
        assert [app.app_id for app in catalogue.listed_apps(connection)] == ["b", "a"]


def test_an_estimate_is_spent_from_the_budget(runs):
    runs.lamina.say(200, json={"data": {"estimatedCredits": {"expected": 4}, "currentBalance": 9, "affordable": True}})
    assert runs.operations.estimate("app-1").expected == 4.0
    assert runs.budget.spent_last_minute() == 1


def test_polling_is_paused_for_everybody_by_name(desk):
    for paused, name in ((True, "Eve"), (False, None)):
        desk.operations.pause_polling(ADMIN, paused=paused)
        with desk.engines.reading() as connection:
            assert notes.read(connection, notes.POLLING).document == {"paused_by": name}
    with desk.engines.reading() as connection:
        kinds = connection.execute(sa.text("SELECT kind, actor FROM event ORDER BY id")).all()
    assert kinds == [("polling_paused", "Eve"), ("polling_resumed", "Eve")]


def killed_while_starting(desk) -> int:
    desk.lamina.fail(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        desk.start()
    assert desk.row(1).status is Status.STARTING
    return 1


def test_a_start_whose_process_died_becomes_unconfirmed_when_no_answer_can_come(desk, clock):
    row = killed_while_starting(desk)
    clock.advance(START_ANSWER_LIMIT.total_seconds())
    desk.operations.expire_starts()
    assert desk.row(row).status is Status.STARTING
    clock.advance(1)
    desk.operations.expire_starts()
    desk.operations.expire_starts()
    assert desk.row(row).status is Status.START_UNCONFIRMED
    assert "No answer to this start" in desk.row(row).error_message
    assert len(desk.timeline(row)) == 2


def test_the_limit_is_longer_than_any_answer_takes():
    assert timedelta(seconds=transport.DEADLINE + 30) < START_ANSWER_LIMIT


def test_tokens_are_long_and_each_its_own():
    tokens = {starts.new_token(random.Random(seed)) for seed in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)


def lose_answer(desk, **changes) -> int:
    """Start something whose answer does not come, and let Lamina answer again."""
    desk.lamina.fail(httpx.ReadTimeout("no answer"))
    row = desk.start(**changes)
    desk.lamina.say(200, json={"data": report("running")})
    assert desk.row(row).status is Status.START_UNCONFIRMED
    return row


def test_a_lost_start_is_settled_by_the_id_that_an_operator_gives(desk):
    row = lose_answer(desk)
    desk.operations.link(ADA, row, "  e-1\n")
    assert (desk.row(row).status, desk.row(row).execution_id) == (Status.RUNNING, "e-1")
    assert desk.timeline(row)[-2:] == [("status", "operator"), ("linked", "Ada")]
    with pytest.raises(errors.OperationRefused, match="needs no settling"):
        desk.operations.link(ADA, row, "e-1")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, {"error": "Execution not found"}), "no execution e-1"),
        ((200, {"data": report("running") | {"workflowId": "app-2"}}), "another app"),
    ],
)
def test_an_id_that_cannot_be_the_start_s_is_not_linked(desk, answer, reason):
    row = lose_answer(desk)
    desk.lamina.say(answer[0], json=answer[1])
    with pytest.raises(errors.OperationRefused, match=reason):
        desk.operations.link(ADA, row, "e-1")
    assert desk.row(row).status is Status.START_UNCONFIRMED


def test_an_execution_that_was_started_here_is_not_linked_to_another_start(desk):
    first = desk.start()
    row = lose_answer(desk, token="another")
    with pytest.raises(errors.OperationRefused, match=f"started here as #{first}"):
        desk.operations.link(ADA, row, "e-1")
    assert desk.row(row).execution_id is None


def test_linking_makes_the_tracked_row_and_the_start_s_one(desk):
    row = lose_answer(desk)
    tracked = desk.operations.track(ADA, "e-1", "ORDER-1")
    assert desk.row(tracked).origin == "registered"
    desk.operations.link(ADA, row, "e-1")
    assert (desk.row(tracked), desk.row(row).reference, desk.payload(row).inputs) == (None, "ORDER-1", INPUTS)
    assert desk.rows() == 1


def test_a_start_that_never_was_is_failed_and_says_who_said_so_until_a_webhook_proves_it_wrong(desk, clock):
    row = lose_answer(desk)
    desk.operations.deny(ADA, row)
    assert (desk.row(row).status, desk.row(row).error_message) == (
        Status.START_FAILED,
        "Ada says that it never started.",
    )
    came = Update(Source.DELIVERY, clock.now(), report=wire.report_from(report("completed")), token=TOKEN)
    desk.writer.run(lambda connection: intake.apply_update(connection, came, clock.now()))
    assert (desk.row(row).status, desk.row(row).execution_id) == (Status.COMPLETED, "e-1")


def test_to_start_again_what_may_be_running_needs_consent(desk):
    row = lose_answer(desk)
    desk.lamina.say(202, json={"data": report()})
    with pytest.raises(errors.OperationRefused, match="billed twice"):
        desk.operations.replay(ADA, row, "another", HOOK)
    again = desk.operations.replay(ADA, row, "another", HOOK, may_bill_twice=True)
    assert (desk.row(again).replay_of, desk.row(row).status) == (row, Status.START_UNCONFIRMED)


def test_the_list_suggests_what_fits_by_app_and_time_and_links_nothing(runs, clock):
    row = lose_answer(runs)
    mine = runs.row(row).created_at

    def listed(name: str, seconds: float) -> dict:
        created = (mine + timedelta(seconds=seconds)).isoformat()
        return {"runId": name, "workflowId": "app-1", "status": "running", "createdAt": created}

    found = [listed("later", 600), listed("near", 2), listed("nearer", -1)]
    runs.lamina.say(200, json={"data": found, "pagination": {"total": 3, "limit": 100, "offset": 0}})
    assert [each.execution_id for each in runs.operations.find_candidates(ADA, row)] == ["nearer", "near"]
    asked = parse_qs(urlsplit(str(runs.lamina.requests[-1].url)).query)
    assert (asked["appId"], asked["limit"]) == (["app-1"], ["100"])
    assert runs.row(row).execution_id is None


def test_a_tracked_execution_is_read_and_known_the_second_time(desk):
    desk.lamina.say(200, json={"data": report("failed") | {"errorMessage": "Too dark"}})
    row = desk.operations.track(ADA, " e-1 ", None)
    assert desk.operations.track(ADA, "e-1", "ORDER-2") == row
    found = desk.row(row)
    assert (found.status, found.error_message, found.reference) == (Status.FAILED, "Too dark", "ORDER-2")
    assert desk.payload(row).inputs is None
    with pytest.raises(errors.OperationRefused, match="inputs of this execution are not known"):
        desk.operations.replay(ADA, row, "another", HOOK)


@pytest.mark.parametrize("given", ["", "  "])
def test_nothing_to_track_is_told_without_a_request(desk, given):
    with pytest.raises(errors.OperationRefused, match="Paste"):
        desk.operations.track(ADA, given, None)
    assert desk.lamina.requests == []


def test_a_kind_that_an_operator_sets_counts_until_it_is_taken_back(desk):
    desk.operations.set_kind(ADA, "app-1", Kind.VIDEO)
    row = desk.start()
    assert desk.row(row).kind is Kind.VIDEO
    outputs = [{"type": "pending"}, {"type": "pending"}]
    desk.lamina.say(200, json={"data": report("running") | {"outputs": outputs}})
    desk.operations.check(ADA, row)
    assert desk.row(row).kind is Kind.VIDEO
    picture = {"id": "n", "label": "P", "type": "image", "status": "completed", "value": "https://x.example.com/1.png"}
    desk.lamina.say(200, json={"data": report("completed") | {"outputs": [picture]}})
    desk.operations.check(ADA, row)
    for kind in (Kind.VIDEO, None):
        desk.operations.set_kind(ADA, "app-1", kind)
        desk.lamina.say(202, json={"data": report() | {"executionId": f"e-{kind}"}})
        assert desk.row(desk.start(token=f"again {kind}")).kind is (kind or Kind.IMAGE), "what it showed counts again"
