"""What must be true after any kill, and what must be true once everything has come to rest; pure.

Every check returns a sentence for each breach that it finds, and nothing where all is well.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta

from tests.crash.account import ENDS, Account

# A start whose process was killed is called unconfirmed after 65 s, by a chore that runs every 10 s.
STARTING_AT_MOST = timedelta(seconds=80)
_OPEN_STARTS = frozenset({"starting", "start_unconfirmed"})


def find_missing_starts(account: Account) -> Iterable[str]:
    """The intent is committed before the request leaves, so whatever the sandbox accepted has a row."""
    tokens = {row.token: row for row in account.store.rows}
    for start in account.accepted:
        row = tokens.get(start.token)
        if row is None:
            yield f"execution {start.execution_id} was accepted, and no row has its token {start.token}"
        elif row.status == "start_failed":
            yield f"execution {start.execution_id} was accepted, and #{row.id} says that its start failed"


def find_repeated_starts(account: Account) -> Iterable[str]:
    """One entry in the journal is one execution at most, and nothing is started that is not in the journal."""
    known = {intent.token for intent in account.intents}
    for token, count in Counter(start.token for start in account.accepted).items():
        if count > 1:
            yield f"the start with token {token} was sent {count} times"
        if token not in known:
            yield f"a start with token {token} was sent, and nobody asked for it"


def find_mixed_ids(account: Account) -> Iterable[str]:
    """An id of Lamina's stands in the row of the start that it answers, and in no other."""
    tokens = {start.execution_id: start.token for start in account.accepted}
    for row in account.store.rows:
        if row.execution_id is None:
            continue
        if row.execution_id not in tokens:
            yield f"#{row.id} names execution {row.execution_id}, which the sandbox does not know"
        elif tokens[row.execution_id] != row.token:
            yield f"#{row.id} with token {row.token} names execution {row.execution_id} of {tokens[row.execution_id]}"


def find_lost_promises(account: Account) -> Iterable[str]:
    """A row that an operator was told of is there, with the token of the start."""
    rows = {row.id: row for row in account.store.rows}
    for intent in account.intents:
        if intent.row is not None and (intent.row not in rows or rows[intent.row].token != intent.token):
            yield f"an operator was told of #{intent.row} for token {intent.token}, and it is not there"


def find_lost_deliveries(account: Account) -> Iterable[str]:
    """A 2xx means durable: each attempt that got one has an accepted delivery of its own, signed in the same second."""
    stored = Counter(
        (delivery.execution_id, delivery.timestamp)
        for delivery in account.store.deliveries
        if delivery.verdict == "accepted"
    )
    taken = Counter((attempt.execution_id, attempt.sent_at // 1000) for attempt in account.attempts if attempt.taken)
    for (execution_id, second), count in taken.items():
        if stored[execution_id, second] < count:
            kept = stored[execution_id, second]
            yield f"execution {execution_id}: {count} webhooks of second {second} got a 2xx, {kept} are stored"


def find_damage(account: Account) -> Iterable[str]:
    """SQLite finds nothing wrong with the file."""
    if account.store.damage:
        yield f"the database is damaged: {account.store.damage}"


def find_unsettled(account: Account) -> Iterable[str]:
    """An accepted start is known by Lamina's id, or says that it is not known to have been accepted.

    The latter only where no webhook got through, which would have settled it by its token.
    """
    delivered = {attempt.execution_id for attempt in account.attempts if attempt.taken}
    by_id = {row.execution_id for row in account.store.rows}
    by_token = {row.token: row for row in account.store.rows}
    for start in account.accepted:
        row = by_token.get(start.token)
        if start.execution_id in by_id or row is None:  # no row at all is told by find_missing_starts
            continue
        if start.execution_id in delivered:
            yield f"execution {start.execution_id} was delivered, and #{row.id} is still {row.status}"
        elif row.status not in _OPEN_STARTS:
            yield f"execution {start.execution_id} is not named by #{row.id}, which is {row.status}"


def find_stuck_starts(account: Account) -> Iterable[str]:
    """A start whose answer can no longer come does not stay `starting`."""
    for row in account.store.rows:
        age = account.store.read_at - row.created_at
        if row.status == "starting" and age > STARTING_AT_MOST:
            yield f"#{row.id} is still starting after {age.total_seconds():.0f} s"


def find_unapplied(account: Account) -> Iterable[str]:
    """Every delivery was judged, and every accepted one found its execution: all of them are ours here."""
    for delivery in account.store.deliveries:
        if delivery.verdict == "unchecked":
            yield f"delivery {delivery.id} was never checked"
        elif delivery.verdict == "accepted" and delivery.execution is None:
            yield f"delivery {delivery.id} of execution {delivery.execution_id} found no row"


def find_wrong_statuses(account: Account) -> Iterable[str]:
    """Every execution has ended, and its row says how."""
    for execution_id, status in account.statuses.items():
        if status not in ENDS:
            yield f"execution {execution_id} is still {status} at the sandbox"
    for row in account.store.rows:
        status = account.statuses.get(row.execution_id or "")
        if status is not None and row.status != status:
            yield f"#{row.id} is {row.status}, and execution {row.execution_id} is {status} at the sandbox"


def find_missing_results(account: Account) -> Iterable[str]:
    """What a completed execution made is known, even where a list told its end."""
    for row in account.store.rows:
        if row.status == "completed" and not row.has_results:
            yield f"#{row.id} is completed, and its outputs are not known"


Check = Callable[[Account], Iterable[str]]
ALWAYS: tuple[Check, ...] = (
    find_missing_starts,
    find_repeated_starts,
    find_mixed_ids,
    find_lost_promises,
    find_lost_deliveries,
    find_damage,
)
AT_REST: tuple[Check, ...] = (
    find_unsettled,
    find_stuck_starts,
    find_unapplied,
    find_wrong_statuses,
    find_missing_results,
)


def find_breaches(account: Account, checks: Iterable[Check]) -> list[str]:
    """Return what all these checks find."""
    return [breach for check in checks for breach in check(account)]


@dataclass(frozen=True)
class Counts:
    """What a run was made of."""

    starts_asked: int
    starts_accepted: int
    settled_by_token: int
    attempts_without_2xx: int
    deliveries_2xx: int
    deliveries_stored: int
    duplicates: int
    start_unconfirmed: int
    accepted_of_these: int
    still_starting: int
    start_failed: int
    completed: int
    failed: int

    def as_lines(self) -> list[str]:
        """Return one line for each count."""
        return [f"{name.replace('_', ' '):<22}{count:>7}" for name, count in asdict(self).items()]


def count(account: Account) -> Counts:
    """Return what an account is made of."""
    statuses = Counter(row.status for row in account.store.rows)
    unconfirmed = {row.token for row in account.store.rows if row.status == "start_unconfirmed"}
    return Counts(
        starts_asked=len(account.intents),
        starts_accepted=len(account.accepted),
        settled_by_token=account.store.settled_by_token,
        attempts_without_2xx=sum(not attempt.taken for attempt in account.attempts),
        deliveries_2xx=sum(attempt.taken for attempt in account.attempts),
        deliveries_stored=sum(delivery.verdict == "accepted" for delivery in account.store.deliveries),
        duplicates=sum(delivery.is_duplicate for delivery in account.store.deliveries),
        start_unconfirmed=len(unconfirmed),
        accepted_of_these=sum(start.token in unconfirmed for start in account.accepted),
        still_starting=statuses["starting"],
        start_failed=statuses["start_failed"],
        completed=statuses["completed"],
        failed=statuses["failed"],
    )
