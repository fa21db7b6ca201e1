"""Lamina's JSON read tolerantly: unknown fields are kept in `raw`, unknown statuses survive.

The models are shared by the three generations; an id may be called executionId or runId
(contract, section 9, item 1). Instants become aware UTC here and nowhere else.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lamina_core import errors
from lamina_core.domain import App, Output, Parameter, PlannedOutput, Report, Status

DEPTH_LIMIT = 100  # what is nested deeper could be read here and yet not be written elsewhere


def clean_text(text: str) -> str:
    """Return the text as every database can hold it: NUL and lone surrogates replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _text_or_none(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value and clean_text(value)
    return clean_text(json.dumps(value))


def parse_instant(value: object) -> datetime | None:
    """Return an instant of ISO 8601 as aware UTC, where no zone is named as if UTC were; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1
        return None


Text = Annotated[str | None, BeforeValidator(_text_or_none)]
Instant = Annotated[datetime | None, BeforeValidator(parse_instant)]
Flag = Annotated[bool, BeforeValidator(bool)]


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [clean_text(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


Mappings = Annotated[list[Any], BeforeValidator(_mappings)]
Texts = Annotated[list[str], BeforeValidator(_texts)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")  # what we do not know is in `raw`, whatever its name


class _RunWire(_Wire):
    execution_id: Annotated[
        str, Field(min_length=1, max_length=200, validation_alias=AliasChoices("executionId", "runId"))
    ]
    app_id: Text = Field(None, alias="workflowId")
    app_name: Text = Field(None, alias="workflowName")
    status: Annotated[str, Field(min_length=1)]
    outputs: list[Any] | None = None
    error_message: Text = Field(None, alias="errorMessage")
    created_at: Instant = Field(None, alias="createdAt")
    started_at: Instant = Field(None, alias="startedAt")
    completed_at: Instant = Field(None, alias="completedAt")


class _OutputWire(_Wire):
    label: Text = None
    type: Text = None
    status: Text = None
    value: Any = None
    error: Text = None


class _ParameterWire(_Wire):
    id: Text = None
    key: Text = None
    name: str
    type: Text = None
    required: Flag = False
    options: Texts = Field(default_factory=list)
    default: Any = None
    accept: Texts = Field(default_factory=list)
    multiple: Flag = False
    description: Text = None


class _AppWire(_Wire):
    app_id: Annotated[str, Field(min_length=1, alias="appId")]
    name: Text = None
    description: Text = None
    is_public: Flag = Field(False, alias="isPublic")
    capabilities: Any = None
    parameters: Any = None
    outputs: Mappings = Field(default_factory=list)


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body; ValueError for anything that is not strict JSON in UTF-8.

    Numbers that no database's JSON can hold, and nesting deeper than DEPTH_LIMIT, are refused too.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    _check_depth(value)
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number in the JSON is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    raise ValueError("the JSON is nested too deeply")


def data_of(document: Any) -> Mapping[str, Any]:
    """Return the object that an answer or a webhook wraps in `data`; ValueError if there is none."""
    data = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(data, Mapping):
        raise ValueError("the JSON has no object called data")
    return data


def report_from(data: Mapping[str, Any]) -> Report:
    """Return what an execution object says; ValueError names the field that is not as documented."""
    try:
        wire = _RunWire.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from None
    word = clean_text(wire.status)
    return Report(
        execution_id=clean_text(wire.execution_id),
        status=Status.from_word(word),
        raw_status=word,
        raw=data,
        app_id=wire.app_id,
        app_name=wire.app_name,
        outputs=None if wire.outputs is None else tuple(_mappings(wire.outputs)),
        error_message=wire.error_message,
        created_at=wire.created_at,
        started_at=wire.started_at,
        completed_at=wire.completed_at,
    )


def output_from(data: Mapping[str, Any]) -> Output:
    """Return one output as screens show it."""
    wire = _OutputWire.model_validate(data)
    return Output(
        label=wire.label or "Output",
        type=wire.type or "unknown",
        status=wire.status or "unknown",
        value=wire.value,
        error=wire.error,
    )


def app_from(data: Mapping[str, Any]) -> App:
    """Return an app of a list (without parameters) or of its own page; ValueError if it has no id."""
    try:
        wire = _AppWire.model_validate(data)
    except ValidationError:
        raise ValueError("an app without appId") from None
    produces = wire.capabilities.get("produces") if isinstance(wire.capabilities, Mapping) else None
    return App(
        app_id=clean_text(wire.app_id),
        name=wire.name or wire.app_id,
        description=wire.description,
        is_public=wire.is_public,
        produces=tuple(_texts(produces)),
        parameters=None
        if wire.parameters is None
        else tuple(_parameter_from(item) for item in _mappings(wire.parameters) if "name" in item),
        outputs=tuple(
            PlannedOutput(
                clean_text(str(item.get("label") or f"Output {index + 1}")),
                clean_text(str(item.get("type") or "unknown")),
            )
            for index, item in enumerate(wire.outputs)
        ),
    )


def _parameter_from(data: Mapping[str, Any]) -> Parameter:
    wire = _ParameterWire.model_validate({**data, "name": clean_text(str(data["name"]))})
    return Parameter(
        name=wire.name,
        type=wire.type or "text",
        required=wire.required,
        has_default=wire.default is not None,
        default=wire.default,
        options=tuple(wire.options),
        accept=tuple(wire.accept),
        multiple=wire.multiple,
        description=wire.description,
        identities=tuple(name for name in (wire.name, wire.key, wire.id) if name),
    )


def problems_from(details: Any) -> tuple[errors.FieldProblem, ...]:
    """Return the reasons in any of the three documented shapes of `details` (contract, section 5.3)."""
    if isinstance(details, Mapping):
        nested = details.get("details")
        inner = nested if isinstance(nested, Mapping) else details
        return problems_from(inner.get("errors"))
    if not isinstance(details, list):
        return ()
    return tuple(_problem_from(item) for item in details)


def _problem_from(item: Any) -> errors.FieldProblem:
    if isinstance(item, Mapping):
        texts = {key: clean_text(value) for key, value in item.items() if isinstance(value, str)}
        field = texts.get("field") or texts.get("param") or texts.get("name") or texts.get("key")
        message = texts.get("message") or texts.get("error") or json.dumps(item)
        return errors.FieldProblem(field, texts.get("code") or texts.get("error"), message)
    text = clean_text(item) if isinstance(item, str) else json.dumps(item)
    if text.startswith('"') and '": ' in text:  # the documented string form names the field in quotes
        field, _, message = text[1:].partition('": ')
        return errors.FieldProblem(field, None, message)
    return errors.FieldProblem(None, None, text)
