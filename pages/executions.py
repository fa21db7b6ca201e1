"""Which executions, by status, app, time and text?"""

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Status
from lamina_core.insights import filters, listing, wording
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store import catalogue
from lamina_core.store.search import Count
from pages.components import export, frame, navigation, selection, status, tables
from pages.components.messages import shown

_APP_WIDTH, _TIME_WIDTH = 220, 150  # pixels; on a narrow screen what does not fit stands on a second line

parts = runtime.current()
engines = parts.engines
wanted = ExecutionFilter.from_params(st.query_params.to_dict())


def format_count(count: Count) -> str:
    return f"{count.number:,}" + ("+" if count.capped else "")


def show(changed: ExecutionFilter) -> None:
    """Make the URL say what is looked at; the run that follows reads it."""
    st.query_params.from_dict(changed.to_params())


def take_filters() -> None:
    state = st.session_state
    show(
        ExecutionFilter(
            frozenset(state["filter_status"]),
            state["filter_app"] or None,
            state["filter_range"],
            state["filter_text"] or None,
        )
    )


def track(execution_id: str, reference: str) -> None:
    with shown():
        row_id = parts.operations.track(frame.operator(), execution_id, reference.strip() or None)
        navigation.open_page("execution", id=str(row_id))


def show_tracking() -> None:
    """Let an operator take in an execution that others started."""
    with st.popover("Track an id"), st.form("track", border=False):
        st.caption("Takes in an execution that your product's backend started.")
        execution_id = st.text_input("Lamina's id of the execution")
        reference = st.text_input("Reference", help="The customer's own order or ticket number, if there is one")
        if st.form_submit_button("Track", type="primary"):
            track(execution_id, reference)


def show_filters() -> None:
    """Draw the filters as the URL has them: it is the truth, the widgets only write it."""
    st.session_state["filter_app"] = wanted.app_id or ""
    st.session_state["filter_range"] = wanted.range
    st.session_state["filter_text"] = wanted.text or ""
    with engines.reading() as connection:
        names = {app.app_id: app.name for app in catalogue.all_apps(connection)}
    with st.container(horizontal=True):
        st.text_input(
            "Text",
            key="filter_text",
            on_change=take_filters,
            placeholder="beginning of an id, reference, words of an error, app",
            label_visibility="collapsed",
            icon=":material/search:",
        )
        st.selectbox(
            "App",
            ["", *names, *({wanted.app_id or ""} - {"", *names})],
            format_func=lambda app_id: names.get(app_id, app_id) if app_id else "Every app",
            key="filter_app",
            on_change=take_filters,
            label_visibility="collapsed",
            width=_APP_WIDTH,
        )
        st.selectbox(
            "Time",
            list(filters.RANGES),
            format_func=lambda name: filters.RANGES[name][0],
            key="filter_range",
            on_change=take_filters,
            label_visibility="collapsed",
            width=_TIME_WIDTH,
        )
        show_tracking()
        export.show_export(wanted)
        selection.show_all_matching(wanted, names)


def show_statuses(counts: dict[Status, Count]) -> None:
    st.session_state["filter_status"] = [name for name in Status if name in wanted.statuses]
    st.pills(
        "Status",
        list(Status),
        selection_mode="multi",
        format_func=lambda name: f"{status.LOOKS[name].icon} {wording.STATUS_WORDS[name]} {format_count(counts[name])}",
        key="filter_status",
        wrap=True,
        on_change=take_filters,
        label_visibility="collapsed",
    )


def show_page_links(shown_now: listing.Listing) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, there in (
            ("Newer", ":material/chevron_left:", shown_now.newer),
            ("Older", ":material/chevron_right:", shown_now.older),
        ):
            if st.button(label, icon=icon, disabled=there is None) and there is not None:
                show(there)
                st.rerun()
        st.caption(
            f"{len(shown_now.rows)} rows. Counts are exact, those with + stop counting there; "
            "sorting by a header sorts the rows shown."
        )


def show_live_rows() -> None:
    """Draw the same rows with their present status; newer ones wait until they are asked for."""
    if ExecutionFilter.from_params(st.query_params.to_dict()) != wanted:
        st.rerun(scope="app")
    with shown():
        changes = listing.read_changes(engines, wanted, first.rows, frame.now())
        with st.container(horizontal=True):
            show_statuses(changes.counts)
            if changes.newer.number and wanted.older_than is None and wanted.newer_than is None:
                label, held = f"{format_count(changes.newer)} new", selection.is_ticked(first)
                why = "While rows are ticked, they stay as they are." if held else None
                icon = ":material/arrow_upward:"
                if st.button(label, icon=icon, key="show_new", type="primary", disabled=held, help=why):
                    st.rerun(scope="app")
        if changes.rows:
            ticked = tables.show_executions(changes.rows, changes.as_of, selection.TABLE, tickable=True)
            selection.take_ticks(wanted, ticked)


first = selection.hold(wanted, lambda: listing.read_listing(engines, wanted, frame.now()))
show_filters()
st.fragment(show_live_rows, run_every=frame.refresh_interval())()
selection.show_bar(wanted)
if first.rows:
    show_page_links(first)
elif wanted.to_params():
    st.info("No execution matches these filters.", icon=":material/filter_alt_off:")
    if st.button("Clear filters"):
        show(ExecutionFilter())
        st.rerun()
else:
    st.info("No execution yet. Start the first one.", icon=":material/inbox:")
    st.page_link(navigation.build_pages()["start"], label="Start an execution", icon=":material/play_circle:")
