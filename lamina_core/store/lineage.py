"""What belongs beside an execution: its family of replays, and what last went well of the same app."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Execution, Status
from lamina_core.store import search
from lamina_core.store.tables import ExecutionTable

NODES = 100  # of one family that are shown
_NEAR = 40  # steps up that are looked at, and replays below that are read before all others


@dataclass(frozen=True)
class Node:
    """One execution of a family; `depth` counts the replays that lie between it and the first one shown."""

    execution: Execution
    depth: int


@dataclass(frozen=True)
class Lineage:
    """A family of replays, each below what it replays, oldest first; empty for an execution without any.

    `capped`: there are more. Shown are then those around the execution that was asked for, and the oldest of the rest.
    """

    nodes: tuple[Node, ...] = ()
    capped: bool = False


def find_lineage(connection: sa.Connection, row_id: int) -> Lineage:
    """Return the family that an execution belongs to, from its first execution downwards; four queries at most."""
    path = _find_path(connection, row_id)
    first = path[-1]
    near = _find_below(connection, row_id, _NEAR) if first != row_id else []
    found = list(dict.fromkeys([*path, *near, *_find_below(connection, first, NODES + 1)]))
    if len(found) < 2:
        return Lineage()
    kept = found[:NODES]
    rows = search.find_by_ids(connection, kept)
    family = [rows[each] for each in kept if each in rows]
    begins_earlier = first in rows and rows[first].replay_of is not None
    return Lineage(_arrange(family, first), capped=len(found) > NODES or begins_earlier)


def _find_path(connection: sa.Connection, row_id: int) -> list[int]:
    """Return the execution and those that it replays, one after the other; the depth ends a ring of replays too."""
    step = (
        sa.select(
            sa.literal(row_id, sa.BigInteger()).label("id"),
            col(ExecutionTable.replay_of).label("replay_of"),
            sa.literal(0).label("depth"),
        )
        .where(col(ExecutionTable.id) == row_id)
        .cte("path", recursive=True)
    )
    above = (
        sa.select(col(ExecutionTable.id), col(ExecutionTable.replay_of), step.c.depth + 1)
        .join(step, col(ExecutionTable.id) == step.c.replay_of)
        .where(step.c.depth < _NEAR)
    )
    step = step.union_all(above)
    found = connection.execute(sa.select(step.c.id).order_by(step.c.depth)).scalars()
    return list(dict.fromkeys([row_id, *found]))


def _find_below(connection: sa.Connection, row_id: int, limit: int) -> list[int]:
    """Return the execution and its replays and theirs, level by level; UNION ends a ring, the limit all else."""
    below = sa.select(sa.literal(row_id, sa.BigInteger()).label("id")).cte("below", recursive=True)
    replays = sa.select(col(ExecutionTable.id)).join(below, col(ExecutionTable.replay_of) == below.c.id)
    below = below.union(replays)
    return list(connection.execute(sa.select(below.c.id).limit(limit)).scalars())


def _arrange(family: Sequence[Execution], first: int) -> tuple[Node, ...]:
    replays: dict[int | None, list[Execution]] = {}
    for row in sorted(family, key=lambda row: row.id, reverse=True):
        if row.id != first:
            replays.setdefault(row.replay_of, []).append(row)
    waiting = [Node(row, 0) for row in family if row.id == first]
    nodes = []
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += [Node(row, node.depth + 1) for row in replays.get(node.execution.id, [])]
    return tuple(nodes)


def last_success(connection: sa.Connection, app_id: str, before: datetime | None = None) -> int | None:
    """Return the newest completed execution of an app, of those started before an instant if one is given."""
    wanted = sa.select(col(ExecutionTable.id)).where(
        col(ExecutionTable.app_id) == app_id, col(ExecutionTable.status) == Status.COMPLETED
    )
    if before is not None:
        wanted = wanted.where(col(ExecutionTable.created_at) < before)
    newest = wanted.order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()
