"""Why does this webhook not verify?"""

from datetime import timedelta

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen
from pages.components import examination, navigation, specimen_form, takeaway, workbench
from pages.components.messages import plain, shown

parts = runtime.current()
MODES = {"examine": "Examine a webhook", "workbench": "Sign and send one"}
EXAMINED = "examined_stored"  # key of the session's state
LASTS = timedelta(minutes=1)


def take_mode() -> None:
    mode = st.session_state["debugger_mode"]
    st.query_params.from_dict({} if mode == "examine" else {"mode": mode})


def asked_number(name: str) -> int | None:
    text = st.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def open_stored() -> tuple[Specimen, KeyMaterial, str]:
    """Return the webhook that the address names, the keys to hold it against, and what to call it."""
    text, token = st.query_params.get("delivery", ""), st.query_params.get("saved", "")
    if text:
        delivery = asked_number("delivery")
        stored = None if delivery is None else parts.saved_webhooks.open_delivery(delivery)
        if stored is None:
            raise errors.OperationRefused(
                f"There is no delivery {text[:30]} in this store. Old refused ones make room for new ones."
            )
        return stored, parts.debugger.live_keys(), f"Delivery {delivery:,}"
    saved = parts.saved_webhooks.open(token)
    if saved is None:
        raise errors.OperationRefused("There is no saved webhook at this address. It may have been deleted.")
    titles = {entry.token: entry.title for entry in parts.saved_webhooks.newest()}
    material = saved[1] if saved[1].keys else parts.debugger.live_keys()
    return saved[0], material, titles.get(token, "A saved webhook")


def examine_stored() -> tuple[Examination, str]:
    """Examine what the address names, and anew after LASTS: its age goes on, and keys may have changed."""
    asked, now = (st.query_params.get("delivery"), st.query_params.get("saved")), parts.clock.now()
    known = st.session_state.get(EXAMINED)
    if known is None or known[0] != asked or now - known[1] > LASTS:
        specimen, material, name = open_stored()
        known = (asked, now, parts.debugger.examine(specimen, material), name)
        st.session_state[EXAMINED] = known
    return known[2], known[3]


def show_stored() -> None:
    st.page_link(
        navigation.build_pages()["webhook_debugger"], label="Examine another webhook", icon=":material/arrow_back:"
    )
    found, name = examine_stored()
    st.subheader(plain(name), anchor=False)
    show_found(found, asked_number("delivery"))


def show_found(found: Examination, delivery: int | None = None) -> None:
    examination.show_verdicts(found)
    examination.show_cause(found)
    facts = parts.debugger.read_facts(found.specimen, delivery)
    examination.show_facts(facts)
    takeaway.show_takeaway(found, facts, delivery)


if st.query_params.get("delivery") or st.query_params.get("saved"):
    with shown():
        show_stored()
else:
    st.session_state.pop(EXAMINED, None)
    asked_mode = st.query_params.get("mode", "")
    st.session_state["debugger_mode"] = asked_mode if asked_mode in MODES else "examine"
    st.segmented_control(
        "What to do",
        list(MODES),
        required=True,
        format_func=MODES.__getitem__,
        key="debugger_mode",
        on_change=take_mode,
        label_visibility="collapsed",
    )
    with shown():
        if st.session_state["debugger_mode"] == "workbench":
            workbench.show_workbench()
        else:
            takeaway.show_saved()
            result = specimen_form.show_form()
            if result is not None:
                show_found(result)
