"""Requests to addresses that Lamina names: does the link of an output still open?

The addresses are data from outside, so nothing but Lamina's own host or a public address is contacted,
redirects are not followed, and no key is sent.
"""

import ipaddress
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from lamina_core.clock import Clock

_FRESH = 300.0  # seconds for which an answer is believed
_KEPT = 2_000  # answers
_WAITING = 100  # checks that may wait for their turn; who asks again later finds room


@dataclass(frozen=True)
class LinkState:
    """What is known of a link; `opens` is None while it is being checked, or where it may not be."""

    opens: bool | None
    reason: str | None = None


class LinkChecker:
    """Checks links in the background and remembers the answers for a while."""

    def __init__(self, trusted_host: str | None, clock: Clock) -> None:
        self._trusted_host = trusted_host
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, LinkState]] = OrderedDict()
        self._waiting: set[str] = set()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="links")
        self._http = httpx.Client(timeout=httpx.Timeout(5.0), follow_redirects=False, trust_env=False)

    def close(self) -> None:
        """Stop checking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def state(self, url: str) -> LinkState:
        """Return at once what is known of the link, and start a check where that is too old."""
        now = self._clock.monotonic()
        with self._lock:
            asked_at, state = self._known.get(url, (None, LinkState(None)))
            is_old = asked_at is None or now - asked_at > _FRESH
            if is_old and url not in self._waiting and len(self._waiting) < _WAITING:
                self._waiting.add(url)
                self._pool.submit(self._check, url)
        return state

    def _remember(self, url: str, now: float, state: LinkState) -> None:
        self._known[url] = (now, state)
        self._known.move_to_end(url)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _check(self, url: str) -> None:
        state = _probe(self._http, url, self._may_contact)
        with self._lock:
            self._waiting.discard(url)
            self._remember(url, self._clock.monotonic(), state)

    def _may_contact(self, host: str) -> bool:
        if host == self._trusted_host:
            return True
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return all(ipaddress.ip_address(entry[4][0]).is_global for entry in found)


def _probe(http: httpx.Client, url: str, may_contact: Callable[[str], bool]) -> LinkState:
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return LinkState(None, "not an http(s) link")
        if not may_contact(parts.hostname):
            return LinkState(None, "not a public address, not checked")
        with http.stream("GET", url, headers={"range": "bytes=0-0"}) as response:
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # ValueError: a host that is no name
        return LinkState(False, str(error) or type(error).__name__)
    if 300 <= status < 400:
        return LinkState(None, "leads elsewhere, not followed")
    return LinkState(status < 400, None if status < 400 else f"HTTP {status}")
