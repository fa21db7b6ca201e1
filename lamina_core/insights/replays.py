"""What is known about replaying an execution: what it was sent, and what its replays have come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lamina_core import starts
from lamina_core.domain import UNSETTLED_START, Execution, Status
from lamina_core.store import executions
from lamina_core.store.engine import Engines


@dataclass(frozen=True)
class ReplayState:
    """An execution that is to be replayed; `inputs` None: others started it, and nobody told us with what."""

    original: Execution
    inputs: Mapping[str, Any] | None
    chosen_outputs: tuple[str, ...]
    replays: tuple[Execution, ...]  # the newest first
    as_of: datetime

    @property
    def unsettled(self) -> bool:
        """Say whether the original itself may be running unseen, so that a replay may be billed twice."""
        return self.original.status in UNSETTLED_START

    @property
    def under_way(self) -> tuple[Execution, ...]:
        """Return the replays that have not ended, the newest first."""
        return tuple(replay for replay in self.replays if replay.status in starts.UNDER_WAY)

    @property
    def completed(self) -> tuple[Execution, ...]:
        """Return the replays that have completed, the newest first."""
        return tuple(replay for replay in self.replays if replay.status is Status.COMPLETED)

    @property
    def blocking(self) -> tuple[Execution, ...]:
        """Return the replays for which one more needs an operator's consent, the newest first."""
        return tuple(replay for replay in self.replays if starts.blocks_repeat(replay))


def read_replay_state(engines: Engines, row_id: int, now: datetime) -> ReplayState | None:
    """Read what is known about replaying one execution; None if the store has none with this id."""
    with engines.reading() as connection:
        original = executions.find(connection, row_id)
        payload = executions.find_payload(connection, row_id)
        if original is None or payload is None:
            return None
        replays = tuple(reversed(executions.replays_of(connection, row_id)))
    return ReplayState(original, payload.inputs, payload.chosen_outputs, replays, now)
