"""`python -m lamina_core verify`: what it answers, and the status it ends with."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina_core import config, signing
from lamina_core.__main__ import main
from lamina_core.debugger.causes import CAUSES
from lamina_core.sandbox.server import Sandbox
from lamina_core.signing import SigningKey

KEY = SigningKey.from_seed("key-1", bytes(range(32)))
TIMESTAMP = "1773478800"
RUN = {"data": {"executionId": "e-1", "status": "completed", "outputs": ["ä"]}}
BODY = json.dumps(RUN, separators=(",", ":"), ensure_ascii=False).encode()
SIGNATURE = KEY.sign(TIMESTAMP, BODY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "pretty").write_bytes(json.dumps(RUN, indent=2, ensure_ascii=False).encode())
    (tmp_path / "keys").write_text(json.dumps({"keys": [signing.to_jwk(KEY.public())]}))
    head = (
        f"POST /hook HTTP/1.1\r\nX-Lamina-Webhook-Signature: {SIGNATURE}\r\nX-Lamina-Webhook-Timestamp: {TIMESTAMP}\r\n"
    )
    (tmp_path / "request").write_bytes(head.encode() + b"\r\n" + BODY)
    return tmp_path


@pytest.fixture
def verify(folder: Path, capsys: Any, monkeypatch: Any) -> Callable[..., tuple[int, str, str]]:
    """Run the command in the folder; give its exit status and what it wrote."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamina_core", "verify", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err

    return run


FIELDS = ("--signature", SIGNATURE, "--timestamp", TIMESTAMP, "--keys", "keys")


def test_an_authentic_and_fresh_webhook_ends_with_0(verify):
    status, written, _ = verify("--body", "body", *FIELDS, "--now", "1773478812", "--json")

    assert status == 0
    answer = json.loads(written)
    wanted = {
        "well_formed": True,
        "authentic": True,
        "fresh": True,
        "key_id": "key-1",
        "cause": None,
        "certainty": None,
    }
    assert {name: answer[name] for name in wanted} == wanted
    assert answer["explanation"]
    assert answer["tried"] == 1


def test_a_whole_request_is_read_from_a_file(verify):
    assert verify("--request", "request", "--keys", "keys", "--now", "2026-03-14T09:00:00Z")[0] == 0
    assert verify("--request", "request", "--body", "pretty", "--keys", "keys", "--now", TIMESTAMP)[0] == 1


@pytest.mark.parametrize(("now", "cause"), [("1773479101", "stale_timestamp"), ("1773478499", "future_timestamp")])
def test_an_authentic_webhook_that_is_not_fresh_ends_with_1(verify, now, cause):
    status, written, _ = verify("--body", "body", *FIELDS, "--now", now, "--json")

    answer = json.loads(written)
    assert (status, answer["authentic"], answer["fresh"], answer["cause"]) == (1, True, False, cause)


def test_a_cause_is_a_code_of_the_table_with_its_certainty(verify):
    status, written, _ = verify("--body", "pretty", *FIELDS, "--now", TIMESTAMP, "--json")

    answer = json.loads(written)
    assert (status, answer["authentic"], answer["fresh"]) == (1, False, True)
    assert (answer["cause"], answer["certainty"]) == ("body_reformatted", "verified")
    assert answer["cause"] in CAUSES


def test_people_read_the_cause_the_difference_and_the_fix(verify):
    status, written, _ = verify("--body", "pretty", *FIELDS, "--now", TIMESTAMP)

    assert status == 1
    for words in (
        "authentic    no, not as received",
        "body_reformatted (verified)",
        "at byte 1",
        "7b 0a 20",
        "To mend it",
    ):
        assert words in written


def test_keys_come_from_an_address_and_by_default_from_the_configured_lamina(verify, clock, monkeypatch):
    sandbox = Sandbox(
        catalogue_file=config.DATA / "catalogue.json", database=None, clock=clock, seed=1, speed=1.0, port=0
    )
    sandbox.start()
    try:
        monkeypatch.setenv("LAMINA_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("LAMINA_API_KEY", "lma_test")
        address = f"{sandbox.base_url}/api/webhooks/signing-key"
        signed = ("--signature", sandbox.signing_key().sign(TIMESTAMP, BODY), "--timestamp", TIMESTAMP)
        words = ("--body", "body", *signed, "--now", TIMESTAMP)
        assert verify(*words)[0] == 0
        assert verify(*words, "--keys", address)[0] == 0
        monkeypatch.delenv("LAMINA_BASE_URL")  # to another Lamina's address our key is not shown
        assert "HTTP 401" in verify(*words, "--keys", address)[2]
        monkeypatch.delenv("LAMINA_API_KEY")  # a sandbox's key is no secret
        assert verify(*words, "--keys", address)[0] == 0
        assert verify(*words, "--keys", "keys")[0] == 1
    finally:
        sandbox.stop()
    status, _, told = verify(*words)
    assert (status, "--keys" in told) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--signature", SIGNATURE),
        ("--body", "nowhere", *FIELDS),
        ("--body", ".", *FIELDS),
        ("--body", "body", "--keys", "nowhere"),
        ("--body", "body", "--keys", "http://127.0.0.1:1/keys"),
        ("--body", "body", "--keys", "http://["),
        ("--body", "body", *FIELDS, "--now", "noon"),
        ("--body", "body", *FIELDS, "--now", "9" * 400),
        ("--request", "body", "--keys", "keys"),
        ("--body", "-", "--keys", "-"),
        ("--unheard-of",),
    ],
)
def test_arguments_that_cannot_be_used_end_with_2_and_a_word_on_why(verify, words):
    status, written, told = verify(*words)

    assert (status, written) == (2, "")
    assert told.strip()
    assert "Traceback" not in told


def test_the_body_comes_through_a_pipe_byte_by_byte(folder: Path):
    words = [sys.executable, "-m", "lamina_core", "verify", "--body", "-", "--now", TIMESTAMP]
    done = subprocess.run(
        [*words, "--signature", SIGNATURE, "--timestamp", TIMESTAMP, "--keys", str(folder / "keys")],
        input=BODY,
        capture_output=True,
        cwd=config.PROJECT,
    )

    assert done.returncode == 0, done.stderr
    assert io.BytesIO(done.stdout).readline().startswith(b"well-formed  yes")


def test_without_a_standard_input_none_is_read(verify, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert verify("--body", "-", *FIELDS) == (2, "", "There is no standard input to read.\n")
    assert verify("--body", "body", *FIELDS, "--now", TIMESTAMP)[0] == 0


def test_bytes_that_are_no_text_are_examined_and_shown_in_every_encoding(verify, folder: Path):
    (folder / "body").write_bytes(b"\xff" + BODY)
    words = [b"--body", b"body", b"--signature", b"\xff\xfe", b"--timestamp", b"17\xff", b"--keys", b"keys"]
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"lamina_core", b"verify", *words],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(config.PROJECT)},
    )

    assert (done.returncode, done.stderr) == (1, b"")
    assert b"Characters were replaced (\\ufffd)" in done.stdout


def test_a_request_id_of_another_webhook_is_a_cause_but_ends_with_0(verify, folder: Path):
    request = (folder / "request").read_bytes()
    (folder / "request").write_bytes(request.replace(b"\r\n", b"\r\nX-Lamina-Webhook-Request-Id: e-2\r\n", 1))
    status, written, _ = verify("--request", "request", "--keys", "keys", "--now", TIMESTAMP, "--json")

    answer = json.loads(written)
    assert (status, answer["authentic"], answer["fresh"], answer["cause"]) == (0, True, True, "request_id_mismatch")


def test_a_file_that_no_webhook_can_be_is_refused(verify, folder: Path):
    with (folder / "huge").open("wb") as file:
        file.truncate(20_000_000)

    status, _, told = verify("--body", "huge", *FIELDS)

    assert (status, "no webhook is that large" in told) == (2, True)
