"""A subject in a set: wall, floor, light, a backdrop and what the season brings."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from lamina_core.sandbox.media import painting, palettes
from lamina_core.sandbox.media.palettes import Colour, Palette

FINENESS = 2  # pictures are drawn so much larger, and then reduced, for smooth edges
BACKDROPS = ("arch", "window", "disc", "foliage", "blocks", "sweep")
_COARSE = 8  # soft things are drawn so much smaller, and then enlarged
_HORIZON = 0.7  # of the height


@dataclass(frozen=True)
class Scene:
    """What a picture shows and how; `backdrop` is one of BACKDROPS, `ware` is (body, accent)."""

    subject: str
    palette: Palette
    ware: tuple[Colour, Colour]
    person: int
    backdrop: str
    treatment: str
    season: str
    width: int
    height: int


def draw(scene: Scene, rng: random.Random) -> Image.Image:
    """Return the scene as an RGB picture of its width and height; `rng` decides on positions."""
    if scene.subject == "skyline":
        picture = _draw_skyline(scene, rng)
    elif scene.subject == "portrait":
        picture = _draw_portrait(scene, rng)
    else:
        picture = _draw_product(scene, rng)
    _scatter(picture, scene, rng)
    return picture.reduce(FINENESS)


def _draw_product(scene: Scene, rng: random.Random) -> Image.Image:
    picture = _wall(scene, glow=rng.uniform(0.15, 0.4))
    width, height = picture.size
    is_detail = scene.treatment == "detail"
    side = round(min(width * 0.66, height * 0.6) * rng.uniform(0.94, 1.06) * (1.75 if is_detail else 1))
    # In a wide picture the subject stands aside and leaves room for words.
    sway = 0.05 if width <= height * 1.4 else 0.2
    middle = round(width * (0.5 + rng.choice((-1, 1)) * rng.uniform(sway / 2, sway)))
    foot = round(height * (1.16 if is_detail else rng.uniform(0.8, 0.83)))
    lit_from_left = rng.random() < 0.5
    has_floor = scene.backdrop != "sweep" and scene.treatment != "poster"
    if has_floor:
        _floor(picture, scene)
    _backdrop(picture, scene, middle, side, lit_from_left, rng)
    on_plinth = has_floor and not is_detail and rng.random() < 0.4
    if on_plinth:
        foot = round(height * 0.77)
        _plinth(picture, scene, middle, foot, side)
    colours = painting.tones(*scene.ware, scene.person)
    subject = painting.paint(scene.subject, side, colours, outline=0.7 if scene.treatment == "comic" else 0)
    if not lit_from_left:
        subject = subject.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if scene.treatment != "poster":
        _shadow(picture, scene, subject, middle, foot, lean=0 if on_plinth else (1 if lit_from_left else -1))
    picture.paste(subject, (middle - side // 2, foot - side), subject)
    return picture


def _draw_portrait(scene: Scene, rng: random.Random) -> Image.Image:
    picture = _wall(scene, glow=0.35)
    width, height = picture.size
    side = round(min(width * 0.96, height * 0.86))
    middle = round(width * 0.5) if width <= height * 1.4 else round(width * rng.choice((0.36, 0.64)))
    _backdrop(picture, scene, middle, round(side * 0.8), lit_from_left=True, rng=rng)
    colours = painting.tones(*scene.ware, scene.person)
    subject = painting.paint("portrait", side, colours, outline=0.7 if scene.treatment == "comic" else 0)
    if rng.random() < 0.5:
        subject = subject.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.paste(subject, (middle - side // 2, height - side), subject)
    return picture


def _draw_skyline(scene: Scene, rng: random.Random) -> Image.Image:
    picture = _wall(scene, glow=0.3)
    width, height = picture.size
    canvas = ImageDraw.Draw(picture, "RGBA")
    sun = height * rng.uniform(0.13, 0.19)
    x, y = width * rng.uniform(0.25, 0.75), height * rng.uniform(0.34, 0.5)
    light = palettes.mix(scene.ware[1], palettes.WHITE, 0.35)
    for spread, alpha in ((1.9, 34), (1.4, 50), (1, 235)):
        canvas.ellipse((x - sun * spread, y - sun * spread, x + sun * spread, y + sun * spread), fill=(*light, alpha))
    dark = palettes.mix(scene.palette.floor[1], palettes.BLACK, 0.35)
    for layer in range(3):
        colour = palettes.mix(scene.palette.wall[1], dark, 0.38 + 0.31 * layer)
        windows = palettes.mix(colour, light, 0.22 + 0.28 * layer)
        _buildings(canvas, (width, height), layer, (colour, windows), rng)
    return picture


def _buildings(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], layer: int, colours: tuple[Colour, Colour], rng: random.Random
) -> None:
    width, height = size
    colour, windows = colours
    unit = min(width, height) * (0.075 + 0.02 * layer)
    left = -rng.uniform(0, unit)
    while left < width:
        across = unit * rng.uniform(0.7, 1.5)
        top = height * (rng.uniform(0.34, 0.6) + 0.13 * layer)
        canvas.rectangle((left, top, left + across, height), fill=colour)
        roof = rng.random()
        if roof < 0.22:
            canvas.polygon(
                ((left, top), (left + across / 2, top - across * rng.uniform(0.5, 1)), (left + across, top)),
                fill=colour,
            )
        elif roof < 0.5:
            canvas.rectangle((left + across * 0.22, top - across * 0.25, left + across * 0.78, top), fill=colour)
            middle = left + across / 2
            canvas.rectangle((middle - unit * 0.02, top - across * 0.8, middle + unit * 0.02, top), fill=colour)
        pane = unit * 0.1
        row = top + pane * 2
        while row < min(height * 0.9, top + unit * 6):
            column = left + pane * 1.6
            while column < left + across - pane * 2:
                if rng.random() < 0.24 + 0.06 * layer:
                    canvas.rectangle((column, row, column + pane, row + pane * 1.4), fill=windows)
                column += pane * 2.2
            row += pane * 3
        left += across + (unit * 0.08 if layer < 2 else rng.uniform(0, unit * 0.5))


def _wall(scene: Scene, glow: float) -> Image.Image:
    """Return the wall's gradient with a pool of light in the upper part."""
    small = (96, 96)
    top, bottom = scene.palette.wall
    fall = Image.linear_gradient("L").resize(small)
    wall = Image.composite(Image.new("RGB", small, bottom), Image.new("RGB", small, top), fall)
    pool = ImageChops.invert(Image.radial_gradient("L")).resize(small).point(lambda value: value * glow)
    wall.paste(palettes.WHITE, (0, -16), pool)
    size = (scene.width * FINENESS, scene.height * FINENESS)
    return wall.resize(size, Image.Resampling.BICUBIC)


def _floor(picture: Image.Image, scene: Scene) -> None:
    width, height = picture.size
    near, far = scene.palette.floor[1], scene.palette.floor[0]
    top = round(height * _HORIZON)
    small = (4, 64)
    fall = Image.linear_gradient("L").resize(small)
    floor = Image.composite(Image.new("RGB", small, near), Image.new("RGB", small, far), fall)
    picture.paste(floor.resize((width, height - top), Image.Resampling.BICUBIC), (0, top))


def _plinth(picture: Image.Image, scene: Scene, middle: int, foot: int, side: int) -> None:
    canvas = ImageDraw.Draw(picture)
    half, thickness = side * 0.62, side * 0.11
    depth = picture.size[1] * 0.13
    body = palettes.mix(scene.palette.wall[1], scene.palette.floor[1], 0.45)
    lid = palettes.mix(scene.palette.wall[0], scene.palette.floor[0], 0.35)
    canvas.ellipse((middle - half, foot + depth - thickness, middle + half, foot + depth + thickness), fill=body)
    canvas.rectangle((middle - half, foot, middle + half, foot + depth), fill=body)
    canvas.ellipse((middle - half, foot - thickness, middle + half, foot + thickness), fill=lid)


def _shadow(picture: Image.Image, scene: Scene, subject: Image.Image, middle: int, foot: int, lean: int) -> None:
    """Darken the floor under the subject and, where `lean` is not 0, along its cast shadow."""
    width, height = picture.size
    small = (width // _COARSE, height // _COARSE)
    side = subject.size[0] // _COARSE
    x, y = middle // _COARSE, foot // _COARSE
    shade = Image.new("L", small)
    if lean:
        outline = subject.getchannel("A").resize((side, side))
        squash, slant = 0.3, 1.5 * lean
        # Each pixel of the floor asks which pixel of the outline stands between it and the light.
        asked = (1, slant, side / 2 - x - slant * y, 0, 1 / squash, side - y / squash)
        cast = outline.transform(small, Image.Transform.AFFINE, asked, Image.Resampling.BILINEAR)
        shade = cast.point(lambda value: value * 0.34)
        shade.paste(0, (0, 0, small[0], round(small[1] * _HORIZON) if scene.backdrop != "sweep" else 0))
    canvas = ImageDraw.Draw(shade)
    canvas.ellipse((x - side * 0.42, y - side * 0.035, x + side * 0.42, y + side * 0.03), fill=120)
    shade = shade.filter(ImageFilter.GaussianBlur(side * 0.022))
    dark = palettes.mix(scene.palette.floor[1], palettes.BLACK, 0.75)
    picture.paste(dark, (0, 0), shade.resize(picture.size, Image.Resampling.BICUBIC))


def _backdrop(
    picture: Image.Image, scene: Scene, middle: int, side: int, lit_from_left: bool, rng: random.Random
) -> None:
    width, height = picture.size
    canvas = ImageDraw.Draw(picture, "RGBA")
    tone = palettes.mix(scene.palette.wall[1], scene.palette.floor[0], 0.6)
    ground = height * _HORIZON
    if scene.treatment == "comic":
        _dots(canvas, picture.size, tone)
    elif scene.treatment == "poster":
        _rays(canvas, picture.size, (middle, height * 0.5), scene.palette.floor[0])
    elif scene.backdrop == "arch":
        half, top = side * 0.56, max(height * 0.08, ground - side * 1.2)
        canvas.rounded_rectangle((middle - half, top, middle + half, ground + half), radius=half, fill=(*tone, 190))
        canvas.rounded_rectangle(
            (middle - half * 0.86, top + half * 0.14, middle + half * 0.86, ground + half),
            radius=half * 0.86,
            fill=(*tone, 120),
        )
        if scene.subject != "portrait":
            _floor(picture, scene)
    elif scene.backdrop == "disc":
        radius = side * rng.uniform(0.5, 0.58)
        x, y = middle + rng.choice((-1, 1)) * side * 0.12, ground - side * 0.5
        disc = palettes.mix(scene.palette.wall[1], scene.ware[1], 0.42)
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=disc)
        if scene.subject != "portrait":
            _floor(picture, scene)
    elif scene.backdrop == "window":
        _panes(canvas, picture.size, middle, side, 1 if lit_from_left else -1)
    elif scene.backdrop == "foliage":
        _foliage(picture, scene, lit_from_left)
    elif scene.backdrop == "blocks":
        for direction in (-1, 1):
            tall, x = side * rng.uniform(0.3, 0.85), middle + direction * side * rng.uniform(0.72, 0.85)
            half = side * rng.uniform(0.13, 0.2)
            lower = ground + height * 0.03
            canvas.rectangle((x - half, lower - tall, x + half, lower), fill=tone)
            canvas.polygon(
                (
                    (x + half, lower - tall),
                    (x + half * 1.35, lower - tall - half * 0.2),
                    (x + half * 1.35, lower - half * 0.2),
                    (x + half, lower),
                ),
                fill=palettes.mix(tone, palettes.BLACK, 0.14),
            )
            canvas.polygon(
                (
                    (x - half, lower - tall),
                    (x - half * 0.65, lower - tall - half * 0.2),
                    (x + half * 1.35, lower - tall - half * 0.2),
                    (x + half, lower - tall),
                ),
                fill=palettes.mix(tone, palettes.WHITE, 0.25),
            )
    else:
        radius = max(width, height) * 0.9
        canvas.ellipse(
            (middle - radius * 1.1, ground - radius * 0.05, middle + radius * 1.1, ground + radius * 1.9),
            fill=(*scene.palette.floor[0], 110),
        )
        canvas.ellipse(
            (middle - radius * 0.6, ground + height * 0.02, middle + radius * 0.9, ground + radius * 1.6),
            fill=(*scene.palette.floor[1], 70),
        )


def _panes(canvas: ImageDraw.ImageDraw, size: tuple[int, int], middle: int, side: int, slant: int) -> None:
    """Throw the light of a window with four panes onto the wall."""
    height = size[1]
    across, down, bar = side * 0.36, height * 0.23, side * 0.03
    for column in (-1, 0):
        for row in (0, 1):
            left = middle - slant * side * 0.1 + column * across + (bar / 2 if column == 0 else -bar / 2)
            top = height * 0.1 + row * (down + bar)
            tilt = slant * down * 0.45
            offset = slant * row * (down + bar) * 0.45
            corners = (
                (left + offset, top), (left + across + offset, top - slant * across * 0.1),
                (left + across + offset + tilt, top + down - slant * across * 0.1), (left + offset + tilt, top + down),
            )  # fmt: skip
            canvas.polygon(corners, fill=(255, 250, 238, 88))


def _foliage(picture: Image.Image, scene: Scene, lit_from_left: bool) -> None:
    """Let a plant outside the picture throw its soft shadow on the wall."""
    width, height = picture.size
    small = (width // _COARSE, height // _COARSE)
    side = round(max(small) * 0.95)
    leaves = painting.paint("plant", side, painting.tones(*scene.ware, 0)).getchannel("A")
    leaves = leaves.rotate(118 if lit_from_left else -118, resample=Image.Resampling.BILINEAR)
    shade = Image.new("L", small)
    shade.paste(leaves, (round(-side * 0.42) if lit_from_left else round(small[0] - side * 0.58), round(-side * 0.2)))
    shade = shade.filter(ImageFilter.GaussianBlur(side * 0.012)).point(lambda value: value * 0.2)
    dark = palettes.mix(scene.palette.floor[1], palettes.BLACK, 0.5)
    picture.paste(dark, (0, 0), shade.resize(picture.size, Image.Resampling.BICUBIC))


def _dots(canvas: ImageDraw.ImageDraw, size: tuple[int, int], colour: Colour) -> None:
    step = min(size) / 26
    for row in range(math.ceil(size[1] / step) + 1):
        radius = step * 0.46 * row * step / size[1]
        for column in range(math.ceil(size[0] / step) + 1):
            x, y = (column + row % 2 / 2) * step, row * step
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _rays(canvas: ImageDraw.ImageDraw, size: tuple[int, int], centre: tuple[float, float], colour: Colour) -> None:
    reach = sum(size)
    for ray in range(0, 360, 20):
        ends = [math.radians(ray + turn) for turn in (-5, 5)]
        canvas.polygon(
            (centre, *((centre[0] + reach * math.cos(end), centre[1] + reach * math.sin(end)) for end in ends)),
            fill=(*colour, 150),
        )


def _scatter(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    if not scene.season:
        return
    canvas = ImageDraw.Draw(picture, "RGBA")
    width, height = picture.size
    colours: dict[str, tuple[Colour, ...]] = {
        "winter": (palettes.WHITE,),
        "spring": ((244, 178, 188), (252, 222, 226)),
        "autumn": ((178, 74, 40), (222, 150, 60), (140, 52, 36)),
    }
    for _ in range(46):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), min(width, height) * rng.uniform(0.003, 0.011)
        colour = (*rng.choice(colours[scene.season]), rng.randint(150, 235))
        if scene.season == "winter":
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
            continue
        turn = rng.uniform(0, math.pi)
        along, across = radius * 1.9, radius * 0.8
        outline = [(along * math.cos(step / 6 * math.pi), across * math.sin(step / 6 * math.pi)) for step in range(12)]
        canvas.polygon(
            [
                (x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn))
                for a, b in outline
            ],
            fill=colour,
        )
