"""What the sandbox draws and writes: the same each time, small, and unimpressed by hostile inputs."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lamina_core.sandbox import catalogue, media
from lamina_core.sandbox.media import brief, lettering, pictures

DATA = Path(__file__).parents[2] / "data"
APPS = catalogue.load(DATA / "catalogue.json", "http://127.0.0.1:8787").apps
BY_NAME = {app.name: app for app in APPS}
HOSTILE = [
    "",
    " ",
    "\x00\x01\x1b[31m\r\n",
    "word " * 4000,
    "x" * 50_000,
    "🧨👩‍👩‍👧‍👦🏳️‍🌈",
    "שלום עולם \u202egnp.exe",
    "مرحبا" * 50,
    "\ud800 half a character \udfff",
    "Z̸̢̡̛" + "\u0301" * 500,
    "ﷺ" * 400,
    "https://[broken",
    "\u2028\u2029\ufeff\uffff",
    "999:1",
]


def effective(app, **changes):
    return {parameter.name: parameter.default for parameter in app.parameters if parameter.has_default} | changes


def draw(name, seed=1, place=0, **changes):
    app = BY_NAME[name]
    return media.draw_picture(app, app.outputs[place], effective(app, **changes), seed)


def write(name, seed=1, place=0, **changes):
    app = BY_NAME[name]
    return media.compose_text(app, app.outputs[place], effective(app, **changes), seed)


def open_picture(content):
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


@pytest.mark.parametrize(
    "app", [app for app in APPS if any(o.type == "image" for o in app.outputs)], ids=lambda a: a.name
)
def test_every_planned_picture_opens_and_is_small(app):
    plan = next(output for output in app.outputs if output.type == "image")

    content = media.draw_picture(app, plan, effective(app), 7)

    assert open_picture(content).format == "PNG"
    assert len(content) < 150_000


def test_the_same_arguments_give_the_same_bytes():
    assert draw("Studio Product Shot", seed=3) == draw("Studio Product Shot", seed=3)
    assert write("Ad Copy Trio", place=1) == write("Ad Copy Trio", place=1)


def test_seeds_outputs_and_options_change_the_picture():
    drawn = [
        draw("Full Catalogue Set", seed=1),
        draw("Full Catalogue Set", seed=2),
        draw("Full Catalogue Set", seed=1, place=3),
        draw("Full Catalogue Set", seed=1, **{"Backdrop  Tone": "Midnight"}),
        draw("Full Catalogue Set", seed=1, Front="https://example.com/red-shoe.png"),
        draw("Full Catalogue Set", seed=1, **{"Collection Name": "Other words"}),
    ]

    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:1", (1024, 1024)), ("4:3", (1024, 768)), ("9:16", (576, 1024)), ("16:9", (1024, 576))]
)
def test_the_aspect_ratio_option_decides_the_size(ratio, size):
    assert open_picture(draw("Cartoon Portrait", Style="Comic ink", **{"Aspect Ratio": ratio})).size == size


def test_every_style_looks_different():
    styles = next(
        parameter.options for parameter in BY_NAME["Cartoon Portrait"].parameters if parameter.name == "Style"
    )

    assert len({draw("Cartoon Portrait", Style=style) for style in styles}) == len(styles) == 4


def test_without_a_ratio_the_plan_decides_the_size():
    assert open_picture(draw("Multi-Language Adapts", place=1)).size == (720, 1280)


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("A city at night", "skyline"),
        ("Two cups of coffee on a table", "ceramic-mug"),
        ("perfume on a stone", "bottle"),
        ("An old SOFA", "armchair"),
    ],
)
def test_the_prompts_words_choose_what_is_shown(prompt, subject):
    app = BY_NAME["Campaign Hero Banner"]

    assert brief.read(app, app.outputs[0], effective(app, Prompt=prompt)).subject == subject


def test_an_address_is_read_by_its_file_name_only():
    app = BY_NAME["Studio Product Shot"]
    url = "https://plant.example.com/city/IMG_handbag-02.png"

    assert brief.read(app, app.outputs[0], effective(app, **{"Product Photo": url})).subject == "handbag"


def test_an_output_shows_the_text_in_its_own_language():
    app = BY_NAME["Multi-Language Adapts"]
    german = next(output for output in app.outputs if output.label.startswith("German"))

    assert brief.read(app, german, effective(app)).caption == "Leicht gebaut. Für lange gemacht."


def test_a_season_in_the_label_sets_the_scene():
    app = BY_NAME["Seasonal Trio"]

    assert brief.read(app, app.outputs[2], effective(app)).season == "winter"
    assert brief.read(app, app.outputs[2], effective(app)).palette.name == "frost"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_still_give_a_picture(text):
    app = replace(BY_NAME["Campaign Hero Banner"], name=text)
    output = replace(app.outputs[0], label=text or "x", width=320, height=180)
    inputs = dict.fromkeys((parameter.name for parameter in app.parameters), text)

    content = media.draw_picture(app, output, inputs, 1)

    assert min(open_picture(content).size) >= 256
    assert len(content) < 150_000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_still_give_a_text(text):
    for name in ("Ad Copy Trio", "Product Description Writer"):
        app = BY_NAME[name]
        inputs = dict.fromkeys((parameter.name for parameter in app.parameters), text)
        for output in app.outputs:
            written = media.compose_text(app, output, inputs, 1)

            assert 5 < len(written) < 5000
            assert written.encode("utf-8")
            assert "\x00" not in written


@pytest.mark.parametrize(
    "value", [None, 7, 1.5, True, float("nan"), 10**400, {}, {"a": "b"}, [], [None, 3, []], [["x"]]]
)
def test_values_of_other_kinds_are_drawn_and_written_all_the_same(value):
    app = BY_NAME["Moodboard from Links"]
    inputs = dict.fromkeys((parameter.name for parameter in app.parameters), value)
    small = replace(app.outputs[0], width=300, height=300)

    assert open_picture(media.draw_picture(app, small, inputs, 1)).width == 300
    assert "tones" in media.compose_text(app, app.outputs[1], inputs, 1)


def test_inputs_may_be_absent():
    app = BY_NAME["Brand Scene Builder"]

    assert open_picture(media.draw_picture(app, app.outputs[0], {}, 1)).size == (1280, 960)


def test_lettering_keeps_to_what_the_font_can_draw():
    assert lettering.legible("Für Łukasz – “ça va”\x00 ok") == "Fur Lukasz - “ca va” ok"
    assert lettering.legible("軽く, light") == "···, light"
    assert lettering.legible("軽くつくり、長く使う。") == ""


def test_a_moodboard_shows_every_reference():
    app = BY_NAME["Moodboard from Links"]
    wishes = brief.read(app, app.outputs[0], effective(app))

    assert [wishes.subject, *wishes.extras][:3] == ["armchair", "plant", "ceramic-mug"]


def test_palette_notes_name_the_moodboards_colours():
    app = BY_NAME["Moodboard from Links"]
    palette, _ = brief.read(app, app.outputs[0], effective(app)).colours(app, 9)

    assert f"in {palette.name} tones" in write("Moodboard from Links", seed=9, place=1)


@pytest.mark.parametrize("name", sorted(pictures.SAMPLES))
def test_every_sample_is_a_picture(name):
    content = media.draw_sample(name)

    assert open_picture(content).size == (800, 800)
    assert content == media.draw_sample(name)
    assert len(content) < 150_000


@pytest.mark.parametrize("name", ["", "unicorn", "../plant", "SNEAKER"])
def test_an_unknown_sample_is_a_key_error(name):
    with pytest.raises(KeyError):
        media.draw_sample(name)


def test_copy_names_the_product_and_its_benefits():
    primary = write("Ad Copy Trio", place=1, **{"Product Name": "Harbour Runner", "Key Benefits": "Light as air."})

    assert "Harbour Runner" in primary
    assert primary.endswith("Light as air.")


def test_copy_follows_tone_and_language():
    spoken = {
        (language, tone): write("Ad Copy Trio", **{"Product Name": "Nora", "Language": language, "Tone": tone})
        for language in ("English", "German", "French", "Spanish")
        for tone in ("Friendly", "Confident", "Playful", "Premium")
    }

    assert len(set(spoken.values())) == 16
    assert all("Nora" in text for text in spoken.values())


def test_descriptions_list_the_facts_up_to_their_length():
    facts = "\n".join(f"Fact number {number}" for number in range(1, 9))
    written = {
        length: write("Product Description Writer", **{"Product Name": "Mug", "Product Facts": facts, "Length": length})
        for length in ("Short", "Medium", "Long")
    }

    assert [written[length].count("- Fact") for length in ("Short", "Medium", "Long")] == [2, 5, 8]


def test_texts_vary_with_the_seed():
    assert len({write("Product Description Writer", seed, **{"Product Name": "Mug"}) for seed in range(12)}) > 3


def test_every_app_with_a_video_has_a_clip_that_is_a_webm():
    for app in APPS:
        path = media.clip_path(DATA, app, 4)
        content = path.read_bytes()

        assert content.startswith(b"\x1a\x45\xdf\xa3")
        assert len(content) < 200_000


def test_the_clips_suit_the_video_apps():
    chosen = {app.name: media.clip_path(DATA, app, 4).name for app in APPS if app.modality == "video"}

    assert chosen == {
        "Campaign Film": "skyline.webm",
        "Product Spin": "spin.webm",
        "Social Reel Maker": "drift.webm",
    }


def test_texts_can_be_sent_as_json():
    assert json.loads(json.dumps(write("Social Reel Maker", place=3), ensure_ascii=False).encode())
