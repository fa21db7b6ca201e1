"""What each index on `execution` costs a write: the same writes without it, in turn, on copies of a small store.

A write is an execution as it lives: stored, seen running, ended. Every round is undone, so that all begin alike. The
index that makes Lamina's ids unique cannot be taken away.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from benchmarks import stores
from benchmarks.figures import Figure
from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.store import engine
from lamina_core.store.tables import ExecutionTable

_EXECUTIONS = 10_000  # of the store
_WRITTEN, _ROUNDS = 1_000, 15
_APPS, _OPERATORS = 30, 25
_INDEXES = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'execution' AND sql IS NOT NULL"


def measure() -> list[Figure]:
    """Print what each costs, and return how many there are and what all of them cost."""
    now = stores.read_clock(f"sqlite:///{stores.keep_file(_EXECUTIONS)}").now()
    with tempfile.TemporaryDirectory() as folder, _open(stores.copy_file(_EXECUTIONS, Path(folder))) as engines:
        names = _read_names(engines)
        spans: dict[str, list[float]] = {name: [] for name in ("", *names, "all of them")}
        for _ in range(_ROUNDS):
            for name, told in spans.items():
                told.append(_time_writes(engines, now, names if name == "all of them" else [name] if name else []))
        with engines.write.connect() as connection:
            number = len(connection.exec_driver_sql("PRAGMA index_list(execution)").all())
    whole = statistics.median(spans.pop(""))
    print(f"a write of an execution with all its indexes: {whole / _WRITTEN * 1_000_000:.0f} us; without")
    for name, told in spans.items():
        without = statistics.median(told)
        print(f"  {name:<24} {without / _WRITTEN * 1_000_000:>5.0f} us: it costs {whole / without - 1:>6.1%}")
    return [
        Figure("indexes on execution", number, "", 8.0),
        Figure("a write with them / without them", whole / statistics.median(spans["all of them"]), "x", 2.0),
    ]


@contextmanager
def _open(file: Path) -> Iterator[engine.Engines]:
    engines = engine.open_engines(f"sqlite:///{file}")
    try:
        yield engines
    finally:
        engines.close()


def _read_names(engines: engine.Engines) -> list[str]:
    with engines.write.connect() as connection:
        return list(connection.exec_driver_sql(_INDEXES).scalars())


def _time_writes(engines: engine.Engines, now: datetime, dropped: list[str]) -> float:
    """Return the seconds of the same writes without some indexes; nothing of it stays."""
    rows = [_row(number, now) for number in range(_WRITTEN)]
    table = ExecutionTable
    here = col(table.execution_id) == sa.bindparam("name")
    running = sa.update(table).where(here).values(status=Status.RUNNING, started_at=now, next_poll_at=now)
    ended = (
        sa.update(table)
        .where(here)
        .values(status=Status.COMPLETED, completed_at=now, duration=sa.bindparam("took"), next_poll_at=None)
    )
    changes = [{"name": row["execution_id"], "took": 5_000 + place} for place, row in enumerate(rows)]
    with engines.write.connect() as connection:
        for name in dropped:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        began = time.perf_counter()
        connection.execute(sa.insert(table), rows)
        connection.execute(running, [{"name": each["name"]} for each in changes])
        connection.execute(ended, changes)
        took = time.perf_counter() - began
        connection.rollback()
    return took


def _row(number: int, now: datetime) -> dict[str, Any]:
    began = now + timedelta(milliseconds=number)
    return {
        "execution_id": f"bench-{number * 7919 % 100_003:06}",
        "app_id": f"app-{number % _APPS}",
        "app_name": "Portrait Studio",
        "status": Status.STARTING,
        "kind": Kind.IMAGE,
        "generation": Generation.EXECUTIONS,
        "created_at": began,
        "updated_at": began,
        "missing_count": 0,
        "poll_count": 0,
        "origin": Origin.FORM,
        "started_by": f"operator {number % _OPERATORS}",
        "webhook_expected": True,
    }
