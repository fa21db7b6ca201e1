"""Opening the database: one engine that writes, one that reads, and the migrations between versions."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from lamina_core import errors

log = logging.getLogger(__name__)

BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write to end

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_262_301_104  # any fixed number: the advisory lock under which PostgreSQL is migrated


@dataclass(frozen=True)
class Engines:
    """The two ways into one database; only the writer's thread uses `write`."""

    write: sa.Engine
    read: sa.Engine

    @contextmanager
    def reading(self) -> Generator[sa.Connection]:
        """Give a connection that sees one consistent state; keep it short.

        StoreError where the database cannot be read.
        """
        try:
            with self.read.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise errors.StoreError(f"The database cannot be read: {error.orig}.") from error

    def close(self) -> None:
        """Close every connection."""
        self.read.dispose()
        self.write.dispose()


@dataclass(frozen=True)
class Trouble:
    """Why the database takes no writes, and since when."""

    since: datetime
    message: str


def open_engines(url: str) -> Engines:
    """Return the engines for a database URL; nothing is connected yet.

    StoreError if the folder of an SQLite file can neither be found nor made.
    """
    if url.startswith("sqlite"):
        folder = Path(sa.make_url(url).database or "").parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise errors.StoreError(f"The folder {folder} of the database cannot be made: {error.strerror}.") from error
        return Engines(write=_sqlite_engine(url, "BEGIN IMMEDIATE"), read=_sqlite_engine(url, "BEGIN"))
    # A prepared statement outlives a migration that would give it a better plan, so none is prepared.
    options: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"prepare_threshold": None}}
    read = sa.create_engine(url, isolation_level="REPEATABLE READ", **options)
    return Engines(write=sa.create_engine(url, pool_size=2, **options), read=read)


def _sqlite_engine(url: str, begin: str) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None  # BEGIN is ours: the driver's own would begin too late to be safe
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_size_limit=67108864")
        if begin == "BEGIN":
            connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def migrate(engine: sa.Engine) -> None:
    """Bring the database to this code's version, all steps or none.

    StoreNewer if the database was made by newer code; StoreError if it cannot be opened or changed.
    """
    config, script = _read_migrations()
    known = {revision.revision for revision in script.walk_revisions()}
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            present = MigrationContext.configure(connection).get_current_revision()
            if present is not None and present not in known:
                raise errors.StoreNewer(
                    f"The database is at version {present}, which this version of Lamina Desk does not know. "
                    "Install the newer Lamina Desk, or restore a copy made before it was upgraded."
                )
            if present != script.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                log.info("database migrated from %s to %s", present or "empty", script.get_current_head())
    except sa.exc.DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise errors.StoreError(f"The database {where} cannot be opened: {error.orig}.") from error


def missing_version(engines: Engines) -> str | None:
    """Return what is amiss with the database's version, None if it is this code's; StoreError if it cannot be read."""
    _, script = _read_migrations()
    with engines.reading() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    head = script.get_current_head()
    return None if present == head else f"The database is at version {present}, this code needs {head}."


def _read_migrations() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config, ScriptDirectory.from_config(config)


def explain(error: Exception) -> Exception:
    """Return a database's error as one of ours that says what to do; any other error as it is."""
    if not isinstance(error, sa.exc.DBAPIError):
        return error
    trouble = _first_trouble(error)
    cause = str(trouble.orig)
    if not isinstance(trouble, sa.exc.OperationalError):
        return errors.StoreError(f"The database refused a write: {cause}.")
    if "locked" in cause:
        return errors.StoreBusy("Another process holds the database. Try again in a few seconds.")
    if "full" in cause:
        return errors.StoreError("The disk of the database is full. Make room; what was stored is safe.")
    if "readonly" in cause:
        return errors.StoreError("The database file cannot be written. Check its permissions.")
    return errors.StoreError(f"The database refused a write: {cause}.")


def _first_trouble(error: sa.exc.DBAPIError) -> sa.exc.DBAPIError:
    """Return what went wrong first: on a full disk SQLite undoes all at once, and then misses the savepoint."""
    first, link = error, error.__context__
    while link is not None:
        if isinstance(link, sa.exc.DBAPIError):
            first = link
        link = link.__context__
    return first
