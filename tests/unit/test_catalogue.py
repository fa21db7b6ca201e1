"""The sandbox's catalogue: what the committed file covers, and how the loader names a mistake."""

import copy
import json
import re
from pathlib import Path

import pytest

from lamina_core import errors
from lamina_core.sandbox import catalogue
from lamina_core.sandbox.media.pictures import SAMPLES

BASE = "http://127.0.0.1:8787"
FILE = Path(__file__).parents[2] / "data" / "catalogue.json"
POSTER = {
    "appId": "0f0e6e3c-1111-4222-8333-444455556666",
    "name": "Poster",
    "description": "Draws a poster.",
    "isPublic": True,
    "modality": "image",
    "icon": "P",
    "thumbnailUrl": "{base}/sandbox/samples/plant.png",
    "parameters": [
        {
            "id": "one",
            "key": "photo",
            "name": "Photo",
            "type": "url",
            "required": False,
            "accept": ["image"],
            "default": "{base}/sandbox/samples/plant.png",
        },
        {
            "id": "two",
            "key": "style",
            "name": "Style",
            "type": "options",
            "required": False,
            "options": ["Plain", "Bold"],
            "default": "Plain",
        },
        {"id": "three", "key": "words", "name": "Words", "type": "text", "required": False, "default": ""},
    ],
    "outputs": [{"nodeId": "n-1", "label": "Poster", "type": "image", "width": 512, "height": 512}],
    "nodes": [{"id": "n-0", "type": "promptNode", "label": "Prompt"}, {"id": "n-1", "type": "draw", "label": "draw"}],
    "edges": [{"source": "n-0", "target": "n-1"}],
    "queueSeconds": 1,
    "medianSeconds": 5,
    "sigma": 0.2,
    "credits": 1,
    "capabilities": {
        "produces": ["image"],
        "strengths": [],
        "bestFor": [],
        "limitations": [],
        "outputFormats": ["png"],
        "hasQualityControl": False,
        "hasHumanApproval": False,
        "generationStepCount": 1,
        "nodeTypes": ["promptNode", "draw"],
    },
    "failures": [{"parameter": "Words", "contains": "no", "errorMessage": "Refused", "outputError": "refused"}],
}


@pytest.fixture(scope="module")
def committed():
    return catalogue.load(FILE, BASE)


@pytest.fixture
def load(tmp_path):
    def write_and_load(document):
        path = tmp_path / "apps.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return catalogue.load(path, BASE)

    return write_and_load


def app_with(**changes):
    return copy.deepcopy(POSTER) | changes


def refusal(load, document):
    with pytest.raises(errors.ConfigurationError) as caught:
        load(document)
    return str(caught.value)


def parameters(committed):
    return [parameter for app in committed.apps for parameter in app.parameters]


def test_there_are_twelve_apps_or_more_with_distinct_names(committed):
    names = {app.name for app in committed.apps}

    assert len(names) == len(committed.apps) >= 12


def test_a_fast_image_app_takes_about_eight_seconds(committed):
    fast = min((app for app in committed.apps if app.modality == "image"), key=lambda app: app.median_seconds)

    assert (fast.median_seconds, fast.queue_seconds, len(fast.outputs)) == (8, 1.5, 1)
    assert [parameter.type for parameter in fast.parameters] == ["url", "options", "options", "text"]


def test_videos_come_slow_and_shorter(committed):
    videos = sorted(app.median_seconds for app in committed.apps if {o.type for o in app.outputs} == {"video"})

    assert videos == [30, 120]


def test_running_times_stay_believable(committed):
    for app in committed.apps:
        assert 5 <= app.median_seconds <= 120
        assert 0.15 <= app.sigma <= 0.35


def test_labels_repeat_and_fall_back_in_one_app(committed):
    labels = [[output.label for output in app.outputs] for app in committed.apps]

    assert any(row.count("AI Designer") == 2 and "Output 4" in row for row in labels)


def test_odd_white_space_is_kept(committed):
    assert any("  " in parameter.name for parameter in parameters(committed))
    assert any(option.endswith(" ") for parameter in parameters(committed) for option in parameter.options)


def test_some_parameters_have_no_default(committed):
    bare = [parameter for parameter in parameters(committed) if not parameter.has_default]

    assert {parameter.type for parameter in bare} == {"text", "options"}
    assert any(parameter.required for parameter in bare if parameter.type == "text")


@pytest.mark.parametrize("default", ["", [], False, 3])
def test_defaults_that_look_empty_count(committed, default):
    found = [p for p in parameters(committed) if p.default == default and type(p.default) is type(default)]

    assert found
    assert all(parameter.has_default for parameter in found)


def test_text_outputs_come_alone_and_by_three(committed):
    counts = {len(app.outputs) for app in committed.apps if {output.type for output in app.outputs} == {"text"}}

    assert counts == {1, 3}


def test_an_app_always_fails_and_says_why(committed):
    always = [rule for app in committed.apps for rule in app.failures if rule.parameter is None and rule.error_message]

    assert len(always) == 1
    assert "timed out" in always[0].error_message
    assert "timed out" in always[0].output_error


@pytest.mark.parametrize(("word", "said"), [("celebrity", "moderation"), ("broken", "Could not download")])
def test_some_inputs_fail(committed, word, said):
    rules = [rule for app in committed.apps for rule in app.failures if rule.contains == word]

    assert rules
    assert all(said in rule.error_message for rule in rules)


def test_an_app_fails_in_part(committed):
    partial = [
        (app, rule)
        for app in committed.apps
        for rule in app.failures
        if rule.parameter is None and rule.error_message is None
    ]

    assert [(len(app.outputs), rule.outputs) for app, rule in partial] == [(3, (2,))]


def test_a_list_of_image_addresses_has_a_default(committed):
    lists = [parameter for parameter in parameters(committed) if parameter.multiple and parameter.default]

    assert any(len(parameter.default) == 3 and parameter.accept == ("image",) for parameter in lists)


def test_a_wide_app_has_twenty_parameters_of_every_kind(committed):
    wide = max(committed.apps, key=lambda app: len(app.parameters))

    assert len(wide.parameters) == 20
    assert {parameter.type for parameter in wide.parameters} == {"text", "options", "url"}
    assert {len(parameter.options) for parameter in wide.parameters} >= {2, 3, 6, 12}
    assert any(parameter.multiple for parameter in wide.parameters)


def test_one_app_makes_nine_pictures_in_three_languages(committed):
    app = next(app for app in committed.apps if "Language" in app.name)

    assert len(app.outputs) == 9
    assert {output.label.split()[0] for output in app.outputs} == {"English", "German", "Japanese"}


def test_long_prompts_descriptions_and_number_like_options_are_there(committed):
    everyone = parameters(committed)

    assert sum(p.type == "text" and isinstance(p.default, str) and p.default.count(". ") >= 2 for p in everyone) >= 4
    assert {parameter.description is None for parameter in everyone} == {True, False}
    assert any("16:9" in parameter.options for parameter in everyone)
    assert any(parameter.options == ("5", "10") for parameter in everyone)


def test_every_default_address_is_a_sample_that_can_be_drawn(committed):
    urls = [
        url
        for parameter in parameters(committed)
        if parameter.type == "url"
        for url in (parameter.default if parameter.multiple else [parameter.default])
    ]
    urls += [app.thumbnail["url"] for app in committed.apps if app.thumbnail]
    names = {re.fullmatch(rf"{BASE}/sandbox/samples/([a-z-]+)\.png", url)[1] for url in urls}

    assert names == set(SAMPLES)


def test_node_ids_follow_laminas_pattern(committed):
    ids = [node.id for app in committed.apps for node in app.nodes]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+[A-Za-z]*Node-[0-9]{13}-[0-9a-z]{9}", node_id) for node_id in ids)


def test_capabilities_say_what_the_outputs_are(committed):
    for app in committed.apps:
        assert set(app.capabilities["produces"]) == {output.type for output in app.outputs}
        assert app.capabilities["nodeTypes"] == list(dict.fromkeys(node.type for node in app.nodes))


def test_apps_are_found_by_id_only(committed):
    assert committed.find(committed.apps[3].app_id) is committed.apps[3]
    assert committed.find("nobody") is None


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("CARTOON", None, ["Cartoon Portrait"]), ("turntable", None, ["Product Spin"]), ("zzz", None, []), ("", 0, [])],
)
def test_search_looks_in_name_and_description(committed, text, limit, expected):
    assert [app.name for app in committed.search(text, limit)] == expected


def test_search_without_words_gives_all_in_order(committed):
    assert committed.search(None, None) == list(committed.apps)
    assert committed.search(None, 2) == list(committed.apps[:2])


def test_the_base_url_stands_in_for_its_placeholder(load):
    app = load({"apps": [app_with()]}).apps[0]

    assert app.thumbnail == {"url": f"{BASE}/sandbox/samples/plant.png", "type": "image"}
    assert app.parameters[0].default == f"{BASE}/sandbox/samples/plant.png"


def test_a_null_default_is_none(load):
    app = app_with()
    app["parameters"][2]["default"] = None

    assert not load({"apps": [app]}).apps[0].parameters[2].has_default


def change_parameter(place, **changes):
    app = app_with()
    app["parameters"][place] |= changes
    return app


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (app_with(medianSeconds=0), "apps 1 ('Poster'): medianSeconds: should be greater than 0"),
        (app_with(sigma="wide"), "sigma: should be a number of at least 0, not 'wide'"),
        (app_with(sigma=True), "sigma: should be a number of at least 0, not True"),
        (app_with(isPublic="yes"), "isPublic: should be true or false"),
        (app_with(modality="song"), "modality: should be one of image, video, text, not 'song'"),
        (app_with(name=""), "apps 1 (''): name: should be a text"),
        (app_with(outputs=[POSTER["outputs"][0] | {"width": 0}]), "outputs 1: width: is given in pixels for images"),
        (app_with(outputs=[POSTER["outputs"][0] | {"height": -1}]), "height: should be a whole number of at least 0"),
        (app_with(failures=[{"outputs": [True], "outputError": "x"}]), "outputs: should list whole numbers"),
        (change_parameter(1, options=["A", " "]), "options: should list texts, none of them empty"),
        (app_with(colour="red"), "apps 1 ('Poster'): colour: is not a known field"),
        (app_with(parameters={}), "parameters: should be a list, not {}"),
        (app_with(outputs=[]), "outputs: is empty"),
        (app_with(nodes=[]), "outputs: nodeId 'n-1' is not a node of the workflow"),
        (app_with(edges=[{"source": "n-0", "target": "n-9"}]), "edges: 'n-9' is not a node of the workflow"),
        (app_with(failures=[{"parameter": "Wrods", "outputError": "x"}]), "failures: 'Wrods' is not the name"),
        (app_with(failures=[{"outputs": [1], "outputError": "x"}]), "failures: outputs [1] go beyond the app's 1"),
        (app_with(failures=[{"contains": "a", "outputError": "x"}]), "failures 1: contains: needs a parameter"),
        (change_parameter(0, default="ftp://x"), "parameters 1 ('Photo'): default: 'ftp://x' is not an http(s) URL"),
        (change_parameter(0, accept=["picture"]), "accept: should list only image, video, audio"),
        (change_parameter(0, accept=[]), "accept: belongs to parameters of type 'url'"),
        (change_parameter(1, default="Italic"), "parameters 2 ('Style'): default: 'Italic' is not among the options"),
        (change_parameter(1, default="Plain "), "default: 'Plain ' is not among the options"),
        (change_parameter(1, options=["A", "A"], default="A"), "options: lists 'A' twice"),
        (change_parameter(1, multiple=True), "multiple: belongs to parameters of type 'url'"),
        (change_parameter(2, default=["a"]), "parameters 3 ('Words'): default: ['a'] is not a text"),
        (change_parameter(2, options=["A"]), "options: belongs to parameters of type 'options'"),
        (change_parameter(2, type="number"), "type: should be one of text, options, url, not 'number'"),
        (change_parameter(2, name="Style"), "parameters: 'Style' stands for two parameters"),
        (change_parameter(2, key="Photo"), "parameters: 'Photo' stands for two parameters"),
    ],
)
def test_a_mistake_is_named_by_app_and_field(load, app, said):
    assert said in refusal(load, {"apps": [app]})


def test_a_missing_field_is_named(load):
    app = app_with()
    del app["capabilities"]["nodeTypes"]

    assert "apps 1 ('Poster'): capabilities: nodeTypes: is missing" in refusal(load, {"apps": [app]})


def test_two_apps_may_not_share_an_id(load):
    assert "is twice an appId" in refusal(load, {"apps": [app_with(), app_with(name="Other")]})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"apps": [', "is not JSON"),
        ("[]", "should be an object, not []"),
        ('{"apps": []}', "holds no apps"),
        ('{"apps": [3]}', "apps 1: should be an object, not 3"),
        ("{}", "apps: is missing"),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused(load, document, said):
    assert said in refusal(load, document)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.ConfigurationError, match=r"nowhere\.json: cannot be read"):
        catalogue.load(tmp_path / "nowhere.json", BASE)


@pytest.mark.parametrize("content", [b"\xff\xfe{", b'{"apps": [], "apps": NaN}'])
def test_bytes_that_are_no_catalogue_are_refused(tmp_path, content):
    path = tmp_path / "apps.json"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match=r"apps\.json"):
        catalogue.load(path, BASE)
