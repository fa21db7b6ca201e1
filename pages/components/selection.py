"""Many executions at once: those that are ticked, all that a filter matches, or a group's, and what to do with them."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import streamlit as st

from lamina_core import errors, runtime
from lamina_core.api.generations import Feature
from lamina_core.bulk.prospects import LIMIT, Selection
from lamina_core.bulk.records import BulkKind
from lamina_core.domain import Operator
from lamina_core.insights import filters
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.insights.listing import Listing
from lamina_core.triage.groups import NOTE_LENGTH
from pages.components import frame, navigation, tables
from pages.components.messages import describe, plain, shown

TABLE = "executions"
_HELD, _TICKS_CHANGED = "held_listing", "ticks_changed"  # keys of the session's state
_CHOSEN, _CHOICE = "chosen", "bulk_choice"

Act = Callable[[Operator, Sequence[int]], int]


@dataclass(frozen=True)
class Chosen:
    """What the bar on the screen Executions acts on; `ticked` None: all that the filter matches."""

    wanted: ExecutionFilter
    ticked: tuple[int, ...] | None
    selection: Selection
    acts: int = 0  # so far
    told: str | None = None
    is_refused: bool = False


@dataclass(frozen=True)
class Choice:
    """A selection on its way to the screen Bulk; `begun` is the operation that it has become."""

    number: int
    kind: BulkKind
    selection: Selection
    begun: int | None = None


def hold(wanted: ExecutionFilter, read: Callable[[], Listing]) -> Listing:
    """Return the listing; while rows in it are ticked, the one that is on the screen, whatever has come since.

    It stays when the last tick is taken away, too: the rows must not move under the pointer.
    """
    held: tuple[ExecutionFilter, Listing] | None = st.session_state.get(_HELD)
    was_changed = st.session_state.pop(_TICKS_CHANGED, False)
    if held is not None and held[0] == wanted and (was_changed or is_ticked(held[1])):
        return held[1]
    found = read()
    st.session_state[_HELD] = wanted, found
    return found


def is_ticked(shown_now: Listing) -> bool:
    """Say whether any row of the listing is ticked."""
    state = st.session_state.get(tables.table_key(TABLE, shown_now.rows))
    return bool(state and state["selection"].get("rows"))


def take_ticks(wanted: ExecutionFilter, ids: Sequence[int]) -> None:
    """Freeze what is ticked when it changes: ids, statuses and the instant."""
    chosen, ticked = _find_chosen(wanted), tuple(sorted(ids))
    if ticked == ((chosen.ticked or ()) if chosen else ()):
        return
    if ticked:
        st.session_state[_CHOSEN] = Chosen(wanted, ticked, runtime.current().bulks.choose_rows(ticked))
    else:
        del st.session_state[_CHOSEN]
    st.session_state[_TICKS_CHANGED] = True
    st.rerun(scope="app")  # the bar stands outside of what refreshes


def show_all_matching(wanted: ExecutionFilter, app_names: dict[str, str]) -> None:
    """Offer to choose what the filter matches, all pages of it."""
    if st.button("All that match…", icon=":material/checklist:", key="choose_all"):
        with shown():
            named = filters.describe(wanted, app_names)
            selection = runtime.current().bulks.choose_filter(wanted.criteria(frame.now()), named)
            _untick()
            st.session_state[_CHOSEN] = Chosen(_without_place(wanted), None, selection)


def _without_place(wanted: ExecutionFilter) -> ExecutionFilter:
    return replace(wanted, older_than=None, newer_than=None)


def _find_chosen(wanted: ExecutionFilter) -> Chosen | None:
    """Return what was chosen on this page, or of this filter; what was chosen elsewhere is let go."""
    chosen: Chosen | None = st.session_state.get(_CHOSEN)
    if chosen is not None and chosen.wanted not in {wanted, _without_place(wanted)}:
        del st.session_state[_CHOSEN]
        return None
    return chosen


def show_bar(wanted: ExecutionFilter) -> None:
    """Draw what is chosen and what can be done with it, at the foot of the window, where it moves no row."""
    chosen = _find_chosen(wanted)
    if chosen is None:
        return
    with st.bottom, shown():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_sum_up(chosen), width="content")
            _show_ways_on(chosen.selection)
            _show_triage(chosen)
            st.button("Clear", icon=":material/close:", type="tertiary", on_click=_clear, key="choose_none")
        if chosen.told:
            st.caption(f":material/{'warning' if chosen.is_refused else 'check'}: {chosen.told}")


def _sum_up(chosen: Chosen) -> str:
    selection = chosen.selection
    cut = f" (the first {LIMIT:,})" if selection.is_cut else ""
    what = "chosen" if chosen.ticked else f"chosen{cut}, {plain(selection.chosen_as)},"
    return f"**{len(selection.rows):,}** {what} as of {frame.format_clock(selection.chosen_at)}"


def _clear() -> None:
    st.session_state.pop(_CHOSEN, None)
    st.session_state[_TICKS_CHANGED] = True
    _untick()


def _untick() -> None:
    held: tuple[ExecutionFilter, Listing] | None = st.session_state.get(_HELD)
    if held is not None and is_ticked(held[1]):
        key = tables.table_key(TABLE, held[1].rows)
        st.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": []}}


def _key(name: str, selection: Selection) -> str:
    """Name the selection too: a late second click must not meet another one's button."""
    return f"many:{name}:{selection.chosen_at.timestamp()}"


def _show_ways_on(selection: Selection) -> None:
    can_cancel = runtime.current().operations.supports(Feature.CANCEL)
    if st.button(
        "Replay…",
        icon=":material/replay:",
        type="primary",
        disabled=not selection.rows,
        key=_key("replay", selection),
    ):
        pass_on(BulkKind.REPLAY, selection)
    if st.button(
        "Cancel…",
        icon=":material/block:",
        disabled=not (selection.rows and can_cancel),
        help=None if can_cancel else "Cancelling needs LAMINA_API_GENERATION=runs.",
        key=_key("cancel", selection),
    ):
        pass_on(BulkKind.CANCEL, selection)


def pass_on(kind: BulkKind, selection: Selection) -> None:
    """Go on to the screen Bulk with a selection."""
    before: Choice | None = st.session_state.get(_CHOICE)
    choice = Choice(before.number + 1 if before else 1, kind, selection)
    st.session_state[_CHOICE] = choice
    st.session_state.pop(_CHOSEN, None)
    navigation.open_page("bulk", new=str(choice.number))


def find_choice() -> Choice | None:
    """Return the selection that was passed on last in this session."""
    choice: Choice | None = st.session_state.get(_CHOICE)
    return choice


def keep_begun(choice: Choice, bulk_id: int) -> None:
    """Remember which operation a selection has become, so that a second click begins none."""
    st.session_state[_CHOICE] = replace(choice, begun=bulk_id)


def _show_triage(chosen: Chosen) -> None:
    desk, selection = runtime.current().triage, chosen.selection
    for label, done, icon, act in (
        ("Acknowledge", "acknowledged", "visibility", desk.acknowledge),
        ("Resolve", "resolved", "check", desk.resolve),
    ):
        key = _key(label, selection)
        if st.button(label, icon=f":material/{icon}:", disabled=not selection.rows, key=key):
            _act(chosen, done, act)
    with _form(chosen, "Assign", "person_add"):
        name = st.text_input("Who looks after them?", frame.operator().name)
        st.caption("Empty: nobody.")
        if st.form_submit_button("Save"):
            done = f"assigned to {name.strip()}" if name.strip() else "assigned to nobody"
            _act(chosen, done, lambda who, ids: desk.assign(who, ids, name))
    with _form(chosen, "Note", "edit_note"):
        text = st.text_area("A note, kept in each timeline", max_chars=NOTE_LENGTH)
        if st.form_submit_button("Add the note"):
            _act(chosen, "given the note", lambda who, ids: desk.add_note(who, ids, text))


@contextmanager
def _form(chosen: Chosen, name: str, icon: str) -> Generator[None]:
    """Open a form behind a button; once something was done, a fresh one stands there, shut."""
    key = _key(f"{name}:{chosen.acts}", chosen.selection)
    with st.popover(name, icon=f":material/{icon}:", key=key), st.form(f"{key}:form", border=False):
        yield


def _act(chosen: Chosen, done: str, act: Act) -> None:
    """Do at once what a button asked for, and say of how many; it stands in the bar until the next one."""
    ids = chosen.selection.ids
    try:
        changed = act(frame.operator(), ids)
    except errors.DeskError as error:
        told, is_refused = describe(error), True
    else:
        left_out = len(ids) - changed
        told, is_refused = f"{changed:,} {plain(done)}", False
        told += f"; {left_out:,} left out: not failed, or so already" if left_out else ""
    told = f"{frame.format_clock(frame.now())} {told}"
    st.session_state[_CHOSEN] = replace(chosen, acts=chosen.acts + 1, told=told, is_refused=is_refused)
    st.rerun()


def offer_group(fingerprint: str, number: int) -> None:
    """Offer to replay the open failures of a group."""
    if st.button("Replay all…", icon=":material/replay:", disabled=not number, key=f"replay_all:{fingerprint}"):
        with shown():
            pass_on(BulkKind.REPLAY, runtime.current().bulks.choose_group(fingerprint))
