"""Where a webhook is pasted, and the keys it is held against; nothing of it is kept but in this browser session."""

from dataclasses import replace
from typing import cast

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from lamina_core import errors, runtime, signing
from lamina_core.debugger.paste import read_pasted
from lamina_core.debugger.records import Examination, KeyMaterial, Specimen, specimen_from
from pages.components.messages import plain, shown

_WHOLE, _FIELDS = "Everything at once", "Separate fields"
_LIVE, _OTHER = "Lamina's key set", "Other keys"
_PLACEHOLDER = (
    "A raw HTTP request, a curl command, a HAR entry, a log line with headers and body, a dump of headers,\n"
    "an API Gateway event, a fetch() call…"
)
_EXACT = "A file keeps the exact bytes; pasted text cannot prove that nothing was changed by copying it."
_RESULT = "examined"  # key of the session's state


def show_form() -> Examination | None:
    """Draw the form; return what was found of what it last held, None before anything was examined."""
    with st.container(horizontal=True, vertical_alignment="center"):
        way = st.segmented_control("How", [_WHOLE, _FIELDS], default=_WHOLE, required=True, key="debugger_way")
        against = st.segmented_control(
            "Held against", [_LIVE, _OTHER], default=_LIVE, required=True, key="debugger_keys"
        )
    live = runtime.current().debugger.live_keys()
    if against == _LIVE:
        st.caption(f":material/key: {plain(live.origin)}, {len(live.keys)} in it. Every key is tried.")
    with st.form("specimen", border=False):
        pasted_keys = _ask_keys() if against == _OTHER else None
        given = _ask_whole() if way == _WHOLE else _ask_fields()
        if st.form_submit_button("Examine", type="primary", icon=":material/troubleshoot:", key="examine"):
            st.session_state.pop(_RESULT, None)
            with shown():
                material = live if against == _LIVE else _read_keys(pasted_keys)
                specimen = _read_whole(*given) if way == _WHOLE else _read_fields(*given)
                st.session_state[_RESULT] = runtime.current().debugger.examine(specimen, material)
    st.caption(
        ":material/lock: Nothing that is pasted here leaves this machine, is logged or is stored, unless you save it."
    )
    return cast("Examination | None", st.session_state.get(_RESULT))


def _ask_whole() -> tuple[str, UploadedFile | None]:
    left, right = st.columns([3, 1])
    text = left.text_area("The webhook", height=150, placeholder=_PLACEHOLDER, key="debugger_whole")
    file = right.file_uploader(
        "Or a file with it",
        key="debugger_file",
        max_upload_size=4,
        help=_EXACT,
    )
    return text, file


def _ask_fields() -> tuple[str, str, str, str, UploadedFile | None]:
    left, right, file_side = st.columns([1, 2, 1])
    timestamp = left.text_input(signing.TIMESTAMP_HEADER, key="debugger_timestamp")
    signature = right.text_input(signing.SIGNATURE_HEADER, key="debugger_signature")
    request_id = left.text_input(f"{signing.REQUEST_ID_HEADER} (optional)", key="debugger_request_id")
    body = right.text_area("Body", height=160, key="debugger_body")
    file = file_side.file_uploader("Or the body as a file", key="debugger_body_file", max_upload_size=4, help=_EXACT)
    return timestamp, signature, request_id, body, file


def _ask_keys() -> tuple[str, UploadedFile | None]:
    left, right = st.columns([3, 1])
    text = left.text_area(
        "Keys",
        height=110,
        placeholder="JWKS, JWK, PEM, or 32 bytes in base64 or hex. Public keys only.",
        key="debugger_key_text",
    )
    return text, right.file_uploader("Or a file with keys, DER too", key="debugger_key_file", max_upload_size=1)


def _read_keys(pasted: tuple[str, UploadedFile | None] | None) -> KeyMaterial:
    text, file = pasted or ("", None)
    return runtime.current().debugger.read_keys(file.getvalue() if file else text)


def _read_whole(text: str, file: UploadedFile | None) -> Specimen:
    if not text.strip() and file is None:
        raise errors.PasteRefused("Paste a webhook, or choose a file, and examine it then.")
    return read_pasted(file.getvalue() if file else text)


def _read_fields(timestamp: str, signature: str, request_id: str, body: str, file: UploadedFile | None) -> Specimen:
    if not (timestamp or signature or body or file):
        raise errors.PasteRefused("Fill in timestamp, signature and body, and examine them then.")
    named = (
        (signing.SIGNATURE_HEADER, signature),
        (signing.TIMESTAMP_HEADER, timestamp),
        (signing.REQUEST_ID_HEADER, request_id),
    )
    content = file.getvalue() if file else body.encode(errors="surrogatepass")
    specimen = specimen_from(
        [(name, value) for name, value in named if value], content, exact=file is not None, source="separate fields"
    )
    return replace(specimen, headers=())
