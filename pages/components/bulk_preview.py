"""What would become of each chosen execution, before anything is sent: numbers, and values before and after."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

import streamlit as st

from lamina_core import runtime
from lamina_core.bulk.prospects import Preview, Prospect, Selection, Wish
from lamina_core.insights import bulks
from lamina_core.triage import diff, patch
from lamina_core.triage.patch import Patch
from pages.components import bulk_cost, frame
from pages.components.status import Look

_LOOKS: Mapping[Prospect, Look] = {
    Prospect.READY: Look(":material/check_circle:", "✓", "green"),
    Prospect.ENDED_OTHERWISE: Look(":material/history:", "↺", "gray"),
    Prospect.UNCHANGED: Look(":material/equal:", "=", "gray"),
    Prospect.INVALID: Look(":material/edit:", "✕", "red"),
    Prospect.IMPOSSIBLE: Look(":material/block:", "⊘", "orange"),
}
_ROWS = 200  # shown of each prospect
_ROW_HEIGHT = 34  # pixels
_ROWS_SHOWN = 10
_EXCERPT = 120  # signs of a value
_CONTEXT = 20  # signs kept before the first one that differs
_STATE = "bulk_previewed"  # key of the session's state


@dataclass(frozen=True)
class Previewed:
    """What a choice would become with one edit, and when that was looked up; inputs of those only that are shown."""

    number: int  # of the choice
    patch: Patch | None
    counts: Mapping[Prospect, int]
    shown: Mapping[Prospect, tuple[Preview, ...]]
    ready: tuple[int, ...]  # executions
    as_of: datetime


def make(number: int, selection: Selection, wish: Wish) -> None:
    """Look up what would become of a choice, and keep it for the runs that follow."""
    found: dict[Prospect, list[Preview]] = {prospect: [] for prospect in Prospect}
    for preview in runtime.current().bulks.preview(selection, wish):
        found[preview.prospect].append(preview)
    st.session_state[_STATE] = Previewed(
        number=number,
        patch=wish.patch,
        counts={prospect: len(previews) for prospect, previews in found.items()},
        shown={prospect: tuple(previews[:_ROWS]) for prospect, previews in found.items()},
        ready=tuple(preview.execution for preview in found[Prospect.READY]),
        as_of=frame.now(),
    )


def find(number: int, change: Patch | None) -> Previewed | None:
    """Return what was looked up for just this choice and this edit."""
    known: Previewed | None = st.session_state.get(_STATE)
    return known if known and known.number == number and _is_same(known.patch, change) else None


def _is_same(one: Patch | None, other: Patch | None) -> bool:
    if one is None or other is None:
        return one is other
    return diff.same_json(patch.to_document(one), patch.to_document(other))


def show_previews(previewed: Previewed) -> None:
    """Draw how many have each prospect, and those of the one that is picked."""
    occurring = [prospect for prospect in Prospect if previewed.counts[prospect]]
    picked = st.pills(
        "Prospect",
        occurring,
        default=occurring[0] if occurring else None,
        required=True,
        format_func=lambda each: f"{_LOOKS[each].icon} {previewed.counts[each]:,} {each}",
        key=f"prospect:{previewed.number}:{previewed.as_of.timestamp()}",
        label_visibility="collapsed",
    )
    if picked is None:
        return
    _show_rows(previewed.shown[picked], previewed.patch)
    total = previewed.counts[picked]
    first = f"The first {_ROWS} of {total:,}. " if total > _ROWS else ""
    st.caption(f"{first}Looked up at {frame.format_clock(previewed.as_of)}; each is looked at again when it begins.")


def _show_rows(rows: Sequence[Preview], change: Patch | None) -> None:
    values: dict[str, list[str]] = {}
    if change is not None:
        pairs = [_excerpt(*_spell(row, change.field)) for row in rows]
        values = {"before": [before for before, _ in pairs], "after": [after for _, after in pairs]}
    columns = {
        "execution": [f"#{row.execution}" for row in rows],
        "app": [row.app_name for row in rows],
        "prospect": [f"{_LOOKS[row.prospect].sign} {row.prospect}" for row in rows],
        **values,
        "reason": [row.reason or "" for row in rows],
    }
    st.dataframe(
        columns,
        column_config={
            "execution": st.column_config.TextColumn("Execution", width=90),
            "app": st.column_config.TextColumn("App", width=170),
            "prospect": st.column_config.TextColumn("Prospect", width=170),
            "before": st.column_config.TextColumn("Before", width=230),
            "after": st.column_config.TextColumn("After", width=230),
            "reason": st.column_config.TextColumn("Why not", width=330),
        },
        hide_index=True,
        row_height=_ROW_HEIGHT,
        height=(min(len(rows), _ROWS_SHOWN) + 1) * _ROW_HEIGHT + 3,
    )


def _spell(row: Preview, field: str) -> tuple[str, str]:
    return _spell_value(row.before, field), _spell_value(row.after, field)


def _spell_value(inputs: Mapping[str, Any] | None, field: str) -> str:
    if inputs is None:
        return ""
    return json.dumps(inputs[field], ensure_ascii=False) if field in inputs else "(not given)"


def _excerpt(before: str, after: str) -> tuple[str, str]:
    """Cut two long texts to where they begin to differ."""
    if max(len(before), len(after)) <= _EXCERPT:
        return before, after
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))
    first = max(0, same - _CONTEXT)
    return _part(before, first), _part(after, first)


def _part(text: str, first: int) -> str:
    more = len(text) > first + _EXCERPT
    return ("…" if first else "") + text[first : first + _EXCERPT] + ("…" if more else "")


def show_cost(previewed: Previewed) -> None:
    """Offer an estimate of what the ready ones would cost."""
    asked_for = f"preview:{previewed.number}:{previewed.as_of.timestamp()}"
    engines = runtime.current().engines
    bulk_cost.show_cost(asked_for, "", lambda: bulks.count_apps(engines, previewed.ready), is_free=not previewed.ready)
