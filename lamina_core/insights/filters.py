"""The filters of the Executions screen as they stand in its URL, so that a link shows a colleague the same view."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lamina_core.api import wire
from lamina_core.domain import Status
from lamina_core.store.search import Criteria, Cursor

RANGES: Mapping[str, tuple[str, timedelta | None]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "all": ("All time", None),
}

_TEXT_LENGTH = 200  # characters


@dataclass(frozen=True)
class ExecutionFilter:
    """What an operator looks at: filters and place in the list."""

    statuses: frozenset[Status] = frozenset()
    app_id: str | None = None
    range: str = "all"
    text: str | None = None
    older_than: Cursor | None = None
    newer_than: Cursor | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> "ExecutionFilter":
        """Read the URL's parameters; what cannot be read does not restrict."""
        words = params.get("status", "").split(",")
        time_range = params.get("range", "all")
        return cls(
            statuses=frozenset(Status(word) for word in words if word in set(Status)),
            app_id=_clean(params.get("app")),
            range=time_range if time_range in RANGES else "all",
            text=_clean(params.get("q")),
            older_than=_read_cursor(params.get("older")),
            newer_than=_read_cursor(params.get("newer")),
        )

    def to_params(self) -> dict[str, str]:
        """Return the URL's parameters, those that restrict only."""
        params = {
            "status": ",".join(status for status in Status if status in self.statuses),
            "app": self.app_id,
            "range": self.range if self.range != "all" else None,
            "q": self.text,
            "older": self.older_than and _write_cursor(self.older_than),
            "newer": self.newer_than and _write_cursor(self.newer_than),
        }
        return {name: value for name, value in params.items() if value}

    def criteria(self, now: datetime) -> Criteria:
        """Return what the store looks for."""
        length = RANGES[self.range][1]
        return Criteria(self.statuses, self.app_id, now - length if length else None, self.text)


def _clean(text: str | None) -> str | None:
    return wire.clean_text((text or "").replace("\x00", "")[:_TEXT_LENGTH]) or None


def _write_cursor(cursor: Cursor) -> str:
    return f"{cursor.created_at.astimezone(UTC).isoformat()}~{cursor.id}"


def _read_cursor(text: str | None) -> Cursor | None:
    instant, _, row_id = (text or "").partition("~")
    try:
        created_at, number = datetime.fromisoformat(instant), int(row_id)
        known = created_at.tzinfo is not None and 0 <= number < 2**63
        return Cursor(created_at.astimezone(UTC), number) if known else None
    except (ValueError, OverflowError):
        return None
