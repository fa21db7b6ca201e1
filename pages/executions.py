"""Which executions, by status, app, time and text?"""

import streamlit as st

from lamina_core import runtime
from lamina_core.insights import listing
from lamina_core.insights.filters import ExecutionFilter
from pages.components import execution_filters, export, frame, navigation, selection, tables
from pages.components.messages import shown

parts = runtime.current()
engines = parts.engines
wanted = ExecutionFilter.from_params(st.query_params.to_dict())


def show(changed: ExecutionFilter) -> None:
    """Make the URL say what is looked at; the run that follows reads it."""
    st.query_params.from_dict(changed.to_params())


def take_filters() -> None:
    show(execution_filters.read_widgets())


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


def show_controls() -> None:
    choices = listing.read_choices(engines)
    with st.container(horizontal=True):
        execution_filters.show_filters(wanted, choices, take_filters)
        show_tracking()
        export.show_export(wanted)
        selection.show_all_matching(wanted, choices.apps)


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
            f"{len(shown_now.rows)} rows. Counts are exact, those with + may be more; "
            "sorting by a header sorts the rows shown."
        )


def show_reach(shown_now: listing.Listing) -> None:
    """Say so where the search was ended before it had looked at everything."""
    if shown_now.searched_to is not None:
        st.info(
            f"Searched back to {frame.format_clock(shown_now.searched_to)}; what lies beyond was not looked at yet. "
            "Go on by *Older*, or name an app, a status or a time: that searches faster.",
            icon=":material/hourglass_bottom:",
        )


def show_live_rows() -> None:
    """Draw the same rows with their present status; newer ones wait until they are asked for."""
    if ExecutionFilter.from_params(st.query_params.to_dict()) != wanted:
        st.rerun(scope="app")
    with shown():
        key = (wanted, *(row.id for row in first.rows))
        changes = frame.read_shared(key, lambda: listing.read_changes(engines, wanted, first.rows, parts.clock))
        with st.container(horizontal=True):
            execution_filters.show_statuses(wanted, changes.counts, take_filters)
            if changes.newer.number and wanted.older_than is None and wanted.newer_than is None:
                label, held = f"{execution_filters.format_count(changes.newer)} new", selection.is_ticked(first)
                why = "While rows are ticked, they stay as they are." if held else None
                icon = ":material/arrow_upward:"
                if st.button(label, icon=icon, key="show_new", type="primary", disabled=held, help=why):
                    st.rerun(scope="app")
        if changes.rows:
            ticked = tables.show_executions(changes.rows, changes.as_of, selection.TABLE, tickable=True)
            selection.take_ticks(wanted, ticked)


first = selection.hold(wanted, lambda: listing.read_listing(engines, wanted, parts.clock))
show_controls()
st.fragment(show_live_rows, run_every=frame.refresh_interval())()
selection.show_bar(wanted)
show_reach(first)
if first.rows or first.searched_to:
    show_page_links(first)
elif wanted.to_params():
    st.info("No execution matches these filters.", icon=":material/filter_alt_off:")
    if st.button("Clear filters"):
        show(ExecutionFilter())
        st.rerun()
else:
    st.info("No execution yet. Start the first one.", icon=":material/inbox:")
    st.page_link(navigation.build_pages()["start"], label="Start an execution", icon=":material/play_circle:")
