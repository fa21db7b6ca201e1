"""The filters of executions: the URL is the truth, the widgets are written from it and only write it."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from lamina_core.domain import Origin, Status
from lamina_core.insights import filters, wording
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.insights.listing import Choices
from lamina_core.store.criteria import Count, Scope
from lamina_core.triage.records import Triage
from pages.components import status

_SCOPE_WIDTH, _APP_WIDTH, _TIME_WIDTH = 130, 190, 135  # pixels; what does not fit stands on a second line
# What can be looked for; nothing else says so, for a help hangs on its label, and these have none.
_WANTED = {
    Scope.NAMES: "id, reference or error",
    Scope.ERROR: "any part of an error",
    Scope.INPUTS: "words, URL or file name",
    Scope.INSIDE: "any part, row by row",
}


def format_count(count: Count) -> str:
    """Return a number, with a plus where there may be more."""
    return f"{count.number:,}" + ("+" if count.capped else "")


def read_widgets() -> ExecutionFilter:
    """Return what the widgets say, from the first page on."""
    state = st.session_state
    return ExecutionFilter(
        statuses=frozenset(state["filter_status"]),
        app_ids=frozenset(state["filter_app"]),
        range=state["filter_range"],
        text=state["filter_text"] or None,
        scope=state["filter_scope"] if state["filter_text"] else Scope.NAMES,
        triages=frozenset(state["filter_triage"]),
        origins=frozenset(state["filter_origin"]),
        operators=frozenset(state["filter_operator"]),
        slowness=state["filter_slowness"] or None,
    )


def show_filters(wanted: ExecutionFilter, choices: Choices, on_change: Callable[[], None]) -> None:
    """Draw all of them but the statuses, side by side in the caller's row."""
    _write_widgets(wanted)
    st.text_input(
        "Text",
        key="filter_text",
        on_change=on_change,
        placeholder=_WANTED[st.session_state["filter_scope"]],
        label_visibility="collapsed",
        icon=":material/search:",
    )
    st.selectbox(
        "Look in",
        list(Scope),
        format_func=filters.SCOPES.__getitem__,
        key="filter_scope",
        on_change=on_change if wanted.text else None,
        label_visibility="collapsed",
        width=_SCOPE_WIDTH,
    )
    st.multiselect(
        "Apps",
        _with_chosen(list(choices.apps), wanted.app_ids),
        format_func=lambda app_id: choices.apps.get(app_id, app_id),
        key="filter_app",
        on_change=on_change,
        placeholder="Every app",
        label_visibility="collapsed",
        width=_APP_WIDTH,
    )
    st.selectbox(
        "Time",
        list(filters.RANGES),
        format_func=lambda name: filters.RANGES[name][0],
        key="filter_range",
        on_change=on_change,
        label_visibility="collapsed",
        width=_TIME_WIDTH,
    )
    number = sum(map(bool, (wanted.triages, wanted.origins, wanted.operators, wanted.slowness)))
    with st.popover(f"More · {number}" if number else "More", icon=":material/filter_list:"):
        _show_more(wanted, choices, on_change)


def _write_widgets(wanted: ExecutionFilter) -> None:
    state = st.session_state
    state["filter_text"], state["filter_range"] = wanted.text or "", wanted.range
    if wanted.text or "filter_scope" not in state:
        state["filter_scope"] = wanted.scope  # without a text it is not in the URL, and stays as it was set
    state["filter_app"], state["filter_operator"] = sorted(wanted.app_ids), sorted(wanted.operators)
    state["filter_triage"] = [each for each in Triage if each in wanted.triages]
    state["filter_origin"] = [each for each in Origin if each in wanted.origins]
    state["filter_slowness"] = wanted.slowness or ""


def _show_more(wanted: ExecutionFilter, choices: Choices, on_change: Callable[[], None]) -> None:
    st.pills(
        "Triage",
        list(Triage),
        selection_mode="multi",
        format_func=lambda each: each.value.capitalize(),
        key="filter_triage",
        on_change=on_change,
        help="What support has done about failures. Executions that did not fail have none.",
    )
    st.pills(
        "Came by",
        list(Origin),
        selection_mode="multi",
        format_func=lambda each: wording.ORIGIN_WORDS[each].capitalize(),
        key="filter_origin",
        on_change=on_change,
        help="The door by which the execution came in.",
    )
    st.multiselect(
        "Started by",
        _with_chosen(choices.operators, wanted.operators),
        key="filter_operator",
        on_change=on_change,
        placeholder="Everybody",
    )
    st.selectbox(
        "Took",
        ["", *filters.SLOWNESS],
        format_func=lambda name: filters.SLOWNESS[name][0] if name else "Any time",
        key="filter_slowness",
        on_change=on_change,
        help="From the start here to the end at Lamina; executions in flight have no duration yet.",
    )


def _with_chosen(offered: Sequence[str], chosen: frozenset[str]) -> list[str]:
    """Return what is offered and, for a link may name anything, what is chosen."""
    return [*offered, *sorted(chosen - {*offered})]


def show_statuses(wanted: ExecutionFilter, counts: Mapping[Status, Count], on_change: Callable[[], None]) -> None:
    """Draw the statuses with how many executions each has under the other filters."""
    st.session_state["filter_status"] = [name for name in Status if name in wanted.statuses]
    st.pills(
        "Status",
        list(Status),
        selection_mode="multi",
        format_func=lambda name: f"{status.LOOKS[name].icon} {wording.STATUS_WORDS[name]} {format_count(counts[name])}",
        key="filter_status",
        wrap=True,
        on_change=on_change,
        label_visibility="collapsed",
    )
