"""The real process of Lamina Desk with operators in threads who start executions: what the harness kills.

`python -m tests.crash.process --journal FILE ...`; the process's own settings come from the environment. Every
start is written to the journal before it is asked for, and what the operator was told of it after.
"""

import argparse
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

import dashboard
from lamina_core import errors, runtime
from lamina_core.config import DATA
from lamina_core.domain import App, Operator, Role
from lamina_core.starts import StartRequest, new_token
from tests.crash.load import APPS, Load, draw_start

OPERATOR = Operator("Ada", Role.OPERATOR)
STARTS_AT_MOST = 20_000  # of one operator


class Journal:
    """What operators were about to do and were told, one line of JSON each; it outlives the process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, **entry: object) -> None:
        """Append a line and hand it to the operating system, which a kill does not take with it."""
        with self._lock:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()


def start_executions(load: Load, number: int, journal: Journal) -> None:
    """Be one operator, until the process ends."""
    rng = random.Random(f"{load.seed}:{number}")
    ids = {app["name"]: app["appId"] for app in json.loads((DATA / "catalogue.json").read_text())["apps"]}
    for _ in range(STARTS_AT_MOST):
        time.sleep(rng.uniform(0, 2 * load.pause))
        if not runtime.is_current():
            continue
        token = new_token(rng)
        draft = draw_start(load, token, rng)
        app = App(ids[draft.app], draft.app, None, is_public=True)
        journal.write(token=token, webhook=draft.asks_webhook, app=draft.app, inputs=draft.inputs)
        try:
            parts = runtime.current()
            webhook_url = parts.webhook_url if draft.asks_webhook else None
            row_id = parts.operations.start(OPERATOR, StartRequest(token, app, draft.inputs), webhook_url)
        except errors.DeskError as error:
            journal.write(token=token, refused=str(error))
        else:
            journal.write(token=token, row=row_id)


def end_with_harness() -> None:
    """End when the harness does, however it ends: it holds the other end of our standard input."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Serve, with the operators that the command line asks for."""
    parser = argparse.ArgumentParser("python -m tests.crash.process")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--operators", type=int, required=True)
    parser.add_argument("--pause", type=float, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--app", action="append", default=[], choices=APPS)
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    load = Load(given.operators, given.pause, tuple(given.app), given.seed, given.faults)
    journal = Journal(given.journal)
    threading.Thread(target=end_with_harness, daemon=True).start()
    for number in range(load.operators):
        threading.Thread(target=start_executions, args=(load, number, journal), daemon=True).start()
    try:
        dashboard.serve()
    except errors.DeskError as error:
        sys.exit(f"Lamina Desk cannot start. {error}")


if __name__ == "__main__":
    main()
