# ruff: noqa: T201 - a command prints
"""The long form of the crash test: `python -m tests.crash [--kills N] [--seed N]`, `make crash`."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from lamina_core.domain import Generation
from tests.crash import checks
from tests.crash.harness import Plan, Run
from tests.crash.load import APPS, Load


def main() -> None:
    """Kill as often as the command line says, print what was counted, and end with 1 where anything was lost."""
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--rate-limit", type=int, default=0, help="of the sandbox, a minute; 0: none")
    parser.add_argument("--generation", default="executions", choices=list(Generation))
    parser.add_argument("--folder", type=Path, help="keep the databases, the journals and the log here")
    given = parser.parse_args()
    plan = Plan(
        kills=given.kills,
        seed=given.seed,
        load=Load(operators=4, pause=0.25, apps=tuple(APPS), seed=str(given.seed)),
        short_life=3.0,
        long_life=20.0,
        long_lives=0.25,
        patience=240.0,
        waits_for_starts=True,
        rate_limit=given.rate_limit,
        generation=given.generation,
    )
    print(f"{plan.kills} kills, seed {plan.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        verdict = Run(plan, folder, lambda line: print(line, flush=True)).carry_out()
    print(f"\n{'kills':<22}{verdict.kills:>7}")
    print("\n".join(checks.count(verdict.account).as_lines()))
    print(f"{'tracebacks logged':<22}{verdict.tracebacks:>7}")
    print(f"{'mismatches':<22}{len(verdict.breaches):>7}")
    print(f"{'seconds':<22}{time.monotonic() - began:>7.0f}")
    if verdict.breaches:
        sys.exit("\n".join(["", f"seed {plan.seed}", *verdict.breaches]))


if __name__ == "__main__":
    main()
