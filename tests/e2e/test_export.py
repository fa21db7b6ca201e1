"""Exports from the real process: asked for by a browser, or prepared by another process and streamed by this one."""

import codecs
import csv
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from lamina_core.clock import SystemClock
from lamina_core.domain import Operator, Role
from lamina_core.exporting import Exporting
from lamina_core.store import engine
from lamina_core.store.criteria import Criteria
from lamina_core.store.exports import Format
from lamina_core.store.tables import ExecutionTable, PayloadTable
from lamina_core.store.writer import Writer
from tests.e2e.conftest import Desk

ADA = Operator("Ada", Role.OPERATOR)
NAME = "Zürich 🦊, =1+1"
INPUTS = {"Prompt": "a fox " * 700}  # 4 kB


class Other:
    """Another process on the same database."""

    def __init__(self, desk: Desk) -> None:
        self.clock = SystemClock()
        self.engines = engine.open_engines(desk.environment["LAMINA_DATABASE_URL"])
        self.writer = Writer(self.engines.write, self.clock)
        self.writer.start()
        self.exporting = Exporting(self.engines, self.writer, self.clock, random.SystemRandom())

    def fill(self, number: int) -> None:
        began = datetime.now(UTC) - timedelta(days=1)
        rows = [
            {
                "id": place,
                "execution_id": f"e-{place}",
                "app_id": "app-1",
                "app_name": NAME,
                "status": "failed" if place % 10 == 0 else "completed",
                "kind": "image",
                "generation": "executions",
                "error_message": "=no" if place % 10 == 0 else None,
                "created_at": began + timedelta(seconds=place),
                "completed_at": began,
                "updated_at": began,
                "missing_count": 0,
                "poll_count": 0,
                "origin": "form",
                "started_by": "Ada",
                "webhook_expected": False,
            }
            for place in range(1, number + 1)
        ]
        payloads = [{"execution": row["id"], "inputs": INPUTS} for row in rows]

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(ExecutionTable), rows)
            connection.execute(sa.insert(PayloadTable), payloads)

        self.writer.run(work)

    def prepare(self, written_as: Format) -> str:
        return self.exporting.prepare(ADA, Criteria(), written_as).path

    def lose_the_table(self) -> None:
        self.writer.run(lambda connection: connection.execute(sa.text("ALTER TABLE execution RENAME TO lost")))

    def close(self) -> None:
        self.writer.stop()
        self.engines.close()


@pytest.fixture
def open_other() -> Iterator[Callable[[Desk], Other]]:
    opened: list[Other] = []

    def open_for(desk: Desk) -> Other:
        opened.append(Other(desk))
        return opened[-1]

    yield open_for
    for other in opened:
        other.close()


def most_memory(desk: Desk) -> int:
    """The most that the process has held at once, in MB."""
    assert desk.process is not None
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{desk.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.long
def test_ten_thousand_rows_come_whole_in_bounded_memory_in_both_formats(make_desk, open_other):
    desk = make_desk()
    other = open_other(desk)
    other.fill(10_000)
    httpx.get(desk.url + other.prepare(Format.CSV)).raise_for_status()  # what is allocated once
    before = most_memory(desk)
    answer = httpx.get(desk.url + other.prepare(Format.JSON_LINES), timeout=60)
    lines = [json.loads(line) for line in answer.content.decode().split("\n")[:-1]]
    assert [line["id"] for line in lines] == list(range(10_000, 0, -1))
    assert lines[0]["inputs"] == INPUTS
    assert lines[-1]["app_name"] == NAME
    assert len(answer.content) > 40_000_000
    assert most_memory(desk) - before < 20, "MB, for a file of more than 40"
    table = httpx.get(desk.url + other.prepare(Format.CSV), timeout=60).content
    assert table.startswith(codecs.BOM_UTF8)
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert [int(row["id"]) for row in rows] == list(range(10_000, 0, -1))
    assert (rows[0]["app_name"], rows[0]["error_message"]) == (NAME, "'=no")


@pytest.mark.long
def test_a_database_that_fails_midway_breaks_the_connection(make_desk, open_other):
    desk = make_desk()
    other = open_other(desk)
    other.fill(10_000)
    headers = {"Accept-Encoding": "identity"}  # else all of it would fit into what the machine buffers
    with httpx.stream("GET", desk.url + other.prepare(Format.JSON_LINES), headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw(1_000)
        next(pieces)
        other.lose_the_table()
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert "The database cannot be read" in desk.read_log()
    assert httpx.get(desk.url + "/healthz").status_code == 200


def test_a_reader_who_goes_away_is_no_trouble(make_desk, open_other):
    desk = make_desk()
    other = open_other(desk)
    other.fill(10_000)
    path = other.prepare(Format.JSON_LINES)
    with httpx.stream("GET", desk.url + path, headers={"Accept-Encoding": "identity"}) as answer:
        next(answer.iter_raw(1_000))
    assert httpx.get(desk.url + path).status_code == 404
    assert httpx.get(desk.url + other.prepare(Format.CSV), timeout=60).status_code == 200
    assert "Traceback" not in desk.read_log()
    assert desk.stop() < 10


def test_only_this_machine_reaches_an_export(make_desk, open_other):
    desk = make_desk()
    path = open_other(desk).prepare(Format.CSV)
    for headers in ({"Host": "desk.example.com"}, {"X-Forwarded-For": "203.0.113.9"}):
        for method in ("GET", "HEAD"):
            assert httpx.request(method, desk.url + path, headers=headers).status_code == 403
    assert httpx.head(desk.url + path).status_code == 200
    assert httpx.post(desk.url + path).status_code == 405
    answers = [httpx.get(desk.url + path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert answers[0].headers["cache-control"] == "no-store"
    for odd in ("/export/", "/export/a/b", "/export/" + "x" * 3_000):
        assert httpx.get(desk.url + odd).text.startswith("This link works once"), odd


def test_an_operator_exports_what_the_filter_finds(make_desk, open_other, page: Page):
    desk = make_desk()
    open_other(desk).fill(2_000)
    page.goto(f"{desk.url}/executions?status=failed")
    page.get_by_role("button", name="Export").click(timeout=30_000)
    expect(page.get_by_text(re.compile(r"^200 rows as of \d\d:\d\d:\d\d$"))).to_be_visible(timeout=30_000)
    page.get_by_text("JSON lines", exact=True).click()
    page.get_by_text("CSV", exact=True).click()
    page.get_by_role("button", name="Prepare the file").click()
    link = page.get_by_role("link", name="Download")
    with page.expect_download(timeout=30_000) as told:
        link.click()
    name = told.value.suggested_filename
    assert re.fullmatch(r"executions-\d{8}T\d{6}Z\.csv", name)
    content = Path(told.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["id"] for row in rows] == [str(place) for place in range(2_000, 0, -10)]
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.get_by_text("This link works once")).to_be_visible()
    page.goto(f"{desk.url}/executions")
    page.get_by_role("button", name="Export").click(timeout=30_000)
    expect(page.get_by_text(re.compile(r"^2,000 rows as of"))).to_be_visible(timeout=30_000)
    assert "Traceback" not in desk.read_log()
