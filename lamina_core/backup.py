"""`python -m lamina_core backup`: a copy of the database while the dashboard runs.

Exit status: 0 the copy is there and whole, 1 it could not be made, 2 the arguments cannot be used.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import sqlalchemy as sa

from lamina_core import config, errors
from lamina_core.store import copying


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where the copy goes; nothing is ever written over")
    add_database(parser)
    parser.set_defaults(run=backup)


def add_database(parser: argparse.ArgumentParser) -> None:
    """Let a command name another database than the settings do."""
    parser.add_argument("--database", metavar="URL", help="default: LAMINA_DATABASE_URL")


def find_database(given: str | None) -> tuple[str, Path | None]:
    """Return the URL of a database, and its file where it is one; ends the process if there is none."""
    try:
        settings = config.from_environment()
        url = (config.with_database(settings, given) if given else settings).database_url
    except errors.ConfigurationError as error:
        refuse(str(error))
    if not url.startswith("sqlite"):
        return url, None
    file = Path(sa.make_url(url).database or "")
    if not file.is_file():
        refuse(f"There is no database {file}.")
    return url, file


def refuse(reason: str) -> NoReturn:
    """End the process: what was asked cannot be done."""
    print(reason, file=sys.stderr)
    sys.exit(2)


def backup(arguments: argparse.Namespace) -> None:
    """Copy the database; ends the process, see the module."""
    _, file = find_database(arguments.database)
    if file is None:
        refuse("A PostgreSQL database is copied by its own pg_dump: pg_dump --format=custom --file=FILE NAME")
    if arguments.file.exists():
        refuse(f"{arguments.file} is there already. Name another file: a backup is never written over.")
    if not arguments.file.absolute().parent.is_dir():
        refuse(f"There is no folder {arguments.file.absolute().parent}.")
    shown = sys.stderr.isatty()

    def tell(left: int, total: int) -> None:
        if shown:
            print(f"\r{100 * (total - left) // max(total, 1)} %", end="" if left else "\n", file=sys.stderr, flush=True)

    size = copying.copy(file, arguments.file.absolute(), tell)
    print(f"{arguments.file}: {size:,} bytes, checked.")
