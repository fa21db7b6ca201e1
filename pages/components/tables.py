"""The table of executions: dense, one line each, a click opens the row, and rows can be ticked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from lamina_core.domain import Execution
from lamina_core.insights import wording
from pages.components import navigation, status

_REASON_LENGTH = 160  # characters
_ID_LENGTH = 8  # characters
_ROW_HEIGHT = 34  # pixels
_ROWS_SHOWN = 18


def table_key(key: str, rows: Sequence[Execution]) -> str:
    """Return the table's key, which names every row: a place that was clicked in other rows means nothing in these."""
    return ":".join([key, *(str(row.id) for row in rows)])


def show_executions(rows: Sequence[Execution], now: datetime, key: str, *, tickable: bool = False) -> list[int]:
    """Draw the rows in their order and return the ids of those that are ticked; a click on a cell opens its row.

    Clicks and ticks are resolved through the ids of the rows that are on the screen, which stay in place while
    their contents are refreshed.
    """
    zone = st.context.timezone or "UTC"
    has_references = any(row.reference for row in rows)
    colours = {status.label(row): status.find_look(row).colour for row in rows}
    event: Any = st.dataframe(
        {
            "status": [[status.label(row)] for row in rows],
            "age": [wording.format_short(now - row.created_at) for row in rows],
            "app": [row.app_name for row in rows],
            **({"reference": [row.reference or "" for row in rows]} if has_references else {}),
            "reason": [wording.shorten_reason(row, _REASON_LENGTH) for row in rows],
            "took": [_took(row, now) for row in rows],
            "id": [(row.execution_id or f"#{row.id}")[:_ID_LENGTH] for row in rows],
            "by": [row.started_by for row in rows],
            "started": [row.created_at for row in rows],
        },
        column_config={
            "status": st.column_config.MultiselectColumn(
                "Status", options=list(colours), color=list(colours.values()), width=140
            ),
            "age": st.column_config.TextColumn("Age", width=65, help="Since it was started here"),
            "app": st.column_config.TextColumn("App", width=170),
            "reference": st.column_config.TextColumn("Reference", width=110, help="The customer's own number"),
            "reason": st.column_config.TextColumn(
                "Reason", width=250 if has_references else 360, help="Why it failed, as Lamina said"
            ),
            "took": st.column_config.TextColumn("Took", width=75, help="From the start here to the end at Lamina"),
            "id": st.column_config.TextColumn("Id", width=80, help="Lamina's id, or our number where it has none"),
            "by": st.column_config.TextColumn("By", width=110),
            "started": st.column_config.DatetimeColumn(
                "Started", format="YYYY-MM-DD HH:mm:ss", width=150, timezone=zone, help=f"Time zone: {zone}"
            ),
        },
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(rows), _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"] if tickable else "single-cell",
        key=table_key(key, rows),
    )
    if event.selection.cells:
        place = event.selection.cells[0][0]
        if place < len(rows):
            navigation.open_page("execution", id=str(rows[place].id))
    return [rows[place].id for place in event.selection.rows if place < len(rows)]


def _took(row: Execution, now: datetime) -> str:
    took = wording.duration_of(row)
    if took is not None:
        return wording.format_short(took)
    return "late" if wording.is_late(row, now) else ""
