"""A form made from an app's parameters; every control holds strings exactly as Lamina has them."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from lamina_core import drafts
from lamina_core.domain import App, Parameter
from lamina_core.drafts import Draft
from lamina_core.errors import FieldProblem
from pages.components.links import is_link
from pages.components.messages import plain

_FEW_OPTIONS = 5  # as buttons; more go into a box to choose from
_LONG_TEXT = 60  # characters of a default that asks for a box of several lines
_KEPT_TEXT = 300  # characters shown of a value that no control can hold
_PREVIEWS = 6
_MISSING = "missing_no_default"


def show_inputs(draft: Draft) -> dict[str, Any] | None:
    """Draw the form or its JSON; None while the JSON is broken."""
    if not st.toggle("Show as JSON", key=f"as_json:{draft.app.app_id}", on_change=_change_view):
        return _show_vanished(draft, show_form(draft))
    key = f"inputs_json:{draft.token}"
    st.session_state.setdefault(key, drafts.to_json(draft.inputs))
    text = st.text_area("Inputs", key=key, height=420, label_visibility="collapsed")
    for note in draft.notes:
        st.warning(_name(note) + plain(note.message), icon=":material/history:")
    for problem in draft.problems:
        show_problem(problem)
    try:
        return drafts.from_json(text or "")
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/data_object:")
        return None


def _change_view() -> None:
    """Carry what was edited to the other view, the last letter too; broken JSON stays on the screen."""
    draft = st.session_state.get("draft")
    if not isinstance(draft, Draft):
        return
    if st.session_state[f"as_json:{draft.app.app_id}"]:
        draft.inputs = read_form(draft.app, draft.token, draft.inputs)
        return
    text = st.session_state.get(f"inputs_json:{draft.token}")
    if text is None:
        return
    try:
        draft.inputs = drafts.from_json(text)
    except ValueError:
        st.session_state[f"as_json:{draft.app.app_id}"] = True


def show_form(draft: Draft) -> dict[str, Any]:
    """Draw a control for each parameter and return the inputs as they now stand.

    What no control can hold (an input that is no parameter, a value of another type) is kept as it is. What is noted
    of a replay stays at its field: if it went once the field is filled, the button below would move under the cursor.
    That a value is missing is told once: by the label, else by the note, and by the refusal in the note's place.
    """
    app, token, inputs = draft.app, draft.token, draft.inputs
    result = dict(inputs)
    for place, parameter in enumerate(app.parameters or ()):
        name, told = _name_in(inputs, parameter), drafts.problems_at(draft.problems, parameter)
        noted = drafts.problems_at(draft.notes, parameter)
        if name in inputs and not drafts.fits_widget(parameter, inputs[name]):
            _show_kept(parameter, f"kept:{token}:{place}", inputs[name])
        else:
            left, right = st.columns([7, 1], vertical_alignment="bottom")
            with left:
                held = _show_control(
                    parameter, _key(token, place), inputs.get(name), is_told=_tells_missing(noted + told)
                )
            _take(result, parameter, name, held)
            with right if not parameter.multiple else st.container(horizontal=True):
                _show_preview(parameter, result.get(name))
        for note in noted:
            if not (note.code == _MISSING and _tells_missing(told)):
                st.warning(plain(note.message), icon=":material/history:")
        for problem in told:
            st.error(plain(problem.message), icon=":material/error:")
    for problem in drafts.problems_elsewhere(draft.problems, app):
        show_problem(problem)
    return result


def _tells_missing(problems: list[FieldProblem]) -> bool:
    return any(problem.code == _MISSING for problem in problems)


def _show_vanished(draft: Draft, inputs: dict[str, Any]) -> dict[str, Any]:
    """Draw the old inputs of a replay that are no parameter any more; each is sent only if the operator says so."""
    old = draft.old_inputs or {}
    for place, name in enumerate(drafts.vanished_inputs(draft.app, old)):
        label = f"{plain(name)} :orange[no parameter of the app any more]"
        is_sent, value = name in inputs, inputs.pop(name, old[name])
        key = f"vanished:{draft.token}:{place}"
        st.text_input(label, _cut(json.dumps(value, ensure_ascii=False)), key=f"{key}:was", disabled=True)
        if st.checkbox("Send it all the same", is_sent, key=key, help="Lamina refuses inputs that it does not know."):
            inputs[name] = value
    return inputs


def show_problem(problem: FieldProblem) -> None:
    """Draw a reason that stands at no field of its own."""
    st.error(_name(problem) + plain(problem.message), icon=":material/error:")


def _name(problem: FieldProblem) -> str:
    return f"{plain(problem.field)}: " if problem.field else ""


def read_form(app: App, token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs as the form's controls hold them, for a callback that hides the form."""
    result = dict(inputs)
    for place, parameter in enumerate(app.parameters or ()):
        if _key(token, place) in st.session_state:
            _take(result, parameter, _name_in(inputs, parameter), st.session_state[_key(token, place)])
    return result


def _key(token: str, place: int) -> str:
    return f"input:{token}:{place}"


def _name_in(inputs: Mapping[str, Any], parameter: Parameter) -> str:
    return next((name for name in parameter.identities if name in inputs), parameter.name)


def _take(result: dict[str, Any], parameter: Parameter, name: str, held: Any) -> None:
    """Put what a control holds into the inputs; an empty one is meant where there was a value, else left out."""
    known, before = name in result, result.pop(name, None)
    if parameter.multiple and parameter.type != "options":
        held = [line for line in (held or "").split("\n") if line]
    can_be_empty = known and parameter.has_default and (parameter.multiple or parameter.type not in {"url", "options"})
    if held or (held is not None and (held == before or can_be_empty)):
        result[name] = held


def _show_kept(parameter: Parameter, key: str, value: Any) -> None:
    is_default = parameter.has_default and value == parameter.default
    mark = f" :gray[{'default, ' if is_default else ''}edit it as JSON]"
    text = _cut(json.dumps(value, ensure_ascii=False))
    left, _ = st.columns([7, 1])
    left.text_input(plain(parameter.name) + mark, text, key=key, disabled=True, help=_about(parameter))


def _cut(text: str) -> str:
    return text if len(text) <= _KEPT_TEXT else text[: _KEPT_TEXT - 1] + "…"


def _show_control(parameter: Parameter, key: str, value: Any, *, is_told: bool) -> Any:
    mark = " :red[needs a value]" if parameter.needs_value and value is None and not is_told else ""
    if parameter.has_default and value == parameter.default:
        mark = " :gray[default]"
    elif parameter.has_default and value is None:
        mark = " :gray[left out: Lamina fills in its default]"
    label, about = plain(parameter.name) + mark, _about(parameter)
    if parameter.type == "options":
        return _show_options(parameter, label, key, value)
    if parameter.multiple:
        lines = "\n".join(value or ())
        return st.text_area(label, lines, key=key, height=110, placeholder="one link a line", help=about)
    if parameter.type == "url":
        return st.text_input(label, value or "", key=key, placeholder="https://", help=about)
    shown = str(parameter.default or "")
    if len(shown) > _LONG_TEXT or "\n" in shown or "\n" in (value or ""):
        return st.text_area(label, value or "", key=key, height=130, help=about)
    return st.text_input(label, value or "", key=key, help=about)


def _about(parameter: Parameter) -> str | None:
    return plain(parameter.description) if parameter.description else None


def _show_options(parameter: Parameter, label: str, key: str, value: Any) -> Any:
    about = _about(parameter)
    if parameter.multiple:
        return st.multiselect(label, parameter.options, value or [], key=key, help=about)
    if len(parameter.options) <= _FEW_OPTIONS:
        return st.segmented_control(
            label, parameter.options, default=value, key=key, help=about, format_func=plain, wrap=True
        )
    index = parameter.options.index(value) if value in parameter.options else None
    return st.selectbox(label, parameter.options, index, key=key, help=about, placeholder="choose")


def _show_preview(parameter: Parameter, value: Any) -> None:
    if parameter.type != "url":
        return
    links = value if isinstance(value, list) else [value]
    for link in [link for link in links if is_link(link)][:_PREVIEWS]:
        if "video" in parameter.accept and "image" not in parameter.accept:
            st.video(link, width=76)
        else:
            st.image(link, width=76)
