"""Requests to addresses that Lamina names: does the link of an output still open?

The addresses are data from outside, so nothing but Lamina's own host or a public address is contacted,
redirects are not followed, and no key is sent.
"""

import ipaddress
import queue
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from lamina_core.clock import Clock

_FRESH = 300.0  # seconds for which an answer is believed
_THREADS = 2
_KEPT = 2_000  # answers
_WAITING = 100  # checks that may wait for their turn; who asks again later finds room


@dataclass(frozen=True)
class LinkState:
    """What is known of a link; `opens` is None while it is being checked, or where it may not be."""

    opens: bool | None
    reason: str | None = None


class LinkChecker:
    """Checks links in the background and remembers the answers for a while.

    `trusted` is Lamina's own host and port, as a URL writes them; it may be on a private network.
    """

    def __init__(self, trusted: str | None, clock: Clock) -> None:
        self._trusted = (trusted or "").lower()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, LinkState]] = OrderedDict()
        self._waiting: set[str] = set()
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._http = httpx.Client(timeout=httpx.Timeout(5.0), follow_redirects=False, trust_env=False)
        for number in range(_THREADS):  # daemons: a link that hangs must not hold up the end of the process
            threading.Thread(target=self._run, name=f"links-{number}", daemon=True).start()

    def close(self) -> None:
        """Stop checking; what is being checked ends by itself."""
        for _ in range(_THREADS):
            self._queue.put(None)
        self._http.close()

    def state(self, url: str) -> LinkState:
        """Return at once what is known of the link, and start a check where that is too old."""
        now = self._clock.monotonic()
        with self._lock:
            asked_at, state = self._known.get(url, (None, LinkState(None)))
            is_old = asked_at is None or now - asked_at > _FRESH
            if is_old and url not in self._waiting and len(self._waiting) < _WAITING:
                self._waiting.add(url)
                self._queue.put(url)
        return state

    def _remember(self, url: str, now: float, state: LinkState) -> None:
        self._known[url] = (now, state)
        self._known.move_to_end(url)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _run(self) -> None:
        while (url := self._queue.get()) is not None:
            self._check(url)

    def _check(self, url: str) -> None:
        state = _probe(self._http, url, self._may_contact)
        with self._lock:
            self._waiting.discard(url)
            self._remember(url, self._clock.monotonic(), state)

    def _may_contact(self, netloc: str, host: str) -> bool:
        if netloc.lower() == self._trusted:
            return True
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return all(ipaddress.ip_address(entry[4][0]).is_global for entry in found)


def _probe(http: httpx.Client, url: str, may_contact: Callable[[str, str], bool]) -> LinkState:
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return LinkState(None, "not an http(s) link")
        if not may_contact(parts.netloc, parts.hostname):
            return LinkState(None, "not a public address, not checked")
        with http.stream("GET", url, headers={"range": "bytes=0-0"}) as response:
            status = response.status_code
    # ValueError: a host that is no name; RuntimeError: the client was closed meanwhile.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
        return LinkState(False, str(error) or type(error).__name__)
    if 300 <= status < 400:
        return LinkState(None, "leads elsewhere, not followed")
    return LinkState(status < 400, None if status < 400 else f"HTTP {status}")
