"""Reading every kind of list once, so that nobody waits until the statements for it are built."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

from lamina_core.clock import Clock
from lamina_core.domain import Origin, Status
from lamina_core.store import search
from lamina_core.store.criteria import Criteria, Scope
from lamina_core.store.deadline import Deadline
from lamina_core.store.engine import Engines
from lamina_core.triage.records import Triage

_TIME = 0.01  # seconds a list, which is read for its statements alone


def warm_lists(engines: Engines, clock: Clock) -> None:
    """Read a page of each kind: every filter, alone, with an app, with a status and with both."""
    with engines.reading() as connection:
        rows = search.find_page(connection, Criteria(), 1).rows
        if not rows:
            return
        app_ids, statuses = frozenset({rows[0].app_id}), frozenset({Status.COMPLETED})
        alone = [
            Criteria(),
            Criteria(since=clock.now() - timedelta(days=30)),
            Criteria(triages=frozenset({Triage.OPEN})),
            Criteria(origins=frozenset({Origin.FORM})),
            Criteria(operators=frozenset({rows[0].started_by})),
            Criteria(slower_than=timedelta(minutes=1)),
            *(Criteria(text="error", scope=scope) for scope in Scope),
        ]
        for criteria, apps, ends in product(alone, (frozenset(), app_ids), (frozenset(), statuses)):
            wanted = replace(criteria, app_ids=apps, statuses=ends)
            search.find_page(connection, wanted, 50, deadline=Deadline.after(clock, _TIME))
