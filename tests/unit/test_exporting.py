"""Exports: cells that no spreadsheet runs, tokens that work once, rows neither doubled nor passed over."""

import asyncio
import codecs
import csv
import gc
import io
import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as some
from sqlmodel import col
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from lamina_core import errors
from lamina_core.domain import Execution, Operator, Origin, Role, Status
from lamina_core.exporting import COLUMNS, PATH, Exporting, defuse, write_csv, write_line
from lamina_core.store import exports, notes
from lamina_core.store.criteria import Count, Criteria, Scope
from lamina_core.store.exports import LIFETIME, Export, Format
from lamina_core.store.tables import EventTable, ExecutionTable, NoteTable, PayloadTable
from lamina_core.store.writer import Writer
from lamina_core.triage.records import Triage

ADA = Operator("Ada", Role.OPERATOR)
T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)  # what the settable clock says


def row(place: int, **changes) -> dict:
    instant = T0 - timedelta(seconds=(place + 1) // 2)  # two rows an instant, which the end of a page parts
    return {
        "execution_id": f"e-{place}",
        "app_id": "app-1",
        "app_name": "Portrait Studio",
        "status": Status.COMPLETED,
        "kind": "image",
        "generation": "executions",
        "created_at": instant,
        "completed_at": instant,
        "updated_at": instant,
        "missing_count": 0,
        "poll_count": 0,
        "origin": "form",
        "started_by": "Ada",
        "webhook_expected": False,
        "error_message": None,
        "reference": None,
    } | changes


class Desk:
    """An exporter on a real store."""

    def __init__(self, engines, writer: Writer, clock, rng) -> None:
        self.engines, self.writer, self.clock = engines, writer, clock
        self.exporting = Exporting(engines, writer, clock, rng)
        self.app = Starlette(routes=[Route(PATH + "{token:path}", self.exporting.answer)])

    def keep(self, *rows: dict, payload: dict | None = None) -> None:
        def work(connection: sa.Connection) -> None:
            insert = sa.insert(ExecutionTable).returning(col(ExecutionTable.id))
            ids = connection.execute(insert, list(rows)).scalars().all()
            wide = payload or {"inputs": {"Prompt": "a fox"}}
            connection.execute(sa.insert(PayloadTable), [{"execution": row_id, **wide} for row_id in ids])

        self.writer.run(work)

    def prepare(self, written_as=Format.CSV, **criteria) -> str:
        return self.exporting.prepare(ADA, Criteria(**criteria), written_as).path

    def ask(self, path: str, method: str = "GET") -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path)

        return asyncio.run(send())

    def export(self, written_as=Format.CSV, **criteria) -> list[dict]:
        return read(self.ask(self.prepare(written_as, **criteria)).content, written_as)

    def change(self, statement) -> None:
        self.writer.run(lambda connection: connection.execute(statement))

    def all_of(self, *columns) -> list[tuple]:
        with self.engines.reading() as connection:
            return [tuple(found) for found in connection.execute(sa.select(*(col(each) for each in columns)))]


def read(content: bytes, written_as: Format) -> list[dict]:
    if written_as is Format.JSON_LINES:
        return [json.loads(line) for line in content.decode().split("\n")[:-1]]
    assert content.startswith(codecs.BOM_UTF8)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def desk(engines, writer, clock, rng) -> Desk:
    return Desk(engines, writer, clock, rng)


# Cells

FORMULAS = "=+-@＝＋－＠﹢﹣﹦﹫−"
UNSEEN = "\u00a0\u3000\u200b\ufeff\u2060\u202e\" '"
cells = some.text(some.sampled_from([*FORMULAS, *UNSEEN, *";,\t\r\n|a1(\x00\x1b\x7f\x85\u2028"]) | some.characters())


def restore(text: str) -> str:
    """What the documented rule says: take the apostrophe away that stands where a formula would begin."""
    unseen = r"(?:[^\S\t\r\n]|[\"'\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb])*"
    place = rf"\A'(?='*[\t\r\n])|(?:\A|(?<=[;\t\r\n]))'(?={unseen}[{re.escape(FORMULAS)}])"
    return re.sub(place, "", text)


def pictured(text: str) -> str:
    """The text with its control signs as pictures, and halves of surrogate pairs as question marks."""
    signs = (
        "\u2421"
        if sign == "\x7f"
        else "\ufffd"
        if "\x80" <= sign <= "\x9f"
        else chr(0x2400 + ord(sign))
        if sign < " " and sign not in "\t\r\n"
        else sign
        for sign in text
    )
    return "".join(signs)


@given(cells)
@example("=1+1")
@example("'=1+1")
@example("''=1+1")
@example("\t=1")
@example("'\t")
@example("a;=1;+2\n-3")
def test_a_cell_read_back_is_the_text_but_for_the_documented_apostrophe(text):
    content = write_csv([[text, "x"]])
    ((found, other),) = csv.reader(io.StringIO(content.decode(), newline=""))
    assert other == "x"
    assert restore(found) == pictured(text).encode("utf-8", "replace").decode()


@given(some.lists(some.lists(cells, min_size=2, max_size=2), min_size=1, max_size=3))
@example([["a;=1", "x"]])
@example([["a", ';"=1"']])
@example([["a", "b\n=1"]])
def test_no_cell_begins_a_formula_whichever_sign_the_spreadsheet_parts_cells_by(rows):
    text = write_csv(rows).decode()
    for sign in ",;\t":
        for found in csv.reader(io.StringIO(text, newline=""), delimiter=sign):
            for cell in found:
                seen = re.sub(rf"\A[\s\x00-\x1f{UNSEEN[:-1]}]+", "", cell)
                assert not seen.startswith(tuple(FORMULAS)), (sign, cell)
                assert sign != "," or not cell.startswith(("\t", "\r")), cell


@pytest.mark.parametrize("sign", [*FORMULAS, "\t", "\r", " =", "\u3000＝", "\u200b@", '"=', "\n+"])
def test_each_beginning_of_a_formula_gets_an_apostrophe(sign):
    text = f"{sign}cmd|' /C calc'!A0"
    assert defuse(text) == "'" + text if "\n" not in sign else defuse(text).startswith("'\n'+")


@pytest.mark.parametrize(
    "text", ["", "a fox", "a = b", "1 - 2", "took 3, -1", "e-mail@example.com", "Zürich 🦊", "a\nb"]
)
def test_a_harmless_text_stays_as_it_is(text):
    assert defuse(text) == text


def test_a_text_of_nothing_but_white_space_takes_no_time():
    for sign in ("\n", " ", "'", '"', "\u200b", "\t "):
        assert len(defuse(sign * 200_000)) <= 200_001 * len(sign)


def test_control_signs_are_made_visible():
    assert defuse("a\x00b\x1b[31mc\x7f\x9b") == "a␀b␛[31mc␡\ufffd"


@given(some.dictionaries(some.text(), some.text(some.characters(categories=["Cc", "Cs", "Zl", "Zp", "L"]))))
@example({"a": "\ud800 \u2028 \x85 \x00 \n"})
def test_json_lines_are_strict_and_a_line_each_for_every_reader(document):
    line = write_line(document)
    assert line.endswith(b"\n")
    text = line.decode("utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text, parse_constant=pytest.fail) == document


def test_what_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_line({"a": float("nan")})


# Files


def test_csv_has_a_head_of_column_names_and_a_line_a_row_newest_first(desk):
    hostile = '=HYPERLINK("https://example.com";"a")\r\nZürich, 🦊'
    desk.keep(row(9), row(1, status=Status.FAILED, error_message=hostile, reference="00123"))
    answer = desk.ask(desk.prepare())
    newest, oldest = read(answer.content, Format.CSV)
    assert tuple(newest) == COLUMNS
    assert (newest["execution_id"], oldest["execution_id"]) == ("e-1", "e-9")
    assert (newest["status"], newest["reference"], newest["replay_of"]) == ("failed", "00123", "")
    assert newest["error_message"] == "'" + hostile
    assert oldest["created_at"] == "2026-03-14T08:59:55Z"
    assert answer.content.count(b"\r\n") == 4, "three lines, one of which holds another"


def test_json_lines_have_what_is_wide_too_and_nothing_secret(desk):
    outputs = [{"label": "Picture", "status": "error", "error": "=no\u2028"}]
    payload = {"inputs": {"Prompt": "a fox\n🦊"}, "outputs": outputs, "start_token": "s3cret", "problems": None}
    desk.keep(row(0, error_message="=1+1"), payload=payload)
    content = desk.ask(desk.prepare(Format.JSON_LINES)).content
    (found,) = read(content, Format.JSON_LINES)
    assert set(found) == {*COLUMNS, "inputs", "outputs", "problems"}
    assert (found["inputs"], found["outputs"]) == (payload["inputs"], outputs)
    assert (found["error_message"], found["completed_at"]) == ("=1+1", "2026-03-14T09:00:00Z")
    assert b"s3cret" not in content


@pytest.mark.parametrize(("written_as", "size"), [(Format.CSV, len(",".join(COLUMNS)) + 5), (Format.JSON_LINES, 0)])
def test_nothing_found_is_a_whole_file_without_rows(desk, written_as, size):
    answer = desk.ask(desk.prepare(written_as))
    assert (answer.status_code, len(answer.content), read(answer.content, written_as)) == (200, size, [])


def test_the_file_s_head_says_what_it_is_and_that_nobody_keeps_it(desk):
    for written_as, kind in ((Format.CSV, "text/csv"), (Format.JSON_LINES, "application/x-ndjson")):
        headers = desk.ask(desk.prepare(written_as)).headers
        assert headers["content-type"] == f"{kind}; charset=utf-8"
        assert headers["content-disposition"] == f'attachment; filename="executions-20260314T090000Z.{written_as}"'
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_every_part_of_the_filter_decides_and_outlives_the_waiting(desk):
    failed = {"status": Status.FAILED, "error_message": "timed out"}
    desk.keep(
        row(1, **failed),
        row(2, error_message="timed out"),
        row(3, **failed | {"app_id": "app-2"}),
        row(4, **failed | {"error_message": "refused"}),
        row(90, **failed),
    )
    since = T0 - timedelta(seconds=30)
    found = desk.export(statuses=frozenset({Status.FAILED}), app_ids=frozenset({"app-1"}), since=since, text="TIMED")
    assert [each["execution_id"] for each in found] == ["e-1"]


def test_criteria_come_back_from_their_document_as_they_were():
    criteria = Criteria(
        statuses=frozenset({Status.FAILED, Status.GONE}),
        app_ids=frozenset({"app-1"}),
        since=T0,
        triages=frozenset({Triage.OPEN}),
        origins=frozenset({Origin.BULK}),
        operators=frozenset({"Ada"}),
        slower_than=timedelta(minutes=5),
        text="ü%",
        scope=Scope.INPUTS,
    )
    for export in (Export(criteria, T0, Format.CSV), Export(Criteria(), T0, Format.JSON_LINES)):
        assert Export.parse(json.loads(json.dumps(export.describe()))) == export


# Pages


def newest_first(number: int) -> list[str]:
    return [f"e-{place}" for place in sorted(range(number), key=lambda place: ((place + 1) // 2, -place))]


@pytest.mark.parametrize("written_as", list(Format))
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_pages_have_every_row_once_whatever_their_number(desk, written_as, extra):
    number = 2 * exports.PAGE[written_as] + extra
    desk.keep(*(row(place) for place in range(number)))
    found = [each["execution_id"] for each in desk.export(written_as)]
    assert found == newest_first(number)


def test_rows_that_change_or_come_while_it_is_written_are_neither_doubled_nor_passed_over(desk):
    number = 4 * exports.PAGE[Format.JSON_LINES]
    desk.keep(*(row(place, status=Status.RUNNING) for place in range(number)))
    desk.clock.advance(5)
    pieces = desk.exporting.write(Export(Criteria(), desk.clock.now(), Format.JSON_LINES))
    found = []
    for turn, piece in enumerate(pieces):
        found += [(line["execution_id"], line["status"]) for line in read(piece, Format.JSON_LINES)]
        desk.keep(row(10_000 + turn, created_at=desk.clock.now() + timedelta(seconds=1)))
        desk.change(sa.update(ExecutionTable).values(status=Status.COMPLETED, updated_at=desk.clock.advance(1)))
    assert [name for name, _ in found] == newest_first(number)
    assert {status for _, status in found[number // 4 :]} == {"completed"}, "each page is read as it stands then"


def count_rows_held() -> int:
    gc.collect()
    return sum(isinstance(each, Execution) for each in gc.get_objects())


@pytest.mark.long
def test_no_more_rows_are_held_than_a_page_and_no_connection_between_two(desk):
    desk.keep(*(row(place) for place in range(6 * exports.PAGE[Format.CSV])))
    held, before = [], count_rows_held()
    for _ in desk.exporting.write(Export(Criteria(), T0, Format.CSV)):
        assert desk.engines.read.pool.checkedout() == 0
        held.append(count_rows_held() - before)
    assert len(held) == 7
    assert max(held) <= exports.PAGE[Format.CSV] + 1


# Tokens


def test_a_link_works_once(desk):
    desk.keep(row(0))
    path = desk.prepare()
    assert [desk.ask(path).status_code for _ in range(3)] == [200, 404, 404]


def test_a_head_takes_nothing(desk):
    desk.keep(row(0))
    path = desk.prepare()
    for _ in range(2):
        head = desk.ask(path, "HEAD")
        assert (head.status_code, head.content) == (200, b"")
    answer = desk.ask(path)
    assert (answer.status_code, len(read(answer.content, Format.CSV))) == (200, 1)
    assert dict(head.headers) == dict(answer.headers)
    assert desk.ask(path, "HEAD").status_code == 404


@pytest.mark.parametrize(("waited", "status"), [(LIFETIME, 200), (LIFETIME + timedelta(seconds=1), 404)])
def test_a_link_lives_for_two_minutes(desk, waited, status):
    path = desk.prepare()
    desk.clock.advance(waited.total_seconds())
    assert [desk.ask(path, method).status_code for method in ("HEAD", "GET")] == [status, status]


@pytest.mark.parametrize("token", ["", "0" * 32, "%00", "x" * 5_000, "a/b", "%F0%9F%A6%8A", "%ff", "lamina"])
def test_an_unknown_token_is_answered_by_one_sentence(desk, token):
    desk.prepare()
    answer = desk.ask(PATH + token)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.text == "This link works once and for two minutes: press Export on the Executions screen again."
    assert answer.headers["cache-control"] == "no-store"


def test_rows_started_after_the_asking_are_left_out(desk):
    desk.keep(row(0))
    path = desk.prepare()
    desk.keep(row(1, created_at=desk.clock.advance(1)))
    assert [each["execution_id"] for each in read(desk.ask(path).content, Format.CSV)] == ["e-0"]


def test_the_database_holds_no_token_and_those_that_nobody_fetched_go(desk):
    token = desk.prepare().removeprefix(PATH)
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert token not in str(desk.all_of(NoteTable.name, NoteTable.document))
    desk.writer.run(lambda connection: notes.write(connection, notes.LAMINA, {"name": "x"}, T0))
    desk.clock.advance(121)
    another = desk.prepare()
    assert len(desk.all_of(NoteTable.name)) == 2, "the note of others, and the new export"
    assert desk.ask(another).status_code == 200


def test_another_process_serves_it(desk, clock, rng):
    path = desk.prepare()
    other = Writer(desk.engines.write, clock)
    other.start()
    try:
        assert Desk(desk.engines, other, clock, rng).ask(path).status_code == 200
    finally:
        other.stop()
    assert desk.ask(path).status_code == 404


# Who may, and what is seen of it


def test_a_viewer_may_not_and_leaves_nothing(desk):
    with pytest.raises(errors.OperationRefused, match="Vera is a viewer"):
        desk.exporting.prepare(Operator("Vera", Role.VIEWER), Criteria(), Format.CSV)
    assert desk.all_of(NoteTable.name) == desk.all_of(EventTable.kind) == []


def test_the_audit_trail_says_who_asked_for_which(desk):
    desk.prepare(Format.JSON_LINES, statuses=frozenset({Status.FAILED}), text="fox")
    ((kind, actor, at, execution, detail),) = desk.all_of(
        EventTable.kind, EventTable.actor, EventTable.at, EventTable.execution, EventTable.detail
    )
    assert (kind, actor, at, execution) == ("export_prepared", "Ada", T0, None)
    assert (detail["format"], detail["as_of"]) == ("jsonl", T0.isoformat())
    told = {name: value for name, value in detail["filter"].items() if value}
    assert told == {"statuses": ["failed"], "text": "fox", "scope": "names"}


def test_the_count_is_that_of_the_filter_and_says_where_it_stopped(desk):
    desk.keep(*(row(place) for place in range(1_001)), row(2_000, status=Status.FAILED))
    failed = desk.exporting.prepare(ADA, Criteria(frozenset({Status.FAILED})), Format.CSV)
    every = desk.exporting.prepare(ADA, Criteria(), Format.CSV)
    recent = desk.exporting.prepare(ADA, Criteria(since=T0 - timedelta(days=1)), Format.CSV)
    assert (failed.count, failed.as_of) == (Count(1, capped=False), T0)
    assert every.count == Count(1_002, capped=False)
    assert recent.count == Count(1_000, capped=True)


# What goes wrong


def lose_the_table(connection: sa.Connection) -> None:
    connection.execute(sa.text("ALTER TABLE execution RENAME TO lost"))


def test_a_database_that_fails_midway_never_makes_a_short_file(desk):
    desk.keep(*(row(place) for place in range(exports.PAGE[Format.CSV] + 1)))
    pieces = desk.exporting.write(Export(Criteria(), T0, Format.CSV))
    assert len(next(pieces)) + len(next(pieces)) > 10_000
    desk.writer.run(lose_the_table)
    with pytest.raises(errors.StoreError, match="cannot be read"):
        next(pieces)


def test_a_store_that_takes_nothing_is_told(desk):
    path = desk.prepare()
    desk.writer.stop()
    answer = desk.ask(path)
    assert (answer.status_code, "Ask for the export again" in answer.text) == (503, True)


def test_a_browser_that_goes_away_ends_the_reading(desk):
    desk.keep(*(row(place) for place in range(5 * exports.PAGE[Format.CSV])))
    token = desk.prepare().removeprefix(PATH)
    scope = {"type": "http", "method": "GET", "path": PATH + token, "path_params": {"token": token}, "headers": []}
    sent, reads = [], []
    sa.event.listen(desk.engines.read, "begin", reads.append)

    async def receive() -> dict:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict) -> None:
        if len(sent) == 3:
            raise OSError("the browser has gone")
        sent.append(message)

    async def fetch() -> None:
        response = await desk.exporting.answer(Request(scope))
        await response(scope | {"asgi": {"spec_version": "2.4"}}, receive, send)

    with pytest.raises(ClientDisconnect):
        asyncio.run(fetch())
    assert desk.engines.read.pool.checkedout() == 0
    assert len(reads) == 2, "the page that was sent, and the one that nobody took"
