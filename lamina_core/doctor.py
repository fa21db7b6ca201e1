"""`python -m lamina_core doctor`: whether all that is kept twice agrees, while the dashboard runs.

Exit status: 0 all is well, or is again; 1 something is amiss; 2 the arguments or the database cannot be used.
"""

import argparse
import sys
from collections.abc import Callable

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.backup import add_database, find_database, refuse
from lamina_core.clock import Clock, SystemClock
from lamina_core.insights.storage import describe_space
from lamina_core.store import engine, space
from lamina_core.store.engine import Engines
from lamina_core.store.indexes import Finding
from lamina_core.store.rollups import CHECKS, Check


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "--repair", action="store_true", help="make anew what is wrong; writes of others wait meanwhile"
    )
    add_database(parser)
    parser.set_defaults(run=examine)


def examine(arguments: argparse.Namespace) -> None:
    """Check the database and print a line for each check; ends the process, see the module."""
    url, _ = find_database(arguments.database)
    engines = engine.open_engines(url)
    try:
        wrong = _check_version(engines) or _check_all(engines, SystemClock(), repair=arguments.repair)
    except errors.StoreError as error:
        refuse(str(error))
    finally:
        engines.close()
    print("Something is amiss." if wrong else "All is well.")
    sys.exit(1 if wrong else 0)


def _check_version(engines: Engines) -> bool:
    told = engine.missing_version(engines)
    _print("version", Finding(told is None, told or "this code's"))
    return told is not None


def _check_all(engines: Engines, clock: Clock, *, repair: bool) -> bool:
    wrong = False
    for check in CHECKS:
        finding = _find(engines, check, clock)
        if repair and not finding.is_sound and check.repair is not None:
            _repair(engines, check.repair)
            print(f"       {check.name}: made anew")
            finding = _find(engines, check, clock)
        wrong |= not finding.is_sound
    with engines.reading() as connection:
        _print("space", Finding(True, describe_space(space.measure(connection))))
    return wrong


def _find(engines: Engines, check: Check, clock: Clock) -> Finding:
    began = clock.monotonic()
    with engines.reading() as connection:
        finding = check.find(connection)
    _print(check.name, finding, clock.monotonic() - began)
    return finding


def _repair(engines: Engines, repair: Callable[[sa.Connection], None]) -> None:
    try:
        with engines.write.begin() as connection:
            repair(connection)
    except sa.exc.DBAPIError as error:
        raise engine.explain(error) from error


def _print(name: str, finding: Finding, seconds: float | None = None) -> None:
    took = f" ({seconds:.1f} s)" if seconds is not None else ""
    print(f"{'ok' if finding.is_sound else 'WRONG':<6} {name}: {finding.told}{took}", flush=True)
