"""Apps and runs over real HTTP, each generation against its fixed vectors."""

import json
import re

import pytest

from tests.contract.conftest import ENDS, LEAVES_QUEUE

APP_1 = "10000000-0000-4000-8000-000000000001"


def test_apps_are_listed_searched_and_limited(caller, family):
    every = caller.get(f"{family.prefix}/apps").json()["data"]
    found = caller.get(f"{family.prefix}/apps", params={"search": "QUICK"}).json()

    assert len(every) == 5
    family.check("apps", found)
    assert len(caller.get(f"{family.prefix}/apps", params={"limit": 2}).json()["data"]) == 2
    assert len(caller.get(f"{family.prefix}/apps", params={"limit": 5000}).json()["data"]) == 5


def test_an_app_its_workflow_and_the_key_set_are_as_documented(caller, family):
    family.check("app", caller.get(f"{family.prefix}/apps/{APP_1}").json())
    family.check("workflow", caller.get(f"{family.prefix}/apps/{APP_1}/workflow").json())
    family.check("signing_key", caller.get(f"{family.prefix}/webhooks/signing-key").json())


def test_a_start_is_accepted_with_placeholders(still, family):
    plain = still.post(family.start_path(2), json={"inputs": {}})
    hooked = still.post(family.start_path(2), params={"webhook": "http://127.0.0.1:9/h"}, json={"inputs": {}})

    assert plain.status_code == hooked.status_code == 202
    family.check("started", plain.json())
    family.check("started_with_webhook", hooked.json())


@pytest.mark.parametrize(("app", "vector"), [(2, "completed"), (3, "failed"), (4, "partly_failed")])
def test_a_run_ends_as_its_app_has_it(caller, family, app, vector):
    family.check(vector, caller.poll(family, caller.start(family, app)))


def test_a_run_is_queued_and_then_running(still, clock, family):
    queued, running = still.start(family, 2), still.start(family, 5)

    family.check("queued", still.get(family.run_path(queued)).json())
    clock.advance(LEAVES_QUEUE)
    family.check("running", still.get(family.run_path(running)).json())


def test_one_state_serves_all_generations(caller, family, newest):
    run_id = caller.start(family)

    documents = [
        caller.poll(newest, run_id)["data"],
        caller.get(f"/api/executions/{run_id}").json()["data"],
        caller.get(f"/v1/executions/{run_id}").json()["data"],
    ]

    assert [document.get("runId") or document["executionId"] for document in documents] == [run_id] * 3
    assert len({str(document["outputs"]) for document in documents}) == 1


@pytest.mark.parametrize(
    ("labels", "made"),
    [(["ai designer"], 2), (["OUTPUT 3"], 1), ([], 3), (None, 3), (["Output 3", "AI Designer"], 3)],
)
def test_outputs_are_selected_by_label(caller, family, labels, made):
    answer = caller.post(family.start_path(2), json={"inputs": {}, "outputs": labels})

    assert len(answer.json()["data"]["outputs"]) == made


def test_inputs_go_by_key_name_and_id(caller, newest):
    inputs = {"your_photo": "https://example.com/a.png", "Style": "Flat "}
    inputs["aaaaaaaa-0000-4000-8000-000000000014"] = "by id"

    assert caller.post(newest.start_path(1), json={"inputs": inputs}).status_code == 202


def test_a_bearer_key_is_as_good_and_the_own_workspace_may_be_named(shared_sandbox, open_caller, family):
    stranger = open_caller(shared_sandbox, key=None)
    bearer = {"Authorization": "Bearer lma_mcp_at_something"}
    workspace = stranger.get("/v1/account", headers=bearer).json()["data"]["workspace"]["id"]

    answer = stranger.get(f"{family.prefix}/apps", headers={**bearer, "x-workspace-id": workspace})

    assert answer.status_code == 200


# Generation C only


def test_the_list_is_as_documented(alone, newest):
    alone.poll(newest, alone.start(newest, 3))

    newest.check("list", alone.get("/v1/runs").json())


def test_the_list_is_filtered_and_paged_newest_first(alone, newest):
    done = [alone.start(newest) for _ in range(3)]
    for run_id in done:
        alone.poll(newest, run_id)
    boundary = alone.get(newest.run_path(done[-1])).json()["data"]["createdAt"]
    running = alone.start(newest, 5)

    def ids(**query):
        return [row["runId"] for row in alone.get("/v1/runs", params=query).json()["data"]]

    assert ids() == [running, *reversed(done)]
    assert ids(status="completed") == list(reversed(done))
    assert ids(appId="10000000-0000-4000-8000-000000000005") == [running]
    assert ids(appId="no such app") == []
    assert ids(limit=1, offset=1) == [done[-1]]
    assert ids(since=boundary) == [running]
    assert ids(since="2999-01-01") == []
    page = alone.get("/v1/runs", params={"limit": 500, "offset": 2}).json()["pagination"]
    assert page == {"total": 4, "limit": 100, "offset": 2}


def test_waiting_ends_with_the_run(caller, newest):
    answer = caller.get(f"/v1/runs/{caller.start(newest)}/wait", params={"timeout": 30}).json()

    assert answer.pop("timeout") is False
    newest.check("completed", answer)


def test_waiting_in_vain_is_no_error(caller, newest):
    answer = caller.get(f"/v1/runs/{caller.start(newest, 5)}/wait", params={"timeout": 1})

    assert answer.status_code == 200
    assert answer.json()["timeout"] is True
    assert answer.json()["data"]["status"] == "running"


def _events(heard: str) -> list[tuple[str, str]]:
    return re.findall(r"event: (\w+)\ndata: (.*)\n\n", heard)


@pytest.mark.parametrize(("app", "last"), [(2, "complete"), (3, "error")])
def test_a_stream_tells_each_status_and_closes_at_the_end(still, clock, newest, app, last):
    run_id = still.start(newest, app)

    events = _events(still.stream_to_its_end(run_id, clock))

    assert [name for name, _ in events] == ["progress", "progress", last]
    assert [json.loads(data)["status"] for _, data in events[:-1]] == ["queued", "running"]
    assert json.loads(events[-1][1]) == still.get(newest.run_path(run_id)).json()["data"]
    assert [name for name, _ in _events(still.get(f"/v1/runs/{run_id}/stream").text)] == [last]


def test_cancelling_is_idempotent_and_a_stream_hears_of_it(caller, newest):
    run_id = caller.start(newest, 5)
    with caller.stream("GET", f"/v1/runs/{run_id}/stream") as stream:
        lines = stream.iter_lines()
        assert any('"status":"running"' in line.replace(" ", "") for line in lines)
        answers = [caller.post(f"/v1/runs/{run_id}/cancel") for _ in range(2)]
        heard = "\n".join(lines)

    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        newest.check("cancel", answer.json())
    assert "event: error" in heard
    newest.check("cancelled", caller.poll(newest, run_id))


def test_cancelling_an_ended_run_answers_how_it_ended(caller, newest):
    run_id = caller.start(newest, 3)
    caller.poll(newest, run_id)

    assert caller.post(f"/v1/runs/{run_id}/cancel").json()["data"] == {"runId": run_id, "status": "failed"}


def test_feedback_refines_a_completed_run_in_place(still, clock, newest):
    run_id = still.start(newest)
    clock.advance(ENDS)
    before = still.get(newest.run_path(run_id)).json()["data"]

    answer = still.post(f"/v1/runs/{run_id}/feedback", json={"feedback": "Warmer light"})
    clock.advance(ENDS)
    after = still.get(newest.run_path(run_id)).json()["data"]

    newest.check("feedback", answer.json())
    assert after["completedAt"] > before["completedAt"]
    assert (after["createdAt"], after["startedAt"]) == (before["createdAt"], before["startedAt"])
    assert after["outputs"][0]["value"] != before["outputs"][0]["value"]
    assert still.get(after["outputs"][0]["value"]).headers["Content-Type"] == "image/png"


def test_estimate_account_and_usage_are_as_documented(caller, newest):
    newest.check("estimate", caller.post(f"/v1/apps/{APP_1}/estimate").json())
    newest.check("account", caller.get("/v1/account").json())
    newest.check("usage", caller.get("/v1/account/usage").json())


def test_credits_are_spent_by_completed_runs_only(alone, newest):
    alone.poll(newest, alone.start(newest, 3))
    alone.poll(newest, alone.start(newest, 2))

    assert alone.get("/v1/account/usage").json()["data"]["credits"]["totalSpent"] == 2.5
