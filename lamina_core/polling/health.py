"""Whether Lamina answers us: kept by the poller, written down for the screens of every process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lamina_core import errors
from lamina_core.polling import schedule

REFUSED_PAUSE = timedelta(minutes=1)  # between two tries with a key that Lamina refused
_TOLERATED_FAULTS = 2  # answers with 5xx or nonsense in a row before all polling slows down


class ApiState(StrEnum):
    """How Lamina treats our requests."""

    OK = "ok"
    UNREACHABLE = "unreachable"  # no answer, or none that can be used
    REFUSED = "refused"  # 401 or 403: the key is wrong; polling pauses


@dataclass(frozen=True)
class ApiHealth:
    """How Lamina answered last; `next_try` is None while all is well."""

    state: ApiState = ApiState.OK
    since: datetime | None = None
    message: str | None = None
    next_try: datetime | None = None
    failures: int = 0

    def after_success(self, now: datetime) -> "ApiHealth":
        """Return the state after a usable answer."""
        return self if self.state is ApiState.OK and not self.failures else ApiHealth(since=now)

    def after_error(self, error: errors.ApiError, now: datetime) -> "ApiHealth":
        """Return the state after an error; those that say nothing of Lamina as a whole change nothing."""
        if isinstance(error, errors.AuthRefused):
            return self._become(ApiState.REFUSED, error, now, now + REFUSED_PAUSE)
        if isinstance(error, errors.ApiRefused) and not isinstance(error, errors.ServerFault):
            return self.after_success(now)
        failures = self.failures + 1
        if not isinstance(error, errors.ApiUnreachable) and failures <= _TOLERATED_FAULTS:
            return ApiHealth(self.state, self.since, self.message, self.next_try, failures)
        return self._become(ApiState.UNREACHABLE, error, now, now + schedule.back_off(failures))

    def _become(self, state: ApiState, error: errors.ApiError, now: datetime, next_try: datetime) -> "ApiHealth":
        since = self.since if self.state is state else now
        return ApiHealth(state, since, str(error), next_try, self.failures + 1)

    def to_document(self) -> dict[str, Any]:
        """Return the state as the store's note."""
        return {
            "state": self.state,
            "since": self.since and self.since.isoformat(),
            "message": self.message,
            "next_try": self.next_try and self.next_try.isoformat(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ApiHealth":
        """Return the state that a note holds."""
        since, next_try = document["since"], document["next_try"]
        return cls(
            ApiState(document["state"]),
            since and datetime.fromisoformat(since),
            document["message"],
            next_try and datetime.fromisoformat(next_try),
        )
