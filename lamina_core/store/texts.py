"""Finding executions by text through the database's own indexes; and the same row by row, where those cannot help.

SQLite has FTS5 tables, PostgreSQL GIN indexes; migration 0005 makes both, and triggers keep them in step.
"""

import json
import re
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import col

from lamina_core.store.criteria import Scope
from lamina_core.store.tables import ExecutionTable, PayloadTable, TextTable

Span = tuple[int, int]  # the least and the greatest of some ids

_SHORTEST = 3  # characters of a text that an index over trigrams can look for
_LAST = "\U0010ffff"
_WORD = re.compile(r"[^\W_]+")


def begins_with(column: Mapped[str | None], text: str) -> sa.ColumnElement[bool]:
    """Return the range of an index in which a name begins like this, its case included."""
    return sa.and_(column >= text, column < text + _LAST)


def find_candidates(text: str, scope: Scope, *, is_sqlite: bool) -> Sequence[sa.Select[int]]:
    """Return what gives the ids of all executions that match, by an index each; nothing where no index can."""
    if has_words(text, scope):
        return [_by_words(text, is_sqlite=is_sqlite)]
    if scope in {Scope.INPUTS, Scope.INSIDE}:
        return []
    if len(text) < _SHORTEST:
        return []  # an error may say it anywhere
    error = _by_part("error_index", col(TextTable.error), text, is_sqlite=is_sqlite)
    if scope is Scope.ERROR:
        return [error]
    execution_id = col(ExecutionTable.execution_id)
    name = sa.select(col(ExecutionTable.id)).where(begins_with(execution_id, text))
    return [name, _by_part("reference_index", col(TextTable.reference), text, is_sqlite=is_sqlite), error]


def _by_part(index: str, column: Mapped[str | None], text: str, *, is_sqlite: bool) -> sa.Select[int]:
    if is_sqlite:
        return _match(index, _quote(text))
    return sa.select(col(TextTable.execution)).where(column.icontains(text, autoescape=True))


def _by_words(text: str, *, is_sqlite: bool, among: Span | None = None) -> sa.Select[int]:
    """Look for each word of a text; what is written without a space, as URLs and file names are, stays together."""
    phrases = [" ".join(words) for part in text.split() if (words := _WORD.findall(part))]
    if is_sqlite:
        found = _match("inputs_index", " ".join(_quote(phrase) for phrase in phrases))
    else:
        known = sa.func.inputs_words(col(PayloadTable.inputs))
        told = [known.op("@@")(sa.func.phraseto_tsquery(sa.literal_column("'simple'"), phrase)) for phrase in phrases]
        found = sa.select(col(PayloadTable.execution)).where(*told)
    return found if among is None else found.where(found.selected_columns[0].between(*among))


def _match(index: str, query: str) -> sa.Select[int]:
    row_id = sa.column("rowid", sa.Integer())
    table = sa.table(index, row_id)
    return sa.select(row_id).select_from(table).where(sa.literal_column(index).op("MATCH")(query))


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def has_words(text: str, scope: Scope) -> bool:
    """Say whether the index over words has anything to look for."""
    return scope is Scope.INPUTS and _WORD.search(text) is not None


def find_words(text: str, among: Span, *, is_sqlite: bool) -> sa.ColumnElement[bool]:
    """Return the condition on an execution that its inputs have the words, for executions with ids of this span."""
    return col(ExecutionTable.id).in_(_by_words(text, is_sqlite=is_sqlite, among=among))


def check_row(text: str, scope: Scope) -> sa.ColumnElement[bool]:
    """Return the condition on an execution for a text that no index knows, or that too many have."""
    if scope in {Scope.INPUTS, Scope.INSIDE}:
        inputs = sa.cast(col(PayloadTable.inputs), sa.Text())
        # Stored as JSON, and found as such: what is no ASCII is escaped there.
        found = inputs.icontains(json.dumps(text)[1:-1], autoescape=True)
        return sa.exists().where(col(PayloadTable.execution) == col(ExecutionTable.id), found)
    error = col(ExecutionTable.error_message).icontains(text, autoescape=True)
    if scope is Scope.ERROR:
        return error
    name = col(ExecutionTable.execution_id).startswith(text, autoescape=True)
    return sa.or_(name, col(ExecutionTable.reference).icontains(text, autoescape=True), error)
