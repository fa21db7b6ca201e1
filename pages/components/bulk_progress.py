"""Operations on many executions: their history as a table, and how far one has come."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lamina_core.bulk.records import Bulk, BulkKind, BulkState
from lamina_core.insights import wording
from lamina_core.insights.bulks import ITEMS, BulkDetail, Outcome, Progress
from lamina_core.triage.patch import describe_patch
from pages.components import frame, navigation
from pages.components.messages import plain
from pages.components.status import Look

_LOOKS: Mapping[BulkState, Look] = {
    BulkState.RUNNING: Look(":material/autorenew:", "▶", "blue"),
    BulkState.PAUSED: Look(":material/pause_circle:", "‖", "gray"),
    BulkState.STOPPED: Look(":material/front_hand:", "■", "orange"),
    BulkState.DONE: Look(":material/check_circle:", "✓", "green"),
    BulkState.ABORTED: Look(":material/block:", "⊘", "gray"),
}
_OUTCOMES: Mapping[Outcome, Look] = {
    Outcome.WAITING: Look(":material/schedule:", "◷", "gray"),
    Outcome.UNDER_WAY: Look(":material/autorenew:", "▶", "blue"),
    Outcome.COMPLETED: Look(":material/check_circle:", "✓", "green"),
    Outcome.ASKED: Look(":material/check_circle:", "✓", "green"),
    Outcome.FAILED: Look(":material/error:", "✕", "red"),
    Outcome.CANCELLED: Look(":material/block:", "⊘", "gray"),
    Outcome.UNCONFIRMED: Look(":material/help:", "?", "orange"),
    Outcome.NOT_SENT: Look(":material/block:", "⊘", "gray"),
    Outcome.LEFT_OUT: Look(":material/remove_circle:", "–", "gray"),
}
_ALWAYS = {
    BulkKind.REPLAY: {
        Outcome.WAITING,
        Outcome.UNDER_WAY,
        Outcome.COMPLETED,
        Outcome.FAILED,
        Outcome.UNCONFIRMED,
        Outcome.LEFT_OUT,
    },
    BulkKind.CANCEL: {Outcome.WAITING, Outcome.ASKED, Outcome.LEFT_OUT},
}
_ROW_HEIGHT = 34  # pixels
_ROWS_SHOWN = 18
_TEXT_LENGTH = 200  # signs of a text in a table


def describe_wish(bulk: Bulk) -> str:
    """Return in words what is done to each execution; plain text."""
    if bulk.kind is BulkKind.CANCEL:
        return "cancel"
    return f"replay, {describe_patch(bulk.patch)}" if bulk.patch else "replay unchanged"


def show_history(rows: Sequence[Progress]) -> None:
    """Draw the operations, the newest first; a click on a cell opens one."""
    zone = st.context.timezone or "UTC"
    colours = {_label(look, state): look.colour for state, look in _LOOKS.items()}
    event: Any = st.dataframe(
        {
            "state": [[_label(_LOOKS[row.bulk.state], row.bulk.state)] for row in rows],
            "what": [describe_wish(row.bulk) for row in rows],
            "chosen": [_cut(row.bulk.chosen_as) for row in rows],
            "number": [row.to_do for row in rows],
            "done": [row.percent for row in rows],
            "failed": [row.numbers[Outcome.FAILED] for row in rows],
            "who": [row.bulk.created_by for row in rows],
            "when": [row.bulk.chosen_at for row in rows],
            "why": [_cut(row.bulk.reason) for row in rows],
        },
        column_config={
            "state": st.column_config.MultiselectColumn(
                "State", options=list(colours), color=list(colours.values()), width=110
            ),
            "what": st.column_config.TextColumn("What", width=240),
            "chosen": st.column_config.TextColumn("Of", width=220),
            "number": st.column_config.NumberColumn("How many", width=80, help="Without those that were left out"),
            "done": st.column_config.ProgressColumn("Done", format="%d%%", min_value=0, max_value=100, width=110),
            "failed": st.column_config.NumberColumn("Failed", width=65),
            "who": st.column_config.TextColumn("Who", width=100),
            "when": st.column_config.DatetimeColumn(
                "When", format="YYYY-MM-DD HH:mm", width=125, timezone=zone, help=f"When they were chosen, {zone}"
            ),
            "why": st.column_config.TextColumn("Why", width=200),
        },
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(rows), _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"bulks:{rows[0].bulk.id}:{rows[-1].bulk.id}",
    )
    if event.selection.cells:
        place = event.selection.cells[0][0]
        if place < len(rows):
            navigation.open_page("bulk", id=str(rows[place].bulk.id))


def show_head(found: Progress) -> None:
    """Draw what is done, to which executions, by whom and why."""
    bulk = found.bulk
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(f"#{bulk.id} {describe_wish(bulk)}"), width="content", anchor=False)
        look = _LOOKS[bulk.state]
        st.badge(bulk.state.value, icon=look.icon, color=look.colour)
    facts = [
        f"**{found.total:,}** executions as of {frame.format_clock(bulk.chosen_at)}: {plain(bulk.chosen_as)}",
        f"by **{plain(bulk.created_by)}**",
        f"at {bulk.per_minute} a minute",
    ]
    if bulk.canaries:
        facts.append(f"{bulk.canaries} first")
    if bulk.changed_by:
        facts.append(f"last steered by {plain(bulk.changed_by)}")
    st.caption(" · ".join(facts))
    st.markdown(f":material/chat: {plain(bulk.reason)}")


def show_progress(found: Progress) -> None:
    """Draw how far it is: a bar, a number for each outcome, and what comes next."""
    bulk = found.bulk
    st.progress(found.percent, text=f"{found.ended:,} of {found.to_do:,} have ended · {_describe_next(found)}")
    with st.container(horizontal=True):
        for outcome, number in found.numbers.items():
            if number or outcome in _ALWAYS[bulk.kind]:
                look = _OUTCOMES[outcome]
                st.badge(f"{number:,} {outcome}", icon=look.icon, color=look.colour if number else "gray")
    if bulk.stopped_because:
        st.warning(f"**It stopped by itself.** {plain(bulk.stopped_because)}", icon=":material/front_hand:")


def _describe_next(found: Progress) -> str:
    bulk = found.bulk
    if bulk.state in {BulkState.DONE, BulkState.ABORTED}:
        return f"{bulk.state} {frame.format_clock(bulk.updated_at)}"
    if found.awaits_canaries:
        first = "the first has" if bulk.canaries == 1 else f"the first {bulk.canaries} have"
        return f"the others wait until {first} ended"
    if found.time_left is None:
        return "all are sent, their ends are awaited" if found.numbers[Outcome.UNDER_WAY] else "nothing is left to do"
    left = f"all sent in about {wording.format_span(found.time_left)}"
    return left if bulk.state is BulkState.RUNNING else f"{left} once it is resumed"


def show_items(found: BulkDetail) -> None:
    """Draw the executions; a click opens one, and in the column of replays its replay."""
    rows, bulk = found.items, found.progress.bulk
    has_replays = bulk.kind is BulkKind.REPLAY
    colours = {_label(_OUTCOMES[row.outcome], row.outcome): _OUTCOMES[row.outcome].colour for row in rows}
    event: Any = st.dataframe(
        {
            "outcome": [[_label(_OUTCOMES[row.outcome], row.outcome)] for row in rows],
            "execution": [f"#{row.execution}" for row in rows],
            **({"replay": [f"#{row.replay}" if row.replay is not None else "" for row in rows]} if has_replays else {}),
            "app": [row.app_name for row in rows],
            "problem": [_cut((row.problem or "").strip()) for row in rows],
        },
        column_config={
            "outcome": st.column_config.MultiselectColumn(
                "Outcome", options=list(colours), color=list(colours.values()), width=150
            ),
            "execution": st.column_config.TextColumn("Execution", width=90),
            "replay": st.column_config.TextColumn("Replay", width=90, help="A click opens the replay"),
            "app": st.column_config.TextColumn("App", width=180),
            "problem": st.column_config.TextColumn("Problem", width=560),
        },
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(rows), _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"bulk_items:{bulk.id}",
    )
    total = found.progress.total
    first = f"The first {ITEMS} of {total:,}. " if total > len(rows) else ""
    also = ", a click on a replay opens that" if has_replays else ""
    st.caption(f"{first}A click opens the execution{also}.")
    if event.selection.cells:
        place, column = event.selection.cells[0]
        if place < len(rows):
            row = rows[place]
            opened = row.replay if column == "replay" and row.replay is not None else row.execution
            navigation.open_page("execution", id=str(opened))


def _label(look: Look, word: str) -> str:
    return f"{look.sign} {word}"


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"
