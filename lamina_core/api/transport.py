"""The way to Lamina and back: timeouts, a size limit, and one more try for reads that may be repeated."""

import random
from collections.abc import Iterable, Iterator

import httpx

from lamina_core.clock import Clock

TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds; the read part counts between two chunks
DEADLINE = 30.0  # seconds for a whole answer, however steadily it drips
ANSWER_LIMIT = 16_000_000  # bytes

_REPEATED_STATUSES = frozenset({502, 503, 504})
_PAUSES = (0.2, 0.8)  # seconds before the second and the third try


class AnswerTooLarge(httpx.TransportError):
    """The answer passed ANSWER_LIMIT."""


class RepeatingTransport(httpx.BaseTransport):
    """Repeats a GET that got no answer, or 502, 503 or 504, twice at most; never another method.

    A 429 is not repeated: the budget shared by all callers decides when to go on.
    """

    def __init__(self, inner: httpx.BaseTransport, clock: Clock, rng: random.Random) -> None:
        self._inner = inner
        self._clock = clock
        self._rng = rng

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, again where that is safe and may help."""
        for pause in _PAUSES if request.method == "GET" else ():
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError as error:
                if isinstance(error, httpx.ReadTimeout):
                    raise  # a slow server is not helped by asking twice
            else:
                if response.status_code not in _REPEATED_STATUSES:
                    return response
                response.close()
            self._clock.sleep(pause * self._rng.uniform(0.8, 1.2))
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def read_body(chunks: Iterable[bytes], clock: Clock) -> bytes:
    """Return a whole answer; AnswerTooLarge or httpx.ReadTimeout where it passes the bounds."""
    return b"".join(_bounded(chunks, clock))


def _bounded(chunks: Iterable[bytes], clock: Clock) -> Iterator[bytes]:
    ends = clock.monotonic() + DEADLINE
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise AnswerTooLarge(f"the answer is larger than {ANSWER_LIMIT // 1_000_000} MB")
        if clock.monotonic() > ends:
            raise httpx.ReadTimeout(f"the answer took longer than {DEADLINE:.0f} s")
        yield chunk


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return seconds to wait from either form of Retry-After, seconds or an HTTP date; None if unreadable.

    `now` is Unix time in seconds.
    """
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime  # rarely needed

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError):
        return None
