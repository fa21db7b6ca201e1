"""What stands around every screen: where we are, how fresh the data is, who acts, and what is wrong."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TypeVar

import streamlit as st

from lamina_core import identity, runtime
from lamina_core.domain import Operator
from lamina_core.insights import health, listing, wording
from lamina_core.insights.health import Health
from lamina_core.polling.health import ApiState
from pages.components import navigation
from pages.components.messages import plain, shown

_STYLE = Path(__file__).with_suffix(".css")
T = TypeVar("T")

_reading: ContextVar[list[Health] | None] = ContextVar("reading", default=None)

REFRESH = 3.0  # seconds between two looks at the store while the screen is live


def operator() -> Operator:
    """Return who acts in this browser session."""
    return identity.read_operator(st.context.cookies)


def now() -> datetime:
    """Return the present instant by the runtime's clock."""
    return runtime.current().clock.now()


@contextmanager
def one_reading() -> Iterator[None]:
    """Let all parts of a screen share what `read_health` reads; a part that refreshes by itself reads its own."""
    before = _reading.set([])
    try:
        yield
    finally:
        _reading.reset(before)


def read_health() -> Health:
    """Return how the desk is doing."""
    known = _reading.get()
    if known:
        return known[0]
    state = read_shared("health", lambda: health.read_health(runtime.current().engines, now()))
    if known is not None:
        known.append(state)
    return state


def read_shared(key: Hashable, read: Callable[[], T]) -> T:
    """Return a reading that all operators share for a moment, where a part refreshes by itself.

    A whole run reads for itself: somebody may just have changed what it shows.
    """
    return runtime.current().sharing.read(key, read) if _reading.get() is None else read()


def refresh_interval() -> float | None:
    """Return the seconds between two refreshes, None while the operator has paused them."""
    return REFRESH if st.session_state.get("live", True) else None


def show_frame(screen: str) -> None:
    """Draw the frame around a screen; a pasted id leads away from it."""
    settings = runtime.current().settings
    st.html(_STYLE)
    with st.sidebar:
        st.badge(
            plain(settings.environment),
            icon=":material/science:" if settings.sandbox else ":material/public:",
            color="violet" if settings.sandbox else "orange",
            help="The environment. In the sandbox nothing is billed and nothing leaves this machine."
            if settings.sandbox
            else f"Talks to {settings.base_url}",
        )
        st.toggle("Live", key="live", value=True, persist_state="session", help="Refresh the screen by itself")
        _show_live(_show_freshness, screen)
        _show_go_to()
        _show_operator()
    _show_live(_show_notices, screen)


def _show_live(draw: Callable[[], None], screen: str) -> None:
    """Draw a part that refreshes by itself, a fragment of its own on each screen.

    Streamlit knows fragments by name and place: a refresh that the last screen asked for must not find this one's.
    """

    @wraps(draw)
    def part() -> None:
        draw()

    part.__qualname__ = f"{draw.__qualname__}:{screen}"
    st.fragment(part, run_every=refresh_interval())()


def _show_freshness() -> None:
    with shown():
        state = read_health()
        if not st.session_state.get("live", True):
            word, icon = "paused", ":material/pause_circle:"
        elif not state.poller_alive or state.paused_by or state.api.state is not ApiState.OK:
            word, icon = "stale", ":material/warning:"
        else:
            word, icon = "live", ":material/sensors:"
        st.caption(f"{icon} {word} · as of {format_clock(state.as_of)}")


def _take_pasted() -> None:
    """Empty the box once it is read: what stood in it must not lead away from the next screen too."""
    st.session_state["pasted"], st.session_state["go_to"] = st.session_state["go_to"], ""


def _show_go_to() -> None:
    st.text_input(
        "Go to",
        key="go_to",
        on_change=_take_pasted,
        placeholder="id or reference",
        icon=":material/search:",
        label_visibility="collapsed",
        help="Lamina's id of an execution, the customer's reference, the beginning of one, or our own number",
    )
    pasted = st.session_state.pop("pasted", "")
    if not pasted:
        return
    found = listing.find_pasted(runtime.current().engines, pasted)
    if len(found) == 1:
        navigation.open_page("execution", id=str(found[0]))
    if found:
        navigation.open_page("executions", q=pasted.strip())
    st.caption(f":material/search_off: No execution here has that id or reference: {plain(pasted)}")


def _show_operator() -> None:
    name = operator().name
    with st.popover(plain(name), icon=":material/person:", type="tertiary"):
        st.caption("The name that stands beside what you do. It is kept in this browser.")
        st.html(
            '<form action="/operator" method="post" target="_self">'
            '<input name="operator_name" maxlength="60" placeholder="Your name" aria-label="Your name"'
            ' style="padding:.4rem;border:1px solid #8886;border-radius:.4rem;background:transparent;color:inherit">'
            ' <button style="padding:.4rem .8rem;border:1px solid #8886;border-radius:.4rem;background:transparent;'
            'color:inherit;cursor:pointer">Save</button></form>'
        )


def _show_notices() -> None:
    with shown():
        state = read_health()
        for text in _notices(state):
            st.warning(text, icon=":material/warning:")


def _notices(state: Health) -> list[str]:
    found = []
    since = f" since {format_clock(state.api.since)}" if state.api.since else ""
    next_try = f" Next try at {format_clock(state.api.next_try)}." if state.api.next_try else ""
    if state.api.state is ApiState.REFUSED:
        found.append(
            f"**Lamina refuses our key{since}**: {plain(state.api.message or '')}. Polling pauses and no execution "
            f"is changed. Set LAMINA_API_KEY to a valid key and restart.{next_try}"
        )
    elif state.api.state is ApiState.UNREACHABLE:
        found.append(
            f"**Lamina cannot be reached{since}**: {plain(state.api.message or '')} "
            f"What is shown is what was stored; webhooks are still received.{next_try}"
        )
    trouble = runtime.current().writer.trouble
    if trouble is not None:
        found.append(
            f"**Nothing can be stored since {format_clock(trouble.since)}**: {plain(trouble.message)} "
            "What is shown was stored before. Lamina is asked to send webhooks again; it goes on by itself once the "
            "database takes writes."
        )
    if state.paused_by:
        found.append(f"**Polling was paused** by {plain(state.paused_by)}. Resume it on the System screen.")
    elif not state.poller_alive and state.lease is not None:
        age = wording.format_age(state.lease.heartbeat_at, state.as_of)
        found.append(f"**Nobody polls**: the poller showed its last sign of life {age}. See the System screen.")
    return found


def local_zone() -> timedelta | None:
    """Return the browser's distance from UTC, None where it does not say."""
    offset = st.context.timezone_offset
    return None if offset is None else timedelta(minutes=-offset)


def format_clock(instant: datetime) -> str:
    """Return a clock time in the browser's zone; with the date where it is not today."""
    distance = local_zone()
    shifted = instant.astimezone(UTC) + (distance or timedelta())
    today = (now().astimezone(UTC) + (distance or timedelta())).date()
    text = shifted.strftime("%H:%M:%S" if shifted.date() == today else "%Y-%m-%d %H:%M:%S")
    return text if distance is not None else f"{text} UTC"


def format_instant(instant: datetime | None) -> str:
    """Return date, time and zone of an instant, in the browser's zone."""
    if instant is None:
        return "–"
    distance = local_zone() or timedelta()
    shifted = instant.astimezone(UTC) + distance
    minutes = int(distance.total_seconds() // 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    zone = "UTC" if not minutes else f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{shifted:%Y-%m-%d %H:%M:%S} {zone}"
