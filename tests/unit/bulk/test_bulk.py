"""Operations on many executions: what is left out, what is sent, when it stops, and that nothing is sent twice."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from lamina_core import errors, intake
from lamina_core.api import wire
from lamina_core.api.client import LaminaClient
from lamina_core.bulk.desk import BulkDesk
from lamina_core.bulk.prospects import Prospect, Selection, Wish
from lamina_core.bulk.records import BulkKind, BulkState, ItemState
from lamina_core.bulk.runner import LEASE, BulkRunner
from lamina_core.config import Secret
from lamina_core.domain import App, Generation, Operator, Origin, Parameter, Role, Source, Status, Update
from lamina_core.insights.bulks import Outcome, read_bulk
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.starts import StartRequest
from lamina_core.store import bulks, catalogue, executions, groups, leases
from lamina_core.store.criteria import Criteria
from lamina_core.triage.patch import Patch, PatchKind

ADA, VERA = Operator("Ada", Role.OPERATOR), Operator("Vera", Role.VIEWER)
PROMPT = Parameter("Prompt", "text", required=True, has_default=False, default=None, identities=("Prompt",))
SIZE = Parameter(
    "Size", "options", required=False, has_default=True, default="S", options=("S", "L"), identities=("Size",)
)
APP = App("app-1", "Portrait Studio", None, is_public=True, parameters=(PROMPT, SIZE))
WISH = Wish(BulkKind.REPLAY, canaries=1, per_minute=60, reason="The provider is back.")
BROKEN = "Provider timed out after 30 s"


class Killed(BaseException):
    """The process ends here."""


class Bench:
    """Desk and runner over a real store; Lamina answers as a test decides."""

    def __init__(self, engines, writer, clock) -> None:
        self.engines, self.writer, self.clock = engines, writer, clock
        self.posts: list[dict] = []
        self.cancelled: list[str] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = self._accept
        self.budget = Budget(600, clock)
        client = LaminaClient(
            base_url="https://lamina.example.com",
            api_key=Secret("lma_test"),
            generation=Generation.RUNS,
            clock=clock,
            rng=random.Random(1),
            inner=httpx.MockTransport(self._answer),
        )
        shared = {"engines": engines, "writer": writer, "client": client, "budget": self.budget, "clock": clock}
        self.operations = Operations(**shared, generation=Generation.RUNS)
        self.desk = BulkDesk(engines, writer, self.operations, clock, random.Random(2))
        self.runner = self.make_runner("one")
        writer.run(lambda connection: catalogue.put(connection, APP, clock.now()))

    def make_runner(self, holder: str) -> BulkRunner:
        return BulkRunner(
            holder=holder,
            engines=self.engines,
            writer=self.writer,
            operations=self.operations,
            budget=self.budget,
            clock=self.clock,
            webhook_url=lambda: "https://desk.example.com/webhooks/lamina",
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)

    def _accept(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            self.cancelled.append(request.url.path.split("/")[-2])
            return httpx.Response(200, json={"data": {}})
        if request.method == "GET":
            name = request.url.path.split("/")[-1]
            return httpx.Response(200, json={"data": _document(name, "cancelled")})
        self.posts.append(json.loads(request.content))
        return httpx.Response(202, json={"data": _document(f"again-{len(self.posts)}", "queued")})

    def step(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        self.runner.step()

    def bulk(self, bulk_id: int):
        with self.engines.reading() as connection:
            return bulks.find(connection, bulk_id)

    def items(self, bulk_id: int):
        with self.engines.reading() as connection:
            return [view.item for view in bulks.find_items(connection, bulk_id, 100)]

    def states(self, bulk_id: int) -> list[ItemState]:
        return [item.state for item in self.items(bulk_id)]

    def finish(self, row_id: int, error: str | None = None, output_error: str | None = None) -> None:
        with self.engines.reading() as connection:
            row = executions.find(connection, row_id)
        document = _document(row.execution_id, "failed" if error else "completed") | {"errorMessage": error}
        if output_error:
            document["outputs"] = [{"label": "A", "type": "image", "status": "error", "error": output_error}]
        update = Update(Source.POLL, self.clock.now(), row_id, report=wire.report_from(document))
        self.writer.run(lambda connection: intake.apply_update(connection, update, self.clock.now()))


def _document(name: str, status: str) -> dict:
    ended = "2026-03-14T09:00:09Z" if status in {"completed", "failed", "cancelled"} else None
    return {
        "runId": name,
        "workflowId": "app-1",
        "status": status,
        "outputs": [],
        "createdAt": "2026-03-14T09:00:00Z",
        "completedAt": ended,
    }


@pytest.fixture
def bench(engines, writer, clock) -> Bench:
    return Bench(engines, writer, clock)


def test_the_canary_goes_first_and_the_others_after_it_completed(bench, end):
    rows = [end(BROKEN) for _ in range(3)]
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows(rows), WISH)
    for _ in range(3):
        bench.step()
    assert len(bench.posts) == 1, "the others wait for the canary"
    bench.finish(bench.items(bulk_id)[0].replay)
    for _ in range(3):
        bench.step()
    assert len(bench.posts) == 3
    assert bench.bulk(bulk_id).state is BulkState.RUNNING, "two are under way"
    for item in bench.items(bulk_id)[1:]:
        bench.finish(item.replay)
    bench.step()
    assert bench.bulk(bulk_id).state is BulkState.DONE
    with bench.engines.reading() as connection:
        replays = [executions.find(connection, item.replay) for item in bench.items(bulk_id)]
        assert groups.count_open(connection, bench.clock.now()) == 0, "each replay closed its original"
    assert {replay.origin for replay in replays} == {Origin.BULK}
    assert [replay.replay_of for replay in replays] == rows
    assert {replay.started_by for replay in replays} == {"Ada"}


def test_it_keeps_to_its_rate(bench, end):
    bulk_id = bench.desk.create(
        ADA, bench.desk.choose_rows([end(BROKEN) for _ in range(4)]), replace(WISH, per_minute=2)
    )
    bench.step()
    bench.finish(bench.items(bulk_id)[0].replay)
    for _ in range(28):
        bench.step()
    assert len(bench.posts) == 1
    for _ in range(60):
        bench.step()
    assert len(bench.posts) == 3


def test_the_same_cause_stops_it_and_an_operator_may_go_on(bench, end):
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows([end(BROKEN) for _ in range(3)]), WISH)
    bench.step()
    bench.finish(bench.items(bulk_id)[0].replay, "Provider timed out after 99 s")
    bench.step()
    stopped = bench.bulk(bulk_id)
    assert (stopped.state, len(bench.posts)) == (BulkState.STOPPED, 1)
    assert "failed for the same cause as before" in stopped.stopped_because
    bench.step()
    assert len(bench.posts) == 1
    bench.desk.resume(ADA, bulk_id)
    for _ in range(3):
        bench.step()
    assert len(bench.posts) == 3, "what is known stops it no more, and no canary is waited for"
    bench.finish(bench.items(bulk_id)[1].replay, BROKEN)
    bench.finish(bench.items(bulk_id)[2].replay)
    bench.step()
    assert bench.bulk(bulk_id).state is BulkState.DONE
    assert bench.bulk(bulk_id).changed_by == "Ada"


@pytest.mark.parametrize(
    ("error", "because"),
    [
        (BROKEN, "failed for the same cause as before"),
        ("Snow covers the product", "None of those that went first has completed."),
    ],
)
def test_a_canary_that_fails_in_part_has_failed(bench, end, error, because):
    failed = [{"id": "n-1", "label": "A", "type": "image", "status": "error", "error": BROKEN}]
    rows = [end(None, outputs=failed) for _ in range(2)]
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows(rows), WISH)
    bench.step()
    bench.finish(bench.items(bulk_id)[0].replay, output_error=error)
    bench.step()
    assert (bench.bulk(bulk_id).state, len(bench.posts)) == (BulkState.STOPPED, 1)
    assert because in bench.bulk(bulk_id).stopped_because
    found = read_bulk(bench.engines, bulk_id, bench.clock.now())
    assert [row.outcome for row in found.items] == [Outcome.FAILED, Outcome.WAITING]
    assert (found.progress.numbers[Outcome.FAILED], found.progress.numbers[Outcome.COMPLETED]) == (1, 0)


def test_a_pause_holds_it_and_an_abort_ends_it(bench, end):
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows([end(BROKEN) for _ in range(3)]), WISH)
    bench.desk.pause(ADA, bulk_id)
    bench.step()
    assert bench.posts == []
    with pytest.raises(errors.OperationRefused, match="is paused"):
        bench.desk.pause(ADA, bulk_id)
    bench.desk.resume(ADA, bulk_id)
    bench.step()
    bench.desk.abort(ADA, bulk_id)
    bench.step()
    assert len(bench.posts) == 1
    with pytest.raises(errors.OperationRefused, match="is aborted"):
        bench.desk.resume(ADA, bulk_id)
    with bench.engines.reading() as connection:
        told = connection.exec_driver_sql("SELECT kind, actor FROM event WHERE execution IS NULL ORDER BY id").all()
    kinds = ["bulk_begun", "bulk_paused", "bulk_running", "bulk_aborted"]
    assert [tuple(row) for row in told] == [(kind, "Ada") for kind in kinds]


@pytest.mark.parametrize("killed_at", ["POST", "GET"])
def test_a_crash_in_the_middle_starts_none_twice(bench, end, killed_at):
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows([end(BROKEN)]), WISH)
    bench.clock.advance(600)  # the app is read anew, before anything is sent
    accept, asked = bench.answer, []

    def kill(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method == killed_at:
            raise Killed
        return httpx.Response(404, json={})

    bench.answer = kill
    with pytest.raises(Killed):
        bench.step()
    assert bench.states(bulk_id) == [ItemState.SENDING]
    bench.answer = accept
    bench.runner = bench.make_runner("two")
    bench.step()
    assert len(bench.posts) == 0, "the other still holds the lease"
    bench.writer.run(lambda connection: leases.release(connection, LEASE, "one"))  # PostgreSQL's clock is not ours
    for _ in range(2):
        bench.step(12)
    (item,) = bench.items(bulk_id)
    assert item.state is ItemState.SENT
    assert asked.count("POST") + len(bench.posts) == 1
    with bench.engines.reading() as connection:
        assert len(executions.replays_of(connection, item.execution)) == 1


def test_a_patch_is_previewed_and_sent(bench, end):
    rows = [
        end(BROKEN, inputs={"Prompt": "a red fox"}),
        end(BROKEN, inputs={"Prompt": "a dog"}),
        end(BROKEN, inputs={"Size": "M", "Prompt": "red"}),
    ]
    wish = replace(WISH, patch=Patch(PatchKind.REPLACE, "Prompt", find="red", replacement="blue"))
    chosen = bench.desk.choose_rows(rows)
    previews = bench.desk.preview(chosen, wish)
    assert [each.prospect for each in previews] == [Prospect.READY, Prospect.UNCHANGED, Prospect.INVALID]
    assert (previews[0].before, previews[0].after) == ({"Prompt": "a red fox"}, {"Prompt": "a blue fox"})
    assert "Size" in previews[2].reason
    assert bench.posts == []
    bulk_id = bench.desk.create(ADA, chosen, wish)
    assert bench.states(bulk_id) == [ItemState.WAITING, ItemState.LEFT_OUT, ItemState.LEFT_OUT]
    bench.step()
    assert [post["inputs"] for post in bench.posts] == [{"Prompt": "a blue fox"}]


def test_what_has_ended_otherwise_since_is_left_out(bench, end):
    rows = [end(BROKEN) for _ in range(3)]
    chosen = bench.desk.choose_rows(rows)
    bench.clock.advance(60)
    _take_back(bench, rows[1])
    end(replay_of=rows[2])
    previews = bench.desk.preview(chosen, WISH)
    assert [each.prospect for each in previews] == [
        Prospect.READY,
        Prospect.ENDED_OTHERWISE,
        Prospect.IMPOSSIBLE,
    ]
    assert "replayed already" in previews[2].reason


def _take_back(bench: Bench, row: int) -> None:
    """Let Lamina refine a failure into a success."""
    document = _document(f"exec-{row}", "completed") | {"completedAt": "2026-03-14T10:00:00Z"}
    update = Update(Source.POLL, bench.clock.now(), row, report=wire.report_from(document))
    bench.writer.run(lambda connection: intake.apply_update(connection, update, bench.clock.now()))


def test_a_second_click_begins_nothing(bench, end):
    chosen = bench.desk.choose_rows([end(BROKEN), end(BROKEN)])
    bench.desk.create(ADA, chosen, WISH)
    with pytest.raises(errors.OperationRefused, match="None of these executions is ready"):
        bench.desk.create(ADA, chosen, WISH)


def test_a_group_and_a_filter_can_be_chosen(bench, end):
    rows = [end(BROKEN), end(BROKEN), end("Could not fetch https://example.com/a.png: 404"), end()]
    with bench.engines.reading() as connection:
        fingerprint = groups.find_failure(connection, rows[0]).fingerprint
    assert bench.desk.choose_group(fingerprint).ids == rows[:2]
    everything = bench.desk.choose_filter(Criteria(statuses=frozenset({Status.FAILED})), "failed")
    assert sorted(everything.ids) == rows[:3]
    assert not everything.is_cut


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (replace(WISH, canaries=6), "between 1 and 5"),
        (replace(WISH, per_minute=0), "between 1 and 60"),
        (replace(WISH, reason="  "), "Say why"),
        (replace(WISH, patch=Patch(PatchKind.REPLACE, "Prompt")), "Give the text"),
    ],
    ids=["canaries", "rate", "reason", "patch"],
)
def test_a_wish_that_cannot_be_followed_is_refused(bench, end, wish, says):
    chosen = bench.desk.choose_rows([end(BROKEN)])
    with pytest.raises(errors.OperationRefused, match=says):
        bench.desk.create(ADA, chosen, wish)


def test_viewers_are_refused_and_so_is_what_is_not_here(bench, end):
    chosen = bench.desk.choose_rows([end(BROKEN), 999])
    assert len(chosen.rows) == 1
    acts: list[Callable[[Operator], object]] = [
        lambda who: bench.desk.create(who, chosen, WISH),
        lambda who: bench.desk.pause(who, 1),
        lambda who: bench.desk.resume(who, 1),
        lambda who: bench.desk.abort(who, 1),
    ]
    for act in acts:
        with pytest.raises(errors.OperationRefused, match="needs the role"):
            act(VERA)
    for act in acts[1:]:
        with pytest.raises(errors.OperationRefused, match="There is no bulk operation 1"):
            act(ADA)
    nothing = Selection((), bench.clock.now(), "nothing")
    with pytest.raises(errors.OperationRefused, match="None of these executions is ready"):
        bench.desk.create(ADA, nothing, WISH)


def test_many_are_cancelled_and_those_that_ended_are_left_out(bench, end, writer):
    open_still = bench.operations.start(ADA, _request(), None)
    ended = end()
    chosen = bench.desk.choose_rows([open_still, ended])
    bulk_id = bench.desk.create(ADA, chosen, Wish(BulkKind.CANCEL, per_minute=60, reason="A wrong price."))
    assert bench.states(bulk_id) == [ItemState.WAITING, ItemState.LEFT_OUT]
    bench.step()
    assert bench.cancelled == ["again-1"]
    bench.step()
    assert bench.bulk(bulk_id).state is BulkState.DONE


def _request() -> StartRequest:
    return StartRequest("a-token", APP, {"Prompt": "x"})


def test_a_key_that_is_refused_stops_it_and_nothing_is_lost(bench, end):
    rows = [end(BROKEN) for _ in range(5)]
    bulk_id = bench.desk.create(ADA, bench.desk.choose_rows(rows), replace(WISH, canaries=5))
    bench.answer = lambda request: httpx.Response(401, json={"error": {"message": "Invalid API key"}})
    for _ in range(8):
        bench.step()
    stopped = bench.bulk(bulk_id)
    assert stopped.state is BulkState.STOPPED
    assert bench.states(bulk_id).count(ItemState.SENT) == 3, "three refusals in a row are enough"


def test_two_operations_go_on_side_by_side(bench, end):
    first = bench.desk.create(ADA, bench.desk.choose_rows([end(BROKEN)]), WISH)
    second = bench.desk.create(ADA, bench.desk.choose_rows([end(BROKEN)]), WISH)
    bench.step()
    assert bench.states(first) == bench.states(second) == [ItemState.SENT]
