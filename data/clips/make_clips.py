"""Draws the sandbox's three clips and encodes them: `PYTHONPATH=. python data/clips/make_clips.py`.

Needs ffmpeg with libvpx-vp9 (Debian: apt-get install ffmpeg). The clips are committed, so that running the
sandbox needs neither.
"""

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from lamina_core.sandbox.media import backdrops, brief, painting, palettes, scenes, skylines
from lamina_core.sandbox.media.scenes import Scene, Stand

WIDTH, HEIGHT = 640, 360
FRAMES_PER_SECOND = 24
SECONDS = 4
LARGEST = 200_000  # bytes


def make_scene(subject: str, palette: str, ware: int) -> Scene:
    """Return a set without a backdrop of its own."""
    chosen = palettes.named(palette)
    if chosen is None:
        raise SystemExit(f"no palette is called {palette!r}")
    return Scene(subject, chosen, chosen.wares[ware], 0, "disc", "plain", "", WIDTH, HEIGHT)


def turns() -> Iterator[float]:
    """Yield the angle of each frame, one full turn in all, so that every clip loops."""
    count = FRAMES_PER_SECOND * SECONDS
    for frame in range(count):
        yield 2 * math.pi * frame / count


def draw_spin() -> Iterator[Image.Image]:
    """Yield a wristwatch that turns on a plinth."""
    scene = make_scene("wristwatch", "coral", 0)
    fine = scenes.FINENESS
    side = round(HEIGHT * fine * 0.66)
    stand = Stand(WIDTH * fine // 2, round(HEIGHT * fine * 0.8), side, lit_from_left=True)
    room = scenes.build_wall(scene, glow=0.3)
    backdrops.draw_behind_floor(room, scene, replace(stand, side=round(side * 1.25)), brief.chance("spin"))
    scenes.lay_floor(room, scene)
    scenes.build_plinth(room, scene, stand)
    front = scenes.paint_subject(scene, stand)
    back = _draw_back(front, scene)
    for turn in turns():
        shown = front if math.cos(turn) >= 0 else back
        across = max(round(side * abs(math.cos(turn))), round(side * 0.1))
        subject = shown.resize((across, side), Image.Resampling.BILINEAR)
        picture = room.copy()
        square = Image.new("RGBA", (side, side))
        square.paste(subject, ((side - across) // 2, 0))
        scenes.cast_shadow(picture, scene, square, stand, long=False)
        picture.paste(square, (stand.middle - side // 2, stand.foot - side), square)
        yield picture.reduce(fine)


def _draw_back(front: Image.Image, scene: Scene) -> Image.Image:
    """Return the watch from behind: a plain lid instead of the dial."""
    back = front.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    unit = back.width / 100
    tones = painting.tones(*scene.ware, scene.person)
    canvas = ImageDraw.Draw(back)
    for radius, tone in ((24.5, "steel_dark"), (22, "steel"), (16, "steel_dark"), (15, "steel")):
        middle = (50 * unit, 52 * unit)
        edges = [value + sign * radius * unit for sign in (-1, 1) for value in middle]
        canvas.ellipse(edges, fill=tones[tone])
    return back


def draw_skyline() -> Iterator[Image.Image]:
    """Yield a city at dusk, its near rows swaying farther than its far ones."""
    scene = make_scene("skyline", "dusk", 0)
    fine = scenes.FINENESS
    rng = brief.chance("skyline", 5)
    sky = scenes.build_wall(scene, glow=0.25)
    skylines.draw_sun(sky, scene, rng)
    reach = [round(WIDTH * fine * share) for share in (0.02, 0.06, 0.13)]
    rows = []
    for layer in range(skylines.LAYERS):
        row = Image.new("RGBA", (WIDTH * fine + 2 * reach[layer], HEIGHT * fine))
        skylines.draw_layer(row, scene, layer, rng)
        rows.append(row)
    for turn in turns():
        picture = sky.copy()
        for row, far in zip(rows, reach, strict=True):
            picture.paste(row, (round(-far + far * math.sin(turn)), 0), row)
        yield picture.reduce(fine)


def draw_drift() -> Iterator[Image.Image]:
    """Yield a handbag that floats before a moving disc."""
    scene = make_scene("handbag", "sand", 1)
    fine = scenes.FINENESS
    side = round(HEIGHT * fine * 0.62)
    wall = scenes.build_wall(scene, glow=0.35)
    backdrops.draw_before_floor(
        wall,
        replace(scene, backdrop="sweep"),
        Stand(WIDTH * fine // 2, 0, side, lit_from_left=True),
        brief.chance("drift"),
    )
    middle, foot = WIDTH * fine // 2, round(HEIGHT * fine * 0.86)
    stand = Stand(middle, foot, side, lit_from_left=True)
    subject = scenes.paint_subject(scene, stand)
    disc = palettes.mix(scene.palette.wall[1], scene.palette.floor[1], 0.4)
    for turn in turns():
        picture = wall.copy()
        canvas = ImageDraw.Draw(picture, "RGBA")
        x = middle + WIDTH * fine * 0.16 * math.sin(turn)
        y, radius = HEIGHT * fine * 0.42, HEIGHT * fine * (0.33 + 0.02 * math.cos(turn))
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*disc, 225))
        rise = round(HEIGHT * fine * (0.06 + 0.03 * math.cos(turn)))
        scenes.cast_shadow(picture, scene, subject, stand, long=False)
        swung = subject.rotate(3 * math.sin(turn), resample=Image.Resampling.BICUBIC)
        picture.paste(swung, (middle - side // 2, foot - side - rise), swung)
        yield picture.reduce(fine)


def encode(frames: Iterator[Image.Image], path: Path, ffmpeg: str) -> None:
    """Write the frames as one WebM."""
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    target = ["-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "34", "-pix_fmt", "yuv420p", "-an", "-threads", "1"]
    plain = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    command = [ffmpeg, "-y", "-loglevel", "error", *source, *target, *plain, str(path)]
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)  # noqa: S603 - our own words
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes, more than {LARGEST}: raise -crf")


def main() -> None:
    """Make all clips beside this file."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise SystemExit("ffmpeg is missing: apt-get install ffmpeg")
    here = Path(__file__).parent
    for name, draw in (("spin", draw_spin), ("skyline", draw_skyline), ("drift", draw_drift)):
        encode(draw(), here / f"{name}.webm", ffmpeg)
        sys.stderr.write(f"{name}.webm: {(here / f'{name}.webm').stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
