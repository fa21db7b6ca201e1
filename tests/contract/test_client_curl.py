"""The command that the Start screen offers does, in a real shell with a real curl, what the client does."""

import json
import os
import shutil
import subprocess
from types import MappingProxyType

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lamina_core.api import curl
from lamina_core.clock import SystemClock
from lamina_core.config import DATA
from lamina_core.domain import Generation
from lamina_core.sandbox.server import Sandbox

AD_COPY = "96e5824b-7ad6-4313-ae01-fd248c5695d6"
CATALOGUE_SET = "793691c4-fbe2-4889-83f9-46940e235d86"
KEY = "lma_curl_9876543210"
SHELLS = ["sh", "bash"]

HOSTILE = [
    "it's",
    'a "quoted" word',
    "'; touch x; '",
    "$(touch x)",
    "`touch x`",
    "${HOME} $LAMINA_API_KEY",
    "line one\nline two\r\n\ttabbed",
    "back\\slash \\n \\' \\",
    "@/etc/passwd",
    "!! !1 ^a^b",
    "100% & more | less > x < y; # not a comment",
    "* ? [a-z] {a,b} ~",
    "🦊 Zoë „über“ 日本語 \u2028\u202e",
    "--data-raw -X -- --next",
    "\x01\x1b[31m\x7f",
    "nul \x00 in the middle",
    "",
    " ",
]


@pytest.fixture(scope="module")
def lamina():
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=SystemClock(),
        seed=7,
        speed=1.0,
        rate_limit=0,
        port=0,
    )
    running.start()
    yield running
    running.stop()


def fetch_log(lamina: Sandbox, **params: int) -> dict:
    answer = httpx.get(f"{lamina.base_url}/sandbox/log", params=params, trust_env=False, verify=False, timeout=30)
    return answer.json()


@pytest.fixture
def run(lamina, tmp_path):
    """Run a command in a shell, in an empty folder, and return curl's answer and the start that the sandbox logged."""

    def run_in(shell: str, command: str) -> tuple[dict, dict]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LAMINA_API_KEY": KEY, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [shell, "-c", command], capture_output=True, cwd=tmp_path, env=environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert list(tmp_path.iterdir()) == []
        answer = json.loads(done.stdout)
        log = fetch_log(lamina)
        execution_id = answer["data"].get("executionId") or answer["data"]["runId"]
        return answer["data"], next(start for start in log["starts"] if start["executionId"] == execution_id)

    assert shutil.which("curl"), "these tests need curl; on Debian: apt-get install curl"
    return run_in


@pytest.mark.parametrize("generation", list(Generation))
@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_inputs_arrive_as_they_were_given(lamina, run, generation, shell):
    inputs = {"Product Name": "\n".join(HOSTILE), "Key Benefits": "".join(HOSTILE)}
    command = curl.build_start(lamina.base_url, generation, AD_COPY, inputs, webhook=None)
    answer, started = run(shell, command)
    assert started["inputs"] == inputs
    assert started["appId"] == AD_COPY
    assert ("runId" in answer) == (generation is Generation.RUNS)


@pytest.mark.parametrize("text", HOSTILE)
def test_each_hostile_text_arrives_on_its_own(lamina, run, text):
    inputs = {"Product Name": text}
    command = curl.build_start(lamina.base_url, Generation.EXECUTIONS, AD_COPY, inputs, webhook=None)
    assert run("sh", command)[1]["inputs"] == inputs


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.text(max_size=30))
def test_any_text_arrives(lamina, run, text):
    command = curl.build_start(lamina.base_url, Generation.RUNS, AD_COPY, {"Product Name": text}, webhook=None)
    assert run("sh", command)[1]["inputs"] == {"Product Name": text}


@pytest.mark.parametrize("generation", list(Generation))
def test_a_webhook_arrives_with_its_token(lamina, run, generation):
    webhook = "https://desk.example.com/webhooks/lamina?start=a'b$(touch${IFS}x)&c=1+2%203#d"
    command = curl.build_start(lamina.base_url, generation, AD_COPY, {"Product Name": "Lamp"}, webhook=webhook)
    assert run("bash", command)[1]["webhookUrl"] == webhook


def test_the_chosen_outputs_are_made(lamina, run):
    command = curl.build_start(
        lamina.base_url, Generation.RUNS, CATALOGUE_SET, {}, webhook=None, outputs=["Detail Close-up"]
    )
    answer, _ = run("sh", command)
    assert [output["label"] for output in answer["outputs"]] == ["Detail Close-up"]


def test_any_mapping_of_inputs_will_do(lamina, run):
    inputs = MappingProxyType({"Product Name": "Lamp", "Tone": "Premium"})
    command = curl.build_start(lamina.base_url, Generation.EXECUTIONS, AD_COPY, inputs, webhook=None)
    assert run("sh", command)[1]["inputs"] == dict(inputs)


def test_the_key_is_a_variable_of_the_shell(lamina):
    command = curl.build_start(lamina.base_url, Generation.EXECUTIONS, AD_COPY, {}, webhook=None)
    assert '-H "x-api-key: $LAMINA_API_KEY"' in command
    assert "lma_" not in command


@pytest.mark.parametrize("app_id", ["a b", "a'b", "a/../b", "a?b=c#d", "[1-3]", "{a,b}", "$(touch x)", "é", ".."])
def test_an_odd_app_stays_one_part_of_the_path(lamina, tmp_path, app_id):
    command = curl.build_start(lamina.base_url, Generation.RUNS, app_id, {}, webhook=None)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LAMINA_API_KEY": KEY}
    before = fetch_log(lamina)["sequence"]
    done = subprocess.run(["sh", "-c", command], capture_output=True, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 0
    assert [entry["path"] for entry in fetch_log(lamina, since=before)["requests"]] == [f"/v1/apps/{app_id}/runs"]
    assert list(tmp_path.iterdir()) == []
