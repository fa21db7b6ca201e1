"""`python -m lamina_core import`: executions that others started, from CSV or JSON lines, as many as there are.

A row holds executionId and appId and, as far as known, inputs (an object; in CSV its JSON), startedAt and reference.
What a row registers twice is known the second time, so a run that was stopped is resumed by running it again.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from lamina_core import registration
from lamina_core.api import wire
from lamina_core.clock import Clock
from lamina_core.domain import Generation, Origin, Registration
from lamina_core.registration import Answer, Result
from lamina_core.store.writer import Writer

AT_ONCE = 500  # rows in one commit: few enough that a receiver at work beside it does not wait long
LONGEST = 1_000_000  # characters in one field of CSV

_COLUMNS = {"executionId", "runId", "appId", "inputs", "startedAt", "reference"}


@dataclass
class Report:
    """How far an import has come: the last line that is stored or refused, and how many rows came to what."""

    line: int = 0
    results: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(Result, 0))


@dataclass(frozen=True)
class Row:
    """One row of the file: its line, and what it holds or why it cannot be read."""

    line: int
    document: Any = None
    problem: str | None = None


def read_rows(source: io.BufferedReader) -> Iterator[Row]:
    """Yield the rows of a file of JSON lines or, where it does not begin with a brace, of CSV with a head."""
    start = source.peek(16).removeprefix(codecs.BOM_UTF8).lstrip()
    return _read_json_lines(source) if start.startswith(b"{") else _read_csv(source)


def _read_json_lines(source: io.BufferedReader) -> Iterator[Row]:
    for number, line in enumerate(source, start=1):
        content = line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").strip()
        if not content:
            continue
        try:
            yield Row(number, wire.parse_json(content))
        except ValueError as error:
            yield Row(number, problem=f"this is not JSON: {error}")


def _read_csv(source: io.BufferedReader) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    # What is not UTF-8 comes as lone surrogates, and is refused where it stands.
    reader = csv.DictReader(io.TextIOWrapper(source, "utf-8-sig", "surrogateescape", newline=""))
    try:
        head = list(reader.fieldnames or ())
    except csv.Error as error:
        yield Row(1, problem=f"this is not CSV: {error}")
        return
    wrong = sorted({repr(name) for name in head if name not in _COLUMNS or head.count(name) > 1})
    if wrong or not head:
        named = ", ".join(wrong) or "nothing"
        yield Row(1, problem=f"the head names {named}; known are {', '.join(sorted(_COLUMNS))}, each once")
        return
    while True:
        try:
            cells = next(reader)
            yield _read_cells(reader.line_num, cells)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.reader.line_num, problem=f"this is not CSV: {error}")


def _read_cells(line: int, cells: dict[str | Any, str | Any]) -> Row:
    if None in cells:
        return Row(line, problem="there are more fields than the head names")
    document: dict[str, Any] = {name: text for name, text in cells.items() if text}
    try:
        if "inputs" in document:
            document["inputs"] = wire.parse_json(document["inputs"].encode())
    except ValueError as error:
        return Row(line, problem=f"inputs: this is not JSON: {error}")
    return Row(line, document)


class Import:
    """Registers the rows of a file; `tell` hears of each row that was not taken: its line and why."""

    def __init__(self, writer: Writer, generation: Generation, clock: Clock, tell: Callable[[int, str], None]) -> None:
        self._writer = writer
        self._generation = generation
        self._clock = clock
        self._tell = tell
        self.report = Report()

    def run(self, source: io.BufferedReader) -> Report:
        """Take the rows in; StoreError where the database takes no more, with `report` telling how far it came."""
        rows = read_rows(source)
        while some := list(islice(rows, AT_ONCE)):
            self._take(some)
            self.report.line = some[-1].line
        return self.report

    def _take(self, rows: Sequence[Row]) -> None:
        good: list[tuple[int, Registration]] = []
        for row in rows:
            if row.problem is not None:
                self._refuse(row.line, row.problem)
                continue
            try:
                good.append((row.line, registration.parse(row.document, Origin.IMPORTED, self._clock.now())))
            except ValueError as error:
                self._refuse(row.line, str(error))
        answers = self._register([each for _, each in good]) if good else []
        for (line, _), answer in zip(good, answers, strict=True):
            if answer.error is not None:
                self._refuse(line, answer.error)
            else:
                self.report.results[answer.result] += 1

    def _register(self, good: Sequence[Registration]) -> list[Answer]:
        def work(connection: sa.Connection) -> list[Answer]:
            return registration.register(connection, good, "import", self._generation, self._clock.now())

        return self._writer.run(work)

    def _refuse(self, line: int, reason: str) -> None:
        self.report.results[Result.REFUSED] += 1
        self._tell(line, reason)
