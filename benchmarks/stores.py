"""Seeded stores, kept between runs in `data/`, and made anew where the schema has changed since.

What a store's history is does not depend on when it was seeded: its present is the instant at which it ends.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import SQLModel

from lamina_core import config, errors
from lamina_core.clock import SystemClock
from lamina_core.store import engine, seeding

_FOLDER = config.PROJECT / "data"
_POSTGRES = _FOLDER / "bench-postgres"
_SEED = 1


@dataclass
class StoredClock(SystemClock):
    """The machine's clock, but for the date: that is the end of a store's history."""

    instant: datetime

    def now(self) -> datetime:
        """Return the last instant of the history."""
        return self.instant


def keep_file(executions: int) -> Path:
    """Return a file on SQLite with so many executions; do not write to it."""
    file = _FOLDER / f"bench-{executions}.db"
    url = f"sqlite:///{file}"
    if not file.exists() or not _is_ready(url, executions):
        for part in _FOLDER.glob(f"{file.name}*"):
            part.unlink()
        _seed(url, executions)
    return file


def copy_file(executions: int, folder: Path) -> Path:
    """Return a copy of a kept file, to be written to."""
    return Path(shutil.copy(keep_file(executions), folder / "desk.db"))


@contextmanager
def keep_postgres(*sizes: int) -> Generator[dict[int, str]]:
    """Run a PostgreSQL of our own and give the URLs of databases with so many executions each."""
    binaries = _find_binaries()
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(binaries / program), "-D", str(_POSTGRES), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    if not _POSTGRES.exists():
        _POSTGRES.mkdir()
        if as_user:
            shutil.chown(_POSTGRES, "postgres")
        run("initdb", "-A", "trust", "-U", "desk", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories={_POSTGRES} -c shared_buffers=512MB"
    run("pg_ctl", "-o", options, "-l", "/dev/null", "-w", "start")
    try:
        yield {executions: _keep_database(executions) for executions in sizes}
    finally:
        run("pg_ctl", "-m", "fast", "-w", "stop")


def _keep_database(executions: int) -> str:
    name = f"desk_{executions}"
    url = f"postgresql+psycopg://desk@/{name}?host={_POSTGRES}"
    if not _is_ready(url, executions):
        admin = f"postgresql+psycopg://desk@/postgres?host={_POSTGRES}"
        _run_sql(admin, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        _seed(url, executions)
        _run_sql(url, "VACUUM ANALYZE")  # as its own housekeeper would, but not while we measure
    return url


def read_clock(url: str) -> StoredClock:
    """Return the clock by which a store's history has just ended."""
    engines = engine.open_engines(url)
    try:
        with engines.reading() as connection:
            progress = seeding.read_progress(connection)
    finally:
        engines.close()
    assert progress is not None
    return StoredClock(progress.end)


def _is_ready(url: str, executions: int) -> bool:
    engines = engine.open_engines(url)
    try:
        if engine.missing_version(engines) is not None or not _has_indexes(engines):
            return False
        with engines.reading() as connection:
            progress = seeding.read_progress(connection)
    except errors.StoreError:
        return False
    finally:
        engines.close()
    return progress is not None and progress.closed and progress.number == executions


def _has_indexes(engines: engine.Engines) -> bool:
    """Say whether every index of this code is there: a version that is not released yet may have changed."""
    found = sa.inspect(engines.read)
    present = {(name, index["name"]) for (_, name), several in found.get_multi_indexes().items() for index in several}
    tables = SQLModel.metadata.tables.values()
    return {(table.name, index.name) for table in tables for index in table.indexes} <= present


def _seed(url: str, executions: int) -> None:
    print(f"seeding {executions:,} executions, once", file=sys.stderr)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
    options = ["--executions", str(executions), "--seed", str(_SEED), "--database", url]
    command = [sys.executable, "-m", "lamina_core", "seed", *options]
    subprocess.run(command, check=True, env=environment, cwd=config.PROJECT, stdout=subprocess.DEVNULL)


def _find_binaries() -> Path:
    found = [Path(shutil.which("initdb") or "/nowhere/initdb").resolve().parent]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for path in found:
        if (path / "initdb").exists() and (path / "pg_ctl").exists():
            return path
    sys.exit("There is no PostgreSQL here; on Debian: apt-get install postgresql.")


def _run_sql(url: str, *statements: str) -> None:
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    admin.dispose()
