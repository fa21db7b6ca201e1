"""People who act, and what they left in the audit trail."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import Operator, Role
from lamina_core.store.engine import Engines
from lamina_core.store.tables import EventTable


@pytest.fixture
def viewer() -> Operator:
    return Operator("Vic", Role.VIEWER)


@pytest.fixture
def ada() -> Operator:
    return Operator("Ada", Role.OPERATOR)


@pytest.fixture
def bob() -> Operator:
    return Operator("Bob", Role.OPERATOR)


@pytest.fixture
def admin() -> Operator:
    return Operator("Root", Role.ADMIN)


@pytest.fixture
def trail(engines: Engines) -> Callable[[], list[tuple[str, str, dict]]]:
    """Return a reader of all audit lines: kind, actor, detail, oldest first."""

    def read() -> list[tuple[str, str, dict]]:
        wanted = sa.select(col(EventTable.kind), col(EventTable.actor), col(EventTable.detail))
        with engines.reading() as connection:
            return [tuple(row) for row in connection.execute(wanted.order_by(col(EventTable.id)))]

    return read
