"""What is known after a kill: the operators' journal, the sandbox's log, and the store, each read by itself.

The store is read by plain SQL from a copy, so that the product's own reading proves nothing about itself, and so
that the process that comes next finds the files exactly as the killed one left them.
"""

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lamina_core import signing

ENDS = frozenset({"completed", "failed", "cancelled"})
ATTEMPTS_AT_MOST = 4  # that Lamina makes of one webhook


@dataclass(frozen=True)
class Intent:
    """A start as the journal has it; `row` is what the operator was told, `refused` why nothing was started."""

    token: str
    asks_webhook: bool
    row: int | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Accepted:
    """A start that the sandbox accepted; `token` is the one in its inputs."""

    execution_id: str
    token: str | None
    asks_webhook: bool


@dataclass(frozen=True)
class Attempt:
    """One POST of a webhook as the sandbox logged it; `sent_at` in milliseconds."""

    execution_id: str
    number: int
    status: int | None
    sent_at: int
    fault: str | None

    @property
    def taken(self) -> bool:
        """Say whether it was answered with a 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def last(self) -> bool:
        """Say whether the sandbox makes no other attempt after it."""
        return self.taken or self.number >= ATTEMPTS_AT_MOST or "lost_webhook" in (self.fault or "")


@dataclass(frozen=True)
class Row:
    """An execution as the store has it."""

    id: int
    execution_id: str | None
    token: str | None
    status: str
    has_results: bool
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """A webhook POST as the store has it; `timestamp` is its header's, in seconds."""

    id: int
    execution_id: str | None
    timestamp: int | None
    verdict: str
    execution: int | None
    is_duplicate: bool


@dataclass(frozen=True)
class Store:
    """The database at one moment; `damage` is what SQLite finds wrong with the file."""

    rows: tuple[Row, ...]
    deliveries: tuple[Delivery, ...]
    settled_by_token: int
    damage: str | None
    read_at: datetime


@dataclass(frozen=True)
class Account:
    """All that is known at one moment; `statuses` is the sandbox's word by Lamina's id, read only at the end."""

    intents: tuple[Intent, ...]
    accepted: tuple[Accepted, ...]
    attempts: tuple[Attempt, ...]
    store: Store
    statuses: dict[str, str]


def read_journals(folder: Path) -> tuple[Intent, ...]:
    """Return the starts of all processes of this folder."""
    intents: dict[str, Intent] = {}
    for path in sorted(folder.glob("journal-*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue  # killed while it wrote, so before it asked for the start
            entry = json.loads(line)
            token = entry["token"]
            asks_webhook = entry["webhook"] if "webhook" in entry else intents[token].asks_webhook
            intents[token] = Intent(token, asks_webhook, entry.get("row"), entry.get("refused"))
    return tuple(intents.values())


def read_store(database: Path) -> Store:
    """Return what is in the files of a database that no process has open, without touching them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(copy_database(database, Path(folder)))) as connection,
    ):
        try:
            damage = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
            return _read_tables(connection, None if damage == "ok" else damage)
        except sqlite3.DatabaseError as error:
            return Store((), (), 0, str(error), datetime.now(UTC))


def copy_database(database: Path, folder: Path) -> Path:
    """Copy the files of a database that no process has open, and return where the copy is."""
    for suffix in ("", "-wal"):  # SQLite makes the third file anew
        if (written := database.with_name(database.name + suffix)).exists():
            shutil.copy(written, folder)
    return folder / database.name


def read_states(database: Path) -> set[tuple[str, bool]]:
    """Return the statuses in a database that a process has open, each with whether such a row is still to be read."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT DISTINCT status, next_poll_at IS NOT NULL FROM execution")
        return {(status, bool(is_polled)) for status, is_polled in found}


def _read_tables(connection: sqlite3.Connection, damage: str | None) -> Store:
    """Return what is in a database: nothing, where a process was killed before it had made the tables."""
    read_at = datetime.now(UTC)
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'execution'").fetchone():
        return Store((), (), 0, damage, read_at)
    rows = connection.execute(
        "SELECT e.id, e.execution_id, p.start_token, e.status, p.outputs, e.created_at"
        " FROM execution e LEFT JOIN execution_payload p ON p.execution = e.id ORDER BY e.id"
    )
    deliveries = connection.execute(
        "SELECT id, request_id, headers, verdict, execution, duplicate_of FROM delivery ORDER BY id"
    )
    settled = connection.execute(
        "SELECT count(*) FROM event WHERE kind = 'status' AND actor = 'delivery'"
        " AND json_extract(detail, '$.from') IN ('starting', 'start_unconfirmed')"
    )
    return Store(
        rows=tuple(_row(*columns) for columns in rows),
        deliveries=tuple(_delivery(*columns) for columns in deliveries),
        settled_by_token=settled.fetchone()[0],
        damage=damage,
        read_at=read_at,
    )


def _row(
    row_id: int, execution_id: str | None, token: str | None, status: str, outputs: str | None, created_at: str
) -> Row:
    made = [output["status"] for output in json.loads(outputs or "[]")]
    has_results = bool(made) and set(made) == {"completed"}
    return Row(row_id, execution_id, token, status, has_results, datetime.fromisoformat(created_at).replace(tzinfo=UTC))


def _delivery(
    row_id: int, request_id: str | None, headers: str, verdict: str, execution: int | None, duplicate_of: int | None
) -> Delivery:
    timestamp = json.loads(headers).get(signing.TIMESTAMP_HEADER)
    return Delivery(row_id, request_id, timestamp and int(timestamp), verdict, execution, duplicate_of is not None)
