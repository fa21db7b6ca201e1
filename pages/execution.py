"""What happened to this one execution, and what can be done?"""

import json
from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from lamina_core import errors, operations, runtime
from lamina_core.api.generations import Feature
from lamina_core.domain import POLLED, Execution, Status
from lamina_core.insights import detail, wording
from lamina_core.insights.detail import Detail
from pages.components import frame, navigation, outputs, status
from pages.components.messages import describe, plain, shown

_SECOND_CLICK = timedelta(seconds=2)  # a click on Replay this soon after a replay belongs to it

parts = runtime.current()


def act(execution: Execution, label: str, action: Callable[[], None]) -> None:
    """Do what a button asked for and say how it went; an error stays through refreshes until the next action."""
    st.session_state.pop("action_error", None)
    try:
        action()
    except errors.DeskError as error:
        st.session_state["action_error"] = (execution.id, f"{frame.format_clock(frame.now())}  {describe(error)}")
    else:
        st.toast(label, icon=":material/check:")
    st.rerun(scope="app")


def replay(execution: Execution) -> None:
    """Start it again and go there; a second click that comes late, wherever it lands, belongs to the first."""
    state = st.session_state
    started, sent_at = state.get("last_replay", (None, None))
    if started is None or frame.now() - sent_at > _SECOND_CLICK:
        token = state.setdefault(f"replay_token:{execution.id}", operations.new_token(parts.rng))
        started = parts.operations.replay(frame.operator(), execution.id, token, parts.webhook_url)
        state["last_replay"] = (started, frame.now())
        del state[f"replay_token:{execution.id}"]
    navigation.open_page("execution", id=str(started))


def show_actions(execution: Execution) -> None:
    # Keys that name the execution: a late second click must not land on the next one's button.
    row_id, who = execution.id, frame.operator()
    with st.container(horizontal=True, vertical_alignment="center"):
        starting = execution.status is Status.STARTING
        if st.button(
            "Replay", icon=":material/replay:", type="primary", disabled=starting, key=f"replay_button:{row_id}"
        ):
            act(execution, "Started again", lambda: replay(execution))
        unnamed = execution.execution_id is None
        if st.button("Check now", icon=":material/sync:", disabled=unnamed, key=f"check_button:{row_id}"):
            act(execution, "Read from Lamina", lambda: parts.operations.check(who, row_id))
        if parts.operations.supports(Feature.CANCEL):
            ended = execution.status not in POLLED
            if st.button("Cancel", icon=":material/block:", disabled=ended, key=f"cancel_button:{row_id}"):
                act(execution, "Asked Lamina to cancel", lambda: parts.operations.cancel(who, row_id))
        else:
            st.caption("Cancelling needs LAMINA_API_GENERATION=runs.")
        if not parts.settings.sandbox and execution.execution_id:
            url = f"{parts.settings.base_url}/runs/{execution.execution_id}"
            st.link_button("Open in Lamina", url, icon=":material/open_in_new:")
    failed_for, text = st.session_state.get("action_error", (None, ""))
    if failed_for == execution.id:
        st.error(text, icon="⚠️")


def show_head(found: Detail) -> None:
    execution = found.execution
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(execution.app_name), width="content", anchor=False)
        status.show_badge(execution)
    st.write(wording.describe(execution, found.outputs, found.as_of))
    if execution.error_message:
        st.error(plain(execution.error_message), icon=":material/error:")
    for problem in found.payload.problems:
        st.error(f"**{plain(problem['field'] or 'The request')}**: {plain(problem['message'])}", icon=":material/edit:")
    facts = {
        "Lamina's id": f"`{execution.execution_id}`" if execution.execution_id else "none yet",
        "Started": f"{frame.format_instant(execution.created_at)} by {plain(execution.started_by)}",
        "Took": wording.format_span(took) if (took := wording.duration_of(execution)) else "not ended",
        "Polls": show_polls(found),
    }
    st.caption(" · ".join(f"**{name}** {fact}" for name, fact in facts.items()))


def show_polls(found: Detail) -> str:
    execution = found.execution
    text = f"{execution.poll_count}, last {wording.format_age(execution.last_poll_at, found.as_of)}"
    if execution.next_poll_at:
        text += f", next at {frame.format_clock(execution.next_poll_at)}"
    return f"{text} – {plain(execution.poll_error)}" if execution.poll_error else text


def show_lineage(found: Detail) -> None:
    if found.original is None and not found.replays:
        return
    with st.container(horizontal=True):
        pages = navigation.build_pages()
        if found.original:
            params = {"id": str(found.original.id)}
            st.page_link(
                pages["execution"],
                label=f"Replay of #{found.original.id}",
                icon=":material/history:",
                query_params=params,
            )
        for again in found.replays:
            label = f"Replayed as #{again.id} ({wording.STATUS_WORDS[again.status]})"
            st.page_link(pages["execution"], label=label, icon=":material/replay:", query_params={"id": str(again.id)})


def show_details(found: Detail) -> None:
    inputs, timeline, deliveries, raw = st.tabs(["Inputs", "Timeline", "Deliveries", "Raw report"])
    with inputs:
        st.code(json.dumps(found.payload.inputs, indent=2, ensure_ascii=False), language="json", wrap_lines=True)
    with timeline:
        for event in found.timeline:
            st.markdown(
                f"`{frame.format_instant(event.at)}` {describe_event(event.kind, event.detail)} · {plain(event.actor)}"
            )
    with deliveries:
        if not found.deliveries:
            expected = "One is expected." if found.execution.webhook_expected else "None was asked for at the start."
            st.caption(f"No webhook has come. {expected}")
        for delivery in found.deliveries:
            st.markdown(
                f"`{frame.format_instant(delivery.received_at)}` {delivery.verdict}"
                f"{f' ({plain(delivery.reason)})' if delivery.reason else ''} · {delivery.body_size:,} bytes"
                f" · key {plain(delivery.key_id or '–')}"
            )
    with raw:
        if found.payload.last_report is None:
            st.caption("Lamina has not reported on it yet.")
        else:
            st.code(json.dumps(found.payload.last_report, indent=2, ensure_ascii=False), language="json")


def describe_event(kind: str, facts: object) -> str:
    if kind == "status" and isinstance(facts, dict):
        reason = f": {plain(facts['reason'])}" if facts.get("reason") else ""
        return (
            f"{wording.STATUS_WORDS[Status(facts['from'])]} → **{wording.STATUS_WORDS[Status(facts['to'])]}**{reason}"
        )
    return kind.replace("_", " ")


def show_execution(row_id: int) -> None:
    with shown():
        found = detail.read_detail(parts.engines, row_id, frame.now())
        if found is None:
            st.info(f"There is no execution {row_id} in this store.", icon=":material/search_off:")
            return
        show_head(found)
        show_actions(found.execution)
        show_lineage(found)
        if found.outputs:
            outputs.show_outputs(found.outputs)
        show_details(found)


asked = st.query_params.get("id", "")
if asked.isdecimal() and len(asked) < 18:
    st.fragment(show_execution, run_every=frame.refresh_interval())(int(asked))
else:
    st.info("Which execution? Open one from the list, or paste its id on the left.", icon=":material/search:")
    st.page_link(navigation.build_pages()["executions"], label="All executions", icon=":material/table_rows:")
