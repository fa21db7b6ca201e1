"""Exports that wait to be fetched, and their rows, a bounded page at a time.

An export waits in a note under the hash of its token: any process on the database can serve it, and nobody who reads
the database can fetch it.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Execution, Origin, Status
from lamina_core.store import notes, search
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.store.tables import NoteTable, PayloadTable
from lamina_core.triage.records import Triage

LIFETIME = timedelta(minutes=2)  # from the operator's asking to the browser's fetching

_NAME = "export:"


class Format(StrEnum):
    """How an export is written; the word is the ending of its file."""

    CSV = "csv"
    JSON_LINES = "jsonl"


# The parts of criteria that are several words, and what reads a word of theirs.
_SETS: Mapping[str, Callable[[str], str]] = {
    "statuses": Status,
    "app_ids": str,
    "triages": Triage,
    "origins": Origin,
    "operators": str,
}
PAGE: Mapping[Format, int] = {Format.CSV: 500, Format.JSON_LINES: 100}  # rows at once; those of JSON lines are wide


@dataclass(frozen=True)
class Export:
    """The executions of a filter that were started until an instant, in one format."""

    criteria: Criteria
    as_of: datetime
    format: Format

    def describe(self) -> dict[str, Any]:
        """Return it as a document, for the audit trail and for `parse`."""
        criteria = self.criteria
        frozen = asdict(criteria) | {
            "since": criteria.since and criteria.since.isoformat(),
            "slower_than": criteria.slower_than and criteria.slower_than.total_seconds(),
            **{name: sorted(getattr(criteria, name)) for name in _SETS},
        }
        return {"format": self.format, "filter": frozen, "as_of": self.as_of.isoformat()}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Export":
        """Return the export that a document describes."""
        frozen = dict(document["filter"])
        for name, read in _SETS.items():
            frozen[name] = frozenset(read(word) for word in frozen[name])
        frozen["scope"] = Scope(frozen["scope"])
        frozen["since"] = frozen["since"] and datetime.fromisoformat(frozen["since"])
        frozen["slower_than"] = frozen["slower_than"] and timedelta(seconds=frozen["slower_than"])
        return cls(Criteria(**frozen), datetime.fromisoformat(document["as_of"]), Format(document["format"]))


def keep(connection: sa.Connection, token: str, export: Export, now: datetime) -> None:
    """Let an export wait for the one who knows its token; those that nobody fetched in time go."""
    unfetched = col(NoteTable.name).startswith(_NAME) & (col(NoteTable.updated_at) < now - LIFETIME)
    connection.execute(sa.delete(NoteTable).where(unfetched))
    notes.write(connection, _name(token), export.describe(), now)


def find(connection: sa.Connection, token: str, now: datetime) -> Export | None:
    """Return the export that waits under a token, None if there is none or its time is over."""
    note = notes.read(connection, _name(token))
    return Export.parse(note.document) if note and now - note.updated_at <= LIFETIME else None


def take(connection: sa.Connection, token: str, now: datetime) -> Export | None:
    """Return the same, and let nobody have it again."""
    export = find(connection, token, now)
    taken = connection.execute(sa.delete(NoteTable).where(col(NoteTable.name) == _name(token)))
    return export if taken.rowcount else None  # of two who ask at once, one deletes it


def _name(token: str) -> str:
    return _NAME + hashlib.sha256(token.encode()).hexdigest()


def begin(export: Export) -> Cursor:
    """Return the place before the first row: what is started later lies above it."""
    return Cursor.above_all(export.as_of)


def read_page(connection: sa.Connection, export: Export, place: Cursor) -> tuple[tuple[Execution, ...], Cursor | None]:
    """Return the rows below a place, newest first, and the place below them, None at the end.

    Neither instant nor id of a row ever changes, so that no row comes twice and none is passed over, whatever else
    changes meanwhile.
    """
    page = search.find_page(connection, export.criteria, PAGE[export.format], older_than=place)
    if not page.has_older:
        return page.rows, None
    last = page.rows[-1]
    return page.rows, Cursor(last.created_at, last.id)


def read_wide(connection: sa.Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return inputs, outputs and the reasons of a refused start by row, as they are stored."""
    wide = (col(PayloadTable.inputs), col(PayloadTable.outputs), col(PayloadTable.problems))
    wanted = sa.select(col(PayloadTable.execution), *wide).where(col(PayloadTable.execution).in_(ids))
    return {
        row_id: {"inputs": inputs, "outputs": outputs, "problems": problems}
        for row_id, inputs, outputs, problems in connection.execute(wanted)
    }
