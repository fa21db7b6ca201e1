"""Small lettering on pictures, in the one font that Pillow brings along."""

import re
import unicodedata
from functools import cache

from PIL import Image, ImageDraw, ImageFont, ImageStat

from lamina_core.sandbox.media import palettes

# All that Pillow's built-in font can draw.
_DRAWABLE = frozenset([chr(code) for code in range(32, 127)] + list("©«°±´·»‘’“”…‹›⁄™"))
_REPLACEMENTS = {"–": "-", "—": "-", "‐": "-", "−": "-", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae"}
_LONGEST = 160  # characters; no line on a picture is longer


def legible(text: str) -> str:
    """Return the text as the font can draw it: accents dropped, what it lacks shown as a few dots."""
    drawn: list[str] = []
    for char in unicodedata.normalize("NFKD", text[:_LONGEST]):
        known = _REPLACEMENTS.get(char, char)
        if char in _DRAWABLE or char in _REPLACEMENTS:
            drawn.append(known)
        elif unicodedata.category(char) in {"Cc", "Zs", "Zl", "Zp"}:
            drawn.append(" ")
        elif unicodedata.category(char)[0] not in "MC":
            drawn.append("·")
    line = " ".join(re.sub("·{2,}", "···", "".join(drawn)).split())
    return line if any(char.isalnum() for char in line) else ""


def caption(picture: Image.Image, label: str, text: str, *, at_top: bool) -> None:
    """Write the label, and under it the text, in a left corner of an RGB picture."""
    width, height = picture.size
    unit = min(width, height)
    margin = round(unit * 0.045)
    below = round(margin + unit * 0.05) if at_top else height - margin
    strip = (margin, round(below - unit * 0.055), round(width * 0.5), below)
    red, green, blue = ImageStat.Stat(picture.crop(strip)).mean
    is_light = palettes.lightness((round(red), round(green), round(blue))) > 0.55
    ink = (*palettes.mix(palettes.BLACK, palettes.WHITE, 0.12), 215) if is_light else (255, 252, 246, 225)
    canvas = ImageDraw.Draw(picture, "RGBA")
    for line, share in ((legible(text), 0.026), (legible(label).upper(), 0.017)):
        if not line:
            continue
        font = _font(max(10, round(unit * share)))
        canvas.text((margin, below), _fit(line, font, width - 2 * margin), font=font, fill=ink, anchor="ls")
        below -= round(unit * 0.038)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    words = line.split(" ")
    shown = ""
    for count, word in enumerate(words):
        longer = f"{shown} {word}".strip()
        if count >= 9 or font.getlength(f"{longer}…") > width * 0.72:
            return f"{shown or longer[:20]}…"
        shown = longer
    return shown
