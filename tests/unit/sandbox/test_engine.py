"""Runs are planned by the seed, kept over restarts, cancelled and refined in place."""

import json

import pytest

from lamina_core.sandbox import plan
from lamina_core.sandbox.faults import Fault, Name
from lamina_core.sandbox.records import Generation

HOOK = "http://127.0.0.1:9/hook"


def test_the_same_seed_plans_the_same_runs_under_different_ids(make_bench, make_app):
    first, second = make_bench(seed=4), make_bench(seed=4)

    one, other = first.start(make_app()), second.start(make_app())

    assert one.plan == other.plan
    assert one.execution_id != other.execution_id
    assert first.start(make_app()).plan != one.plan
    assert make_bench(seed=5).start(make_app()).plan != one.plan


def test_a_restart_goes_on_with_the_sequence_and_replays_nothing(make_bench, make_app, tmp_path):
    straight = make_bench(seed=4)
    plans = [straight.start(make_app()).plan for _ in range(2)]
    before = make_bench(seed=4, path=tmp_path / "sandbox.db")
    started = before.start(make_app())
    before.state.close()

    after = make_bench(seed=4, path=tmp_path / "sandbox.db")

    assert after.state.find(started.execution_id) == started
    assert after.start(make_app()).plan == plans[1]


def test_speed_divides_every_duration(make_bench, make_app):
    slow, fast = make_bench(speed=1).start(make_app()).plan, make_bench(speed=10).start(make_app()).plan

    assert fast.ends_at - fast.created_at == pytest.approx((slow.ends_at - slow.created_at) / 10, abs=2)


def test_a_failing_rule_fails_the_run_and_a_partial_one_completes_it(bench, make_app, rule):
    failing = bench.start(make_app(failures=(rule(),)))
    partial = bench.start(make_app(failures=(rule(error_message=None, outputs=(2,)),)))
    bench.clock.advance(600)

    failed, completed = bench.engine.look(failing), bench.engine.look(partial)

    assert (failed.status, failed.error_message) == ("failed", "It broke")
    assert {output.status for output in failed.outputs} == {"error"}
    assert (completed.status, completed.error_message) == ("completed", None)
    assert [output.status for output in completed.outputs] == ["completed", "completed", "error"]


def test_a_selection_makes_these_outputs_only_and_rules_follow_the_apps_indices(bench, make_app, rule):
    execution = bench.start(make_app(failures=(rule(error_message=None, outputs=(2,)),)), chosen=(0, 2))
    bench.clock.advance(600)

    seen = bench.engine.look(execution)

    assert [(output.label, output.status) for output in seen.outputs] == [("Front", "completed"), ("Back", "error")]


def test_the_webhook_is_planned_for_the_end_with_the_final_document(bench, make_app):
    execution = bench.start(make_app(), webhook_url=HOOK, generation=Generation.A)

    (webhook,) = bench.webhooks

    assert webhook.due_at == execution.plan.ends_at
    assert webhook in bench.state.pending_webhooks()
    document = json.loads(webhook.body)["data"]
    assert document["executionId"] == execution.execution_id
    assert document["status"] == "completed"
    assert b": " not in webhook.body.split(b'"outputs"')[0]


def test_a_late_webhook_is_planned_late_and_other_webhook_faults_travel_with_it(make_bench, make_app):
    bench = make_bench(speed=10)
    wanted = (Fault(Name.LATE_WEBHOOK, 30.0), Fault(Name.WRONG_SIGNATURE), Fault(Name.UNKNOWN_STATUS))

    execution = bench.start(make_app(), webhook_url=HOOK, wanted_faults=wanted)

    assert bench.webhooks[0].due_at == execution.plan.ends_at + 3_000
    assert bench.webhooks[0].faults == (Fault(Name.WRONG_SIGNATURE),)


def test_cancelling_ends_the_run_drops_its_webhook_and_may_be_repeated(bench, make_app):
    execution = bench.start(make_app(), webhook_url=HOOK)
    bench.clock.advance(1)

    cancelled = bench.engine.cancel(execution)
    bench.clock.advance(1)

    assert bench.engine.look(bench.state.find(execution.execution_id)).status == "cancelled"
    assert bench.state.pending_webhooks() == []
    assert bench.engine.cancel(cancelled) == cancelled


def test_cancelling_a_completed_run_leaves_its_pending_webhook(bench, make_app):
    execution = bench.start(make_app(), webhook_url=HOOK)
    bench.clock.advance(600)

    assert bench.engine.look(bench.engine.cancel(execution)).status == "completed"
    assert len(bench.state.pending_webhooks()) == 1


def test_feedback_does_the_run_again_in_place(bench, make_app):
    execution = bench.start(make_app(), webhook_url=HOOK)
    bench.clock.advance(600)
    before = bench.engine.look(execution)

    refined = bench.engine.refine(execution, make_app())
    running = bench.engine.look(refined)
    bench.clock.advance(600)
    after = bench.engine.look(bench.state.find(execution.execution_id))

    assert (running.status, running.completed_at) == ("running", None)
    assert {output.status for output in running.outputs} == {"pending"}
    assert after.created_at == before.created_at
    assert after.completed_at > before.completed_at
    assert [output.value for output in after.outputs] != [output.value for output in before.outputs]
    assert len(bench.state.pending_webhooks()) == 2


def test_feedback_keeps_the_selection_of_outputs(bench, make_app):
    execution = bench.start(make_app(), chosen=(1,))
    bench.clock.advance(600)

    refined = bench.engine.refine(execution, make_app())

    assert [fate.node_id for fate in refined.plan.outputs] == [make_app().outputs[1].node_id]


def test_credits_go_down_by_completed_runs_and_again_by_feedback(bench, make_app, rule):
    done = bench.start(make_app())
    bench.start(make_app(failures=(rule(),)))
    assert bench.state.credits_spent(bench.engine.now()) == 0
    bench.clock.advance(600)

    assert bench.state.credits_spent(bench.engine.now()) == 1.5
    bench.engine.refine(done, make_app())
    assert bench.state.credits_spent(bench.engine.now()) == 1.5
    bench.clock.advance(600)
    assert bench.state.credits_spent(bench.engine.now()) == 3.0


def test_the_list_says_of_each_run_what_the_plan_says(bench, make_app, rule):
    started = [
        bench.start(make_app()),
        bench.start(make_app(failures=(rule(),))),
        bench.start(make_app(queue_seconds=10_000.0)),
        bench.start(make_app(median_seconds=10_000.0)),
    ]
    bench.engine.cancel(bench.start(make_app()))
    bench.clock.advance(600)
    now = bench.engine.now()

    for status in plan.STATUSES:
        page, total = bench.state.listed(now, status=status, app_id=None, since=None, limit=9, offset=0)
        assert total == 1
        assert [plan.status_at(execution.plan, now) for execution in page] == [status]
    assert bench.state.find(started[0].execution_id) == started[0]
