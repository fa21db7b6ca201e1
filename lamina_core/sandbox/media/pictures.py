"""Pictures: a subject in a set, composed by chance from a seed and by the inputs' wishes."""

import io
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image, ImageDraw

from lamina_core.sandbox.catalogue import App, OutputPlan
from lamina_core.sandbox.media import backdrops, lettering, painting, palettes, scenes, skylines
from lamina_core.sandbox.media import brief as briefs
from lamina_core.sandbox.media.brief import Brief
from lamina_core.sandbox.media.palettes import Palette
from lamina_core.sandbox.media.scenes import Scene, Stand

LARGEST = 145_000  # bytes of a PNG; pages show many at once

SAMPLES = {
    "sneaker": "white",
    "handbag": "sand",
    "ceramic-mug": "cool",
    "armchair": "sage",
    "portrait": "pastel",
    "skyline": "dusk",
    "wristwatch": "slate",
    "plant": "linen",
}


def draw_picture(app: App, output: OutputPlan, inputs: Mapping[str, Any], seed: int) -> bytes:
    """Return a PNG of one output, drawn from the effective inputs, keyed by the parameters' names.

    Colours stay the same for all outputs of one seed, as one product photo would; the set changes.
    """
    wishes = briefs.read(app, output, inputs)
    palette, ware = wishes.colours(app, seed)
    shared = briefs.chance(seed, app.app_id, "set")
    first, person = shared.randrange(len(scenes.BACKDROPS)), shared.randrange(len(painting.SKINS) * len(painting.HAIRS))
    place = [plan.node_id for plan in app.outputs].index(output.node_id)
    scene = Scene(
        subject=wishes.subject,
        palette=palette,
        ware=ware,
        person=person,
        backdrop=scenes.BACKDROPS[(first + place) % len(scenes.BACKDROPS)],
        treatment=wishes.treatment,
        season=wishes.season,
        width=wishes.width,
        height=wishes.height,
    )
    own = briefs.chance(seed, app.app_id, output.node_id)
    picture = _collage(scene, wishes, own) if wishes.extras else draw_scene(scene, own)
    # The lower corner of a portrait is clothes; its upper corner is always wall.
    lettering.caption(picture, output.label, wishes.caption, at_top=scene.subject == "portrait" and not wishes.extras)
    return _encode(picture)


def draw_sample(name: str) -> bytes:
    """Return the PNG behind a sample input, such as `sneaker`; KeyError for a name that is none."""
    palette = palettes.named(SAMPLES[name])
    if palette is None:
        raise KeyError(name)
    rng = briefs.chance("sample", name)
    scene = Scene(name, palette, palette.wares[0], 5, "sweep", "plain", "", 800, 800)
    return _encode(draw_scene(scene, rng))


def draw_scene(scene: Scene, rng: random.Random) -> Image.Image:
    """Return a scene as an RGB picture without lettering; chance decides on positions."""
    if scene.subject == "skyline":
        picture = scenes.build_wall(scene, glow=0.3)
        skylines.draw_sun(picture, scene, rng)
        for layer in range(skylines.LAYERS):
            skylines.draw_layer(picture, scene, layer, rng)
    elif scene.subject == "portrait":
        picture = _compose(scene, scenes.place_portrait(scene, rng), rng)
    else:
        picture = _compose(scene, scenes.place_product(scene, rng), rng)
    if scene.season:
        scenes.scatter(picture, scene.season, rng)
    return picture.reduce(scenes.FINENESS)


def _compose(scene: Scene, stand: Stand, rng: random.Random) -> Image.Image:
    picture = scenes.build_wall(scene, glow=rng.uniform(0.15, 0.4))
    backdrops.draw_behind_floor(picture, scene, stand, rng)
    if scene.has_floor:
        scenes.lay_floor(picture, scene)
    backdrops.draw_before_floor(picture, scene, stand, rng)
    on_plinth = scene.has_floor and scene.treatment != "detail" and rng.random() < 0.4
    if on_plinth:
        stand = replace(stand, foot=round(picture.size[1] * 0.765))
        scenes.build_plinth(picture, scene, stand)
    subject = scenes.paint_subject(scene, stand)
    if scene.subject != "portrait" and scene.treatment != "poster":
        scenes.cast_shadow(picture, scene, subject, stand, long=not on_plinth)
    picture.paste(subject, (stand.middle - stand.side // 2, stand.foot - stand.side), subject)
    return picture


def _collage(scene: Scene, wishes: Brief, rng: random.Random) -> Image.Image:
    """Return small pictures of all subjects on paper, with the palette's colours beside them."""
    palette = scene.palette
    paper = palettes.mix(palette.wall[0], palettes.WHITE, 0.6)
    board = Image.new("RGB", (scene.width, scene.height), paper)
    shown = [wishes.subject, *wishes.extras][:5]
    columns = 3
    gap = round(scene.width * 0.022)
    across = (scene.width - gap * (columns + 1)) // columns
    down = (round(scene.height * 0.9) - gap * 3) // 2
    for place in range(columns * 2):
        left, top = gap + place % columns * (across + gap), gap + place // columns * (down + gap)
        if place < len(shown):
            tile = replace(
                scene,
                subject=shown[place],
                ware=palette.wares[place % len(palette.wares)],
                backdrop=scenes.BACKDROPS[(place + scene.person) % len(scenes.BACKDROPS)],
                width=across,
                height=down,
            )
            _pin(board, draw_scene(tile, rng), (left, top), rng.uniform(-3.5, 3.5) if wishes.is_loose else 0)
        else:
            _swatch(board, (left, top, left + across, top + down), palette, place)
    return board


def _pin(board: Image.Image, tile: Image.Image, corner: tuple[int, int], turn: float) -> None:
    card = tile.convert("RGBA").rotate(turn, resample=Image.Resampling.BICUBIC, expand=True)
    shift = ((card.width - tile.width) // 2, (card.height - tile.height) // 2)
    board.paste(card, (corner[0] - shift[0], corner[1] - shift[1]), card)


def _swatch(board: Image.Image, edges: tuple[int, int, int, int], palette: Palette, place: int) -> None:
    colours = (*palette.wares[place % len(palette.wares)], palette.wall[1], palette.floor[1])
    left, top, right, bottom = edges
    canvas = ImageDraw.Draw(board)
    width = (right - left) / len(colours)
    for number, colour in enumerate(colours):
        canvas.rectangle((left + number * width, top, left + (number + 1) * width, bottom), fill=colour)


def _encode(picture: Image.Image) -> bytes:
    found = _write(picture)
    # Wide soft shadows compress badly; without the lowest bit, which hardly shows, such a file is a sixth smaller.
    return found if len(found) <= LARGEST else _write(picture.point([value & 0xFE for value in range(256)] * 3))


def _write(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
