"""How long what has ended is kept: the rules of retention, as the settings give them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lamina_core import errors
from lamina_core.domain import TERMINAL, Status

ENDED = TERMINAL | {Status.START_FAILED, Status.GONE}  # whatever else an execution is, it is never deleted
_EXAMPLE = "completed=90,failed=365,*=180"


@dataclass(frozen=True)
class Keep:
    """Days that executions, their payloads and deliveries are kept; what is left out or None is kept for ever."""

    executions: Mapping[Status, int] = field(default_factory=dict)
    payloads: int | None = None
    deliveries: int | None = None

    @property
    def is_on(self) -> bool:
        """Say whether anything is deleted at all."""
        return bool(self.executions) or self.payloads is not None or self.deliveries is not None


def before(days: int, now: datetime) -> datetime:
    """Return the instant before which what is kept for this many days is too old."""
    return now - timedelta(days=days)


def read_keep(executions: str, payloads: str, deliveries: str) -> Keep:
    """Return the rules of three settings, empty ones being unset; ConfigurationError names the setting."""
    kept = _read_statuses(executions)
    forever = ENDED - kept.keys()
    for name, text in (("LAMINA_DESK_KEEP_PAYLOADS", payloads), ("LAMINA_DESK_KEEP_DELIVERIES", deliveries)):
        days = _read_days(name, text) if text else None
        if days is not None and not forever and days > max(kept.values()):
            raise errors.ConfigurationError(
                f"{name}={days} is longer than LAMINA_DESK_KEEP keeps any execution, {max(kept.values())} days: "
                "they go with their execution. Give fewer days, or leave it out."
            )
    return Keep(kept, int(payloads) if payloads else None, int(deliveries) if deliveries else None)


def _read_statuses(text: str) -> dict[Status, int]:
    found: dict[Status, int] = {}
    others = None
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, days = (part.strip() for part in entry.partition("="))
        if not equals:
            raise errors.ConfigurationError(f"LAMINA_DESK_KEEP must look like {_EXAMPLE}; {entry!r} has no =.")
        number = _read_days("LAMINA_DESK_KEEP", days)
        if name == "*" and others is None:
            others = number
        elif name in ENDED and name not in found:
            found[Status(name)] = number
        else:
            raise errors.ConfigurationError(f"LAMINA_DESK_KEEP {_refuse(name)}")
    if others is not None:
        found = dict.fromkeys(sorted(ENDED), others) | found
    return found


def _refuse(name: str) -> str:
    if name == "*" or name in ENDED:
        return f"names {name} twice."
    known = ", ".join(sorted(ENDED))
    if name in set(Status):
        return f"names {name}: what has not ended is always kept. It may name {known}, and * for the others."
    return f"names {name!r}, which is no status. It may name {known}, and * for the others."


def _read_days(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) < 1:
        raise errors.ConfigurationError(f"{name} must give whole days between 1 and 99999, not {text!r}.")
    return int(text)
