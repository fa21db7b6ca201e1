"""A run of a whole screen asks the store no question twice, and asks as much of many rows as of few."""

from collections import Counter

import pytest

from lamina_core.store.engine import Engines
from tests.pages.conftest import Desk, Screen
from tests.unit.insights.test_questions import listening

# Parts of a screen that refresh by themselves read what they show anew, also where it was read in the same run:
# the rows of a page, the advice that admins have added, and a group with its members beside what these share.
READ_AGAIN = {"executions": 1, "executions, failed": 1, "failures": 1, "a group": 2}

SCREENS: dict[str, tuple[str, dict[str, str]]] = {
    "overview": ("overview", {}),
    "executions": ("executions", {}),
    "executions, failed": ("executions", {"status": "failed"}),
    "an execution": ("execution", {"id": "{completed}"}),
    "a failed execution": ("execution", {"id": "{failed}"}),
    "failures": ("failures", {}),
    "a group": ("failures", {"group": "{group}"}),
    "deliveries": ("deliveries", {}),
    "system": ("system", {}),
}


def ask(screen: Screen, engines: Engines) -> Counter[tuple[str, str]]:
    with listening(engines.read) as asked:
        screen.run().expect_no_traceback()
    return Counter(asked)


@pytest.mark.parametrize("name", SCREENS)
def test_a_run_of_a_screen_asks_nothing_twice_and_no_more_of_many_rows(desk: Desk, name: str):
    completed, failed = desk.keep("completed", age=300), desk.keep("failed", age=200, error="no answer")
    desk.keep("start_unconfirmed", age=90)
    with desk.parts.engines.reading() as connection:
        group = connection.exec_driver_sql("SELECT fingerprint FROM failure_group").scalar_one()
    page, params = SCREENS[name]
    told = {key: value.format(completed=completed, failed=failed, group=group) for key, value in params.items()}
    engines = desk.parts.engines
    screen = desk.open(page, **told)
    asked = ask(screen, engines)
    twice = {question: number for question, number in asked.items() if number > 1}
    assert sum(number - 1 for number in twice.values()) == READ_AGAIN.get(name, 0), twice
    before = asked.total()
    desk.keep_many(1_000)
    assert ask(screen.run(), engines).total() == before
