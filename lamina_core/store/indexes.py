"""Whether the database's file, its references and its indexes of texts are whole; and texts indexed anew.

SQLite's text indexes hold no texts that could be compared: samples are looked up in them. PostgreSQL keeps its own.
"""

# ruff: noqa: S608 - every part of the statements is written here
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

_SAMPLES = 500
_MATCHES = 100  # of one sample that are looked at
_SHORTEST = 3  # characters that an index over trigrams can look for
_LENGTH = 60  # characters of a sample
_CHARACTERS = 100_000  # of inputs that are indexed, as migration 0005 has it
_WORDS = f"""substr(CASE WHEN json_valid(inputs) THEN (
    SELECT group_concat(atom, ' ') FROM json_tree(inputs) WHERE type = 'text'
) END, 1, {_CHARACTERS})"""
_RIGHT = "execution.reference, execution.error_message"
_KEPT = "execution_text.reference, execution_text.error"


@dataclass(frozen=True)
class Finding:
    """What a check has found, in people's words."""

    is_sound: bool
    told: str


@dataclass(frozen=True)
class _Index:
    """An index of SQLite's over texts: of which table, and how a row's text is had from it."""

    name: str
    table: str
    text: str
    column: str
    into: str  # the index's own column


_ERRORS = _Index("error_index", "execution_text", "error", "error", "error")
_REFERENCES = _Index("reference_index", "execution_text", "reference", "reference", "reference")
_INPUTS = _Index("inputs_index", "execution_payload", _WORDS, "inputs", "words")


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def check_file(connection: sa.Connection) -> Finding:
    """Ask SQLite whether its file is whole."""
    if not _is_sqlite(connection):
        return Finding(True, "PostgreSQL's own")
    first = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    return Finding(first == "ok", "whole" if first == "ok" else f"damaged: {first}. Restore a backup.")


def check_references(connection: sa.Connection) -> Finding:
    """Look for rows that refer to rows which are not there."""
    if not _is_sqlite(connection):
        return Finding(True, "PostgreSQL's own")
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    tables = ", ".join(sorted({row[0] for row in rows}))
    return Finding(not rows, f"{len(rows):,} rows refer to nothing, in {tables}" if rows else "right")


def check_texts(connection: sa.Connection) -> Finding:
    """Compare the references and errors that are searched with the executions' own."""
    differs = "IS NOT" if _is_sqlite(connection) else "IS DISTINCT FROM"
    wrong = connection.exec_driver_sql(f"""
        SELECT (SELECT count(*) FROM execution LEFT JOIN execution_text ON execution_text.execution = execution.id
                WHERE ({_RIGHT}) {differs} ({_KEPT}))
            + (SELECT count(*) FROM execution_text
                WHERE NOT EXISTS (SELECT 1 FROM execution WHERE execution.id = execution_text.execution))
    """).scalar_one()
    return Finding(not wrong, f"{wrong:,} differ from their executions" if wrong else "right")


def rebuild_texts(connection: sa.Connection) -> None:
    """Write the texts that differ anew, and with them their indexes.

    Rows are changed before they go, for SQLite takes out of its index what a row says when it goes.
    """
    differs = "IS NOT" if _is_sqlite(connection) else "IS DISTINCT FROM"
    for statement in (
        "UPDATE execution_text SET reference = execution.reference, error = execution.error_message FROM execution "
        f"WHERE execution.id = execution_text.execution AND ({_RIGHT}) {differs} ({_KEPT})",
        "UPDATE execution_text SET reference = NULL, error = NULL "
        "WHERE NOT EXISTS (SELECT 1 FROM execution WHERE execution.id = execution_text.execution)",
        "DELETE FROM execution_text WHERE reference IS NULL AND error IS NULL",
        "INSERT INTO execution_text (execution, reference, error) SELECT id, reference, error_message FROM execution "
        "WHERE (reference IS NOT NULL OR error_message IS NOT NULL) "
        "AND NOT EXISTS (SELECT 1 FROM execution_text WHERE execution_text.execution = execution.id)",
    ):
        connection.exec_driver_sql(statement)
    if _is_sqlite(connection):
        rebuild_errors(connection)
        rebuild_reference_texts(connection)


def check_errors(connection: sa.Connection) -> Finding:
    """Look samples up in the index of errors."""
    return _check(connection, _ERRORS)


def check_reference_texts(connection: sa.Connection) -> Finding:
    """Look samples up in the index of references."""
    return _check(connection, _REFERENCES)


def check_inputs(connection: sa.Connection) -> Finding:
    """Look samples up in the index of the words of inputs."""
    return _check(connection, _INPUTS)


def rebuild_errors(connection: sa.Connection) -> None:
    """Index all errors anew."""
    _rebuild(connection, _ERRORS)


def rebuild_reference_texts(connection: sa.Connection) -> None:
    """Index all references anew."""
    _rebuild(connection, _REFERENCES)


def rebuild_inputs(connection: sa.Connection) -> None:
    """Index the words of all inputs anew; a minute for a million."""
    _rebuild(connection, _INPUTS)


def _rebuild(connection: sa.Connection, index: _Index) -> None:
    if not _is_sqlite(connection):
        connection.exec_driver_sql(f"REINDEX INDEX {index.name}")
        return
    connection.exec_driver_sql(f"INSERT INTO {index.name} ({index.name}) VALUES ('delete-all')")
    connection.exec_driver_sql(
        f"INSERT INTO {index.name} (rowid, {index.into}) "
        f"SELECT execution, {index.text} FROM {index.table} WHERE {index.column} IS NOT NULL"
    )


def _check(connection: sa.Connection, index: _Index) -> Finding:
    if not _is_sqlite(connection):
        asked = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{index.name}')"
        is_valid = connection.exec_driver_sql(asked).scalar_one_or_none()
        return Finding(bool(is_valid), "PostgreSQL's own" if is_valid else "missing, or invalid")
    looked, missing, surplus = 0, 0, 0
    for row_id, text in _take_samples(connection, index):
        looked += 1
        phrase = '"' + text.replace('"', '""') + '"'
        found = f"SELECT rowid FROM {index.name} WHERE {index.name} MATCH ?"
        missing += connection.exec_driver_sql(f"{found} AND rowid = ?", (phrase, row_id)).first() is None
        gone = f"""
            SELECT 1 FROM ({found} LIMIT {_MATCHES}) AS found WHERE NOT EXISTS (
                SELECT 1 FROM {index.table} WHERE execution = found.rowid AND {index.column} IS NOT NULL
            )
        """
        surplus += connection.exec_driver_sql(gone, (phrase,)).first() is not None
        connection.rollback()  # a read that takes long makes the log grow
    if missing or surplus:
        return Finding(False, f"of {looked} samples {missing} are not found, {surplus} with what is gone")
    return Finding(True, f"right in {looked} samples")


def _take_samples(connection: sa.Connection, index: _Index) -> Iterator[tuple[int, str]]:
    """Give texts from everywhere in a table, each beginning like its row's and ending with a whole word."""
    ends = connection.exec_driver_sql(f"SELECT min(execution), max(execution) FROM {index.table}").one()
    if ends[0] is None:
        return
    step = max((ends[1] - ends[0]) // _SAMPLES, 1)
    wanted = (
        f"SELECT execution, {index.text} FROM {index.table} "
        f"WHERE execution >= ? AND execution < ? AND {index.column} IS NOT NULL ORDER BY execution LIMIT 1"
    )
    for begin in range(ends[0], ends[1] + 1, step):
        row = connection.exec_driver_sql(wanted, (begin, begin + step)).one_or_none()
        sample = _shorten(str(row[1] or "")) if row else ""
        if row and len(sample) >= _SHORTEST and any(sign.isalnum() for sign in sample) and "\0" not in sample:
            yield row[0], sample


def _shorten(text: str) -> str:
    if len(text) <= _LENGTH:
        return text
    whole = re.match(r".*\s", text[:_LENGTH], re.DOTALL)
    return whole.group().strip() if whole else text[:1_000]
