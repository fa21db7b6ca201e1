"""What a made-up history is like: the same for the same seed, and believable."""

from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest

from lamina_core.domain import TERMINAL, Origin, Status
from lamina_core.sandbox import validation
from lamina_core.sandbox.catalogue import Catalogue
from lamina_core.seeding.history import History
from lamina_core.store.seeding import Batch
from lamina_core.triage.records import Triage
from tests.unit.seeding.conftest import END

Make = Callable[..., History]


def rows(history: History) -> list[dict]:
    return list(chain.from_iterable(batch.executions for batch in history.batches(0)))


@pytest.fixture(scope="module")
def many(models) -> list[Batch]:
    from lamina_core.domain import Generation

    history = History(models, 1, 6_000, 1, END, 365, Generation.EXECUTIONS, in_flight=True, batch=3_000)
    return list(history.batches(0))


@pytest.fixture(scope="module")
def executions(many: list[Batch]) -> list[dict]:
    return [row for batch in many for row in batch.executions]


def test_the_same_seed_makes_the_same_history_and_another_another(make_history: Make):
    assert list(make_history().batches(0)) == list(make_history().batches(0))
    assert rows(make_history())[0]["execution_id"] != rows(make_history(seed=4))[0]["execution_id"]


def test_each_batch_stands_by_itself_so_that_a_history_can_go_on_after_any(make_history: Make):
    history = make_history(600)
    assert list(history.batches(200)) == list(history.batches(0))[1:]


def test_statuses_have_the_shares_of_life(executions: list[dict]):
    shares = {status: number / len(executions) for status, number in Counter(r["status"] for r in executions).items()}
    assert shares[Status.COMPLETED] == pytest.approx(0.86, abs=0.03)
    assert shares[Status.FAILED] == pytest.approx(0.09, abs=0.025)
    assert shares[Status.CANCELLED] == pytest.approx(0.015, abs=0.008)
    assert 0 < shares[Status.GONE] < 0.03
    assert 0 < shares[Status.START_FAILED] < 0.03


def test_only_the_newest_are_in_flight_and_nobody_polls_them(executions: list[dict]):
    open_still = [row["id"] for row in executions if row["status"] in {Status.QUEUED, Status.RUNNING}]
    assert open_still
    assert min(open_still) > len(executions) - 10
    assert {row["next_poll_at"] for row in executions} == {None}


def test_a_demo_history_has_nothing_in_flight(make_history: Make):
    statuses = {row["status"] for row in rows(make_history(in_flight=False, days=1))}
    assert not statuses & {Status.QUEUED, Status.RUNNING, Status.STARTING}


def test_a_few_apps_are_used_most(executions: list[dict]):
    counts = [number for _, number in Counter(row["app_id"] for row in executions).most_common()]
    assert counts[0] > 1.5 * counts[1]
    assert counts[0] > 10 * counts[9]


def test_times_are_in_order_and_weekends_quieter(executions: list[dict]):
    began = [row["created_at"] for row in executions]
    assert began == sorted(began)
    assert (END - began[0]).days == 364
    by_day = Counter(at.weekday() for at in began)
    assert by_day[1] > 1.5 * by_day[6]
    by_hour = Counter(at.hour for at in began)
    assert by_hour[13] > 3 * by_hour[2]
    for row in executions:
        if row["status"] in TERMINAL:
            assert row["created_at"] < row["started_at"] < row["completed_at"] <= row["updated_at"]
            assert row["duration"] == pytest.approx(
                (row["completed_at"] - row["created_at"]).total_seconds() * 1000, abs=1
            )


def test_others_starts_bear_the_name_of_their_door_and_ours_a_person_and_a_token(many: list[Batch]):
    for batch in many:
        for row, payload in zip(batch.executions, batch.payloads, strict=True):
            assert row["id"] == payload["execution"]
            is_others = row["origin"] in {Origin.REGISTERED, Origin.IMPORTED, Origin.WEBHOOK}
            assert (row["started_by"] == row["origin"]) == is_others
            assert (payload["start_token"] is None) == is_others


def test_ids_and_tokens_are_unique(many: list[Batch]):
    names = [row["execution_id"] for batch in many for row in batch.executions if row["execution_id"]]
    tokens = [row["start_token"] for batch in many for row in batch.payloads if row["start_token"]]
    assert len(set(names)) == len(names)
    assert len(set(tokens)) == len(tokens)


def test_replays_are_of_failures_before_them_and_some_mend_them(many: list[Batch]):
    for batch in many:
        by_id = {row["id"]: row for row in batch.executions}
        failed = {each.failure.execution: each.failure for each in batch.failures}
        replays = [row for row in batch.executions if row["replay_of"] is not None]
        assert len(replays) > 20
        assert {row["origin"] for row in replays} == {Origin.REPLAY, Origin.BULK}
        for row in replays:
            original = by_id[row["replay_of"]]
            assert original["id"] in failed
            assert original["app_id"] == row["app_id"]
            assert original["created_at"] < row["created_at"]
        mended = {failure.execution: failure.resolved_by for failure in failed.values() if failure.resolved_by}
        assert len(mended) > 10
        for replay in mended.values():
            assert by_id[replay]["status"] == Status.COMPLETED
            assert replay not in failed
        direct = {row["replay_of"] for row in replays if row["status"] == Status.COMPLETED and row["id"] not in failed}
        assert direct <= {each for each, failure in failed.items() if failure.triage is Triage.RESOLVED}


def test_failures_come_in_few_causes_whose_words_vary(many: list[Batch]):
    found = [each for batch in many for each in batch.failures]
    groups = Counter(each.cause.fingerprint for each in found)
    assert len(groups) < len(found) / 4
    assert len({each.sample for each in found}) > 2 * len(groups)


def test_inputs_of_the_sandboxs_apps_pass_its_check_and_fail_only_by_its_rules(
    many: list[Batch], sandbox_apps: Catalogue, models
):
    by_app = {model.app.app_id: model for model in models}
    seen, doomed = Counter(), Counter()
    for batch in many:
        for row, payload in zip(batch.executions, batch.payloads, strict=True):
            app, inputs = sandbox_apps.find(row["app_id"]), payload["inputs"]
            if app is None or inputs is None:
                continue
            seen[app.name] += 1
            assert validation.check_inputs(app, inputs).problems == ()
            rule = by_app[app.app_id].find_rule(inputs)
            if rule is not None:
                doomed[app.name] += rule.parameter is not None
                if row["status"] in TERMINAL:
                    assert row["error_message"] == (rule.error_message or rule.output_error)
    assert len(seen) == len(sandbox_apps.apps)
    assert all(doomed[name] < 0.2 * number for name, number in seen.items()), doomed
    assert sum(doomed.values()) > 20
