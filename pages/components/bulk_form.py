"""What an operator says about an operation on many executions: one edit for all, the pace, and the reason."""

import json
from typing import Any

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.bulk.desk import CANARY_LIMIT, RATE_LIMIT
from lamina_core.bulk.prospects import Wish
from lamina_core.bulk.records import BulkKind
from lamina_core.insights import bulks
from lamina_core.triage import patch
from lamina_core.triage.patch import Patch, PatchKind
from pages.components.messages import plain
from pages.components.selection import Choice

_NO_EDIT = "none"
_EDITS = {
    _NO_EDIT: "Nothing",
    PatchKind.SET: "Set",
    PatchKind.REPLACE: "Replace text in",
    PatchKind.REMOVE: "Remove",
}
_REASON_LENGTH = 300  # signs
_FIELDS = "bulk_fields"  # key of the session's state


def ask_course(choice: Choice) -> Wish:
    """Ask how many go first, how fast the others follow, and why; without an edit."""
    canaries = 1
    with st.container(horizontal=True):
        if choice.kind is BulkKind.REPLAY:
            canaries = st.number_input(
                "How many go first?",
                1,
                CANARY_LIMIT,
                1,
                key=f"canaries:{choice.number}",
                help="The others wait for their ends. It stops by itself where they fail for the same cause again.",
            )
        per_minute = st.number_input("How many a minute?", 1, RATE_LIMIT, 10, key=f"rate:{choice.number}")
    reason = st.text_input(
        "Why?", key=f"reason:{choice.number}", placeholder="it stands in the history", max_chars=_REASON_LENGTH
    )
    return Wish(choice.kind, None, canaries, per_minute, reason)


def ask_patch(choice: Choice) -> Patch | None:
    """Ask for one change to all inputs; OperationRefused says what to correct."""
    number = choice.number
    edit = st.segmented_control(
        "Change in all",
        list(_EDITS),
        default=_NO_EDIT,
        required=True,
        format_func=_EDITS.__getitem__,
        key=f"e:{number}",
    )
    if edit is None or edit == _NO_EDIT:
        return None
    fields = _find_fields(choice)
    if not fields:
        raise errors.OperationRefused("None of their inputs is known here: others started them.")
    field = st.selectbox(
        "Input",
        list(fields),
        format_func=lambda name: f"{name} (in {fields[name]:,} of {len(choice.selection.rows):,})",
        key=f"field:{number}",
    )
    change = Patch(PatchKind(edit), field)
    if change.kind is PatchKind.SET:
        change = Patch(PatchKind.SET, field, value=_ask_value(number))
    elif change.kind is PatchKind.REPLACE:
        find = st.text_input("Text", key=f"find:{number}")
        change = Patch(PatchKind.REPLACE, field, find=find, replacement=st.text_input("By", key=f"by:{number}"))
    patch.check_patch(change)
    st.caption(f":material/edit: {plain(patch.describe_patch(change))}")
    return change


def _ask_value(number: int) -> Any:
    """Ask for a value, and whether it is a text or JSON."""
    taken_as = st.segmented_control("Taken as", ["text", "JSON"], default="text", required=True, key=f"as:{number}")
    typed = st.text_area("Value", key=f"value:{number}", height=80)
    if taken_as == "text":
        return typed
    try:
        return json.loads(typed)
    except (ValueError, RecursionError) as error:
        raise errors.OperationRefused(f"The value is no JSON: {error}. A text in JSON stands in quotes.") from None


def _find_fields(choice: Choice) -> dict[str, int]:
    """Return which inputs occur and in how many, read once for a choice."""
    known_for, fields = st.session_state.get(_FIELDS, (None, {}))
    if known_for != choice.number:
        fields = bulks.count_fields(runtime.current().engines, choice.selection.ids)
        st.session_state[_FIELDS] = choice.number, fields
    found: dict[str, int] = fields
    return found
