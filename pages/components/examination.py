"""What an examination found: the three verdicts, the cause with its proof, how to mend it, and what the store knows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from lamina_core import signing
from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.facts import Fact
from lamina_core.debugger.passage import difference, find_difference
from lamina_core.debugger.records import Certainty, Change, Diagnosis, Examination
from lamina_core.debugger.remedies import FRAMEWORKS, RECEIVERS
from lamina_core.insights import wording
from pages.components import frame, navigation
from pages.components.messages import plain

_CERTAINTY = {
    Certainty.VERIFIED: (":material/verified:", "green", "Exactly this change makes the signature hold"),
    Certainty.INDICATED: (":material/lightbulb:", "orange", "Nothing makes it hold, but the evidence points there"),
}
_FITS = {True: ":green[:material/check:]", False: ":red[:material/close:]", None: ":material/remove:"}
_LONGEST_SPAN = 10**11  # seconds, three thousand years: a timestamp may have twenty digits
_LANGUAGES = {"Python": "python", "Node": "javascript"}


def show_verdicts(found: Examination) -> None:
    """Draw the three verdicts beside each other, never one for all."""
    verdicts, material = found.verdicts, found.material
    if material.holds_private:
        warn_of_private_key()
    with st.container(horizontal=True):
        _show_verdict("well-formed", "not well-formed", verdicts.well_formed)
        _show_verdict("authentic", "not authentic as received", verdicts.authentic)
        _show_verdict("fresh", "not fresh", verdicts.fresh)
    lines = [*map(plain, verdicts.problems), _tell_key(found), _tell_age(found)]
    on_keys = material.remarks[1:] if material.holds_private else material.remarks  # the first says what is said above
    lines += [plain(remark) for remark in (*found.specimen.remarks, *on_keys)]
    st.caption("  \n".join(filter(None, lines)))


def warn_of_private_key() -> None:
    """Draw what is to be done about a private key that was pasted."""
    st.error(
        "**A private key was pasted.** Whoever has it can sign in its owner's name. It is not kept here; take it out "
        "of wherever it came from, and replace it.",
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


def _tell_age(found: Examination) -> str:
    verdicts = found.verdicts
    if verdicts.age is None:
        return ""
    examined = datetime.fromtimestamp(int(found.specimen.timestamp or 0) + verdicts.age, UTC)
    told = f"{_span(verdicts.age)} by the clock here, at {frame.format_clock(examined)}"
    if verdicts.age_at_receipt is not None:
        told = f"{_span(verdicts.age_at_receipt)} when it was received, {told}"
    return f"Signed {plain(told)}; {signing.TOLERANCE} s are accepted either way."


def _span(seconds: int) -> str:
    shown = min(abs(seconds), _LONGEST_SPAN)
    return f"{wording.format_span(timedelta(seconds=shown))} {'ago' if seconds >= 0 else 'in the future'}"


def show_cause(found: Examination) -> None:
    """Draw why it does not verify, the proof, and how the receiver is mended."""
    diagnosis = found.diagnosis
    if diagnosis.certainty is None:
        if not found.verdicts.authentic:
            st.warning(plain(_tell_more(diagnosis)), icon=":material/search_off:")
            _show_tried(found)
        return
    icon, colour, meaning = _CERTAINTY[diagnosis.certainty]
    with st.container(border=True):
        for code in diagnosis.causes:
            st.markdown(
                f"**{_prose(CAUSES[code].title)}** :{colour}-badge[{icon} cause {diagnosis.certainty}] `{code}`"
            )
        proof = "" if found.verdicts.authentic else f"{meaning}{_tell_effort(found)}. "
        st.caption(proof + plain(_tell_more(diagnosis)))
        for change in diagnosis.changes:
            _show_change(change)
        for fix in dict.fromkeys(CAUSES[code].fix for code in diagnosis.causes):
            st.markdown(f":material/build: {_prose(fix)}")
        if diagnosis.certainty is Certainty.INDICATED:
            _show_tried(found)
    _show_receivers()


def _prose(text: str) -> str:
    """Return a text of ours as Markdown: letter by letter, but for what stands in backticks."""
    return "".join(f"`{part}`" if place % 2 else plain(part) for place, part in enumerate(text.split("`")))


def _tell_effort(found: Examination) -> str:
    diagnosis = found.diagnosis
    if diagnosis.certainty is Certainty.INDICATED:
        return ""
    return f"; found after {diagnosis.tried:,} combinations"


def _tell_more(diagnosis: Diagnosis) -> str:
    """Return what the explanation says beyond the causes' titles and the details of the changes."""
    more = diagnosis.explanation
    for code in diagnosis.causes:
        more = more.replace(CAUSES[code].title, "")
    return "" if diagnosis.changes else more.strip()


def _show_change(change: Change) -> None:
    seen = difference(change.given, change.signed)
    st.markdown(
        f"{plain(change.part.capitalize())}, first difference at byte **{seen.offset:,}**: {plain(change.detail)}"
    )
    width = max(len(seen.given_hex), len(seen.signed_hex))
    sides = (("at hand", seen.given_hex, seen.given_text), ("signed ", seen.signed_hex, seen.signed_text))
    lines = [f"{name}  {dump:<{width}}  {text}" for name, dump, text in sides]
    same = find_difference(bytes.fromhex(seen.given_hex), bytes.fromhex(seen.signed_hex))
    st.code("\n".join([*lines, f"{'':9}{'':{3 * same}}^^"]), language=None)


def _show_tried(found: Examination) -> None:
    diagnosis = found.diagnosis
    sides = (("What remains", diagnosis.remaining), ("Ruled out", diagnosis.ruled_out))
    for column, (title, lines) in zip(st.columns(2), sides, strict=True):
        if lines:
            column.markdown(f"**{title}**\n" + "\n".join(f"- {plain(line)}" for line in lines))


def _show_receivers() -> None:
    with st.expander("A receiver that does it right", icon=":material/code:"):
        tabs = st.tabs([*RECEIVERS, "Other frameworks"])
        for tab, (name, source) in zip(tabs, RECEIVERS.items(), strict=False):
            tab.code(source, language=_LANGUAGES[name])
        tabs[-1].markdown("\n".join(f"- **{plain(name)}**: {line}" for name, line in FRAMEWORKS))


def show_facts(facts: Sequence[Fact]) -> None:
    """Draw what the store knows of the payload."""
    pages = navigation.build_pages()
    with st.container(gap="xxsmall"):
        st.markdown("**The payload**")
        for fact in facts:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{_FITS[fact.fits]} {plain(fact.text)}", width="content")
                if fact.execution is not None:
                    _link(pages["execution"], id=str(fact.execution))
                if fact.delivery is not None:
                    _link(pages["webhook_debugger"], delivery=str(fact.delivery))


def _link(page: StreamlitPage, **params: str) -> None:
    st.page_link(page, label="Open", icon=":material/arrow_forward:", query_params=params)
