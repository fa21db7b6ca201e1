"""Run this app with these inputs, now."""

from datetime import timedelta
from typing import Any

import streamlit as st

from lamina_core import drafts, errors, operations, runtime
from lamina_core.api import curl
from lamina_core.api.generations import Feature
from lamina_core.domain import App, Status
from lamina_core.drafts import Draft
from lamina_core.errors import FieldProblem
from lamina_core.store import catalogue, executions
from pages.components import frame, inputs_form, navigation
from pages.components.messages import describe, plain, shown

_CARDS = 30
_SECOND_CLICK = timedelta(seconds=2)  # a click on Start this soon after a start belongs to it
_MADE_ICONS = {"image": "🖼️", "video": "🎬", "text": "📝", "audio": "🔊"}

parts = runtime.current()


def open_draft(app_id: str) -> Draft:
    """Return the form of this app as it was left; a fresh one after a start, with the inputs that were sent."""
    draft = st.session_state.get("draft")
    known = draft if isinstance(draft, Draft) and draft.app.app_id == app_id else None
    if known and known.started is None:
        return known
    if known and known.started and frame.now() - known.started[1] < _SECOND_CLICK:
        navigation.open_page("execution", id=str(known.started[0]))
    app = parts.operations.open_app(app_id)
    draft = Draft(app, operations.new_token(parts.rng), known.inputs if known else drafts.default_inputs(app))
    if parts.operations.supports(Feature.ESTIMATE):
        with shown():
            draft.estimate = parts.operations.estimate(app_id)
    st.session_state["draft"] = draft
    return draft


def makes(app: App) -> str:
    kinds = [output.type for output in app.outputs] or list(app.produces)
    return "  ".join(f"{_MADE_ICONS.get(kind, '📦')} {plain(kind)}" for kind in dict.fromkeys(kinds))


def show_card(app: App) -> None:
    st.markdown(f"**{plain(app.name)}**" + ("" if app.is_public else "  :gray-badge[private]"))
    st.caption("  \n".join(line for line in (plain((app.description or "")[:140]), makes(app)) if line))
    if st.button("Fill the form", key=f"open:{app.app_id}", icon=":material/edit_note:"):
        st.session_state.pop("draft", None)
        st.query_params["app"] = app.app_id
        st.rerun()


def show_apps() -> None:
    with parts.engines.reading() as connection:
        apps = catalogue.listed_apps(connection)
    if not apps:
        st.info(
            "The list of apps has not been read from Lamina yet. It appears here once Lamina answers.",
            icon=":material/sync:",
        )
        return
    text = st.text_input(
        "Search", placeholder="Which app?", icon=":material/search:", label_visibility="collapsed", live=True
    )
    words = (text or "").lower().split()
    found = [app for app in apps if all(word in f"{app.name} {app.description}".lower() for word in words)]
    for first in range(0, min(len(found), _CARDS), 3):
        for column, app in zip(st.columns(3), found[first : min(first + 3, _CARDS)], strict=False):
            with column.container(border=True, height="stretch"):
                show_card(app)
    if len(found) > _CARDS:
        st.caption(f"{_CARDS} of {len(found)} apps. Type more of the name to see the others.")
    if not found:
        st.info("No app matches. Try fewer words.", icon=":material/search_off:")


def change_view() -> None:
    """Carry what was edited to the other view, the last letter too; broken JSON stays on the screen."""
    draft = st.session_state.get("draft")
    if not isinstance(draft, Draft):
        return
    if st.session_state[f"as_json:{draft.app.app_id}"]:
        draft.inputs = inputs_form.read_form(draft.app, draft.token, draft.inputs)
        return
    text = st.session_state.get(f"inputs_json:{draft.token}")
    if text is None:
        return
    try:
        draft.inputs = drafts.from_json(text)
    except ValueError:
        st.session_state[f"as_json:{draft.app.app_id}"] = True


def show_inputs(draft: Draft) -> dict[str, Any] | None:
    """Draw the form or its JSON; None while the JSON is broken."""
    if not st.toggle("Show as JSON", key=f"as_json:{draft.app.app_id}", on_change=change_view):
        return inputs_form.show_form(draft.app, draft.token, draft.inputs, draft.problems)
    key = f"inputs_json:{draft.token}"
    st.session_state.setdefault(key, drafts.to_json(draft.inputs))
    text = st.text_area("Inputs", key=key, height=420, label_visibility="collapsed")
    for problem in draft.problems:
        inputs_form.show_problem(problem)
    try:
        return drafts.from_json(text or "")
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/data_object:")
        return None


def start(draft: Draft, outputs: list[str]) -> None:
    """Send the start; a refusal brings the form back with the reasons at their fields."""
    draft.problems = drafts.check_inputs(draft.app, draft.inputs)
    if draft.problems:
        return
    request = operations.StartRequest(draft.token, draft.app, draft.inputs, outputs)
    try:
        row_id = parts.operations.start(frame.operator(), request, parts.webhook_url)
    except errors.DeskError as error:
        draft.problems = [FieldProblem(None, None, str(error))]
        return
    with parts.engines.reading() as connection:
        execution, payload = executions.find(connection, row_id), executions.find_payload(connection, row_id)
    if execution and payload and execution.status is Status.START_FAILED:
        draft.token = operations.new_token(parts.rng)
        draft.problems = [FieldProblem(**problem) for problem in payload.problems]
        draft.problems = draft.problems or [FieldProblem(None, None, execution.error_message or "Nothing was started.")]
        return
    draft.started = (row_id, frame.now())
    navigation.open_page("execution", id=str(row_id))


def show_side(draft: Draft) -> list[str]:
    """Draw what the app makes and what it costs; return the outputs chosen, none for all."""
    labels = [output.label for output in draft.app.outputs]
    chosen: list[str] = []
    if parts.operations.supports(Feature.CHOOSE_OUTPUTS) and len(set(labels)) > 1:
        chosen = st.pills("It makes", list(dict.fromkeys(labels)), selection_mode="multi", format_func=plain, wrap=True)
        st.caption("Choose outputs to make only those; none chosen makes all.")
    else:
        if labels or draft.app.produces:
            st.markdown("**It makes**")
        for output in draft.app.outputs:
            st.caption(f"{_MADE_ICONS.get(output.type, '📦')} {plain(output.label)}")
        if not labels and draft.app.produces:
            st.caption(makes(draft.app))
    if draft.estimate is not None:
        cost, left = draft.estimate.expected, draft.estimate.balance
        st.metric("Estimated credits", "unknown" if cost is None else f"{cost:g}", border=True)
        st.caption(f"{left:g} credits are left." if left is not None else "Lamina does not say how many are left.")
    elif not parts.operations.supports(Feature.ESTIMATE):
        st.caption("Estimates and the choice of outputs need LAMINA_API_GENERATION=runs.")
    if parts.webhook_url is None:
        st.caption(":material/webhook: No webhook: LAMINA_PUBLIC_URL is not set, so the result is polled.")
    return chosen


def show_draft(draft: Draft) -> None:
    head, back = st.columns([6, 1], vertical_alignment="center")
    head.subheader(plain(draft.app.name), anchor=False)
    if back.button("Other app", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["app"]
        st.rerun()
    st.caption(plain(draft.app.description or ""))
    form, side = st.columns([3, 1], gap="large")
    with side:
        outputs = show_side(draft)
    with form:
        inputs = show_inputs(draft)
        if inputs is not None:
            draft.inputs = inputs
        if st.button(
            "Start", type="primary", icon=":material/play_arrow:", shortcut="Ctrl+Enter", disabled=inputs is None
        ):
            start(draft, outputs)
            st.rerun()
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
            draft = open_draft(app_id)
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
    show_apps()
