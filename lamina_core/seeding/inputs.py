"""Inputs that an app accepts: by the types of its parameters, and now and then such that the app will fail."""

import random
from collections.abc import Mapping
from typing import Any

from lamina_core.sandbox.catalogue import App, FailureRule, Parameter
from lamina_core.seeding import words

_LEFT_OUT = 0.25  # of what has a default
_DOOMED = 0.03  # of the inputs of apps that fail by some of them
_TITLE = 40  # signs of a default up to which a text is a short one


def make_inputs(rng: random.Random, app: App, samples: str | None) -> dict[str, Any]:
    """Return inputs of an app by the names of its parameters.

    `samples` is where the sandbox's sample pictures are; without it the pictures lie at addresses that nobody has.
    """
    inputs = {
        parameter.name: _make_value(rng, parameter, samples)
        for parameter in app.parameters
        if not parameter.has_default or rng.random() > _LEFT_OUT
    }
    rules = [rule for rule in app.failures if rule.parameter is not None]
    if rules and rng.random() < _DOOMED:
        _doom(rng, app, inputs, rng.choice(rules), samples)
    return inputs


def mend_inputs(rng: random.Random, app: App, inputs: Mapping[str, Any], samples: str | None) -> dict[str, Any]:
    """Return inputs without what an app fails by: other values for the parameters that its rules look at."""
    watched = {rule.parameter for rule in app.failures}
    fresh = {item.name: _make_value(rng, item, samples) for item in app.parameters if item.name in watched}
    return {name: fresh.get(name, value) for name, value in inputs.items()}


def _doom(rng: random.Random, app: App, inputs: dict[str, Any], rule: FailureRule, samples: str | None) -> None:
    parameter = next(item for item in app.parameters if item.name == rule.parameter)
    if parameter.type == "url":
        address = _address(rng, samples, f"{rule.contains}-")
        inputs[parameter.name] = [address] if parameter.multiple else address
    elif parameter.type == "text":
        said = str(inputs.get(parameter.name) or parameter.default or "")
        inputs[parameter.name] = rule.contains + said if said.isdecimal() else f"{said} {rule.contains}".strip()


def _address(rng: random.Random, samples: str | None, mark: str = "") -> str:
    return words.write_address(rng, mark) if samples is None else f"{samples}/{words.name_sample(rng, mark)}"


def _make_value(rng: random.Random, parameter: Parameter, samples: str | None) -> Any:
    if parameter.type == "options":
        return rng.choice(parameter.options)
    if parameter.type == "url":
        if parameter.multiple:
            return [_address(rng, samples) for _ in range(rng.randrange(1, 4))]
        return _address(rng, samples)
    default = parameter.default
    if isinstance(default, bool):
        return rng.random() < 0.5
    if isinstance(default, int | float):
        return rng.randrange(7)
    if "name" in parameter.name.casefold() or (isinstance(default, str) and len(default) <= _TITLE):
        return words.write_title(rng)
    return words.write_prompt(rng)
