"""Lamina's answers: read whole, judged by the contract, and turned into our error tree."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from lamina_core import errors
from lamina_core.api import transport, wire

T = TypeVar("T")

_TEXT_LIMIT = 2_000  # characters of an error's text: it is stored and shown


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, whole; reading it never lets a foreign exception out."""

    response: httpx.Response
    content: bytes

    @property
    def document(self) -> Any:
        """Return the parsed JSON; ApiUnreadable for anything else."""
        kind = self.response.headers.get("content-type", "")
        if "json" not in kind.lower():
            raise self.unreadable(f"it is {kind or 'of no named type'}, not JSON")
        try:
            return wire.parse_json(self.content)
        except ValueError as error:
            raise self.unreadable(str(error)) from None

    @property
    def request_id(self) -> str | None:
        """Return Lamina's id of the request, for its support."""
        request_id: str | None = self.response.headers.get("x-request-id")
        return request_id

    def read(self, reader: Callable[[], T]) -> T:
        """Return what the reader makes of the answer; its ValueError becomes ApiUnreadable."""
        try:
            return reader()
        except (ValueError, TypeError) as error:
            raise self.unreadable(str(error)) from None

    def unreadable(self, reason: str) -> errors.ApiUnreadable:
        """Return the error for an answer that does not follow the contract."""
        return errors.ApiUnreadable(
            f"Lamina's answer (HTTP {self.response.status_code}) cannot be read: {reason}.",
            status=self.response.status_code,
            request_id=self.request_id,
        )

    def refused(self, now: float) -> errors.ApiRefused | errors.ApiUnreadable:
        """Return the error for an answer with an error status; `now` is Unix time."""
        status = self.response.status_code
        if status < 400:
            return self.unreadable("it is a redirect; check LAMINA_BASE_URL")
        try:
            document = self.document
        except errors.ApiUnreadable:
            document = None
        envelope = document if isinstance(document, Mapping) else {}
        text = envelope.get("error")
        if not isinstance(text, str) or not text:
            plain = "text/plain" in self.response.headers.get("content-type", "")
            text = self.content[:_TEXT_LIMIT].decode("utf-8", "replace").strip() if plain else ""
        code, request_id = envelope.get("code"), envelope.get("requestId")
        retry_after = transport.parse_retry_after(self.response.headers.get("retry-after"), now)
        if retry_after is None and (seconds := as_number(envelope.get("retryAfter"))) is not None:
            retry_after = max(0.0, seconds)
        return _refusal_class(status)(
            wire.clean_text(text[:_TEXT_LIMIT]) or f"Lamina answered with HTTP {status}",
            status=status,
            code=wire.clean_text(code) if isinstance(code, str) else None,
            request_id=wire.clean_text(request_id) if isinstance(request_id, str) else self.request_id,
            retryable=envelope.get("retryable") is True or status == 429 or status >= 500,
            retry_after=retry_after,
            details=wire.problems_from(envelope.get("details")),
        )


def _refusal_class(status: int) -> type[errors.ApiRefused]:
    known = {401: errors.AuthRefused, 403: errors.AuthRefused, 404: errors.NotFound, 429: errors.RateLimited}
    return known.get(status, errors.ServerFault if status >= 500 else errors.InvalidRequest)


def as_number(value: Any) -> float | None:
    """Return a JSON number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
