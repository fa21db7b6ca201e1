"""Tallies, text indexes and durations, so that lists and counts stay as fast at a million executions as at a hundred.

The database keeps them in step by triggers: whoever writes an execution, they are right in the same transaction.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_CELL = "app_id, status, origin, started_by"
_CHANGE = f"INSERT INTO tally_change ({_CELL}, number) VALUES"
_OLD = "old.app_id, old.status, old.origin, old.started_by"
_NEW = "new.app_id, new.status, new.origin, new.started_by"
# Deeper or longer material than this is no text that anybody looks for.
_CHARACTERS = 100_000


def upgrade() -> None:
    _make_tables()
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE if is_sqlite else _POSTGRESQL:
        connection.exec_driver_sql(statement)
    for statement in _fill(is_sqlite):
        connection.exec_driver_sql(statement)


def _make_tables() -> None:
    name = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "execution_text",
        sa.Column("execution", sa.BigInteger(), sa.ForeignKey("execution.id"), primary_key=True),
        sa.Column("reference", name, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
    )
    _partial_index("execution_text_reference", "execution_text", ["reference"], "reference")
    op.create_table(
        "tally",
        *_cell_columns(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*_CELL.split(", ")),
        sqlite_with_rowid=False,
    )
    op.create_index("tally_source", "tally", ["origin", "started_by", "app_id", "status", "number"])
    op.create_table(
        "tally_change",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        *_cell_columns(),
        sa.Column("number", sa.Integer(), nullable=False),
    )
    op.add_column("execution", sa.Column("duration", sa.Integer(), nullable=True))
    for column in ("app_id", "status"):
        op.add_column("failure", sa.Column(column, sa.String(), nullable=True))
    op.add_column("failure", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    for index in (
        "execution_newest",
        "execution_app",
        "execution_reference",
        "execution_status",
        "execution_app_status",
    ):
        op.drop_index(index, "execution")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("execution", "execution_id", type_=sa.String(collation="C"))
    place = ["created_at", "id"]
    op.create_index("execution_newest", "execution", [*place, "origin", "started_by", "app_id"])
    op.create_index("execution_status", "execution", ["status", *place, "origin", "started_by"])
    op.create_index("execution_app_status", "execution", ["app_id", "status", *place, "origin", "started_by"])
    op.create_index("execution_starter", "execution", ["started_by", *place, "origin", "app_id", "status"])
    _partial_index("delivery_copies", "delivery", ["duplicate_of"], "duplicate_of")
    _partial_index("execution_duration", "execution", ["app_id", "status", "duration", *place], "duration")
    op.create_index("failure_newest", "failure", ["triage", "created_at", "execution", "app_id", "status"])


def _cell_columns() -> list[sa.Column[str]]:
    return [sa.Column(column, sa.String(), nullable=False) for column in _CELL.split(", ")]


def _partial_index(name: str, table: str, columns: list[str], present: str) -> None:
    where = sa.text(f"{present} IS NOT NULL")
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _words(row: str) -> str:
    """Return what inputs say in words, nothing where they are no JSON that can be read."""
    texts = f"SELECT group_concat(atom, ' ') FROM json_tree({row}.inputs) WHERE type = 'text'"
    return f"substr(CASE WHEN json_valid({row}.inputs) THEN ({texts}) END, 1, {_CHARACTERS})"


def _trigger(name: str, event: str, body: str, when: str | None = None) -> str:
    condition = f" WHEN {when}" if when else ""
    return f"CREATE TRIGGER {name} {event} FOR EACH ROW{condition} BEGIN {body} END"


_TEXT = "INSERT INTO execution_text (execution, reference, error)"
_SQLITE = [
    "CREATE VIRTUAL TABLE error_index USING fts5(error, content='', columnsize=0, tokenize='trigram')",
    "CREATE VIRTUAL TABLE reference_index USING fts5(reference, content='', columnsize=0, tokenize='trigram')",
    "CREATE VIRTUAL TABLE inputs_index USING fts5(words, content='', columnsize=0, "
    "tokenize='unicode61 remove_diacritics 2')",
    _trigger("execution_counted", "AFTER INSERT ON execution", f"{_CHANGE} ({_NEW}, 1);"),
    _trigger(
        "execution_recounted",
        "AFTER UPDATE OF app_id, status, origin, started_by ON execution",
        f"{_CHANGE} ({_OLD}, -1), ({_NEW}, 1);",
        when=f"({_OLD}) IS NOT ({_NEW})",
    ),
    _trigger("execution_uncounted", "AFTER DELETE ON execution", f"{_CHANGE} ({_OLD}, -1);"),
    _trigger(
        "execution_text_kept",
        "AFTER INSERT ON execution",
        f"{_TEXT} VALUES (new.id, new.reference, new.error_message);",
        when="new.reference IS NOT NULL OR new.error_message IS NOT NULL",
    ),
    _trigger(
        "execution_text_changed",
        "AFTER UPDATE OF reference, error_message ON execution",
        f"DELETE FROM execution_text WHERE execution = new.id; {_TEXT} SELECT new.id, new.reference, "
        "new.error_message WHERE new.reference IS NOT NULL OR new.error_message IS NOT NULL;",
        when="(old.reference, old.error_message) IS NOT (new.reference, new.error_message)",
    ),
    _trigger(
        "execution_text_gone",
        "BEFORE DELETE ON execution",
        "DELETE FROM execution_text WHERE execution = old.id;",
    ),
    _trigger(
        "error_indexed",
        "AFTER INSERT ON execution_text",
        "INSERT INTO error_index (rowid, error) VALUES (new.execution, new.error);",
        when="new.error IS NOT NULL",
    ),
    _trigger(
        "error_unindexed",
        "AFTER DELETE ON execution_text",
        "INSERT INTO error_index (error_index, rowid, error) VALUES ('delete', old.execution, old.error);",
        when="old.error IS NOT NULL",
    ),
    _trigger(
        "reference_indexed",
        "AFTER INSERT ON execution_text",
        "INSERT INTO reference_index (rowid, reference) VALUES (new.execution, new.reference);",
        when="new.reference IS NOT NULL",
    ),
    _trigger(
        "reference_unindexed",
        "AFTER DELETE ON execution_text",
        "INSERT INTO reference_index (reference_index, rowid, reference) "
        "VALUES ('delete', old.execution, old.reference);",
        when="old.reference IS NOT NULL",
    ),
    _trigger(
        "inputs_indexed",
        "AFTER INSERT ON execution_payload",
        f"INSERT INTO inputs_index (rowid, words) VALUES (new.execution, {_words('new')});",
        when="new.inputs IS NOT NULL",
    ),
    _trigger(
        "inputs_unindexed",
        "AFTER UPDATE OF inputs ON execution_payload",
        "INSERT INTO inputs_index (inputs_index, rowid, words) "
        f"SELECT 'delete', old.execution, {_words('old')} WHERE old.inputs IS NOT NULL; "
        "INSERT INTO inputs_index (rowid, words) "
        f"SELECT new.execution, {_words('new')} WHERE new.inputs IS NOT NULL;",
        when="old.inputs IS NOT new.inputs",
    ),
    _trigger(
        "inputs_gone",
        "AFTER DELETE ON execution_payload",
        f"INSERT INTO inputs_index (inputs_index, rowid, words) VALUES ('delete', old.execution, {_words('old')});",
        when="old.inputs IS NOT NULL",
    ),
    _trigger(
        "failure_copied",
        "AFTER INSERT ON failure",
        "UPDATE failure SET (app_id, status, created_at) = "
        "(SELECT app_id, status, created_at FROM execution WHERE id = new.execution) WHERE execution = new.execution;",
    ),
    _trigger(
        "failure_followed",
        "AFTER UPDATE OF app_id, status, created_at ON execution",
        "UPDATE failure SET app_id = new.app_id, status = new.status, created_at = new.created_at "
        "WHERE execution = new.id;",
        when="(old.app_id, old.status, old.created_at) IS NOT (new.app_id, new.status, new.created_at)",
    ),
]

_POSTGRESQL = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX error_index ON execution_text USING gin (error gin_trgm_ops)",
    "CREATE INDEX reference_index ON execution_text USING gin (reference gin_trgm_ops)",
    # What cannot be read as text has no words; an index must never refuse a row.
    f"""
    CREATE FUNCTION inputs_words(inputs json) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
    DECLARE words text;
    BEGIN
        SELECT string_agg(value #>> '{{}}', ' ') INTO words
        FROM jsonb_path_query(inputs::jsonb, 'strict $.** ? (@.type() == "string")') AS value;
        RETURN to_tsvector('simple', regexp_replace(left(words, {_CHARACTERS}), '[^[:alnum:]]+', ' ', 'g'));
    EXCEPTION WHEN others THEN
        RETURN ''::tsvector;
    END $$
    """,
    "CREATE INDEX inputs_index ON execution_payload USING gin (inputs_words(inputs))",
    f"""
    CREATE FUNCTION execution_followed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            IF TG_OP = 'UPDATE' AND ({_OLD}) IS NOT DISTINCT FROM ({_NEW}) THEN NULL;
            ELSE {_CHANGE} ({_OLD}, -1);
            END IF;
        END IF;
        IF TG_OP = 'DELETE' THEN
            DELETE FROM execution_text WHERE execution = old.id;
            RETURN old;
        END IF;
        IF TG_OP = 'INSERT' OR ({_OLD}) IS DISTINCT FROM ({_NEW}) THEN
            {_CHANGE} ({_NEW}, 1);
        END IF;
        RETURN new;
    END $$
    """,
    f"""
    CREATE FUNCTION execution_copied() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF (old.app_id, old.status, old.created_at) IS DISTINCT FROM (new.app_id, new.status, new.created_at) THEN
                UPDATE failure SET app_id = new.app_id, status = new.status, created_at = new.created_at
                WHERE execution = new.id;
            END IF;
            IF (old.reference, old.error_message) IS NOT DISTINCT FROM (new.reference, new.error_message) THEN
                RETURN new;
            END IF;
            DELETE FROM execution_text WHERE execution = new.id;
        END IF;
        IF new.reference IS NOT NULL OR new.error_message IS NOT NULL THEN
            {_TEXT} VALUES (new.id, new.reference, new.error_message);
        END IF;
        RETURN new;
    END $$
    """,
    """
    CREATE FUNCTION failure_copied() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        SELECT app_id, status, created_at INTO new.app_id, new.status, new.created_at
        FROM execution WHERE id = new.execution;
        RETURN new;
    END $$
    """,
    "CREATE TRIGGER execution_followed BEFORE INSERT OR UPDATE OR DELETE ON execution "
    "FOR EACH ROW EXECUTE FUNCTION execution_followed()",
    "CREATE TRIGGER execution_copied AFTER INSERT OR UPDATE ON execution "
    "FOR EACH ROW EXECUTE FUNCTION execution_copied()",
    "CREATE TRIGGER failure_copied BEFORE INSERT ON failure FOR EACH ROW EXECUTE FUNCTION failure_copied()",
]


def _fill(is_sqlite: bool) -> list[str]:
    """Return what brings in the executions that are here already."""
    span = (
        "round((julianday(completed_at) - julianday(created_at)) * 86400000)"
        if is_sqlite
        else "round(extract(epoch FROM completed_at - created_at) * 1000)"
    )
    least, most = ("max", "min") if is_sqlite else ("greatest", "least")
    statements = [
        f"UPDATE execution SET duration = CAST({most}({least}({span}, 0), 2147483647) AS INTEGER) "
        "WHERE completed_at IS NOT NULL",
        f"{_TEXT} SELECT id, reference, error_message FROM execution "
        "WHERE reference IS NOT NULL OR error_message IS NOT NULL",
        f"INSERT INTO tally ({_CELL}, number) SELECT {_CELL}, count(*) FROM execution GROUP BY {_CELL}",
        "UPDATE failure SET app_id = execution.app_id, status = execution.status, created_at = execution.created_at "
        "FROM execution WHERE execution.id = failure.execution",
    ]
    if is_sqlite:
        statements.append(
            "INSERT INTO inputs_index (rowid, words) "
            f"SELECT execution, {_words('execution_payload')} FROM execution_payload WHERE inputs IS NOT NULL"
        )
    return statements
