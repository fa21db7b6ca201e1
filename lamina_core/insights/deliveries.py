"""What Lamina sent us, what we refused and why, and which expected webhooks never came, as the Deliveries screen reads.

The filters stand in the screen's URL. Each reading asks the store a fixed number of questions, however much has come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from lamina_core.api import wire
from lamina_core.domain import Execution, Verdict
from lamina_core.insights import filters
from lamina_core.insights.reasons import REASONS
from lamina_core.store import delivery_search, executions, search
from lamina_core.store.criteria import Count
from lamina_core.store.delivery_search import Attempt, Criteria, Received, Reconciliation
from lamina_core.store.engine import Engines

PAGE = 50  # rows
GAPS = 100  # executions without their webhook
GAPS_WINDOW = timedelta(days=7)  # since their start
DUE_WITHIN = timedelta(minutes=5)  # after an end; Lamina's last try comes 2 min 35 s after the first
RECONCILED = timedelta(hours=24)

_NAMES = 20  # executions that a begun id may mean
_TEXT_LENGTH = 200  # characters
_CLOCKS_APART = timedelta(seconds=5)  # of Lamina and of us, at most, where both are right


class View(StrEnum):
    """What the screen lists."""

    RECEIVED = "received"
    MISSING = "missing"  # executions whose expected webhook never came


@dataclass(frozen=True)
class DeliveryFilter:
    """What an operator looks at: filters, and the place in the list as a delivery's id."""

    view: View = View.RECEIVED
    verdicts: frozenset[Verdict] = frozenset()
    reason: str | None = None
    execution: str | None = None  # Lamina's id or a reference, whole or begun, or our number
    range: str = "all"
    older_than: int | None = None
    newer_than: int | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> "DeliveryFilter":
        """Read the URL's parameters; what cannot be read does not restrict."""
        if params.get("view") == View.MISSING:
            return cls(View.MISSING)
        reason, time_range = params.get("reason", ""), params.get("range", "all")
        text = wire.clean_text(params.get("execution", "").replace("\x00", "")[:_TEXT_LENGTH]).strip()
        return cls(
            verdicts=frozenset(Verdict(word) for word in params.get("verdict", "").split(",") if word in set(Verdict)),
            reason=reason if reason in REASONS else None,
            execution=text or None,
            range=time_range if time_range in filters.RANGES else "all",
            older_than=_read_place(params.get("older", "")),
            newer_than=_read_place(params.get("newer", "")),
        )

    def to_params(self) -> dict[str, str]:
        """Return the URL's parameters, those that restrict only."""
        params = {
            "view": self.view if self.view is not View.RECEIVED else None,
            "verdict": ",".join(verdict for verdict in Verdict if verdict in self.verdicts),
            "reason": self.reason,
            "execution": self.execution,
            "range": self.range if self.range != "all" else None,
            "older": None if self.older_than is None else str(self.older_than),
            "newer": None if self.newer_than is None else str(self.newer_than),
        }
        return {name: str(value) for name, value in params.items() if value}


def _read_place(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


@dataclass(frozen=True)
class DeliveryRow:
    """One delivery as the list shows it.

    `execution` is the one that it names; only accepted ones prove it. `attempt` of `attempts` counts the deliveries
    that name the same execution.
    """

    delivery: Received
    execution: Execution | None
    attempt: int
    attempts: int

    @property
    def delay(self) -> timedelta | None:
        """Return how long after the execution's end at Lamina it came; None where it told of no end, or an earlier."""
        if self.execution is None or self.execution.completed_at is None:
            return None
        delay = self.delivery.received_at - self.execution.completed_at
        return max(delay, timedelta()) if delay > -_CLOCKS_APART else None


@dataclass(frozen=True)
class DeliveryListing:
    """A page of rows, and the filters that lead to the pages beside it.

    `names` is which executions the filter means. `is_cut` says that no more were looked through than the store's WALK.
    """

    rows: tuple[DeliveryRow, ...]
    older: DeliveryFilter | None
    newer: DeliveryFilter | None
    is_cut: bool
    names: frozenset[str] | None


@dataclass(frozen=True)
class DeliveryChanges:
    """The same rows as they stand now; `counts` follow every filter but the verdicts, `newer` are not in the list."""

    rows: tuple[DeliveryRow, ...]
    counts: dict[Verdict, Count]
    newer: Count
    as_of: datetime


@dataclass(frozen=True)
class Gap:
    """An execution that ended without its webhook; `refused` counts the deliveries that named it and did not verify."""

    execution: Execution
    refused: int
    is_open: bool  # False: its webhook has come while the list was looked at


@dataclass(frozen=True)
class Gaps:
    """The executions without their webhook, the last started first, and how the last day's ends became known.

    `since` is from which start on executions were looked at, and `is_cut` that it is so late for their number.
    """

    rows: tuple[Gap, ...]
    has_more: bool
    newer: int  # that the list does not show yet
    ends: Reconciliation
    since: datetime
    is_cut: bool
    as_of: datetime


def read_listing(engines: Engines, wanted: DeliveryFilter, now: datetime) -> DeliveryListing:
    """Read one page."""
    with engines.reading() as connection:
        names = _find_names(connection, wanted.execution) if wanted.execution else None
        criteria = _criteria(connection, wanted, names, now)
        page = delivery_search.find_page(
            connection, criteria, PAGE, older_than=wanted.older_than, newer_than=wanted.newer_than
        )
        rows = _complete(connection, page.ids)
    older = None if page.older is None else replace(wanted, older_than=page.older, newer_than=None)
    newer = None if page.newer is None else replace(wanted, older_than=None, newer_than=page.newer)
    return DeliveryListing(tuple(rows.values()), older, newer, page.is_cut, names)


def read_changes(engines: Engines, wanted: DeliveryFilter, listing: DeliveryListing, now: datetime) -> DeliveryChanges:
    """Read the rows on the screen again, in the order in which they stand there."""
    shown = listing.rows
    with engines.reading() as connection:
        criteria = _criteria(connection, wanted, listing.names, now)
        fresh = _complete(connection, [row.delivery.id for row in shown])
        newer = delivery_search.count(connection, criteria, shown[0].delivery.id if shown else 0)
        counts = {verdict: _count(connection, criteria, wanted.reason, verdict) for verdict in Verdict}
    return DeliveryChanges(tuple(fresh.get(row.delivery.id, row) for row in shown), counts, newer, now)


def _count(connection: sa.Connection, criteria: Criteria, reason: str | None, verdict: Verdict) -> Count:
    if reason is not None and REASONS[reason].verdict is not verdict:
        return Count(0, False)
    return delivery_search.count(connection, replace(criteria, verdicts=frozenset({verdict})))


def _criteria(
    connection: sa.Connection, wanted: DeliveryFilter, names: frozenset[str] | None, now: datetime
) -> Criteria:
    """Return what the store looks for: a time is a place in its order, and a reason has its verdict."""
    length = filters.RANGES[wanted.range][1]
    after = delivery_search.find_place(connection, now - length) if length else 0
    verdicts = wanted.verdicts
    if wanted.reason is not None:
        own = frozenset({REASONS[wanted.reason].verdict})
        if verdicts and not verdicts & own:
            names = frozenset()  # nothing has this reason and another verdict
        verdicts = own
    return Criteria(verdicts, wanted.reason, names, after)


def _find_names(connection: sa.Connection, text: str) -> frozenset[str]:
    """Return Lamina's ids that a text may mean; of deliveries that name no execution of ours, the whole id alone."""
    names = {text}
    if not delivery_search.find_attempts(connection, names):
        found = set(search.find_by_ids(connection, search.find_ids_by_text(connection, text, _NAMES)).values())
        number = text.removeprefix("#")
        if not found and number.isascii() and number.isdecimal() and len(number) < 18:
            found = {each for each in [executions.find(connection, int(number))] if each is not None}
        names |= {each.execution_id for each in found if each.execution_id is not None}
    return frozenset(names)


def _complete(connection: sa.Connection, ids: Sequence[int]) -> dict[int, DeliveryRow]:
    """Return rows in the order of the ids, without those that are gone."""
    found = delivery_search.find_by_ids(connection, ids)
    names = {each.request_id for each in found.values() if each.request_id is not None}
    attempts = delivery_search.find_attempts(connection, names)
    named = delivery_search.find_executions(connection, names)
    rows = {}
    for row_id in (each for each in ids if each in found):
        delivery = found[row_id]
        family = [each.id for each in attempts.get(delivery.request_id or "", ())] or [row_id]
        execution = named.get(delivery.request_id or "")
        rows[row_id] = DeliveryRow(delivery, execution, family.index(row_id) + 1, len(family))
    return rows


def read_gaps(engines: Engines, now: datetime, shown: Sequence[int] | None = None) -> Gaps:
    """Read the executions without their webhook; those that are `shown` already come as they stand, in their order."""
    overdue = now - DUE_WITHIN
    with engines.reading() as connection:
        window = delivery_search.find_window(connection, now - GAPS_WINDOW)
        found = {each.id: each for each in delivery_search.find_unheard(connection, window, overdue, GAPS + 1)}
        listed = list(found)[:GAPS] if shown is None else list(shown)
        known = found | search.find_by_ids(connection, [row_id for row_id in listed if row_id not in found])
        listed_now = [known[row_id] for row_id in listed if row_id in known]
        names = {each.execution_id for each in listed_now if each.execution_id is not None}
        attempts = delivery_search.find_attempts(connection, names)
        ends = delivery_search.reconcile(connection, window, now - RECONCILED, overdue)
    rows = tuple(_gap(each, attempts.get(each.execution_id or "", ()), each.id in found) for each in listed_now)
    newer = 0 if shown is None else len(set(list(found)[:GAPS]) - set(shown))
    return Gaps(rows, len(found) > GAPS, newer, ends, window.since, window.is_cut, now)


def _gap(execution: Execution, attempts: Sequence[Attempt], is_found: bool) -> Gap:
    refused = sum(each.verdict is not Verdict.ACCEPTED for each in attempts)
    return Gap(execution, refused, is_found or refused == len(attempts))
