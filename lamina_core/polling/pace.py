"""What is known of an app's executions before they run: their kind, and how long they take."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from lamina_core.domain import App, Kind, Pollable
from lamina_core.polling import schedule
from lamina_core.polling.schedule import Pace
from lamina_core.store import polls

_FRESH = timedelta(minutes=1)  # for which a learned pace is believed


def read_kind(connection: sa.Connection, app_id: str, app: App | None) -> Kind:
    """Return what an operator has set for the app, else what its executions showed, else what it announces."""
    set_by_operator = polls.set_kinds(connection).get(app_id)
    if set_by_operator is not None:
        return set_by_operator
    return learn_kind(connection, app_id, app, polls.durations(connection, app_id, schedule.HISTORY))


def learn_kind(connection: sa.Connection, app_id: str, app: App | None, seconds: list[float]) -> Kind:
    """Return what the app's executions showed, which took so many seconds, else what it announces."""
    shown = polls.shown_kind(connection, app_id) or (app.kind if app else Kind.IMAGE)
    return schedule.learn_kind(shown, seconds)


class Paces:
    """The paces of apps as their last executions show them, learned again every minute."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, Pace]] = {}

    def of(self, connection: sa.Connection, candidates: list[Pollable], now: datetime) -> dict[str, Pace]:
        """Return the pace of each app that one of the candidates belongs to."""
        apps = {candidate.app_id: candidate.kind for candidate in candidates}
        for app_id, kind in apps.items():
            learned_at, _ = self._known.get(app_id, (None, None))
            if learned_at is None or now - learned_at > _FRESH:
                seconds = polls.durations(connection, app_id, schedule.HISTORY)
                self._known[app_id] = (now, schedule.learn_pace(kind, seconds))
        return {app_id: self._known[app_id][1] for app_id in apps}
