"""Every refusal in the envelope of its generation, and the rate limit."""

import pytest

APP_1 = "10000000-0000-4000-8000-000000000001"
NO_APP = "10000000-0000-4000-8000-0000000000ff"


def test_a_request_without_a_key_is_refused_on_every_path(shared_sandbox, open_caller, family):
    stranger = open_caller(shared_sandbox, key=None)
    paths = ["apps", f"apps/{APP_1}", f"apps/{APP_1}/workflow", f"{family.runs}/x", "webhooks/signing-key"]

    answers = [stranger.get(f"{family.prefix}/{path}") for path in paths]

    assert {answer.status_code for answer in answers} == {401}
    family.check_error("missing_key", stranger.get(family.run_path("x")))
    family.check_error("missing_key", stranger.post(family.start_path(1), json={}))


@pytest.mark.parametrize("key", ["sk_other", "lma_", "lma_revoked_1", "Lma_x"])
def test_a_bad_key_is_refused(shared_sandbox, open_caller, family, key):
    caller = open_caller(shared_sandbox, key=key)

    family.check_error("invalid_key", caller.get(family.run_path("x")))


@pytest.mark.parametrize("value", ["Basic lma_x", "Bearer", "lma_x"])
def test_an_authorization_without_a_bearer_key_is_no_key(shared_sandbox, open_caller, family, value):
    stranger = open_caller(shared_sandbox, key=None)

    family.check_error("missing_key", stranger.get(family.run_path("x"), headers={"Authorization": value}))


def test_another_workspace_is_refused(caller, family):
    family.check_error("workspace", caller.get(family.run_path("x"), headers={"x-workspace-id": "other"}))


def test_what_is_not_there_is_404_in_json(caller, family):
    family.check_error("no_run", caller.get(family.run_path("x")))
    family.check_error("no_app", caller.post(family.start_path(NO_APP), json={"inputs": {}}))
    assert caller.get(f"{family.prefix}/apps/{NO_APP}").json()["error"] == "App not found"
    assert caller.get(f"{family.prefix}/apps/{NO_APP}/workflow").status_code == 404
    family.check_error("no_path", caller.get(f"{family.prefix}/{family.runs}/x/y/z"))
    family.check_error("no_method", caller.delete(family.run_path("x")))


@pytest.mark.parametrize("path", ["/", "/nothing", "/sandbox", "/v2/apps", "/apis", "/favicon.ico", "/v1/apps/"])
def test_unknown_paths_anywhere_are_404_in_json(caller, path):
    answer = caller.get(path)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"] == "Not found"


@pytest.mark.parametrize("path", ["/v1/generate/runs/x", "/v1/freestyle/x", "/api/runs/x", "/api/account"])
def test_paths_of_other_families_are_404(caller, path):
    assert caller.get(path).status_code == 404


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://example.com/x", "http://", "http:///x", "http://a b/", "http://[::1", "http://h:99999/"],
)
def test_a_webhook_must_be_an_http_url(caller, family, url):
    answer = caller.post(family.start_path(2), params={"webhook": url}, json={"inputs": {}})

    family.check_error("webhook", answer)


def test_all_problems_with_inputs_are_reported_together(caller, family):
    inputs = {"Your Photo": "no url", "Style": "Oval", "Notes": [], "bogus": 1}

    family.check_error("inputs", caller.post(family.start_path(1), json={"inputs": inputs}))
    family.check_error("missing_value", caller.post(family.start_path(1), json={"inputs": {}}))


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 50_000, b'{"inputs": {"Notes": NaN}}'])
def test_a_body_that_is_not_json_is_refused(caller, family, body):
    family.check_error("not_json", caller.post(family.start_path(1), content=body))


@pytest.mark.parametrize("body", [{}, {"inputs": None}, {"inputs": []}, {"inputs": "x"}, [], "x", None])
def test_inputs_must_be_an_object(caller, family, body):
    answer = caller.post(family.start_path(2), json=body)

    assert answer.status_code == 400
    assert answer.json().get("code", "VALIDATION_ERROR") == "VALIDATION_ERROR"


def test_a_start_without_a_body_is_refused(caller, family):
    assert caller.post(family.start_path(2)).status_code == 400


def test_a_body_over_a_megabyte_is_refused_and_the_connection_still_serves(caller, family):
    family.check_error("too_large", caller.post(family.start_path(1), content=b"x" * 1_000_001))
    assert caller.get(f"{family.prefix}/apps").status_code == 200


def test_an_unknown_output_is_refused_with_those_available(caller, family):
    answer = caller.post(family.start_path(4), json={"inputs": {}, "outputs": ["Side View"]})

    assert answer.status_code == 400
    assert "Front View, Back View" in answer.json()["error"]


@pytest.mark.parametrize("labels", ["Front View", [1], {"Front View": True}])
def test_outputs_must_be_a_list_of_labels(caller, family, labels):
    assert caller.post(family.start_path(4), json={"inputs": {}, "outputs": labels}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/apps?limit=x",
        "/v1/apps?limit=0",
        "/v1/runs?status=done",
        "/v1/runs?limit=0",
        "/v1/runs?limit=-1",
        "/v1/runs?limit=1e3",
        "/v1/runs?offset=x",
        "/v1/runs?offset=99999999999999999999",
        "/v1/runs?since=yesterday",
        "/v1/runs?since=",
        "/v1/runs?limit=%D9%A3",
    ],
)
def test_a_query_that_means_nothing_is_a_validation_error(caller, path):
    answer = caller.get(path)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert len(answer.json()["details"]) == 1


@pytest.mark.parametrize("timeout", ["0", "x", "-5", "1.5"])
def test_a_wait_needs_whole_seconds(caller, newest, timeout):
    assert caller.get(f"/v1/runs/{caller.start(newest)}/wait?timeout={timeout}").status_code == 400


@pytest.mark.parametrize("verb", ["wait", "stream", "cancel", "feedback"])
def test_verbs_on_an_unknown_run_are_404(caller, newest, verb):
    method = "GET" if verb in ("wait", "stream") else "POST"

    newest.check_error("no_run", caller.request(method, f"/v1/runs/x/{verb}"))


@pytest.mark.parametrize("body", [{}, {"feedback": " "}, {"feedback": 3}])
def test_feedback_must_say_something(caller, newest, body):
    run_id = caller.start(newest)

    assert caller.post(f"/v1/runs/{run_id}/feedback", json=body).status_code == 400


def test_feedback_needs_a_completed_run(caller, newest):
    answer = caller.post(f"/v1/runs/{caller.start(newest, 5)}/feedback", json={"feedback": "More"})

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


def test_every_answer_has_a_request_id_and_the_envelope_the_same_one(caller, newest):
    answer = caller.get(newest.run_path("x"), headers={"X-Request-Id": "mine"})
    other = caller.get("/v1/apps")

    assert answer.headers["X-Request-Id"] == answer.json()["requestId"] != "mine"
    assert other.headers["X-Request-Id"] != answer.headers["X-Request-Id"]


def test_the_rate_limit_is_answered_in_the_manner_of_the_generation(open_sandbox, open_caller, family):
    caller = open_caller(open_sandbox(rate_limit=2))

    served = [caller.get(f"{family.prefix}/apps") for _ in range(2)]
    refused = caller.get(family.run_path("x"))

    assert [answer.headers["RateLimit-Remaining"] for answer in served] == ["1", "0"]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == ("2", "0")
    if family.name == "runs":
        newest_body = refused.json()
        assert newest_body["retryAfter"] == int(refused.headers["Retry-After"])
        family.check("rate_limited", newest_body)
    else:
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert refused.text == "Too many requests from this IP, please try again in a minute"


def test_the_sandboxes_own_paths_are_not_limited(open_sandbox, open_caller):
    caller = open_caller(open_sandbox(rate_limit=1))

    assert [caller.get("/sandbox/log").status_code for _ in range(5)] == [200] * 5
    assert "RateLimit-Limit" not in caller.get("/sandbox/log").headers
    assert caller.get("/v1/apps").status_code == 200
