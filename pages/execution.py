"""What happened to this one execution, and what can be done?"""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import streamlit as st

from lamina_core import runtime, starts
from lamina_core.api.generations import Feature
from lamina_core.domain import POLLED, UNSETTLED_START, Execution, Status
from lamina_core.insights import detail, failures
from lamina_core.insights.detail import Detail
from pages.components import (
    acts,
    comparison,
    evidence,
    frame,
    groups,
    lineage,
    navigation,
    outputs,
    record,
    settling,
    triage,
)
from pages.components.messages import shown

_SECOND_CLICK = timedelta(seconds=2)  # a click on "Start again" this soon after a start belongs to it

parts = runtime.current()


def act(execution: Execution, label: str, action: Callable[[], None]) -> None:
    acts.act(name(execution), label, action)


def name(execution: Execution) -> str:
    return f"execution {execution.id}"


def replay(execution: Execution) -> None:
    """Start an unsettled start again and go there; a second click that comes late belongs to the first."""
    state = st.session_state
    started, sent_at = state.get(f"last_replay:{execution.id}", (None, None))
    if started is None or frame.now() - sent_at > _SECOND_CLICK:
        token = state.setdefault(f"replay_token:{execution.id}", starts.new_token(parts.rng))
        started = parts.operations.replay(frame.operator(), execution.id, token, parts.webhook_url, may_bill_twice=True)
        state[f"last_replay:{execution.id}"] = (started, frame.now())
        del state[f"replay_token:{execution.id}"]
    navigation.open_page("execution", id=str(started))


def follow_replay() -> None:
    """Go on to the form of a replay if a late second click has brought this screen back, with the form's address."""
    app, replay_of = st.query_params.get("app"), st.query_params.get("replay_of")
    if app and replay_of:
        navigation.open_page("start", app=app, replay_of=replay_of)


def show_actions(found: Detail) -> None:
    # Keys that name the execution: a late second click must not land on the next one's button.
    execution = found.execution
    row_id, who = execution.id, frame.operator()
    with st.container(horizontal=True, vertical_alignment="center"):
        unsettled = execution.status in UNSETTLED_START
        if st.button(
            "Replay", icon=":material/replay:", type="primary", disabled=unsettled, key=f"replay_button:{row_id}"
        ):
            navigation.open_page("start", app=execution.app_id, replay_of=str(row_id))
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
            url = f"{parts.settings.base_url}/runs/{quote(execution.execution_id, safe='')}"
            st.link_button("Open in Lamina", url, icon=":material/open_in_new:")
        evidence.show_evidence(found)


def show_execution(row_id: int) -> None:
    with shown():
        found = detail.read_detail(parts.engines, row_id, frame.now())
        if found is None:
            st.info(f"There is no execution {row_id} in this store.", icon=":material/search_off:")
            return
        failure = failures.read_failure(parts.engines, found.execution)
        record.show_head(found, failure.advice if failure else None)
        show_actions(found)
        if found.execution.status is Status.START_UNCONFIRMED:
            settling.show_settling(found, act, replay)
        triage.show_triage(found.execution, failure, act)
        acts.show_error(name(found.execution))
        comparison.show_comparison(found)
        if failure is not None:
            groups.tell_likeness(failure.group)
        lineage.show_lineage(found)
        if found.outputs:
            outputs.show_outputs(found.outputs)
        record.show_details(found)


follow_replay()
# A link from this screen to itself changes what is asked for, but not the browser's address.
st.query_params.from_dict(st.query_params.to_dict())
asked = st.query_params.get("id", "")
if asked.isdecimal() and len(asked) < 18:
    st.fragment(show_execution, run_every=frame.refresh_interval())(int(asked))
    evidence.open_asked_evidence()
else:
    st.info("Which execution? Open one from the list, or paste its id on the left.", icon=":material/search:")
    st.page_link(navigation.build_pages()["executions"], label="All executions", icon=":material/table_rows:")
