"""Inputs checked as Lamina checks them: every problem found, each with its code, and defaults applied.

Source: contract, section 5.2; the codes are those of Lamina's CLI, which says that it mirrors the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina_core.sandbox.catalogue import App, Parameter

UNKNOWN_PARAMETER = "unknown_parameter"
MISSING_NO_DEFAULT = "missing_no_default"
INVALID_OPTION = "invalid_option"
INVALID_MEDIA = "invalid_media"
INVALID_TYPE = "invalid_type"


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a request; `reason` reads after the field's name."""

    field: str
    code: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Inputs after the check: the effective values by parameter name, or the problems."""

    values: dict[str, Any]
    problems: tuple[Problem, ...]


def check_inputs(app: App, inputs: Mapping[str, Any]) -> Checked:
    """Check all inputs of a start; a parameter is looked up by key, then name, then id.

    A null counts as not sent. What the app marks as required does not matter: only the default decides.
    """
    values: dict[str, Any] = {}
    problems = []
    known: set[str] = set()
    for parameter in app.parameters:
        words = (parameter.key, parameter.name, parameter.id)
        known.update(words)
        word = next((word for word in words if inputs.get(word) is not None), None)
        if word is not None:
            values[parameter.name] = inputs[word]
            problem = _check_value(parameter, word, inputs[word])
            problems += [problem] if problem else []
        elif parameter.has_default:
            values[parameter.name] = parameter.default
        else:
            problems.append(Problem(parameter.name, MISSING_NO_DEFAULT, "has no default and was not supplied"))
    for word in inputs:
        if word not in known:
            problems.append(Problem(word, UNKNOWN_PARAMETER, "unknown input"))
    return Checked(values, tuple(problems))


def _check_value(parameter: Parameter, word: str, value: Any) -> Problem | None:
    if parameter.type == "options":
        return _check_option(parameter, word, value)
    if parameter.type == "url":
        return _check_url(parameter, word, value)
    if not isinstance(value, str | int | float):  # true and false are ints to Python, and fine to Lamina
        return Problem(word, INVALID_TYPE, "expected a text value")
    return None


def _check_option(parameter: Parameter, word: str, value: Any) -> Problem | None:
    for item in value if isinstance(value, list) else [value]:
        if item not in parameter.options:
            reason = f'invalid option "{item}". Must be one of: {", ".join(parameter.options)}'
            return Problem(word, INVALID_OPTION, reason)
    return None


def _check_url(parameter: Parameter, word: str, value: Any) -> Problem | None:
    if isinstance(value, list) and not parameter.multiple:
        return Problem(word, INVALID_MEDIA, "must be one http(s) URL, not a list")
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str) or not item.startswith(("http://", "https://")):
            return Problem(word, INVALID_MEDIA, "must be an http(s) URL")
    return None
