"""Runs the benches, all or the one that is named, prints a table and keeps the figures."""

import sys

from benchmarks import crowd, desk, failures, indexes, million, polling, receiver, screens
from benchmarks.figures import keep, print_table

BENCHES = {
    "desk": desk.measure,
    "failures": failures.measure,
    "polling": polling.measure,
    "receiver": receiver.measure,
    "million": million.measure,
    "postgres": million.measure_on_postgres,
    "indexes": indexes.measure,
    "screens": screens.measure,
    "crowd": crowd.measure,
}


def main() -> None:
    """Run what the command line names."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = set(wanted) - set(BENCHES)
    if unknown:
        sys.exit(f"There is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}.")
    figures = [figure for name in wanted for figure in BENCHES[name]()]
    print_table(figures)
    keep(figures)


if __name__ == "__main__":
    main()
