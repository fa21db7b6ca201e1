"""Executions that others started: one function takes them in, whichever door they come through.

The doors are `POST /api/executions`, `python -m lamina_core import`, an id that an operator pastes, Lamina's list,
and verified webhooks for ids that are not ours. Through several of them an execution ends as one row with the most
that is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Event, Generation, Kind, Origin, Registration, Report, Source, Update
from lamina_core.polling import pace
from lamina_core.store import catalogue, events, executions
from lamina_core.store.executions import Known

MOST_AT_ONCE = 1_000  # executions in one list
UNKNOWN_APP = "unknown app"  # of an execution of which Lamina's answer named none, until somebody names it
_TEXT_LENGTH = 200  # characters of an id or a reference
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


def check_text(value: object) -> object:
    """Return an id or a reference without the blanks around it; ValueError says what it must be."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    if not value or not value.isprintable() or wire.clean_text(value) != value:
        raise ValueError("must be printable text")
    if len(value) > _TEXT_LENGTH:
        raise ValueError(f"must have at most {_TEXT_LENGTH} characters")
    return value


Text = Annotated[str, BeforeValidator(check_text)]


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
    names = {each.execution_id for each in registrations}
    known = executions.known_by_execution_id(connection, names)
    fresh: dict[str, Registration] = {}
    answers = []
    for each in registrations:
        here, first = known.get(each.execution_id), fresh.get(each.execution_id)
        if here is not None:
            answer, known[each.execution_id] = _complete(connection, here, each)
        elif first is not None:
            answer, fresh[each.execution_id] = _merge(first, each)
        else:
            answer, fresh[each.execution_id] = Answer(each.execution_id, Result.CREATED), each
        answers.append(answer)
    created = _insert(connection, list(fresh.values()), actor, generation, now)
    intake.apply_waiting(connection, names, now)
    return [
        answer if answer.execution else replace(answer, execution=created.get(answer.execution_id or ""))
        for answer in answers
    ]


def _insert(
    connection: sa.Connection, fresh: Sequence[Registration], actor: str, generation: Generation, now: datetime
) -> dict[str, int]:
    apps = {app_id: _describe(connection, app_id) for app_id in {each.app_id for each in fresh}}
    ids = executions.insert_registered(connection, fresh, apps, generation, now)
    told = [
        Event(at=now, kind=each.origin, actor=actor, execution=row_id) for row_id, each in zip(ids, fresh, strict=True)
    ]
    events.append_all(connection, told)
    return {each.execution_id: row_id for row_id, each in zip(ids, fresh, strict=True)}


def _describe(connection: sa.Connection, app_id: str) -> tuple[str, Kind]:
    app = catalogue.find(connection, app_id)
    return app.name if app else app_id, pace.read_kind(connection, app_id, app)


def _complete(connection: sa.Connection, known: Known, given: Registration) -> tuple[Answer, Known]:
    """Add to a row what is new, and return the answer and what is known then."""
    if known.app_id == UNKNOWN_APP:
        executions.name_app(connection, known.id, given.app_id, _describe(connection, given.app_id)[0])
        known = replace(known, app_id=given.app_id)
    if given.app_id not in {known.app_id, UNKNOWN_APP}:
        return Answer(given.execution_id, Result.REFUSED, known.id, _other_app(known.app_id)), known
    result = Result.KNOWN
    if given.inputs is not None and not known.has_inputs:
        executions.keep_inputs(connection, known.id, given.inputs)
        known, result = replace(known, has_inputs=True), Result.COMPLETED
    if given.reference is not None and known.reference is None:
        executions.refer(connection, known.id, given.reference)
        known, result = replace(known, reference=given.reference), Result.COMPLETED
    return Answer(given.execution_id, result, known.id), known


def _merge(first: Registration, given: Registration) -> tuple[Answer, Registration]:
    """Add to a registration what a later one of the same list knows."""
    if given.app_id != first.app_id:
        return Answer(given.execution_id, Result.REFUSED, error=_other_app(first.app_id)), first
    merged = replace(
        first,
        inputs=given.inputs if first.inputs is None else first.inputs,
        reference=first.reference or given.reference,
    )
    return Answer(given.execution_id, Result.KNOWN if merged == first else Result.COMPLETED), merged


def _other_app(app_id: str) -> str:
    return f"This execution is known here as one of the app {app_id}."


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
        Registration(each.execution_id, each.app_id or UNKNOWN_APP, origin, started_at=each.created_at)
        for each in reports
    ]
    answers = register(connection, found, actor, generation, now)
    intake.apply_updates(connection, [Update(Source.POLL, began, report=each) for each in reports], now)
    return [answer.execution for answer in answers if answer.execution is not None]
