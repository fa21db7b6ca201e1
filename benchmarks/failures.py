"""Ten thousand failures of forty causes: how long the store takes to group them, and a screen to read the groups."""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.figures import Figure
from lamina_core.clock import SystemClock
from lamina_core.domain import Generation, Kind, Origin, Status
from lamina_core.insights import failures
from lamina_core.store import engine
from lamina_core.store.engine import Engines
from lamina_core.store.groups import GroupView
from lamina_core.store.tables import ExecutionTable, PayloadTable
from lamina_core.store.writer import Writer
from lamina_core.triage.regrouping import Regrouping

FAILURES, CAUSES = 10_000, 40
_TIMES = 50
_STEPS = ("decode", "resize", "upload", "render", "blend")
_ENDS = (
    "timed out",
    "was refused",
    "ran out of memory",
    "gave no picture",
    "is not a picture",
    "was cut",
    "hung",
    "died",
)


def measure() -> list[Figure]:
    """Return the figures."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        engines = engine.open_engines(f"sqlite:///{Path(folder) / 'failures.db'}")
        engine.migrate(engines.write)
        writer = Writer(engines.write, clock)
        writer.start()
        try:
            writer.run(lambda connection: _fill(connection, clock))
            regrouping = Regrouping(engines, writer, clock)
            began = time.perf_counter()
            while regrouping.is_unfinished():
                regrouping.regroup_next()
            grouped = time.perf_counter() - began
            read = _time(lambda: failures.read_groups(engines, GroupView.OPEN, clock.now()))
            counted = _time(lambda: _count_from_rows(engines))
            listed = failures.read_groups(engines, GroupView.OPEN, clock.now())
            if len(listed.rows) != CAUSES or sum(row.group.number for row in listed.rows) != FAILURES:
                raise AssertionError(f"{len(listed.rows)} groups of {CAUSES}")
        finally:
            writer.stop()
            engines.close()
    return [
        Figure("group 10,000 stored failures", grouped, "s", 5.0),
        Figure("read 40 groups of 10,000 failures", read * 1000, "ms", 1000.0, counted * 1000),
    ]


def _fill(connection: sa.Connection, clock: SystemClock) -> None:
    now = clock.now()
    rows = []
    for number in range(1, FAILURES + 1):
        step, end = _STEPS[number % 5], _ENDS[number // 5 % 8]
        failed_at = now - timedelta(minutes=number)
        rows.append(
            {
                "id": number,
                "execution_id": f"exec-{number}",
                "app_id": "app-1",
                "app_name": "Portrait Studio",
                "status": Status.FAILED,
                "kind": Kind.IMAGE,
                "generation": Generation.EXECUTIONS,
                "error_message": f"Step {step} {end} after {number} ms for https://example.com/{number}.png",
                "created_at": failed_at,
                "completed_at": failed_at,
                "updated_at": failed_at,
                "missing_count": 0,
                "poll_count": 0,
                "origin": Origin.FORM,
                "started_by": "Ada",
                "webhook_expected": False,
            }
        )
    connection.execute(sa.insert(ExecutionTable), rows)
    payloads = [{"execution": row["id"], "inputs": {}} for row in rows]
    connection.execute(sa.insert(PayloadTable), payloads)


def _time(read: Callable[[], object]) -> float:
    """Return the median of several, in seconds."""
    spans = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        read()
        spans.append(time.perf_counter() - began)
    return statistics.median(spans)


def _count_from_rows(engines: Engines) -> object:
    """Group without counters, as a page would that counts the failures themselves."""
    with engines.reading() as connection:
        query = "SELECT fingerprint, count(*), min(failed_at), max(failed_at) FROM failure GROUP BY fingerprint"
        return connection.exec_driver_sql(query).all()
