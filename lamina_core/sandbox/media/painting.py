"""Flat shapes become pictures: coloured by tone, drawn by Pillow, lit from one side."""

from collections.abc import Mapping

from PIL import Image, ImageChops, ImageDraw

from lamina_core.sandbox.media import palettes
from lamina_core.sandbox.media.palettes import Colour
from lamina_core.sandbox.media.subjects import SHAPES, Point, Shape

Paint = tuple[int, int, int, int]

_FINE_TONES = {"steam", "shade", "blush", "lips"}  # too fine for an outline
_CURVE_STEPS = 10  # straight pieces between two points of a curve

SKINS: tuple[Colour, ...] = ((244, 205, 176), (226, 172, 134), (181, 124, 88), (124, 80, 56))
HAIRS: tuple[Colour, ...] = ((58, 40, 34), (36, 34, 42), (122, 74, 44), (178, 122, 66))


def tones(body: Colour, accent: Colour, person: int) -> dict[str, Paint]:
    """Return the colours of all tones for a body colour and an accent; `person` chooses skin and hair."""
    skin, hair = SKINS[person % len(SKINS)], HAIRS[person // len(SKINS) % len(HAIRS)]
    mix, white, black = palettes.mix, palettes.WHITE, palettes.BLACK
    solid: dict[str, Colour] = {
        "base": body,
        "light": mix(body, white, 0.28 if palettes.lightness(body) < 0.75 else 0.6),
        "dark": mix(body, black, 0.3),
        "shade": mix(body, black, 0.22),
        "accent": accent,
        "white": (250, 247, 241),
        "ink": black,
        "coffee": (74, 48, 38),
        "wood": (134, 92, 62),
        "strap": mix(accent, (92, 58, 40), 0.45),
        "steel": (214, 219, 225),
        "steel_dark": (142, 150, 160),
        "dial": mix(body, black, 0.35 if palettes.lightness(body) < 0.75 else 0.78),
        "leaf": (92, 138, 98),
        "leaf_dark": (58, 101, 78),
        "leaf_light": (138, 175, 116),
        "skin": skin,
        "skin_dark": mix(skin, (120, 60, 50), 0.28),
        "blush": mix(skin, (226, 88, 88), 0.3),
        "lips": mix(skin, (160, 50, 60), 0.6),
        "hair": hair,
    }
    return {name: (*colour, 255) for name, colour in solid.items()} | {"steam": (255, 255, 255, 120)}


def paint(name: str, side: int, colours: Mapping[str, Paint], *, outline: float = 0) -> Image.Image:
    """Return the subject in a square of `side` pixels, transparent around it, lit from the left.

    `outline` is the width, in units, of an ink line around each shape, as in a comic.
    """
    picture = Image.new("RGBA", (side, side))
    canvas = ImageDraw.Draw(picture)
    scale = side / 100
    for shape in SHAPES[name]:
        if outline and shape.tone not in _FINE_TONES:
            _draw(canvas, shape, (*palettes.BLACK, 255), scale, grow=outline)
        _draw(canvas, shape, colours[shape.tone], scale, grow=0)
    _light(picture)
    return picture


def _draw(canvas: ImageDraw.ImageDraw, shape: Shape, colour: Paint, scale: float, grow: float) -> None:
    points = [(x * scale, y * scale) for x, y in shape.points]
    if shape.kind in {"ellipse", "box"}:
        (left, top), (right, bottom) = points
        edges = (left - grow * scale, top - grow * scale, right + grow * scale, bottom + grow * scale)
        if shape.kind == "ellipse":
            canvas.ellipse(edges, fill=colour)
        else:
            canvas.rounded_rectangle(edges, radius=(shape.size + grow) * scale, fill=colour)
        return
    if shape.kind == "line":
        _stroke(canvas, _curve(points, closed=False), colour, (shape.size + 2 * grow) * scale)
        return
    around = _curve(points, closed=True) if shape.kind == "blob" else points
    canvas.polygon(around, fill=colour)
    if grow:
        _stroke(canvas, [*around, around[0]], colour, 2 * grow * scale)


def _stroke(canvas: ImageDraw.ImageDraw, points: list[Point], colour: Paint, width: float) -> None:
    canvas.line(points, fill=colour, width=max(1, round(width)))
    # Joints and ends are rounded here: Pillow's own joints leave cracks in broad lines.
    half = width / 2
    if half < 4:
        return
    for x, y in points:
        canvas.ellipse((x - half, y - half, x + half, y + half), fill=colour)


def _curve(points: list[Point], *, closed: bool) -> list[Point]:
    """Return a Catmull-Rom curve through the points as short straight pieces."""
    count = len(points)
    found: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            before, start, end, after = (points[(index + step) % count] for step in (-1, 0, 1, 2))
        else:
            before, start, end, after = (points[min(max(index + step, 0), count - 1)] for step in (-1, 0, 1, 2))
        for step in range(_CURVE_STEPS):
            t = step / _CURVE_STEPS
            found.append(
                (_spline(before[0], start[0], end[0], after[0], t), _spline(before[1], start[1], end[1], after[1], t))
            )
    return found if closed else [*found, points[-1]]


def _spline(before: float, start: float, end: float, after: float, t: float) -> float:
    bend = 2 * before - 5 * start + 4 * end - after
    twist = 3 * (start - end) + after - before
    return start + 0.5 * t * (end - before + t * (bend + t * twist))


def _light(picture: Image.Image) -> None:
    """Darken the picture towards the right and the foot, so that flat shapes look round."""
    alpha = picture.getchannel("A")
    fall = Image.linear_gradient("L").rotate(108, resample=Image.Resampling.BILINEAR).crop((46, 46, 210, 210))
    fall = fall.point(lambda value: value * 0.34).resize(picture.size, Image.Resampling.BILINEAR)
    shade = ImageChops.multiply(fall, alpha)
    picture.paste((*palettes.BLACK, 255), (0, 0), shade)
    picture.putalpha(alpha)
