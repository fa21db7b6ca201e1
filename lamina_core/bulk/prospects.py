"""What would become of each chosen execution: pure, so that the preview and the start judge alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from lamina_core import drafts
from lamina_core.bulk.records import BulkKind
from lamina_core.domain import POLLED, UNSETTLED_START, App, Execution, Status
from lamina_core.errors import FieldProblem
from lamina_core.starts import blocks_repeat
from lamina_core.triage import diff, patch
from lamina_core.triage.patch import Patch

LIMIT = 5_000  # executions of one operation


@dataclass(frozen=True)
class Selection:
    """Executions as they were chosen: ids and statuses at one instant; `is_cut`: more than LIMIT would have matched."""

    rows: tuple[tuple[int, Status], ...]
    chosen_at: datetime
    chosen_as: str
    is_cut: bool = False

    @property
    def ids(self) -> list[int]:
        """Return the executions' ids."""
        return [row_id for row_id, _ in self.rows]


class Prospect(StrEnum):
    """What would become of one execution."""

    READY = "ready"
    ENDED_OTHERWISE = "ended otherwise since"
    UNCHANGED = "unchanged by the edit"
    INVALID = "would be refused"
    IMPOSSIBLE = "cannot be done"


@dataclass(frozen=True)
class Preview:
    """One execution before anything is sent: its inputs before and after, and what stands in the way."""

    execution: int
    app_name: str
    prospect: Prospect
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What is to be done to all of a selection."""

    kind: BulkKind
    patch: Patch | None = None
    canaries: int = 1
    per_minute: int = 10
    reason: str = ""


@dataclass(frozen=True)
class Candidate:
    """What is known of one chosen execution now; `execution` None: it is not here any more."""

    id: int
    chosen_status: Status
    execution: Execution | None
    inputs: Mapping[str, Any] | None = None
    replays: Sequence[Execution] = ()
    busy_in: int | None = None  # another bulk operation that is not over


def foresee(candidate: Candidate, app: App | None, wish: Wish) -> Preview:
    """Return what would become of one execution."""
    execution = candidate.execution
    if execution is None:
        return Preview(candidate.id, "", Prospect.IMPOSSIBLE, reason="it is not in this store any more")
    name = execution.app_name
    if wish.kind is BulkKind.CANCEL:
        if execution.status not in POLLED:
            reason = f"it is {execution.status.replace('_', ' ')}"
            changed = candidate.chosen_status in POLLED
            prospect = Prospect.ENDED_OTHERWISE if changed else Prospect.IMPOSSIBLE
            return Preview(execution.id, name, prospect, reason=reason)
        if execution.execution_id is None:
            return Preview(execution.id, name, Prospect.IMPOSSIBLE, reason="Lamina has not named it")
        return Preview(execution.id, name, Prospect.READY)
    if execution.status is not candidate.chosen_status:
        reason = f"it is {execution.status.replace('_', ' ')} now"
        return Preview(execution.id, name, Prospect.ENDED_OTHERWISE, reason=reason)
    obstacle = _find_obstacle(candidate, execution)
    if obstacle is not None or candidate.inputs is None:
        reason = obstacle or "its inputs are not known here"
        return Preview(execution.id, name, Prospect.IMPOSSIBLE, candidate.inputs, reason=reason)
    return _foresee_replay(execution, candidate.inputs, app, wish)


def _find_obstacle(candidate: Candidate, execution: Execution) -> str | None:
    if execution.status in UNSETTLED_START:
        return "whether Lamina accepted its start is not known"
    done = [replay for replay in candidate.replays if blocks_repeat(replay)]
    if done:
        return f"it was replayed already as #{done[-1].id} ({done[-1].status.replace('_', ' ')})"
    if candidate.busy_in is not None:
        return f"it waits in bulk operation {candidate.busy_in}"
    return None


def _foresee_replay(execution: Execution, before: Mapping[str, Any], app: App | None, wish: Wish) -> Preview:
    after = patch.apply_patch(wish.patch, before)
    if wish.patch is not None and diff.same_json(dict(before), after):
        return Preview(execution.id, execution.app_name, Prospect.UNCHANGED, before, after)
    problems: list[FieldProblem] = []
    if app is not None:
        problems = drafts.check_inputs(app, after)
        problems += [
            FieldProblem(name, "unknown_parameter", "The app has no such parameter any more.")
            for name in drafts.vanished_inputs(app, after)
        ]
    prospect = Prospect.INVALID if problems else Prospect.READY
    reason = "; ".join(f"{problem.field}: {problem.message}" for problem in problems) or None
    return Preview(execution.id, execution.app_name, prospect, before, after, reason, tuple(problems))
