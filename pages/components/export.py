"""The control that exports what a filter finds: a format, an honest count, and a link that works once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import streamlit as st

from lamina_core import runtime
from lamina_core.exporting import Prepared
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store import search
from lamina_core.store.criteria import Count
from lamina_core.store.exports import LIFETIME, Format
from pages.components import frame
from pages.components.messages import shown

_FORMATS: Mapping[Format, tuple[str, str]] = {
    Format.CSV: ("CSV", "For spreadsheets: what the list says, an apostrophe before what would be a formula."),
    Format.JSON_LINES: ("JSON lines", "For programs: a line for each execution, with its inputs and outputs."),
}
_OPEN, _FORMAT, _PREPARED = "export_open", "export_format", "export_prepared"  # keys of the session's state


def show_export(wanted: ExecutionFilter) -> None:
    """Draw the control; it exports every page of the filter, not only the one on the screen."""
    with st.popover("Export", key=_OPEN, on_change="rerun") as control:
        if control.open:
            with shown():
                _show_choice(replace(wanted, older_than=None, newer_than=None))


def _show_choice(wanted: ExecutionFilter) -> None:
    parts, now = runtime.current(), frame.now()
    criteria = wanted.criteria(now)
    written_as = (
        st.segmented_control(
            "Format",
            list(_FORMATS),
            default=Format.CSV,
            required=True,
            key=_FORMAT,
            format_func=lambda each: _FORMATS[each][0],
        )
        or Format.CSV
    )
    st.caption(_FORMATS[written_as][1])
    asked_for = (wanted.to_params(), written_as)
    if st.button("Prepare the file", key="export_prepare"):
        st.session_state[_PREPARED] = asked_for, parts.exporting.prepare(frame.operator(), criteria, written_as)
    prepared = _waiting(asked_for, now)
    if prepared is None:
        with parts.engines.reading() as connection:
            _show_count(search.count(connection, criteria), now)
        return
    _show_count(prepared.count, prepared.as_of)
    st.link_button("Download", prepared.path, type="primary", icon=":material/download:")
    st.caption("The link works once, for two minutes.")


def _waiting(asked_for: tuple[dict[str, str], Format], now: datetime) -> Prepared | None:
    """Return what was prepared for just this, as long as it can be fetched."""
    for_what, prepared = st.session_state.get(_PREPARED, (None, None))
    return prepared if for_what == asked_for and now - prepared.as_of <= LIFETIME else None


def _show_count(count: Count, as_of: datetime) -> None:
    st.markdown(f"{count.number:,}{'+' if count.capped else ''} rows as of {frame.format_clock(as_of)}")
