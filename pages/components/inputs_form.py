"""A form made from an app's parameters; every control holds strings exactly as Lamina has them."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from lamina_core import drafts
from lamina_core.domain import App, Parameter
from lamina_core.errors import FieldProblem
from pages.components.links import is_link
from pages.components.messages import plain

_FEW_OPTIONS = 5  # as buttons; more go into a box to choose from
_LONG_TEXT = 60  # characters of a default that asks for a box of several lines
_KEPT_TEXT = 300  # characters shown of a value that no control can hold
_PREVIEWS = 6


def show_form(app: App, token: str, inputs: Mapping[str, Any], problems: list[FieldProblem]) -> dict[str, Any]:
    """Draw a control for each parameter and return the inputs as they now stand.

    What no control can hold (an input that is no parameter, a value of another type) is kept as it is.
    """
    result = dict(inputs)
    for place, parameter in enumerate(app.parameters or ()):
        name = next((name for name in parameter.identities if name in inputs), parameter.name)
        if name in inputs and not drafts.fits_widget(parameter, inputs[name]):
            _show_kept(parameter, inputs[name])
        else:
            left, right = st.columns([7, 1], vertical_alignment="bottom")
            with left:
                value = _show_control(parameter, f"input:{token}:{place}", inputs.get(name), known=name in inputs)
            with right if not parameter.multiple else st.container(horizontal=True):
                _show_preview(parameter, value)
            result.pop(name, None)
            if value is not None:
                result[name] = value
        for problem in drafts.problems_at(problems, parameter):
            st.error(plain(problem.message), icon=":material/error:")
    for problem in drafts.problems_elsewhere(problems, app):
        st.error(f"{plain(problem.field or 'Inputs')}: {plain(problem.message)}", icon=":material/error:")
    return result


def _show_kept(parameter: Parameter, value: Any) -> None:
    mark = " :gray[default]" if parameter.has_default and value == parameter.default else ""
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= _KEPT_TEXT else text[: _KEPT_TEXT - 1] + "…"
    st.markdown(f"{plain(parameter.name)}{mark}", help=parameter.description and plain(parameter.description))
    st.code(text, language="json", wrap_lines=True)
    st.caption("Only JSON can hold this value: edit it there.")


def _show_control(parameter: Parameter, key: str, value: Any, *, known: bool) -> Any:
    mark = " :red[needs a value]" if parameter.needs_value and value is None else ""
    if parameter.has_default and value == parameter.default:
        mark = " :gray[default]"
    elif parameter.has_default and value is None:
        mark = " :gray[left out: Lamina fills in its default]"
    label = plain(parameter.name) + mark
    if parameter.type == "options":
        return _show_options(parameter, label, key, value)
    if parameter.multiple:
        text = st.text_area(
            label,
            "\n".join(value or ()),
            key=key,
            height=110,
            placeholder="one link a line",
            help=parameter.description,
        )
        links = [line for line in (text or "").split("\n") if line]
        return links or _emptied([], value, known=known, parameter=parameter)
    if parameter.type == "url":
        return st.text_input(label, value or "", key=key, placeholder="https://", help=parameter.description) or None
    shown = str(parameter.default or "")
    if len(shown) > _LONG_TEXT or "\n" in shown or "\n" in (value or ""):
        text = st.text_area(label, value or "", key=key, height=130, help=parameter.description)
    else:
        text = st.text_input(label, value or "", key=key, help=parameter.description)
    return text or _emptied("", value, known=known, parameter=parameter)


def _emptied(empty: Any, value: Any, *, known: bool, parameter: Parameter) -> Any:
    """Return what an empty control means: it is meant where there was a value, else it is left to Lamina."""
    return empty if value == empty or (known and parameter.has_default) else None


def _show_options(parameter: Parameter, label: str, key: str, value: Any) -> Any:
    if parameter.multiple:
        return st.multiselect(label, parameter.options, value or [], key=key, help=parameter.description) or None
    if len(parameter.options) <= _FEW_OPTIONS:
        return st.segmented_control(
            label, parameter.options, default=value, key=key, help=parameter.description, format_func=plain
        )
    index = parameter.options.index(value) if value in parameter.options else None
    return st.selectbox(label, parameter.options, index, key=key, help=parameter.description, placeholder="choose")


def _show_preview(parameter: Parameter, value: Any) -> None:
    if parameter.type != "url":
        return
    links = value if isinstance(value, list) else [value]
    for link in [link for link in links if is_link(link)][:_PREVIEWS]:
        if "video" in parameter.accept and "image" not in parameter.accept:
            st.video(link, width=76)
        else:
            st.image(link, width=76)
