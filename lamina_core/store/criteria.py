"""What is looked for: filters of executions, a place among them, and how a number of them is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lamina_core.domain import Origin, Status
from lamina_core.triage.records import Triage

COUNT_CAP = 1_000  # a count that has to look at rows stops here, and is shown as "1,000+"


class Scope(StrEnum):
    """Where a text is looked for."""

    NAMES = "names"  # the beginning of Lamina's id, or any part of a reference or of an error
    ERROR = "error"  # any part of an error
    INPUTS = "inputs"  # whole words, URLs or file names in inputs
    INSIDE = "inside"  # any part of inputs: no index knows it, rows are looked through one by one


@dataclass(frozen=True)
class Criteria:
    """Which executions; an empty or missing part does not restrict."""

    statuses: frozenset[Status] = frozenset()
    app_ids: frozenset[str] = frozenset()
    since: datetime | None = None
    triages: frozenset[Triage] = frozenset()
    origins: frozenset[Origin] = frozenset()
    operators: frozenset[str] = frozenset()
    slower_than: timedelta | None = None  # those that ended, and took at least so long
    text: str | None = None
    scope: Scope = Scope.NAMES

    @property
    def is_tallied(self) -> bool:
        """Say whether the tally alone knows how many there are."""
        return not (self.since or self.triages or self.slower_than or self.text)


@dataclass(frozen=True)
class Cursor:
    """A place in the list, newest first: the row that a page ends or begins with."""

    created_at: datetime
    id: int

    @classmethod
    def above_all(cls, until: datetime) -> "Cursor":
        """Return the place just above every row that was started by an instant."""
        return cls(until, 2**63 - 1)


@dataclass(frozen=True)
class Range:
    """The rows between two places, neither of which belongs to it; None: no end."""

    above: Cursor | None = None
    below: Cursor | None = None


@dataclass(frozen=True)
class Count:
    """A number of executions; `capped`: there may be more, for counting stopped there."""

    number: int
    capped: bool
