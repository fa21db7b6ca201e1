"""Logging to standard error, one line a record, with everything secret blanked last of all."""

import logging
import re
import sys
from collections.abc import Iterable

BLANK = "[redacted]"

_SECRET_SHAPES = (
    re.compile(r"lma_[A-Za-z0-9_\-]+"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=\-]+"),
    re.compile(r"(?<=[?&]start=)[A-Za-z0-9_\-]+"),  # a start's token
    re.compile(r"(?i)(?<=%3Fstart%3D)[A-Za-z0-9_\-]+"),  # the same, as a part of the request that hands it over
    re.compile(r"(?<=://)[^/\s:]*:[^/\s]*(?=@)"),  # credentials in a database or proxy URL
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with known secrets, and all that is shaped like one, blanked."""
    for secret in secrets:
        text = text.replace(secret, BLANK)
    for shape in _SECRET_SHAPES:
        text = shape.sub(BLANK, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a record whole, traceback included, and then blanks what is secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        self._secrets = tuple(secret for secret in secrets if secret)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the library's
        """Return the record's line; what came from outside cannot begin another."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text without secrets."""
        return redact(super().format(record), self._secrets)


def set_up(secrets: Iterable[str] = (), level: int = logging.INFO) -> None:
    """Send every logger of the process, those of libraries too, through one redacting handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"streamlit", "uvicorn"}:
            library = logging.getLogger(name)
            library.handlers.clear()
            library.propagate = True
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
