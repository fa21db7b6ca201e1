"""The screens and their addresses."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage


def build_pages() -> dict[str, StreamlitPage]:
    """Return the screens by name, made anew for each run: Streamlit marks them for the session that runs them."""
    return {
        "overview": st.Page("overview.py", title="Overview", icon=":material/monitor_heart:", default=True),
        "start": st.Page("start.py", title="Start", icon=":material/play_circle:", url_path="start"),
        "executions": st.Page("executions.py", title="Executions", icon=":material/table_rows:", url_path="executions"),
        "failures": st.Page("failures.py", title="Failures", icon=":material/report:", url_path="failures"),
        "bulk": st.Page("bulk.py", title="Bulk", icon=":material/checklist:", url_path="bulk"),
        "execution": st.Page("execution.py", title="Execution", url_path="execution", visibility="hidden"),
        "system": st.Page("system.py", title="System", icon=":material/settings_heart:", url_path="system"),
    }


def open_page(name: str, **params: str) -> None:
    """Go to another screen in the same tab."""
    st.switch_page(build_pages()[name], query_params=params)
