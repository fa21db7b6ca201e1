"""A city in three layers before a low sun."""

import random

from PIL import Image, ImageDraw

from lamina_core.sandbox.media import palettes
from lamina_core.sandbox.media.palettes import Colour
from lamina_core.sandbox.media.scenes import Scene

LAYERS = 3


def draw_sun(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    """Draw the sun and its halo."""
    canvas = ImageDraw.Draw(picture, "RGBA")
    width, height = picture.size
    radius = height * rng.uniform(0.13, 0.19)
    x, y = width * rng.uniform(0.25, 0.75), height * rng.uniform(0.34, 0.5)
    for share, alpha in ((1.9, 34), (1.4, 50), (1, 235)):
        reach = radius * share
        canvas.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*_light(scene), alpha))


def draw_layer(picture: Image.Image, scene: Scene, layer: int, rng: random.Random) -> None:
    """Draw one row of buildings, from 0 for the farthest on, over the picture's whole width."""
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    dark = palettes.mix(scene.palette.floor[1], palettes.BLACK, 0.35)
    wall = palettes.mix(scene.palette.wall[1], dark, 0.38 + 0.31 * layer)
    unit = min(width, height) * (0.075 + 0.02 * layer)
    left = -rng.uniform(0, unit)
    while left < width:
        across = unit * rng.uniform(0.7, 1.5)
        top = height * (rng.uniform(0.34, 0.6) + 0.13 * layer)
        canvas.rectangle((left, top, left + across, height), fill=wall)
        _roof(canvas, left, top, across, wall, rng)
        lit = palettes.mix(wall, _light(scene), 0.22 + 0.28 * layer)
        _windows(canvas, (left, top, left + across, min(height * 0.88, top + unit * 6)), unit * 0.1, lit, rng)
        left += across + (unit * 0.08 if layer < LAYERS - 1 else rng.uniform(0, unit * 0.5))


def _light(scene: Scene) -> Colour:
    return palettes.mix(scene.ware[1], palettes.WHITE, 0.35)


def _roof(
    canvas: ImageDraw.ImageDraw, left: float, top: float, across: float, colour: Colour, rng: random.Random
) -> None:
    middle, kind = left + across / 2, rng.random()
    if kind < 0.22:
        gable = ((left, top), (middle, top - across * rng.uniform(0.5, 1)), (left + across, top))
        canvas.polygon(gable, fill=colour)
    elif kind < 0.5:
        canvas.rectangle((left + across * 0.22, top - across * 0.25, left + across * 0.78, top), fill=colour)
        canvas.rectangle((middle - across * 0.02, top - across * 0.8, middle + across * 0.02, top), fill=colour)


def _windows(
    canvas: ImageDraw.ImageDraw,
    edges: tuple[float, float, float, float],
    pane: float,
    colour: Colour,
    rng: random.Random,
) -> None:
    left, top, right, bottom = edges
    row = top + pane * 2
    while row < bottom:
        column = left + pane * 1.6
        while column < right - pane * 2:
            if rng.random() < 0.32:
                canvas.rectangle((column, row, column + pane, row + pane * 1.4), fill=colour)
            column += pane * 2.2
        row += pane * 3
