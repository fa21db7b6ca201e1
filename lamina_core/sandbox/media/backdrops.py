"""What stands behind a subject, or falls on the wall behind it."""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from lamina_core.sandbox.media import painting, palettes
from lamina_core.sandbox.media.scenes import COARSENESS, HORIZON, Scene, Stand, darken

Drawer = Callable[[Image.Image, Scene, Stand, random.Random], None]


def draw_behind_floor(picture: Image.Image, scene: Scene, stand: Stand, rng: random.Random) -> None:
    """Draw what the floor hides the lower part of."""
    drawer = _BEHIND_FLOOR.get(_kind(scene))
    if drawer is not None:
        drawer(picture, scene, stand, rng)


def draw_before_floor(picture: Image.Image, scene: Scene, stand: Stand, rng: random.Random) -> None:
    """Draw what stands on the floor, or falls on it too."""
    drawer = _BEFORE_FLOOR.get(_kind(scene))
    if drawer is not None:
        drawer(picture, scene, stand, rng)


def _kind(scene: Scene) -> str:
    return scene.treatment if scene.treatment in {"comic", "poster"} else scene.backdrop


def _tone(scene: Scene) -> palettes.Colour:
    return palettes.mix(scene.palette.wall[1], scene.palette.floor[0], 0.6)


def _arch(picture: Image.Image, scene: Scene, stand: Stand, _rng: random.Random) -> None:
    canvas = ImageDraw.Draw(picture, "RGBA")
    height = picture.size[1]
    half, ground = stand.side * 0.56, height * HORIZON
    top = max(height * 0.07, ground - stand.side * 1.2)
    for share, alpha in ((1, 190), (0.86, 110)):
        wide, high = half * share, top + half * (1 - share)
        edges = (stand.middle - wide, high, stand.middle + wide, height + wide)
        canvas.rounded_rectangle(edges, radius=wide, fill=(*_tone(scene), alpha))


def _disc(picture: Image.Image, scene: Scene, stand: Stand, rng: random.Random) -> None:
    radius = stand.side * rng.uniform(0.5, 0.56)
    x = stand.middle + rng.choice((-1, 1)) * stand.side * 0.12
    y = picture.size[1] * HORIZON - stand.side * 0.5
    colour = palettes.mix(scene.palette.wall[1], scene.palette.floor[1], 0.42)
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _rays(picture: Image.Image, scene: Scene, stand: Stand, _rng: random.Random) -> None:
    canvas = ImageDraw.Draw(picture, "RGBA")
    centre, reach = (stand.middle, picture.size[1] * 0.5), sum(picture.size)
    for ray in range(0, 360, 20):
        ends = [math.radians(ray + turn) for turn in (-5, 5)]
        corners = ((centre[0] + reach * math.cos(end), centre[1] + reach * math.sin(end)) for end in ends)
        canvas.polygon((centre, *corners), fill=(*scene.palette.floor[0], 150))


def _dots(picture: Image.Image, scene: Scene, _stand: Stand, _rng: random.Random) -> None:
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    step = min(width, height) / 26
    for row in range(math.ceil(height / step) + 1):
        radius = step * 0.46 * row * step / height
        for column in range(math.ceil(width / step) + 1):
            x, y = (column + row % 2 / 2) * step, row * step
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_tone(scene))


def _window(picture: Image.Image, _scene: Scene, stand: Stand, _rng: random.Random) -> None:
    """Throw the light of a window with four panes onto the wall."""
    canvas = ImageDraw.Draw(picture, "RGBA")
    height = picture.size[1]
    slant = 1 if stand.lit_from_left else -1
    across, down, bar = stand.side * 0.36, height * 0.23, stand.side * 0.03
    tilt, rise = slant * down * 0.45, slant * across * 0.1
    for column in (-1, 0):
        for row in (0, 1):
            top = height * 0.1 + row * (down + bar)
            left = stand.middle - slant * stand.side * 0.1 + column * across + (column + 0.5) * bar
            left += slant * row * (down + bar) * 0.45
            right, bottom = left + across, top + down
            corners = ((left, top), (right, top - rise), (right + tilt, bottom - rise), (left + tilt, bottom))
            canvas.polygon(corners, fill=(255, 250, 238, 88))


def _foliage(picture: Image.Image, scene: Scene, stand: Stand, _rng: random.Random) -> None:
    """Let a branch outside the picture throw its soft shadow on the wall."""
    width, height = (size // COARSENESS for size in picture.size)
    side = round(max(width, height) * 0.8)
    branch = painting.paint("branch", side, painting.tones(*scene.ware, 0)).getchannel("A")
    if stand.middle * 2 < picture.size[0]:
        branch = branch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shade = Image.new("L", (width, height))
    shade.paste(branch, (width - side if stand.middle * 2 < picture.size[0] else 0, round(-side * 0.06)))
    darken(picture, shade.filter(ImageFilter.GaussianBlur(side * 0.009)).point(lambda value: value * 0.16), scene)


def _blocks(picture: Image.Image, scene: Scene, stand: Stand, rng: random.Random) -> None:
    canvas = ImageDraw.Draw(picture)
    tone = _tone(scene)
    bottom = picture.size[1] * (HORIZON + 0.03)
    for direction in (-1, 1):
        top = bottom - stand.side * rng.uniform(0.3, 0.85)
        half = stand.side * rng.uniform(0.13, 0.2)
        middle = stand.middle + direction * stand.side * rng.uniform(0.72, 0.85)
        left, right, depth, rise = middle - half, middle + half, half * 0.35, half * 0.2
        canvas.rectangle((left, top, right, bottom), fill=tone)
        side = ((right, top), (right + depth, top - rise), (right + depth, bottom - rise), (right, bottom))
        canvas.polygon(side, fill=palettes.mix(tone, palettes.BLACK, 0.14))
        lid = ((left, top), (left + depth, top - rise), (right + depth, top - rise), (right, top))
        canvas.polygon(lid, fill=palettes.mix(tone, palettes.WHITE, 0.25))


def _sweep(picture: Image.Image, scene: Scene, stand: Stand, _rng: random.Random) -> None:
    canvas = ImageDraw.Draw(picture, "RGBA")
    width, height = picture.size
    reach, ground = max(width, height) * 0.9, height * HORIZON
    far = (stand.middle - reach * 1.1, ground - reach * 0.05, stand.middle + reach * 1.1, ground + reach * 1.9)
    near = (stand.middle - reach * 0.6, ground + height * 0.02, stand.middle + reach * 0.9, ground + reach * 1.6)
    canvas.ellipse(far, fill=(*scene.palette.floor[0], 110))
    canvas.ellipse(near, fill=(*scene.palette.floor[1], 70))


_BEHIND_FLOOR: dict[str, Drawer] = {"arch": _arch, "disc": _disc, "poster": _rays, "comic": _dots}
_BEFORE_FLOOR: dict[str, Drawer] = {"window": _window, "foliage": _foliage, "blocks": _blocks, "sweep": _sweep}
