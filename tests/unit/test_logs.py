"""No secret in a log: not in a message, an argument, a traceback or an address."""

import io
import logging

import pytest

from lamina_core import logs
from lamina_core.logs import BLANK, RedactingFormatter, redact

KEY = "lma_live_0123456789"


def line(message: str, *arguments: object, secrets=(KEY,), exc_info=None) -> str:
    record = logging.LogRecord("desk", logging.WARNING, __file__, 1, message, arguments, exc_info)
    return RedactingFormatter(secrets).format(record)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {KEY} refused", KEY),
        (f"{{'x-api-key': '{KEY}'}}", KEY),
        ("another lma_mcp_at_abc-DEF_1", "lma_mcp_at_abc-DEF_1"),
        ("Authorization: Bearer abc.def+/=~", "abc.def"),
        ("authorization: bearer abc.def", "abc.def"),
        ("POST /webhooks/lamina?start=0123abcd HTTP/1.1", "0123abcd"),
        ("GET /x?a=1&start=0123abcd&b=2", "0123abcd"),
        ("?webhook=https%3A%2F%2Fdesk.example.com%2Fwebhooks%2Flamina%3Fstart%3D0123abcd", "0123abcd"),
        ("?webhook=https%3a%2f%2fdesk.example.com%3fstart%3d0123abcd", "0123abcd"),
        ("postgresql+psycopg://desk:s3cret@db/name", "s3cret"),
        ("postgresql+psycopg://desk:s3c@ret@db/name", "ret@"),
        ("http://:s3cret@proxy.example.com:3128", "s3cret"),
    ],
)
def test_what_is_secret_is_blanked(text, secret):
    assert secret not in redact(text, [KEY])
    assert BLANK in redact(text, [KEY])


@pytest.mark.parametrize(
    "text",
    [
        "GET https://example.com:8080/a@b",
        "restart=now starts=5",
        "the bearer of news",
        "http://127.0.0.1:8787/api/apps",
        "mail to a@example.com",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text, [KEY]) == text.replace("bearer of", f"bearer {BLANK}")


def test_a_secret_of_another_shape_is_blanked_where_it_is_known():
    assert redact("a=s/e.c+r$e(t", ["s/e.c+r$e(t"]) == f"a={BLANK}"


def test_arguments_are_blanked():
    assert KEY not in line("asked with %s and %r", KEY, {"key": [KEY]})


def test_tracebacks_are_blanked_with_their_causes():
    with pytest.raises(RuntimeError) as failed:
        raise RuntimeError(f"outer {KEY}") from ValueError(f"inner {KEY}")
    text = line("failed", exc_info=failed._excinfo)
    assert "inner" in text
    assert "outer" in text
    assert KEY not in text


def test_text_from_outside_cannot_begin_a_line_of_its_own():
    text = line("Lamina said %s", "no\r\n2026-03-14 ERROR desk: all is lost")
    assert len(text.splitlines()) == 1
    assert "\\r\\n2026" in text


def test_a_line_says_when_how_grave_and_who():
    assert line("all is well").endswith("WARNING desk: all is well")


def test_no_known_secret_blanks_nothing():
    assert line("all is well", secrets=("",)).endswith("all is well")


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = before
    root.setLevel(level)


def test_every_logger_goes_through_one_redacting_handler(root_logger):
    library = logging.getLogger("uvicorn.error")
    library.addHandler(logging.NullHandler())
    library.propagate = False
    logs.set_up([KEY])
    (handler,) = root_logger.handlers
    handler.setStream(stream := io.StringIO())
    library.warning("served %s", KEY)
    logging.getLogger("lamina_core.anything").info("ours lma_x")
    logging.getLogger("httpx").info("GET https://lamina.example.com")
    lines = stream.getvalue().splitlines()
    assert [each.rpartition(": ")[2] for each in lines] == [f"served {BLANK}", f"ours {BLANK}"]
