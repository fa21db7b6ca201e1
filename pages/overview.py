"""Is anything wrong right now?"""

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Source, Status, Verdict
from lamina_core.insights import health, listing, wording
from lamina_core.insights.health import FLIGHT_CAP, Health, Latency
from lamina_core.store.search import Count
from pages.components import frame, navigation, tables
from pages.components.messages import shown

_WINDOW = timedelta(hours=24)
_ROWS = 12
_WIDTH = 190  # pixels of a number: five beside each other, three on a narrow screen

parts = runtime.current()


def capped(number: int) -> str:
    return f"{number:,}+" if number >= FLIGHT_CAP else f"{number:,}"


def show_numbers(state: Health, failures: Count) -> None:
    numbers = st.container(horizontal=True)
    numbers.metric(
        "Failures, last 24 h",
        f"{failures.number:,}{'+' if failures.capped else ''}",
        width=_WIDTH,
        border=True,
        help="Failed, refused or unconfirmed executions that were started in the last 24 hours. Exact up to 1,000.",
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
        due = f"{capped(state.due)} reads due" if state.due else f"next read in {max(wait, 0):.0f} s"
        told.append(due)
    for source, name in ((Source.DELIVERY, "webhooks"), (Source.POLL, "polls")):
        if seen := latencies.get(source):
            span = wording.format_span(timedelta(seconds=seen.median))
            told.append(f"{name} tell an end after {span} (median of the last {seen.count})")
    return ", ".join(told)


def show_overview() -> None:
    with shown():
        state = health.read_health(parts.engines, frame.now())
        failures, count = listing.read_failures(parts.engines, state.as_of - _WINDOW, _ROWS)
        show_numbers(state, count)
        st.caption(describe_working(state, health.read_latencies(parts.engines)))
        if failures:
            st.markdown("**Newest failures**")
            tables.show_executions(failures, state.as_of, "failures")
            words = ",".join((Status.FAILED, Status.START_FAILED, Status.START_UNCONFIRMED))
            st.page_link(
                navigation.build_pages()["executions"],
                label="All failures",
                icon=":material/arrow_forward:",
                query_params={"status": words},
            )
        else:
            st.success("Nothing has failed in the last 24 hours.", icon=":material/check_circle:")
        if not state.in_flight and not failures:
            st.page_link(navigation.build_pages()["start"], label="Start an execution", icon=":material/play_circle:")


st.fragment(show_overview, run_every=frame.refresh_interval())()
