"""Groups of failures: their table, and what the screen of one shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from lamina_core import runtime
from lamina_core.insights import failures, wording
from lamina_core.insights.failures import GroupDetail, GroupRow, History, Likeness
from lamina_core.store.groups import GroupView
from lamina_core.triage.diff import Shared
from lamina_core.triage.records import FailureGroup, GroupState
from pages.components import frame, navigation, selection, tables
from pages.components.messages import plain
from pages.components.status import Look

VIEW_WORDS: Mapping[GroupView, str] = {
    GroupView.OPEN: "Open",
    GroupView.IGNORED: "Ignored",
    GroupView.RESOLVED: "Resolved",
    GroupView.ALL: "All",
}
_LOOKS: Mapping[GroupState, Look] = {
    GroupState.OPEN: Look(":material/error:", "●", "red"),
    GroupState.ACKNOWLEDGED: Look(":material/visibility:", "◐", "blue"),
    GroupState.RESOLVED: Look(":material/check_circle:", "✓", "green"),
    GroupState.IGNORED: Look(":material/notifications_off:", "⊘", "gray"),
}
_CAME_BACK = Look(":material/undo:", "↩", "orange")
_ROW_HEIGHT = 34  # pixels
_ROWS_SHOWN = 20
_CHART_HEIGHT = 130  # pixels
_MINUTES = 16  # signs of an instant up to its minutes
_LIKENESS = "group_likeness"  # key of the session's state
_BAR_COLOUR = "#5470ee"  # the accent colour: legible on light and on dark


def show_table(rows: Sequence[GroupRow], view: GroupView, now: datetime) -> None:
    """Draw the groups in their order; a click on a cell opens that group."""
    colours = {_label(row): _look(row).colour for row in rows}
    event: Any = st.dataframe(
        {
            "title": [row.group.title for row in rows],
            "open": [row.group.open_number for row in rows],
            "all": [row.group.number for row in rows],
            "trend": [describe_trend(row.history) for row in rows],
            "history": [list(row.history.numbers) for row in rows],
            "app": [row.group.app_name for row in rows],
            "class": [row.advice.failure_class.replace("_", " ") for row in rows],
            "state": [[_label(row)] for row in rows],
            "last": [wording.format_short(now - row.group.last_seen) for row in rows],
            "first": [wording.format_short(now - row.group.first_seen) for row in rows],
        },
        column_config={
            "title": st.column_config.TextColumn("Failure", width=335),
            "open": st.column_config.NumberColumn("Open", width=55, help="Failures that nobody has resolved"),
            "all": st.column_config.NumberColumn("All", width=50, help="Failures of this kind so far"),
            "trend": st.column_config.TextColumn("Trend", width=80, help="Last 24 h / the 24 h before"),
            "history": st.column_config.BarChartColumn("7 days", width=105, y_min=0, help="A bar for each six hours"),
            "app": st.column_config.TextColumn("App", width=145),
            "class": st.column_config.TextColumn("Class", width=90, help="What kind of thing went wrong"),
            "state": st.column_config.MultiselectColumn(
                "State", options=list(colours), color=list(colours.values()), width=155
            ),
            "last": st.column_config.TextColumn("Last", width=60, help="Since it last failed so"),
            "first": st.column_config.TextColumn("First", width=55, help="Since it first failed so"),
        },
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(rows), _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"groups:{view}:{rows[0].group.fingerprint}:{len(rows)}",
    )
    if event.selection.cells:
        place = event.selection.cells[0][0]
        if place < len(rows):
            navigation.open_page("failures", view=view, group=rows[place].group.fingerprint)


def describe_trend(history: History) -> str:
    """Return in signs and numbers how the last 24 hours went against the 24 hours before."""
    new, old = history.last_day, history.day_before
    sign = "↑" if new > old else "↓" if new < old else "→"
    return f"{sign} {new:,} / {old:,}"


def describe_state(row: GroupRow) -> str:
    """Return in words what support has done about a group, and who; plain text."""
    group = row.group
    by = f" by {group.state_by}" if group.state_by else ""
    if row.state is GroupState.IGNORED:
        return f"ignored{by} {_describe_end(group)}"
    if row.state is GroupState.ACKNOWLEDGED:
        return f"acknowledged{by}"
    if row.state is GroupState.RESOLVED:
        return f"resolved{by}" if group.state is GroupState.RESOLVED else "resolved, one by one"
    return "came back" if group.reopened_at else "open"


def _describe_end(group: FailureGroup) -> str:
    if group.ignored_until is not None:
        return f"until {frame.format_instant(group.ignored_until)[:_MINUTES]}"
    if group.ignored_limit is not None:
        return f"until {max(group.ignored_limit - group.number, 1):,} more"
    return "for good"


def _look(row: GroupRow) -> Look:
    return _CAME_BACK if row.state is GroupState.OPEN and row.group.reopened_at else _LOOKS[row.state]


def _label(row: GroupRow) -> str:
    """Return the state in a column's width: of an ignored group only until when."""
    words = _describe_end(row.group) if row.state is GroupState.IGNORED else describe_state(row)
    return f"{_look(row).sign} {words}"


def show_head(found: GroupDetail) -> None:
    """Draw what failed, how it stands and since when."""
    row, group = found.row, found.row.group
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(group.title), width="content", anchor=False)
        look = _look(row)
        # Not st.badge: it would escape again what is escaped already.
        st.markdown(f":{look.colour}-badge[{look.icon} {plain(describe_state(row))}]", width="content")
    facts = [
        f"**{plain(group.app_name)}**",
        f"**{group.open_number:,}** open of {group.number:,}",
        f"last {wording.format_age(group.last_seen, found.as_of)}",
        f"first {frame.format_instant(group.first_seen)}",
    ]
    if row.state is GroupState.OPEN and group.reopened_at:
        facts.append(f"came back {wording.format_age(group.reopened_at, found.as_of)}")
    st.caption(" · ".join(facts))


def show_chart(history: History) -> None:
    """Draw how many failed in each six hours of the last seven days."""
    st.markdown(f"**Last 7 days** · {describe_trend(history)} (last 24 h / the 24 h before)")
    values = [
        {
            "from": (history.begins + place * failures.BUCKET).isoformat(),
            "to": (history.begins + (place + 1) * failures.BUCKET - timedelta(minutes=20)).isoformat(),
            "number": number,
        }
        for place, number in enumerate(history.numbers)
    ]
    st.vega_lite_chart(
        {
            "data": {"values": values},
            "height": _CHART_HEIGHT,
            "mark": {"type": "rect", "color": _BAR_COLOUR},
            "encoding": {
                "x": {"field": "from", "type": "temporal", "title": None, "axis": {"format": "%a %d", "tickCount": 7}},
                "x2": {"field": "to"},
                "y": {"field": "number", "type": "quantitative", "title": None, "axis": {"tickMinStep": 1}},
                "y2": {"datum": 0},
                "tooltip": [
                    {"field": "from", "type": "temporal", "format": "%a %d %H:%M", "title": "from"},
                    {"field": "number", "type": "quantitative", "title": "failed"},
                ],
            },
        },
        width="stretch",
    )


def show_likeness(likeness: Likeness, app_name: str) -> None:
    """Draw what the inputs of failures share and those of successes lack, with the numbers behind it."""
    if not likeness.failures:
        st.caption("Their inputs are not known here: others started them.")
        return
    if not likeness.successes:
        st.caption(f"No execution of {plain(app_name)} has succeeded here yet: there is nothing to compare with.")
        return
    compared = f"{likeness.failures} failures with the last {likeness.successes} successes of {plain(app_name)}"
    if not likeness.found:
        st.caption(f"Nothing in their inputs sets them apart; compared were {compared}.")
        return
    st.markdown("\n".join(f"- {_describe_shared(each)}" for each in likeness.found))
    st.caption(f"Compared were {compared}. It hints at a cause and proves none.")


def tell_likeness(group: FailureGroup) -> None:
    """Tell on the screen of one failure what it and the others of its group share, and show it on a click."""
    if group.number < 2:
        return
    likeness = _find_likeness(group)
    if likeness.found:
        names = ", ".join(dict.fromkeys(plain(each.name) for each in likeness.found))
        # The key keeps it open while its label changes.
        with st.expander(f"What the failures of its group share: {names}", key=f"likeness:{group.fingerprint}"):
            show_likeness(likeness, group.app_name)
    elif likeness.failures and likeness.successes:
        st.caption("Nothing in the inputs of its group sets the failures apart from successes.")


def _find_likeness(group: FailureGroup) -> Likeness:
    """Return what was read before until more have failed: reading it is too much for each refresh."""
    asked_for = group.fingerprint, group.number
    known: tuple[tuple[str, int], Likeness] | None = st.session_state.get(_LIKENESS)
    if known is None or known[0] != asked_for:
        known = asked_for, failures.read_likeness(runtime.current().engines, group.fingerprint)
        st.session_state[_LIKENESS] = known
    return known[1]


def _describe_shared(shared: Shared) -> str:
    return (
        f"**{plain(shared.name)}** {plain(shared.what)}: {shared.in_failures} of {shared.of_failures} failures, "
        f"{shared.in_successes} of {shared.of_successes} successes"
    )


def show_members(found: GroupDetail, newer: int) -> None:
    """Draw the executions of a group, beside how many newer ones are not among them; a click opens one."""
    group, number = found.row.group, len(found.members)
    kind = "open failures" if group.open_number else "failures; none is open"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Executions** · the newest {number:,} of {found.of_members:,} {kind}", width="content")
        if newer > 0 and st.button(f"{newer:,} new", icon=":material/arrow_upward:", key="show_new", type="primary"):
            st.rerun(scope="app")
        selection.offer_group(group.fingerprint, group.open_number)
    if found.members:
        tables.show_executions(found.members, found.as_of, f"members:{group.fingerprint}")
