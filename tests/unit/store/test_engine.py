"""Opening and migrating: all steps or none, on both databases, and refusals that say what to do."""

import threading
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from lamina_core import errors
from lamina_core.store import engine, notes, tables
from lamina_core.store.columns import UtcDateTime

TEXT_INDEXES = ("error_index", "inputs_index", "reference_index")


def empty(engines) -> None:
    """Take every table away again."""
    with engines.write.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        else:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            # The indexes over texts are tables that consist of tables, which go with them.
            for table in sorted(sa.inspect(connection).get_table_names(), key=lambda name: name not in TEXT_INDEXES):
                connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{table}"')


def tables_of(engines) -> set[str]:
    with engines.write.connect() as connection:
        return {name for name in sa.inspect(connection).get_table_names() if is_ours(name)}


def is_ours(table: str) -> bool:
    """Say whether a table is no part of an index over texts."""
    return not table.startswith(TEXT_INDEXES)


def test_the_migrations_make_what_the_code_expects(engines):
    with engines.write.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, parents: kind not in {"table", "index"} or is_ours(name),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_again_changes_nothing(engines, clock):
    with engines.write.begin() as connection:
        notes.write(connection, "kept", {"a": 1}, clock.now())
    engine.migrate(engines.write)
    with engines.reading() as connection:
        assert notes.read(connection, "kept").document == {"a": 1}


def test_a_newer_database_is_refused_and_left_alone(engines):
    with engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = tables_of(engines)
    with pytest.raises(errors.StoreNewer, match=r"version 9999.*Install the newer Lamina Desk"):
        engine.migrate(engines.write)
    assert tables_of(engines) == before


def test_a_migration_that_fails_leaves_nothing_behind(engines):
    empty(engines)
    with engines.write.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE execution_payload (in_the_way INTEGER)")
    with pytest.raises(errors.StoreError, match="execution_payload"):
        engine.migrate(engines.write)
    assert tables_of(engines) == {"execution_payload"}
    with engines.write.begin() as connection:
        connection.exec_driver_sql("DROP TABLE execution_payload")
    engine.migrate(engines.write)
    assert tables_of(engines) > {"execution", "alembic_version"}


def test_processes_that_start_at_once_migrate_once(engines, database_url, monkeypatch):
    empty(engines)
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 30.0)  # seconds: on a busy machine a migration may take more than five
    opened = [engine.open_engines(database_url) for _ in range(4)]
    together, failures = threading.Barrier(4), []

    def migrate(each) -> None:
        together.wait(30)
        try:
            engine.migrate(each.write)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(each,)) for each in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for each in opened:
        each.close()
    assert failures == []
    assert tables_of(engines) == {*SQLModel.metadata.tables, "alembic_version"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(errors.StoreError, match="file/inner"):
        engine.open_engines(f"sqlite:///{tmp_path / 'file' / 'inner' / 'desk.db'}")


def test_missing_folders_are_made(tmp_path):
    opened = engine.open_engines(f"sqlite:///{tmp_path / 'a' / 'b' / 'desk.db'}")
    engine.migrate(opened.write)
    opened.close()
    assert (tmp_path / "a" / "b" / "desk.db").exists()


@pytest.mark.parametrize("kind", ["folder", "text"])
def test_what_is_no_database_is_told_as_such(tmp_path, kind):
    path = Path(tmp_path / "desk.db")
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("a letter to the editor\n" * 100)
    opened = engine.open_engines(f"sqlite:///{path}")
    with pytest.raises(errors.StoreError, match="cannot be opened"):
        engine.migrate(opened.write)
    opened.close()


def test_a_server_that_is_not_there_is_told_without_its_password():
    opened = engine.open_engines("postgresql+psycopg://desk:s3cret@127.0.0.1:1/desk")
    with pytest.raises(errors.StoreError, match="cannot be opened") as refused:
        engine.migrate(opened.write)
    opened.close()
    assert "s3cret" not in str(refused.value)


def test_a_reader_sees_one_state_however_long_it_looks(engines, writer, clock):
    writer.run(lambda connection: notes.write(connection, "n", {"state": 1}, clock.now()))
    with engines.reading() as connection:
        assert notes.read(connection, "n").document == {"state": 1}
        writer.run(lambda connection: notes.write(connection, "n", {"state": 2}, clock.now()))
        assert notes.read(connection, "n").document == {"state": 1}
    with engines.reading() as connection:
        assert notes.read(connection, "n").document == {"state": 2}


def test_what_cannot_be_read_is_an_error_of_the_store(engines):
    with pytest.raises(errors.StoreError, match="cannot be read"), engines.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")


def test_the_way_in_for_readers_writes_nothing_on_sqlite(sqlite_engines, clock):
    with pytest.raises(errors.StoreError, match="readonly"), sqlite_engines.reading() as connection:
        notes.write(connection, "n", {}, clock.now())


def test_sqlite_is_set_up_to_be_durable(sqlite_engines):
    for way_in in (sqlite_engines.write, sqlite_engines.read):
        with way_in.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5_000}


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 14), sa.create_engine("sqlite://").dialect)  # noqa: DTZ001


def test_instants_come_back_aware_and_equal_from_either_database(engines, writer, clock):
    odd = clock.now().replace(microsecond=123_456)
    writer.run(lambda connection: notes.write(connection, "n", {}, odd))
    with engines.reading() as connection:
        found = notes.read(connection, "n").updated_at
    assert (found, found.utcoffset().total_seconds()) == (odd, 0)


def test_execution_has_at_most_eight_indexes():
    assert len(SQLModel.metadata.tables[tables.ExecutionTable.__tablename__].indexes) <= 8
