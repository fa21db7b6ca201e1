"""What did Lamina send us, what did we refuse and why?"""

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Verdict
from lamina_core.insights import deliveries, filters
from lamina_core.insights.deliveries import DeliveryFilter, DeliveryListing, Gaps, View
from lamina_core.insights.reasons import NEVER_KEPT, REASONS
from lamina_core.store.criteria import Count
from lamina_core.store.delivery_search import LOOKED_AT, WALK
from pages.components import deliveries as tables
from pages.components import frame, navigation
from pages.components.messages import code, shown

_REASON_WIDTH, _TIME_WIDTH = 280, 150  # pixels; on a narrow screen what does not fit stands on a second line

parts = runtime.current()
engines = parts.engines
wanted = DeliveryFilter.from_params(st.query_params.to_dict())
shown_gaps: list[int] = []  # in the order of the first reading, which stays while it is looked at
VIEWS = {View.RECEIVED: "Received", View.MISSING: "Expected, none came"}


def format_count(count: Count) -> str:
    return f"{count.number:,}" + ("+" if count.capped else "")


def show(changed: DeliveryFilter) -> None:
    """Make the URL say what is looked at; the run that follows reads it."""
    st.query_params.from_dict(changed.to_params())


def take_filters() -> None:
    state = st.session_state
    show(
        DeliveryFilter(
            verdicts=frozenset(state["deliveries_verdict"]),
            reason=state["deliveries_reason"] or None,
            execution=state["deliveries_execution"].strip() or None,
            range=state["deliveries_range"],
        )
    )


def take_view() -> None:
    show(DeliveryFilter(st.session_state["deliveries_view"]))


def show_view() -> None:
    st.session_state["deliveries_view"] = wanted.view
    st.segmented_control(
        "View",
        list(View),
        required=True,
        format_func=lambda each: VIEWS[each],
        key="deliveries_view",
        on_change=take_view,
        label_visibility="collapsed",
    )


def describe_reason(reason: str) -> str:
    if not reason:
        return "Every reason"
    return f"{tables.LOOKS[REASONS[reason].verdict].sign} {REASONS[reason].words}"


def show_filters() -> None:
    """Draw the filters as the URL has them: it is the truth, the widgets only write it."""
    state = st.session_state
    state["deliveries_execution"], state["deliveries_range"] = wanted.execution or "", wanted.range
    state["deliveries_reason"] = wanted.reason or ""
    st.text_input(
        "Execution",
        key="deliveries_execution",
        on_change=take_filters,
        placeholder="id or reference of an execution",
        label_visibility="collapsed",
        icon=":material/search:",
    )
    st.selectbox(
        "Reason",
        ["", *(reason for reason in REASONS if reason != NEVER_KEPT)],
        format_func=describe_reason,
        key="deliveries_reason",
        on_change=take_filters,
        label_visibility="collapsed",
        width=_REASON_WIDTH,
    )
    st.selectbox(
        "Time",
        list(filters.RANGES),
        format_func=lambda name: filters.RANGES[name][0],
        key="deliveries_range",
        on_change=take_filters,
        label_visibility="collapsed",
        width=_TIME_WIDTH,
    )


def show_verdicts(counts: dict[Verdict, Count]) -> None:
    st.session_state["deliveries_verdict"] = [verdict for verdict in Verdict if verdict in wanted.verdicts]
    st.pills(
        "Verdict",
        list(Verdict),
        selection_mode="multi",
        format_func=lambda each: f"{tables.LOOKS[each].icon} {each} {format_count(counts[each])}",
        key="deliveries_verdict",
        on_change=take_filters,
        label_visibility="collapsed",
    )


def show_live_rows() -> None:
    """Draw the same rows as they stand now; newer ones wait until they are asked for."""
    if DeliveryFilter.from_params(st.query_params.to_dict()) != wanted:
        st.rerun(scope="app")
    with shown():
        changes = deliveries.read_changes(engines, wanted, first, frame.now())
        with st.container(horizontal=True):
            show_verdicts(changes.counts)
            if changes.newer.number and wanted.older_than is None and wanted.newer_than is None:
                name = f"{format_count(changes.newer)} new"
                if st.button(name, icon=":material/arrow_upward:", key="show_new", type="primary"):
                    st.rerun(scope="app")
        if changes.rows and (named := tables.show_table(changes.rows, changes.as_of, wanted.execution)):
            show(DeliveryFilter(execution=named))
            st.rerun(scope="app")


def show_page_links(listing: DeliveryListing) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, icon, there in (
            ("Newer", ":material/chevron_left:", listing.newer),
            ("Older", ":material/chevron_right:", listing.older),
        ):
            if st.button(name, icon=icon, disabled=there is None) and there is not None:
                show(there)
                st.rerun()
        number = "1 row" if len(listing.rows) == 1 else f"{len(listing.rows)} rows"
        cut = f"{WALK:,} were looked through for the reason; Older looks further. " if listing.is_cut else ""
        st.caption(
            f"{number}. {cut}Counts are exact, those with + stop counting there. A click opens the "
            "debugger; on the execution that, with its evidence; on the attempt all of them together."
        )


def show_nothing() -> None:
    """Say why there is no row, and what to do next."""
    if wanted.to_params():
        st.info("No delivery matches these filters.", icon=":material/filter_alt_off:")
        if st.button("Clear filters"):
            show(DeliveryFilter())
            st.rerun()
    elif parts.webhook_url is None:
        st.info(
            "No webhook has come, and none can: LAMINA_PUBLIC_URL is not set, so executions start without one and are "
            "polled. Set it to the address at which Lamina reaches this process, and restart.",
            icon=":material/link_off:",
        )
    else:
        st.info(f"No webhook has come yet. They arrive at {code(parts.webhook_url)}.", icon=":material/inbox:")
        st.page_link(navigation.build_pages()["start"], label="Start an execution", icon=":material/play_circle:")


def show_missing() -> None:
    """Draw the executions whose webhook never came; others wait until they are asked for."""
    with shown():
        found = deliveries.read_gaps(engines, frame.now(), shown_gaps or None)
        shown_gaps[:] = [row.execution.id for row in found.rows]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(tables.describe_ends(found.ends, is_cut=found.is_cut), width="stretch")
            if found.newer and st.button(
                f"{found.newer:,} more", icon=":material/arrow_upward:", key="show_new", type="primary"
            ):
                st.rerun(scope="app")
        if not found.rows:
            show_no_gap(found)
            return
        tables.show_gaps(found.rows, found.as_of)
        shown_of = f"The first {len(found.rows)}, and there are more" if found.has_more else f"All {len(found.rows)}"
        bound = f"; older ones are left out, for {LOOKED_AT:,} are looked at" if found.is_cut else ""
        st.caption(
            f"{shown_of} of those started since {frame.format_clock(found.since)}{bound}. They ended more than 5 min "
            "ago and are known by poll alone: Lamina tries a webhook four times within three minutes, never again."
        )


def show_no_gap(found: Gaps) -> None:
    if parts.webhook_url is None and not found.ends.total:
        st.info(
            "No webhook is expected: LAMINA_PUBLIC_URL is not set, so executions start without one and are polled.",
            icon=":material/link_off:",
        )
    else:
        since = frame.format_clock(found.since)
        st.success(
            f"Of executions started since {since} none waits for its webhook for more than 5 minutes.",
            icon=":material/check_circle:",
        )


with st.container(horizontal=True, vertical_alignment="center"):
    show_view()
    if wanted.view is View.RECEIVED:
        show_filters()
if wanted.view is View.MISSING:
    st.fragment(show_missing, run_every=frame.refresh_interval())()
else:
    with shown():
        first = deliveries.read_listing(engines, wanted, frame.now())
        st.fragment(show_live_rows, run_every=frame.refresh_interval())()
        if first.rows or first.older or first.newer:
            show_page_links(first)
        else:
            show_nothing()
