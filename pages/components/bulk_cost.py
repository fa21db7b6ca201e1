"""What many executions would cost, as Lamina estimates it."""

from collections.abc import Callable, Mapping

import streamlit as st

from lamina_core import runtime
from pages.components.messages import plain, shown

_COST = "bulk_cost"  # key of the session's state


def show_cost(
    asked_for: str, which: str, count_apps: Callable[[], Mapping[str, int]], *, is_free: bool = False
) -> None:
    """Offer an estimate; Lamina is asked once, on pressing.

    `asked_for` names the executions, `which` says which they are, and `count_apps` how many each app has.
    """
    known_for, text = st.session_state.get(_COST, (None, ""))
    if known_for == asked_for:
        st.caption(f":material/payments: {text}")
    elif st.button("Estimate the cost", icon=":material/payments:", disabled=is_free, key=f"estimate:{asked_for}"):
        with shown():
            st.session_state[_COST] = asked_for, _estimate(which, count_apps())
            st.rerun()


def _estimate(which: str, apps: Mapping[str, int]) -> str:
    operations = runtime.current().operations
    total, known, unknown, balance = 0.0, 0, 0, None
    for app_id, number in apps.items():
        estimate = operations.estimate(app_id)
        balance = estimate.balance if estimate.balance is not None else balance
        if estimate.expected is None:
            unknown += number
        else:
            known += number
            total += estimate.expected * number
    text = f"Estimated: {total:g} credits for {known:,}{which}"
    text += f"; {unknown:,} more cost nobody knows how much" if unknown else ""
    return plain(text + (f". {balance:g} are left." if balance is not None else "."))
