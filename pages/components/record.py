"""All that is known of one execution: its head, and the tabs below."""

import json

import streamlit as st

from lamina_core.domain import Delivery, Execution, Origin, Status
from lamina_core.insights import wording
from lamina_core.insights.detail import Detail
from lamina_core.insights.reasons import explain
from lamina_core.insights.storage import is_emptied
from lamina_core.triage.advice import Advice
from pages.components import frame, navigation, status, triage
from pages.components.messages import code, plain

_EMPTIED = "Deleted because of its age: inputs, outputs and reports are not kept for ever here. The rest is."
_ORIGINS = {
    Origin.REGISTERED: "by others, registered here",
    Origin.IMPORTED: "by others, imported",
    Origin.WEBHOOK: "by others, known from a webhook",
}


def show_head(found: Detail, advice: Advice | None) -> None:
    """Draw the friendly line, the raw error, what to do about it, and the facts."""
    execution = found.execution
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(execution.app_name), width="content", anchor=False)
        status.show_badge(execution)
    st.write(wording.describe(execution, found.outputs, found.as_of))
    if execution.error_message:
        st.error(plain(execution.error_message), icon=":material/error:")
    for problem in found.payload.problems:
        st.error(f"**{plain(problem['field'] or 'The request')}**: {plain(problem['message'])}", icon=":material/edit:")
    if advice is not None:
        triage.show_advice(advice)
    facts = {
        "Lamina's id": code(execution.execution_id) if execution.execution_id else "none yet",
        "Started": f"{frame.format_instant(execution.created_at)} {describe_origin(execution)}",
        "Took": wording.format_span(took) if (took := wording.duration_of(execution)) else "not ended",
        "Polls": _describe_polls(found),
    }
    if execution.reference:
        facts = {"Reference": plain(execution.reference), **facts}
    st.caption(" · ".join(f"**{name}** {fact}" for name, fact in facts.items()))


def describe_origin(execution: Execution) -> str:
    """Return who started it, as Markdown."""
    return _ORIGINS.get(execution.origin) or f"by {plain(execution.started_by)}"


def _describe_polls(found: Detail) -> str:
    execution = found.execution
    text = f"{execution.poll_count}, last {wording.format_age(execution.last_poll_at, found.as_of)}"
    if execution.next_poll_at:
        text += f", next at {frame.format_clock(execution.next_poll_at)}"
    return f"{text} – {plain(execution.poll_error)}" if execution.poll_error else text


def show_details(found: Detail) -> None:
    """Draw inputs, timeline, deliveries and the raw report, a tab each."""
    inputs, timeline, deliveries, raw = st.tabs(["Inputs", "Timeline", "Deliveries", "Raw report"])
    with inputs:
        if is_emptied(found.execution, found.payload):
            st.caption(_EMPTIED)
        elif found.payload.inputs is None:
            st.caption("Not known here: others started this execution. Replay asks for them.")
        else:
            st.code(json.dumps(found.payload.inputs, indent=2, ensure_ascii=False), language="json", wrap_lines=True)
    with timeline:
        for event in found.timeline:
            st.markdown(
                f"`{frame.format_instant(event.at)}` {_describe_event(event.kind, event.detail)} · {plain(event.actor)}"
            )
    with deliveries:
        if not found.deliveries:
            expected = "One is expected." if found.execution.webhook_expected else "None was asked for at the start."
            if found.execution.origin in _ORIGINS:
                expected = "Others started this execution; whether they asked for one is not known here."
            st.caption(f"No webhook has come. {expected}")
        for delivery in found.deliveries:
            _show_delivery(delivery)
        if found.execution.execution_id and (found.deliveries or found.execution.webhook_expected):
            st.page_link(
                navigation.build_pages()["deliveries"],
                label="All that name it, refused ones too",
                icon=":material/arrow_forward:",
                query_params={"execution": found.execution.execution_id},
            )
    with raw:
        if is_emptied(found.execution, found.payload):
            st.caption(_EMPTIED)
        elif found.payload.last_report is None:
            st.caption("Lamina has not reported on it yet.")
        else:
            st.code(json.dumps(found.payload.last_report, indent=2, ensure_ascii=False), language="json")


def _show_delivery(delivery: Delivery) -> None:
    reason = explain(delivery.reason, delivery.duplicate_of)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"`{frame.format_instant(delivery.received_at)}` {delivery.verdict}{f': {plain(reason)}' if reason else ''}"
            f" · {delivery.body_size:,} bytes · key {plain(delivery.key_id or '–')}",
            width="content",
        )
        if st.button("Debug", icon=":material/bug_report:", type="tertiary", key=f"debug:{delivery.id}"):
            navigation.open_debugger(delivery.id)


def _describe_event(kind: str, facts: object) -> str:
    if kind == "status" and isinstance(facts, dict):
        reason = f": {plain(facts['reason'])}" if facts.get("reason") else ""
        return (
            f"{wording.STATUS_WORDS[Status(facts['from'])]} → **{wording.STATUS_WORDS[Status(facts['to'])]}**{reason}"
        )
    told = triage.describe_act(kind, facts) if isinstance(facts, dict) else None
    return told or kind.replace("_", " ")
