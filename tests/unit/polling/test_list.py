"""Where Lamina has a list, one request tells of a hundred executions, and only what has ended is read by itself."""

import random

import httpx
import pytest

from lamina_core.api.client import LaminaClient
from lamina_core.config import Secret
from lamina_core.domain import Generation, Kind, Status
from tests.unit.polling.conftest import report


class ListingLamina:
    """Knows executions by id and status, newest first, and answers its list a hundred a page."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self.statuses: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self.singles: list[str] = []
        self.pages: list[int] = []
        self.refusal: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.refusal is not None:
            return self.refusal
        name = request.url.path.rpartition("/")[2]
        if name != "runs":
            self.singles.append(name)
            data = report(name, self.statuses[name])
            output = {"id": "n", "label": "P", "type": "image", "status": "completed", "value": f"made for {name}"}
            return httpx.Response(200, json={"data": data | {"runId": name, "outputs": [output]}})
        offset, limit = (int(request.url.params[part]) for part in ("offset", "limit"))
        self.pages.append(offset)
        names = [each for each in reversed(self.statuses) if each not in self.unlisted]
        rows = [self._row(each) for each in names[offset : offset + limit]]
        return httpx.Response(200, json={"data": rows, "pagination": {"total": len(names)}})

    def _row(self, name: str) -> dict:
        row = report(name, self.statuses[name])
        del row["outputs"], row["executionId"]
        return row | {"runId": name}


@pytest.fixture
def lamina(clock) -> ListingLamina:
    return ListingLamina(clock)


@pytest.fixture
def client(lamina, clock, budget):
    made = LaminaClient(
        base_url="https://lamina.example.com",
        api_key=Secret("lma_test"),
        generation=Generation.RUNS,
        clock=clock,
        rng=random.Random(1),
        observe=budget.observe,
        inner=httpx.MockTransport(lamina),
    )
    yield made
    made.close()


def start_many(desk, lamina, number: int, **more) -> list[int]:
    names = [f"e-{place:03}" for place in range(number)]
    lamina.statuses |= dict.fromkeys(names, "running")
    return [desk.start(name, **more) for name in names]


def value_of(desk, row: int) -> object:
    with desk.engines.reading() as connection:
        return connection.exec_driver_sql(
            "SELECT json_extract(outputs, '$[0].value') FROM execution_payload WHERE execution = ?", (row,)
        ).scalar_one()


def test_one_request_covers_a_hundred_and_what_has_ended_is_read_in_full(desk, lamina, clock):
    rows = start_many(desk, lamina, 100)
    lamina.statuses["e-042"] = "completed"
    clock.advance(4)
    poller = desk.poller()
    desk.step(poller)
    assert (lamina.pages, lamina.singles) == ([0], [])
    assert desk.row(rows[42]).status is Status.COMPLETED, "the list tells the end at once"
    assert {desk.row(row).status for row in rows} == {Status.RUNNING, Status.COMPLETED}
    clock.advance(1)
    desk.step(poller)
    assert lamina.singles == ["e-042"]
    assert value_of(desk, rows[42]) == "made for e-042"
    assert desk.row(rows[42]).next_poll_at is None


def test_a_second_look_waits_for_the_guide_s_interval(desk, lamina, clock):
    start_many(desk, lamina, 30)
    clock.advance(4)
    poller = desk.poller()
    desk.pass_time(poller, 12, tick=0.5)
    assert len(lamina.pages) == 4
    assert lamina.singles == []


def test_more_than_a_hundred_take_more_pages(desk, lamina, clock):
    start_many(desk, lamina, 230)
    clock.advance(4)
    desk.step(desk.poller())
    assert lamina.pages == [0, 100, 200]
    assert lamina.singles == []


def test_what_is_not_in_the_list_is_read_one_by_one(desk, lamina, clock):
    start_many(desk, lamina, 5)
    lamina.unlisted = {"e-001", "e-003"}
    clock.advance(4)
    poller = desk.poller()
    desk.step(poller)
    desk.step(poller)
    assert sorted(lamina.singles) == ["e-001", "e-003"]


def test_a_single_one_is_read_by_itself_with_all_that_it_has_made(desk, lamina, clock):
    (row,) = start_many(desk, lamina, 1)
    clock.advance(4)
    desk.step(desk.poller())
    assert (lamina.pages, lamina.singles) == ([], ["e-000"])
    assert value_of(desk, row) == "made for e-000"


def test_a_list_that_is_refused_changes_nothing_and_is_asked_for_again_later(desk, lamina, clock):
    rows = start_many(desk, lamina, 3)
    lamina.refusal = httpx.Response(500, json={"error": "down"})
    clock.advance(4)
    poller = desk.poller()
    desk.pass_time(poller, 3, tick=0.5)
    assert {desk.row(row).status for row in rows} == {Status.QUEUED}
    lamina.refusal = None
    desk.pass_time(poller, 30, tick=0.5)
    assert {desk.row(row).status for row in rows} == {Status.RUNNING}


def test_videos_are_not_looked_at_sooner_than_their_interval_when_alone(desk, lamina, clock):
    start_many(desk, lamina, 3, kind=Kind.VIDEO)
    clock.advance(4)
    poller = desk.poller()
    desk.pass_time(poller, 25, tick=0.5)
    assert len(lamina.pages) <= 3
