"""What is kept twice, compared with what it is kept from; and made anew from that, in one transaction each.

Each check is one statement, so that it sees one state of the database and holds up nobody. Functions take the
connection first and never commit.
"""

# ruff: noqa: S608 - every part of the statements is written here
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from lamina_core.store import indexes
from lamina_core.store.indexes import Finding

_CELL = "app_id, status, origin, started_by"
_TALLY_SUMS = f"""
    SELECT {_CELL}, sum(number) AS number FROM (
        SELECT {_CELL}, count(*) AS number FROM execution GROUP BY {_CELL}
        UNION ALL SELECT {_CELL}, -number FROM tally
        UNION ALL SELECT {_CELL}, -number FROM tally_change
    ) AS side GROUP BY {_CELL} HAVING sum(number) <> 0
"""
_COUNTED = """
    SELECT fingerprint, count(*) AS number, sum(CASE WHEN triage = 'resolved' THEN 0 ELSE 1 END) AS open_number,
        min(failed_at) AS first_seen, max(failed_at) AS last_seen
    FROM failure GROUP BY fingerprint
"""
_WRONG_GROUPS = f"""
    SELECT count(*) FROM failure_group LEFT JOIN ({_COUNTED}) AS counted
        ON counted.fingerprint = failure_group.fingerprint
    WHERE failure_group.number <> coalesce(counted.number, 0)
        OR failure_group.open_number <> coalesce(counted.open_number, 0)
        OR failure_group.last_seen < counted.last_seen OR failure_group.first_seen > counted.first_seen
"""  # a failure that was taken back since may well have been the last one seen
_MISSING_GROUPS = """
    SELECT count(DISTINCT fingerprint) FROM failure
    WHERE NOT EXISTS (SELECT 1 FROM failure_group WHERE failure_group.fingerprint = failure.fingerprint)
"""
_COPIES = "failure.app_id, failure.status, failure.created_at"
_COPIED = "execution.app_id, execution.status, execution.created_at"
_MISSING_PAYLOADS = """
    FROM execution WHERE NOT EXISTS (SELECT 1 FROM execution_payload WHERE execution_payload.execution = execution.id)
"""


@dataclass(frozen=True)
class Check:
    """One thing that is kept twice: how it is compared, and made anew, None where only people can mend it."""

    name: str
    find: Callable[[sa.Connection], Finding]
    repair: Callable[[sa.Connection], None] | None = None


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _count(connection: sa.Connection, statement: str) -> int:
    return int(connection.exec_driver_sql(statement).scalar_one() or 0)


def _judge(wrong: int, what: str, total: str = "") -> Finding:
    return Finding(not wrong, f"{wrong:,} {what}" if wrong else f"right{total}")


def check_tally(connection: sa.Connection) -> Finding:
    """Compare the tally and its changes with the executions."""
    return _judge(_count(connection, f"SELECT count(*) FROM ({_TALLY_SUMS}) AS wrong"), "cells are counted wrong")


def rebuild_tally(connection: sa.Connection) -> None:
    """Count all executions anew."""
    _hold(connection)
    for statement in (
        "DELETE FROM tally",
        "DELETE FROM tally_change",
        f"INSERT INTO tally ({_CELL}, number) SELECT {_CELL}, count(*) FROM execution GROUP BY {_CELL}",
    ):
        connection.exec_driver_sql(statement)


def check_groups(connection: sa.Connection) -> Finding:
    """Compare the numbers and instants of failure groups with their failures."""
    return _judge(_count(connection, _WRONG_GROUPS), "groups are counted wrong")


def rebuild_groups(connection: sa.Connection) -> None:
    """Count the failures of all groups anew."""
    _hold(connection)
    least, most = ("min", "max") if _is_sqlite(connection) else ("least", "greatest")
    connection.exec_driver_sql("UPDATE failure_group SET number = 0, open_number = 0")
    connection.exec_driver_sql(f"""
        UPDATE failure_group SET number = counted.number, open_number = counted.open_number,
            first_seen = {least}(failure_group.first_seen, counted.first_seen),
            last_seen = {most}(failure_group.last_seen, counted.last_seen)
        FROM ({_COUNTED}) AS counted WHERE counted.fingerprint = failure_group.fingerprint
    """)


def check_grouping(connection: sa.Connection) -> Finding:
    """Look for failures whose group is missing."""
    return _judge(_count(connection, _MISSING_GROUPS), "groups are missing")


def rebuild_grouping(connection: sa.Connection) -> None:
    """Make the groups that are missing, titled by the error of their newest execution."""
    _hold(connection)
    connection.exec_driver_sql("""
        INSERT INTO failure_group (fingerprint, app_id, app_name, error_class, title, sample, first_seen, last_seen,
            number, open_number, state)
        SELECT fingerprint, execution.app_id, app_name, 'unknown',
            coalesce(substr(error_message, 1, 120), '(no error)'), error_message, failed_at, failed_at, 0, 0, 'open'
        FROM failure JOIN execution ON execution.id = failure.execution
        WHERE execution.id IN (
            SELECT max(execution) FROM failure
            WHERE NOT EXISTS (SELECT 1 FROM failure_group WHERE failure_group.fingerprint = failure.fingerprint)
            GROUP BY fingerprint
        )
    """)
    rebuild_groups(connection)


def _hour(connection: sa.Connection) -> str:
    if _is_sqlite(connection):
        return "substr(failed_at, 1, 13) || ':00:00.000000'"
    return "date_trunc('hour', failed_at, 'UTC')"


def check_hours(connection: sa.Connection) -> Finding:
    """Compare the failures of each hour with the failures."""
    wrong = f"""
        SELECT count(*) FROM (SELECT fingerprint, hour FROM (
            SELECT fingerprint, {_hour(connection)} AS hour, 1 AS number FROM failure
            UNION ALL SELECT fingerprint, hour, -number FROM failure_hour
        ) AS side GROUP BY fingerprint, hour HAVING sum(number) <> 0) AS wrong
    """
    return _judge(_count(connection, wrong), "hours are counted wrong")


def rebuild_hours(connection: sa.Connection) -> None:
    """Count the failures of all hours anew."""
    _hold(connection)
    connection.exec_driver_sql("DELETE FROM failure_hour")
    connection.exec_driver_sql(f"""
        INSERT INTO failure_hour (fingerprint, hour, number)
        SELECT fingerprint, {_hour(connection)}, count(*) FROM failure GROUP BY 1, 2
    """)


def check_copies(connection: sa.Connection) -> Finding:
    """Compare what failures repeat of their executions."""
    joined = "failure JOIN execution ON execution.id = failure.execution"
    differ = f"({_COPIES}) {differs(connection)} ({_COPIED})"
    return _judge(_count(connection, f"SELECT count(*) FROM {joined} WHERE {differ}"), "failures differ from theirs")


def rebuild_copies(connection: sa.Connection) -> None:
    """Copy anew what failures repeat of their executions."""
    _hold(connection)
    connection.exec_driver_sql(f"""
        UPDATE failure SET app_id = execution.app_id, status = execution.status, created_at = execution.created_at
        FROM execution WHERE execution.id = failure.execution AND ({_COPIES}) {differs(connection)} ({_COPIED})
    """)


def _wrong_durations(connection: sa.Connection) -> tuple[str, str]:
    if _is_sqlite(connection):
        span, least, most = "round((julianday(completed_at) - julianday(created_at)) * 86400000)", "max", "min"
    else:
        span, least, most = "round(extract(epoch FROM completed_at - created_at) * 1000)", "greatest", "least"
    right = f"CASE WHEN completed_at IS NOT NULL THEN CAST({most}({least}({span}, 0), 2147483647) AS INTEGER) END"
    # Half a millisecond is rounded by one database up and by another down.
    return right, f"(duration IS NULL) <> (completed_at IS NULL) OR abs(duration - {right}) > 1"


def check_durations(connection: sa.Connection) -> Finding:
    """Compare durations with the instants that they lie between."""
    _, wrong = _wrong_durations(connection)
    return _judge(_count(connection, f"SELECT count(*) FROM execution WHERE {wrong}"), "executions have a wrong one")


def rebuild_durations(connection: sa.Connection) -> None:
    """Compute anew the durations that are wrong."""
    right, wrong = _wrong_durations(connection)
    connection.exec_driver_sql(f"UPDATE execution SET duration = {right} WHERE {wrong}")


def check_payloads(connection: sa.Connection) -> Finding:
    """Look for executions without the row that holds what is wide of them."""
    return _judge(_count(connection, f"SELECT count(*) {_MISSING_PAYLOADS}"), "executions have none")


def rebuild_payloads(connection: sa.Connection) -> None:
    """Give executions an empty payload where they have none, so that their screen opens."""
    connection.exec_driver_sql(f"INSERT INTO execution_payload (execution) SELECT id {_MISSING_PAYLOADS}")


def differs(connection: sa.Connection) -> str:
    """Return the operator that compares rows, and takes two nulls for the same."""
    return "IS NOT" if _is_sqlite(connection) else "IS DISTINCT FROM"


def _hold(connection: sa.Connection) -> None:
    """Keep others from writing until the commit; on SQLite a transaction does that by itself."""
    if not _is_sqlite(connection):
        connection.exec_driver_sql("LOCK TABLE execution, failure, tally, tally_change IN SHARE ROW EXCLUSIVE MODE")


CHECKS = (
    Check("file", indexes.check_file),
    Check("references", indexes.check_references),
    Check("payloads", check_payloads, rebuild_payloads),
    Check("tally", check_tally, rebuild_tally),
    Check("groups of failures", check_grouping, rebuild_grouping),
    Check("failures in groups", check_groups, rebuild_groups),
    Check("failures by hour", check_hours, rebuild_hours),
    Check("copies in failures", check_copies, rebuild_copies),
    Check("durations", check_durations, rebuild_durations),
    Check("texts", indexes.check_texts, indexes.rebuild_texts),
    Check("index of errors", indexes.check_errors, indexes.rebuild_errors),
    Check("index of references", indexes.check_reference_texts, indexes.rebuild_reference_texts),
    Check("index of inputs", indexes.check_inputs, indexes.rebuild_inputs),
)
