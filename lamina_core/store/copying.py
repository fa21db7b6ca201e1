"""A copy of an SQLite database while others write it: by SQLite's own backup, never by copying the file."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lamina_core import errors

_PAGES = 2_000  # copied in one step
_SUFFIXES = ("", "-wal", "-shm", "-journal")


def copy(source: Path, target: Path, tell: Callable[[int, int], None]) -> int:
    """Copy a database into a file that is not there yet, check the copy, and return its bytes.

    `tell` hears after each step how many pages are left, of how many. StoreError if the copy cannot be made or is
    not whole; nothing is left of it then.
    """
    if target.exists():
        raise errors.StoreError(f"{target} is there already. Name another file: a backup is never written over.")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise errors.StoreError(f"{target} cannot be written: {error.strerror}.") from error
    os.close(handle)
    part = Path(name)
    try:
        _copy_pages(source, part, tell)
        _check(source, part)
        _settle(part, target)
        return target.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise errors.StoreError(f"The backup failed: {error}. Nothing was kept of it.") from error
    finally:
        for suffix in _SUFFIXES:
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _open(file: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None))


def _copy_pages(source: Path, part: Path, tell: Callable[[int, int], None]) -> None:
    with _open(source) as reading, _open(part) as writing:
        # One state from the first page to the last: else every write of others would begin the copy again.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(writing, pages=_PAGES, progress=lambda _, left, total: tell(left, total))
        reading.execute("ROLLBACK")


def _check(source: Path, part: Path) -> None:
    with _open(source) as original, _open(part) as made:
        said = made.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise errors.StoreError(f"The copy is not whole: {said}. Ask `doctor` about the database.")
        versions = [each.execute("SELECT version_num FROM alembic_version").fetchone() for each in (original, made)]
        if versions[0] != versions[1]:
            raise errors.StoreError("The database was upgraded meanwhile. Make the backup again.")


def _settle(part: Path, target: Path) -> None:
    """Give the copy its name once it is on the disk; others may have taken the name meanwhile."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if target.exists():
        raise errors.StoreError(f"{target} has come meanwhile. Name another file.")
    part.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
