"""What the ends that Lamina tells of mean for failures: into a group, out of one, or closed by a replay."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamina_core.domain import MAY_HAVE_FAILED, Status
from lamina_core.store import failures, resolutions
from lamina_core.store.failures import Noted
from lamina_core.store.remote import Outputs, RemoteState
from lamina_core.triage.fingerprint import find_cause


def note_failures(
    connection: sa.Connection,
    changed: Sequence[RemoteState],
    before: Mapping[int, Status],
    outputs: Mapping[int, Outputs],
    problems: Mapping[int, Sequence[Mapping[str, Any]]],
    now: datetime,
) -> None:
    """Put what failed into its group, take out what is no failure any more, and close what a replay has mended."""
    noted, mended = [], {}
    for state in changed:
        made, refused = outputs.get(state.id, ()), problems.get(state.id, ())
        cause = find_cause(state.app_id, state.status, state.error_message, made, refused)
        if cause is not None or before[state.id] in MAY_HAVE_FAILED:
            failed_at = state.completed_at or state.updated_at
            noted.append(Noted(state.id, state.app_name, cause, state.error_message, failed_at))
        if cause is None and state.status is Status.COMPLETED and state.replay_of is not None:
            mended[state.id] = state.replay_of
    if noted:
        failures.note(connection, noted, now)
    for replay, original in sorted(mended.items()):
        resolutions.close_originals(connection, replay, original, now)
