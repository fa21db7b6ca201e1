"""What an execution made: pictures, players, texts and errors, each by its own status."""

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Output
from pages.components.links import is_link
from pages.components.messages import plain

_COLUMNS = 3


def show_outputs(outputs: tuple[Output, ...]) -> None:
    """Draw every output in a box of its own."""
    columns = st.columns(_COLUMNS)
    for place, output in enumerate(outputs):
        with columns[place % _COLUMNS]:
            show_output(output)


def show_output(output: Output) -> None:
    """Draw one output in a box of its own."""
    with st.container(border=True):
        kinds = [output.status] if output.type == "pending" else [output.type, output.status]
        st.caption(" · ".join((f"**{plain(output.label)}**", *map(plain, kinds))))
        _show_value(output)


def _show_value(output: Output) -> None:
    if output.status == "error" or output.error:
        st.error(plain(output.error or "It failed without saying why."), icon=":material/error:")
    if output.value is None:
        if output.status == "pending":
            st.caption(":material/hourglass: not ready yet")
    elif not isinstance(output.value, str):
        st.json(output.value)
    elif is_link(output.value) and output.type in {"image", "video", "audio"}:
        _show_media(output.value, output.type)
    elif is_link(output.value):
        st.link_button("Open", output.value, icon=":material/open_in_new:")
    else:
        st.code(output.value, language=None, wrap_lines=True)


def _show_media(url: str, kind: str) -> None:
    state = runtime.current().links.state(url)
    if state.opens is False:
        st.warning(f"This link no longer opens: {plain(state.reason or '')}", icon=":material/link_off:")
        st.code(url, language=None, wrap_lines=True)
        return
    if kind == "image":
        st.image(url, width="stretch")
    elif kind == "video":
        st.video(url, loop=True)
    else:
        st.audio(url)
    st.link_button("Open in a new tab", url, icon=":material/open_in_new:", type="tertiary")
