"""The scripts to take away are run: they verify the very bytes, and what is hostile stays data in them.

Go is not run, for its compiler is not among the tests' requirements: its script is taken apart as tokens, and the
bytes that stand in it are verified here.
"""

import base64
import http.server
import json
import os
import random
import re
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from lamina_core import signing
from lamina_core.debugger.records import Change, Specimen
from lamina_core.debugger.snippets import LARGEST, verifier_snippets

KEY = signing.SigningKey.from_seed("lamina-webhook-v1", bytes(range(32)))
OTHER = signing.SigningKey.from_seed("other", bytes(range(1, 33)))
TIMESTAMP = "1764000000"
COMMANDS = {
    "Python": ("verify.py", [sys.executable]),
    "Node": ("verify.mjs", ["node"]),
    "curl + openssl": ("verify.sh", ["sh"]),
}
HOSTILE = [
    "'; touch pwned; '",
    '"; open("pwned", "w"); "',
    "`touch pwned`$(touch pwned)${x}",
    '"""\nopen("pwned", "w")\n"""',
    "`);\nrequire('fs').writeFileSync('pwned', '');//",
    "\\",
    "\\'\n\"\r\n#\n",
    "BASE64\nEOF\ntouch pwned\n",
    "@BODY@@KEY@",
    "\x00\u2028\ud800\ufeff",
]


def specimen_of(body: bytes, timestamp: str = TIMESTAMP) -> Specimen:
    signature = KEY.private.sign(timestamp.encode(errors="replace") + b"." + body).hex()
    return Specimen(signature=signature, timestamp=timestamp, body=body)


@pytest.fixture
def run(tmp_path):
    """Run one language's script and return its exit status and what it printed; nothing may go to standard error."""

    def run(name, scripts, *arguments, environment=None):
        file, command = COMMANDS[name]
        (tmp_path / file).write_text(scripts[name])
        done = subprocess.run(
            [*command, file, *arguments],
            cwd=tmp_path,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    yield run
    assert not (tmp_path / "pwned").exists()


def payloads() -> list[bytes]:
    rng = random.Random(5)
    document = {"data": {"name": "Grüße 🦊 \u2028", "f": rng.random(), "text": "x" * rng.randrange(3_000)}}
    return [b"", json.dumps(document, ensure_ascii=False).encode(), rng.randbytes(4_000), rng.randbytes(LARGEST), b"\n"]


@pytest.mark.parametrize("name", COMMANDS)
def test_script_holds_for_what_was_signed_and_not_for_what_was_altered(run, name):
    for body in payloads():
        given = specimen_of(body)
        status, told, _ = run(name, verifier_snippets(given, KEY.public()))
        assert (status, told.startswith("VERIFIED")) == (0, True)
    altered = replace(given, body=b"\n\n")
    status, told, complaint = run(name, verifier_snippets(altered, KEY.public()))
    assert (status, told.startswith("NOT VERIFIED"), complaint) == (1, True, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_script_fails_with_another_key_another_timestamp_and_no_signature(run, name):
    given = specimen_of(b"{}")
    assert run(name, verifier_snippets(given, OTHER.public()))[0] == 1
    for altered in (
        replace(given, timestamp="1764000001"),
        replace(given, timestamp=None, signature=None),
        replace(given, signature=given.signature + "\n"),
    ):
        assert run(name, verifier_snippets(altered, KEY.public()))[0] == 1
    assert run(name, verifier_snippets(replace(given, signature=given.signature.upper()), KEY.public()))[0] == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_long_body_is_read_from_the_file_that_is_named(run, tmp_path, name):
    body = random.Random(6).randbytes(LARGEST + 1)
    scripts = verifier_snippets(specimen_of(body), KEY.public())
    assert "name a file with exactly these bytes" in scripts[name]
    assert len(scripts[name]) < 5_000
    (tmp_path / "body.bin").write_bytes(body)
    assert run(name, scripts, "body.bin")[0] == 0
    (tmp_path / "body.bin").write_bytes(body[:-1])
    assert run(name, scripts, "body.bin")[0] == 1
    status, _, complaint = run(name, scripts)
    assert (status, complaint.startswith("Name the file")) == (2, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_hostile_text_stays_data(run, name):
    together = "".join(HOSTILE)
    for text in (HOSTILE[-1], together):
        assert run(name, verifier_snippets(specimen_of(text.encode(errors="replace"), text), KEY.public()))[0] == 0
    wrong = Specimen(signature=together, timestamp=together, body=b"x")
    assert run(name, verifier_snippets(wrong, KEY.public()))[0] == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_with_changes_the_script_verifies_what_was_signed_and_says_so(run, name):
    signed = specimen_of(b'{"a":1}')
    given = replace(signed, body=b'{"a": 1}', timestamp="1764000000000", signature=f"0x{signed.signature}")
    changes = (
        Change("signature_prefix", "signature", "", given.signature.encode(), signed.signature.encode()),
        Change("timestamp_milliseconds", "timestamp", "", b"1764000000000", b"1764000000"),
        Change("body_reformatted", "body", "", given.body, signed.body),
    )
    assert run(name, verifier_snippets(given, KEY.public()))[0] == 1
    scripts = verifier_snippets(given, KEY.public(), changes)
    assert "It verifies what was SIGNED" in scripts[name]
    assert "body (body_reformatted)" in scripts[name]
    assert run(name, scripts)[0] == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_a_message_that_was_joined_otherwise_stands_whole_in_the_script(run, name):
    message = b'{"a":1}.1764000000'
    given = Specimen(signature=KEY.private.sign(message).hex(), timestamp=TIMESTAMP, body=b'{"a":1}')
    change = Change("message_order", "message", "", b'1764000000.{"a":1}', message)
    scripts = verifier_snippets(given, KEY.public(), [change])
    assert "the whole message" in scripts[name]
    assert run(name, scripts)[0] == 0


def test_changes_that_do_not_lead_to_what_was_signed_are_not_claimed():
    given = specimen_of(b"{}")
    change = Change("body_reformatted", "body", "", b"{}", b"{ }")
    assert verifier_snippets(given, KEY.public(), [change]) == verifier_snippets(given, KEY.public())


def test_overlong_headers_are_cut_and_the_script_says_so():
    scripts = verifier_snippets(replace(specimen_of(b"{}"), timestamp="1" * 2_000_000), KEY.public())
    assert all(len(script) < 8_000 and "are cut after 1,000" in script for script in scripts.values())


def test_shell_script_fetches_the_key_set_and_tries_each_key(run):
    sets = {
        "/both": [signing.to_jwk(OTHER.public()), signing.to_jwk(KEY.public())],
        "/other": [signing.to_jwk(OTHER.public())],
        "/none": [],
    }
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("x-api-key"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": sets[self.path]}, indent=2).encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    scripts = verifier_snippets(specimen_of(b"{}"), OTHER.public())  # the key in the script is the wrong one
    base = f"http://127.0.0.1:{server.server_address[1]}"
    told = [
        run("curl + openssl", scripts, environment={"KEY_SET_URL": base + path, "LAMINA_API_KEY": "lma_x"})[0]
        for path in sets
    ]
    server.shutdown()
    server.server_close()
    assert told == [0, 1, 2]
    assert asked == ["lma_x"] * 3
    status, told, _ = run("curl + openssl", scripts, environment={"KEY_SET_URL": base})
    assert (status, told) == (2, ""), "a key set that cannot be fetched says nothing about the signature"


GO_TOKEN = re.compile(
    r'(?P<comment>//[^\n]*)|(?P<raw>`[^`]*`)|(?P<text>"(?:[^"\\\n]|\\[n"\\])*")'
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<number>\d+)|(?P<sign>[-+*/=<>!:&|.,;(){}\[\]]+)|(?P<space>\s+)"
)


def go_tokens(source: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while place < len(source):
        found = GO_TOKEN.match(source, place)
        assert found, f"no Go: {source[place : place + 40]!r}"
        tokens.append((found.lastgroup, found[0]))
        place = found.end()
    return [token for token in tokens if token[0] not in {"space", "comment"}]


def go_variable(source: str, name: str) -> bytes:
    found = re.search(rf'^var {name} = (?:\[\]byte\("([^"\\\n]*)"\)|decode\(`([^`]*)`\))$', source, re.MULTILINE)
    assert found, f"no literal of {name}"
    return found[1].encode() if found[1] is not None else base64.b64decode(found[2])


@pytest.mark.parametrize("timestamp", [TIMESTAMP, *HOSTILE])
@pytest.mark.parametrize("body", payloads(), ids=len)
def test_go_script_has_the_same_tokens_whatever_the_webhook_and_holds_its_bytes(body, timestamp):
    """It is not compiled or run here; see the module."""
    given = specimen_of(body, timestamp)
    source = verifier_snippets(given, KEY.public())["Go"]
    tokens = go_tokens(source)
    names = {text for kind, text in tokens if kind == "name"}
    imported = re.search(r"import \((.*?)\)", source, re.DOTALL)[1].split()
    assert {package.strip('"').rpartition("/")[2] for package in imported} == {
        name.partition(".")[0] for name in names if "." in name and name.partition(".")[0] not in {"data", "raw"}
    }
    signs = "".join(text for kind, text in tokens if kind == "sign")
    assert all(signs.count(opening) == signs.count(closing) for opening, closing in ("()", "{}", "[]"))
    plain = go_tokens(verifier_snippets(specimen_of(b"{}"), KEY.public())["Go"])
    assert [text for kind, text in tokens if kind == "name" and text not in {"decode", "byte"}] == [
        text for kind, text in plain if kind == "name" and text not in {"decode", "byte"}
    ]
    signature = bytes.fromhex(go_variable(source, "signature").decode())
    message = go_variable(source, "timestamp") + b"." + go_variable(source, "body")
    assert KEY.public().verifies(signature, message)
    assert f'const keyX = "{signing.to_jwk(KEY.public())["x"]}"' in source


def test_base64_is_wrapped_at_76():
    for script in verifier_snippets(specimen_of(bytes(1_000)), KEY.public()).values():
        rows = re.findall(r"^A{10,}$", script, re.MULTILINE)
        assert {len(row) for row in rows} == {76}
