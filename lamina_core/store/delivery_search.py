"""Finding deliveries: pages by keyset, bounded counts, and executions whose expected webhook never came.

The order is that in which deliveries were stored, newest first: their ids. Each question first finds ids by an index
alone, and then reads the few rows that are shown, without their bodies.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.domain import TERMINAL, Delivery, Execution, Verdict
from lamina_core.store.criteria import COUNT_CAP, Count
from lamina_core.store.executions import ROW, execution_from
from lamina_core.store.tables import DeliveryTable, ExecutionTable

WALK = 5_000  # deliveries that are looked through at once for a reason, which has no index
LOOKED_AT = 20_000  # executions among which those without their webhook are looked for

_id, _verdict, _request_id = col(DeliveryTable.id), col(DeliveryTable.verdict), col(DeliveryTable.request_id)


@dataclass(frozen=True)
class Received(Delivery):
    """A delivery as the list shows it, with the HTTP status that it was answered."""

    answered: int


_RECEIVED = [col(getattr(DeliveryTable, name)) for name in Received.__dataclass_fields__]


@dataclass(frozen=True)
class Attempt:
    """One of the deliveries that name an execution."""

    id: int
    verdict: Verdict


@dataclass(frozen=True)
class Criteria:
    """Which deliveries; an empty or missing part does not restrict.

    `names` are Lamina's ids of executions, and where there is none, nothing matches; `after` is a delivery's id.
    """

    verdicts: frozenset[Verdict] = frozenset()
    reason: str | None = None
    names: frozenset[str] | None = None
    after: int = 0


@dataclass(frozen=True)
class Page:
    """Ids of deliveries, newest first, and the places from which the pages beside it go on.

    `is_cut` says that WALK deliveries were looked through, and the page may go on after them.
    """

    ids: tuple[int, ...]
    older: int | None
    newer: int | None
    is_cut: bool = False


@dataclass(frozen=True)
class _Span:
    """A part of the list: ids between two others, which do not belong to it."""

    above: int
    below: int | None = None
    upwards: bool = False

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        return [_id > self.above, *([_id < self.below] if self.below is not None else [])]

    def cut(self, end: int | None) -> "_Span":
        """Return the part up to and with the delivery at which a walk ended."""
        if end is None:
            return self
        return replace(self, below=end + 1) if self.upwards else replace(self, above=end - 1)

    def order(self) -> sa.ColumnElement[int]:
        return _id.asc() if self.upwards else _id.desc()

    def holds(self, row_id: int) -> bool:
        return self.above < row_id and (self.below is None or row_id < self.below)


def find_place(connection: sa.Connection, since: datetime) -> int:
    """Return the id of the last delivery that was received before an instant, 0 where there is none."""
    received_at = col(DeliveryTable.received_at)
    wanted = sa.select(_id).where(received_at < since).order_by(received_at.desc(), _id.desc()).limit(1)
    return connection.execute(wanted).scalar_one_or_none() or 0


def find_page(
    connection: sa.Connection,
    criteria: Criteria,
    limit: int,
    *,
    older_than: int | None = None,
    newer_than: int | None = None,
) -> Page:
    """Return a page: the newest deliveries, those older than a place, or those just newer than one."""
    if newer_than is not None:
        span = _Span(max(criteria.after, newer_than), upwards=True)
    else:
        span = _Span(criteria.after, older_than)
    found, end = _find_ids(connection, criteria, span, limit + 1)
    ids, is_cut = found[:limit], len(found) <= limit and end is not None
    onwards = ids[-1] if len(found) > limit else end
    if newer_than is not None:
        return Page(tuple(reversed(ids)), older=newer_than + 1, newer=onwards, is_cut=is_cut)
    return Page(tuple(ids), older=onwards, newer=None if older_than is None else older_than - 1, is_cut=is_cut)


def _find_ids(connection: sa.Connection, criteria: Criteria, span: _Span, limit: int) -> tuple[list[int], int | None]:
    """Return ids in the span's order, and the delivery at which a walk for a reason ended."""
    if criteria.names is not None:
        named = sorted(_find_named(connection, criteria, span), reverse=not span.upwards)
        return named[:limit], None
    ids: list[int] = []
    ends: list[int] = []
    for conditions in _by_verdict(criteria):
        end = _walk(connection, conditions, span) if criteria.reason else None
        ends += [end] if end is not None else []
        wanted = sa.select(_id).where(*conditions, *_has_reason(criteria), *span.cut(end).conditions())
        ids += connection.execute(wanted.order_by(span.order()).limit(limit)).scalars()
    nearest = (min(ends) if span.upwards else max(ends)) if ends else None
    within = span.cut(nearest)
    return sorted((each for each in ids if within.holds(each)), reverse=not span.upwards)[:limit], nearest


def _by_verdict(criteria: Criteria) -> Iterator[list[sa.ColumnElement[bool]]]:
    """Give the conditions of each verdict for itself: of several at once no index keeps the order."""
    if not criteria.verdicts or criteria.verdicts == set(Verdict):
        yield []
    else:
        yield from ([_verdict == verdict] for verdict in sorted(criteria.verdicts))


def _has_reason(criteria: Criteria) -> list[sa.ColumnElement[bool]]:
    return [col(DeliveryTable.reason) == criteria.reason] if criteria.reason else []


def _walk(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]], span: _Span) -> int | None:
    """Return the delivery at which a walk through a span has looked at WALK, None if it has come to the end."""
    walked = sa.select(_id).where(*conditions, *span.conditions()).order_by(span.order()).limit(WALK + 1).subquery()
    last = sa.func.max(walked.c.id) if span.upwards else sa.func.min(walked.c.id)
    number, end = connection.execute(sa.select(sa.func.count(), last).select_from(walked)).one()
    return end if number > WALK else None


def _find_named(connection: sa.Connection, criteria: Criteria, span: _Span) -> list[int]:
    """Return those that name the executions. Asked for nothing else, lest the database take another index.

    They are few: Lamina sends a webhook four times at most, and of others no more than a fixed number is kept.
    """
    wanted = sa.select(_id, _verdict, col(DeliveryTable.reason)).where(_request_id.in_(sorted(criteria.names or ())))
    return [
        row.id
        for row in connection.execute(wanted)
        if span.holds(row.id)
        and (not criteria.verdicts or row.verdict in criteria.verdicts)
        and criteria.reason in {None, row.reason}
    ]


def count(connection: sa.Connection, criteria: Criteria, newer_than: int = 0) -> Count:
    """Return how many deliveries match, counting no further than COUNT_CAP, nor through more than WALK."""
    span = _Span(max(criteria.after, newer_than))
    if criteria.names is not None:
        number, is_cut = len(_find_named(connection, criteria, span)), False
    else:
        number, is_cut = 0, False
        for conditions in _by_verdict(criteria):
            end = _walk(connection, conditions, span) if criteria.reason else None
            wanted = sa.select(_id).where(*conditions, *_has_reason(criteria), *span.cut(end).conditions())
            # Ordered, lest PostgreSQL look for the newest by going through all from the oldest on.
            newest = wanted.order_by(_id.desc()).limit(COUNT_CAP + 1).subquery()
            counted = sa.select(sa.func.count()).select_from(newest)
            number += connection.execute(counted).scalar_one()
            is_cut = is_cut or end is not None
    return Count(min(number, COUNT_CAP), is_cut or number > COUNT_CAP)


def find_by_ids(connection: sa.Connection, ids: Collection[int]) -> dict[int, Received]:
    """Return deliveries by their ids."""
    if not ids:
        return {}
    rows = connection.execute(sa.select(*_RECEIVED).where(_id.in_(ids)))
    return {row.id: Received(**{**row._mapping, "verdict": Verdict(row.verdict)}) for row in rows}


def find_attempts(connection: sa.Connection, names: Collection[str]) -> dict[str, list[Attempt]]:
    """Return the deliveries that name each of these executions, oldest first; those without any are left out."""
    if not names:
        return {}
    wanted = sa.select(_request_id, _id, _verdict).where(_request_id.in_(sorted(names)))
    found: dict[str, list[Attempt]] = {}
    for row in sorted(connection.execute(wanted), key=lambda row: int(row.id)):
        found.setdefault(row.request_id, []).append(Attempt(row.id, Verdict(row.verdict)))
    return found


def find_executions(connection: sa.Connection, names: Collection[str]) -> dict[str, Execution]:
    """Return executions by Lamina's ids."""
    if not names:
        return {}
    wanted = sa.select(*ROW).where(col(ExecutionTable.execution_id).in_(sorted(names)))
    return {row.execution_id: execution_from(row) for row in connection.execute(wanted)}


@dataclass(frozen=True)
class Window:
    """The newest executions, down to an instant; `is_cut` says that older ones were left out for their number."""

    since: datetime
    is_cut: bool


@dataclass(frozen=True)
class Reconciliation:
    """How the ends of executions with a webhook came to be known here, and of how many the webhook is due still."""

    by_webhook: int = 0
    by_poll_first: int = 0  # the webhook came later
    never: int = 0
    awaited: int = 0

    @property
    def total(self) -> int:
        """Return how many ended."""
        return self.by_webhook + self.by_poll_first + self.never + self.awaited


_ended_at = sa.func.coalesce(col(ExecutionTable.completed_at), col(ExecutionTable.updated_at))
_delivered_at = col(ExecutionTable.delivered_at)
# A scalar, lest PostgreSQL join all deliveries to find that there is none. Only verified ones belong to an execution.
_linked = sa.select(_id).where(col(DeliveryTable.execution) == col(ExecutionTable.id)).limit(1).scalar_subquery()


def find_window(connection: sa.Connection, since: datetime) -> Window:
    """Return what part of the executions started since an instant is looked at: at most LOOKED_AT."""
    created_at = col(ExecutionTable.created_at)
    newest = sa.select(created_at).where(created_at >= since).order_by(created_at.desc()).limit(LOOKED_AT).subquery()
    number, first = connection.execute(sa.select(sa.func.count(), sa.func.min(newest.c.created_at))).one()
    return Window(first, True) if number == LOOKED_AT else Window(since, False)


def _ended_with_webhook(window: Window) -> list[sa.ColumnElement[bool]]:
    return [
        col(ExecutionTable.created_at) >= window.since,
        col(ExecutionTable.webhook_expected).is_(True),
        col(ExecutionTable.status).in_(sorted(TERMINAL)),
    ]


def find_unheard(connection: sa.Connection, window: Window, ended_before: datetime, limit: int) -> list[Execution]:
    """Return executions that ended before an instant and whose webhook has not come, the last started first."""
    never = [_ended_at < ended_before, _delivered_at.is_(None), _linked.is_(None)]
    wanted = sa.select(*ROW).where(*_ended_with_webhook(window), *never)
    wanted = wanted.order_by(col(ExecutionTable.created_at).desc(), col(ExecutionTable.id).desc()).limit(limit)
    return [execution_from(row) for row in connection.execute(wanted)]


def reconcile(
    connection: sa.Connection, window: Window, ended_since: datetime, ended_before: datetime
) -> Reconciliation:
    """Count how executions that ended since an instant became known; after `ended_before` the webhook may still come.

    A delivery that told the end was received before the row was written, one that found it told came after that.
    """
    outcome = sa.case(
        (_delivered_at <= col(ExecutionTable.updated_at), "by_webhook"),
        (_delivered_at.is_not(None), "by_poll_first"),
        (_linked.is_not(None), "by_poll_first"),
        (_ended_at < ended_before, "never"),
        else_="awaited",
    ).label("outcome")
    wanted = sa.select(outcome, sa.func.count().label("number"))
    wanted = wanted.where(*_ended_with_webhook(window), _ended_at >= ended_since).group_by(sa.text("1"))
    return Reconciliation(**{row.outcome: row.number for row in connection.execute(wanted)})
