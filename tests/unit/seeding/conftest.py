"""Histories of a few hundred executions, and stores that hold one."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from lamina_core import config
from lamina_core.domain import Generation
from lamina_core.sandbox import catalogue
from lamina_core.sandbox.catalogue import Catalogue
from lamina_core.seeding.apps import Model, model_apps
from lamina_core.seeding.filling import Filling, Wish
from lamina_core.seeding.history import History
from lamina_core.store.engine import Engines

END = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def sandbox_apps() -> Catalogue:
    return catalogue.load(config.DATA / "catalogue.json", "http://127.0.0.1:8787")


@pytest.fixture(scope="session")
def models(sandbox_apps: Catalogue) -> tuple[Model, ...]:
    return model_apps(sandbox_apps, invented=5)


@pytest.fixture
def make_history(models: tuple[Model, ...]) -> Callable[..., History]:
    def make(number: int = 600, **changes) -> History:
        usual = {"seed": 3, "first": 1, "end": END, "days": 365, "in_flight": True, "batch": 200}
        return History(models=models, number=number, generation=Generation.EXECUTIONS, **usual | changes)

    return make


@pytest.fixture
def filling(engines: Engines, clock, models: tuple[Model, ...]) -> Filling:
    return Filling(engines.write, clock, models, Generation.EXECUTIONS)


def wish(number: int = 600, seed: int = 3) -> Wish:
    return Wish(number, seed, END, 365, batch=200)
