"""The filters of the Executions screen as they stand in its URL, so that a link shows a colleague the same view."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import unquote

from lamina_core.api import wire
from lamina_core.domain import Origin, Status
from lamina_core.insights import wording
from lamina_core.store.criteria import Criteria, Cursor, Scope
from lamina_core.triage.records import Triage

Word = TypeVar("Word", bound=StrEnum)

RANGES: Mapping[str, tuple[str, timedelta | None]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "all": ("All time", None),
}

SCOPES: Mapping[Scope, str] = {
    Scope.NAMES: "Id or error",
    Scope.ERROR: "Error",
    Scope.INPUTS: "Inputs",
    Scope.INSIDE: "Inside inputs",
}

SLOWNESS: Mapping[str, tuple[str, timedelta]] = {
    "10s": ("10 seconds or longer", timedelta(seconds=10)),
    "1m": ("1 minute or longer", timedelta(minutes=1)),
    "5m": ("5 minutes or longer", timedelta(minutes=5)),
    "30m": ("30 minutes or longer", timedelta(minutes=30)),
    "2h": ("2 hours or longer", timedelta(hours=2)),
}

_PLACES: Mapping[Scope, str] = {Scope.ERROR: "errors", Scope.INPUTS: "inputs", Scope.INSIDE: "inputs"}
_TEXT_LENGTH = 200  # characters
_SEVERAL = 50  # apps or operators in one URL


@dataclass(frozen=True)
class ExecutionFilter:
    """What an operator looks at: filters and place in the list."""

    statuses: frozenset[Status] = frozenset()
    app_ids: frozenset[str] = frozenset()
    range: str = "all"
    text: str | None = None
    scope: Scope = Scope.NAMES
    triages: frozenset[Triage] = frozenset()
    origins: frozenset[Origin] = frozenset()
    operators: frozenset[str] = frozenset()
    slowness: str | None = None
    older_than: Cursor | None = None
    newer_than: Cursor | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> "ExecutionFilter":
        """Read the URL's parameters; what cannot be read does not restrict."""
        time_range, slowness = params.get("range", "all"), params.get("slow")
        text, scope = _clean(params.get("q")), params.get("in")
        return cls(
            statuses=_read_words(params.get("status"), Status),
            app_ids=_read_names(params.get("app")),
            range=time_range if time_range in RANGES else "all",
            text=text,
            scope=Scope(scope) if text and scope in set(Scope) else Scope.NAMES,
            triages=_read_words(params.get("triage"), Triage),
            origins=_read_words(params.get("origin"), Origin),
            operators=_read_names(params.get("by")),
            slowness=slowness if slowness in SLOWNESS else None,
            older_than=_read_cursor(params.get("older")),
            newer_than=_read_cursor(params.get("newer")),
        )

    def to_params(self) -> dict[str, str]:
        """Return the URL's parameters, those that restrict only."""
        params = {
            "status": _write_words(self.statuses, Status),
            "app": _write_names(self.app_ids),
            "range": self.range if self.range != "all" else None,
            "q": self.text,
            "in": self.scope if self.text and self.scope is not Scope.NAMES else None,
            "triage": _write_words(self.triages, Triage),
            "origin": _write_words(self.origins, Origin),
            "by": _write_names(self.operators),
            "slow": self.slowness,
            "older": self.older_than and _write_cursor(self.older_than),
            "newer": self.newer_than and _write_cursor(self.newer_than),
        }
        return {name: value for name, value in params.items() if value}

    def criteria(self, now: datetime) -> Criteria:
        """Return what the store looks for."""
        length = RANGES[self.range][1]
        return Criteria(
            statuses=self.statuses,
            app_ids=self.app_ids,
            since=now - length if length else None,
            triages=self.triages,
            origins=self.origins,
            operators=self.operators,
            slower_than=SLOWNESS[self.slowness][1] if self.slowness else None,
            text=self.text,
            scope=self.scope,
        )


def describe(wanted: ExecutionFilter, app_names: Mapping[str, str]) -> str:
    """Return in words what a filter matches; plain text."""
    said = [
        " or ".join(wording.STATUS_WORDS[each] for each in Status if each in wanted.statuses),
        " or ".join(sorted(app_names.get(each, each) for each in wanted.app_ids)),
        RANGES[wanted.range][0].lower() if wanted.range != "all" else "",
        " or ".join(each for each in Triage if each in wanted.triages),
        " or ".join(f"by {wording.ORIGIN_WORDS[each]}" for each in Origin if each in wanted.origins),
        " or ".join(f"started by {each}" for each in sorted(wanted.operators)),
        SLOWNESS[wanted.slowness][0] if wanted.slowness else "",
        f"with “{wanted.text}”" + (f" in {_PLACES[wanted.scope]}" if wanted.scope in _PLACES else "")
        if wanted.text
        else "",
    ]
    return "all that match: " + ", ".join(part for part in said if part) if any(said) else "all executions"


def _read_words(text: str | None, words: type[Word]) -> frozenset[Word]:
    return frozenset(words(word) for word in (text or "").split(",") if word in set(words))


def _write_words(chosen: frozenset[Word], words: type[Word]) -> str:
    return ",".join(word for word in words if word in chosen)


def _read_names(text: str | None) -> frozenset[str]:
    """Read names with commas between them; one within a name is written as %2C."""
    names = (_clean(unquote(part)) for part in (text or "").split(",")[:_SEVERAL])
    return frozenset(name for name in names if name)


def _write_names(names: frozenset[str]) -> str:
    return ",".join(name.replace("%", "%25").replace(",", "%2C") for name in sorted(names))


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
