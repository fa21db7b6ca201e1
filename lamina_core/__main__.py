"""`python -m lamina_core`: the commands that need no screen."""

import argparse
import io
import logging
import random
import signal
import sys
import threading
from pathlib import Path

from lamina_core import config, errors, logs, runtime
from lamina_core.backup import add_backup
from lamina_core.clock import SystemClock
from lamina_core.debugger.command import add_verify
from lamina_core.doctor import add_doctor
from lamina_core.importing import Import
from lamina_core.registration import Result
from lamina_core.sandbox.server import Sandbox
from lamina_core.seeding.command import add_seed


def build_parser() -> argparse.ArgumentParser:
    """Return the commands with their options."""
    parser = argparse.ArgumentParser("python -m lamina_core", description="Commands of Lamina Desk.")
    commands = parser.add_subparsers(required=True, metavar="command")
    sandbox = commands.add_parser("sandbox", help="run a local Lamina on its own")
    sandbox.add_argument("--port", type=int, default=8787, help="port on 127.0.0.1 (default 8787)")
    sandbox.add_argument("--speed", type=float, default=1.0, help="how much faster than life executions go")
    sandbox.add_argument("--seed", type=int, help="makes durations and pictures repeatable")
    sandbox.add_argument("--rate-limit", type=int, default=100, help="requests a minute and address; 0: none")
    sandbox.add_argument("--database", type=Path, help="file that keeps its state; without it nothing is kept")
    sandbox.set_defaults(run=run_sandbox)
    taking = commands.add_parser("import", help="take in executions that others started, from CSV or JSON lines")
    taking.add_argument("file", help="the file, or - for standard input")
    taking.set_defaults(run=run_import)
    add_doctor(commands.add_parser("doctor", help="say whether the database is whole, and mend what can be mended"))
    add_backup(commands.add_parser("backup", help="copy an SQLite database while the dashboard runs"))
    add_verify(commands.add_parser("verify", help="say whether a webhook is authentic and fresh, and if not, why"))
    add_seed(commands.add_parser("seed", help="fill an empty database with believable history, to try things out"))
    return parser


def run_sandbox(arguments: argparse.Namespace) -> None:
    """Run a sandbox until a signal asks it to stop."""
    if arguments.speed <= 0 or arguments.rate_limit < 0:
        raise errors.ConfigurationError("--speed must be above 0, and --rate-limit 0 or more.")
    logs.set_up()
    sandbox = Sandbox(
        catalogue_file=config.DATA / "catalogue.json",
        database=arguments.database,
        clock=SystemClock(),
        seed=arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(32),
        speed=arguments.speed,
        rate_limit=arguments.rate_limit,
        port=arguments.port,
    )
    asked_to_stop = threading.Event()
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda *_: asked_to_stop.set())
    sandbox.start()
    print(f"The sandbox is at {sandbox.base_url}; any key that begins with lma_ is good.", flush=True)
    asked_to_stop.wait()
    sandbox.stop()


def run_import(arguments: argparse.Namespace) -> None:
    """Take in the executions of a file, and say of every row that was not taken why."""
    settings, clock = config.from_environment(), SystemClock()
    logs.set_up(settings.secrets, logging.WARNING)
    engines, writer = runtime.open_store(settings, clock)
    taking = Import(writer, settings.generation, clock, lambda line, reason: print(f"line {line}: {reason}"))
    again = "Run the same command again: what was taken is known then."
    try:
        with open_input(arguments.file) as source:
            report = taking.run(source)
    except (errors.StoreError, KeyboardInterrupt) as stop:
        reason = str(stop) or "It was interrupted."
        raise errors.ConfigurationError(f"Stopped after line {taking.report.line}. {reason} {again}") from stop
    finally:
        writer.stop()
        engines.close()
    print(", ".join(f"{number} {result}" for result, number in report.results.items()))
    if report.results[Result.REFUSED]:
        sys.exit(1)


def open_input(name: str) -> io.BufferedReader:
    """Open a file, or standard input for a dash."""
    if name == "-":
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise errors.ConfigurationError(f"{name} cannot be read: {error.strerror}.") from error


def main() -> None:
    """Run the command of this process's arguments."""
    arguments = build_parser().parse_args()
    try:
        arguments.run(arguments)
    except errors.DeskError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
