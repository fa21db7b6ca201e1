"""How much room the database takes, and giving back what its write-ahead log has taken."""

from dataclasses import dataclass

import sqlalchemy as sa

from lamina_core.store.engine import BUSY_TIMEOUT, Engines

_WORTH_BYTES, _WORTH_SHARE = 100_000_000, 0.25  # of free room, both: less is soon used again


@dataclass(frozen=True)
class Space:
    """Bytes of the database; `free` of them wait for new rows, None where the database does not say."""

    size: int
    free: int | None

    @property
    def is_vacuum_worth_it(self) -> bool:
        """Say whether so much is free that writing the file anew would help."""
        return self.free is not None and self.free >= max(_WORTH_BYTES, _WORTH_SHARE * self.size)


def measure(connection: sa.Connection) -> Space:
    """Return how much room the database takes."""
    if connection.dialect.name == "postgresql":
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return Space(int(size), None)
    page, pages, free = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Space(page * pages, page * free)


def shorten_log(engines: Engines) -> bool:
    """Write SQLite's log into the database and cut it to nothing; False where somebody reads from it now.

    Nobody waits for it: most is written beside others, and the rest only if it can be had at once.
    """
    if engines.read.dialect.name != "sqlite":
        return True
    connection = engines.read.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        (is_busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1_000:.0f}")
        return not is_busy
    finally:
        connection.close()
