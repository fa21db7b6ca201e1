"""The short form: the real process killed a few times under load; and each check is seen to find its breach.

`make crash` is the long form of the same.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash import checks
from tests.crash.account import Account, copy_database, read_store
from tests.crash.harness import Plan, Run, Verdict
from tests.crash.load import SHORT_APPS, Load

SEED = 1848  # it aims its kills at a standstill, at a start and at a delivery
PLAN = Plan(
    kills=3,
    seed=SEED,
    load=Load(operators=4, pause=0.2, apps=SHORT_APPS, seed=str(SEED)),
    short_life=1.5,
    long_life=3.0,
    long_lives=0.0,
    patience=120.0,
    waits_for_starts=False,
    least=6,
)
# What is done to a copy of the store, to one ordinary execution :id in it; each check finds it once.
BREACHES: dict[checks.Check, tuple[str, ...]] = {
    checks.find_missing_starts: ("UPDATE execution_payload SET start_token = 'another' WHERE execution = :id",),
    checks.find_mixed_ids: ("UPDATE execution SET execution_id = 'e-unheard-of' WHERE id = :id",),
    checks.find_lost_promises: (
        "UPDATE execution_payload SET execution = 1000000 WHERE execution = :id",
        "UPDATE execution SET id = 1000000 WHERE id = :id",
    ),
    checks.find_lost_deliveries: ("DELETE FROM delivery WHERE execution = :id",),
    checks.find_unsettled: ("UPDATE execution SET execution_id = NULL, status = 'start_unconfirmed' WHERE id = :id",),
    checks.find_stuck_starts: (
        "UPDATE execution SET status = 'starting', created_at = '2026-03-14 09:00:00' WHERE id = :id",
    ),
    checks.find_unapplied: ("UPDATE delivery SET execution = NULL WHERE execution = :id",),
    checks.find_missing_results: (
        """UPDATE execution_payload SET outputs = '[{"status": "pending"}]' WHERE execution = :id""",
    ),
    checks.find_wrong_statuses: ("UPDATE execution SET status = 'running' WHERE id = :id",),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="module")
def verdict(folder: Path) -> Verdict:
    return Run(PLAN, folder, print).carry_out()


def find_ordinary(account: Account) -> int:
    """Return the row of an execution of which everything is known: told to an operator, delivered once, completed."""
    told = {intent.row for intent in account.intents if intent.row is not None}
    delivered = Counter(delivery.execution for delivery in account.store.deliveries)
    statuses = {row.id: row.status for row in account.store.rows}
    return next(row for row in told if delivered[row] == 1 and statuses[row] == "completed")


def changed(account: Account, folder: Path, statements: tuple[str, ...], copy: Path) -> Account:
    """Return the account of a run with other things in a copy of its store."""
    database = copy_database(folder / "desk.db", copy)
    with closing(sqlite3.connect(database)) as connection, connection:
        touched = [connection.execute(each, {"id": find_ordinary(account)}).rowcount for each in statements]
    assert touched == [1] * len(statements)
    return replace(account, store=read_store(database))


def test_killed_under_load_nothing_is_lost_and_nothing_is_sent_twice(verdict: Verdict):
    counts = checks.count(verdict.account)
    assert verdict.breaches == (), f"seed {SEED}"
    assert verdict.kills == PLAN.kills
    assert min(counts.starts_accepted, counts.deliveries_2xx, counts.completed) > 10, "there was hardly any load"


@pytest.mark.parametrize("check", BREACHES, ids=lambda check: check.__name__)
def test_each_check_finds_its_breach_in_the_store_of_that_run(verdict: Verdict, folder: Path, tmp_path: Path, check):
    assert list(check(verdict.account)) == []
    assert len(list(check(changed(verdict.account, folder, BREACHES[check], tmp_path)))) == 1


def test_a_row_that_is_gone_is_missed_by_its_start_its_operator_and_its_delivery(
    verdict: Verdict, folder: Path, tmp_path: Path
):
    gone = (
        "DELETE FROM delivery WHERE execution = :id",
        "DELETE FROM execution_payload WHERE execution = :id",
        "DELETE FROM execution WHERE id = :id",
    )
    found = checks.find_breaches(changed(verdict.account, folder, gone, tmp_path), checks.ALWAYS)
    assert len(found) == 3


def test_a_start_called_failed_that_the_sandbox_accepted_is_found(verdict: Verdict, folder: Path, tmp_path: Path):
    denied = ("UPDATE execution SET execution_id = NULL, status = 'start_failed' WHERE id = :id",)
    account = changed(verdict.account, folder, denied, tmp_path)
    assert len(list(checks.find_missing_starts(account))) == 1


def test_a_start_sent_twice_and_one_that_nobody_asked_for_are_found(verdict: Verdict):
    account = verdict.account
    assert list(checks.find_repeated_starts(account)) == []
    again = replace(account.accepted[0], execution_id="e-again")
    assert len(list(checks.find_repeated_starts(replace(account, accepted=(*account.accepted, again))))) == 1
    foreign = replace(account.accepted[0], token="0" * 32)
    assert len(list(checks.find_repeated_starts(replace(account, accepted=(*account.accepted, foreign))))) == 1


def test_an_execution_that_has_not_ended_at_the_sandbox_is_found(verdict: Verdict):
    statuses = dict(verdict.account.statuses)
    statuses[next(iter(statuses))] = "running"
    assert list(checks.find_wrong_statuses(replace(verdict.account, statuses=statuses)))


def test_a_damaged_file_is_found(verdict: Verdict, folder: Path, tmp_path: Path):
    content = bytearray((folder / "desk.db").read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\x2a" * 4096
    (tmp_path / "desk.db").write_bytes(content)
    assert list(checks.find_damage(verdict.account)) == []
    assert list(checks.find_damage(replace(verdict.account, store=read_store(tmp_path / "desk.db"))))
