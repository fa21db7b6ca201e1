"""The words of Lamina Desk as types: statuses and the frozen records that travel between layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lamina_core.errors import FieldProblem


class Generation(StrEnum):
    """A version of Lamina's HTTP API."""

    EXECUTIONS = "executions"
    V1_EXECUTIONS = "v1-executions"
    RUNS = "runs"


class Status(StrEnum):
    """Where an execution stands, as far as we know."""

    STARTING = "starting"  # the intent is recorded, Lamina has not answered
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    START_UNCONFIRMED = "start_unconfirmed"  # Lamina may or may not have accepted it
    START_FAILED = "start_failed"  # Lamina refused it, or never got it
    GONE = "gone"  # Lamina answered three times that it knows no such execution
    UNKNOWN = "unknown"  # Lamina sent a status that we do not know; the raw word is kept

    @classmethod
    def from_word(cls, word: str) -> "Status":
        """Return the status for Lamina's own word, UNKNOWN for one that we do not know."""
        return cls(word) if word in _LAMINA_WORDS else cls.UNKNOWN

    @property
    def terminal(self) -> bool:
        """Say whether Lamina reported the execution's end."""
        return self in TERMINAL


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
POLLED = frozenset({Status.QUEUED, Status.RUNNING, Status.UNKNOWN})
IN_FLIGHT = POLLED | {Status.STARTING}
MAY_HAVE_FAILED = frozenset({Status.COMPLETED, Status.FAILED, Status.START_FAILED})  # outputs can fail by themselves
UNSETTLED_START = frozenset({Status.STARTING, Status.START_UNCONFIRMED})
_LAMINA_WORDS = frozenset({Status.QUEUED, Status.RUNNING} | TERMINAL)


class Kind(StrEnum):
    """How long executions of an app take, which decides how often they are polled."""

    IMAGE = "image"
    MULTI_STEP = "multi_step"
    VIDEO = "video"

    @classmethod
    def of_outputs(cls, types: Sequence[str]) -> "Kind":
        """Guess it from the types of all outputs."""
        if "video" in types:
            return cls.VIDEO
        return cls.MULTI_STEP if len(types) > 1 else cls.IMAGE


class Origin(StrEnum):
    """Which door an execution came in by."""

    FORM = "form"
    REPLAY = "replay"
    BULK = "bulk"  # a replay of many at once
    REGISTERED = "registered"  # a backend that started it, or an operator, told us
    IMPORTED = "imported"  # from a file, or from Lamina's list
    WEBHOOK = "webhook"  # a verified webhook named it


class Role(StrEnum):
    """What an operator may do; each role may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Say whether this role includes the needed one."""
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(needed)


@dataclass(frozen=True)
class Operator:
    """The person who acts."""

    name: str
    role: Role


@dataclass(frozen=True)
class Parameter:
    """One parameter of an app; `name` is exact, odd white space included, and is the input's key."""

    name: str
    type: str  # text, options, url; others are shown as text
    required: bool
    has_default: bool
    default: Any
    options: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    multiple: bool = False
    description: str | None = None
    identities: tuple[str, ...] = ()  # every name under which an error may mean this parameter

    @property
    def needs_value(self) -> bool:
        """Say whether a start without this input would be refused: only a default makes it omittable.

        An empty text, an empty list, 0 and false count as defaults (contract, section 5.2).
        """
        return not self.has_default


@dataclass(frozen=True)
class PlannedOutput:
    """An output that an app announces before it runs."""

    label: str
    type: str


@dataclass(frozen=True)
class App:
    """A Lamina app; `parameters` is None until its details were read."""

    app_id: str
    name: str
    description: str | None
    is_public: bool
    produces: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] | None = None
    outputs: tuple[PlannedOutput, ...] = ()
    fetched_at: datetime | None = None

    @property
    def kind(self) -> Kind:
        """Guess how long it takes from what it makes."""
        if not self.outputs and "video" in self.produces:
            return Kind.VIDEO
        return Kind.of_outputs([output.type for output in self.outputs])


@dataclass(frozen=True)
class Output:
    """One result of an execution; decide by `status`, never by `type` (contract, section 4)."""

    label: str
    type: str
    status: str
    value: Any
    error: str | None


@dataclass(frozen=True)
class Report:
    """What Lamina said of one execution at one time; `raw` is its answer untouched."""

    execution_id: str
    status: Status
    raw_status: str
    raw: Mapping[str, Any]
    app_id: str | None = None
    app_name: str | None = None
    outputs: tuple[Mapping[str, Any], ...] | None = None
    error_message: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class Source(StrEnum):
    """Where an update came from."""

    START = "start"
    DELIVERY = "delivery"
    POLL = "poll"
    OPERATOR = "operator"  # who knows what became of a start whose answer was lost


class Absence(StrEnum):
    """What an answer without a report tells."""

    START_LOST = "start_lost"  # no usable answer came: Lamina may have accepted the start
    START_REFUSED = "start_refused"  # nothing was started
    NOT_FOUND = "not_found"  # Lamina knows no such execution


@dataclass(frozen=True)
class Update:
    """What a start answer, a delivery or a poll says about an execution.

    `as_of` is when the request began, or when the delivery was received. Exactly one of `report` and
    `absence` is set. `execution` is our own row where the sender knows it; a delivery finds its row by
    Lamina's id, or by the token of the start that it belongs to.
    """

    source: Source
    as_of: datetime
    execution: int | None = None
    report: Report | None = None
    absence: Absence | None = None
    reason: str | None = None
    problems: tuple[FieldProblem, ...] = ()
    token: str | None = None


@dataclass(frozen=True)
class Execution:
    """The narrow row that lists show."""

    id: int
    execution_id: str | None
    app_id: str
    app_name: str
    status: Status
    raw_status: str | None
    kind: Kind
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    next_poll_at: datetime | None
    last_poll_at: datetime | None
    poll_count: int
    poll_error: str | None
    origin: Origin
    replay_of: int | None
    started_by: str
    webhook_expected: bool
    reference: str | None


@dataclass(frozen=True)
class Registration:
    """An execution that others started, as one of the doors for those knows it; `inputs` None: nobody told us."""

    execution_id: str
    app_id: str
    origin: Origin
    inputs: Mapping[str, Any] | None = None
    started_at: datetime | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Pollable:
    """An execution that may be read, as the poller chooses among them; `due_at` is since when it may be.

    `ended` ones are read once more: for their results, or because two reports of the end disagree.
    """

    id: int
    execution_id: str
    app_id: str
    kind: Kind
    created_at: datetime
    last_poll_at: datetime | None
    due_at: datetime
    poll_count: int
    webhook_expected: bool
    ended: bool = False


@dataclass(frozen=True)
class Event:
    """One line of an execution's timeline, or of the operators' audit trail."""

    at: datetime
    kind: str
    actor: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    execution: int | None = None


class Verdict(StrEnum):
    """What we made of a delivery."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCHECKED = "unchecked"  # no key set was to be had; verified later against its time of receipt


@dataclass(frozen=True)
class Delivery:
    """One webhook POST that reached us."""

    id: int
    received_at: datetime
    verdict: Verdict
    reason: str | None
    request_id: str | None
    key_id: str | None
    execution: int | None
    duplicate_of: int | None
    body_size: int
