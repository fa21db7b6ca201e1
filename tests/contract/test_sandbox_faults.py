"""Faults of requests, asked for in each of the three ways, and the log."""

import json

import httpx
import pytest

GOOD_NAMES = "known are rate_limited"


def _ask(caller, family, fault):
    return caller.get(f"{family.prefix}/apps", headers={"X-Sandbox-Fault": fault})


def test_errors_come_in_the_envelope_of_the_generation(caller, family):
    family.check_error("server_error", caller.get(family.run_path("x"), headers={"X-Sandbox-Fault": "server_error"}))
    family.check_error("unavailable", caller.get(family.run_path("x"), headers={"X-Sandbox-Fault": "unavailable"}))


def test_errors_of_shared_paths_are_the_newest_generations(caller):
    answer = caller.get("/v1/apps", headers={"X-Sandbox-Fault": "server_error"})

    assert answer.json()["code"] == "INTERNAL_ERROR"


@pytest.mark.parametrize(("fault", "seconds"), [("rate_limited", "5"), ("rate_limited;seconds=7", "7")])
def test_a_429_says_when_to_come_back(caller, family, fault, seconds):
    answer = caller.get(family.run_path("x"), headers={"X-Sandbox-Fault": fault})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, seconds)
    if family.name == "runs":
        family.check("rate_limited", answer.json())
    else:
        assert not answer.headers["Content-Type"].startswith("application/json")


def test_html_comes_with_status_200(caller, family):
    answer = _ask(caller, family, "html")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")


def test_truncated_json_is_whole_http_and_half_json(caller, family):
    answer = _ask(caller, family, "truncated_json")

    assert answer.headers["Content-Type"] == "application/json"
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.content)


def test_a_truncated_stream_ends(caller, newest):
    run_id = caller.start(newest, 5)

    answer = caller.get(f"/v1/runs/{run_id}/stream", headers={"X-Sandbox-Fault": "truncated_json"})

    assert answer.content.startswith(b"event: ")
    assert not answer.content.endswith(b"\n\n")


def test_a_dropped_connection_gives_no_answer_and_does_nothing(alone, newest):
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        alone.post(newest.start_path(2), json={"inputs": {}}, headers={"X-Sandbox-Fault": "dropped_connection"})

    assert alone.get("/v1/runs").json()["pagination"]["total"] == 0


@pytest.mark.parametrize("way", ["header", "input", "armed"])
def test_a_lost_answer_has_started_the_run(alone, family, way):
    headers = {"X-Sandbox-Fault": "answer_lost"} if way == "header" else {}
    inputs = {"Prompt": "a [fault:answer_lost] b"} if way == "input" else {}
    if way == "armed":
        alone.arm(fault="answer_lost")
        assert alone.get(f"{family.prefix}/apps").status_code == 200

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        alone.post(family.start_path(2), json={"inputs": inputs}, headers=headers)

    (row,) = alone.get("/v1/runs").json()["data"]
    (start,) = alone.log("starts")
    assert start["executionId"] == row["runId"]
    assert [one["executionId"] for one in alone.log("requests") if one["status"] is None] == [row["runId"]]


def test_a_refused_start_is_answered_although_its_answer_was_to_be_lost(caller, family):
    answer = caller.post(family.start_path(1), json={"inputs": {}}, headers={"X-Sandbox-Fault": "answer_lost"})

    assert answer.status_code == 400


def test_a_slow_answer_is_the_usual_one(caller, family):
    answer = _ask(caller, family, "slow;seconds=0.2")

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.2


def test_an_unknown_status_is_reported_everywhere(caller, newest):
    run_id = caller.start(newest, 5)
    caller.poll(newest, run_id, "running")
    headers = {"X-Sandbox-Fault": "unknown_status"}

    documents = [
        caller.get(newest.run_path(run_id), headers=headers).json()["data"],
        caller.get("/v1/runs", headers=headers).json()["data"][0],
        caller.post(newest.start_path(2), json={"inputs": {}}, headers=headers).json()["data"],
        caller.get(f"/api/executions/{run_id}", headers=headers).json()["data"],
    ]

    assert {document["status"] for document in documents} == {"post_processing"}
    assert caller.get(newest.run_path(run_id)).json()["data"]["status"] == "running"


def test_a_run_marked_with_an_unknown_status_shows_it_while_it_runs(still, clock, newest):
    run_id = still.start(newest, 2, Prompt="[fault:unknown_status]")

    seen = still.stream_to_its_end(run_id, clock)

    assert '"status":"post_processing"' in seen
    assert still.get(newest.run_path(run_id)).json()["data"]["status"] == "completed"


@pytest.mark.parametrize(
    ("marker", "status"), [("server_error", 500), ("unavailable", 503), ("rate_limited", 429), ("html", 200)]
)
def test_an_input_may_ask_for_a_fault_of_the_start(alone, family, marker, status):
    answer = alone.post(family.start_path(2), json={"inputs": {"Prompt": f"[fault:{marker}]"}})

    assert answer.status_code == status
    assert alone.log("starts") == []


def test_a_key_rotated_by_an_input_or_a_header(alone, newest):
    alone.start(newest, 2, Prompt="[fault:rotated_key]")
    alone.get("/v1/apps", headers={"X-Sandbox-Fault": "rotated_key"})

    assert len(alone.get("/v1/webhooks/signing-key").json()["keys"]) == 3


def test_unknown_names_are_refused_with_the_good_ones_however_they_are_given(caller, family):
    header = _ask(caller, family, "nonsense")
    marker = caller.post(family.start_path(2), json={"inputs": {"Prompt": "[fault:nonsense]"}})
    armed = caller.arm(fault="nonsense")

    for answer in (header, marker, armed):
        assert answer.status_code == 400
        assert GOOD_NAMES in answer.json()["error"]


def test_a_burst_is_armed_listed_and_used_up(alone):
    armed = alone.arm(fault="rate_limited", times=2, path="/apps", method="get")
    listed = alone.get("/sandbox/faults").json()

    assert armed.status_code == 201
    assert listed["armed"] == [{"fault": "rate_limited", "seconds": None, "times": 2, "path": "/apps", "method": "GET"}]
    assert "slow" in listed["known"]
    assert [alone.get("/v1/apps").status_code for _ in range(3)] == [429, 429, 200]


def test_armed_faults_may_be_cleared(alone):
    alone.arm(fault="server_error", times=5)

    assert alone.delete("/sandbox/faults").json() == {"armed": []}
    assert alone.get("/v1/apps").status_code == 200


def test_the_sandboxes_own_paths_are_not_struck(alone):
    alone.arm(fault="server_error", times=5)

    assert alone.get("/sandbox/log", headers={"X-Sandbox-Fault": "html"}).status_code == 200
    assert alone.get("/sandbox/faults").json()["armed"][0]["times"] == 5


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods_on_the_own_paths_are_405_in_json(caller, method):
    answer = caller.request(method, "/sandbox/faults")

    assert (answer.status_code, answer.json()) == (405, {"error": "Method not allowed"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "lamina.example.com"},
        {"Host": "127.0.0.1.example.com"},
        {"Host": "[::1"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_the_own_paths_answer_this_machine_only(caller, headers):
    for method, path in (("POST", "/sandbox/faults"), ("GET", "/sandbox/log"), ("DELETE", "/sandbox/faults")):
        assert caller.request(method, path, headers=headers).status_code == 403


def test_the_own_paths_answer_the_own_origin_without_a_key(shared_sandbox, open_caller):
    stranger = open_caller(shared_sandbox, key=None)

    assert stranger.get("/sandbox/log", headers={"Origin": shared_sandbox.base_url}).status_code == 200


def test_the_log_tells_requests_starts_and_attempts(alone, receiver, newest, eventually):
    url = receiver.url + "?start=abc"
    run_id = alone.start(newest, 2, url, Prompt="héllo \U0001f98a")
    eventually(lambda: alone.log("attempts"))
    alone.get(newest.run_path(run_id))
    log = alone.get("/sandbox/log").json()

    (start,) = log["starts"]
    assert (start["executionId"], start["inputs"]) == (run_id, {"Prompt": "héllo \U0001f98a"})
    assert (start["appId"], start["webhookUrl"]) == ("10000000-0000-4000-8000-000000000002", url)
    (attempt,) = log["attempts"]
    assert (attempt["executionId"], attempt["url"], attempt["attempt"], attempt["status"]) == (run_id, url, 1, 200)
    posted, read = log["requests"]
    assert (posted["method"], posted["status"], posted["executionId"], posted["key"]) == ("POST", 202, run_id, "9876")
    assert "start%3Dabc" in posted["query"]
    assert (read["method"], read["path"], read["status"]) == ("GET", f"/v1/runs/{run_id}", 200)
    assert "key_of_a_test" not in json.dumps(log)


def test_the_log_is_read_on_from_a_sequence(alone):
    alone.get("/v1/apps")
    last = alone.get("/sandbox/log").json()["sequence"]
    alone.get("/v1/account")

    rest = alone.get("/sandbox/log", params={"since": last}).json()

    assert [one["path"] for one in rest["requests"]] == ["/v1/account"]
    assert alone.get("/sandbox/log", params={"since": rest["sequence"]}).json()["requests"] == []
    assert alone.get("/sandbox/log", params={"since": "x"}).status_code == 400


def test_inputs_that_utf8_cannot_carry_are_taken_and_logged(alone, newest):
    body = b'{"inputs": {"Prompt": "half \\ud83d of a pair, and \\u0000"}}'

    assert alone.post(newest.start_path(2), content=body).status_code == 202
    assert alone.log("starts")[0]["inputs"] == {"Prompt": "half \ud83d of a pair, and \x00"}
    assert alone.get("/v1/runs").json()["pagination"]["total"] == 1
