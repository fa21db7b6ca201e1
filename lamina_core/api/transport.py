"""The way to Lamina and back: timeouts, a size limit, and one more try for reads that may be repeated."""

import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC

import httpx

from lamina_core.clock import Clock

TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds; the read part counts between two chunks
DEADLINE = 30.0  # seconds for a whole answer, however steadily it drips
ANSWER_LIMIT = 16_000_000  # bytes

_REPEATED_STATUSES = frozenset({502, 503, 504})
_PAUSES = (0.2, 0.8)  # seconds before the second and the third try


class AnswerUnusable(Exception):
    """An answer came whose content is larger than ANSWER_LIMIT or is not encoded as it says."""


class RepeatingTransport(httpx.BaseTransport):
    """Repeats a GET that got no answer, or 502, 503 or 504, twice at most; never another method.

    Each repetition is a request more, so `may_repeat` is asked first. A 429 is not repeated: the budget shared by
    all callers decides when to go on. The answer's content has to come within DEADLINE.
    """

    def __init__(
        self, inner: httpx.BaseTransport, clock: Clock, rng: random.Random, may_repeat: Callable[[], bool]
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._rng = rng
        self._may_repeat = may_repeat
        self._is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, again where that is safe and may help."""
        response = self._send(request)
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Timed(response.stream, self._clock)
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        for pause in _PAUSES if request.method == "GET" else ():
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError as error:
                # A slow server is not helped by asking twice.
                if isinstance(error, httpx.ReadTimeout) or self._is_closed or not self._may_repeat():
                    raise
            else:
                if response.status_code not in _REPEATED_STATUSES or self._is_closed or not self._may_repeat():
                    return response
                response.close()
            self._clock.sleep(pause * self._rng.uniform(0.8, 1.2))
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections; what was being read by them is not asked for again."""
        self._is_closed = True
        self._inner.close()


class _Timed(httpx.SyncByteStream):
    """Content as it comes over the wire: compressed, it may drip for ever without giving a byte."""

    def __init__(self, stream: httpx.SyncByteStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        ends = self._clock.monotonic() + DEADLINE
        for chunk in self._stream:
            if self._clock.monotonic() > ends:
                raise httpx.ReadTimeout(f"the answer took longer than {DEADLINE:.0f} s")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def read_body(response: httpx.Response) -> bytes:
    """Return a whole answer's content; AnswerUnusable or httpx.ReadTimeout where it passes the bounds."""
    content = bytearray()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > ANSWER_LIMIT:
                raise AnswerUnusable(f"it is larger than {ANSWER_LIMIT // 1_000_000} MB")
    except httpx.DecodingError as error:
        raise AnswerUnusable(str(error)) from None
    return bytes(content)


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return seconds to wait from either form of Retry-After, seconds or an HTTP date; None if unreadable.

    `now` is Unix time in seconds.
    """
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return float(text)
    from email.utils import parsedate_to_datetime  # rarely needed

    try:
        instant = parsedate_to_datetime(text)
        return max(0.0, instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
