"""Exports of executions: asked for by an operator, fetched once at `GET /export/<token>`, written as they are read.

| answer | meaning |
| --- | --- |
| 200 | the file; a connection that breaks before its end means that the database failed, and the file is not whole |
| 404 | no export waits under this token: never made, fetched already, or older than 2 minutes |
| 503 | the store takes nothing now: ask again |

Both formats name their columns as the database does. JSON lines have the inputs and outputs too.
"""

import asyncio
import codecs
import csv
import io
import json
import logging
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.domain import Event, Execution, Operator, Role
from lamina_core.starts import new_token, require
from lamina_core.store import events, exports, search
from lamina_core.store.criteria import Count, Criteria, Cursor
from lamina_core.store.deadline import Deadline
from lamina_core.store.engine import Engines
from lamina_core.store.exports import Export, Format
from lamina_core.store.writer import Writer

log = logging.getLogger(__name__)

COUNTING = 0.1  # seconds for the number that is shown beside an export
PATH = "/export/"  # the token follows

COLUMNS = (
    *("id", "execution_id", "reference", "status", "raw_status", "app_id", "app_name", "error_message"),
    *("created_at", "started_at", "completed_at", "updated_at", "origin", "replay_of", "started_by"),
)

_MEDIA_TYPES: Mapping[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON_LINES: "application/x-ndjson; charset=utf-8",
}
_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

# What a spreadsheet takes for the beginning of a formula, and what it does not see before it.
_FORMULA = r"[=+\-@\u2212\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
_UNSEEN = r"(?:[^\S\t\r\n]|[\"'\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb])*+"
# Where a cell begins: in countries whose spreadsheets part cells by semicolons or tabs, within ours too.
_DANGEROUS = re.compile(rf"\A(?='*[\t\r\n])|(?:\A|(?<=[;\t\r\n]))(?={_UNSEEN}{_FORMULA})")

_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\r\n"} | {127: 0x2421}
_CONTROLS = dict.fromkeys(range(128, 160), 0xFFFD) | _PICTURES
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}  # where some readers of JSON lines would cut


@dataclass(frozen=True)
class Prepared:
    """An export that waits at a path for one fetch, how many rows it has, and as of when."""

    path: str
    count: Count
    as_of: datetime


class Exporting:
    """Lets operators ask for exports, and browsers fetch them."""

    def __init__(self, engines: Engines, writer: Writer, clock: Clock, rng: random.Random) -> None:
        self._engines = engines
        self._writer = writer
        self._clock = clock
        self._rng = rng

    def prepare(self, operator: Operator, criteria: Criteria, written_as: Format) -> Prepared:
        """Let the executions that match now wait to be fetched, and note who asked for which."""
        require(operator, Role.OPERATOR)
        now, token = self._clock.now(), new_token(self._rng)
        export = Export(criteria, now, written_as)
        with self._engines.reading() as connection:
            count = search.count(connection, criteria, deadline=Deadline.after(self._clock, COUNTING))

        def work(connection: sa.Connection) -> None:
            exports.keep(connection, token, export, now)
            events.append(connection, Event(now, "export_prepared", operator.name, export.describe()))

        self._writer.run(work)
        return Prepared(PATH + token, count, now)

    async def answer(self, request: Request) -> Response:
        """Answer one GET, or a HEAD, which takes nothing; see the module's table."""
        is_head = request.method == "HEAD"
        try:
            export = await (self._find if is_head else self._take)(request.path_params["token"])
        except errors.StoreError as error:
            log.error("an export could not be fetched: %s", error)  # noqa: TRY400 - the cause is in the message
            return PlainTextResponse("The database takes nothing now. Ask for the export again.", 503, _HEADERS)
        if export is None:
            return PlainTextResponse(
                "This link works once and for two minutes: press Export on the Executions screen again.", 404, _HEADERS
            )
        name = f"executions-{export.as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.{export.format}"
        headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
        content = () if is_head else self.write(export)
        return StreamingResponse(content, headers=headers, media_type=_MEDIA_TYPES[export.format])

    async def _find(self, token: str) -> Export | None:
        def read() -> Export | None:
            with self._engines.reading() as connection:
                return exports.find(connection, token, self._clock.now())

        return await anyio.to_thread.run_sync(read)

    async def _take(self, token: str) -> Export | None:
        work = self._writer.submit(lambda connection: exports.take(connection, token, self._clock.now()))
        return await asyncio.wrap_future(work)

    def write(self, export: Export) -> Iterator[bytes]:
        """Give the file piece by piece, and hold no more than a page of rows, nor a connection between two pieces.

        StoreError where the database fails: the file is not whole then.
        """
        if export.format is Format.CSV:
            yield codecs.BOM_UTF8 + write_csv([COLUMNS])
        place: Cursor | None = exports.begin(export)
        while place is not None:
            with self._engines.reading() as connection:
                rows, place = exports.read_page(connection, export, place)
                ids = [row.id for row in rows]
                wide = exports.read_wide(connection, ids) if export.format is Format.JSON_LINES else {}
            if export.format is Format.CSV:
                yield write_csv([list(_facts(row).values()) for row in rows])
            else:
                yield b"".join(write_line(_facts(row) | wide.get(row.id, {})) for row in rows)


def _facts(row: Execution) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in COLUMNS}
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_csv(rows: list[Any]) -> bytes:
    """Return rows as CSV, each cell made safe."""
    page = io.StringIO()
    csv.writer(page).writerows([[defuse(cell) if isinstance(cell, str) else cell for cell in row] for row in rows])
    return page.getvalue().encode("utf-8", "replace")


def defuse(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, whichever sign its country parts cells by.

    An apostrophe stands before each place that would begin one; with it taken away the text is as it was. Control
    signs become their pictures.
    """
    return _DANGEROUS.sub("'", text.translate(_CONTROLS))


def write_line(document: Mapping[str, Any]) -> bytes:
    """Return one line of strict JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False).translate(_LINE_ENDS)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # half of a surrogate pair becomes JSON's own escape
