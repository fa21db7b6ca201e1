"""How a status looks: icon, word and colour, never colour alone."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import streamlit as st

from lamina_core.domain import Execution, Status
from lamina_core.insights import wording

Colour = Literal["green", "red", "blue", "gray", "orange", "violet"]


class Look(NamedTuple):
    """Icon for text that Streamlit renders, sign for plain text, colour of the badge."""

    icon: str
    sign: str
    colour: Colour


LOOKS: Mapping[Status, Look] = {
    Status.STARTING: Look(":material/send:", "➤", "blue"),
    Status.QUEUED: Look(":material/schedule:", "◷", "gray"),
    Status.RUNNING: Look(":material/autorenew:", "▶", "blue"),
    Status.COMPLETED: Look(":material/check_circle:", "✓", "green"),
    Status.FAILED: Look(":material/error:", "✕", "red"),
    Status.CANCELLED: Look(":material/block:", "⊘", "gray"),
    Status.START_UNCONFIRMED: Look(":material/help:", "?", "orange"),
    Status.START_FAILED: Look(":material/do_not_disturb_on:", "⊖", "red"),
    Status.GONE: Look(":material/cloud_off:", "∅", "gray"),
    Status.UNKNOWN: Look(":material/question_mark:", "‽", "violet"),
}
_NOT_WHOLE = Look(":material/incomplete_circle:", "◐", "orange")


def find_look(execution: Execution) -> Look:
    """Return the look of an execution's status; one that completed with an error looks otherwise."""
    has_error = execution.status is Status.COMPLETED and execution.error_message
    return _NOT_WHOLE if has_error else LOOKS[execution.status]


def label(execution: Execution) -> str:
    """Return sign and word as plain text; an unknown status shows Lamina's own word."""
    return f"{find_look(execution).sign} {_word(execution)}"


def show_badge(execution: Execution) -> None:
    """Draw the badge of an execution's status."""
    look = find_look(execution)
    st.badge(_word(execution), icon=look.icon, color=look.colour)


def _word(execution: Execution) -> str:
    if execution.status is Status.UNKNOWN and execution.raw_status:
        return f"unknown: {execution.raw_status}"
    return wording.STATUS_WORDS[execution.status]
