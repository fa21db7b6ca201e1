"""Two executions beside each other, and what sets a failed one apart from its app's last success."""

import json
from datetime import timedelta
from typing import Any

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Output
from lamina_core.insights import comparison, wording
from lamina_core.insights.comparison import Comparison, OutputPair, Side
from lamina_core.insights.detail import Detail
from lamina_core.triage import diff
from lamina_core.triage.diff import Change, Difference
from pages.components import frame, navigation, outputs, passages, status
from pages.components.links import is_link
from pages.components.messages import code, plain

_WORDS = 5  # from which on two texts are compared word by word
_DRAWN = 20_000  # characters of two texts that are compared word by word; longer ones stand beside each other
_FELT = timedelta(seconds=0.05)  # a difference below it would be told as 0 s
_SHORT = 60  # characters of a value that stands in a line with another
_ICONS = {
    Difference.ADDED: ":green-badge[:material/add: added]",
    Difference.REMOVED: ":red-badge[:material/remove: removed]",
    Difference.CHANGED: ":orange-badge[:material/edit: changed]",
}


def show_comparison(found: Detail) -> None:
    """Draw the comparison that the address asks for, else what a failed execution differs in; and the way to others."""
    asked = st.query_params.get("with", "")
    if asked:
        _show_asked(found, asked)
        return
    success = comparison.read_last_success(runtime.current().engines, found)
    if success:
        _tell_differences(found, success)
    with st.container(horizontal=True, vertical_alignment="center"):
        if success:
            _link_success(found, success)
        _show_choice(found)


def _show_asked(found: Detail, asked: str) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Compared with #{plain(asked.strip())}**", width="stretch")
            _show_choice(found)
            st.page_link(
                navigation.build_pages()["execution"],
                label="Close the comparison",
                icon=":material/close:",
                query_params={"id": str(found.execution.id)},
            )
        number = int(asked) if asked.isdecimal() and len(asked) < 18 else None
        if number == found.execution.id:
            st.info("That is this execution itself. Choose another one.", icon=":material/compare_arrows:")
            return
        compared = comparison.read_comparison(runtime.current().engines, found, number) if number is not None else None
        if compared is None:
            st.info(f"There is no execution {plain(asked)} here to compare with.", icon=":material/search_off:")
            return
        _show_sides(compared, found.execution.id)
        _show_inputs(compared)
        _show_outputs(compared)


def _show_sides(compared: Comparison, current: int) -> None:
    for column, side in zip(st.columns(2), (compared.before, compared.after), strict=True):
        with column:
            _show_side(side, current)
    if compared.before.execution.app_id != compared.after.execution.app_id:
        st.warning("These are executions of two different apps.", icon=":material/warning:")
    if compared.longer is not None:
        span, word = abs(compared.longer), "longer" if compared.longer > timedelta() else "less"
        length = f"{wording.format_span(span)} {word}" if span >= _FELT else "as long"
        st.caption(f"#{compared.after.execution.id} took {length}.")


def _show_side(side: Side, current: int) -> None:
    execution = side.execution
    with st.container(horizontal=True, vertical_alignment="center"):
        if execution.id == current:
            st.markdown(f"**#{execution.id} · this one**", width="content")
        else:
            query = {"id": str(execution.id)}
            st.page_link(navigation.build_pages()["execution"], label=f"#{execution.id}", query_params=query)
        status.show_badge(execution)
    took = wording.duration_of(execution)
    length = f"took {wording.format_span(took)}" if took else "not ended"
    facts = (plain(execution.app_name), plain(execution.started_by), frame.format_instant(execution.created_at), length)
    st.caption(" · ".join(facts))
    if execution.error_message:
        st.error(plain(execution.error_message), icon=":material/error:")


def _show_inputs(compared: Comparison) -> None:
    before, after = compared.before.execution.id, compared.after.execution.id
    st.markdown("**Inputs**")
    if compared.changes is None:
        unknown = before if compared.before.inputs is None else after
        st.caption(f"What #{unknown} was sent is not known here: others started it.")
        return
    if compared.changes:
        st.caption(f":red-background[~~struck out~~] only in #{before} · :green-background[**bold**] only in #{after}")
    else:
        st.caption("Both were sent the same inputs.")
    for change in compared.changes:
        _show_change(change)
    if compared.unchanged:
        with st.expander(f"{len(compared.unchanged)} unchanged"):
            st.code(json.dumps(compared.unchanged, indent=2, ensure_ascii=False), language="json", wrap_lines=True)


def _show_change(change: Change) -> None:
    head = f"{_ICONS[change.difference]} {code(_spell_name(change.name))}"
    if change.difference is Difference.CHANGED and _are_prose(change.before, change.after):
        st.markdown(head)
        _show_words(change.before, change.after)
        return
    spelt = []
    if change.difference is not Difference.ADDED:
        spelt.append((_spell(change.before), ":red-background[~~{}~~]"))
    if change.difference is not Difference.REMOVED:
        spelt.append((_spell(change.after), ":green-background[**{}**]"))
    if all(len(text) <= _SHORT for text, _ in spelt):
        st.markdown(f"{head} " + " → ".join(mark.format(code(text)) for text, mark in spelt))
        return
    st.markdown(head)
    for column, (text, _) in zip(st.columns(len(spelt)), spelt, strict=True):
        column.code(text, language="json", wrap_lines=True)


def _are_prose(before: Any, after: Any) -> bool:
    """Say whether two values are texts whose words are worth comparing, and not too long to be drawn so."""
    if not isinstance(before, str) or not isinstance(after, str) or is_link(before) or is_link(after):
        return False
    return len(before) + len(after) <= _DRAWN and max(len(before.split()), len(after.split())) >= _WORDS


def _show_words(before: str, after: str) -> None:
    with st.container(border=True):
        st.markdown(passages.draw(diff.compare_text(before, after)))


def _show_outputs(compared: Comparison) -> None:
    if compared.outputs:
        st.markdown("**Outputs**")
    for pair in compared.outputs:
        before, after = pair.before, pair.after
        if before and after and _is_text(before) and _is_text(after) and _are_prose(before.value, after.value):
            same = before.value == after.value
            st.caption(f"**{plain(pair.label)}** · {'the same text in both' if same else 'text'}")
            _show_words(before.value, after.value)
        else:
            _show_pair(pair, compared)


def _is_text(output: Output) -> bool:
    return output.status == "completed" and output.error is None and isinstance(output.value, str)


def _show_pair(pair: OutputPair, compared: Comparison) -> None:
    sides = ((pair.before, compared.before), (pair.after, compared.after))
    for column, (output, side) in zip(st.columns(2), sides, strict=True):
        with column:
            if output:
                outputs.show_output(output)
            else:
                st.caption(f"#{side.execution.id} has no output **{plain(pair.label)}**.")


def _success_in(compared: Comparison, found: Detail) -> int:
    return (compared.before if compared.after.execution.id == found.execution.id else compared.after).execution.id


def _tell_differences(found: Detail, compared: Comparison) -> None:
    """Tell in one line which inputs differ from those that succeeded, and show them on a click."""
    name = f"#{_success_in(compared, found)}"
    if compared.changes is None:
        st.caption(f"What is different from the last success {name} cannot be told: not all inputs are known here.")
    elif not compared.changes:
        st.caption(f"The last success {name} was sent the same inputs: they alone do not explain this failure.")
    else:
        names = ", ".join(plain(_spell_name(change.name)) for change in compared.changes)
        with st.expander(f"What is different from the last success {name}: {names}"):
            _show_inputs(compared)


def _link_success(found: Detail, compared: Comparison) -> None:
    success = _success_in(compared, found)
    st.page_link(
        navigation.build_pages()["execution"],
        label=f"Compare with the last success #{success}",
        icon=":material/compare_arrows:",
        query_params={"id": str(found.execution.id), "with": str(success)},
    )


def _take_asked(row_id: int, turn: int) -> None:
    """Let the next box be a new one: the browser may send once more what stood in this one."""
    state = st.session_state
    state["compare_asked"] = (row_id, state[f"compare_with:{row_id}:{turn}"])
    state["compare_turn"] = turn + 1


def _show_choice(found: Detail) -> None:
    row_id, turn = found.execution.id, st.session_state.get("compare_turn", 0)
    asked_for, text = st.session_state.get("compare_asked", (None, ""))
    with st.popover("Compare with…", icon=":material/compare_arrows:", type="tertiary"):
        st.text_input(
            "Compare with #",
            key=f"compare_with:{row_id}:{turn}",
            on_change=_take_asked,
            args=(row_id, turn),
            placeholder="number, id or reference",
        )
        if asked_for != row_id or not text.strip():
            return
        others = comparison.find_others(runtime.current().engines, text)
        if len(others) == 1:
            del st.session_state["compare_asked"]
            navigation.open_page("execution", id=str(row_id), **{"with": str(others[0])})
        found_none = "No execution here has that number, id or reference"
        st.caption(f":material/search_off: {'More than one execution fits' if others else found_none}: {plain(text)}")


def _spell_name(name: str) -> str:
    """Put a name into quotes where its ends or its line breaks would be lost without them."""
    return name if name.isprintable() and name == name.strip() and name else json.dumps(name, ensure_ascii=False)


def _spell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
