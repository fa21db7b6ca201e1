"""The cached catalogue of Lamina's apps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import App, Parameter, PlannedOutput
from lamina_core.store.tables import AppTable, ExecutionTable


def _app(document: Mapping[str, Any], fetched_at: datetime) -> App:
    parameters = document["parameters"]
    return App(
        **{
            **document,
            "produces": tuple(document["produces"]),
            "outputs": tuple(PlannedOutput(**output) for output in document["outputs"]),
            "parameters": None if parameters is None else tuple(_parameter(item) for item in parameters),
            "fetched_at": fetched_at,
        }
    )


def _parameter(document: Mapping[str, Any]) -> Parameter:
    lists = {name: tuple(document[name]) for name in ("options", "accept", "identities")}
    return Parameter(**{**document, **lists})


def replace_list(connection: sa.Connection, apps: Sequence[App], now: datetime) -> None:
    """Make the cached list what Lamina listed; details that were read before stay until read again."""
    known = {app.app_id: app for app in all_apps(connection)}
    connection.execute(sa.update(AppTable).values(position=None))
    for position, app in enumerate(apps):
        before = known.get(app.app_id)
        if before is not None and app.parameters is None:
            app = replace(app, parameters=before.parameters, outputs=app.outputs or before.outputs)  # noqa: PLW2901
        _put(connection, app, position, now)
        if before is None:
            _name_executions(connection, app)


def put(connection: sa.Connection, app: App, now: datetime) -> None:
    """Cache one app with its details."""
    wanted = sa.select(col(AppTable.position)).where(col(AppTable.app_id) == app.app_id)
    known = connection.execute(wanted).one_or_none()
    _put(connection, app, known and known.position, now)
    if known is None:
        _name_executions(connection, app)


def _name_executions(connection: sa.Connection, app: App) -> None:
    """Give those that were registered before their app was known here its name instead of its bare id."""
    unnamed = (col(ExecutionTable.app_id) == app.app_id) & (col(ExecutionTable.app_name) == app.app_id)
    connection.execute(sa.update(ExecutionTable).where(unnamed).values(app_name=app.name))


def _put(connection: sa.Connection, app: App, position: int | None, now: datetime) -> None:
    document = asdict(app)
    del document["fetched_at"]
    connection.execute(sa.delete(AppTable).where(col(AppTable.app_id) == app.app_id))
    connection.execute(
        sa.insert(AppTable).values(app_id=app.app_id, position=position, document=document, fetched_at=now)
    )


def all_apps(connection: sa.Connection) -> list[App]:
    """Return every app that was ever read, those of the present list first and in Lamina's order."""
    wanted = sa.select(col(AppTable.document), col(AppTable.fetched_at)).order_by(
        col(AppTable.position).is_(None), col(AppTable.position), col(AppTable.app_id)
    )
    return [_app(*row) for row in connection.execute(wanted)]


def listed_apps(connection: sa.Connection) -> list[App]:
    """Return the apps of the present list, in Lamina's order."""
    wanted = sa.select(col(AppTable.document), col(AppTable.fetched_at)).where(col(AppTable.position).is_not(None))
    return [_app(*row) for row in connection.execute(wanted.order_by(col(AppTable.position)))]


def find(connection: sa.Connection, app_id: str) -> App | None:
    """Return one app."""
    wanted = sa.select(col(AppTable.document), col(AppTable.fetched_at)).where(col(AppTable.app_id) == app_id)
    row = connection.execute(wanted).one_or_none()
    return _app(*row) if row else None
