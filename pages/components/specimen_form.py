"""Where a webhook is pasted, and the keys it is held against; nothing of it is kept but in this browser session."""

from dataclasses import replace
from typing import cast

import streamlit as st

from lamina_core import errors, runtime, signing
from lamina_core.debugger.keys.material import holds_private_key
from lamina_core.debugger.paste.reader import read_pasted
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen, specimen_from
from pages.components.examination import warn_of_private_key
from pages.components.messages import describe, plain

_WHOLE, _FIELDS = "Everything at once", "Separate fields"
_LIVE, _OTHER = "Lamina's key set", "Other keys"
_PLACEHOLDER = (
    "A raw HTTP request, a curl command, a HAR entry, a log line with headers and body, a dump of headers,\n"
    "an API Gateway event, a fetch() call…"
)
_EXACT = "A file keeps the exact bytes; pasted text cannot prove that nothing was changed by copying it."
_RESULT, _TROUBLE, _PRIVATE = "examined", "examine_trouble", "private_key_pasted"  # keys of the session's state


def show_form() -> Examination | None:
    """Draw the form; return what was found of what it last held, None before anything was examined."""
    with st.container(horizontal=True, vertical_alignment="center"):
        way = st.segmented_control("Pasted as", [_WHOLE, _FIELDS], default=_WHOLE, required=True, key="debugger_way")
        against = st.segmented_control(
            "Held against", [_LIVE, _OTHER], default=_LIVE, required=True, key="debugger_keys"
        )
    if against == _LIVE:
        live = runtime.current().debugger.live_keys()
        st.caption(f":material/key: {plain(live.origin)}, {len(live.keys)} in it. Every key is tried.")
    with st.form("specimen", border=False):
        if against == _OTHER:
            _ask_keys()
        if way == _WHOLE:
            _ask_whole()
        else:
            _ask_fields()
        st.form_submit_button(
            "Examine",
            type="primary",
            icon=":material/troubleshoot:",
            key="examine",
            on_click=_examine,
            args=(way == _WHOLE, against == _LIVE),
        )
    st.caption(
        ":material/lock: Nothing that is pasted here leaves Lamina Desk, is logged or is stored, unless you save it."
    )
    if trouble := st.session_state.pop(_TROUBLE, None):
        st.error(trouble, icon="⚠️")
    if st.session_state.pop(_PRIVATE, False) and _RESULT not in st.session_state:
        warn_of_private_key()
    return cast("Examination | None", st.session_state.get(_RESULT))


def _examine(is_whole: bool, by_live: bool) -> None:
    """Examine what the form holds; as a callback, for only before they are drawn can fields be changed."""
    desk = runtime.current().debugger
    st.session_state.pop(_RESULT, None)
    try:
        material = desk.live_keys() if by_live else _read_keys()
        specimen = _read_whole() if is_whole else _read_fields()
        _check_privacy(specimen, "whole" if is_whole else "body")
        st.session_state[_RESULT] = desk.examine(specimen, material)
    except errors.DeskError as error:
        st.session_state[_TROUBLE] = describe(error)


def _ask_whole() -> None:
    left, right = st.columns([3, 1])
    left.text_area("The webhook", height=150, placeholder=_PLACEHOLDER, key=_key("whole", "text"))
    right.file_uploader("Or a file with it", key=_key("whole", "file"), max_upload_size=4, help=_EXACT)


def _ask_fields() -> None:
    left, right, file_side = st.columns([1, 2, 1])
    left.text_input(signing.TIMESTAMP_HEADER, key="debugger_timestamp")
    right.text_input(signing.SIGNATURE_HEADER, key="debugger_signature")
    left.text_input(f"{signing.REQUEST_ID_HEADER} (optional)", key="debugger_request_id")
    right.text_area("Body", height=160, key=_key("body", "text"))
    file_side.file_uploader("Or the body as a file", key=_key("body", "file"), max_upload_size=4, help=_EXACT)


def _ask_keys() -> None:
    left, right = st.columns([3, 1])
    left.text_area(
        "Keys",
        height=110,
        placeholder="JWKS, JWK, PEM, or 32 bytes in base64 or hex. Public keys only.",
        key=_key("keys", "text"),
    )
    right.file_uploader("Or a file with keys, DER too", key=_key("keys", "file"), max_upload_size=1)


def _key(pair: str, kind: str) -> str:
    """Return the key of a field for text or for a file, another one once what was in it must be forgotten.

    To empty the field would not do: Streamlit keeps what the browser sent of a field until it sends anew.
    """
    return f"debugger_{pair}_{kind}:{st.session_state.get(f'forgotten_{pair}', 0)}"


def _read_keys() -> KeyMaterial:
    text, file = _pasted("keys")
    material = runtime.current().debugger.read_keys(file if file is not None else text)
    if material.holds_private:
        _forget_private_key("keys")
    return material


def _read_whole() -> Specimen:
    text, file = _pasted("whole")
    if not text.strip() and file is None:
        raise errors.PasteRefused("Paste a webhook, or choose a file, and examine it then.")
    pasted = file if file is not None else text
    try:
        return read_pasted(pasted)
    except errors.PasteRefused:
        if runtime.current().debugger.read_keys(pasted).holds_private:
            _forget_private_key("whole")
            raise errors.PasteRefused("This is a private key, not a webhook.") from None
        raise


def _pasted(pair: str) -> tuple[str, bytes | None]:
    """Return the text of a field, and the bytes of the file that was chosen in its place."""
    file = st.session_state.get(_key(pair, "file"))
    return st.session_state.get(_key(pair, "text")) or "", None if file is None else file.getvalue()


def _check_privacy(specimen: Specimen, pair: str) -> None:
    """Raise PasteRefused where a private key stands in the webhook: what is examined is shown."""
    texts = (specimen.signature, specimen.timestamp, specimen.request_id, *(value for _, value in specimen.headers))
    parts = (specimen.body, *(text.encode(errors="surrogatepass") for text in texts if text))
    if any(map(holds_private_key, parts)):
        _forget_private_key(pair)
        raise errors.PasteRefused("There is a private key in this webhook, so it is neither examined nor shown.")


def _forget_private_key(pair: str) -> None:
    st.session_state[_PRIVATE] = True
    st.session_state[f"forgotten_{pair}"] = st.session_state.get(f"forgotten_{pair}", 0) + 1


def _read_fields() -> Specimen:
    texts = {
        name: st.session_state.get(key) or ""
        for name, key in (
            (signing.SIGNATURE_HEADER, "debugger_signature"),
            (signing.TIMESTAMP_HEADER, "debugger_timestamp"),
            (signing.REQUEST_ID_HEADER, "debugger_request_id"),
        )
    }
    body, file = _pasted("body")
    if not (texts[signing.TIMESTAMP_HEADER] or texts[signing.SIGNATURE_HEADER] or body or file is not None):
        raise errors.PasteRefused("Fill in timestamp, signature and body, and examine them then.")
    content = file if file is not None else body.encode(errors="surrogatepass")
    named = [(name, value) for name, value in texts.items() if value]
    specimen = specimen_from(named, content, exact=file is not None, source="separate fields")
    return replace(specimen, headers=())
