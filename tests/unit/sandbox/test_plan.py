"""A run's status and outputs follow from its plan and the time, and from nothing else."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina_core.sandbox import plan
from lamina_core.sandbox.plan import OutputFate, Plan


def _plan(**changes) -> Plan:
    outputs = (
        OutputFate("node-1", "Front", "image", "http://127.0.0.1/1.png", None, 4_000),
        OutputFate("node-2", "Back", "image", "http://127.0.0.1/2.png", "Node broke", 6_000),
    )
    return replace(Plan(1_000, 2_000, 6_000, plan.COMPLETED, None, outputs, 5, 0), **changes)


@pytest.mark.parametrize(
    ("now", "status", "outputs"),
    [
        (1_999, "queued", ["pending", "pending"]),
        (2_000, "running", ["pending", "pending"]),
        (4_000, "running", ["completed", "pending"]),
        (6_000, "completed", ["completed", "error"]),
    ],
)
def test_the_time_decides_status_and_outputs(now, status, outputs):
    seen = plan.view(_plan(), now)

    assert seen.status == status
    assert [output.status for output in seen.outputs] == outputs


def test_a_failed_output_keeps_the_type_pending_and_has_no_value():
    failed = plan.view(_plan(), 6_000).outputs[1]

    assert (failed.type, failed.value, failed.error) == ("pending", None, "Node broke")


def test_the_error_message_comes_with_the_end_and_not_before():
    failing = _plan(outcome=plan.FAILED, error_message="It broke")

    assert plan.view(failing, 5_999).error_message is None
    assert plan.view(failing, 6_000).error_message == "It broke"


def test_instants_are_null_until_they_have_come():
    queued, running, ended = (plan.view(_plan(), now) for now in (1_500, 3_000, 7_000))

    assert (queued.started_at, queued.completed_at) == (None, None)
    assert (running.started_at, running.completed_at) == (2_000, None)
    assert (ended.started_at, ended.completed_at) == (2_000, 6_000)
    assert not running.is_terminal
    assert ended.is_terminal


def test_cancelling_in_the_queue_leaves_a_run_that_never_started():
    seen = plan.view(plan.cancel(_plan(), 1_500), 9_000)

    assert (seen.status, seen.started_at, seen.completed_at) == ("cancelled", None, 1_500)
    assert {output.status for output in seen.outputs} == {"cancelled"}


def test_cancelling_while_running_keeps_the_outputs_that_are_done():
    seen = plan.view(plan.cancel(_plan(), 5_000), 9_000)

    assert [output.status for output in seen.outputs] == ["completed", "cancelled"]


def test_cancelling_after_the_end_changes_nothing():
    assert plan.cancel(_plan(), 6_000) == _plan()


def test_the_next_change_is_the_start_then_the_end_then_none():
    assert [plan.next_change(_plan(), now) for now in (1_000, 2_000, 6_000)] == [2_000, 6_000, None]


def test_labels_choose_outputs_whatever_the_case_and_all_that_share_one(make_app):
    app = make_app()

    assert plan.choose_outputs(app, ["back"]) == (1, 2)
    assert plan.choose_outputs(app, ["FRONT", "back"]) == (0, 1, 2)
    assert plan.choose_outputs(app, []) == (0, 1, 2)
    assert plan.choose_outputs(app, ["Side"]) is None


@pytest.mark.parametrize(
    ("parameter", "contains", "values", "meets"),
    [
        (None, "", {}, True),
        ("Prompt", "Storm", {"Prompt": "a STORM at sea"}, True),
        ("Prompt", "storm", {"Prompt": "calm"}, False),
        ("Links", "broken", {"Links": ["https://example.com/a.png", "https://example.com/Broken.png"]}, True),
        ("Count", "-", {"Count": -3}, True),
        ("Prompt", "storm", {}, False),
    ],
)
def test_a_failure_rule_looks_at_the_effective_value(make_app, rule, parameter, contains, values, meets):
    planned = rule(parameter, contains)

    assert plan.find_failure(make_app(failures=(planned,)), values) == (planned if meets else None)


def test_the_first_rule_that_is_met_decides(make_app, rule):
    first, second = rule("Prompt", "a", error_message="first"), rule(None, error_message="second")

    found = plan.find_failure(make_app(failures=(first, second)), {"Prompt": "bab"})

    assert found == first


def test_a_rule_with_indices_fails_these_outputs_only(make_app, rule):
    outputs = [(index, output, "value") for index, output in enumerate(make_app().outputs)]

    fates = plan.decide_outputs(outputs, rule(outputs=(1,)), [1, 2, 3])

    assert [fate.error for fate in fates] == [None, "Node broke", None]


@given(st.integers(1, 20), st.integers(0, 100_000), st.integers(0, 2**32))
def test_every_output_is_ready_within_the_running_time_and_one_at_its_end(count, span, seed):
    times = plan.draw_ready_times(count, 1_000, 1_000 + span, random.Random(seed))

    assert len(times) == count
    assert max(times) == 1_000 + span
    assert min(times) >= 1_000


def test_durations_gather_around_the_median_without_far_tails(make_app):
    app, rng = make_app(), random.Random(3)

    drawn = sorted(plan.draw_duration(app, rng) for _ in range(2_001))

    assert drawn[1_000] == pytest.approx(app.median_seconds, rel=0.1)
    assert drawn[0] > app.median_seconds / 2.2
    assert drawn[-1] < app.median_seconds * 2.2
