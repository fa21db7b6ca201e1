"""Evidence of one execution for a ticket: a note to copy, and files to attach, nothing secret in them."""

import json
import platform

import streamlit as st

from lamina_core import runtime
from lamina_core.insights import detail
from lamina_core.insights.detail import Detail
from lamina_core.triage.evidence import Evidence, write_evidence
from pages.components import frame
from pages.components.messages import shown

_ASKED = "evidence_asked"


def show_evidence(found: Detail) -> None:
    """Draw the button; the screen's run that follows opens the dialog, see `open_asked_evidence`."""
    row_id = found.execution.id
    if st.button("Evidence", icon=":material/assignment:", key=f"evidence_button:{row_id}", help="A note for a ticket"):
        st.session_state[_ASKED] = row_id
        st.rerun(scope="app")


def open_asked_evidence() -> None:
    """Open the dialog if its button was pressed; outside a part that refreshes, or a refresh would close it."""
    row_id = st.session_state.pop(_ASKED, None)
    if row_id is not None:
        _show_dialog(row_id)


@st.dialog("Evidence for a ticket", width="large", icon=":material/assignment:")
def _show_dialog(row_id: int) -> None:
    with shown():
        found = detail.read_detail(runtime.current().engines, row_id, frame.now())
        if found is None:
            st.info(f"There is no execution {row_id} in this store.", icon=":material/search_off:")
            return
        _show_note(row_id, _write(found))


def _write(found: Detail) -> Evidence:
    parts = runtime.current()
    page = st.context.url or f"{parts.own_address or ''}/execution"
    versions = {
        "API generation in use": str(parts.settings.generation),
        "Environment": parts.settings.environment,
        "Python": platform.python_version(),
        "Streamlit": st.__version__,
    }
    return write_evidence(
        found,
        link=f"{page}?id={found.execution.id}",
        versions=versions,
        secrets=parts.settings.secrets,
        now=found.as_of,
    )


def _show_note(row_id: int, evidence: Evidence) -> None:
    st.caption(
        "Keys, tokens, credentials, e-mail addresses and phone numbers are taken out, as far as they can be told. "
        "Read it before you send it: prompts and links are in it as they are."
    )
    with st.container(horizontal=True):
        st.download_button(
            "note.md",
            evidence.markdown.encode(),
            f"execution-{row_id}.md",
            "text/markdown",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "bundle.json",
            json.dumps(evidence.bundle, indent=2, ensure_ascii=False).encode(),
            f"execution-{row_id}.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )
    st.code(evidence.markdown, language="markdown", wrap_lines=True, height=480)
