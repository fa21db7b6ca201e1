"""The things that pictures show: flat shapes in a square of 100 units, standing on its lower edge."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """One flat shape: `kind` is blob (a smooth closed curve), polygon, ellipse, box or line.

    Ellipses and boxes have two corners as points; `size` is a line's width or a box's corner radius.
    """

    kind: str
    tone: str
    points: tuple[Point, ...]
    size: float = 0


def blob(tone: str, *points: Point) -> Shape:
    """Return a smooth closed curve through the points."""
    return Shape("blob", tone, points)


def polygon(tone: str, *points: Point) -> Shape:
    """Return a shape with straight sides."""
    return Shape("polygon", tone, points)


def ellipse(tone: str, x: float, y: float, width: float, height: float) -> Shape:
    """Return an ellipse around a centre."""
    return Shape("ellipse", tone, ((x - width / 2, y - height / 2), (x + width / 2, y + height / 2)))


def box(tone: str, left: float, top: float, right: float, bottom: float, radius: float = 0) -> Shape:
    """Return a rectangle, its corners rounded."""
    return Shape("box", tone, ((left, top), (right, bottom)), radius)


def line(tone: str, size: float, *points: Point) -> Shape:
    """Return a smooth open line with round ends."""
    return Shape("line", tone, points, size)


def _leaf(tone: str, angle: float, length: float, width: float, root: Point = (50, 66)) -> Shape:
    turn = math.radians(angle)
    along = (math.sin(turn), -math.cos(turn))
    across = (along[1], -along[0])

    def at(share: float, side: float) -> Point:
        return (
            root[0] + along[0] * length * share + across[0] * width * side,
            root[1] + along[1] * length * share + across[1] * width * side,
        )

    return blob(tone, at(0, 0), at(0.35, 0.42), at(0.7, 0.4), at(1, 0), at(0.7, -0.4), at(0.35, -0.42))


def _ring(tone: str, size: float, x: float, y: float, width: float, height: float, start: int, end: int) -> Shape:
    turns = [math.radians(start + (end - start) * step / 16) for step in range(17)]
    return line(tone, size, *((x + width / 2 * math.cos(turn), y + height / 2 * math.sin(turn)) for turn in turns))


def _watch_marks() -> Iterable[Shape]:
    for hour in range(12):
        turn = math.radians(hour * 30)
        inner, outer = (15.5, 19) if hour % 3 == 0 else (17.5, 19)
        yield line(
            "light",
            1.5 if hour % 3 == 0 else 0.8,
            (50 + inner * math.sin(turn), 52 - inner * math.cos(turn)),
            (50 + outer * math.sin(turn), 52 - outer * math.cos(turn)),
        )


SNEAKER = (
    blob("dark", (9, 56), (10, 42), (22, 47), (38, 35), (45, 38), (44, 58), (24, 62)),
    blob(
        "base", (6, 85), (5, 68), (8, 51), (13, 47), (22, 54), (34, 50), (42, 40), (49, 44), (60, 55),
        (74, 62), (87, 66), (95, 75), (95, 85), (50, 88),
    ),
    blob("light", (72, 86), (73, 74), (80, 66), (88, 67), (95, 75), (95, 85), (86, 87)),
    polygon("accent", (18, 84), (30, 60), (39, 57), (30, 84)),
    polygon("shade", (34, 84), (42, 64), (46, 63), (40, 84)),
    blob("accent", (5, 64), (8, 51), (13, 48), (14, 60), (11, 74), (6, 76)),
    line("white", 1.7, (45, 47), (50, 51), (55, 49)),
    line("white", 1.7, (50, 53), (56, 56), (61, 53)),
    line("white", 1.7, (56, 58), (62, 61), (67, 57)),
    line("white", 1.7, (63, 62), (69, 65), (73, 60)),
    box("white", 3, 83, 99, 96, 6),
    box("accent", 3, 93, 99, 97, 2),
    line("shade", 0.7, (8, 89), (30, 89), (60, 89), (94, 89)),
)  # fmt: skip

HANDBAG = (
    _ring("dark", 4.2, 50, 46, 42, 66, 180, 360),
    blob("base", (13, 93), (15, 70), (20, 47), (30, 42), (50, 41), (70, 42), (80, 47), (85, 70), (87, 93), (80, 98),
         (50, 99), (20, 98)),
    blob("light", (17, 52), (23, 42), (50, 40), (77, 42), (83, 52), (80, 66), (66, 73), (50, 75), (34, 73), (20, 66)),
    line("shade", 0.6, (20, 62), (34, 69.5), (50, 71.5), (66, 69.5), (80, 62)),
    box("accent", 44.5, 67, 55.5, 80, 3),
    ellipse("dark", 50, 73.5, 4, 4),
    ellipse("accent", 29, 46, 6, 6),
    ellipse("accent", 71, 46, 6, 6),
    line("shade", 0.6, (18, 93), (50, 94.5), (82, 93)),
)  # fmt: skip

CERAMIC_MUG = (
    line("steam", 2.4, (38, 22), (34, 15), (41, 8), (37, 0)),
    line("steam", 2.4, (52, 20), (48, 12), (55, 6), (52, 1)),
    _ring("dark", 7, 73, 60, 32, 38, -100, 110),
    blob("base", (17, 34), (18, 62), (21, 86), (26, 96), (44, 99), (62, 96), (67, 86), (71, 62), (72, 34), (44, 36)),
    blob("accent", (18, 62), (21, 86), (26, 96), (44, 99), (62, 96), (67, 86), (70.5, 62), (58, 67), (44, 62),
         (31, 58)),
    ellipse("light", 44.5, 33, 56, 13),
    ellipse("coffee", 44.5, 34, 49, 9),
    line("white", 1.6, (25, 44), (25.5, 52), (26, 57)),
)  # fmt: skip

ARMCHAIR = (
    line("wood", 3.4, (22, 84), (16, 99)),
    line("wood", 3.4, (78, 84), (84, 99)),
    line("wood", 2.8, (34, 84), (31, 96)),
    line("wood", 2.8, (66, 84), (69, 96)),
    blob("base", (20, 74), (17, 46), (20, 22), (32, 12), (50, 10), (68, 12), (80, 22), (83, 46), (80, 74)),
    line("shade", 0.7, (50, 11), (50, 34), (50, 58)),
    box("dark", 16, 66, 84, 88, 6),
    box("light", 20, 58, 80, 73, 7),
    box("base", 5, 44, 24, 88, 9),
    box("base", 76, 44, 95, 88, 9),
    box("light", 5, 44, 24, 53, 5),
    box("light", 76, 44, 95, 53, 5),
    blob("accent", (34, 56), (32, 36), (44, 33), (58, 37), (60, 56), (48, 60)),
    line("shade", 0.6, (38, 52), (46, 44), (54, 42)),
)

WRISTWATCH = (
    box("strap", 35, 0, 65, 40, 5),
    box("strap", 35, 64, 65, 100, 5),
    line("shade", 0.7, (38, 3), (38, 20), (38, 30)),
    line("shade", 0.7, (62, 3), (62, 20), (62, 30)),
    line("shade", 0.7, (38, 76), (38, 86), (38, 97)),
    line("shade", 0.7, (62, 76), (62, 86), (62, 97)),
    ellipse("coffee", 50, 88, 3, 3),
    ellipse("coffee", 50, 94, 3, 3),
    polygon("steel_dark", (33, 34), (37, 22), (63, 22), (67, 34), (67, 70), (63, 82), (37, 82), (33, 70)),
    box("steel_dark", 77, 48, 83, 56, 1.5),
    ellipse("steel", 50, 52, 58, 58),
    ellipse("steel_dark", 50, 52, 51, 51),
    ellipse("dial", 50, 52, 47, 47),
    *_watch_marks(),
    line("light", 2.2, (50, 52), (44, 44), (41, 40)),
    line("light", 1.5, (50, 52), (57, 44), (62, 38)),
    line("accent", 0.8, (46, 60), (50, 52), (57, 38)),
    ellipse("accent", 50, 52, 3.6, 3.6),
)

PLANT = (
    *(
        _leaf(tone, angle, length, width)
        for tone, angle, length, width in (
            ("leaf_dark", -68, 44, 15), ("leaf_dark", 66, 46, 15), ("leaf_dark", -22, 64, 17),
            ("leaf", 40, 56, 18), ("leaf", -46, 54, 18), ("leaf_dark", 16, 66, 16), ("leaf_light", -4, 60, 17),
            ("leaf", 62, 34, 14), ("leaf_light", -64, 32, 13), ("leaf_light", 27, 42, 14), ("leaf", -28, 40, 14),
        )
    ),
    polygon("base", (33, 69), (67, 69), (62, 97), (59, 99.5), (41, 99.5), (38, 97)),
    polygon("accent", (34.8, 79), (65.2, 79), (63.6, 88), (36.4, 88)),
    box("light", 30, 63, 70, 71, 2.5),
)  # fmt: skip

PORTRAIT = (
    blob("hair", (29, 62), (25, 36), (33, 15), (50, 9), (67, 15), (75, 36), (71, 62), (62, 70), (38, 70)),
    blob("base", (5, 104), (10, 90), (22, 81), (38, 76), (62, 76), (78, 81), (90, 90), (95, 104), (50, 112)),
    blob("skin_dark", (41, 62), (42, 76), (50, 84), (58, 76), (59, 62), (50, 66)),
    polygon("accent", (36, 76.5), (41, 74), (50, 88), (45, 98)),
    polygon("accent", (64, 76.5), (59, 74), (50, 88), (55, 98)),
    ellipse("skin_dark", 31, 45, 7, 11),
    ellipse("skin_dark", 69, 45, 7, 11),
    blob("skin", (32, 42), (34, 28), (50, 22), (66, 28), (68, 42), (65, 57), (57, 67), (50, 69), (43, 67), (35, 57)),
    blob("hair", (30, 42), (30, 22), (44, 12), (62, 14), (71, 28), (70, 42), (64, 31), (52, 30), (42, 24), (36, 30)),
    line("hair", 1.5, (37.5, 39.5), (41, 38), (45, 39)),
    line("hair", 1.5, (55, 39), (59, 38), (62.5, 39.5)),
    ellipse("ink", 41.5, 45, 3.2, 4),
    ellipse("ink", 58.5, 45, 3.2, 4),
    line("skin_dark", 1.3, (50, 46), (51.6, 53), (49, 54)),
    line("lips", 1.7, (44.5, 59.5), (50, 62), (55.5, 59.5)),
    ellipse("blush", 38, 54, 7, 4),
    ellipse("blush", 62, 54, 7, 4),
)

BOTTLE = (
    box("accent", 39, 6, 61, 27, 3),
    line("shade", 0.7, (41, 21), (50, 21), (59, 21)),
    box("dark", 43, 25, 57, 36, 1),
    blob("base", (27, 94), (26, 60), (28, 44), (36, 37), (50, 35), (64, 37), (72, 44), (74, 60), (73, 94), (66, 99),
         (34, 99)),
    box("light", 34, 56, 66, 84, 2),
    line("dark", 1.3, (40, 64), (50, 64), (60, 64)),
    line("shade", 0.9, (43, 69), (50, 69), (57, 69)),
    line("shade", 0.9, (43, 73), (50, 73), (57, 73)),
    line("white", 1.4, (31, 48), (30.5, 60), (31, 74)),
)  # fmt: skip

# Seen only as a shadow: twigs with leaves that reach in from the left.
BRANCH = (
    line("dark", 1.1, (-4, 4), (24, 22), (52, 34), (80, 62)),
    line("dark", 0.9, (10, 12), (22, 40), (28, 66)),
    *(
        _leaf("dark", angle, length, 8, root)
        for root, angle, length in (
            ((10, 12), 62, 22), ((14, 18), 195, 18), ((24, 22), 40, 24), ((30, 25), 150, 20), ((40, 29), 60, 22),
            ((48, 33), 160, 22), ((58, 38), 75, 22), ((64, 44), 175, 18), ((74, 55), 95, 18), ((80, 62), 140, 20),
            ((17, 28), 130, 20), ((20, 36), 230, 18), ((24, 48), 125, 20), ((26, 58), 225, 16), ((28, 66), 170, 20),
        )
    ),
)  # fmt: skip

SHAPES: Mapping[str, tuple[Shape, ...]] = {
    "sneaker": SNEAKER,
    "handbag": HANDBAG,
    "ceramic-mug": CERAMIC_MUG,
    "armchair": ARMCHAIR,
    "wristwatch": WRISTWATCH,
    "plant": PLANT,
    "portrait": PORTRAIT,
    "bottle": BOTTLE,
    "branch": BRANCH,
}
