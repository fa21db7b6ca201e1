"""Finding executions in a real browser: filters in the URL, and texts."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import PROJECT, Desk, wait_until

NUMBER = 600  # executions
PROMPT, ADDRESS = "a vermilion teapot, softly lit", "https://cdn.example.com/products/teapot-88.png"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of made-up history, whose oldest execution has inputs like no other."""
    file = tmp_path_factory.mktemp("seeded") / "desk.db"
    command = [sys.executable, "-m", "lamina_core", "seed", "--executions", str(NUMBER), "--database"]
    subprocess.run([*command, f"sqlite:///{file}"], cwd=PROJECT, check=True, capture_output=True, timeout=120)
    with closing(sqlite3.connect(file)) as connection, connection:
        inputs = json.dumps({"Prompt": PROMPT, "Photo": ADDRESS})
        connection.execute("UPDATE execution_payload SET inputs = ? WHERE execution = 1", (inputs,))
    return file


@pytest.fixture
def open_seeded(make_desk: Callable[..., Desk], seeded: Path) -> Callable[..., Desk]:
    def start(*statements: str) -> Desk:
        desk = make_desk(start=False)
        file = shutil.copy(seeded, desk.folder / "demo.db")
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        desk.start()
        return desk

    return start


def ask(desk: Desk, query: str, *parameters: str) -> list[tuple]:
    with closing(sqlite3.connect(desk.folder / "demo.db")) as connection:
        return connection.execute(query, parameters).fetchall()


def cells(page: Page, column: str) -> list[str]:
    """The cells of a column of the table, as it tells them to those who cannot see."""
    table = page.get_by_test_id("stDataFrame").first
    names = table.locator("thead th").all_text_contents()
    place = next((number for number, name in enumerate(names) if name.startswith(column)), None)
    if place is None:
        return []
    return table.locator("tbody tr").evaluate_all(
        "(rows, place) => rows.map(row => row.cells[place].textContent)", place
    )


def expect_cells(page: Page, column: str, expected: list[str]) -> None:
    wait_until(lambda: cells(page, column) == expected, what=f"{column} to be {expected}")


def choose(page: Page, label: str, name: str) -> None:
    """Choose one of a list of several."""
    field = page.get_by_role("combobox", name=re.compile(label))
    field.click()
    field.fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def look_in(page: Page, place: str, text: str) -> None:
    field = page.get_by_role("textbox", name="Text")
    page.get_by_role("combobox", name=re.compile("Look in")).click()
    page.get_by_role("option", name=place, exact=True).click()
    field.fill(text)
    field.press("Enter")


def newest(page: Page) -> Locator:
    return page.get_by_test_id("stDataFrame").first


@pytest.mark.long
def test_each_filter_stands_in_the_url_and_goes_by_back(open_seeded: Callable[..., Desk], page: Page, browser: Browser):
    desk = open_seeded()
    within = "FROM execution JOIN failure ON failure.execution = execution.id WHERE triage = 'resolved'"
    within += " AND execution.status = 'failed' AND origin IN ('form', 'replay', 'bulk')"
    (app_id, app, operator) = ask(
        desk,
        f"SELECT execution.app_id, app_name, started_by {within} "
        "GROUP BY execution.app_id, app_name, started_by ORDER BY count(*) DESC LIMIT 1",
    )[0]
    of_both = f"SELECT substr(execution_id, 1, 8) {within} AND execution.app_id = ? AND started_by = ?"
    expected = [name for (name,) in ask(desk, of_both + " ORDER BY execution.created_at DESC", app_id, operator)]
    page.goto(desk.url + "/executions")
    expect(newest(page)).to_be_visible()
    choose(page, "Apps", app)
    page.wait_for_url(re.compile(rf"\?app={app_id}$"))
    page.get_by_role("button", name=re.compile(r"\bfailed [0-9,]+$")).first.click()
    page.wait_for_url(re.compile("status=failed&"))
    page.get_by_role("button", name=re.compile("More")).click()
    page.get_by_role("button", name="Resolved", exact=True).click()
    page.wait_for_url(re.compile("&triage=resolved$"))
    if not page.get_by_role("combobox", name=re.compile("Started by")).is_visible():
        page.get_by_role("button", name=re.compile("More")).click()
    choose(page, "Started by", operator)
    page.wait_for_url(re.compile(r"&by=.+$"))
    expect_cells(page, "Id", expected)
    assert set(cells(page, "App")) == {app}
    assert set(cells(page, "By")) == {operator}
    link = page.url
    page.reload()
    expect(page.get_by_role("button", name=re.compile("More · 2"))).to_be_visible()
    expect_cells(page, "Id", expected)
    with closing(browser.new_context()) as other:
        theirs = other.new_page()
        theirs.goto(link)
        expect_cells(theirs, "Id", expected)
    page.go_back()
    page.wait_for_url(re.compile("&triage=resolved$"))
    expect(page.get_by_role("button", name=re.compile("More · 1"))).to_be_visible()
    wait_until(lambda: len(cells(page, "Id")) > len(expected), what="the rows of others")
    assert set(cells(page, "App")) == {app}
    assert "Traceback" not in desk.read_log()


@pytest.mark.long
@pytest.mark.parametrize("text", ["Vermilion", ADDRESS, "teapot-88.png"], ids=["word", "address", "file name"])
def test_a_word_an_address_and_a_file_name_of_inputs_find_their_execution(
    open_seeded: Callable[..., Desk], page: Page, text: str
):
    desk = open_seeded()
    ((expected,),) = ask(desk, "SELECT substr(execution_id, 1, 8) FROM execution WHERE id = 1")
    page.goto(desk.url + "/executions")
    expect(newest(page)).to_be_visible()
    look_in(page, "Inputs", text)
    expect_cells(page, "Id", [expected])
    page.wait_for_url(re.compile("in=inputs"))
