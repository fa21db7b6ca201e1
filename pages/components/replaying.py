"""What stands on the form of a replay beside the inputs: what is replayed, what its replays are, what differs."""

import json
from itertools import takewhile
from typing import Any

import streamlit as st

from lamina_core.domain import Execution
from lamina_core.drafts import Draft
from lamina_core.insights import wording
from lamina_core.insights.replays import ReplayState
from lamina_core.triage import diff
from lamina_core.triage.diff import Change, Difference
from pages.components import frame, navigation
from pages.components.messages import code, plain
from pages.components.record import describe_origin

_LINKED = 5  # replays
_EXCERPT = 80  # signs of a value
_CONTEXT = 15  # signs kept before the first one that differs


def show_head(state: ReplayState) -> None:
    """Draw what is replayed, and each replay that it has already."""
    original = state.original
    with st.container(horizontal=True, vertical_alignment="center"):
        _link(original, f"Replay of #{original.id}", ":material/history:")
        word = wording.STATUS_WORDS[original.status]
        st.caption(f"{word} · {describe_origin(original)} · {frame.format_instant(original.created_at)}")
    if state.unsettled:
        st.warning(
            f"Whether Lamina accepted #{original.id} is not known: to start it again may be billed twice. "
            "Settle it on its own screen first.",
            icon=":material/help:",
        )
    if state.inputs is None:
        st.info(f"This replays #{original.id}, whose inputs are not known here: fill them in.", icon="✍️")
    if not state.replays:
        return
    with st.container(border=True):
        st.markdown(f"**{_sum_up(state)}**")
        for replay in state.replays[:_LINKED]:
            age = wording.format_age(replay.created_at, state.as_of)
            word = wording.STATUS_WORDS[replay.status]
            _link(replay, f"#{replay.id} {word} · by {plain(replay.started_by)} · {age}", ":material/replay:")
        if len(state.replays) > _LINKED:
            st.caption(f"The newest {_LINKED} of {len(state.replays)}.")


def _link(execution: Execution, label: str, icon: str) -> None:
    page = navigation.build_pages()["execution"]
    st.page_link(page, label=label, icon=icon, query_params={"id": str(execution.id)})


def _sum_up(state: ReplayState) -> str:
    if state.under_way:
        return "It is being replayed now"
    return "A replay has succeeded already" if state.completed else "Replayed already, without success"


def ask_consent(state: ReplayState) -> bool:
    """Ask whether to replay what is being replayed or was with success; the answer holds for these replays only."""
    if not state.blocking:
        return False
    named = ", ".join(f"#{replay.id} ({wording.STATUS_WORDS[replay.status]})" for replay in state.blocking[:_LINKED])
    more = f" and {len(state.blocking) - _LINKED} more" if len(state.blocking) > _LINKED else ""
    known = "-".join(str(replay.id) for replay in state.blocking)
    return st.checkbox(f"Replay anyway, beside {named}{more}", key=f"repeat:{state.original.id}:{known}")


def show_difference(draft: Draft, outputs: list[str]) -> None:
    """Draw what the start will send otherwise than the old one did."""
    if draft.old_inputs is None:
        return
    lines = [_describe(change) for change in diff.compare_inputs(draft.old_inputs, draft.inputs)]
    if sorted(outputs) != sorted(draft.old_outputs):
        lines.append(f"**It makes** {_list(draft.old_outputs)} → {_list(outputs)}")
    if not lines:
        st.caption(f":material/check: Unchanged from #{draft.replay_of}")
        return
    st.caption(f":material/difference: Different from #{draft.replay_of}")
    st.markdown("\n".join(f"- {line}" for line in lines))


def _list(outputs: list[str] | tuple[str, ...]) -> str:
    return ", ".join(code(label) for label in outputs) or "all"


def _describe(change: Change) -> str:
    name, before, after = plain(change.name), _spell(change.before), _spell(change.after)
    if change.difference is Difference.ADDED:
        return f"**{name}** not given → {_excerpt(after, 0)}"
    if change.difference is Difference.REMOVED:
        return f"**{name}** {_excerpt(before, 0)} → left out"
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))
    first = same - _CONTEXT if max(len(before), len(after)) > _EXCERPT else 0
    return f"**{name}** {_excerpt(before, first)} → {_excerpt(after, first)}"


def _spell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _excerpt(text: str, first: int) -> str:
    """Return a part of a text as code, its runs of spaces kept apart: a browser draws them as one."""
    first = max(0, first)
    part = ("…" if first else "") + text[first : first + _EXCERPT] + ("…" if len(text) > first + _EXCERPT else "")
    return code(part.replace("  ", "\u00a0 "))
