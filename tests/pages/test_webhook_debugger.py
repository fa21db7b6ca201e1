"""The webhook debugger's screen: what is pasted, told and kept, and the bench that signs and sends."""

import json
import logging
import pickle
import re
import shlex
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import intake, signing
from lamina_core.domain import Operator, Role, Verdict
from lamina_core.sandbox.server import Sandbox
from lamina_core.signing import REQUEST_ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, SigningKey
from lamina_core.store.deliveries import Arrival
from lamina_core.webhooks import receiver
from tests.pages.conftest import ADA, HOSTILE, Desk, Screen, plain

Headers = dict[str, str]
SEED = bytes(range(32))
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
STRANGER = SigningKey.from_seed("stranger-1", SEED)
BADGE = re.compile(r":(green|red)-badge\[:material/[a-z_]+: ([a-z -]+)\]")
DRAWN = ("markdown", "caption", "subheader", "error", "warning", "info", "success")


def body_of(name: str = "exec-1", status: str = "completed", **more: Any) -> bytes:
    outputs = [{"label": "Picture", "value": "https://media.example.com/ä.png", "status": "completed"}]
    data = {"executionId": name, "workflowId": "app-1", "status": status, "outputs": outputs, **more}
    return json.dumps({"data": data}, separators=(",", ":"), ensure_ascii=False).encode()


def sign(
    desk: Desk, sandbox: Sandbox, body: bytes, *, age: float = 0, key: SigningKey | None = None, name: str = "exec-1"
) -> Headers:
    """Sign a body as Lamina would have so many seconds ago; with another key than its own if one is given."""
    signer = key or sandbox.signing_key()
    assert signer is not None
    timestamp = str(int((desk.parts.clock.now() - timedelta(seconds=age)).timestamp()))
    return {
        SIGNATURE_HEADER: signer.sign(timestamp, body),
        TIMESTAMP_HEADER: timestamp,
        REQUEST_ID_HEADER: name,
        "Content-Type": "application/json",
    }


def as_curl(headers: Headers, body: bytes | str) -> str:
    text = body if isinstance(body, str) else body.decode()
    named = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items())
    return f"curl -X POST https://example.com/hook {named} --data-raw {shlex.quote(text)}"


def rewritten(body: bytes) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def deliver(
    desk: Desk, headers: Headers, body: bytes, verdict: Verdict = Verdict.ACCEPTED, reason: str | None = None
) -> int:
    """Have a webhook taken as the receiver hands it over; returns its number."""
    now = desk.parts.clock.now()
    arrival = Arrival(
        received_at=now,
        verdict=verdict,
        reason=reason,
        answered=200 if verdict is Verdict.ACCEPTED else 401,
        request_id=headers.get(REQUEST_ID_HEADER),
        key_id=None,
        headers=headers,
        body=body,
        content_hash=sha256(body).hexdigest(),
        start_token=None,
    )
    return desk.parts.writer.run(lambda connection: intake.take_deliveries(connection, [arrival], now))[0]


def examine(screen: Screen, **fields: str) -> Screen:
    """Fill in fields by the end of their key, and examine them."""
    for name, text in fields.items():
        field = next(
            widget
            for widget in [*screen.at.text_area, *screen.at.text_input]
            if str(widget.key).startswith(f"debugger_{name}")
        )
        field.set_value(text)
    return screen.press("Examine").expect_no_traceback()


def choose(screen: Screen, control: str, option: str) -> Screen:
    screen.widget("button_group", control).set_value(option)
    return screen.run()


def badges(screen: Screen) -> dict[str, str]:
    """The badges that stand alone, each with its colour."""
    found = (BADGE.fullmatch(element.value) for element in screen.at.main.markdown)
    return {badge[2]: badge[1] for badge in found if badge}


def causes(screen: Screen) -> dict[str, str]:
    """The causes that are told, each with its certainty."""
    pattern = re.compile(r"-badge\[:material/[a-z]+: cause ([a-z]+)\] `([a-z0-9_]+)`$")
    found = (pattern.search(element.value) for element in screen.at.main.markdown)
    return {match[2]: match[1] for match in found if match}


def everything(screen: Screen) -> str:
    """All that was sent to the browser, and all that its session keeps."""
    sent = [str(element.proto) for element in screen.at._tree if hasattr(element, "proto")]
    state = screen.at.session_state._state._state
    kept = [repr(getattr(state, name)) for name in (*type(state).__dataclass_fields__, "filtered_state")]
    return "\n".join([*sent, *kept])


def store_of(desk: Desk) -> bytes:
    """All bytes of the database, those that are not in its main file yet too."""
    file = Path(desk.parts.settings.database_url.removeprefix("sqlite:///"))
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


def uploader(screen: Screen, key: str) -> Any:
    return next(widget for widget in screen.at.file_uploader if widget.key.startswith(key))


# The form


def test_the_empty_form_says_what_can_be_pasted_and_what_it_is_held_against(desk: Desk):
    screen = desk.open("webhook_debugger")
    assert "A raw HTTP request, a curl command" in screen.widget("text_area", "The webhook").placeholder
    assert re.search(r"Lamina's key set, read (just now|\d+ s ago), 1 in it. Every key is tried.", screen.text)
    assert "unless you save it" in screen.text
    assert (badges(screen), screen.errors, screen.has_widget("tabs", "Share")) == ({}, [], False)
    assert [expander.label for expander in screen.at.expander] == []


@pytest.mark.parametrize(
    ("pasted", "told"),
    [
        ("", "Paste a webhook, or choose a file, and examine it then."),
        (" \n", "Paste a webhook, or choose a file, and examine it then."),
        ("the webhook is broken", "This is nothing that can be read as a request."),
        ('{"data": {}}', "This is JSON without the headers of a request"),
        (HOSTILE["html"], "This is nothing that can be read as a request."),
    ],
)
def test_what_is_no_webhook_is_told_and_stays_in_the_field(desk: Desk, pasted: str, told: str):
    screen = examine(desk.open("webhook_debugger"), whole=pasted)
    (error,) = screen.errors
    assert error.startswith(told)
    assert badges(screen) == {}
    assert screen.widget("text_area", "The webhook").value == pasted
    assert screen.run().errors == []


def test_empty_separate_fields_are_told(desk: Desk):
    screen = choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields").press("Examine")
    assert screen.errors == ["Fill in timestamp, signature and body, and examine them then."]


def test_what_was_found_before_goes_when_the_next_cannot_be_read(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = examine(desk.open("webhook_debugger"), whole=as_curl(sign(desk, sandbox, body), body))
    assert badges(screen)
    assert badges(examine(screen, whole="nothing")) == {}


# The verdicts and the cause


def test_a_rewritten_body_has_three_verdicts_apart_and_its_cause_is_proved(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(sign(desk, sandbox, body, age=70), rewritten(body)))
    assert badges(screen) == {"well-formed": "green", "not authentic as received": "red", "fresh": "green"}
    assert causes(screen) == {"body_reformatted": "verified"}
    assert "Exactly this change makes the signature hold; found after " in screen.text
    assert "Body, first difference at byte **1**: signed: compact" in screen.text
    (proof,) = [element.value.splitlines() for element in screen.at.code if element.value.startswith("at hand")]
    assert proof == [
        'at hand  7b 0a 20 20 22 64 61 74 61 22 3a 20 7b 0a 20 20  {\\n··"data":·{\\n··',
        'signed   7b 22 64 61 74 61 22 3a 7b 22 65 78 65 63 75 74  {"data":{"execut',
        "            ^^",
    ]
    assert "Verify the bytes of the request as they arrived" in screen.text
    assert re.search(r"Held against 1 key: Lamina's key set, read (just now|\d+ s ago)\.", screen.text)
    assert re.search(
        r"Signed 1 min 1\d s ago by the clock here, at \d\d:\d\d:\d\d UTC; 300 s are accepted", screen.text
    )
    assert "What remains" not in screen.text
    assert [tab.label for tab in screen.at.tabs if tab.label in {"Python", "Other frameworks"}].count("Python") == 2


def test_two_mistakes_are_both_told_with_one_fix_each(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = sign(desk, sandbox, body)
    signature = "sha256=" + headers[SIGNATURE_HEADER]
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(headers | {SIGNATURE_HEADER: signature}, rewritten(body)))
    assert badges(screen)["not well-formed"] == "red"
    assert causes(screen) == {"signature_prefix": "verified", "body_reformatted": "verified"}
    assert "Signature, first difference at byte **0**" in screen.text
    fixes = [element.value for element in screen.at.main.markdown if element.value.startswith(":material/build:")]
    assert len(fixes) == 2


def test_a_cut_signature_is_indicated_with_what_was_seen(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = sign(desk, sandbox, body)
    headers[SIGNATURE_HEADER] = headers[SIGNATURE_HEADER][:126]
    screen = examine(desk.open("webhook_debugger"), whole=as_curl(headers, body))
    assert badges(screen) == {"not well-formed": "red", "not authentic as received": "red", "fresh": "green"}
    assert causes(screen) == {"signature_cut": "indicated"}
    assert "Nothing makes it hold, but the evidence points there. 126 hex digits, 63 bytes" in screen.text
    assert "What remains" in screen.text
    assert "A forged request." in screen.text


def test_a_forged_one_has_no_cause_but_what_was_tried_and_what_remains(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = examine(desk.open("webhook_debugger"), whole=as_curl(sign(desk, sandbox, body, key=STRANGER), body))
    assert badges(screen) == {"well-formed": "green", "not authentic as received": "red", "fresh": "green"}
    assert causes(screen) == {}
    (warning,) = [plain(element.value) for element in screen.at.main.warning]
    assert re.fullmatch(
        r"Nothing that was tried makes it verify: [\d,]{3,} combinations in \d\.\d s, none verifies\..*", warning
    )
    for line in (
        "What remains",
        "Another key than this one.",
        "A forged request.",
        "Ruled out",
        "other forms of the body",
    ):
        assert line in screen.text, line
    assert "text cannot prove them equal" in screen.text


def test_an_old_one_is_authentic_and_stale(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = examine(desk.open("webhook_debugger"), whole=as_curl(sign(desk, sandbox, body, age=4_000), body))
    assert badges(screen) == {"well-formed": "green", "authentic": "green", "not fresh": "red"}
    assert causes(screen) == {"stale_timestamp": "verified"}
    assert "By key 1 of 1 (lamina-webhook-v1) of Lamina's key set" in screen.text
    assert "Signed 1 h 7 min ago by the clock here" in screen.text
    assert "The signature holds over these bytes." in screen.text
    assert "Exactly this change makes the signature hold" not in screen.text
    assert "combinations" not in screen.text.partition("The payload")[0]


@pytest.mark.parametrize("timestamp", ["9" * 20, "0", "1" * 12])
def test_a_timestamp_beyond_all_calendars_is_told(desk: Desk, timestamp: str):
    screen = examine(
        choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields"),
        timestamp=timestamp,
        signature="ab" * 64,
        body="{}",
    )
    assert badges(screen)["not fresh"] == "red"
    assert re.search(r"Signed [\d,]+ d( \d+ h)? (ago|in the future) by the clock here", screen.text)


def test_separate_fields_are_examined_and_their_text_proves_no_bytes(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = sign(desk, sandbox, body)
    screen = choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields")
    examine(
        screen,
        timestamp=headers[TIMESTAMP_HEADER],
        signature=headers[SIGNATURE_HEADER],
        request_id="another",
        body=body.decode(),
    )
    assert badges(screen) == dict.fromkeys(("well-formed", "authentic", "fresh"), "green")
    assert "The request id is not the id in the body: the receiver refuses that." in screen.text
    assert screen.at.session_state["examined"].specimen.exact is False


def test_a_file_keeps_the_exact_bytes(desk: Desk, sandbox: Sandbox):
    body = b'\xef\xbb\xbf{"data":{}}\r\n\x00\xff'
    headers = sign(desk, sandbox, body)
    screen = choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields")
    uploader(screen, "debugger_body_file").upload("body.bin", body)
    examine(screen, timestamp=headers[TIMESTAMP_HEADER], signature=headers[SIGNATURE_HEADER])
    assert badges(screen)["authentic"] == "green"
    specimen = screen.at.session_state["examined"].specimen
    assert (specimen.body, specimen.exact) == (body, True)
    assert "It cannot be read" in screen.text or "it is not UTF-8 at byte" in screen.text

    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    raw = b"\r\n".join([b"POST /hook HTTP/1.1", b"Host: example.com", *lines, b"", body])
    screen = desk.open("webhook_debugger")
    uploader(screen, "debugger_whole_file").upload("request.http", raw)
    examine(screen)
    assert badges(screen)["authentic"] == "green"
    assert screen.at.session_state["examined"].specimen.body == body


# Keys


def public_forms() -> dict[str, str]:
    public = PRIVATE.public_key()
    jwk = signing.to_jwk(STRANGER.public())
    return {
        "JWK": json.dumps(jwk),
        "JWKS": json.dumps({"keys": [jwk]}),
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "hex": public.public_bytes_raw().hex(),
    }


def test_other_keys_are_held_against_in_any_form(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = sign(desk, sandbox, body, key=STRANGER)
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    assert "Every key is tried" not in screen.text
    for form, text in public_forms().items():
        examine(screen, whole=as_curl(headers, body), keys=text)
        assert badges(screen)["authentic"] == "green", form
        assert "By key 1 of 1" in screen.text
        assert "of the pasted key, read as" in screen.text
        assert screen.widget("text_area", "Keys").value == text
    der = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    uploader(screen, "debugger_keys_file").upload("key.der", der)
    examine(screen, keys="")
    assert badges(screen)["authentic"] == "green"


def test_where_a_pasted_key_fails_lamina_s_own_is_named(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    examine(screen, whole=as_curl(sign(desk, sandbox, body), body), keys=public_forms()["PEM"])
    assert badges(screen)["not authentic as received"] == "red"
    assert causes(screen) == {"key_other": "verified"}
    assert "Lamina's present set" in screen.text


def test_no_key_is_told(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    examine(screen, whole=as_curl(sign(desk, sandbox, body, key=STRANGER), body), keys=" ")
    assert causes(screen) == {"no_key": "indicated"}
    assert "Held against 0 keys: no key." in screen.text
    assert "Without a key there is nothing to verify with." in screen.text


def private_forms() -> dict[str, tuple[str, str]]:
    """A private key's texts, each with a piece of it that must be nowhere."""
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    d = urlsafe_b64encode(SEED).rstrip(b"=").decode()
    jwk = json.dumps({**signing.to_jwk(STRANGER.public()), "d": d})
    return {"PEM": (pem, pem.splitlines()[1][24:]), "JWK": (jwk, d)}


@pytest.mark.parametrize("form", private_forms())
def test_a_private_key_is_warned_of_loudly_and_is_nowhere_afterwards(
    desk: Desk, sandbox: Sandbox, form: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    pasted, secret = private_forms()[form]
    body = body_of()
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    screen.widget("text_area", "Keys").set_value(pasted)
    assert secret in pasted
    examine(screen, whole=as_curl(sign(desk, sandbox, body, key=STRANGER), body))
    assert len([text for text in screen.errors if text.startswith("**A private key was pasted.**")]) == 1
    assert screen.widget("text_area", "Keys").value == ""
    assert not any("PRIVATE KEY" in element.value for element in screen.at.caption)  # said once, and loudly
    assert everything(screen).count("https://example.com/hook") > 1  # so that what was looked for could be found
    assert secret not in everything(screen)
    assert secret not in everything(screen.run())
    assert SEED.hex() not in everything(screen)
    assert secret.encode() not in store_of(desk)
    assert secret not in caplog.text
    note = next(element.value for element in screen.at.code if element.value.startswith("# Lamina webhook"))
    assert "**A private key was pasted.**" in note


def test_a_private_key_beside_no_webhook_is_warned_of_too(desk: Desk):
    pasted, secret = private_forms()["PEM"]
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    examine(screen, keys=pasted)
    assert screen.errors[0] == "Paste a webhook, or choose a file, and examine it then."
    assert screen.errors[1].startswith("**A private key was pasted.**")
    assert secret not in everything(screen)


def test_a_private_key_in_the_webhook_s_field_is_taken_out(desk: Desk):
    pasted, secret = private_forms()["PEM"]
    screen = examine(desk.open("webhook_debugger"), whole=pasted)
    assert screen.errors[0] == "This is a private key, not a webhook."
    assert screen.errors[1].startswith("**A private key was pasted.**")
    assert screen.widget("text_area", "The webhook").value == ""
    assert secret not in everything(screen)


@pytest.mark.parametrize("form", private_forms())
def test_a_private_key_within_a_webhook_is_warned_of_and_not_examined(desk: Desk, form: str):
    pasted, secret = private_forms()[form]
    body = json.dumps({"data": {"note": pasted}})
    screen = choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields")
    examine(screen, signature="ab", timestamp="1", body=body)
    check_refused(screen, secret)
    choose(screen, "Pasted as", "Everything at once")
    examine(screen, whole=f"POST / HTTP/1.1\nX-Lamina-Webhook-Signature: ab\n\n{body}")
    check_refused(screen, secret)


def check_refused(screen: Screen, secret: str) -> None:
    assert screen.errors[0] == "There is a private key in this webhook, so it is neither examined nor shown."
    assert screen.errors[1].startswith("**A private key was pasted.**")
    assert not screen.has_widget("button", "Save and share")
    assert secret not in everything(screen)


def test_a_file_with_a_private_key_is_let_go(desk: Desk, sandbox: Sandbox):
    body = body_of()
    der = PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    screen = choose(desk.open("webhook_debugger"), "Held against", "Other keys")
    uploader(screen, "debugger_keys_file").upload("key.der", der)
    examine(screen, whole=as_curl(sign(desk, sandbox, body, key=STRANGER), body))
    assert any(text.startswith("**A private key was pasted.**") for text in screen.errors)
    files = [value for key, value in screen.at.session_state._state._state.filtered_state.items() if "file:" in key]
    assert files
    assert files == [None] * len(files)


# Texts from outside


def check_letter_by_letter(screen: Screen, *, raw: str) -> None:
    """Nothing that is drawn as Markdown holds a text's own markup unescaped, unless in code."""
    values = [str(element.value) for kind in DRAWN for element in getattr(screen.at.main, kind)]
    values += [str(widget.label) for widget in [*screen.at.expander, *screen.at.tabs]]
    values += [str(link.proto.label) for link in screen.at.get("page_link")]
    for value in values:
        assert raw not in re.sub("`[^`]*`", "", value), value


MARKS = {"markdown": "**bold**", "html": "<script>", "latex": "$$c$$", "directive": ":red[red]"}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_in_every_field_are_shown_letter_by_letter(desk: Desk, sandbox: Sandbox, kind: str):
    text, mark = HOSTILE[kind], MARKS.get(kind, "\x00")
    name = " ".join(text.split())[:150]
    desk.keep("running", execution_id=name, app_name=text)
    body = body_of(name, status=text)
    headers = sign(desk, sandbox, body, name=name)
    jwk = {**signing.to_jwk(STRANGER.public()), "kid": text}

    screen = choose(desk.open("webhook_debugger"), "Pasted as", "Separate fields")
    examine(screen, timestamp=text, signature=text, request_id=text, body=text)
    assert badges(screen)["not well-formed"] == "red"
    check_letter_by_letter(screen, raw=mark)

    choose(screen, "Held against", "Other keys")
    examine(
        screen,
        timestamp=headers[TIMESTAMP_HEADER],
        signature=STRANGER.sign(headers[TIMESTAMP_HEADER], body),
        request_id=headers[REQUEST_ID_HEADER],
        body=body.decode(),
        keys=json.dumps({"keys": [jwk]}),
    )
    assert badges(screen)["authentic"] == "green"
    assert f"By key 1 of 1 ({text})" in screen.text
    assert f"number 1, {text}." in screen.text
    assert f"the webhook says {text}." in screen.text
    check_letter_by_letter(screen, raw=mark)

    examine(screen, keys=text)
    check_letter_by_letter(screen, raw=mark)

    choose(choose(screen, "Held against", "Lamina's key set"), "Pasted as", "Everything at once")
    examine(screen, whole=as_curl({**headers, f"X-{text[:90]}": text, TIMESTAMP_HEADER: text}, text))
    check_letter_by_letter(screen, raw=mark)


def test_a_hostile_title_and_name_are_shown_letter_by_letter(desk: Desk):
    screen = examine_one(desk)
    found = screen.at.session_state["examined"]
    for kind, text in HOSTILE.items():
        desk.parts.saved_webhooks.save(Operator(text, Role.OPERATOR), found.specimen, found.material, text[:200], "")
        screen = desk.open("webhook_debugger")
        link = screen.at.get("page_link")[0].proto
        assert plain(link.label).replace("\n", " ").strip() == text[:200].strip()
        assert f"{text}, " in screen.text
        check_letter_by_letter(screen, raw=MARKS.get(kind, "\x00"))
        screen.go("webhook_debugger", saved=link.query_string.removeprefix("saved="))
        assert plain(screen.at.subheader[0].value) == text[:200].strip()
        check_letter_by_letter(screen, raw=MARKS.get(kind, "\x00"))


# From the store and back


def examine_one(desk: Desk, **changes: str) -> Screen:
    body = body_of()
    headers = {SIGNATURE_HEADER: "ab" * 63, TIMESTAMP_HEADER: "1773478800", REQUEST_ID_HEADER: "exec-1"} | changes
    return examine(desk.open("webhook_debugger"), whole=as_curl(headers, body))


def test_an_accepted_delivery_opens_by_address_with_what_the_store_knows(desk: Desk, sandbox: Sandbox):
    row_id = desk.keep("completed", execution_id="exec-1", app_name="Studio")
    body = body_of()
    first = deliver(desk, sign(desk, sandbox, body), body)
    again = deliver(desk, sign(desk, sandbox, body), body)
    screen = desk.open("webhook_debugger", delivery=str(again))
    assert screen.at.subheader[0].value == f"Delivery {again}"
    assert badges(screen) == dict.fromkeys(("well-formed", "authentic", "fresh"), "green")
    assert re.search(r"Signed \d s ago when it was received, \d s ago by the clock here", screen.text)
    for fact in (
        "The request id is the id in the body.",
        f"Its execution is stored here as number {row_id}, Studio.",
        "Both say that it is completed.",
        f"The same content came before, as delivery {first}.",
    ):
        assert fact in screen.text, fact
    links = {link.proto.query_string for link in screen.at.get("page_link")}
    assert links == {"", f"id={row_id}", f"delivery={first}"}
    assert f"/webhook-debugger?delivery={again}" in screen.text
    assert not screen.has_widget("text_input", "What it is about")


def test_rejected_and_unchecked_deliveries_open_too(desk: Desk, sandbox: Sandbox):
    body = body_of()
    rejected = deliver(desk, sign(desk, sandbox, body), rewritten(body).encode(), Verdict.REJECTED, "not_verified")
    unchecked = deliver(desk, sign(desk, sandbox, body), body, Verdict.UNCHECKED, "no_key_set")
    bodiless = deliver(desk, sign(desk, sandbox, body), b"", Verdict.REJECTED, "too_large")
    screen = desk.open("webhook_debugger", delivery=str(rejected))
    assert causes(screen) == {"body_reformatted": "verified"}
    assert "text cannot prove" not in screen.text
    assert badges(screen.go("webhook_debugger", delivery=str(unchecked)))["authentic"] == "green"
    screen.go("webhook_debugger", delivery=str(bodiless)).expect_no_traceback()
    assert causes(screen) == {"body_empty": "indicated"}
    assert "No body is stored with it" in screen.text
    assert "The body cannot be read as a report on an execution: it is empty." in screen.text


@pytest.mark.parametrize("number", ["99", "0", "-1", "x", "9" * 17, "9" * 40, "1; DROP TABLE delivery", "\x00", "１"])
def test_a_delivery_that_is_not_there_is_told(desk: Desk, sandbox: Sandbox, number: str):
    body = body_of()
    deliver(desk, sign(desk, sandbox, body), body)
    screen = desk.open("webhook_debugger", delivery=number)
    (error,) = screen.errors
    assert error.startswith(f"There is no delivery {number[:30]} in this store.")
    assert [link.proto.label for link in screen.at.get("page_link")] == ["Examine another webhook"]
    assert badges(screen) == {}


@pytest.mark.parametrize("token", ["x", "0" * 32, "\x00", "../etc", "%" * 5_000])
def test_a_saved_webhook_that_is_not_there_is_told(desk: Desk, token: str):
    screen = desk.open("webhook_debugger", saved=token)
    assert screen.errors == ["There is no saved webhook at this address. It may have been deleted."]


def test_garbage_for_a_mode_opens_the_form(desk: Desk):
    for mode in ("nonsense", "\x00", HOSTILE["html"]):
        assert desk.open("webhook_debugger", mode=mode).has_widget("text_area", "The webhook")


def test_what_is_saved_opens_elsewhere_with_the_same_diagnosis_until_it_is_deleted(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = {**sign(desk, sandbox, body), "Authorization": "Bearer h1dden"}
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(headers, rewritten(body)))
    screen.widget("text_input", "What it is about").set_value(" Order of today ")
    screen.press("Save and share").expect_no_traceback()
    token = screen.params["saved"]
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert f"/webhook-debugger?saved={token}" in screen.text
    assert screen.at.subheader[0].value == "Order of today"

    other = desk.open("webhook_debugger", saved=token)
    assert badges(other) == {"well-formed": "green", "not authentic as received": "red", "fresh": "green"}
    assert causes(other) == {"body_reformatted": "verified"}
    assert "first difference at byte **1**: signed: compact" in other.text
    assert "the keys that were saved with it" in other.text
    assert "h1dden" not in everything(other)
    assert b"h1dden" not in store_of(desk)

    listed = desk.open("webhook_debugger")
    assert [expander.label for expander in listed.at.expander] == ["Saved webhooks (1)"]
    link = listed.at.get("page_link")[0].proto
    assert (link.label, link.query_string) == ("Order of today", f"saved={token}")

    other.press("Delete it").expect_no_traceback()
    assert "saved" not in other.params
    assert other.has_widget("text_area", "The webhook")
    assert other.go("webhook_debugger", saved=token).errors == [
        "There is no saved webhook at this address. It may have been deleted."
    ]
    assert list(desk.open("webhook_debugger").at.expander) == []


def test_saved_without_a_title_it_is_untitled_and_saved_twice_it_is_there_twice(desk: Desk):
    screen = examine_one(desk)
    screen.press("Save and share")
    screen = examine_one(desk).press("Save and share")
    assert [entry.title for entry in desk.parts.saved_webhooks.newest()] == ["Untitled", "Untitled"]
    assert [plain(link.proto.label) for link in screen.at.get("page_link")][:1] == ["Examine another webhook"]


def test_a_saved_one_is_examined_anew_when_it_is_looked_at_later(desk: Desk, sandbox: Sandbox):
    body = body_of()
    deliver(desk, sign(desk, sandbox, body), body)
    screen = desk.open("webhook_debugger", delivery="1")
    asked, at, found, name = screen.at.session_state["examined_stored"]
    assert screen.run().at.session_state["examined_stored"][1] == at
    screen.at.session_state["examined_stored"] = (asked, at - timedelta(minutes=2), found, name)
    assert screen.run().at.session_state["examined_stored"][1] > at


def test_nothing_pasted_is_stored_or_logged_unless_it_is_saved(
    desk: Desk, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    body = body_of(note="planted-7Gq2")
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(sign(desk, sandbox, body), rewritten(body)))
    assert causes(screen) == {"body_reformatted": "verified"}
    examine(screen, whole="planted-7Gq2 is no webhook")
    choose(choose(screen, "Pasted as", "Separate fields"), "Held against", "Other keys")
    examine(screen, timestamp="planted-7Gq2", signature="planted-7Gq2", body="planted-7Gq2", keys="planted-7Gq2")
    assert b"planted-7Gq2" not in store_of(desk)
    assert "planted-7Gq2" not in caplog.text

    choose(choose(screen, "Pasted as", "Everything at once"), "Held against", "Lamina's key set")
    examine(screen, whole=as_curl(sign(desk, sandbox, body), body)).press("Save and share").expect_no_traceback()
    assert b"planted-7Gq2" in store_of(desk)  # so that the search above could have found it
    assert "planted-7Gq2" not in caplog.text


def test_what_is_kept_in_the_session_can_be_pickled(desk: Desk, sandbox: Sandbox):
    body = body_of()
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(sign(desk, sandbox, body), rewritten(body)))
    deliver(desk, sign(desk, sandbox, body), body)
    kept = [screen.at.session_state["examined"]]
    screen.go("webhook_debugger", delivery="1")
    kept.append(screen.at.session_state["examined_stored"])
    assert pickle.loads(pickle.dumps(kept)) == kept


def test_the_takeaway_holds_a_note_the_signed_bytes_and_scripts(desk: Desk, sandbox: Sandbox):
    body = body_of()
    headers = sign(desk, sandbox, body)
    deliver(desk, headers, body)
    screen = desk.open("webhook_debugger", delivery="1")
    codes = [element.value for element in screen.at.code]
    (note,) = [text for text in codes if text.startswith("# Lamina webhook: authentic and fresh")]
    assert "The request id is the id in the body." in note
    assert "/webhook-debugger?delivery=1" in note
    (dump,) = [text for text in codes if text.startswith("00000000")]
    raw = bytes.fromhex("".join(line[10:57] for line in dump.splitlines()))
    assert raw == f"{headers[TIMESTAMP_HEADER]}.".encode() + body
    assert {tab.label for tab in screen.at.tabs} == {
        *("Note for a ticket", "Verify elsewhere", "Signed bytes", "Share"),
        *("Python", "Node", "Go", "curl + openssl"),
    }
    assert [button.label for button in screen.at.get("download_button")] == ["webhook.md", "message.bin"]


# The bench


class Served:
    """A desk in sandbox mode whose receiver is served on a real port."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        app = Starlette(routes=[Route(receiver.PATH, desk.parts.receiver.receive, methods=["POST"])])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        desk.parts.learn_address(self.address)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listener.close()


@pytest.fixture
def served(make_desk: Callable[..., Desk], closed_port: str) -> Iterator[Served]:
    desk = make_desk(
        closed_port, LAMINA_API_KEY="", LAMINA_BASE_URL="", LAMINA_SANDBOX_PORT=closed_port.rpartition(":")[2]
    )
    assert desk.parts.sandbox is not None
    desk.parts.sandbox.start()
    running = Served(desk)
    yield running
    running.stop()


def open_bench(desk: Desk) -> Screen:
    return desk.open("webhook_debugger", mode="workbench")


def send_to(screen: Screen, address: str) -> Screen:
    """Send to an address that is typed in: AppTest's own select boxes take none but what they list."""
    box = screen.widget("selectbox", "Send to")
    box.options.append(address)
    box.set_value(address)
    return screen.press("Send").expect_no_traceback()


def shown_headers(screen: Screen) -> Headers:
    (text,) = [element.value for element in screen.at.code if "User-Agent: Lamina-Desk-Workbench" in element.value]
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_each_case_is_sent_to_our_own_receiver_and_answered_as_expected(served: Served):
    screen = open_bench(served.desk)
    assert "with the sandbox's key" in screen.text
    cases = {
        "valid": (200, "Valid"),
        "stale": (401, "Stale"),
        "future": (401, "From the future"),
        "tampered": (401, "Tampered with"),
        "wrong_key": (401, "Wrong key"),
        "missing_signature": (400, "No signature"),
    }
    for case, (answer, words) in cases.items():
        choose(screen, "Case", case).press("Sign").expect_no_traceback()
        assert f"**{words}**: " in screen.text
        assert "**HTTP" not in screen.text  # an earlier answer is not taken for this one's
        screen.press("Send").expect_no_traceback()
        assert re.search(rf"\*\*HTTP {answer}\*\* after \d\.\d\d s :green-badge\[.*as expected\]", screen.text), case
        assert screen.errors == []
    with served.desk.parts.engines.reading() as connection:
        found = connection.exec_driver_sql("SELECT verdict, reason FROM delivery ORDER BY id").all()
    assert [verdict for verdict, _ in found] == ["accepted", *["rejected"] * 5]


def test_a_wrong_answer_is_told_as_such(served: Served):
    screen = open_bench(served.desk)
    screen.widget("text_input", "Request id").set_value("another")
    screen.press("Sign").press("Send").expect_no_traceback()
    assert re.search(r"\*\*HTTP 4\d\d\*\* after .*:red-badge\[.*not as expected\]", screen.text)


def test_an_address_that_is_not_allowed_is_refused_by_name(served: Served):
    screen = open_bench(served.desk).press("Sign")
    send_to(screen, "http://127.0.0.1:1/elsewhere")
    (error,) = screen.errors
    assert "http://127.0.0.1:1/elsewhere is not among the addresses that may be sent to" in error
    assert "LAMINA_DESK_SEND_TO" in error
    send_to(screen, HOSTILE["html"])
    assert screen.errors[0].startswith("Nothing can be sent to this address: ")
    check_letter_by_letter(screen, raw="<script>")


def test_without_an_allowed_address_it_is_told_what_to_set(desk: Desk):
    screen = open_bench(desk)
    assert "with a throw-away key of this process" in screen.text
    screen.press("Sign").expect_no_traceback()
    (info,) = [plain(element.value) for element in screen.at.info]
    assert "set LAMINA_DESK_SEND_TO to the addresses that may be sent to" in info
    assert not screen.has_widget("button", "Send")


def test_what_is_signed_verifies_by_the_key_set_that_is_shown(desk: Desk):
    screen = open_bench(desk).press("Sign")
    (shown,) = [json.loads(element.value) for element in screen.at.code if element.value.startswith("{")]
    headers, body = shown_headers(screen), screen.widget("text_area", "Body").value.encode()
    message = signing.signed_message(headers[TIMESTAMP_HEADER], body)
    raw = signing.parse_key_set(shown)[0].raw
    Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(headers[SIGNATURE_HEADER]), message)
    assert abs(float(headers[TIMESTAMP_HEADER]) - desk.parts.clock.now().timestamp()) < 60


def test_hostile_texts_on_the_bench_are_signed_or_refused_but_never_drawn(desk: Desk):
    screen = open_bench(desk)
    for kind, text in HOSTILE.items():
        screen.widget("text_input", "Request id").set_value(text)
        screen.widget("text_area", "Body").set_value(text)
        screen.press("Sign").expect_no_traceback()
        check_letter_by_letter(screen, raw=MARKS.get(kind, "\x00"))
        refused = not (text.isascii() and len(text) <= 200)
        assert screen.errors == (["Ids are at most 200 printable ASCII characters."] if refused else []), kind


def test_a_sandbox_that_does_not_run_is_told(make_desk: Callable[..., Desk], closed_port: str):
    desk = make_desk(closed_port, LAMINA_API_KEY="", LAMINA_BASE_URL="")
    assert "The sandbox does not run, so its key cannot sign." in open_bench(desk).errors


def test_the_two_halves_of_the_screen_are_an_address_each(desk: Desk):
    screen = choose(desk.open("webhook_debugger"), "What to do", "workbench")
    assert screen.params == {"mode": "workbench"}
    assert screen.has_widget("button", "Sign")
    assert choose(screen, "What to do", "examine").params == {}
    assert screen.has_widget("text_area", "The webhook")


# Roles


def test_a_viewer_may_examine_but_not_save_or_delete(desk: Desk, sandbox: Sandbox, as_viewer: None):
    body = body_of()
    screen = desk.open("webhook_debugger")
    examine(screen, whole=as_curl(sign(desk, sandbox, body), rewritten(body)))
    assert causes(screen) == {"body_reformatted": "verified"}
    screen.press("Save and share").expect_no_traceback()
    assert screen.errors == ["Vera is a viewer; this needs the role operator."]
    assert desk.parts.saved_webhooks.newest() == ()
    found = screen.at.session_state["examined"]
    token = desk.parts.saved_webhooks.save(ADA, found.specimen, found.material, "Ada's", "")
    screen.go("webhook_debugger", saved=token).press("Delete it").expect_no_traceback()
    assert screen.errors == ["Vera is a viewer; this needs the role operator."]
    assert len(desk.parts.saved_webhooks.newest()) == 1


def test_a_viewer_may_sign_but_not_send(served: Served, as_viewer: None):
    screen = open_bench(served.desk).press("Sign").press("Send").expect_no_traceback()
    assert screen.errors == ["Vera is a viewer; this needs the role operator."]
    assert "**HTTP" not in screen.text
