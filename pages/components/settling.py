"""What an operator can do about a start whose answer was lost: link it, deny it, or start again."""

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.api.generations import Feature
from lamina_core.domain import Execution
from lamina_core.insights import wording
from lamina_core.insights.detail import Detail
from pages.components import frame
from pages.components.messages import code, describe, plain

Act = Callable[[Execution, str, Callable[[], None]], None]


def show_settling(found: Detail, act: Act, start_again: Callable[[Execution], None]) -> None:
    """Draw the three ways out; nothing is ever linked or sent by itself."""
    execution, operations, who = found.execution, runtime.current().operations, frame.operator()
    with st.container(border=True):
        st.markdown("**Did Lamina accept this start?** Look it up in Lamina, then say what you found.")
        if found.candidates:
            st.caption("Nobody here started these; they fit by app and time only:")
        for candidate in found.candidates:
            _show_candidate(execution, candidate.execution_id or "", candidate.created_at, candidate.status, act)
        _show_listed(found, act)
        given, link = st.columns([4, 1], vertical_alignment="bottom")
        text = given.text_input(
            "It exists: Lamina's id of it", key=f"link_id:{execution.id}", placeholder="paste the execution's id"
        )
        if link.button("Link this id", key=f"link:{execution.id}", disabled=not text, icon=":material/link:"):
            act(execution, "Linked", lambda: operations.link(who, execution.id, text or ""))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("It never started", key=f"deny:{execution.id}", icon=":material/do_not_disturb_on:"):
                act(execution, "Marked as never started", lambda: operations.deny(who, execution.id))
            agreed = st.checkbox("Start again although it may be billed twice", key=f"twice:{execution.id}")
            if st.button("Start again", key=f"again:{execution.id}", disabled=not agreed, icon=":material/replay:"):
                act(execution, "Started again", lambda: start_again(execution))


def _show_candidate(execution: Execution, name: str, started_at: datetime | None, status: str, act: Act) -> None:
    operations, who = runtime.current().operations, frame.operator()
    text, link = st.columns([4, 1], vertical_alignment="center")
    apart = f", {wording.format_span(abs(started_at - execution.created_at))} apart" if started_at else ""
    text.markdown(f"{code(name)} {plain(status)}, started {frame.format_instant(started_at)}{apart}")
    if link.button("It is this one", key=f"candidate:{execution.id}:{name}", icon=":material/link:"):
        act(execution, "Linked", lambda: operations.link(who, execution.id, name))


def _show_listed(found: Detail, act: Act) -> None:
    """Offer what Lamina's list has of this app at that time, once the operator asks for it."""
    execution, parts = found.execution, runtime.current()
    if not parts.operations.supports(Feature.LIST):
        if not found.candidates:
            st.caption("Nothing here fits by app and time. Lamina's list needs LAMINA_API_GENERATION=runs.")
        return
    key = f"listed:{execution.id}"
    if st.button("Look in Lamina's list", key=f"list:{execution.id}", icon=":material/manage_search:"):
        try:
            st.session_state[key] = [
                (row.execution_id, row.created_at, str(row.status))
                for row in parts.operations.find_candidates(frame.operator(), execution.id)
            ]
        except errors.DeskError as error:
            st.session_state[key] = describe(error)
    listed = st.session_state.get(key)
    if isinstance(listed, str):
        st.error(listed, icon="⚠️")
        return
    shown = {candidate.execution_id for candidate in found.candidates}
    for name, started_at, status in listed or []:
        if name not in shown:
            _show_candidate(execution, name, started_at, status, act)
    if listed == []:
        st.caption("Lamina's list has none of this app at that time.")
