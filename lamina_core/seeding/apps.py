"""The apps of a history: those of the sandbox, with their own rules of failing, and invented ones beside them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina_core.domain import Kind
from lamina_core.sandbox import plan
from lamina_core.sandbox.catalogue import App, Catalogue, FailureRule, OutputPlan, Parameter
from lamina_core.seeding.causes import TROUBLES, Trouble

INVENTED = 30  # apps beside those of the sandbox

_TROUBLES_EACH = 3
_DECAY = 1.1  # of Zipf's law: the app of rank r is used 1/r^1.1 as often as the first
_MAKERS = ("Lookbook", "Storefront", "Banner", "Packshot", "Teaser", "Caption", "Avatar", "Mock-up", "Flyer", "Trailer")
_STYLES = ("Quick", "Seasonal", "Café")


@dataclass(frozen=True)
class Model:
    """An app as a history uses it: `weight` is its share, `troubles` what befalls it besides its own rules."""

    app: App
    kind: Kind
    weight: float
    troubles: tuple[Trouble, ...]

    def find_rule(self, values: Mapping[str, Any]) -> FailureRule | None:
        """Return the rule by which the sandbox would have these inputs fail."""
        if not self.app.failures:
            return None
        defaults = {item.name: item.default for item in self.app.parameters if item.has_default}
        return plan.find_failure(self.app, {**defaults, **values})


def model_apps(catalogue: Catalogue, invented: int) -> tuple[Model, ...]:
    """Return the catalogue's apps and as many invented ones, the most used first.

    Apps of the sandbox that always fail, at least in part, come last: nobody would use one much.
    """
    hopeless = [app for app in catalogue.apps if any(rule.parameter is None for rule in app.failures)]
    hopeful = [app for app in catalogue.apps if app not in hopeless]
    pictures = [app.thumbnail_url for app in catalogue.apps]
    others = [_invent(place, pictures[place % len(pictures)]) for place in range(invented)]
    mixed = [app for pair in zip(hopeful, others, strict=False) for app in pair]
    mixed += [app for app in (*hopeful, *others) if app not in mixed]
    return tuple(_model(app, rank) for rank, app in enumerate([*mixed, *hopeless]))


def _model(app: App, rank: int) -> Model:
    own = [TROUBLES[(rank * 7 + step * 12) % len(TROUBLES)] for step in range(_TROUBLES_EACH)]
    kind = Kind.of_outputs([output.type for output in app.outputs])
    return Model(app, kind, 1 / math.pow(rank + 1, _DECAY), tuple(own))


def _invent(place: int, picture: str | None) -> App:
    style, maker = _STYLES[place // len(_MAKERS) % len(_STYLES)], _MAKERS[place % len(_MAKERS)]
    made = ("video",) if place % 7 == 4 else ("text",) if place % 7 == 5 else ("image",) * (1 + place % 3)
    outputs = tuple(_output(place, index, kind) for index, kind in enumerate(made))
    return App(
        app_id=f"5eed{place:04x}-0000-4000-8000-{place * 7_919:012x}",
        name=f"{style} {maker}",
        description=None,
        is_public=False,
        modality=made[0],
        icon="",
        thumbnail_url=picture,
        parameters=_parameters(place),
        outputs=outputs,
        nodes=(),
        edges=(),
        queue_seconds=2.0,
        median_seconds=(90.0 if made[0] == "video" else 9.0) + place,
        sigma=0.25 + place % 4 / 10,
        credits=1.0,
        capabilities={},
        failures=(),
    )


def _output(place: int, index: int, kind: str) -> OutputPlan:
    return OutputPlan(f"{kind}Node-17612{place:02}{index:06}-s33d{place:05}", f"Output {index + 1}", kind, 0, 0)


def _parameters(place: int) -> tuple[Parameter, ...]:
    def parameter(name: str, kind: str, default: Any = None, options: tuple[str, ...] = ()) -> Parameter:
        return Parameter(
            id=f"{place}-{name}",
            key=name.casefold(),
            name=name,
            type=kind,
            required=False,
            has_default=default is not None,
            default=default,
            options=options,
            accept=("image",) if kind == "url" else (),
            multiple=False,
            description=None,
        )

    return (
        parameter("Prompt", "text"),
        parameter("Source Image", "url", "https://cdn.example.com/samples/blank.png"),
        parameter("Format", "options", "Square", ("Square", "Portrait", "Landscape")),
    )
