"""What an examination found: the three verdicts, the cause with its proof, how to mend it, and what the store knows."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.facts import Fact
from lamina_core.debugger.passage import difference
from lamina_core.debugger.records import Certainty, Change, Examination, Verdicts
from lamina_core.debugger.remedies import FRAMEWORKS, RECEIVERS
from lamina_core.insights import wording
from pages.components import navigation
from pages.components.messages import plain

_CERTAINTY = {
    Certainty.VERIFIED: (":material/verified:", "green", "Exactly this change makes the signature hold"),
    Certainty.INDICATED: (":material/lightbulb:", "orange", "Nothing makes it hold, but the evidence points there"),
}
_LONGEST_SPAN = 10**11  # seconds, three thousand years: a timestamp may have twenty digits
_LANGUAGES = {"Python": "python", "Node": "javascript"}


def show_verdicts(found: Examination) -> None:
    """Draw the three verdicts beside each other, never one for all."""
    verdicts = found.verdicts
    with st.container(horizontal=True):
        _show_verdict("well-formed", "not well-formed", verdicts.well_formed)
        _show_verdict("authentic", "not authentic as received", verdicts.authentic)
        _show_verdict("fresh", "not fresh", verdicts.fresh)
    lines = [*map(plain, verdicts.problems), _tell_key(found), _tell_age(verdicts)]
    lines += [plain(remark) for remark in (*found.specimen.remarks, *found.material.remarks)]
    st.caption("  \n".join(filter(None, lines)))
    if found.material.holds_private:
        st.error(
            "**This is a private key.** Whoever has it can sign in its owner's name. It is not kept here; take it out "
            "of wherever it came from and replace it.",
            icon=":material/warning:",
        )


def _show_verdict(good: str, bad: str, holds: bool) -> None:
    st.badge(
        good if holds else bad,
        icon=":material/check_circle:" if holds else ":material/cancel:",
        color="green" if holds else "red",
    )


def _tell_key(found: Examination) -> str:
    verdicts, origin = found.verdicts, plain(found.material.origin)
    if verdicts.authentic:
        named = f" ({plain(verdicts.key_id)})" if verdicts.key_id else ""
        return f"By key {verdicts.key_place} of {verdicts.keys_tried}{named} of {origin}."
    return f"Held against {verdicts.keys_tried} key{'s' if verdicts.keys_tried != 1 else ''}: {origin}."


def _tell_age(verdicts: Verdicts) -> str:
    if verdicts.age is None:
        return ""
    told = f"{_span(verdicts.age)} by the clock here"
    if verdicts.age_at_receipt is not None:
        told = f"{_span(verdicts.age_at_receipt)} when it was received, {told}"
    return f"Signed {told}; {signing.TOLERANCE} s are accepted either way."


def _span(seconds: int) -> str:
    shown = min(abs(seconds), _LONGEST_SPAN)
    return f"{wording.format_span(timedelta(seconds=shown))} {'ago' if seconds >= 0 else 'in the future'}"


def show_cause(found: Examination) -> None:
    """Draw why it does not verify, the proof, and how the receiver is mended."""
    diagnosis = found.diagnosis
    if diagnosis.certainty is None:
        if not found.verdicts.authentic:
            st.warning(plain(diagnosis.explanation), icon=":material/search_off:")
            _show_tried(found)
        return
    icon, colour, meaning = _CERTAINTY[diagnosis.certainty]
    with st.container(border=True):
        for code in diagnosis.causes:
            st.markdown(f"**{plain(CAUSES[code].title)}** :{colour}-badge[{icon} {diagnosis.certainty}] `{code}`")
        st.caption(f"{meaning}. {plain(diagnosis.explanation)}")
        for change in diagnosis.changes:
            _show_change(change)
        for code in diagnosis.causes:
            st.markdown(f":material/build: {plain(CAUSES[code].fix)}")
        _show_tried(found)
    _show_receivers()


def _show_change(change: Change) -> None:
    seen = difference(change.given, change.signed)
    st.markdown(
        f"{plain(change.part.capitalize())}, first difference at byte **{seen.offset:,}**: {plain(change.detail)}"
    )
    width = max(len(seen.given_hex), len(seen.signed_hex))
    sides = (("at hand", seen.given_hex, seen.given_text), ("signed ", seen.signed_hex, seen.signed_text))
    st.code("\n".join(f"{name}  {dump:<{width}}  {text}" for name, dump, text in sides), language=None)


def _show_tried(found: Examination) -> None:
    diagnosis = found.diagnosis
    if found.verdicts.authentic or not diagnosis.tried:
        return
    told = f"{diagnosis.tried:,} combinations in {diagnosis.seconds:.1f} s."
    if not diagnosis.complete:
        told += " The time was up before all pairs of mistakes were tried."
    st.caption(told)
    for title, lines in (("Ruled out", diagnosis.ruled_out), ("What remains", diagnosis.remaining)):
        if lines:
            st.caption(f"**{title}**\n" + "\n".join(f"- {plain(line)}" for line in lines))


def _show_receivers() -> None:
    with st.expander("A receiver that does it right", icon=":material/code:"):
        tabs = st.tabs([*RECEIVERS, "Other frameworks"])
        for tab, (name, source) in zip(tabs, RECEIVERS.items(), strict=False):
            tab.code(source, language=_LANGUAGES[name])
        tabs[-1].markdown("\n".join(f"- **{plain(name)}**: {line}" for name, line in FRAMEWORKS))


def show_facts(facts: Sequence[Fact]) -> None:
    """Draw what the store knows of the payload."""
    st.markdown("**The payload**")
    for fact in facts:
        icon = {True: ":green[:material/check:]", False: ":red[:material/close:]", None: ":material/remove:"}[fact.fits]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{icon} {plain(fact.text)}", width="content")
            if fact.execution is not None:
                st.page_link(
                    navigation.build_pages()["execution"], label="Open", query_params={"id": str(fact.execution)}
                )
