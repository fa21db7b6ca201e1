"""What the sandbox knows, asked over HTTP as anybody could: its log, and how every execution stands."""

from collections.abc import Iterator
from typing import Any

import httpx

from tests.crash.account import Accepted, Attempt
from tests.crash.desk import KEY
from tests.crash.load import find_token

_KEY = {"x-api-key": "lma_harness"}


class Witness:
    """Follows the log of the sandbox, which forgets its oldest entries."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, headers=_KEY, trust_env=False, timeout=30)
        self._sequence = 0
        self.accepted: list[Accepted] = []
        self.attempts: list[Attempt] = []
        self.reads = 0  # by the process

    @property
    def taken(self) -> int:
        """Return how many attempts got a 2xx."""
        return sum(attempt.taken for attempt in self.attempts)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def follow(self) -> None:
        """Read what was logged since the last time."""
        log = self._http.get("/sandbox/log", params={"since": self._sequence}).json()
        self._sequence = log["sequence"]
        for start in log["starts"]:
            token = find_token([text for text in start["inputs"].values() if isinstance(text, str)])
            self.accepted.append(Accepted(start["executionId"], token, start["webhookUrl"] is not None))
        for entry in log["attempts"]:
            known = (entry["executionId"], entry["attempt"], entry["status"], entry["sentAt"], entry["fault"])
            self.attempts.append(Attempt(*known))
        self.reads += sum(entry["method"] == "GET" and entry["key"] == KEY[-4:] for entry in log["requests"])

    def arm(self, fault: dict[str, Any]) -> None:
        """Have the sandbox do this to the next request, or attempt, that it fits."""
        self._http.post("/sandbox/faults", json=fault).raise_for_status()

    def disarm(self) -> None:
        """Forget the faults that still wait."""
        self._http.delete("/sandbox/faults").raise_for_status()

    def is_quiet(self) -> bool:
        """Say whether every execution has ended at the sandbox, and every webhook was delivered or given up."""
        self.follow()
        done = {attempt.execution_id for attempt in self.attempts if attempt.last}
        if any(start.asks_webhook and start.execution_id not in done for start in self.accepted):
            return False
        return not any(self._page(status=status)["data"] for status in ("queued", "running"))

    def read_statuses(self) -> dict[str, str]:
        """Return the sandbox's status of every execution by its id."""
        return {row["runId"]: row["status"] for page in self._pages() for row in page["data"]}

    def _pages(self) -> Iterator[dict[str, Any]]:
        total = self._page()["pagination"]["total"]
        for offset in range(0, total, 100):
            yield self._page(offset=offset)

    def _page(self, **wanted: Any) -> dict[str, Any]:
        answer = self._http.get("/v1/runs", params={"limit": 100, **wanted}).raise_for_status()
        return dict(answer.json())
