"""Executions that others started: one function takes them in, whichever door they come through.

The doors are `POST /api/executions`, `python -m lamina_core import`, an id that an operator pastes, Lamina's list,
and verified webhooks for ids that are not ours. Through several of them an execution ends as one row with the most
that is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Event, Generation, Origin, Registration, Report, Source, Update
from lamina_core.polling import pace
from lamina_core.store import catalogue, events, executions

MOST_AT_ONCE = 1_000  # executions in one list
_CLOCKS_APART = timedelta(minutes=5)  # by which the sender's clock may be ahead of ours


class Result(StrEnum):
    """What came of registering an execution."""

    CREATED = "created"
    COMPLETED = "completed"  # it was here, and its inputs or its reference are known now
    KNOWN = "known"  # nothing new
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What came of one registration; `execution` is our own id."""

    execution_id: str | None
    result: Result
    execution: int | None = None
    error: str | None = None


def _check_text(value: object) -> object:
    if isinstance(value, str) and (wire.clean_text(value) != value or not value.strip() or not value.isprintable()):
        raise ValueError("must be printable text")
    return value


Text = Annotated[str, BeforeValidator(_check_text), Field(max_length=200)]


class _RegistrationWire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)  # a misspelt field would lose what it holds

    execution_id: Annotated[Text, Field(validation_alias=AliasChoices("executionId", "runId"))]
    app_id: Annotated[Text, Field(alias="appId")]
    inputs: dict[str, Any] | None = None
    started_at: Annotated[str | None, Field(alias="startedAt")] = None
    reference: Text | None = None


def parse(document: Any, origin: Origin, now: datetime) -> Registration:
    """Return what a document registers; ValueError says for which field what is wrong.

    `{"executionId", "appId", "inputs", "startedAt", "reference"}`, the last three optional: inputs an object,
    startedAt ISO 8601, reference the customer's own number.
    """
    if not isinstance(document, dict):
        raise ValueError('an execution looks like {"executionId": "...", "appId": "...", "inputs": {...}}')
    try:
        given = _RegistrationWire.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    started_at = wire.parse_instant(given.started_at)
    if given.started_at is not None and started_at is None:
        raise ValueError("startedAt: must be an instant in ISO 8601, such as 2026-03-14T09:00:00Z")
    if started_at is not None and started_at > now + _CLOCKS_APART:
        raise ValueError("startedAt: lies in the future")
    return Registration(given.execution_id, given.app_id, origin, given.inputs, started_at, given.reference)


def register(
    connection: sa.Connection, registrations: Sequence[Registration], actor: str, generation: Generation, now: datetime
) -> list[Answer]:
    """Record executions, or what is new of those that are here, and return an answer for each; idempotent."""
    known = executions.known_by_execution_id(connection, {each.execution_id for each in registrations})
    fresh = {each.execution_id: each for each in reversed(registrations) if each.execution_id not in known}
    apps = {each.app_id for each in fresh.values()}
    found = {app_id: catalogue.find(connection, app_id) for app_id in apps}
    named = {
        app_id: (app.name if app else app_id, pace.read_kind(connection, app_id, app)) for app_id, app in found.items()
    }
    ids = executions.insert_registered(connection, list(fresh.values()), named, generation, now)
    events.append_all(
        connection,
        [
            Event(at=now, kind=each.origin, actor=actor, execution=row_id)
            for row_id, each in zip(ids, fresh.values(), strict=True)
        ],
    )
    intake.apply_waiting(connection, fresh, now)
    created = dict(zip(fresh, ids, strict=True))
    known |= executions.known_by_execution_id(connection, fresh)
    answers = []
    for each in registrations:
        if each.execution_id in created:
            answers.append(Answer(each.execution_id, Result.CREATED, created.pop(each.execution_id)))
        else:
            answers.append(_complete(connection, known[each.execution_id], each))
    return answers


def _complete(connection: sa.Connection, known: executions.Known, given: Registration) -> Answer:
    if known.app_id != given.app_id:
        reason = f"This execution is known here as one of the app {known.app_id}."
        return Answer(given.execution_id, Result.REFUSED, known.id, reason)
    inputs = given.inputs if not known.has_inputs else None
    reference = given.reference if known.reference is None else None
    if inputs is None and reference is None:
        return Answer(given.execution_id, Result.KNOWN, known.id)
    if inputs is not None:
        executions.keep_inputs(connection, known.id, inputs)
    if reference is not None:
        executions.refer(connection, known.id, reference)
    return Answer(given.execution_id, Result.COMPLETED, known.id)


def take_in(
    connection: sa.Connection,
    reports: Sequence[Report],
    origin: Origin,
    actor: str,
    began: datetime,
    generation: Generation,
    now: datetime,
) -> list[int]:
    """Register the executions of reports that were read from `began` on, apply them, and return our ids."""
    found = [
        Registration(each.execution_id, each.app_id or "unknown app", origin, started_at=each.created_at)
        for each in reports
    ]
    answers = register(connection, found, actor, generation, now)
    intake.apply_updates(connection, [Update(Source.POLL, began, report=each) for each in reports], now)
    return [answer.execution for answer in answers if answer.execution is not None]
