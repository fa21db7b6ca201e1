"""Inputs as a form holds them: what a start sends, judged by the app's parameters before it is sent.

Strings are exact: nothing is trimmed, for names and options with odd white space are real (contract,
section 2.2). What Lamina alone can judge is left to Lamina.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lamina_core.api import wire
from lamina_core.api.client import Estimate
from lamina_core.domain import App, Parameter
from lamina_core.errors import FieldProblem

_SPELT = 80  # signs of a value that a message shows


@dataclass
class Draft:
    """A form being filled; its token makes of a double click one start.

    `started` is the execution that it became, and when: a second click may come after the first has done its work.
    The form of a replay has the `old_inputs` where they are known, and of them `notes`: what cannot be sent today.
    """

    app: App
    token: str
    inputs: dict[str, Any]
    problems: list[FieldProblem] = field(default_factory=list)
    estimate: Estimate | None = None
    replay_of: int | None = None
    old_inputs: Mapping[str, Any] | None = None
    old_outputs: tuple[str, ...] = ()
    notes: list[FieldProblem] = field(default_factory=list)
    started: tuple[int, datetime] | None = None


def default_inputs(app: App) -> dict[str, Any]:
    """Return the inputs of a fresh form: every default, spelt out.

    An empty link or option is a default that Lamina applies but refuses to be sent, so it is left out.
    """
    return {
        parameter.name: parameter.default
        for parameter in app.parameters or ()
        if parameter.has_default and not _check_value(parameter, parameter.default)
    }


def replay_inputs(app: App, old: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return old inputs as the app's parameters of today allow them, and what stands in the way of the others.

    Nothing is filled in: a default of today may be another than the one that the old execution ran with.
    What would surely be refused is left out and named with its old value, for an operator to decide on.
    """
    inputs, problems = dict(old), []
    for parameter in app.parameters or ():
        given = {name: old[name] for name in parameter.identities if old.get(name) is not None}
        for name, value in given.items():
            problem = _check_value(parameter, value)
            if problem:
                code, message = problem
                del inputs[name]
                told = _describe_gone(parameter, value) if code == "invalid_option" else f". {message}"
                problems.append(FieldProblem(parameter.name, code, f"Was {spell(value)}{told}"))
        if not given and parameter.needs_value:
            message = "It is not among the old inputs and has no default: give a value."
            problems.append(FieldProblem(parameter.name, "missing_no_default", message))
    for name in vanished_inputs(app, old):
        del inputs[name]
        message = f"Was {spell(old[name])}. The app has no such parameter any more."
        problems.append(FieldProblem(name, "unknown_parameter", message))
    return inputs, problems


def vanished_inputs(app: App, old: Mapping[str, Any]) -> list[str]:
    """Return the names among old inputs that are no parameter any more; none where the parameters are unknown."""
    if app.parameters is None:
        return []
    known = {name for parameter in app.parameters for name in parameter.identities}
    return [name for name in old if name not in known]


def _describe_gone(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, list):
        return ", which is no option any more."
    gone = ", ".join(spell(option) for option in value if option not in parameter.options)
    return f". No option any more: {gone}."


def spell(value: Any) -> str:
    """Return a value as JSON, a long one cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SPELT else text[: _SPELT - 1] + "…"


def check_inputs(app: App, inputs: Mapping[str, Any]) -> list[FieldProblem]:
    """Return what would surely be refused, with Lamina's own codes (contract, section 5.2); all of it at once."""
    problems = []
    for parameter in app.parameters or ():
        present = [inputs[name] for name in parameter.identities if inputs.get(name) is not None]
        if not present and parameter.needs_value:
            problems.append(FieldProblem(parameter.name, "missing_no_default", "It has no default: give a value."))
        for value in present:
            problem = _check_value(parameter, value)
            if problem:
                problems.append(FieldProblem(parameter.name, *problem))
    return problems


def _check_value(parameter: Parameter, value: Any) -> tuple[str, str] | None:
    if parameter.type == "url":
        links = value if isinstance(value, list) and parameter.multiple else [value]
        if not all(isinstance(link, str) and link.startswith(("http://", "https://")) for link in links):
            return "invalid_media", "It must be a link that begins with http:// or https://."
    if parameter.type == "options":
        chosen = value if isinstance(value, list) else [value]
        if not all(option in parameter.options for option in chosen):
            return "invalid_option", "It must be one of the options, letter by letter."
    if parameter.type == "text" and not isinstance(value, str | int | float):
        return "invalid_type", "It must be a text."
    return None


def problems_at(problems: list[FieldProblem], parameter: Parameter) -> list[FieldProblem]:
    """Return the problems that belong to this parameter's field, by any of its names."""
    return [problem for problem in problems if problem.field in parameter.identities]


def problems_elsewhere(problems: list[FieldProblem], app: App) -> list[FieldProblem]:
    """Return the problems that belong to no field of the form."""
    known = {name for parameter in app.parameters or () for name in parameter.identities}
    return [problem for problem in problems if problem.field not in known]


def fits_widget(parameter: Parameter, value: Any) -> bool:
    """Say whether the form's control for this parameter can hold this value unchanged."""
    if parameter.type == "options":
        if not parameter.multiple:
            return value in parameter.options
        return isinstance(value, list) and all(item in parameter.options for item in value)
    texts = value if parameter.multiple else [value]
    return isinstance(texts, list) and all(_fits_box(text, one_line=parameter.multiple) for text in texts)


def _fits_box(text: Any, *, one_line: bool) -> bool:
    """Say whether a browser's text box gives this text back: it turns every line's end into \\n."""
    if not isinstance(text, str) or "\r" in text or wire.clean_text(text) != text:
        return False
    return not one_line or (text != "" and "\n" not in text)


def to_json(inputs: Mapping[str, Any]) -> str:
    """Return the inputs as JSON to edit."""
    return json.dumps(inputs, indent=2, ensure_ascii=False)


def from_json(text: str) -> dict[str, Any]:
    """Return edited inputs; ValueError says where the JSON is broken."""
    try:
        inputs = wire.parse_json(text.encode())
    except ValueError as error:
        raise ValueError(f"This is not JSON: {error}.") from None
    if not isinstance(inputs, dict):
        raise ValueError('Inputs are an object: {"name of the parameter": value}.')
    try:
        to_json(inputs).encode()
    except UnicodeEncodeError:
        raise ValueError("A text holds half a character (a lone surrogate), which cannot be sent.") from None
    return inputs
