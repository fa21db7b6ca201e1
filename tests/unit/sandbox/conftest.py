"""A small app and an engine on a settable clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lamina_core.sandbox.catalogue import App, FailureRule, Node, OutputPlan, Parameter
from lamina_core.sandbox.engine import Engine
from lamina_core.sandbox.records import Execution, Generation, Webhook
from lamina_core.sandbox.state import State


def _parameter(name: str, type_: str = "text", **changes: Any) -> Parameter:
    fields = {
        "id": f"id-{name.lower()}",
        "key": f"key_{name.lower()}",
        "name": name,
        "type": type_,
        "required": False,
        "has_default": True,
        "default": "",
        "options": (),
        "accept": (),
        "multiple": False,
        "description": None,
    }
    return Parameter(**{**fields, **changes})


@pytest.fixture
def parameter() -> Callable[..., Parameter]:
    return _parameter


@pytest.fixture
def make_app() -> Callable[..., App]:
    """An app with one text parameter and the outputs Front, Back and Back, all texts, unless told otherwise."""

    def make(**changes: Any) -> App:
        outputs = tuple(
            OutputPlan(f"writerNode-176000000000{index}-abcdefghi", label, "text", 0, 0)
            for index, label in enumerate(("Front", "Back", "Back"))
        )
        fields = {
            "app_id": "11111111-2222-4333-8444-555555555555",
            "name": "Three Texts",
            "description": "Writes three texts.",
            "is_public": True,
            "modality": "text",
            "icon": "*",
            "thumbnail_url": None,
            "parameters": (_parameter("Prompt"),),
            "outputs": outputs,
            "nodes": tuple(Node(output.node_id, "writerNode", output.label) for output in outputs),
            "edges": (),
            "queue_seconds": 2.0,
            "median_seconds": 10.0,
            "sigma": 0.3,
            "credits": 1.5,
            "capabilities": {"outputFormats": ["txt"]},
            "failures": (),
        }
        return App(**{**fields, **changes})

    return make


@pytest.fixture
def rule() -> Callable[..., FailureRule]:
    def make(parameter: str | None = None, contains: str = "", **changes: Any) -> FailureRule:
        fields = {"error_message": "It broke", "output_error": "Node broke", "outputs": ()}
        return FailureRule(parameter, contains, **{**fields, **changes})

    return make


@dataclass
class Bench:
    """An engine with its state and clock, and the webhooks that it announced."""

    clock: Any
    state: State
    engine: Engine
    webhooks: list[Webhook] = field(default_factory=list)

    def start(self, app: App, **changes: Any) -> Execution:
        fields = {
            "generation": Generation.C,
            "inputs": {},
            "values": {"Prompt": ""},
            "chosen": tuple(range(len(app.outputs))),
            "webhook_url": None,
            "wanted_faults": (),
        }
        return self.engine.start(app, **{**fields, **changes})


@pytest.fixture
def make_bench(clock: Any) -> Iterator[Callable[..., Bench]]:
    opened: list[State] = []

    def make(*, seed: int = 1, speed: float = 1.0, path: Any = None) -> Bench:
        state = State(path)
        opened.append(state)
        webhooks: list[Webhook] = []
        engine = Engine(
            state, clock=clock, seed=seed, speed=speed, base_url="http://127.0.0.1:8787", on_webhook=webhooks.append
        )
        return Bench(clock, state, engine, webhooks)

    yield make
    for state in opened:
        state.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
