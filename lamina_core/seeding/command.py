"""`python -m lamina_core seed`: fills a database with believable history.

Exit status: 0 stored, 1 the database takes none, 2 the arguments cannot be used.
"""

import argparse
import logging
import sys

from lamina_core import config, errors, logs, runtime
from lamina_core.clock import Clock, SystemClock
from lamina_core.config import Settings
from lamina_core.sandbox import catalogue
from lamina_core.seeding.apps import INVENTED, model_apps
from lamina_core.seeding.filling import Filling, Wish
from lamina_core.store import seeding
from lamina_core.store.seeding import Progress

DAYS = 365

_MOST = 100_000_000
_TELL_EVERY = 3.0  # seconds


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--executions", type=int, required=True, metavar="N", help="how many executions")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the same number makes the same history (1)")
    parser.add_argument("--database", metavar="URL", help="where; default: LAMINA_DATABASE_URL")
    parser.set_defaults(run=seed)


def seed(arguments: argparse.Namespace) -> None:
    """Store a history and say what was stored; ends the process where it cannot, see the module."""
    try:
        settings = _read_settings(arguments)
    except errors.ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    logs.set_up(settings.secrets, logging.WARNING)
    clock = SystemClock()
    began = clock.monotonic()
    engines, writer = runtime.open_store(settings, clock)
    writer.stop()
    # Pictures are those of a sandbox on this machine, whose database ever it is.
    apps = catalogue.load(config.DATA / "catalogue.json", f"http://127.0.0.1:{settings.sandbox_port}")
    models = model_apps(apps, INVENTED)
    telling = _Telling(clock)
    # To the minute: nothing depends on the seconds, and a person can read it.
    end = clock.now().replace(second=0, microsecond=0)
    wish = Wish(arguments.executions, arguments.seed, end, DAYS)
    try:
        stored = Filling(engines.write, clock, models, settings.generation).run(wish, telling.tell)
        with engines.reading() as connection:
            size = seeding.measure_size(connection)
    except (errors.StoreError, KeyboardInterrupt) as stop:
        with engines.reading() as connection:
            known = seeding.read_progress(connection)
        done, reason = known.done if known else 0, str(stop) or "It was interrupted."
        raise errors.ConfigurationError(
            f"Stopped after {done:,} of {wish.number:,} executions. {reason} "
            "What was stored is whole; the same command goes on from there."
        ) from stop
    finally:
        engines.close()
    seconds = clock.monotonic() - began
    print(f"{stored.done:,} executions are stored, in {seconds:,.1f} s, {size / 1_000_000:,.1f} MB.")


def _read_settings(arguments: argparse.Namespace) -> Settings:
    if not 1 <= arguments.executions <= _MOST:
        raise errors.ConfigurationError(f"--executions must be a number from 1 to {_MOST:,}.")
    settings = config.from_environment()
    return config.with_database(settings, arguments.database) if arguments.database else settings


class _Telling:
    """Says on standard error how far it is, every few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._told_at = clock.monotonic()

    def tell(self, progress: Progress) -> None:
        """Say what is stored, when it is time again."""
        now = self._clock.monotonic()
        if now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            spent = now - self._began
            print(f"{progress.done:,} of {progress.number:,} executions after {spent:,.0f} s", file=sys.stderr)
