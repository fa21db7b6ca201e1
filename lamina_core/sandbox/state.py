"""The sandbox's memory: one SQLite file, or none at all, behind one connection and one lock.

Every method is one transaction of well under a millisecond, so the server calls them on its event loop.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lamina_core import errors
from lamina_core.sandbox import records
from lamina_core.sandbox.records import Attempt, Execution, Generation, Webhook

LOG_LENGTH = 20_000  # entries kept for GET /sandbox/log
_TRIM_EVERY = 500  # entries between two trims: trimming at each would double the cost of a request
_VERSION = 1
_TABLES = """
CREATE TABLE execution (
    number INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, generation TEXT NOT NULL, app_id TEXT NOT NULL,
    app_name TEXT NOT NULL, inputs TEXT NOT NULL, "values" TEXT NOT NULL, webhook_url TEXT, credits REAL NOT NULL,
    faults TEXT NOT NULL, plan TEXT NOT NULL, created_at INTEGER NOT NULL, starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL, outcome TEXT NOT NULL, revision INTEGER NOT NULL
);
CREATE INDEX execution_app ON execution (app_id, number);
CREATE TABLE webhook (
    number INTEGER PRIMARY KEY, execution_id TEXT NOT NULL, url TEXT NOT NULL, body BLOB NOT NULL,
    due_at INTEGER NOT NULL, attempts INTEGER NOT NULL, faults TEXT NOT NULL
);
CREATE INDEX webhook_execution ON webhook (execution_id);
CREATE TABLE signing_key (number INTEGER PRIMARY KEY, key_id TEXT NOT NULL, seed BLOB NOT NULL);
CREATE TABLE log (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, document TEXT NOT NULL);
"""
_STATUS = "CASE WHEN ends_at <= :now THEN outcome WHEN starts_at <= :now THEN 'running' ELSE 'queued' END"
_FILTER = f"""
    (:status IS NULL OR :status = {_STATUS})
    AND (:app_id IS NULL OR app_id = :app_id) AND (:since IS NULL OR created_at > :since)
"""


class State:
    """Executions, pending webhooks, signing keys and the log; what is committed survives the process.

    Raises errors.ConfigurationError if the file is not a database of this sandbox.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        name = ":memory:" if path is None else str(path)
        try:
            # The event loop's thread uses a connection that another thread opened: the lock keeps it whole.
            self._connection = sqlite3.connect(name, check_same_thread=False, isolation_level=None)
            self._prepare()
        except sqlite3.Error as problem:
            raise errors.ConfigurationError(
                f"{name}: cannot be used as the sandbox's database ({problem}); name another with --database"
            ) from problem

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            self._connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise sqlite3.DatabaseError("it was not made by this version of the sandbox")

    def close(self) -> None:
        """Close the file; nothing is lost, as every change was committed when it was made."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, statement: str, parameters: Any = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    # Executions

    def next_number(self) -> int:
        """Return the number that the next execution will have."""
        return int(self._rows("SELECT coalesce(max(number), 0) + 1 FROM execution")[0][0])

    def add_execution(self, execution: Execution, webhook: Webhook | None) -> Webhook | None:
        """Store a started execution, its webhook and its log entry at once; return the webhook as numbered."""
        plan = execution.plan
        row = (
            *(execution.number, execution.execution_id, execution.generation, execution.app_id, execution.app_name),
            *(json.dumps(execution.inputs), json.dumps(execution.values), execution.webhook_url, execution.credits),
            *(records.dump_faults(execution.faults), records.dump_plan(plan), plan.created_at, plan.starts_at),
            *(plan.ends_at, plan.outcome, plan.revision),
        )
        entry = {
            "at": plan.created_at,
            "executionId": execution.execution_id,
            "appId": execution.app_id,
            "inputs": execution.inputs,
            "webhookUrl": execution.webhook_url,
        }
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO execution VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            self._log(connection, "start", entry)
            return self._add_webhook(connection, webhook)

    def find(self, execution_id: str) -> Execution | None:
        """Return the execution with this id."""
        rows = self._rows("SELECT * FROM execution WHERE execution_id = ?", (_storable(execution_id),))
        return _execution_from(rows[0]) if rows else None

    def listed(
        self, now: int, *, status: str | None, app_id: str | None, since: int | None, limit: int, offset: int
    ) -> tuple[list[Execution], int]:
        """Return a page of executions, newest first, and how many match in all."""
        wanted = {"now": now, "status": status, "app_id": app_id and _storable(app_id), "since": since}
        page = {**wanted, "limit": limit, "offset": offset}
        total = self._rows(f"SELECT count(*) FROM execution WHERE {_FILTER}", wanted)[0][0]  # noqa: S608
        rows = self._rows(
            f"SELECT * FROM execution WHERE {_FILTER} ORDER BY number DESC LIMIT :limit OFFSET :offset",  # noqa: S608
            page,
        )
        return [_execution_from(row) for row in rows], int(total)

    def change_plan(
        self, execution: Execution, *, webhook: Webhook | None, drop_due_after: int | None = None
    ) -> Webhook | None:
        """Store the execution's new plan and webhook, dropping untried webhooks due after an instant."""
        plan = execution.plan
        with self._transaction() as connection:
            connection.execute(
                "UPDATE execution SET plan = ?, ends_at = ?, starts_at = ?, outcome = ?, revision = ? WHERE number = ?",
                (records.dump_plan(plan), plan.ends_at, plan.starts_at, plan.outcome, plan.revision, execution.number),
            )
            connection.execute(
                # Compared with NULL nothing is later, and nothing is dropped.
                "DELETE FROM webhook WHERE execution_id = ? AND attempts = 0 AND due_at > ?",
                (execution.execution_id, drop_due_after),
            )
            return self._add_webhook(connection, webhook)

    def credits_spent(self, now: int) -> float:
        """Return the credits of all completed executions, those done again by feedback counted again."""
        statement = """
            SELECT coalesce(sum(credits * (revision + (ends_at <= ? AND outcome = 'completed'))), 0) FROM execution
        """
        return float(self._rows(statement, (now,))[0][0])

    # Webhooks

    def _add_webhook(self, connection: sqlite3.Connection, webhook: Webhook | None) -> Webhook | None:
        if webhook is None:
            return None
        cursor = connection.execute(
            "INSERT INTO webhook (execution_id, url, body, due_at, attempts, faults) VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(webhook.execution_id, webhook.url, webhook.body, webhook.due_at, webhook.attempts),
                records.dump_faults(webhook.faults),
            ),
        )
        return Webhook(**{**vars(webhook), "number": int(cursor.lastrowid or 0)})

    def pending_webhooks(self) -> list[Webhook]:
        """Return the webhooks that are not yet delivered nor given up."""
        return [_webhook_from(row) for row in self._rows("SELECT * FROM webhook ORDER BY due_at")]

    def find_webhook(self, number: int) -> Webhook | None:
        """Return a pending webhook; None if it is done or was dropped."""
        rows = self._rows("SELECT * FROM webhook WHERE number = ?", (number,))
        return _webhook_from(rows[0]) if rows else None

    def record_attempt(self, webhook: Webhook, attempts: list[Attempt], *, due_at: int | None) -> None:
        """Store what was sent and when the next attempt is due; None ends the webhook."""
        with self._transaction() as connection:
            for attempt in attempts:
                self._log(connection, "attempt", _attempt_entry(attempt))
            if due_at is None:
                connection.execute("DELETE FROM webhook WHERE number = ?", (webhook.number,))
            else:
                connection.execute(
                    "UPDATE webhook SET due_at = ?, attempts = attempts + 1 WHERE number = ?", (due_at, webhook.number)
                )

    def postpone(self, webhook: Webhook, due_at: int) -> None:
        """Let a webhook's attempt wait, without counting one."""
        with self._transaction() as connection:
            connection.execute("UPDATE webhook SET due_at = ? WHERE number = ?", (due_at, webhook.number))

    # Signing keys

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """Return id and secret seed of every key, the signing one first."""
        return [(row["key_id"], row["seed"]) for row in self._rows("SELECT * FROM signing_key ORDER BY number DESC")]

    def add_signing_key(self, key_id: str, seed: bytes) -> None:
        """Put a key in front of the set."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO signing_key (key_id, seed) VALUES (?, ?)", (key_id, seed))

    # The log

    def add_request(self, entry: dict[str, Any]) -> None:
        """Log one request that was answered, or cut."""
        with self._transaction() as connection:
            self._log(connection, "request", entry)

    def log_since(self, sequence: int) -> list[tuple[int, str, dict[str, Any]]]:
        """Return `(sequence, kind, entry)` of all that was logged after this sequence number."""
        statement = "SELECT * FROM log WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._rows(statement, (sequence, LOG_LENGTH + _TRIM_EVERY))[-LOG_LENGTH:]
        return [(row["sequence"], row["kind"], json.loads(row["document"])) for row in rows]

    def _log(self, connection: sqlite3.Connection, kind: str, entry: dict[str, Any]) -> None:
        cursor = connection.execute("INSERT INTO log (kind, document) VALUES (?, ?)", (kind, json.dumps(entry)))
        sequence = int(cursor.lastrowid or 0)
        if sequence % _TRIM_EVERY == 0:
            connection.execute("DELETE FROM log WHERE sequence <= ?", (sequence - LOG_LENGTH,))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _attempt_entry(attempt: Attempt) -> dict[str, Any]:
    entry = asdict(attempt)
    return {"executionId": entry.pop("execution_id"), "sentAt": entry.pop("sent_at"), **entry}


def _execution_from(row: sqlite3.Row) -> Execution:
    return Execution(
        number=row["number"],
        execution_id=row["execution_id"],
        generation=Generation(row["generation"]),
        app_id=row["app_id"],
        app_name=row["app_name"],
        inputs=json.loads(row["inputs"]),
        values=json.loads(row["values"]),
        webhook_url=row["webhook_url"],
        credits=row["credits"],
        faults=records.load_faults(row["faults"]),
        plan=records.load_plan(row["plan"]),
    )


def _webhook_from(row: sqlite3.Row) -> Webhook:
    fields = dict(row)
    return Webhook(**{**fields, "faults": records.load_faults(fields["faults"])})
