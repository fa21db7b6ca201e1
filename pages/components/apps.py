"""The apps to choose from, and beside a form what the app makes and costs."""

import streamlit as st

from lamina_core import runtime
from lamina_core.api.generations import Feature
from lamina_core.domain import App
from lamina_core.drafts import Draft
from lamina_core.store import catalogue
from pages.components.messages import plain

_CARDS = 30
_MADE_ICONS = {"image": "🖼️", "video": "🎬", "text": "📝", "audio": "🔊"}


def show_apps() -> None:
    """Draw a card for each app that matches what is searched for."""
    with runtime.current().engines.reading() as connection:
        apps = catalogue.listed_apps(connection)
    if not apps:
        st.fragment(_await_apps, run_every=2.0)()
        st.info(
            "The list of apps has not been read from Lamina yet. It appears here once Lamina answers.",
            icon=":material/sync:",
        )
        return
    text = st.text_input(
        "Search", placeholder="Which app?", icon=":material/search:", label_visibility="collapsed", live=True
    )
    words = (text or "").lower().split()
    found = [app for app in apps if all(word in f"{app.name} {app.description}".lower() for word in words)]
    for first in range(0, min(len(found), _CARDS), 3):
        for column, app in zip(st.columns(3), found[first : min(first + 3, _CARDS)], strict=False):
            with column.container(border=True, height="stretch"):
                _show_card(app)
    if len(found) > _CARDS:
        st.caption(f"{_CARDS} of {len(found)} apps. Type more of the name to see the others.")
    if not found:
        st.info("No app matches. Try fewer words.", icon=":material/search_off:")


def _await_apps() -> None:
    with runtime.current().engines.reading() as connection:
        if catalogue.listed_apps(connection):
            st.rerun(scope="app")


def _show_card(app: App) -> None:
    st.markdown(f"**{plain(app.name)}**" + ("" if app.is_public else "  :gray-badge[private]"))
    st.caption("  \n".join(line for line in (plain((app.description or "")[:140]), _describe_makings(app)) if line))
    if st.button("Fill the form", key=f"open:{app.app_id}", icon=":material/edit_note:"):
        st.session_state.pop("draft", None)
        st.query_params.from_dict({"app": app.app_id})
        st.rerun()


def _describe_makings(app: App) -> str:
    kinds = [output.type for output in app.outputs] or list(app.produces)
    return "  ".join(f"{_MADE_ICONS.get(kind, '📦')} {plain(kind)}" for kind in dict.fromkeys(kinds))


def show_side(draft: Draft) -> list[str]:
    """Draw what the app makes and what it costs; return the outputs chosen, none for all."""
    parts = runtime.current()
    labels = [output.label for output in draft.app.outputs]
    chosen: list[str] = []
    if parts.operations.supports(Feature.CHOOSE_OUTPUTS) and len(set(labels)) > 1:
        offered = list(dict.fromkeys(labels))
        before = [label for label in draft.old_outputs if label in offered]
        chosen = st.pills("It makes", offered, default=before, selection_mode="multi", format_func=plain, wrap=True)
        st.caption("Choose outputs to make only those; none chosen makes all.")
    else:
        if labels or draft.app.produces:
            st.markdown("**It makes**")
        for output in draft.app.outputs:
            st.caption(f"{_MADE_ICONS.get(output.type, '📦')} {plain(output.label)}")
        if not labels and draft.app.produces:
            st.caption(_describe_makings(draft.app))
    if draft.estimate is not None:
        cost, left = draft.estimate.expected, draft.estimate.balance
        st.metric("Estimated credits", "unknown" if cost is None else f"{cost:g}", border=True)
        st.caption(f"{left:g} credits are left." if left is not None else "Lamina does not say how many are left.")
    elif not parts.operations.supports(Feature.ESTIMATE):
        st.caption("Estimates and the choice of outputs need LAMINA_API_GENERATION=runs.")
    if parts.webhook_url is None:
        st.caption(":material/webhook: No webhook: LAMINA_PUBLIC_URL is not set, so the result is polled.")
    return chosen
