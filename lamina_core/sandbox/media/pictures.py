"""Pictures: a subject in a set, composed by chance from a seed and by the inputs' wishes."""

import io
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image, ImageDraw

from lamina_core.sandbox.catalogue import App, OutputPlan
from lamina_core.sandbox.media import brief as briefs
from lamina_core.sandbox.media import lettering, palettes, scenes
from lamina_core.sandbox.media.brief import Brief
from lamina_core.sandbox.media.palettes import Palette
from lamina_core.sandbox.media.scenes import Scene

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
    shared = _chance(seed, app.app_id)
    palette = wishes.palette or palettes.pick(shared)
    place = [plan.node_id for plan in app.outputs].index(output.node_id)
    first = shared.randrange(len(scenes.BACKDROPS))
    scene = Scene(
        subject=wishes.subject,
        palette=palette,
        ware=shared.choice(palette.wares),
        person=shared.randrange(16),
        backdrop=scenes.BACKDROPS[(first + place) % len(scenes.BACKDROPS)],
        treatment=wishes.treatment,
        season=wishes.season,
        width=wishes.width,
        height=wishes.height,
    )
    own = _chance(seed, app.app_id, output.node_id)
    picture = _collage(scene, wishes, own) if wishes.extras else scenes.draw(scene, own)
    lettering.caption(picture, output.label, wishes.caption)
    return _encode(picture)


def draw_sample(name: str) -> bytes:
    """Return the PNG behind a sample input, such as `sneaker`; KeyError for a name that is none."""
    palette = palettes.named(SAMPLES[name])
    if palette is None:
        raise KeyError(name)
    rng = _chance("sample", name)
    scene = Scene(name, palette, palette.wares[0], 5, "sweep", "plain", "", 800, 800)
    return _encode(scenes.draw(scene, rng))


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
            _pin(board, scenes.draw(tile, rng), (left, top), rng.uniform(-3.5, 3.5) if wishes.is_loose else 0)
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


def _chance(*parts: object) -> random.Random:
    # A picture's composition is no secret; a seed of text gives the same numbers in every process.
    return random.Random("/".join(map(str, parts)))  # noqa: S311


def _encode(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
