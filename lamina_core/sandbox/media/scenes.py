"""A subject in a set: wall, floor, light, shadow and what the season brings."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from lamina_core.sandbox.media import painting, palettes
from lamina_core.sandbox.media.palettes import Colour, Palette

FINENESS = 2  # pictures are drawn so much larger, and then reduced, for smooth edges
COARSENESS = 8  # soft things are drawn so much smaller, and then enlarged
HORIZON = 0.7  # of the height

BACKDROPS = ("arch", "window", "disc", "foliage", "blocks", "sweep")

_OUTLINE = 0.7  # units, in the comic treatment
_SEASONS: dict[str, tuple[Colour, ...]] = {
    "winter": (palettes.WHITE,),
    "spring": ((244, 178, 188), (252, 222, 226)),
    "autumn": ((178, 74, 40), (222, 150, 60), (140, 52, 36)),
}


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

    @property
    def has_floor(self) -> bool:
        """Say whether wall and floor meet, rather than run into each other."""
        return self.treatment in {"plain", "detail"} and self.backdrop != "sweep" and self.subject != "portrait"


@dataclass(frozen=True)
class Stand:
    """Where a subject is: its middle and foot, and the side of its square, in fine pixels."""

    middle: int
    foot: int
    side: int
    lit_from_left: bool


def place_product(scene: Scene, rng: random.Random) -> Stand:
    """Return a place on the floor; in a wide picture it is to one side and leaves room for words."""
    width, height = scene.width * FINENESS, scene.height * FINENESS
    is_detail = scene.treatment == "detail"
    side = round(min(width * 0.66, height * 0.6) * rng.uniform(0.94, 1.06) * (1.75 if is_detail else 1))
    sway = 0.05 if width <= height * 1.4 else 0.2
    middle = round(width * (0.5 + rng.choice((-1, 1)) * rng.uniform(sway / 2, sway)))
    foot = round(height * (1.16 if is_detail else rng.uniform(0.8, 0.83)))
    return Stand(middle, foot, side, lit_from_left=rng.random() < 0.5)


def place_portrait(scene: Scene, rng: random.Random) -> Stand:
    """Return a place at the lower edge."""
    width, height = scene.width * FINENESS, scene.height * FINENESS
    middle = 0.5 if width <= height * 1.4 else rng.choice((0.36, 0.64))
    side = round(min(width * 0.98, height * 0.84))
    return Stand(round(width * middle), height, side, lit_from_left=rng.random() < 0.5)


def build_wall(scene: Scene, glow: float) -> Image.Image:
    """Return the wall's gradient, in fine pixels, with a pool of light in the upper part."""
    small = (256, 256)  # as fine as the steps between its colours, which would show as blocks
    wall = _fall(scene.palette.wall, small)
    pool = ImageChops.invert(Image.radial_gradient("L")).point(lambda value: value * glow)
    wall.paste(palettes.WHITE, (0, -43), pool)
    return wall.resize((scene.width * FINENESS, scene.height * FINENESS), Image.Resampling.BILINEAR)


def lay_floor(picture: Image.Image, scene: Scene) -> None:
    """Cover what is below the horizon."""
    width, height = picture.size
    top = round(height * HORIZON)
    floor = _fall(scene.palette.floor, (4, 96)).resize((width, height - top), Image.Resampling.BILINEAR)
    picture.paste(floor, (0, top))


def build_plinth(picture: Image.Image, scene: Scene, stand: Stand) -> None:
    """Put a low round plinth under the subject."""
    canvas = ImageDraw.Draw(picture)
    left, right, thickness = stand.middle - stand.side * 0.6, stand.middle + stand.side * 0.6, stand.side * 0.1
    top, bottom = stand.foot, stand.foot + picture.size[1] * 0.05
    body = palettes.mix(scene.palette.wall[1], scene.palette.floor[1], 0.45)
    lid = palettes.mix(scene.palette.wall[0], scene.palette.floor[0], 0.35)
    canvas.ellipse((left, bottom - thickness, right, bottom + thickness), fill=body)
    canvas.rectangle((left, top, right, bottom), fill=body)
    canvas.ellipse((left, top - thickness, right, top + thickness), fill=lid)


def cast_shadow(picture: Image.Image, scene: Scene, subject: Image.Image, stand: Stand, *, long: bool) -> None:
    """Darken the floor under the subject and, for a `long` shadow, away from the light."""
    width, height = (size // COARSENESS for size in picture.size)
    side, x, y = (size // COARSENESS for size in (stand.side, stand.middle, stand.foot))
    shade = Image.new("L", (width, height))
    if long:
        outline = subject.getchannel("A").resize((side, side))
        squash, slant = 0.3, 1.5 if stand.lit_from_left else -1.5
        # Each pixel of the floor asks which pixel of the outline stands between it and the light.
        asked = (1, slant, side / 2 - x - slant * y, 0, 1 / squash, side - y / squash)
        cast = outline.transform((width, height), Image.Transform.AFFINE, asked, Image.Resampling.BILINEAR)
        shade = cast.point(lambda value: value * 0.34)
        if scene.has_floor:
            shade.paste(0, (0, 0, width, round(height * HORIZON)))
    contact = (x - side * 0.42, y - side * 0.035, x + side * 0.42, y + side * 0.03)
    ImageDraw.Draw(shade).ellipse(contact, fill=120)
    darken(picture, shade.filter(ImageFilter.GaussianBlur(side * 0.022)), scene)


def darken(picture: Image.Image, shade: Image.Image, scene: Scene) -> None:
    """Let a coarse shade fall on a fine picture, in the set's own dark."""
    edges = shade.getbbox()
    if edges is None:
        return
    dark = palettes.mix(scene.palette.floor[1], palettes.BLACK, 0.7)
    left, top, right, bottom = edges
    size = ((right - left) * COARSENESS, (bottom - top) * COARSENESS)
    mask = shade.crop(edges).resize(size, Image.Resampling.BILINEAR)
    picture.paste(
        dark, (left * COARSENESS, top * COARSENESS, left * COARSENESS + size[0], top * COARSENESS + size[1]), mask
    )


def paint_subject(scene: Scene, stand: Stand) -> Image.Image:
    """Return the subject as it stands, in fine pixels; one lit from the right looks the other way too."""
    colours = painting.tones(*scene.ware, scene.person)
    outline = _OUTLINE if scene.treatment == "comic" else 0
    subject = painting.paint(scene.subject, stand.side, colours, outline=outline)
    return subject if stand.lit_from_left else subject.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def scatter(picture: Image.Image, season: str, rng: random.Random) -> None:
    """Let it snow, or petals or leaves fly, as the season has it."""
    canvas = ImageDraw.Draw(picture, "RGBA")
    width, height = picture.size
    for _ in range(46):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), min(width, height) * rng.uniform(0.003, 0.011)
        colour = (*rng.choice(_SEASONS[season]), rng.randint(150, 235))
        if season == "winter":
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        else:
            canvas.polygon(_petal(x, y, radius, rng.uniform(0, math.pi)), fill=colour)


def _petal(x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    points = []
    for step in range(12):
        along = radius * 1.9 * math.cos(step / 6 * math.pi)
        across = radius * 0.8 * math.sin(step / 6 * math.pi)
        points.append(
            (x + along * math.cos(turn) - across * math.sin(turn), y + along * math.sin(turn) + across * math.cos(turn))
        )
    return points


def _fall(colours: tuple[Colour, Colour], size: tuple[int, int]) -> Image.Image:
    top, bottom = colours
    share = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), share)
