"""What the sandbox keeps: executions, webhooks still to be sent, and the words for what happened to it."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lamina_core.sandbox import faults
from lamina_core.sandbox.plan import OutputFate, Plan


class Generation(StrEnum):
    """The three generations of Lamina's API, named as in the contract's section 0.1."""

    A = "executions"
    B = "v1-executions"
    C = "runs"


@dataclass(frozen=True)
class Execution:
    """One run with all that started it; `inputs` as sent, `values` the effective ones by parameter name."""

    number: int
    execution_id: str
    generation: Generation
    app_id: str
    app_name: str
    inputs: dict[str, Any]
    values: dict[str, Any]
    webhook_url: str | None
    credits: float
    faults: tuple[faults.Fault, ...]
    plan: Plan

    @property
    def shows_unknown_status(self) -> bool:
        """Say whether the run was started with the wish to be reported with an unknown status."""
        return any(fault.name is faults.Name.UNKNOWN_STATUS for fault in self.faults)


@dataclass(frozen=True)
class Webhook:
    """One webhook on its way: the body is fixed when it is planned, the headers with each attempt."""

    number: int
    execution_id: str
    url: str
    body: bytes
    due_at: int
    attempts: int
    faults: tuple[faults.Fault, ...]


@dataclass(frozen=True)
class Attempt:
    """One POST of a webhook, or the record that none was made; `status` is None where no answer came."""

    execution_id: str
    url: str
    attempt: int
    status: int | None
    error: str | None
    sent_at: int
    fault: str | None


def dump_plan(plan: Plan) -> str:
    """Return the plan as text for the database."""
    return json.dumps(asdict(plan))


def load_plan(text: str) -> Plan:
    """Return the plan of a text made by `dump_plan`."""
    document = json.loads(text)
    outputs = tuple(OutputFate(**output) for output in document.pop("outputs"))
    return Plan(outputs=outputs, **document)


def dump_faults(wanted: tuple[faults.Fault, ...]) -> str:
    """Return faults as text for the database."""
    return json.dumps([[fault.name, fault.seconds] for fault in wanted])


def load_faults(text: str) -> tuple[faults.Fault, ...]:
    """Return the faults of a text made by `dump_faults`."""
    return tuple(faults.Fault(faults.Name(name), seconds) for name, seconds in json.loads(text))
