"""Where a webhook is signed, well or wrongly, and sent to a receiver that is under test."""

import json

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.api.sending import SentAnswer
from lamina_core.debugger.workbench import Case, SignedWebhook, example_body
from pages.components import frame
from pages.components.messages import describe, plain, shown

_CASES = {
    Case.VALID: "Valid",
    Case.STALE: "Stale",
    Case.FUTURE: "From the future",
    Case.TAMPERED: "Tampered with",
    Case.WRONG_KEY: "Wrong key",
    Case.MISSING_SIGNATURE: "No signature",
}
_COMPOSED, _ANSWER = "workbench_composed", "workbench_answer"  # keys of the session's state


def show_workbench() -> None:
    """Draw the bench: what is signed, how, and where it is sent."""
    bench = runtime.current().workbench
    st.caption(
        f"Signs as Lamina does, with {plain(bench.signer)}. The receiver under test must know its public key; "
        "our own never trusts a throw-away key."
    )
    keys = bench.jwks()
    with st.expander("The public key set for that receiver", icon=":material/key:"):
        st.code(json.dumps(keys, indent=2), language="json")
    case = st.pills(
        "Case", list(_CASES), default=Case.VALID, required=True, format_func=_CASES.__getitem__, key="workbench_case"
    )
    request_id = st.text_input(
        "Request id",
        value="test-execution-1",
        key="workbench_request_id",
        help="Receivers compare it with the id in the body: change both.",
    )
    body = st.text_area(
        "Body",
        value=example_body(runtime.current().settings.generation, "test-execution-1"),
        height=150,
        key="workbench_body",
    )
    if st.button("Sign", icon=":material/edit_document:", type="primary", key="workbench_sign"):
        st.session_state.pop(_ANSWER, None)
        with shown():
            st.session_state[_COMPOSED] = bench.compose(
                case, body.encode(errors="surrogatepass"), request_id, "test-user"
            )
    composed = st.session_state.get(_COMPOSED)
    if composed is not None:
        _show_composed(composed)


def _show_composed(composed: SignedWebhook) -> None:
    st.markdown(f"**{_CASES[composed.case]}**: {plain(composed.expected)}")
    st.code("\n".join(f"{name}: {value}" for name, value in composed.headers), language=None, wrap_lines=True)
    targets = runtime.current().workbench.targets()
    if not targets:
        st.info(
            "To send it, set LAMINA_DESK_SEND_TO to the addresses that may be sent to, parted by commas, and restart. "
            "Nothing is sent anywhere else.",
            icon=":material/block:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        url = st.selectbox(
            "Send to", targets, accept_new_options=True, key="workbench_url", help="An allowed address, or one below it"
        )
        if st.button("Send", icon=":material/send:", key="workbench_send", disabled=not url):
            try:
                st.session_state[_ANSWER] = runtime.current().workbench.send(frame.operator(), composed, url or "")
            except errors.DeskError as error:
                st.session_state[_ANSWER] = describe(error)
    answer = st.session_state.get(_ANSWER)
    if isinstance(answer, SentAnswer):
        _show_answer(answer, composed.case)
    elif answer:
        st.error(answer, icon="⚠️")


def _show_answer(answer: SentAnswer, case: Case) -> None:
    if answer.problem:
        st.error(plain(answer.problem), icon=":material/error:")
    if answer.status is not None:
        fits = answer.status // 100 == (2 if case is Case.VALID else 4)
        badge = ":green-badge[:material/check: as expected]" if fits else ":red-badge[:material/close: not as expected]"
        st.markdown(f"**HTTP {answer.status}** after {answer.seconds:.2f} s {badge}")
        st.code("\n".join(f"{name}: {value}" for name, value in answer.headers), language=None)
        st.code(answer.body or "(no body)", language=None, wrap_lines=True)
        if answer.is_cut:
            st.caption("Only the beginning of the answer is shown.")
