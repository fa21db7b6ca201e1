"""The screens and their addresses."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx


def build_pages() -> dict[str, StreamlitPage]:
    """Return the screens by name, made anew for each run: Streamlit marks them for the session that runs them."""
    return {
        "overview": st.Page("overview.py", title="Overview", icon=":material/monitor_heart:", default=True),
        "start": st.Page("start.py", title="Start", icon=":material/play_circle:", url_path="start"),
        "executions": st.Page("executions.py", title="Executions", icon=":material/table_rows:", url_path="executions"),
        "failures": st.Page("failures.py", title="Failures", icon=":material/report:", url_path="failures"),
        "bulk": st.Page("bulk.py", title="Bulk", icon=":material/checklist:", url_path="bulk"),
        "deliveries": st.Page("deliveries.py", title="Deliveries", icon=":material/webhook:", url_path="deliveries"),
        "webhook_debugger": st.Page(
            "webhook_debugger.py",
            title="Webhook debugger",
            icon=":material/troubleshoot:",
            url_path="webhook-debugger",
        ),
        "execution": st.Page("execution.py", title="Execution", url_path="execution", visibility="hidden"),
        "system": st.Page("system.py", title="System", icon=":material/settings_heart:", url_path="system"),
    }


def open_page(name: str, **params: str) -> None:
    """Go to another screen in the same tab; what the browser still asks of the present one's fragments is ignored."""
    _forget_fragments()
    st.switch_page(build_pages()[name], query_params=params)


def open_debugger(delivery: int) -> None:
    """Go to the webhook debugger with a stored delivery."""
    open_page("webhook_debugger", delivery=str(delivery))


def _forget_fragments() -> None:
    # A second click, or a refresh, that the browser sends before it knows of the new screen names a fragment of the
    # old one. While that is known, Streamlit answers it after the new screen, with the old one's name, and the browser
    # takes all of the new screen away. What is not known is not answered.
    context = get_script_run_ctx()
    if context is not None:
        st.empty()  # ends a run whose screen was left meanwhile: the fragments are the next one's by now
        context.fragment_storage.clear()
