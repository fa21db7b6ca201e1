"""A run as it was decided at its start: when it leaves the queue, when each output is ready, how it ends.

Pure: a plan and the present time determine the status and the outputs, so a restart has nothing to replay.
Instants are whole milliseconds since 1970, as Lamina's timestamps show them; durations are seconds.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamina_core.sandbox.catalogue import App, FailureRule, OutputPlan

COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
QUEUED, RUNNING = "queued", "running"
STATUSES = (QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED)


@dataclass(frozen=True)
class OutputFate:
    """What becomes of one output, and when; `value` is what it holds unless it ends in `error`."""

    node_id: str
    label: str
    type: str
    value: str
    error: str | None
    ready_at: int


@dataclass(frozen=True)
class Plan:
    """One run from its creation to its end; `revision` counts how often feedback had it done again."""

    created_at: int
    starts_at: int
    ends_at: int
    outcome: str
    error_message: str | None
    outputs: tuple[OutputFate, ...]
    seed: int
    revision: int


@dataclass(frozen=True)
class OutputView:
    """One output at one moment."""

    node_id: str
    label: str
    type: str
    value: str | None
    status: str
    error: str | None


@dataclass(frozen=True)
class RunView:
    """A run at one moment; instants are None until they have come."""

    status: str
    outputs: tuple[OutputView, ...]
    error_message: str | None
    created_at: int
    started_at: int | None
    completed_at: int | None

    @property
    def is_terminal(self) -> bool:
        """Say whether nothing more happens to the run by itself."""
        return self.completed_at is not None


def milliseconds(instant: datetime) -> int:
    """Return an aware instant as whole milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def choose_outputs(app: App, labels: Sequence[str]) -> tuple[int, ...] | None:
    """Return the indices of the outputs with these labels, whatever the case; all of them for no labels.

    None if a label is unknown. A label that several outputs share selects them all (Lamina's SDK, `outputs`).
    """
    if not labels:
        return tuple(range(len(app.outputs)))
    wanted = {label.casefold() for label in labels}
    known = {output.label.casefold() for output in app.outputs}
    if not wanted <= known:
        return None
    return tuple(index for index, output in enumerate(app.outputs) if output.label.casefold() in wanted)


def find_failure(app: App, values: Mapping[str, Any]) -> FailureRule | None:
    """Return the first of the app's failure rules that these effective values meet."""
    for rule in app.failures:
        if rule.parameter is None or rule.contains.casefold() in _as_text(values.get(rule.parameter)).casefold():
            return rule
    return None


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_as_text(item) for item in value)
    return value if isinstance(value, str) else str(value)


def draw_duration(app: App, rng: random.Random) -> float:
    """Return a running time in seconds: lognormal around the app's median, without the far tails."""
    deviation = max(-2.5, min(2.5, rng.gauss(0, 1)))
    return app.median_seconds * math.exp(app.sigma * deviation)


def draw_ready_times(count: int, starts_at: int, ends_at: int, rng: random.Random) -> list[int]:
    """Return when each output is ready: spread over the running time, the last one at its end."""
    span = ends_at - starts_at
    times = [starts_at + round(span * rng.uniform(0.35, 0.95)) for _ in range(count)]
    times[rng.randrange(count)] = ends_at
    return times


def decide_outputs(
    outputs: Iterable[tuple[int, OutputPlan, str]], rule: FailureRule | None, times: Sequence[int]
) -> tuple[OutputFate, ...]:
    """Return the fate of each `(index in the app, output, value)`; the rule says which end in error."""
    fates = []
    for (index, output, value), ready_at in zip(outputs, times, strict=True):
        fails = rule is not None and (not rule.outputs or index in rule.outputs)
        error = rule.output_error if rule is not None and fails else None
        fates.append(OutputFate(output.node_id, output.label, output.type, value, error, ready_at))
    return tuple(fates)


def status_at(plan: Plan, now: int) -> str:
    """Return the run's status at this moment."""
    if now >= plan.ends_at:
        return plan.outcome
    return RUNNING if now >= plan.starts_at else QUEUED


def view(plan: Plan, now: int) -> RunView:
    """Return the run as it stands at this moment."""
    ended = now >= plan.ends_at
    moment = min(now, plan.ends_at)
    return RunView(
        status=status_at(plan, now),
        outputs=tuple(_view_output(plan, fate, moment, ended=ended) for fate in plan.outputs),
        error_message=plan.error_message if ended else None,
        created_at=plan.created_at,
        started_at=plan.starts_at if moment >= plan.starts_at else None,
        completed_at=plan.ends_at if ended else None,
    )


def _view_output(plan: Plan, fate: OutputFate, moment: int, *, ended: bool) -> OutputView:
    if fate.ready_at > moment:
        status = CANCELLED if ended and plan.outcome == CANCELLED else "pending"
        return OutputView(fate.node_id, fate.label, "pending", None, status, None)
    if fate.error is not None:
        # A failed output keeps the type "pending"; only its status tells (contract, section 4).
        return OutputView(fate.node_id, fate.label, "pending", None, "error", fate.error)
    return OutputView(fate.node_id, fate.label, fate.type, fate.value, COMPLETED, None)


def cancel(plan: Plan, now: int) -> Plan:
    """Return the plan cut short at this moment; one that has ended already stays as it is."""
    if now >= plan.ends_at:
        return plan
    return replace(plan, ends_at=now, outcome=CANCELLED, error_message=None)


def next_change(plan: Plan, now: int) -> int | None:
    """Return the next instant at which the run's status changes by itself, None once it has ended."""
    return next((instant for instant in (plan.starts_at, plan.ends_at) if instant > now), None)
