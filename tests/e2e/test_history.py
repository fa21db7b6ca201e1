"""Made-up history in a real browser: the sandbox's demo, and a search through inputs so long that its time runs out."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PROJECT, Desk, wait_until
from tests.e2e.test_finding import cells, look_in, newest
from tests.e2e.test_operator import expect_status

ROW = 34  # pixels
NUMBER = 2_600  # executions: more than two of the windows in which a search looks at rows
LENGTH = 60_000  # characters of each one's inputs: a window of them takes longer than a search may
STUDIO = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"  # an app that fails by its inputs alone


def test_an_empty_sandbox_is_filled_with_a_demo_and_a_failure_of_it_is_replayed(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="50")
    page.goto(desk.url)
    fill = page.get_by_role("button", name="Fill with a demo history")
    fill.click()
    expect(page.get_by_text("Newest open failures")).to_be_visible()
    expect(fill).to_be_hidden()
    page.goto(f"{desk.url}/executions?status=failed&app={STUDIO}&q=timed out&in=error&triage=open")
    wait_until(lambda: cells(page, "App"), what="rows")
    box = newest(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 200, box["y"] + 1.5 * ROW)
    page.wait_for_url(re.compile(r"/execution\?id=\d+$"))
    expect_status(page, "failed")
    replay = page.get_by_test_id("stMain").get_by_role("button", name="Replay")
    replay.click()
    expect(page.get_by_text("Replay of #")).to_be_visible()
    replay.click()
    page.wait_for_url(re.compile(r"/execution\?id=401$"))
    expect_status(page, "completed")
    assert "Traceback" not in desk.read_log()


@pytest.mark.long
def test_a_search_that_is_cut_short_says_how_far_it_came_and_goes_on(make_desk: Callable[..., Desk], page: Page):
    desk = make_desk(start=False)
    file = desk.folder / "demo.db"
    command = [sys.executable, "-m", "lamina_core", "seed", "--executions", str(NUMBER), "--database"]
    subprocess.run([*command, f"sqlite:///{file}"], cwd=PROJECT, check=True, capture_output=True, timeout=120)
    with closing(sqlite3.connect(file)) as connection, connection:
        inputs = (
            f"json_object('Prompt', CASE execution WHEN 1 THEN 'a vermilion teapot' ELSE hex(zeroblob({LENGTH})) END)"
        )
        connection.execute(f"UPDATE execution_payload SET inputs = {inputs}")
    desk.start()
    page.goto(desk.url + "/executions")
    expect(newest(page)).to_be_visible()
    look_in(page, "Inside inputs", "rmilion teap")
    reached = page.get_by_text(re.compile(r"^Searched back to \d{4}-\d\d-\d\d "))
    expect(reached).to_be_visible()
    expect(page.get_by_text("0 rows.")).to_be_visible()
    told = reached.all_inner_texts()

    def has_gone_on() -> bool:
        return cells(page, "App") != [] or reached.all_inner_texts() not in ([], told[-1:])

    while not cells(page, "App"):
        page.get_by_role("button", name="Older").click()
        wait_until(has_gone_on, what="the search to go on")
        told += reached.all_inner_texts()
    assert len(cells(page, "App")) == 1
    assert told == sorted(told, reverse=True)
    assert "Traceback" not in desk.read_log()
