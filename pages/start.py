"""Run this app with these inputs, now."""

from datetime import timedelta

import streamlit as st

from lamina_core import drafts, errors, runtime, starts
from lamina_core.api import curl
from lamina_core.api.generations import Feature
from lamina_core.domain import Status
from lamina_core.drafts import Draft
from lamina_core.errors import FieldProblem
from lamina_core.insights import replays
from lamina_core.insights.replays import ReplayState
from lamina_core.store import executions
from pages.components import apps, frame, inputs_form, navigation, replaying
from pages.components.messages import describe, plain, shown

_LATE = timedelta(seconds=2)  # what comes from the form this soon after its start belongs to it

parts = runtime.current()


def open_draft(app_id: str, replay_of: int | None) -> Draft:
    """Return the form of this app as it was left; a fresh one after a start.

    That one has the inputs that were sent, and for a replay, the old inputs once more.
    """
    draft = st.session_state.get("draft")
    same = isinstance(draft, Draft) and draft.app.app_id == app_id and draft.replay_of == replay_of
    known = draft if isinstance(draft, Draft) and same else None
    if known and known.started is None:
        return known
    if known and known.started and (was_pressed(known) or frame.now() - known.started[1] < _LATE):
        navigation.open_page("execution", id=str(known.started[0]))
    app = parts.operations.open_app(app_id)
    draft = Draft(app, starts.new_token(parts.rng), known.inputs if known else drafts.default_inputs(app))
    draft.replay_of = replay_of
    original = read_original(replay_of)
    if original is not None and original.inputs is not None:
        draft.inputs, draft.notes = drafts.replay_inputs(app, original.inputs)
        draft.old_inputs, draft.old_outputs = original.inputs, original.chosen_outputs
    if parts.operations.supports(Feature.ESTIMATE):
        with shown():
            draft.estimate = parts.operations.estimate(app_id)
    st.session_state["draft"] = draft
    return draft


def send_key(draft: Draft) -> str:
    return f"send:{draft.token}"


def was_pressed(draft: Draft) -> bool:
    """Say whether this run is a click on the form's own button, however late that comes."""
    return bool(st.session_state.get(send_key(draft)))


def read_original(replay_of: int | None) -> ReplayState | None:
    return None if replay_of is None else replays.read_replay_state(parts.engines, replay_of, frame.now())


def start(draft: Draft, outputs: list[str], *, may_repeat: bool) -> None:
    """Send the start; a refusal brings the form back with the reasons at their fields."""
    draft.problems = drafts.check_inputs(draft.app, draft.inputs)
    if draft.problems:
        return
    request = starts.StartRequest(draft.token, draft.app, draft.inputs, outputs, draft.replay_of, may_repeat=may_repeat)
    try:
        row_id = parts.operations.start(frame.operator(), request, parts.webhook_url)
    except errors.DeskError as error:
        draft.problems = [FieldProblem(None, None, str(error))]
        return
    with parts.engines.reading() as connection:
        execution, payload = executions.find(connection, row_id), executions.find_payload(connection, row_id)
    if execution and payload and execution.status is Status.START_FAILED:
        draft.token = starts.new_token(parts.rng)
        draft.problems = [FieldProblem(**problem) for problem in payload.problems]
        draft.problems = draft.problems or [FieldProblem(None, None, execution.error_message or "Nothing was started.")]
        return
    draft.started = (row_id, frame.now())
    navigation.open_page("execution", id=str(row_id))


def asked_replay(app_id: str) -> int | None:
    """Return of which execution of the app a start is to be the replay, as the address says."""
    text = st.query_params.get("replay_of", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        return None
    with parts.engines.reading() as connection:
        original = executions.find(connection, int(text))
    return int(text) if original is None or original.app_id == app_id else None


def show_send(draft: Draft, outputs: list[str], original: ReplayState | None, *, ready: bool) -> None:
    """Draw the button that sends the form; what differs stands below it, so that it stays under the cursor."""
    agreed = original is not None and replaying.ask_consent(original)
    if original is not None:
        # A second click finds the replay that the first began: it must not lock its own button, which drops the click.
        free = agreed or was_pressed(draft) or not original.blocking
        ready = ready and not original.unsettled and free
    label, icon = ("Start", ":material/play_arrow:") if draft.replay_of is None else ("Replay", ":material/replay:")
    if st.button(label, type="primary", icon=icon, shortcut="Ctrl+Enter", disabled=not ready, key=send_key(draft)):
        start(draft, outputs, may_repeat=agreed)
        st.rerun()
    replaying.show_difference(draft, outputs)


def show_draft(draft: Draft) -> None:
    head, back = st.columns([6, 1], vertical_alignment="center")
    head.subheader(plain(draft.app.name), anchor=False)
    if back.button("Other app", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    st.caption(plain(draft.app.description or ""))
    original = read_original(draft.replay_of)
    if original is not None:
        replaying.show_head(original)
    elif draft.replay_of is not None:
        st.error(f"There is no execution {draft.replay_of} in this store.", icon="⚠️")
    form, side = st.columns([3, 1], gap="large")
    with side:
        outputs = apps.show_side(draft)
    with form:
        inputs = inputs_form.show_inputs(draft)
        if inputs is not None:
            draft.inputs = inputs
        ready = inputs is not None and (draft.replay_of is None or original is not None)
        show_send(draft, outputs, original, ready=ready)
        with st.expander("Copy as curl", icon=":material/terminal:"):
            settings = parts.settings
            command = curl.build_start(
                settings.base_url, settings.generation, draft.app.app_id, draft.inputs, webhook=None, outputs=outputs
            )
            st.code(command, language="bash", wrap_lines=True)


def show_app(app_id: str) -> None:
    """Draw the app's form; an app that could not be read is asked for again only when the operator says so."""
    failed_for, text = st.session_state.get("app_error", (None, ""))
    if failed_for != app_id:
        try:
            draft = open_draft(app_id, asked_replay(app_id))
        except errors.DeskError as error:
            failed_for, text = st.session_state["app_error"] = (app_id, describe(error))
        else:
            show_draft(draft)
            return
    st.error(text, icon="⚠️")
    if st.button("Try again", icon=":material/refresh:"):
        del st.session_state["app_error"]
        st.rerun()


def follow_start() -> None:
    """Go on to the execution if a late second click has brought this screen back, with the other's address."""
    draft = st.session_state.get("draft")
    if isinstance(draft, Draft) and draft.started and st.query_params.get("id") == str(draft.started[0]):
        navigation.open_page("execution", id=str(draft.started[0]))


follow_start()
asked = st.query_params.get("app")
if asked:
    show_app(asked)
else:
    st.session_state.pop("app_error", None)
    apps.show_apps()
