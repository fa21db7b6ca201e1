"""The receivers that operators hand out are started as they are, and do right what they are to show."""

import contextlib
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from lamina_core import signing
from lamina_core.debugger.remedies import FRAMEWORKS, RECEIVERS

OLD, KEY, NEW, STRANGER = (signing.SigningKey.from_seed(f"key-{n}", bytes([n]) * 32) for n in range(1, 5))
DOCUMENT = {"event": "execution.completed", "data": {"executionId": "exec-1", "name": "Grüße 🦊", "seed": 1.0}}
BODY = json.dumps(DOCUMENT, separators=(",", ":"), ensure_ascii=False).encode()
COMMANDS = {"Python": ("receiver.py", sys.executable), "Node": ("receiver.mjs", "node")}


class KeySetServer:
    """Lamina's endpoint of keys: what it serves can be changed, and each read is counted."""

    def __init__(self) -> None:
        self.keys = [OLD.public(), KEY.public()]
        self.reads = 0
        served = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                served.reads += 1
                listed = [{"kty": "RSA", "n": "x", "e": "AQAB"}, *map(signing.to_jwk, served.keys)]
                self.send_response(200 if served.keys else 500)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": listed}).encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/signing-key"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Receiver:
    """One receiver in a process of its own."""

    def __init__(self, name: str, folder, keys: KeySetServer) -> None:
        file, program = COMMANDS[name]
        (folder / file).write_text(RECEIVERS[name])
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.keys = keys
        self.url = f"http://127.0.0.1:{port}/webhooks/lamina"
        self._log = (folder / "log").open("wb")
        environment = {**os.environ, "PORT": str(port), "LAMINA_KEY_SET_URL": keys.url}
        self._process = subprocess.Popen(
            [program, file], cwd=folder, env=environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert self._process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "it does not listen"
                time.sleep(0.02)

    def post(self, body: bytes = BODY, *, key=KEY, age=0, signed=None, without=(), **changed) -> int:
        timestamp = str(int(time.time()) - age)
        headers = {
            "X-Lamina-Webhook-Signature": key.sign(timestamp, body if signed is None else signed),
            "X-Lamina-Webhook-Timestamp": timestamp,
            "X-Lamina-Webhook-Request-Id": "exec-1",
            "Content-Type": "application/json",
        }
        headers |= {f"X-Lamina-Webhook-{name.capitalize()}": value for name, value in changed.items()}
        kept = {name: value for name, value in headers.items() if name not in without}
        request = urllib.request.Request(self.url, body, kept)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def receivers(tmp_path_factory) -> Iterator[dict[str, Receiver]]:
    served = {name: KeySetServer() for name in RECEIVERS}
    started: dict[str, Receiver] = {}
    try:
        for name, keys in served.items():
            started[name] = Receiver(name, tmp_path_factory.mktemp(name), keys)
        yield started
    finally:
        for each in (*started.values(), *served.values()):
            each.close()


@pytest.fixture(params=list(COMMANDS))
def receiver(request, receivers) -> Receiver:
    return receivers[request.param]


def test_valid_webhooks_are_taken_whatever_their_bytes(receiver):
    assert receiver.post() == 200
    before = receiver.keys.reads
    rng = random.Random(3)
    for body in (BODY, json.dumps(DOCUMENT, indent=2).encode() + b"\n", b"", rng.randbytes(300_000)):
        assert receiver.post(body) == 200
    assert receiver.post(key=OLD) == 200, "every key of the set is tried"
    assert receiver.post(age=295) == receiver.post(age=-295) == 200
    assert receiver.keys.reads == before, "the set is kept"


def test_what_is_not_as_it_was_signed_is_refused(receiver):
    pretty = json.dumps(DOCUMENT, indent=2, ensure_ascii=False).encode()
    assert receiver.post(pretty, signed=BODY) == 401
    assert receiver.post(BODY + b"\n", signed=BODY) == 401
    assert receiver.post(BODY.replace(b"1.0", b"2.0"), signed=BODY) == 401
    assert receiver.post(key=STRANGER) == 401
    assert receiver.post(age=305) == receiver.post(age=-305) == 401


def test_headers_that_are_missing_or_malformed_are_refused(receiver):
    assert receiver.post(without=["X-Lamina-Webhook-Signature"]) == 401
    assert receiver.post(without=["X-Lamina-Webhook-Timestamp"]) == 401
    for text in ("", "00", "zz" * 64, KEY.sign("1", BODY) + "00", "0x" + KEY.sign("1", BODY)):
        assert receiver.post(signature=text) == 401
    for text in ("", "now", "-1", "1.5", "9" * 20, "9" * 400, str(time.time_ns())):
        assert receiver.post(timestamp=text, signature=KEY.sign(text, BODY)) == 401


def test_forgeries_do_not_make_it_ask_for_keys_again_and_again(receiver):
    before = receiver.keys.reads
    began = time.monotonic()
    assert {receiver.post(key=STRANGER) for _ in range(20)} == {401}
    assert receiver.keys.reads - before <= 1 + (time.monotonic() - began) / 5


def test_a_body_without_end_is_cut_off(receiver):
    with contextlib.suppress(OSError):  # it may hang up before all is sent
        assert receiver.post(bytes(10_000_001)) == 413
    assert receiver.post() == 200


def test_a_new_key_is_picked_up_and_the_old_one_dropped(receivers):
    for each in receivers.values():
        each.keys.keys = [NEW.public()]
    until = time.monotonic() + 30
    waiting = dict(receivers)
    while waiting:
        assert time.monotonic() < until, f"{list(waiting)} did not read the new set"
        waiting = {name: each for name, each in waiting.items() if each.post(key=NEW) != 200}
        time.sleep(0.2 if waiting else 0)
    assert {each.post(key=KEY) for each in receivers.values()} == {401}


@pytest.mark.parametrize("name", COMMANDS)
def test_without_any_key_it_asks_lamina_to_try_again(name, tmp_path):
    keys = KeySetServer()
    keys.keys = []
    started = Receiver(name, tmp_path, keys)
    try:
        assert started.post() == 503
    finally:
        started.close()
        keys.close()


def test_each_framework_has_one_line():
    names = [name for name, _ in FRAMEWORKS]
    assert len(set(names)) == len(names) == 21
    for _, line in FRAMEWORKS:
        assert "\n" not in line
        assert line.endswith(".")
        assert line.count("`") % 2 == 0
