"""How often executions of an app are polled: what was learned, and what an operator decides instead."""

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Kind
from lamina_core.insights import apps, wording
from lamina_core.polling import schedule
from lamina_core.store import catalogue
from pages.components import frame
from pages.components.messages import plain, shown

_WORDS: Mapping[str, str] = {
    "": "as learned",
    Kind.IMAGE: "short image job",
    Kind.MULTI_STEP: "multi-step job",
    Kind.VIDEO: "long video job",
}


def show_kinds() -> None:
    """Draw one app's pace, and let the operator set its kind."""
    parts = runtime.current()
    with parts.engines.reading() as connection:
        names = {app.app_id: app.name for app in catalogue.all_apps(connection)}
    if not names:
        return
    with st.container(border=True), shown():
        st.markdown("**How often apps are polled**")
        left, right = st.columns(2, vertical_alignment="bottom")
        app_id = left.selectbox("App", list(names), format_func=lambda app_id: plain(names[app_id]))
        pace = apps.read_pace(parts.engines, app_id)
        known = pace.kind if pace.is_set else ""
        chosen = right.selectbox(
            "Its executions are",
            list(_WORDS),
            index=list(_WORDS).index(known),
            format_func=_WORDS.__getitem__,
            key=f"kind:{app_id}:{pace.is_set}:{pace.kind}",
        )
        if chosen != known:
            parts.operations.set_kind(frame.operator(), app_id, Kind(chosen) if chosen else None)
            st.rerun()
        took = f"took {wording.format_span(timedelta(seconds=pace.median))}" if pace.median else "have not ended yet"
        st.caption(
            f"Taken for a {_WORDS[pace.kind]}: read {schedule.INTERVALS[pace.kind][0]:.0f} s apart at the least. "
            f"The last {pace.count} {took}{' (median)' if pace.median else ''}."
        )
