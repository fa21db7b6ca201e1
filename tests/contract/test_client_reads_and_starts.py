"""The client against a real sandbox, in every generation: what it reads, starts, lists and cancels."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import httpx
import pytest

from lamina_core import signing
from lamina_core.api.client import LaminaClient
from lamina_core.api.generations import Feature
from lamina_core.clock import SystemClock
from lamina_core.config import DATA, Secret
from lamina_core.domain import Generation, Kind, PlannedOutput, Status
from lamina_core.errors import ConfigurationError, InvalidRequest, NotFound
from lamina_core.sandbox.server import Sandbox
from tests.conftest import SettableClock

PRODUCT_SHOT = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"
CATALOGUE_SET = "793691c4-fbe2-4889-83f9-46940e235d86"
AD_COPY = "96e5824b-7ad6-4313-ae01-fd248c5695d6"
ALWAYS_FAILS = "deee8e16-7e00-47ec-a7fc-aa36571f2413"
SEASONAL_TRIO = "04136261-25f6-406e-8e1f-8ee91d385f67"
MOODBOARD = "96309ffa-25f9-4713-a1ce-ad93ea0c0a65"
REEL_MAKER = "02671c2b-8740-464f-8b09-0d03e80913a6"

OLDER = [Generation.EXECUTIONS, Generation.V1_EXECUTIONS]
NEWEST = Generation.RUNS


def open_sandbox(clock) -> Sandbox:
    running = Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=None,
        clock=clock,
        seed=7,
        speed=1.0,
        rate_limit=0,
        port=0,
    )
    running.start()
    return running


@pytest.fixture(scope="module")
def lamina():
    """One sandbox for all tests that do not need to move its time."""
    running = open_sandbox(SystemClock())
    yield running
    running.stop()


@pytest.fixture(scope="module")
def clock():
    return SettableClock()


@pytest.fixture(scope="module")
def still_lamina(clock):
    """A sandbox whose time stands still until a test moves it."""
    running = open_sandbox(clock)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def open_client(clock):
    opened: list[LaminaClient] = []

    def make(sandbox: Sandbox, generation: Generation) -> LaminaClient:
        opened.append(
            LaminaClient(
                base_url=sandbox.base_url,
                api_key=Secret("lma_contract_key"),
                generation=generation,
                clock=clock,
                rng=random.Random(7),
                inner=httpx.HTTPTransport(verify=False),  # plain http: reading certificates would only take time
            )
        )
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(params=list(Generation))
def client(request, lamina, open_client):
    return open_client(lamina, request.param)


@pytest.fixture(params=list(Generation))
def still_client(request, still_lamina, open_client):
    return open_client(still_lamina, request.param)


@pytest.fixture
def newest(lamina, open_client):
    return open_client(lamina, NEWEST)


@pytest.fixture
def still_newest(still_lamina, open_client):
    return open_client(still_lamina, NEWEST)


def fetch(url: str, **params) -> httpx.Response:
    return httpx.get(url, params=params, trust_env=False, verify=False, timeout=30)


def started_with(sandbox: Sandbox, execution_id: str) -> dict:
    log = fetch(f"{sandbox.base_url}/sandbox/log").json()
    return next(start for start in log["starts"] if start["executionId"] == execution_id)


def test_apps_are_listed_without_their_parameters(client):
    apps = client.list_apps()
    assert len(apps) >= 10
    assert len({app.app_id for app in apps}) == len(apps)
    shot = next(app for app in apps if app.app_id == PRODUCT_SHOT)
    assert (shot.name, shot.parameters, shot.is_public) == ("Studio Product Shot", None, True)


def test_a_search_finds_only_what_fits(client):
    assert [app.app_id for app in client.list_apps(search="golden hour")] == [ALWAYS_FAILS]


@pytest.mark.parametrize("word", ["no app is called this", "a&limit=1", "ü ?#/%", "%00"])
def test_a_search_for_what_is_not_there_is_an_empty_list(client, word):
    assert client.list_apps(search=word) == ()


def test_a_limit_cuts_the_list(client):
    assert len(client.list_apps(limit=3)) == 3


def test_the_newest_generation_says_what_an_app_makes_in_the_list(newest):
    film = newest.list_apps(search="Campaign Film")[0]
    assert film.kind is Kind.VIDEO


def test_an_app_tells_its_parameters_in_their_order(client):
    app = client.get_app(PRODUCT_SHOT)
    assert [(parameter.name, parameter.type) for parameter in app.parameters] == [
        ("Product Photo", "url"),
        ("Background", "options"),
        ("Aspect Ratio", "options"),
        ("Scene Notes", "text"),
    ]
    photo, background, *_ = app.parameters
    assert photo.accept == ("image",)
    assert background.options == ("Soft linen", "Warm terracotta", "Sage green", "Deep navy", "Pure white")
    assert background.default == "Soft linen"


def test_odd_white_space_in_names_and_options_is_kept(client):
    parameters = {parameter.name: parameter for parameter in client.get_app(CATALOGUE_SET).parameters}
    assert "Backdrop  Tone" in parameters
    assert parameters["Surface Finish"].options[0] == "Standard "
    assert parameters["Surface Finish"].default == "Standard "


@pytest.mark.parametrize(
    ("app_id", "name", "default"), [(REEL_MAKER, "Closing Line", ""), (MOODBOARD, "Images to Avoid", [])]
)
def test_an_empty_default_counts(client, app_id, name, default):
    found = next(parameter for parameter in client.get_app(app_id).parameters if parameter.name == name)
    assert (found.has_default, found.needs_value, found.default) == (True, False, default)


def test_a_parameter_without_default_needs_a_value(client):
    needing = [parameter.name for parameter in client.get_app(AD_COPY).parameters if parameter.needs_value]
    assert needing == ["Product Name"]


def test_a_parameter_that_takes_several_links_says_so(client):
    several = [parameter.name for parameter in client.get_app(MOODBOARD).parameters if parameter.multiple]
    assert several == ["Reference Images", "Images to Avoid"]


def test_the_newest_generation_announces_outputs_and_keys(newest):
    app = newest.get_app(CATALOGUE_SET)
    assert app.outputs == (
        PlannedOutput("AI Designer", "image"),
        PlannedOutput("AI Designer", "image"),
        PlannedOutput("Detail Close-up", "image"),
        PlannedOutput("Output 4", "image"),
        PlannedOutput("Catalogue Clip", "video"),
    )
    finish = next(parameter for parameter in app.parameters if parameter.name == "Surface Finish")
    assert finish.identities[:2] == ("Surface Finish", "finish")


def test_the_oldest_generation_announces_no_outputs(lamina, open_client):
    assert open_client(lamina, Generation.EXECUTIONS).get_app(CATALOGUE_SET).outputs == ()


def test_a_start_is_answered_with_id_app_and_status(client):
    report = client.start(AD_COPY, {"Product Name": "Lamp"})
    assert (report.app_id, report.app_name, report.status) == (AD_COPY, "Ad Copy Trio", Status.QUEUED)
    assert client.get(report.execution_id).execution_id == report.execution_id


@pytest.mark.parametrize(
    "inputs",
    [
        {"Product Name": "Lampe „Zoë“ 🦊\n\t\"quoted\" 'single' \\ \u2028 $(x) <b>&amp;</b>"},
        {"Product Name": "\x00\x1f\x7f"},
        {"Product Name": "half of a pair \ud83e"},
        {"Product Name": 12.5, "Key Benefits": True},
        {"Product Name": "x" * 100_000},
    ],
    ids=["typographic", "control", "lone surrogate", "other types", "long"],
)
def test_inputs_arrive_as_they_were_given(client, lamina, inputs):
    report = client.start(AD_COPY, inputs)
    assert started_with(lamina, report.execution_id)["inputs"] == inputs


def test_an_input_goes_by_its_exact_name(client, lamina):
    inputs = {"Backdrop  Tone": "Slate", "Surface Finish": "Standard "}
    report = client.start(CATALOGUE_SET, inputs)
    assert started_with(lamina, report.execution_id)["inputs"] == inputs


@pytest.mark.parametrize(
    "webhook",
    [
        "http://127.0.0.1:9/webhooks/lamina?start=t0k-en_~&b=1+2%203",
        "https://desk.example.com/webhooks/lamina?start=a%26b#part",
        "https://desk.example.com/é?start=ü",
    ],
)
def test_a_webhook_arrives_with_its_token(client, lamina, webhook):
    report = client.start(AD_COPY, {"Product Name": "Lamp"}, webhook=webhook)
    assert started_with(lamina, report.execution_id)["webhookUrl"] == webhook
    assert report.raw["webhookUrl"] == webhook


def test_a_start_without_webhook_names_none(client, lamina):
    report = client.start(AD_COPY, {"Product Name": "Lamp"})
    assert started_with(lamina, report.execution_id)["webhookUrl"] is None


def test_only_the_chosen_outputs_are_made(newest):
    report = newest.start(CATALOGUE_SET, {}, outputs=["ai designer", "Catalogue Clip"])
    assert [output["label"] for output in report.outputs] == ["AI Designer", "AI Designer", "Catalogue Clip"]


def test_an_unknown_output_is_refused_with_those_that_exist(newest):
    with pytest.raises(InvalidRequest, match="Available: AI Designer, Detail Close-up") as refused:
        newest.start(CATALOGUE_SET, {}, outputs=["Poster"])
    assert [problem.field for problem in refused.value.details] == ["outputs"]


def test_an_execution_is_followed_from_the_queue_to_its_outputs(still_client, clock):
    began = clock.now()
    begun = still_client.start(PRODUCT_SHOT, {})
    seen = [begun]
    while not seen[-1].status.terminal and len(seen) < 200:
        clock.advance(0.5)
        seen.append(still_client.get(begun.execution_id))
    words = list(dict.fromkeys(report.raw_status for report in seen))
    assert words == ["queued", "running", "completed"]
    first, last = seen[1], seen[-1]
    assert first.created_at == began
    assert (first.started_at, first.completed_at) == (None, None)
    assert last.created_at < last.started_at < last.completed_at <= clock.now()
    assert last.completed_at.utcoffset() == timedelta(0)
    assert [output["status"] for output in last.outputs] == ["completed"]
    picture = fetch(last.outputs[0]["value"])
    assert picture.headers["content-type"] == "image/png"


def test_a_failed_execution_says_why_at_the_top_and_at_its_output(still_client, clock):
    begun = still_client.start(ALWAYS_FAILS, {})
    clock.advance(600)
    report = still_client.get(begun.execution_id)
    assert report.status is Status.FAILED
    assert report.error_message.startswith("Image generation timed out")
    output = report.outputs[0]
    assert (output["status"], output["type"], output["value"]) == ("error", "pending", None)
    assert "timed out after 90 s" in output["error"]


def test_a_partial_failure_completes_with_one_output_in_error(still_client, clock):
    begun = still_client.start(SEASONAL_TRIO, {})
    clock.advance(600)
    report = still_client.get(begun.execution_id)
    assert (report.status, report.error_message) == (Status.COMPLETED, None)
    assert [output["status"] for output in report.outputs] == ["completed", "completed", "error"]


def test_unknown_fields_of_a_run_are_kept(still_newest, clock):
    begun = still_newest.start(PRODUCT_SHOT, {})
    clock.advance(600)
    assert still_newest.get(begun.execution_id).raw["progress"]["percentComplete"] == 100


def test_a_running_execution_is_cancelled(still_newest, clock):
    begun = still_newest.start(PRODUCT_SHOT, {})
    clock.advance(4)
    assert still_newest.cancel(begun.execution_id) is Status.CANCELLED
    report = still_newest.get(begun.execution_id)
    assert (report.status, [output["status"] for output in report.outputs]) == (Status.CANCELLED, ["cancelled"])


def test_cancelling_what_has_ended_says_how_it_ended(still_newest, clock):
    begun = still_newest.start(PRODUCT_SHOT, {})
    clock.advance(600)
    assert still_newest.cancel(begun.execution_id) is Status.COMPLETED
    assert still_newest.cancel(begun.execution_id) is Status.COMPLETED


@pytest.fixture(scope="module")
def listing(open_client):
    """A client of a sandbox with five executions, a minute apart, the last one still in the queue."""
    clock = SettableClock()
    running = open_sandbox(clock)
    client = open_client(running, NEWEST)
    begun = []
    for app_id in (PRODUCT_SHOT, ALWAYS_FAILS, PRODUCT_SHOT, ALWAYS_FAILS, PRODUCT_SHOT):
        clock.advance(60)
        begun.append(client.start(app_id, {}).execution_id)
    yield client, begun, clock.now()
    running.stop()


@pytest.fixture
def listed(listing):
    """Their ids, the oldest first."""
    return listing[1]


def test_executions_are_listed_newest_first_with_their_total(listing, listed):
    page = listing[0].list()
    assert [report.execution_id for report in page.reports] == listed[::-1]
    assert page.total == 5
    assert {report.outputs for report in page.reports} == {None}


def test_the_list_comes_in_pages(listing, listed):
    pages = [listing[0].list(limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [len(page.reports) for page in pages] == [2, 2, 1, 0]
    assert {page.total for page in pages} == {5}
    assert [report.execution_id for page in pages for report in page.reports] == listed[::-1]


@pytest.mark.parametrize(
    ("status", "places"), [(Status.QUEUED, [4]), (Status.COMPLETED, [2, 0]), (Status.FAILED, [3, 1])]
)
def test_the_list_is_narrowed_by_status(listing, listed, status, places):
    page = listing[0].list(status=status)
    assert [report.execution_id for report in page.reports] == [listed[place] for place in places]
    assert {report.status for report in page.reports} == {status}


def test_the_list_is_narrowed_by_app(listing, listed):
    page = listing[0].list(app_id=ALWAYS_FAILS)
    assert [report.execution_id for report in page.reports] == [listed[3], listed[1]]
    assert {report.app_id for report in page.reports} == {ALWAYS_FAILS}


@pytest.mark.parametrize("zone", [UTC, None], ids=["utc", "local"])
def test_the_list_is_narrowed_by_time(listing, listed, zone):
    since = (listing[2] - timedelta(seconds=90)).astimezone(zone)
    assert [report.execution_id for report in listing[0].list(since=since).reports] == [listed[4], listed[3]]


def test_a_status_that_lamina_does_not_list_is_refused(newest):
    with pytest.raises(InvalidRequest) as refused:
        newest.list(status=Status.START_UNCONFIRMED)
    assert refused.value.details[0].field == "status"


def test_an_estimate_tells_cost_and_balance(newest):
    estimate = newest.estimate(PRODUCT_SHOT)
    assert estimate.expected > 0
    assert estimate.balance > estimate.expected
    assert estimate.affordable is True


def test_usage_is_the_balance_and_falls_with_what_is_made(still_newest, clock):
    before = still_newest.usage()
    expected = still_newest.estimate(PRODUCT_SHOT).expected
    still_newest.start(PRODUCT_SHOT, {})
    clock.advance(600)
    assert still_newest.usage() == pytest.approx(before - expected)


def test_the_key_set_has_a_usable_key(client):
    keys = signing.parse_key_set(client.signing_key())
    assert [len(key.raw) for key in keys] == [32]


@pytest.mark.parametrize("generation", OLDER)
@pytest.mark.parametrize(
    ("feature", "call"),
    [
        (Feature.LIST, lambda client: client.list()),
        (Feature.CANCEL, lambda client: client.cancel("e-1")),
        (Feature.ESTIMATE, lambda client: client.estimate(PRODUCT_SHOT)),
        (Feature.USAGE, lambda client: client.usage()),
        (Feature.CHOOSE_OUTPUTS, lambda client: client.start(PRODUCT_SHOT, {}, outputs=["Product Shot"])),
    ],
    ids=[feature.value for feature in Feature],
)
def test_what_a_generation_lacks_names_the_setting_that_brings_it(lamina, open_client, generation, feature, call):
    client = open_client(lamina, generation)
    assert not client.supports(feature)
    with pytest.raises(ConfigurationError, match="LAMINA_API_GENERATION=runs"):
        call(client)


def test_the_newest_generation_has_every_feature(newest):
    assert all(newest.supports(feature) for feature in Feature)


@pytest.mark.parametrize("execution_id", ["..", ".", "%2e%2e", "a/b", "a?b=c", "a#b", "\x00", "é", "x" * 500])
def test_an_odd_id_asks_for_nothing_else(client, lamina, execution_id):
    before = fetch(f"{lamina.base_url}/sandbox/log").json()["sequence"]
    with pytest.raises(NotFound):
        client.get(execution_id)
    log = fetch(f"{lamina.base_url}/sandbox/log", since=before).json()
    assert [entry["path"].endswith(f"/{execution_id}") for entry in log["requests"]] == [True]


def test_threads_share_one_client(client):
    inputs = [{"Product Name": f"Lamp {number}"} for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda given: client.start(AD_COPY, given).execution_id, inputs))
        read = list(pool.map(lambda execution_id: client.get(execution_id).execution_id, begun))
    assert read == begun
    assert len(set(begun)) == 20


def test_the_budget_hears_of_every_answer(lamina, clock):
    heard = []
    client = LaminaClient(
        base_url=lamina.base_url,
        api_key=Secret("lma_contract_key"),
        generation=NEWEST,
        clock=clock,
        rng=random.Random(7),
        inner=httpx.HTTPTransport(verify=False),
        observe=lambda status, headers: heard.append((status, headers["x-request-id"])),
    )
    client.list_apps()
    with pytest.raises(NotFound):
        client.get("nothing")
    client.close()
    assert [status for status, _ in heard] == [200, 404]
    assert len(set(heard)) == 2
