"""Files of executions: both formats, everything that is wrong with files, and the command itself."""

import codecs
import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import SystemClock
from lamina_core.config import PROJECT
from lamina_core.domain import Generation, Status
from lamina_core.importing import AT_ONCE, LONGEST, Import
from lamina_core.store import executions
from lamina_core.store.writer import Writer

HEAD = "executionId,appId,inputs,startedAt,reference\n"


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


class Taking:
    """An import of texts or bytes, and what it told."""

    def __init__(self, engines, writer, clock) -> None:
        self.engines, self.clock = engines, clock
        self.told: list[tuple[int, str]] = []
        self.taking = Import(
            writer, Generation.EXECUTIONS, clock, lambda line, reason: self.told.append((line, reason))
        )

    def take(self, content: str | bytes) -> tuple[int, int, int, int]:
        """Import the content, and return how many were created, completed, known and refused."""
        data = content.encode() if isinstance(content, str) else content
        return tuple(self.taking.run(io.BufferedReader(io.BytesIO(data))).results.values())

    def rows(self) -> list:
        with self.engines.reading() as connection:
            ids = list(connection.execute(sa.text("SELECT id FROM execution ORDER BY execution_id")).scalars())
            return [executions.find(connection, row_id) for row_id in ids]

    def names(self) -> list[str]:
        return [row.execution_id for row in self.rows()]

    def inputs(self, place: int):
        with self.engines.reading() as connection:
            return executions.find_payload(connection, self.rows()[place].id).inputs


@pytest.fixture
def taking(engines, writer, clock) -> Taking:
    return Taking(engines, writer, clock)


def cells(*rows: tuple) -> str:
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    return made.getvalue()


def test_csv_is_taken_in_with_all_that_it_knows(taking):
    inputs = {"Prompt": 'a "fox",\nin two lines', "n": 1.5}
    table = cells(("e-1", "app-1", json.dumps(inputs, indent=1), "2026-03-14T08:00:00Z", "ORDER-1"), ("e-2", "app-2"))
    assert taking.take(HEAD + table) == (2, 0, 0, 0)
    first, second = taking.rows()
    assert (first.origin, first.status, first.reference, first.created_at.hour) == (
        "imported",
        Status.QUEUED,
        "ORDER-1",
        8,
    )
    assert (second.app_id, second.reference, second.created_at) == ("app-2", None, taking.clock.now())
    assert (taking.inputs(0), taking.inputs(1), taking.told) == (inputs, None, [])


def test_json_lines_are_taken_in_with_all_that_they_know(taking):
    given = {"runId": "e-1", "appId": "app-1", "inputs": {"a": [1]}, "reference": "R", "startedAt": "2026-03-14"}
    assert taking.take(json.dumps(given) + '\n\n  {"executionId": "e-2", "appId": "app-1"}') == (2, 0, 0, 0)
    assert (taking.names(), taking.inputs(0), taking.rows()[0].reference) == (["e-1", "e-2"], {"a": [1]}, "R")
    assert taking.taking.report.line == 3, "an empty line counts, and is no row"


LINES = '{"executionId": "e-1", "appId": "a", "reference": "ä"}\n{"executionId": "e-2", "appId": "a"}\n'
TABLE = "executionId,appId,reference\ne-1,a,ä\ne-2,a,\n"


@pytest.mark.parametrize("content", [LINES, TABLE], ids=["json", "csv"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_marks_of_utf_8_and_the_ends_of_lines_are_any_editor_s(taking, content, mark, ending, last):
    text = content if last else content.rstrip("\n")
    assert taking.take(mark + text.replace("\n", ending).encode()) == (2, 0, 0, 0)
    assert (taking.names(), taking.told) == (["e-1", "e-2"], [])
    assert taking.rows()[0].reference == "ä"


@pytest.mark.parametrize("start", [codecs.BOM_UTF8 + b"\n", codecs.BOM_UTF8 + b" \r\n\n", b"\n"])
def test_a_first_line_of_json_lines_may_be_empty_but_for_the_mark(taking, start):
    assert taking.take(start + LINES.encode()) == (2, 0, 0, 0)
    assert (taking.names(), taking.told) == (["e-1", "e-2"], [])


def test_a_mark_further_down_is_no_json(taking):
    assert taking.take(LINES.encode() + codecs.BOM_UTF8 + b"\n") == (2, 0, 0, 1)
    assert taking.told[0][0] == 3


@pytest.mark.parametrize(
    "content",
    ['{"executionId": " e-1 ", "appId": "a\\n", "reference": "\\tR"}', HEAD + " e-1 ,a ,,,\tR\n"],
    ids=["json", "csv"],
)
def test_blanks_around_ids_and_references_are_taken_off(taking, content):
    assert taking.take(content) == (1, 0, 0, 0)
    (row,) = taking.rows()
    assert (row.execution_id, row.app_id, row.reference) == ("e-1", "a", "R")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "the head names nothing"),
        ("\n", "the head names nothing"),
        ("executionId,app,Inputs\ne-1,a,\n", "the head names 'Inputs', 'app'; known are appId, executionId"),
        ("executionId;appId\ne-1;a\n", "the head names 'executionId;appId'"),
        ("executionId,appId,\ne-1,a,\n", "the head names ''"),
        ('[{"executionId": "e-1"}]', "the head names '[{"),
        (TABLE.encode("utf-16"), "the head names"),
    ],
    ids=["empty", "a line", "unknown", "semicolons", "nameless", "json list", "utf-16"],
)
def test_a_file_whose_head_names_something_else_is_not_taken_at_all(taking, content, told):
    assert taking.take(content) == (0, 0, 0, 1)
    assert [line for line, _ in taking.told] == [1]
    assert taking.told[0][1].startswith(told)
    assert taking.rows() == []


def test_a_head_without_rows_is_nothing_wrong(taking):
    assert taking.take(HEAD) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("e-9,a,,,,more", "there are more fields than the head names"),
        ("e-9", "appId: Field required"),
        (",a", "executionId: Field required"),
        ("e-9,a,[]", "inputs: Input should be a valid dictionary"),
        ("e-9,a,{", "inputs: this is not JSON: Expecting"),
        ('e-9,a,"{""n"": NaN}"', "inputs: this is not JSON: NaN"),
        ('e-9,a,"{""n"": ' + "[" * 100 + "]" * 100 + '}"', "inputs: this is not JSON: the JSON is nested too deeply"),
        ("e-9,a,,tomorrow", "startedAt: must be an instant"),
        ("e-9,a,,2026-03-14T09:06:00Z", "startedAt: lies in the future"),
        ("e\x009,a", "executionId: must be printable text"),
        (b"e-9,\xff", "appId: must be printable text"),
        (b'e-9,a,"{""Prompt"": ""\xff""}"', "inputs: this is not JSON"),
        ('e-9,a,,,"R\n1"', "reference: must be printable text"),
    ],
)
def test_a_row_of_csv_that_cannot_be_taken_is_named_with_its_line_and_takes_nothing_with_it(taking, row, reason):
    given = row.encode() if isinstance(row, str) else row
    assert taking.take(HEAD.encode() + b"e-1,a\r\n" + given + b"\r\ne-2,a\r\n") == (2, 0, 0, 1)
    assert taking.names() == ["e-1", "e-2"]
    line = 3 + given.count(b"\n")  # of a row in quotes that spans lines: its last
    assert [(told, text[: len(reason)]) for told, text in taking.told] == [(line, reason)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"e-9,a", "this is not JSON: Expecting value"),
        (b'{"executionId": "e-9"', "this is not JSON"),
        (b'{"executionId": "\xff", "appId": "a"}', "this is not JSON"),
        (b'{"executionId": "\\ud800", "appId": "a"}', "executionId: must be printable text"),
        (b"[" * 50_000, "this is not JSON: the JSON is nested too deeply"),
        (b'{"n": 1e999}', "this is not JSON: a number in the JSON is too large"),
        (b"9" * 5_000, "this is not JSON"),
        (b"[]", "an execution looks like"),
        (b'{"executionId": "e-9", "appId": "a", "input": {}}', "input: Extra inputs are not permitted"),
    ],
    ids=["csv", "cut", "not utf-8", "surrogate", "deep", "huge number", "long number", "list", "misspelt"],
)
def test_a_line_of_json_that_cannot_be_taken_is_named_and_takes_nothing_with_it(taking, line, reason):
    first, second = LINES.encode().splitlines()
    assert taking.take(b"\n".join([first, line, second])) == (2, 0, 0, 1)
    assert [(told, text[: len(reason)]) for told, text in taking.told] == [(2, reason)]


def test_a_field_that_is_too_large_costs_its_row_alone(taking):
    large = json.dumps({"Prompt": "x" * LONGEST})
    assert taking.take(HEAD + cells(("e-1", "a"), ("e-9", "a", large), ("e-2", "a"))) == (2, 0, 0, 1)
    assert taking.names() == ["e-1", "e-2"]
    assert "field larger than field limit" in taking.told[0][1]


def test_a_field_that_is_too_large_is_named_with_its_own_line(taking):
    taking.take(f"{HEAD}e-1,a\ne-2,a,{'x' * (LONGEST + 1)}\n")
    assert [line for line, _ in taking.told] == [3]


def test_a_head_of_a_million_characters_is_told_too(taking):
    assert taking.take("x" * (LONGEST + 1)) == (0, 0, 0, 1)


def test_a_head_that_names_a_field_twice_is_refused(taking):
    assert taking.take("executionId,appId,appId\ne-1,a,b\n") == (0, 0, 0, 1)


def test_a_line_of_a_million_characters_is_taken(taking):
    inputs = {"Prompt": "x" * 1_000_000}
    assert taking.take(json.dumps({"executionId": "e-1", "appId": "a", "inputs": inputs})) == (1, 0, 0, 0)
    assert taking.inputs(0) == inputs


def test_a_row_that_comes_again_is_known_completed_or_refused(taking):
    rows = [("e-1", "a"), ("e-1", "a"), ("e-1", "a", '{"n": 1}'), ("e-1", "b")]
    assert taking.take(HEAD + cells(*rows)) == (1, 1, 1, 1)
    assert taking.told == [(5, "This execution is known here as one of the app a.")]
    assert taking.take(HEAD + cells(*rows[:3])) == (1, 1, 4, 1), "the second time all of it is known"
    assert len(taking.rows()) == 1


NUMBER = 5 * AT_ONCE


def lines(number: int) -> list[str]:
    return [json.dumps({"executionId": f"e-{place}", "appId": "a", "inputs": {"n": place}}) for place in range(number)]


@pytest.mark.long
def test_2500_rows_are_all_taken_and_their_refusals_told_in_order(taking):
    given = lines(NUMBER)
    for place in (3, AT_ONCE - 1, AT_ONCE, NUMBER - 1):
        given[place] = "{}"
    assert taking.take("\n".join(given)) == (NUMBER - 4, 0, 0, 4)
    assert [line for line, _ in taking.told] == [4, AT_ONCE, AT_ONCE + 1, NUMBER]
    assert len(set(taking.names())) == NUMBER - 4
    assert taking.taking.report.line == NUMBER
    with taking.engines.reading() as connection:  # each with its own inputs
        pairs = connection.execute(
            sa.text("SELECT execution_id, inputs FROM execution JOIN execution_payload p ON p.execution = execution.id")
        )
        assert all(json.loads(inputs) == {"n": int(name[2:])} for name, inputs in pairs)


@pytest.mark.long
def test_2500_rows_are_stored_in_the_order_of_the_file(taking):
    taking.take("\n".join(lines(NUMBER)))
    names = [row.execution_id for row in sorted(taking.rows(), key=lambda row: row.id)]
    assert names == [f"e-{place}" for place in range(NUMBER)]


def test_a_store_that_takes_nothing_ends_the_import_before_its_first_line(engines, clock):
    taking = Taking(engines, Writer(engines.write, SystemClock(), capacity=0), clock)
    with pytest.raises(errors.StoreBusy):
        taking.take(LINES)
    assert (taking.taking.report.line, taking.rows()) == (0, [])


def test_an_import_that_was_stopped_says_how_far_it_came_and_is_resumed_by_running_it_again(engines, clock):
    given = [*lines(2 * AT_ONCE), ""]
    given[AT_ONCE + 7] = "{}"
    first = Writer(engines.write, SystemClock())
    first.start()
    stopped = Taking(engines, first, clock)
    stopped.taking = Import(first, Generation.EXECUTIONS, clock, lambda line, reason: first.stop())
    with pytest.raises(errors.StoreBusy):
        stopped.take("\n".join(given))
    assert (stopped.taking.report.line, len(stopped.rows())) == (AT_ONCE, AT_ONCE)
    second = Writer(engines.write, SystemClock())
    second.start()
    resumed = Taking(engines, second, clock)
    assert resumed.take("\n".join(given)) == (AT_ONCE - 1, 0, AT_ONCE, 1)
    second.stop()
    assert len(set(resumed.names())) == 2 * AT_ONCE - 1


class Command:
    """`python -m lamina_core import` on a database of its own."""

    def __init__(self, folder, **settings: str) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
        self.environment |= {"LAMINA_DATABASE_URL": f"sqlite:///{folder / 'desk.db'}"} | settings

    def start(self, name: str, **more) -> subprocess.Popen:
        command = [sys.executable, "-m", "lamina_core", "import", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=PROJECT, env=self.environment, text=True, **pipes, **more)

    def run(self, name: str, given: str | None = None) -> tuple[int, list[str], str]:
        """Return the exit code, the lines of the output, and what was said on standard error."""
        with self.start(name) as process:
            output, trouble = process.communicate(given, timeout=60)
        return process.returncode, output.splitlines(), trouble


@pytest.fixture
def command(tmp_path) -> Command:
    return Command(tmp_path)


@pytest.mark.long
def test_the_command_takes_a_file_and_counts_what_came_of_it(command, taking, tmp_path):
    file = tmp_path / "of others.csv"
    file.write_text(TABLE)
    assert command.run(str(file)) == (0, ["2 created, 0 completed, 0 known, 0 refused"], "")
    assert command.run(str(file)) == (0, ["0 created, 0 completed, 2 known, 0 refused"], "")
    assert taking.names() == ["e-1", "e-2"]


def test_the_command_takes_standard_input_and_ends_with_1_where_a_row_was_not_taken(command, taking):
    assert command.run("-", LINES + '{"executionId": "e-3"}\n') == (
        1,
        ["line 3: appId: Field required", "2 created, 0 completed, 0 known, 1 refused"],
        "",
    )
    assert len(taking.rows()) == 2


@pytest.mark.parametrize(("name", "why"), [("none.csv", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(command, tmp_path, name, why):
    path = str(tmp_path / name)
    assert command.run(path) == (1, [], f"{path} cannot be read: {why}.\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"LAMINA_API_GENERATION": "v9"}, "LAMINA_API_GENERATION"),
        ({"LAMINA_API_KEY": "lma_x"}, "holds executions of the sandbox"),
    ],
)
def test_settings_that_cannot_be_used_are_told_without_a_traceback(command, tmp_path, settings, told):
    assert command.run("-", LINES)[0] == 0
    code, output, trouble = Command(tmp_path, **settings).run("-", LINES)
    assert (code, output, told in trouble, "Traceback" in trouble) == (1, [], True, False)


def test_an_interrupted_command_says_how_far_it_came_and_how_to_go_on(command, taking):
    with command.start("-") as process:
        process.stdin.write("\n".join(lines(2 * AT_ONCE + 1)) + "\n")
        process.stdin.flush()  # and it waits for more
        ends = time.monotonic() + 60
        while len(taking.rows()) < AT_ONCE:
            assert time.monotonic() < ends
            time.sleep(0.02)
        while process.poll() is None:  # one may come where Python cannot heed it
            assert time.monotonic() < ends
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        output, trouble = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    told = re.fullmatch(r"Stopped after line (\d+)\. It was interrupted\. Run the same command again: .+\n", trouble)
    assert told, trouble
    assert int(told[1]) <= len(taking.rows()), "what it calls taken is stored"
