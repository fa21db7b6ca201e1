"""The tables of the Deliveries screen: what Lamina sent, and what it was to send and did not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from lamina_core.domain import Verdict
from lamina_core.insights import wording
from lamina_core.insights.deliveries import DUE_WITHIN, DeliveryRow, Gap
from lamina_core.insights.reasons import explain
from lamina_core.store.delivery_search import LOOKED_AT, Reconciliation
from pages.components import navigation, status
from pages.components.status import Look

LOOKS: Mapping[Verdict, Look] = {
    Verdict.ACCEPTED: Look(":material/check_circle:", "✓", "green"),
    Verdict.REJECTED: Look(":material/gpp_bad:", "✕", "red"),
    Verdict.UNCHECKED: Look(":material/hourglass_empty:", "◷", "orange"),
}
TABLE, GAPS_TABLE = "deliveries", "gaps"

_OPEN_EXECUTION = {"execution", "app", "status"}  # columns whose click opens the execution
_ID_LENGTH = 8  # characters
_KEY_LENGTH = 12
_ROW_HEIGHT = 34  # pixels
_ROWS_SHOWN = 18


def table_key(key: str, ids: Sequence[int]) -> str:
    """Return the table's key, which names every row: a place that was clicked in other rows means nothing in these."""
    return ":".join([key, *(str(each) for each in ids)])


def label(verdict: Verdict) -> str:
    """Return sign and word of a verdict as plain text."""
    return f"{LOOKS[verdict].sign} {verdict}"


def format_size(size: int) -> str:
    """Return a number of bytes in one unit."""
    if size < 1_000:
        return f"{size} B"
    return f"{size / 1_000:.1f} kB" if size < 100_000 else f"{size / 1_000:,.0f} kB"


def show_table(rows: Sequence[DeliveryRow], now: datetime, narrowed_to: str | None) -> str | None:
    """Draw the deliveries in their order; what a click opens depends on its column.

    Return the execution to whose deliveries a click narrows the list, unless it is `narrowed_to` that one already.
    """
    zone = st.context.timezone or "UTC"
    statuses = {status.label(row.execution): status.find_look(row.execution) for row in rows if row.execution}
    event: Any = st.dataframe(
        {
            "age": [wording.format_short(now - row.delivery.received_at) for row in rows],
            "verdict": [[label(row.delivery.verdict)] for row in rows],
            "reason": [explain(row.delivery.reason, row.delivery.duplicate_of) for row in rows],
            "execution": [(row.delivery.request_id or "")[:_ID_LENGTH] for row in rows],
            "app": [row.execution.app_name if row.execution else "" for row in rows],
            "status": [[status.label(row.execution)] if row.execution else [] for row in rows],
            "attempt": [f"{row.attempt} of {row.attempts}" if row.attempts > 1 else "" for row in rows],
            "delay": [_describe_delay(row) for row in rows],
            "answered": [str(row.delivery.answered) for row in rows],
            "size": [format_size(row.delivery.body_size) if row.delivery.body_size else "" for row in rows],
            "key": [(row.delivery.key_id or "")[:_KEY_LENGTH] for row in rows],
            "number": [f"#{row.delivery.id}" for row in rows],
            "received": [row.delivery.received_at for row in rows],
        },
        column_config={
            "age": st.column_config.TextColumn(
                "Age", width=60, help="Since it came; the last column says exactly when"
            ),
            "verdict": st.column_config.MultiselectColumn(
                "Verdict", options=[label(each) for each in Verdict], color=_colours(LOOKS.values()), width=110
            ),
            "reason": st.column_config.TextColumn(
                "Reason", width=285, help="Why it was refused, or what is odd about it"
            ),
            "execution": st.column_config.TextColumn(
                "Execution", width=85, help="Lamina's id in its header or body; only accepted ones prove it"
            ),
            "app": st.column_config.TextColumn("App", width=150),
            "status": st.column_config.MultiselectColumn(
                "Now",
                options=list(statuses),
                color=_colours(statuses.values()),
                width=115,
                help="The execution's status",
            ),
            "attempt": st.column_config.TextColumn(
                "Attempt", width=75, help="Where several deliveries name one execution; a click shows them together"
            ),
            "delay": st.column_config.TextColumn(
                "After end", width=80, help="From the end at Lamina to its receipt here; of accepted ones"
            ),
            "answered": st.column_config.TextColumn("Answer", width=65, help="The HTTP status that Lamina got from us"),
            "size": st.column_config.TextColumn("Size", width=70, help="Of the body"),
            "key": st.column_config.TextColumn(
                "Key", width=100, help="The key of Lamina's set that made the signature"
            ),
            "number": st.column_config.TextColumn("No.", width=65, help="Our number of the delivery"),
            "received": st.column_config.DatetimeColumn(
                "Received", format="YYYY-MM-DD HH:mm:ss", width=150, timezone=zone, help=f"Time zone: {zone}"
            ),
        },
        key=table_key(f"{TABLE}:{narrowed_to or ''}", [row.delivery.id for row in rows]),
        **_layout(len(rows)),
    )
    if event.selection.cells:
        place, column = event.selection.cells[0]
        if place < len(rows):
            name: str | None = rows[place].delivery.request_id
            if column == "attempt" and name is not None and name != narrowed_to:
                return name
            _open(rows[place], column)
    return None


def _open(row: DeliveryRow, column: str) -> None:
    if column in _OPEN_EXECUTION and row.execution is not None:
        navigation.open_page("execution", id=str(row.execution.id))
    navigation.open_debugger(row.delivery.id)


def _describe_delay(row: DeliveryRow) -> str:
    delay = row.delay
    return wording.format_span(delay) if delay is not None and row.delivery.verdict is Verdict.ACCEPTED else ""


def _colours(looks: Any) -> list[str]:
    return [look.colour for look in looks]


def _layout(rows: int) -> dict[str, Any]:
    return {
        "hide_index": True,
        "row_height": _ROW_HEIGHT,
        "height": (min(rows, _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
        "on_select": "rerun",
        "selection_mode": "single-cell",
    }


def show_gaps(rows: Sequence[Gap], now: datetime) -> None:
    """Draw the executions without their webhook; a click opens one, or what was refused of it."""
    zone = st.context.timezone or "UTC"
    statuses = {status.label(row.execution): status.find_look(row.execution) for row in rows}
    ends = [row.execution.completed_at or row.execution.updated_at for row in rows]
    event: Any = st.dataframe(
        {
            "status": [[status.label(row.execution)] for row in rows],
            "ended": [wording.format_short(now - end) for end in ends],
            "app": [row.execution.app_name for row in rows],
            "webhook": [_describe_gap(row) for row in rows],
            "reason": [wording.shorten_reason(row.execution, 160) for row in rows],
            "id": [(row.execution.execution_id or f"#{row.execution.id}")[:_ID_LENGTH] for row in rows],
            "polls": [str(row.execution.poll_count) for row in rows],
            "by": [row.execution.started_by for row in rows],
            "at": ends,
        },
        column_config={
            "status": st.column_config.MultiselectColumn(
                "Ended as", options=list(statuses), color=_colours(statuses.values()), width=120
            ),
            "ended": st.column_config.TextColumn("Age", width=60, help="Since its end at Lamina"),
            "app": st.column_config.TextColumn("App", width=170),
            "webhook": st.column_config.TextColumn(
                "Webhook", width=150, help="A click on refused ones shows them; else the execution opens"
            ),
            "reason": st.column_config.TextColumn("Reason", width=270, help="Why the execution failed"),
            "id": st.column_config.TextColumn("Execution", width=85, help="Lamina's id"),
            "polls": st.column_config.TextColumn("Polls", width=55, help="Reads after which the end was known"),
            "by": st.column_config.TextColumn("By", width=110),
            "at": st.column_config.DatetimeColumn(
                "Ended", format="YYYY-MM-DD HH:mm:ss", width=150, timezone=zone, help=f"Time zone: {zone}"
            ),
        },
        key=table_key(GAPS_TABLE, [row.execution.id for row in rows]),
        **_layout(len(rows)),
    )
    if event.selection.cells:
        place, column = event.selection.cells[0]
        if place < len(rows):
            row = rows[place]
            if column == "webhook" and row.refused and row.execution.execution_id:
                navigation.open_page("deliveries", execution=row.execution.execution_id)
            navigation.open_page("execution", id=str(row.execution.id))


def _describe_gap(row: Gap) -> str:
    if not row.is_open:
        return "came meanwhile"
    return f"{row.refused} refused" if row.refused else "none came"


def describe_ends(ends: Reconciliation, *, is_cut: bool) -> str:
    """Say in a sentence how the ends of the last day became known, and whether all executions were looked at."""
    if not ends.total:
        return "No execution with a webhook has ended in the last 24 h."
    parts = [
        f"{ends.by_webhook:,} by webhook",
        f"{ends.by_poll_first:,} by poll first and webhook later",
        f"**{ends.never:,} never by webhook**" if ends.never else "0 never by webhook",
    ]
    if ends.awaited:
        parts.append(f"{ends.awaited:,} less than {wording.format_span(DUE_WITHIN)} ago, whose webhook may still come")
    bound = f"among the newest {LOOKED_AT:,}" if is_cut else "exact"
    return f"Of {ends.total:,} executions with a webhook that ended in the last 24 h ({bound}): {', '.join(parts)}."
