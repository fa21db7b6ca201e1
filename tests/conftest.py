"""What every ring of tests stands on: a settable clock, real databases, a real sandbox."""

import gc
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.sandbox.server import Sandbox
from lamina_core.store import engine
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

for name in [name for name in os.environ if name.startswith("LAMINA_")]:
    del os.environ[name]  # a developer's own settings must not decide a test


def pytest_collection_finish() -> None:
    """Keep what is imported and collected out of garbage collections, which would walk through it again and again."""
    gc.collect()
    gc.freeze()


class SettableClock:
    """A clock that moves only when it is told to; sleeping moves it."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> datetime:
        self.instant += timedelta(seconds=seconds)
        return self.instant


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


def _postgres_binaries() -> Path | None:
    found = [Path(shutil.which("initdb") or "/nowhere/initdb").resolve().parent]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own, thrown away afterwards; gives the URL prefix up to the database's name."""
    binaries = _postgres_binaries()
    if binaries is None:
        reason = "no PostgreSQL found; on Debian: apt-get install postgresql"
        if os.environ.get("REQUIRE_POSTGRES"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="desk-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(binaries / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run("initdb", "-A", "trust", "-U", "desk", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://desk@/{{name}}?host={folder}"
    finally:
        run("pg_ctl", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def _create_database(prefix: str, statement: str) -> None:
    admin = sa.create_engine(prefix.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a migrated database that tests copy."""
    _create_database(postgres, "CREATE DATABASE template_desk")
    engines = engine.open_engines(postgres.format(name="template_desk"))
    engine.migrate(engines.write)
    engines.close()
    return "template_desk"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty migrated database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'desk.db'}"
    prefix, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    name = f"desk_{random.getrandbits(60):x}"
    _create_database(prefix, f"CREATE DATABASE {name} TEMPLATE {template}")
    return str(prefix.format(name=name))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store on SQLite that tests copy: to copy one is a hundred times as fast as to migrate one."""
    file = tmp_path_factory.mktemp("store") / "desk.db"
    engines = engine.open_engines(f"sqlite:///{file}")
    engine.migrate(engines.write)
    engines.close()
    return file


@pytest.fixture
def engines(database_url: str, migrated: Path) -> Iterator[Engines]:
    file = sa.make_url(database_url).database or ""
    if database_url.startswith("sqlite") and not Path(file).exists():
        shutil.copy(migrated, file)
    opened = engine.open_engines(database_url)
    engine.migrate(opened.write)
    yield opened
    opened.close()


@pytest.fixture
def writer(engines: Engines) -> Iterator[Writer]:
    running = Writer(engines.write, SystemClock())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of the real catalogue, two hundred times as fast as life and without a rate limit."""
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=200.0,
        rate_limit=0,
        port=0,
    )
    running.start()
    yield running
    running.stop()
