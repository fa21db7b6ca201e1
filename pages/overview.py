"""Is anything wrong right now?"""

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.domain import Source, Status, Verdict
from lamina_core.insights import failures, health, wording
from lamina_core.insights.failures import OpenFailures
from lamina_core.insights.health import FLIGHT_CAP, Health, Latency
from lamina_core.seeding.demo import EXECUTIONS
from pages.components import frame, navigation, tables
from pages.components.messages import describe, shown

_ROWS = 12
_DEMO_ERROR = "demo_error"  # key of the session's state
_WIDTH = 190  # pixels of a number: five beside each other, three on a narrow screen

parts = runtime.current()


def capped(number: int) -> str:
    return f"{number:,}+" if number >= FLIGHT_CAP else f"{number:,}"


def show_numbers(state: Health, open_number: int) -> None:
    numbers = st.container(horizontal=True)
    numbers.metric(
        "Open failures",
        f"{open_number:,}",
        width=_WIDTH,
        border=True,
        help="Failed, not mended by a replay, not resolved, and of a kind that nobody ignores. Exact.",
    )
    numbers.metric(
        "In flight",
        capped(state.in_flight),
        width=_WIDTH,
        border=True,
        help="Starting, queued or running. Exact up to 1,000.",
    )
    numbers.metric(
        "Late", capped(state.late), width=_WIDTH, border=True, help="In flight for more than 24 hours; polled hourly."
    )
    last = state.last_accepted.received_at if state.last_accepted else None
    refused = state.deliveries[Verdict.REJECTED] + state.deliveries[Verdict.UNCHECKED]
    numbers.metric(
        "Last webhook",
        wording.format_age(last, state.as_of),
        width=_WIDTH,
        border=True,
        help=f"In the last 24 h {state.deliveries[Verdict.ACCEPTED]} were accepted and {refused} were not.",
    )
    numbers.metric(
        "Requests, last minute",
        f"{parts.budget.spent_last_minute()} / {parts.budget.limit_per_minute}",
        width=_WIDTH,
        border=True,
        help="What this process spent of Lamina's limit per address.",
    )


def describe_working(state: Health, latencies: Mapping[Source, Latency]) -> str:
    """Say in one line whether results come, and how soon."""
    if state.lease is None:
        return "Nobody polls yet."
    told = [f"Poller alive {wording.format_age(state.lease.heartbeat_at, state.as_of)}"]
    if state.next_due_at is not None:
        wait = (state.next_due_at - state.as_of).total_seconds()
        next_read = "polling is paused" if state.paused_by else f"next read in {max(wait, 0):.0f} s"
        told.append(f"{capped(state.due)} reads due" if state.due else next_read)
    for source, name in ((Source.DELIVERY, "webhooks"), (Source.POLL, "polls")):
        if seen := latencies.get(source):
            span = wording.format_span(timedelta(seconds=seen.median))
            told.append(f"{name} tell an end after {span} (median of the last {seen.count})")
    return ", ".join(told)


def show_webhooks(state: Health) -> None:
    """Lead to what was refused, else to all that came; nothing where nothing has."""
    number = state.deliveries[Verdict.REJECTED] + state.deliveries[Verdict.UNCHECKED]
    if number:
        label, icon = f"{number:,} webhooks not accepted in the last 24 h", ":material/gpp_bad:"
        params = {"verdict": f"{Verdict.REJECTED},{Verdict.UNCHECKED}", "range": "24h"}
    elif state.last_accepted is not None:
        label, icon, params = "All webhooks", ":material/webhook:", {}
    else:
        return
    st.page_link(navigation.build_pages()["deliveries"], label=label, icon=icon, query_params=params)


def show_failures(found: OpenFailures, state: Health) -> None:
    if not found.number:
        st.success("No failure is open.", icon=":material/check_circle:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Newest open failures**", width="content")
        st.page_link(
            navigation.build_pages()["failures"],
            label=f"All {found.number:,} by their causes",
            icon=":material/arrow_forward:",
        )
    tables.show_executions(found.rows, state.as_of, "failures")


def show_unsettled(found: OpenFailures, state: Health) -> None:
    """Draw the starts of which nobody knows what became of them: they wait for an operator, or for a webhook."""
    if not found.unsettled:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Starts to settle**", width="content")
        count = found.unsettled_count
        st.page_link(
            navigation.build_pages()["executions"],
            label=f"All {count.number:,}{'+' if count.capped else ''}",
            icon=":material/arrow_forward:",
            query_params={"status": Status.START_UNCONFIRMED},
        )
    tables.show_executions(found.unsettled, state.as_of, "unsettled")


def fill_demo() -> None:
    """Store the demo history; an error stands in place of the button's next look."""
    st.session_state.pop(_DEMO_ERROR, None)
    try:
        parts.demo.fill(frame.operator())
    except errors.DeskError as error:
        st.session_state[_DEMO_ERROR] = describe(error)


def show_beginning() -> None:
    """Offer what there is to do where nothing goes on and nothing has failed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(navigation.build_pages()["start"], label="Start an execution", icon=":material/play_circle:")
        if parts.demo.is_offered():
            st.button(
                "Fill with a demo history",
                icon=":material/history:",
                on_click=fill_demo,
                help=f"{EXECUTIONS} executions of the sandbox's apps over the last month, to look around in.",
            )
    if error := st.session_state.get(_DEMO_ERROR):
        st.error(error, icon="⚠️")


def show_overview() -> None:
    with shown():
        state = frame.read_health()
        found = frame.read_shared("open failures", lambda: failures.read_open(parts.engines, state.as_of, _ROWS))
        show_numbers(state, found.number)
        with st.container(horizontal=True, vertical_alignment="center"):
            latencies = frame.read_shared("latencies", lambda: health.read_latencies(parts.engines))
            st.caption(describe_working(state, latencies), width="content")
            show_webhooks(state)
        show_unsettled(found, state)
        show_failures(found, state)
        if not state.in_flight and not found.number:
            show_beginning()


st.fragment(show_overview, run_every=frame.refresh_interval())()
