"""What is taken away from an examination: a note, the signed bytes, scripts that verify them, a lasting address."""

from collections.abc import Sequence

import streamlit as st

from lamina_core import runtime, signing
from lamina_core.debugger.facts import Fact
from lamina_core.debugger.note import write_note
from lamina_core.debugger.passage import hexdump
from lamina_core.debugger.records import Examination
from lamina_core.debugger.snippets import verifier_snippets
from pages.components import frame, navigation
from pages.components.messages import plain, shown

_DUMPED = 4_096  # bytes that are shown
_LANGUAGES = {"Python": "python", "Node": "javascript", "Go": "go", "curl + openssl": "bash"}


def show_takeaway(found: Examination, facts: Sequence[Fact], delivery: int | None) -> None:
    """Draw what can be copied, downloaded or saved."""
    note, script, message, keeping = st.tabs(["Note for a ticket", "Verify elsewhere", "Signed bytes", "Share"])
    with note:
        _show_note(found, facts, delivery)
    with script:
        _show_scripts(found)
    with message:
        _show_message(found)
    with keeping:
        _show_keeping(found, delivery)


def _show_note(found: Examination, facts: Sequence[Fact], delivery: int | None) -> None:
    link = _address(f"delivery={delivery}") if delivery is not None else None
    text = write_note(found, [fact.text for fact in facts], link)
    st.download_button("webhook.md", text.encode(), "webhook.md", "text/markdown", icon=":material/download:")
    st.code(text, language=None, wrap_lines=True, height=360)


def _address(query: str) -> str:
    page = st.context.url or f"{runtime.current().own_address or ''}/webhook-debugger"
    return f"{page.partition('?')[0]}?{query}"


def _show_scripts(found: Examination) -> None:
    key = found.diagnosis.key or next(iter(found.material.keys), None)
    if key is None:
        st.caption("Without a key there is nothing to verify with. Examine it again with one.")
        return
    scripts = verifier_snippets(found.specimen, key, found.diagnosis.changes)
    for tab, (name, source) in zip(st.tabs(list(scripts)), scripts.items(), strict=True):
        tab.code(source, language=_LANGUAGES[name], height=420)


def _show_message(found: Examination) -> None:
    message = signing.signed_message(found.specimen.timestamp or "", found.specimen.body)
    st.caption(
        f"What Lamina signs is `<timestamp>.<body>`: {len(message):,} bytes of this webhook, as they are at hand."
        + (f" The first {_DUMPED:,} are shown." if len(message) > _DUMPED else "")
    )
    st.code("\n".join(hexdump(message, _DUMPED)), language=None, height=360)
    st.download_button("message.bin", message, "message.bin", "application/octet-stream", icon=":material/download:")


def _show_keeping(found: Examination, delivery: int | None) -> None:
    saved = st.query_params.get("saved", "")
    if delivery is not None or saved:
        st.markdown("Who can open this desk can open this address:")
        address = _address(f"delivery={delivery}" if delivery is not None else f"saved={saved}")
        st.code(address, language=None, wrap_lines=True)
    if saved:
        if st.button("Delete it", icon=":material/delete:", key=f"delete:{saved}"):
            with shown():
                runtime.current().saved_webhooks.delete(frame.operator(), saved)
                st.toast("Deleted", icon=":material/check:")
                navigation.open_page("webhook_debugger")
    elif delivery is None:
        _show_saving(found)


def _show_saving(found: Examination) -> None:
    st.caption(
        "Saving keeps the body, Lamina's headers and the public keys in the store, under an address to share. "
        "Other headers and private keys are left out."
    )
    with st.form("saving", border=False):
        title = st.text_input("What it is about", max_chars=200, key="saving_title")
        if st.form_submit_button("Save and share", icon=":material/bookmark_add:"):
            with shown():
                token = runtime.current().saved_webhooks.save(
                    frame.operator(), found.specimen, found.material, title.strip() or "Untitled", ""
                )
                navigation.open_page("webhook_debugger", saved=token)


def show_saved() -> None:
    """Draw the webhooks that were saved, newest first."""
    saved = runtime.current().saved_webhooks.newest()
    if not saved:
        return
    with st.expander(f"Saved webhooks ({len(saved)})", icon=":material/bookmark:"):
        for entry in saved:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(
                    navigation.build_pages()["webhook_debugger"],
                    label=plain(entry.title),
                    icon=":material/bookmark:",
                    query_params={"saved": entry.token},
                )
                st.caption(f"{plain(entry.saved_by)}, {frame.format_instant(entry.saved_at)}", width="content")
