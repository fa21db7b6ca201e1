"""Why does this webhook not verify?"""

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen
from pages.components import examination, navigation, specimen_form, takeaway, workbench
from pages.components.messages import plain, shown

parts = runtime.current()
MODES = {"examine": "Examine a webhook", "workbench": "Sign and send one"}


def take_mode() -> None:
    st.query_params.from_dict({"mode": st.session_state["debugger_mode"]})


def asked_number(name: str) -> int | None:
    text = st.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def open_stored() -> tuple[Specimen, KeyMaterial, str]:
    """Return the webhook that the address names, the keys to hold it against, and what to call it."""
    delivery, token = asked_number("delivery"), st.query_params.get("saved", "")
    if delivery is not None:
        stored = parts.saved_webhooks.open_delivery(delivery)
        if stored is None:
            raise errors.OperationRefused(f"There is no delivery {delivery} in this store; old refused ones make room.")
        return stored, parts.debugger.live_keys(), f"Delivery {delivery:,}"
    saved = parts.saved_webhooks.open(token)
    if saved is None:
        raise errors.OperationRefused("There is no saved webhook at this address. It may have been deleted.")
    return saved[0], saved[1] if saved[1].keys else parts.debugger.live_keys(), "A saved webhook"


def examine_stored() -> tuple[Examination, str]:
    """Examine what the address names once for as long as it is looked at."""
    asked = (st.query_params.get("delivery"), st.query_params.get("saved"))
    known = st.session_state.get("examined_stored")
    if known is None or known[0] != asked:
        specimen, material, name = open_stored()
        known = (asked, parts.debugger.examine(specimen, material), name)
        st.session_state["examined_stored"] = known
    return known[1], known[2]


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
    examination.show_facts(parts.debugger.read_facts(found.specimen, delivery))
    takeaway.show_takeaway(found, delivery)


if st.query_params.get("delivery") or st.query_params.get("saved"):
    with shown():
        show_stored()
else:
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
