"""How much is kept, since when and for how long: for the System screen."""

from dataclasses import dataclass
from datetime import datetime

from lamina_core.domain import Execution, Origin
from lamina_core.keep import Keep
from lamina_core.store import purge, space, tally
from lamina_core.store.engine import Engines
from lamina_core.store.executions import Payload
from lamina_core.store.space import Space

_OTHERS = frozenset({Origin.REGISTERED, Origin.IMPORTED, Origin.WEBHOOK})
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Storage:
    """What the database holds: executions counted exactly, and the start of the oldest."""

    space: Space
    executions: int
    oldest: datetime | None


def read_storage(engines: Engines) -> Storage:
    """Read how much is kept."""
    with engines.reading() as connection:
        return Storage(
            space=space.measure(connection),
            executions=sum(tally.count_by_status(connection, []).values()),
            oldest=purge.find_oldest(connection),
        )


def describe_space(taken: Space) -> str:
    """Return in words how much room the database takes."""
    told = f"{taken.size / _MEGABYTE:,.1f} MB"
    if taken.free is not None:
        told += f", of these {taken.free / _MEGABYTE:,.1f} MB free for new rows"
    if taken.is_vacuum_worth_it:
        told += "; to give them back, stop the dashboard and run VACUUM on the file"
    return told


def describe_keep(keep: Keep) -> str:
    """Return in words how long what is kept."""
    if not keep.is_on:
        return "everything, for ever"
    by_days: dict[int, list[str]] = {}
    for status, days in keep.executions.items():
        by_days.setdefault(days, []).append(status.replace("_", " "))
    told = [f"{', '.join(sorted(names))} {days} days" for days, names in sorted(by_days.items())]
    told = told or ["executions for ever"]
    for name, each in (("inputs and outputs", keep.payloads), ("deliveries", keep.deliveries)):
        told += [f"{name} {each} days"] if each is not None else []
    return "; ".join(told)


def is_emptied(execution: Execution, payload: Payload) -> bool:
    """Say whether inputs and reports were here once: what we started had inputs, and only a report tells an end."""
    is_bare = payload.inputs is None and payload.last_report is None
    return is_bare and (execution.origin not in _OTHERS or execution.status.terminal)
