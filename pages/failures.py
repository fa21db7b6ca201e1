"""Which few real errors are behind these failures, and what to do about each?"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import streamlit as st

from lamina_core import runtime
from lamina_core.insights import failures
from lamina_core.insights.failures import GroupDetail, GroupListing
from lamina_core.store.groups import GroupView
from lamina_core.triage.records import GroupState
from pages.components import acts, frame, groups, navigation, triage
from pages.components.groups import VIEW_WORDS
from pages.components.messages import shown

_MORE = 10  # failures, after which an ignored group may come back
_MORNING = 9  # o'clock, when tomorrow begins for who ignores a group until then


def asked_view() -> GroupView:
    asked = st.query_params.get("view", "")
    return GroupView(asked) if asked in set(GroupView) else GroupView.OPEN


parts = runtime.current()
view = asked_view()
fingerprint = st.query_params.get("group", "").replace("\x00", "")[:100]
shown_groups: list[str] = []  # in the order of the first reading, which stays while it is looked at
shown_members: list[int] = []
shown_number: list[int] = []  # how many the group had in the first reading

EMPTY = {
    GroupView.OPEN: "No failure is open. New ones appear here by themselves, with those of the same cause in one line.",
    GroupView.IGNORED: "No group is ignored. To ignore one, open it and say until when.",
    GroupView.RESOLVED: "No group is resolved yet. One is when its failures are: by hand, or each by a replay "
    "that succeeds.",
    GroupView.ALL: "Nothing has failed here yet.",
}


def take_view() -> None:
    st.query_params.from_dict({"view": st.session_state["failures_view"]})


def show_views(listing: GroupListing) -> None:
    st.session_state["failures_view"] = view
    st.pills(
        "View",
        list(GroupView),
        required=True,
        format_func=lambda each: f"{VIEW_WORDS[each]} {listing.counts[each]:,}",
        key="failures_view",
        on_change=take_view,
        label_visibility="collapsed",
    )


def show_groups() -> None:
    """Draw the same groups with their present numbers; others wait until they are asked for."""
    if asked_view() != view:  # a click on a view draws this part alone, which still has the old one
        st.rerun(scope="app")
    with shown():
        listing = failures.read_groups(parts.engines, view, frame.now(), shown_groups)
        shown_groups[:] = [row.group.fingerprint for row in listing.rows]
        with st.container(horizontal=True):
            show_views(listing)
            if listing.newer:
                label = f"{listing.newer:,} new group{'s' if listing.newer > 1 else ''}"
                if st.button(label, icon=":material/arrow_upward:", key="show_new", type="primary"):
                    st.rerun(scope="app")
        if not listing.rows:
            st.info(EMPTY[view], icon=":material/check_circle:" if view is GroupView.OPEN else ":material/inbox:")
            return
        groups.show_table(listing.rows, view, listing.as_of)
        number, total = len(listing.rows), listing.counts[view]
        first = f"The {number:,} of {total:,} groups with most open failures. " if total > number else ""
        st.caption(f"{first}Numbers are exact. Sorting by a header sorts the rows shown.")


def show_actions(found: GroupDetail) -> None:
    # Keys that name the group, and all buttons always: a late second click must not meet another one.
    desk, who, row = parts.triage, frame.operator(), found.row
    number = row.group.open_number
    with st.container(horizontal=True, vertical_alignment="center"):
        is_open = row.state is GroupState.OPEN
        if st.button(
            "Acknowledge", icon=":material/visibility:", disabled=not is_open, key=f"acknowledge:{fingerprint}"
        ):
            acts.act(fingerprint, "Acknowledged", lambda: desk.acknowledge_group(who, fingerprint))
        if st.button(
            f"Resolve {number:,}",
            icon=":material/check:",
            disabled=not number,
            key=f"resolve:{fingerprint}",
        ):
            acts.act(fingerprint, "Resolved", lambda: desk.resolve_group(who, fingerprint))
        show_ignoring()
        closed = row.group.state_now(found.as_of) is not GroupState.OPEN
        if st.button(
            "Reopen",
            icon=":material/undo:",
            disabled=not closed,
            key=f"reopen:{fingerprint}",
        ):
            acts.act(fingerprint, "Opened again", lambda: desk.reopen_group(who, fingerprint))


def show_ignoring() -> None:
    """Offer until when the group is ignored."""
    ignore = partial(parts.triage.ignore_group, frame.operator(), fingerprint)
    now, zone = frame.now(), frame.local_zone() or timedelta()
    midnight = (now + zone).replace(hour=0, minute=0, second=0, microsecond=0) - zone
    choices: list[tuple[str, Callable[[], None]]] = [
        (f"Until tomorrow, {_MORNING}:00", partial(ignore, until=midnight + timedelta(days=1, hours=_MORNING))),
        ("For 7 days", partial(ignore, until=now + timedelta(days=7))),
        (f"Until {_MORE} more have failed", partial(ignore, failures_more=_MORE)),
        ("For good", ignore),
    ]
    times = st.session_state.get("times_ignored", 0)  # a new key shuts it
    with st.popover("Ignore", icon=":material/notifications_off:", key=f"ignoring:{fingerprint}:{times}"):
        for place, (label, action) in enumerate(choices):
            if st.button(label, key=f"ignore:{fingerprint}:{place}", type="tertiary"):
                st.session_state["times_ignored"] = times + 1
                acts.act(fingerprint, "Ignored", action)


def show_cause(found: GroupDetail) -> None:
    """Draw the advice, and beside it the error as Lamina gave it."""
    left, right = st.columns(2)
    with left:
        triage.show_advice(found.row.advice)
    with right:
        st.markdown("**The newest error**, as Lamina gave it")
        st.code(found.row.group.sample or "(no message)", language=None, wrap_lines=True)


def show_group() -> None:
    """Draw one group; its executions keep their places until others are asked for."""
    with shown():
        found = failures.read_group(parts.engines, fingerprint, frame.now(), shown_members)
        if found is None:
            st.info("There is no such group of failures in this store.", icon=":material/search_off:")
            return
        shown_members[:] = [member.id for member in found.members]
        shown_number[:] = shown_number or [found.row.group.number]
        groups.show_head(found)
        show_actions(found)
        acts.show_error(fingerprint)
        show_cause(found)
        left, right = st.columns(2)
        with left:
            groups.show_chart(found.row.history)
        with right:
            st.markdown("**What they share**")
            groups.show_likeness(likeness, found.row.group.app_name)
        groups.show_members(found, found.row.group.number - shown_number[0])


if fingerprint:
    st.page_link(
        navigation.build_pages()["failures"],
        label="All failures",
        icon=":material/arrow_back:",
        query_params={"view": view},
    )
    with shown():
        likeness = failures.read_likeness(parts.engines, fingerprint)  # once: too much for each refresh
        st.fragment(show_group, run_every=frame.refresh_interval())()
else:
    st.fragment(show_groups, run_every=frame.refresh_interval())()
    with shown():
        triage.show_own_advice()
