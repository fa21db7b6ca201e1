"""The family of an execution as a tree: what it replays, and what was replayed from it."""

import streamlit as st

from lamina_core.domain import Execution
from lamina_core.insights import wording
from lamina_core.insights.detail import Detail
from lamina_core.store.lineage import Node
from pages.components import frame, navigation, status
from pages.components.messages import plain

_STEP = 24  # pixels by which a replay stands further in
_STEPS = 8  # deeper ones stand no further in, and name what they replay
_REASON_LENGTH = 100  # characters
_HEIGHT = 360  # pixels; a longer tree scrolls
_ROWS = 10  # that fit into it


def show_lineage(found: Detail) -> None:
    """Draw the whole tree with this execution marked; nothing for one without replays."""
    nodes = found.lineage.nodes
    if not nodes:
        return
    st.markdown(f"**Replays** · {len(nodes)} executions in this family")
    with st.container(height=_HEIGHT if len(nodes) > _ROWS else "content", gap="xxsmall"):
        for node in nodes:
            _show_node(node, found.execution)
    if found.lineage.capped:
        st.caption("There are more replays than are shown; these are around this one, and the oldest of the others.")


def _show_node(node: Node, current: Execution) -> None:
    execution, pages = node.execution, navigation.build_pages()
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        if node.depth:
            st.space(_STEP * min(node.depth, _STEPS))
            st.markdown("↳", width="content")
        if execution.id == current.id:
            st.markdown(f"**#{execution.id} · this one**", width="content")
        else:
            st.page_link(pages["execution"], label=f"#{execution.id}", query_params={"id": str(execution.id)})
        status.show_badge(execution)
        st.caption(_describe(node), width="stretch")
        if execution.id != current.id:
            st.page_link(
                pages["execution"],
                label="Compare",
                icon=":material/compare_arrows:",
                query_params={"id": str(current.id), "with": str(execution.id)},
            )


def _describe(node: Node) -> str:
    execution = node.execution
    took = wording.duration_of(execution)
    facts = [
        plain(execution.started_by),
        frame.format_clock(execution.created_at),
        f"took {wording.format_span(took)}" if took else "not ended",
    ]
    if node.depth > _STEPS:
        facts.insert(0, f"replay of #{execution.replay_of}")
    if reason := wording.shorten_reason(execution, _REASON_LENGTH):
        facts.append(plain(reason))
    return " · ".join(facts)
