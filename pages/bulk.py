"""What is done with many executions at once, and how far has it come?"""

from dataclasses import replace
from functools import partial
from typing import Literal

import streamlit as st

from lamina_core import runtime
from lamina_core.api.generations import Feature
from lamina_core.bulk.prospects import LIMIT, Prospect, Wish
from lamina_core.bulk.records import BulkKind, BulkState
from lamina_core.insights import bulks
from lamina_core.insights.bulks import Outcome, Progress
from pages.components import acts, bulk_cost, bulk_form, bulk_preview, bulk_progress, frame, navigation, selection
from pages.components.bulk_preview import Previewed
from pages.components.messages import plain, shown
from pages.components.selection import Choice

_VERBS = {BulkKind.REPLAY: "Replay", BulkKind.CANCEL: "Cancel"}

parts = runtime.current()


def show_choice(choice: Choice) -> None:
    """Draw what is to be done with a choice; another edit takes the preview away."""
    previewed: Previewed | None = None
    head = st.container()
    left, right = st.columns(2, gap="large")
    with right:
        wish = bulk_form.ask_course(choice)
    with left, shown():
        change = bulk_form.ask_patch(choice) if choice.kind is BulkKind.REPLAY else None
        wish = replace(wish, patch=change)
        previewed = bulk_preview.find(choice.number, change)
        show_preview_button(choice, wish, is_done=previewed is not None)
    with head:
        show_chosen(choice, previewed)
    if previewed is not None:
        bulk_preview.show_previews(previewed)
        show_begin(choice, wish, len(previewed.ready))
        if choice.kind is BulkKind.REPLAY and parts.operations.supports(Feature.ESTIMATE):
            bulk_preview.show_cost(previewed)


def show_chosen(choice: Choice, previewed: Previewed | None) -> None:
    chosen = choice.selection
    line = f"**{len(chosen.rows):,} executions** as of {frame.format_clock(chosen.chosen_at)}"
    line += f" (the first {LIMIT:,})" if chosen.is_cut else ""
    gone = previewed.counts[Prospect.ENDED_OTHERWISE] if previewed else 0
    line += f"; {gone:,} {'has' if gone == 1 else 'have'} ended otherwise since, left out" if gone else ""
    st.subheader(f"{_VERBS[choice.kind]} many", anchor=False)
    st.markdown(f"{line} · {plain(chosen.chosen_as)}")


def show_preview_button(choice: Choice, wish: Wish, *, is_done: bool) -> None:
    look: Literal["primary", "secondary"] = "secondary" if is_done else "primary"
    if st.button("Preview", icon=":material/preview:", type=look, key=f"preview:{choice.number}"):
        bulk_preview.make(choice.number, choice.selection, wish)
        st.rerun()
    if not is_done:
        st.caption("It shows what would become of each of them. Nothing is sent yet.")


def show_begin(choice: Choice, wish: Wish, ready: int) -> None:
    """Draw the button that begins it, and below it why that was refused."""
    verb = _VERBS[choice.kind]
    if st.button(f"{verb} {ready:,}", type="primary", disabled=not ready, key=f"begin:{choice.number}"):
        with shown():
            begin(choice, wish)


def begin(choice: Choice, wish: Wish) -> None:
    """Store the operation and go to it; a second click that comes late belongs to the first."""
    bulk_id = parts.bulks.create(frame.operator(), choice.selection, wish)
    selection.keep_begun(choice, bulk_id)
    navigation.open_page("bulk", id=str(bulk_id))


def name(bulk_id: int) -> str:
    return f"bulk operation {bulk_id}"


def show_actions(found: Progress) -> None:
    # Keys that name the operation, and all buttons always: a late second click must not meet another one.
    bulk, desk, who = found.bulk, parts.bulks, frame.operator()
    open_still = {BulkState.RUNNING, BulkState.PAUSED, BulkState.STOPPED}
    with st.container(horizontal=True):
        for label, done, icon, allowed, steer in (
            ("Pause", "Paused", "pause", {BulkState.RUNNING}, desk.pause),
            ("Resume", "Resumed", "play_arrow", {BulkState.PAUSED, BulkState.STOPPED}, desk.resume),
            ("Abort", "Aborted", "block", open_still, desk.abort),
        ):
            key = f"{label}:{bulk.id}"
            if st.button(label, icon=f":material/{icon}:", disabled=bulk.state not in allowed, key=key):
                acts.act(name(bulk.id), done, partial(steer, who, bulk.id))
    acts.show_error(name(bulk.id))


def show_cost(found: Progress) -> None:
    """Offer an estimate of what is not sent yet; below the table, which does not move when all is sent."""
    waiting, bulk = found.numbers[Outcome.WAITING], found.bulk
    if bulk.kind is BulkKind.REPLAY and waiting and parts.operations.supports(Feature.ESTIMATE):
        which = f" not sent yet at {frame.format_clock(found.as_of)}"
        bulk_cost.show_cost(f"bulk:{bulk.id}", which, partial(bulks.count_waiting_apps, parts.engines, bulk.id))


def show_bulk(bulk_id: int) -> None:
    """Draw one operation as it stands now."""
    with shown():
        found = bulks.read_bulk(parts.engines, bulk_id, frame.now())
        if found is None:
            st.info(f"There is no bulk operation {bulk_id} in this store.", icon=":material/search_off:")
            return
        bulk_progress.show_head(found.progress)
        show_actions(found.progress)
        bulk_progress.show_progress(found.progress)
        bulk_progress.show_items(found)
        show_cost(found.progress)


def show_history(waiting: Choice | None) -> None:
    """Draw what was done so far, and a choice that waits to be gone on with."""
    with shown():
        rows = bulks.read_history(parts.engines, frame.now())
        if rows:
            bulk_progress.show_history(rows)
            st.caption(f"The newest {bulks.HISTORY} at most. A click opens one.")
            return
        if waiting is None:
            st.info(
                "Nothing was done with many at once yet. Tick rows on Executions, choose all that a filter matches "
                "there, or open a group on Failures and replay all of it.",
                icon=":material/checklist:",
            )
            st.page_link(navigation.build_pages()["executions"], label="Executions", icon=":material/table_rows:")


def show_way_back() -> None:
    page = navigation.build_pages()["bulk"]
    st.page_link(page, label="All bulk operations", icon=":material/arrow_back:", query_params={})


choice = selection.find_choice()
asked, new = st.query_params.get("id", ""), st.query_params.get("new", "")
if asked.isdecimal() and len(asked) < 18:
    show_way_back()
    st.fragment(show_bulk, run_every=frame.refresh_interval())(int(asked))
elif choice is not None and new == str(choice.number):
    if choice.begun is not None:  # a late second click, or the browser's Back
        navigation.open_page("bulk", id=str(choice.begun))
    show_way_back()
    show_choice(choice)
else:
    waiting = choice if choice is not None and choice.begun is None else None
    if waiting is not None:
        st.page_link(
            navigation.build_pages()["bulk"],
            label=f"Go on with {len(waiting.selection.rows):,} executions chosen "
            f"at {frame.format_clock(waiting.selection.chosen_at)}",
            icon=":material/checklist:",
            query_params={"new": str(waiting.number)},
        )
    elif new:
        st.info("What was chosen is not known in this tab. Choose again on Executions.", icon=":material/search_off:")
    st.fragment(show_history, run_every=frame.refresh_interval())(waiting)
