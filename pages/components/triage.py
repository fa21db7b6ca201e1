"""What support does about failures: the advice, the bar on an execution's screen, notes, and advice of one's own."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial

import streamlit as st

from lamina_core import runtime
from lamina_core.domain import Execution, Operator
from lamina_core.insights import failures
from lamina_core.insights.failures import FailureDetail
from lamina_core.store import catalogue
from lamina_core.store.rules import StoredRule
from lamina_core.triage.advice import ACTION_WORDS, CLASS_WORDS, Action, Advice, FailureClass, Rule
from lamina_core.triage.groups import NOTE_LENGTH
from lamina_core.triage.records import Failure, Triage
from pages.components import frame, navigation
from pages.components.links import is_link
from pages.components.messages import code, plain, shown
from pages.components.settling import Act
from pages.components.status import Colour

_LOOKS: Mapping[Triage, tuple[str, Colour]] = {
    Triage.OPEN: (":material/error:", "red"),
    Triage.ACKNOWLEDGED: (":material/visibility:", "blue"),
    Triage.RESOLVED: (":material/check_circle:", "green"),
}
_ACTS: Mapping[str, str] = {
    "acknowledged": "acknowledged",
    "resolved": "resolved",
    "reopened": "opened again",
    "assigned": "assigned to nobody",
    "ticket_set": "ticket taken away",
}

Change = Callable[[Operator, list[int]], int]
Entry = Callable[[Operator, list[int], str], int]


def show_advice(advice: Advice) -> None:
    """Draw what kind of failure it is, what to do about it, and what support can tell the end user."""
    st.markdown(f":material/lightbulb: **{CLASS_WORDS[advice.failure_class]}** → **{ACTION_WORDS[advice.action]}**")
    st.code(advice.sentence, language=None, wrap_lines=True)
    st.caption(f"To send to the end user · {plain(advice.reason)}")


def show_triage(execution: Execution, found: FailureDetail | None, act: Act) -> None:
    """Draw what support has done about an execution and can do; for one that has not failed, only the notes."""
    if found is None:
        with st.container(horizontal=True):
            _show_note(execution, act)
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            _show_state(found.failure)
            _show_buttons(execution, found.failure, act)
            _show_entries(execution, found.failure, act)
            _show_note(execution, act)
        _show_facts(found)


def _show_state(failure: Failure) -> None:
    icon, colour = _LOOKS[failure.triage]
    by = f" by {failure.triage_by}" if failure.triage_by else ""
    # Not st.badge: it would escape again what is escaped already.
    st.markdown(f":{colour}-badge[{icon} {plain(f'{failure.triage}{by}')}]", width="content")


def _show_buttons(execution: Execution, failure: Failure, act: Act) -> None:
    # All of them always, in their places: a late second click must not meet another one.
    desk, state = runtime.current().triage, failure.triage
    buttons: list[tuple[str, str, str, bool, Change]] = [
        ("Acknowledge", "Acknowledged", "visibility", state is Triage.OPEN, desk.acknowledge),
        ("Resolve", "Resolved", "check", state is not Triage.RESOLVED, desk.resolve),
        ("Reopen", "Opened again", "undo", state is not Triage.OPEN, desk.reopen),
    ]
    for label, done, icon, fits, change in buttons:
        key = f"triage:{label}:{execution.id}"
        if st.button(label, icon=f":material/{icon}:", disabled=not fits, key=key):
            act(execution, done, partial(_change, execution, change))


def _change(execution: Execution, change: Change) -> None:
    change(frame.operator(), [execution.id])


def _show_entries(execution: Execution, failure: Failure, act: Act) -> None:
    desk = runtime.current().triage
    with _form(execution, "Assign", "person_add") as key:
        name = st.text_input("Who looks after it?", failure.assignee or frame.operator().name, key=key)
        st.caption("Empty: nobody.")
        if st.form_submit_button("Save"):
            done = "Assigned" if name.strip() else "Assigned to nobody"
            act(execution, done, partial(_enter, execution, desk.assign, name))
    with _form(execution, "Ticket", "confirmation_number") as key:
        ticket = st.text_input("Where else is it dealt with?", failure.ticket or "", key=key)
        st.caption("A link or a number. Empty: nowhere.")
        if st.form_submit_button("Save"):
            act(execution, "Ticket kept", partial(_enter, execution, desk.set_ticket, ticket))


def _show_note(execution: Execution, act: Act) -> None:
    with _form(execution, "Note", "edit_note") as key:
        text = st.text_area("A note, kept in the timeline", max_chars=NOTE_LENGTH, key=key)
        if st.form_submit_button("Add the note"):
            act(execution, "Note added", partial(_enter, execution, runtime.current().triage.add_note, text))


@contextmanager
def _form(execution: Execution, name: str, icon: str) -> Generator[str]:
    """Open a form behind a button, and give the key of its field; once it was sent, a fresh one stands there, shut."""
    key = f"{name}:{execution.id}:{st.session_state.get(_round_key(execution), 0)}"
    with st.popover(name, icon=f":material/{icon}:", key=f"open:{key}"), st.form(f"form:{key}", border=False):
        yield f"field:{key}"


def _round_key(execution: Execution) -> str:
    return f"entries:{execution.id}"


def _enter(execution: Execution, entry: Entry, text: str) -> None:
    entry(frame.operator(), [execution.id], text)
    key = _round_key(execution)
    st.session_state[key] = st.session_state.get(key, 0) + 1


def _show_facts(found: FailureDetail) -> None:
    failure, group, pages = found.failure, found.group, navigation.build_pages()
    with st.container(horizontal=True, vertical_alignment="center"):
        if failure.resolved_by is not None:
            params = {"id": str(failure.resolved_by)}
            label = f"Closed by replay #{failure.resolved_by}"
            st.page_link(pages["execution"], label=label, icon=":material/replay:", query_params=params)
        if failure.assignee:
            st.caption(f":material/person: {plain(failure.assignee)}", width="content")
        if failure.ticket:
            _show_ticket(failure.ticket)
        others = group.number - 1
        like = f"{others:,} more like it" if others else "The only one of its kind"
        st.page_link(
            pages["failures"],
            label=f"{like}: {plain(group.title)}",
            icon=":material/report:",
            query_params={"group": group.fingerprint},
        )


def _show_ticket(ticket: str) -> None:
    if is_link(ticket):
        st.link_button("Ticket", ticket, icon=":material/open_in_new:", type="tertiary", help=plain(ticket))
    else:
        st.caption(f":material/confirmation_number: {plain(ticket)}", width="content")


def describe_act(kind: str, facts: Mapping[str, object]) -> str | None:
    """Return the words of a line that support left in a timeline, as Markdown; None for any other line."""
    if kind == "note":
        return f"note: {plain(str(facts.get('text', '')))}"
    if kind == "resolved" and facts.get("replay") is not None:
        return f"resolved by replay #{facts['replay']}"
    if kind == "resolved" and facts.get("fingerprint"):
        return "resolved with its whole group"
    if kind == "assigned" and facts.get("to"):
        return f"assigned to {plain(str(facts['to']))}"
    if kind == "ticket_set" and facts.get("ticket"):
        return f"ticket: {plain(str(facts['ticket']))}"
    return _ACTS.get(kind)


def show_own_advice() -> None:
    """Draw the advice that admins have added, and let them change it."""
    parts = runtime.current()
    own = failures.read_own_advice(parts.engines)
    # The key keeps it open while the number in its label changes.
    with st.expander(f"Advice of your own ({len(own)})", icon=":material/lightbulb:", key="own_advice"):
        st.caption("Asked before what is built in, the newest first. To add and to remove it needs the role admin.")
        with parts.engines.reading() as connection:
            names = {app.app_id: app.name for app in catalogue.all_apps(connection)}
        for each in own:
            _show_rule(each, names)
        _show_new_rule(names)


def _show_rule(stored: StoredRule, names: Mapping[str, str]) -> None:
    rule = stored.rule
    app = plain(names.get(rule.app_id, rule.app_id)) if rule.app_id else "every app"
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.markdown(
        f"{code(rule.text)} in {app}: **{CLASS_WORDS[rule.failure_class]}** → "
        f"**{ACTION_WORDS[rule.action]}** · “{plain(rule.sentence)}” · :gray[{plain(rule.author or 'somebody')}, "
        f"{frame.format_clock(stored.added_at)}]"
    )
    if right.button("Remove", key=f"remove_rule:{stored.id}", icon=":material/delete:"):
        with shown():
            runtime.current().triage.remove_rule(frame.operator(), stored.id)
            st.rerun()


def _show_new_rule(names: Mapping[str, str]) -> None:
    number = st.session_state.get("rules_added", 0)
    with st.form(f"new_rule:{number}", border=False):
        text, app = st.columns([2, 1])
        words = text.text_input("The error contains", key=f"rule_text:{number}")
        app_id = app.selectbox(
            "App",
            ["", *names],
            format_func=lambda each: plain(names[each]) if each else "Every app",
            key=f"rule_app:{number}",
        )
        left, right = st.columns(2)
        failure_class = left.selectbox("It is", FailureClass, format_func=lambda each: CLASS_WORDS[each])
        action = right.selectbox("So", Action, format_func=lambda each: ACTION_WORDS[each])
        sentence = st.text_input("What to tell the end user", key=f"rule_sentence:{number}")
        if st.form_submit_button("Add", icon=":material/add:"):
            with shown():
                rule = Rule(words, failure_class, action, sentence, app_id=app_id or None)
                runtime.current().triage.add_rule(frame.operator(), rule)
                st.session_state["rules_added"] = number + 1
                st.rerun()
