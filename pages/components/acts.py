"""What a button asked for: it is done, and how it went is said."""

from collections.abc import Callable

import streamlit as st

from lamina_core import errors
from pages.components import frame
from pages.components.messages import describe

_ERROR = "act_error"  # key of the session's state


def act(on: str, label: str, action: Callable[[], object]) -> None:
    """Act on what `on` names and say how it went; an error stays through refreshes until the next act."""
    st.session_state.pop(_ERROR, None)
    try:
        action()
    except errors.DeskError as error:
        st.session_state[_ERROR] = (on, f"{frame.format_clock(frame.now())}  {describe(error)}")
    else:
        st.toast(label, icon=":material/check:")
    st.rerun(scope="app")


def show_error(on: str) -> None:
    """Draw why the last act on this failed; below all buttons, so that a second click meets no other one."""
    failed_on, text = st.session_state.get(_ERROR, (None, ""))
    if failed_on == on:
        st.error(text, icon="⚠️")
