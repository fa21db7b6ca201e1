"""Sends the webhooks: due ones are read from the state, so that those left over by a restart go out too.

Source: contract, section 6.1. An attempt that was sent but not yet recorded when the process ends is sent
again after it: delivery is at least once, as Lamina's is.
"""

import asyncio
import heapq
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from lamina_core import signing
from lamina_core.clock import Clock
from lamina_core.sandbox import faults, shapes
from lamina_core.sandbox.faults import Armory, Fault, Name
from lamina_core.sandbox.keys import KeyRing
from lamina_core.sandbox.plan import milliseconds
from lamina_core.sandbox.records import Attempt, Webhook
from lamina_core.sandbox.state import State

TIMEOUT = 15.0  # seconds for one attempt, never scaled by the sandbox's speed
RETRY_DELAYS = (5.0, 30.0, 120.0)  # seconds at speed 1, so at most four POSTs
_PER_RECEIVER = 32  # attempts at once to one address, so that a slow receiver holds up nobody else
_LONGEST_NAP = 1.0  # seconds; the clock may be set while we sleep
_LATE, _STALE = 60.0, 600.0

_logger = logging.getLogger(__name__)


class Sender:
    """Sends each webhook when it is due, tries again as Lamina does, and records every attempt.

    Lives on one event loop; `schedule` is called there.
    """

    def __init__(
        self,
        state: State,
        armory: Armory,
        keys: KeyRing,
        *,
        clock: Clock,
        speed: float,
        client: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self._state = state
        self._armory = armory
        self._keys = keys
        self._clock = clock
        self._speed = speed
        self._new_client = client or _new_client
        self._due: list[tuple[int, int]] = []
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._receivers: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_PER_RECEIVER))

    def schedule(self, webhook: Webhook) -> None:
        """Have this webhook's next attempt made when it is due."""
        heapq.heappush(self._due, (webhook.due_at, webhook.number))
        self._changed.set()

    async def run(self, stopping: asyncio.Event, grace: float) -> None:
        """Send until told to stop; attempts under way then have `grace` seconds to end."""
        self._due.clear()  # what was planned before is in the state as well
        for webhook in self._state.pending_webhooks():
            self.schedule(webhook)
        async with self._new_client() as client:
            stop = asyncio.create_task(stopping.wait())
            while not stopping.is_set():
                self._launch_due(client)
                await self._nap(stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=grace)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _nap(self, stop: asyncio.Task[bool]) -> None:
        """Sleep until something is due, planned or over."""
        self._changed.clear()
        seconds = (self._due[0][0] - self._now()) / 1000 if self._due else _LONGEST_NAP
        change = asyncio.create_task(self._changed.wait())
        timeout = max(0.0, min(seconds, _LONGEST_NAP))
        await asyncio.wait({change, stop}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        change.cancel()

    def _launch_due(self, client: httpx.AsyncClient) -> None:
        now = self._now()
        while self._due and self._due[0][0] <= now:
            _, number = heapq.heappop(self._due)
            task = asyncio.create_task(self._attempt(client, number))
            self._tasks.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _logger.error("a webhook attempt ended unexpectedly; it is made again after a restart", exc_info=problem)

    async def _attempt(self, client: httpx.AsyncClient, number: int) -> None:
        webhook = self._state.find_webhook(number)
        if webhook is None:  # cancelled in the meantime
            return
        armed = self._armory.take_for_delivery(webhook.url)
        wanted = {fault.name: fault for fault in (*webhook.faults, *((armed,) if armed else ()))}
        if Name.LATE_WEBHOOK in wanted:
            delay = wanted[Name.LATE_WEBHOOK].seconds_or(_LATE)
            self._again(webhook, lambda due_at: self._state.postpone(webhook, due_at), delay)
            return
        if Name.LOST_WEBHOOK in wanted:
            self._state.record_attempt(webhook, [self._lost(webhook)], due_at=None)
            return
        async with self._receivers[urlsplit(webhook.url).netloc]:
            attempts = [await self._post(client, webhook, wanted)]
            if Name.DUPLICATE_WEBHOOK in wanted:
                attempts.append(await self._post(client, webhook, wanted))
        self._record(webhook, attempts)

    def _record(self, webhook: Webhook, attempts: list[Attempt]) -> None:
        status = attempts[0].status
        if (status is not None and 200 <= status < 300) or webhook.attempts >= len(RETRY_DELAYS):
            self._state.record_attempt(webhook, attempts, due_at=None)
            return
        delay = RETRY_DELAYS[webhook.attempts]
        self._again(webhook, lambda due_at: self._state.record_attempt(webhook, attempts, due_at=due_at), delay)

    def _again(self, webhook: Webhook, store: Callable[[int], None], delay: float) -> None:
        due_at = self._now() + max(1, round(delay * 1000 / self._speed))
        store(due_at)
        heapq.heappush(self._due, (due_at, webhook.number))
        self._changed.set()

    async def _post(self, client: httpx.AsyncClient, webhook: Webhook, wanted: dict[Name, Fault]) -> Attempt:
        sent_at = self._now()
        headers = self._headers(webhook, sent_at, wanted)
        status, error = None, None
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                client.stream("POST", webhook.url, content=webhook.body, headers=headers) as answer,
            ):
                status = answer.status_code  # the answer's body is of no interest, and may be endless
        except TimeoutError:
            error = f"no answer within {TIMEOUT:.0f} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as problem:
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        return Attempt(
            execution_id=webhook.execution_id,
            url=webhook.url,
            attempt=webhook.attempts + 1,
            status=status,
            error=error,
            sent_at=sent_at,
            fault=", ".join(wanted) or None,
        )

    def _headers(self, webhook: Webhook, sent_at: int, wanted: dict[Name, Fault]) -> dict[str, str]:
        seconds = sent_at // 1000
        if Name.STALE_TIMESTAMP in wanted:
            seconds -= round(wanted[Name.STALE_TIMESTAMP].seconds_or(_STALE))
        stamp = str(sent_at if Name.MILLISECONDS_TIMESTAMP in wanted else seconds)
        key = self._keys.current()
        if Name.WRONG_SIGNATURE in wanted:
            key = signing.SigningKey.from_seed(key.key_id, secrets.token_bytes(32))
        request_id = str(uuid4()) if Name.MISMATCHED_REQUEST_ID in wanted else webhook.execution_id
        return {
            "Content-Type": "application/json",
            "User-Agent": "Lamina-Webhook/1.0",
            signing.SIGNATURE_HEADER: key.sign(stamp, webhook.body),
            signing.TIMESTAMP_HEADER: stamp,
            signing.REQUEST_ID_HEADER: request_id,
            signing.USER_ID_HEADER: shapes.USER_ID,
        }

    def _lost(self, webhook: Webhook) -> Attempt:
        name = faults.Name.LOST_WEBHOOK
        return Attempt(webhook.execution_id, webhook.url, webhook.attempts + 1, None, "never sent", self._now(), name)

    def _now(self) -> int:
        return milliseconds(self._clock.now())


def _new_client() -> httpx.AsyncClient:
    # Each attempt on a connection of its own, and never through a proxy of the machine's environment.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(timeout=TIMEOUT, limits=limits, follow_redirects=False, trust_env=False)
