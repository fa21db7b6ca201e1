# ruff: noqa: T201 - a command prints
"""The real process under a steady load for minutes: `python -m tests.crash.soak [--minutes N]`, `make soak`.

What it holds is sampled from outside, and has to be flat: after a warm-up of a fifth of the run, the median of the
next fifth is compared with that of the last one. Reads /proc, so it needs Linux.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.crash import desk
from tests.crash.desk import Desk
from tests.crash.load import SHORT_APPS, Load
from tests.crash.witness import Witness

SPEED = 20.0
SAMPLES = 150  # in a run, but none sooner than a second after the last
ASKED_EVERY = 0.25  # seconds between two looks at /healthz
PRINTED_EVERY = 30.0  # seconds

MEMORY_GROWTH = 0.05  # of the memory after the warm-up, or MEMORY_ROOM where that is more
MEMORY_ROOM = 10.0  # MB
THREADS_ROOM = 3
HANDLES_ROOM = 5
LOG_AT_MOST = 70.0  # MB of SQLite's write-ahead log, which is cut to 64 MB when it was larger


@dataclass(frozen=True)
class Sample:
    """What the process held at one moment; sizes in MB, `seconds` since the load began."""

    seconds: float
    memory: float
    threads: int
    handles: int
    log: float

    def as_line(self) -> str:
        """Return the sample as a line of the table."""
        return f"{self.seconds:>7.0f} s{self.memory:>9.1f}{self.threads:>9}{self.handles:>9}{self.log:>9.2f}"


HEADER = f"{'':>9}{'RSS MB':>9}{'threads':>9}{'handles':>9}{'WAL MB':>9}"


def take_sample(process: Desk, seconds: float) -> Sample:
    """Return what the process holds now."""
    told = Path(f"/proc/{process.pid}/status").read_text()
    found = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", told, re.MULTILINE)}
    log = process.database.with_name(process.database.name + "-wal")
    return Sample(
        seconds=seconds,
        memory=found["VmRSS"] / 1024,
        threads=found["Threads"],
        handles=len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
        log=log.stat().st_size / 1e6 if log.exists() else 0.0,
    )


def find_growth(samples: Sequence[Sample]) -> Iterator[str]:
    """Return a sentence for each figure that is not flat; pure."""
    fifth = len(samples) // 5
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    memory = statistics.median(sample.memory for sample in early)
    rooms = {
        "memory": max(memory * MEMORY_GROWTH, MEMORY_ROOM),
        "threads": THREADS_ROOM,
        "handles": HANDLES_ROOM,
    }
    for name, room in rooms.items():
        before, after = (statistics.median(getattr(sample, name) for sample in part) for part in (early, late))
        if after - before > room:
            yield f"{name} grew from {before:.1f} to {after:.1f}, by more than {room:.1f}"
    largest = max(sample.log for sample in samples)
    if largest > LOG_AT_MOST:
        yield f"the write-ahead log grew to {largest:.1f} MB, more than {LOG_AT_MOST:.0f} MB"


def watch(process: Desk, witness: Witness, seconds: float) -> list[Sample]:
    """Ask after the process's health and take samples of it until the time is up, printing some."""
    every, began, printed = max(1.0, seconds / SAMPLES), time.monotonic(), -PRINTED_EVERY
    samples: list[Sample] = []
    print(HEADER)
    while (now := time.monotonic() - began) < seconds:
        if not process.answers():
            raise desk.DeskEnded(f"did not answer after {now:.0f} s\n{process.log_end()}")
        if not samples or now - samples[-1].seconds >= every:
            samples.append(take_sample(process, now))
            witness.follow()
        if now - printed >= PRINTED_EVERY:
            printed = now
            print(samples[-1].as_line(), flush=True)
        desk.wait(ASKED_EVERY)
    print(samples[-1].as_line())
    return samples


def main() -> None:
    """Run for as long as the command line says, print the figures, and end with 1 where one is not flat."""
    parser = argparse.ArgumentParser("python -m tests.crash.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = Load(operators=3, pause=1.0, apps=SHORT_APPS, seed=str(given.seed))
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        desk.opened(Path(folder), speed=SPEED, seed=given.seed) as (sandbox, process),
        closing(Witness(sandbox.base_url)) as witness,
    ):
        process.start(load)
        process.wait_for_answer()
        samples = watch(process, witness, given.minutes * 60)
        process.stop()
    print(f"{len(samples)} samples; {len(witness.accepted)} starts, {witness.taken} deliveries, {witness.reads} reads")
    if growth := list(find_growth(samples)):
        sys.exit("\n".join(growth))


if __name__ == "__main__":
    main()
