"""Two executions beside each other: what they were sent, what came of it, and where they differ."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lamina_core import registration
from lamina_core.api import wire
from lamina_core.domain import Execution, Output, Status
from lamina_core.insights import listing, wording
from lamina_core.insights.detail import Detail
from lamina_core.store import executions, lineage
from lamina_core.store.engine import Engines
from lamina_core.triage import diff
from lamina_core.triage.diff import Change

_FAILED = frozenset({Status.FAILED, Status.START_FAILED})


@dataclass(frozen=True)
class Side:
    """One of the two; `inputs` None: others started it, and nobody told us with what."""

    execution: Execution
    inputs: Mapping[str, Any] | None
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class OutputPair:
    """The outputs of one label; None where a side has none."""

    label: str
    before: Output | None
    after: Output | None


@dataclass(frozen=True)
class Comparison:
    """Two executions, the one that was started first before the other.

    `changes` None: what one of them was sent is not known here. `longer` is by how much the later one took longer
    than the earlier one, None while one of them has not ended.
    """

    before: Side
    after: Side
    changes: tuple[Change, ...] | None
    unchanged: Mapping[str, Any]
    outputs: tuple[OutputPair, ...]
    longer: timedelta | None


def read_comparison(engines: Engines, found: Detail, other: int) -> Comparison | None:
    """Compare an execution with another one; None if the store has none with this id."""
    with engines.reading() as connection:
        execution, payload = executions.find(connection, other), executions.find_payload(connection, other)
    if execution is None or payload is None:
        return None
    this = Side(found.execution, found.payload.inputs, found.outputs)
    that = Side(execution, payload.inputs, tuple(wire.output_from(output) for output in payload.outputs))
    return compare(*sorted((this, that), key=lambda side: (side.execution.created_at, side.execution.id)))


def read_last_success(engines: Engines, found: Detail) -> Comparison | None:
    """Compare a failed execution with its app's last success: the one before it, or the newest where none was before.

    None for what has not failed, and for an app that never succeeded.
    """
    execution = found.execution
    if execution.status not in _FAILED or execution.app_id == registration.UNKNOWN_APP:
        return None
    with engines.reading() as connection:
        success = lineage.last_success(connection, execution.app_id, execution.created_at)
        success = success or lineage.last_success(connection, execution.app_id)
    return read_comparison(engines, found, success) if success else None


def find_others(engines: Engines, text: str) -> list[int]:
    """Return our ids of what an operator may mean: our number before all, else Lamina's id or a reference."""
    number = text.strip().removeprefix("#")
    if number.isdecimal() and len(number) < 18:
        with engines.reading() as connection:
            if executions.find(connection, int(number)):
                return [int(number)]
    return listing.find_pasted(engines, text)


def compare(before: Side, after: Side) -> Comparison:
    """Compare two executions."""
    changes, unchanged = None, {}
    if before.inputs is not None and after.inputs is not None:
        changes = diff.compare_inputs(before.inputs, after.inputs)
        differing = {change.name for change in changes}
        unchanged = {name: value for name, value in before.inputs.items() if name not in differing}
    spans = wording.duration_of(before.execution), wording.duration_of(after.execution)
    longer = None if spans[0] is None or spans[1] is None else spans[1] - spans[0]
    return Comparison(before, after, changes, unchanged, tuple(_pair(before.outputs, after.outputs)), longer)


def _pair(before: tuple[Output, ...], after: tuple[Output, ...]) -> Iterator[OutputPair]:
    """Pair outputs by label; of several with one label the first goes with the first, and so on."""
    waiting: defaultdict[str, list[Output]] = defaultdict(list)
    for output in after:
        waiting[output.label].append(output)
    for output in before:
        same = waiting[output.label]
        yield OutputPair(output.label, output, same.pop(0) if same else None)
    left = {id(output) for outputs in waiting.values() for output in outputs}
    yield from (OutputPair(output.label, None, output) for output in after if id(output) in left)
