"""One POST to a receiver under test, as Lamina would send it: 15 s in all, no redirect, a bounded answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from lamina_core.addresses import Address
from lamina_core.clock import Clock

TIMEOUT = 15.0  # seconds for the whole exchange; Lamina waits as long
EXCERPT = 10_240  # bytes of the answer's body
_HEADERS = 100
_HEADER_LENGTH = 1_000  # characters of one value
_WORDS = 300  # characters of what a library says

_Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SentAnswer:
    """What came back: `status` is None where nothing did, `problem` says in words what went wrong.

    `body` is what was read of the answer's body, at most EXCERPT bytes; `is_cut` says that there was more.
    """

    status: int | None
    headers: _Headers
    body: str
    is_cut: bool
    seconds: float
    problem: str | None = None


def post(address: Address, headers: Sequence[tuple[str, str]], body: bytes, clock: Clock) -> SentAnswer:
    """Send it once and return what came back within TIMEOUT, however slowly it drips; never raises for the receiver."""
    # A loop of its own, made by hand: the calling thread's loop, if it has one, stays as it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_Exchange(address, clock).run(headers, body))


class _Exchange:
    """One request and as much of its answer as came in time."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._status: int | None = None
        self._headers: _Headers = ()
        self._body = bytearray()

    async def run(self, headers: Sequence[tuple[str, str]], body: bytes) -> SentAnswer:
        began = self._clock.monotonic()
        problem = None
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._send(headers, body)
        except (TimeoutError, httpx.TimeoutException):
            problem = self._explain_silence()
        except httpx.ConnectError as error:
            problem = f"{self._address.place} cannot be reached: {_words(error)}."
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            problem = f"The exchange broke off: {_words(error)}."
        return SentAnswer(
            status=self._status,
            headers=self._headers,
            body=bytes(self._body[:EXCERPT]).decode(errors="replace"),
            is_cut=len(self._body) > EXCERPT,
            seconds=self._clock.monotonic() - began,
            problem=problem,
        )

    async def _send(self, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        plainly = [*headers, ("Accept-Encoding", "identity")]  # a compressed answer could be of any size
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as http,
            http.stream("POST", self._address.url, headers=plainly, content=body) as response,
        ):
            self._status = response.status_code
            told = response.headers.multi_items()[:_HEADERS]
            self._headers = tuple((name[:_HEADER_LENGTH], value[:_HEADER_LENGTH]) for name, value in told)
            async for part in response.aiter_raw():
                self._body += part
                if len(self._body) > EXCERPT:
                    break

    def _explain_silence(self) -> str:
        if self._status is not None:
            return f"The answer did not end within {TIMEOUT:.0f} s."
        return f"No answer came within {TIMEOUT:.0f} s. Lamina waits no longer either, and sends its webhook again."


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_WORDS].rstrip(". ")
