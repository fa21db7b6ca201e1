"""What a measurement says, and how it is printed and kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LATEST = Path(__file__).parent / "latest.json"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"


@dataclass(frozen=True)
class Figure:
    """One measured number; `baseline` is the same measured for something to compare with, in the same run."""

    name: str
    figure: float
    unit: str
    target: float
    baseline: float | None = None

    @property
    def met(self) -> bool:
        """Say whether the figure is within its target; smaller is better."""
        return self.figure <= self.target


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures for people."""
    print(f"{'name':<34}{'figure':>10}  {'unit':<5}{'target':>10}{'met':>6}{'baseline':>11}")
    for entry in figures:
        baseline = "–" if entry.baseline is None else f"{entry.baseline:.2f}"
        met = "yes" if entry.met else "NO"
        print(f"{entry.name:<34}{entry.figure:>10.2f}  {entry.unit:<5}{entry.target:>10.2f}{met:>6}{baseline:>11}")


def keep(figures: Sequence[Figure]) -> None:
    """Write the figures, beside those that this run did not measure again, and README's table of them."""
    known = {entry["name"]: entry for entry in json.loads(LATEST.read_text())} if LATEST.exists() else {}
    for entry in figures:
        known[entry.name] = asdict(entry) | {"met": entry.met}
    LATEST.write_text(json.dumps(list(known.values()), indent=2) + "\n")
    head, rest = README.read_text().split(BEGIN)
    README.write_text(head + BEGIN + write_table(list(known.values())) + END + rest.split(END)[1])


def write_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the kept figures as README shows them."""
    lines = ["| figure | measured | target | baseline |", "| --- | --- | --- | --- |"]
    for entry in entries:
        baseline = "–" if entry["baseline"] is None else f"{entry['baseline']:.2f} {entry['unit']}"
        measured, target = (f"{entry[name]:.2f} {entry['unit']}" for name in ("figure", "target"))
        lines.append(f"| {entry['name']} | {measured} | {target} | {baseline} |")
    return "\n".join(lines) + "\n"
