"""Is the poller alive, how much budget is left, what is configured?"""

from collections.abc import Mapping
from datetime import timedelta

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Source, Verdict
from lamina_core.insights import health, wording
from lamina_core.insights.health import FLIGHT_CAP, Health, Latency
from lamina_core.polling.health import ApiState
from pages.components import frame, kinds, storage
from pages.components.messages import plain, shown

parts = runtime.current()


def show_facts(title: str, facts: Mapping[str, str]) -> None:
    with st.container(border=True):
        st.markdown(f"**{title}**")
        for name, fact in facts.items():
            st.markdown(f":gray[{name}]  {fact}")


def capped(number: int) -> str:
    return f"{number:,}+" if number >= FLIGHT_CAP else f"{number:,}"


def describe_poller(state: Health) -> dict[str, str]:
    word = "polling" if state.poller_alive else "**not alive**"
    holder = "nobody"
    if state.lease is not None:
        age = wording.format_age(state.lease.heartbeat_at, state.as_of)
        holder = f"`{state.lease.holder}`, last sign of life {age}"
    return {
        "State": f"paused by {plain(state.paused_by)}" if state.paused_by else word,
        "Held by": holder,
        "In flight": f"{capped(state.in_flight)}, of these late {capped(state.late)}",
        "Due now": f"{capped(state.due)} to be read, the next due at {frame.format_instant(state.next_due_at)}",
    }


def describe_store() -> dict[str, str]:
    trouble = parts.writer.trouble
    return {
        "Writes": f"**failing since {frame.format_clock(trouble.since)}**: {plain(trouble.message)}"
        if trouble
        else "fine",
        "Waiting to be written": f"{parts.writer.backlog:,}",
        "Database": f"`{parts.engines.write.url.render_as_string(hide_password=True)}`",
    }


def describe_latency(latencies: Mapping[Source, Latency]) -> dict[str, str]:
    """Say how long after an execution's end it was seen here, by the way in which that was told."""
    told = {}
    for source, name in ((Source.DELIVERY, "By webhook"), (Source.POLL, "By poll")):
        seen = latencies.get(source)
        told[name] = (
            "nothing yet"
            if seen is None
            else (
                f"median {wording.format_span(timedelta(seconds=seen.median))}, "
                f"95 % within {wording.format_span(timedelta(seconds=seen.p95))}, last {seen.count}"
            )
        )
    return told


def describe_requests(state: Health) -> dict[str, str]:
    held = parts.budget.held_for()
    since = f" since {frame.format_clock(state.api.since)}" if state.api.since else ""
    trouble = f"**{state.api.state}{since}**: {plain(state.api.message or '')}"
    if state.api.next_try:
        trouble += f" Next try at {frame.format_clock(state.api.next_try)}."
    return {
        "Last minute": f"{parts.budget.spent_last_minute()} of {parts.budget.limit_per_minute}, by this process",
        "Polls wait": f"{held:.0f} s, as Lamina asked" if held else "no",
        "Lamina": "answers" if state.api.state is ApiState.OK else trouble,
    }


def describe_webhooks(state: Health) -> dict[str, str]:
    accepted = state.last_accepted
    age = wording.format_age(parts.keys.fetched_at, state.as_of)
    return {
        "Address": f"`{parts.webhook_url}`" if parts.webhook_url else "none: LAMINA_PUBLIC_URL is not set",
        "Last accepted": frame.format_instant(accepted.received_at) if accepted else "none yet",
        "Last 24 h": ", ".join(f"{state.deliveries[verdict]} {verdict}" for verdict in Verdict),
        "Key set": f"read {age}" if parts.keys.fetched_at else "**never read**",
    }


def describe_configuration() -> dict[str, str]:
    settings = parts.settings
    return {
        "Lamina": f"`{settings.base_url}`",
        "API generation": f"`{settings.generation}`",
        "Public URL": f"`{settings.public_url}`" if settings.public_url else "not set",
        "Rate limit": f"{settings.rate_limit_per_minute} requests a minute",
        "Backends may register executions": "yes"
        if settings.ingest_token
        else "no: LAMINA_DESK_INGEST_TOKEN is not set",
        "Import from Lamina's list": "on" if settings.import_listed else "off",
    }


def show_state() -> None:
    with shown():
        state = frame.read_health()
        left, right = st.columns(2)
        with left:
            show_facts("Poller", describe_poller(state))
            show_facts("Requests to Lamina", describe_requests(state))
            show_facts("From an end to its detection here", describe_latency(health.read_latencies(parts.engines)))
        with right:
            show_facts("Webhooks", describe_webhooks(state))
            show_facts("Database", describe_store())
            show_facts("What is kept", storage.describe_storage())
            show_facts("Configuration, from the environment at the start", describe_configuration())


def show_actions() -> None:
    paused = frame.read_health().paused_by is not None
    with st.container(horizontal=True), shown():
        icon = ":material/play_arrow:" if paused else ":material/pause:"
        if st.button("Resume polling" if paused else "Pause polling", icon=icon):
            parts.operations.pause_polling(frame.operator(), paused=not paused)
            st.rerun()
        if st.button("Read the list of apps again", icon=":material/sync:"):
            parts.poller.wake_chores()
            st.toast("The list of apps will be read in a moment.", icon=":material/check:")


st.fragment(show_state, run_every=frame.refresh_interval())()
show_actions()
kinds.show_kinds()
