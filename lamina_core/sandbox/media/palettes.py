"""Colours that go together, by the words with which an input asks for them."""

import random
from dataclasses import dataclass

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (18, 18, 26)


@dataclass(frozen=True)
class Palette:
    """A set: the wall and the floor from top to bottom, and what may stand in it as (body, accent)."""

    name: str
    wall: tuple[Colour, Colour]
    floor: tuple[Colour, Colour]
    wares: tuple[tuple[Colour, Colour], ...]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the first colour with this share, 0 to 1, of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lightness(colour: Colour) -> float:
    """Return how light a colour looks, from 0 to 1."""
    red, green, blue = colour
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def hex_name(colour: Colour) -> str:
    """Return the colour as designers write it, like `#E3D6C4`."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def _colour(text: str) -> Colour:
    value = int(text, 16)
    return value >> 16, value >> 8 & 255, value & 255


def _palette(name: str, wall: str, floor: str, *wares: str) -> Palette:
    def pair(text: str) -> tuple[Colour, Colour]:
        first, second = text.split()
        return _colour(first), _colour(second)

    return Palette(name, pair(wall), pair(floor), tuple(pair(ware) for ware in wares))


_ALL = (
    _palette("linen", "F5EEE4 E3D6C4", "DCCBB5 C5AE90", "3F5E5A D98E5F", "B4553A F0C987", "46536B E3A857"),
    _palette("terracotta", "EDBFA2 D18763", "C47551 A2583B", "F6EADA 2F4B4E", "2F4B4E F2C48D", "6E2B2A F6DDC0"),
    _palette("sage", "DDE6D7 B0C4AB", "9FB599 7C9678", "F5F1E7 C7693F", "C7693F F7EAD3", "37504A E9C46A"),
    _palette("navy", "3C527A 1D2B49", "2B3D61 121B31", "F2ECE0 E7A15B", "E39A52 FCEBD0", "8FB4C9 F2D7A6"),
    _palette("white", "FFFFFF E9ECEF", "F4F5F6 D5DADF", "2E3B4E E4572E", "C8553D F2D0A4", "5B7F95 F4B860"),
    _palette("sand", "F6E6CC E4C69E", "D8B489 B88D5D", "7B3F2B F4E3C6", "2C5357 F0A868", "FCF6EA B4553A"),
    _palette("slate", "B9C3CC 84919E", "76838F 525E6A", "F4F0E8 D9793D", "26323E E8B25C", "C25B4A F3DFC9"),
    _palette("midnight", "37356B 161530", "262449 0D0C1F", "E8D9F1 F28F79", "F2B179 7C5BA6", "7FA6D6 F7D488"),
    _palette("pastel", "FDEBEA D8E2F5", "EAD8E8 C9BDDC", "8E7CC3 FFD6A5", "F08A8A FFF1CF", "6FAFA9 FCE0D6"),
    _palette("vivid", "FFC15C FF7A66", "F0554F BF3049", "1D2B64 FFE066", "0E7C7B FFF3C4", "FFF6E5 3B1C71"),
    _palette("monochrome", "ECECEA BFBFBD", "ADADAC 828281", "2B2B2D F4F4F2", "F4F4F2 3A3A3C", "636365 F7F7F5"),
    _palette("cool", "DCECF2 9FC3D4", "8FB5C8 648DA4", "1F3D56 F2B880", "F5F7F8 2D6A86", "D9694F FDEBD3"),
    _palette("warm", "FCE8CE EDB48C", "E0A077 BC7350", "A63D2F FBE3C0", "2D4A53 F6C177", "FFF5E4 C8553D"),
    _palette("earth", "D9CBB2 A39172", "8A7859 62533A", "3E4A36 E0B56C", "F3E9D7 8C4A2F", "8C4A2F EAD7B4"),
    _palette("indigo", "A9B0E8 5A61B8", "4F56A8 33387A", "FFF3DC F28482", "1E2254 FFD166", "F6BD60 2B2F77"),
    _palette("coral", "FFD9CC FF9A85", "F58671 D15F4E", "1F4E5F FFE8C2", "FFF4EA 2F6F73", "7B2D43 FFD9A0"),
    _palette("dusk", "4B3F7D F2A071", "5A3F68 2C2145", "F7E3C8 F28F6B", "2A1F47 FFC978", "B85C6E FFE2B8"),
    _palette("retro", "F7E7C4 EBC98F", "D9822B B3541E", "1F6F78 F2A541", "B3402A F7E7C4", "23395B F2C14E"),
    _palette("blossom", "F3F6E4 CFE0BC", "B9D0A2 8FAE78", "D9728A FBE9C9", "FAF5EA D9728A", "4F7A5B F5C7C0"),
    _palette("frost", "F2F7FB C3D7E6", "E6EEF4 B4C8D8", "34557A E9B872", "B3475A F7E6D6", "6C8FAF FDF4E3"),
)

_BY_NAME = {palette.name: palette for palette in _ALL}

# What inputs call a set of colours, beside its own name.
_SYNONYMS = {
    "ivory": "linen",
    "clay": "terracotta",
    "green": "sage",
    "forest": "sage",
    "grey": "slate",
    "charcoal": "slate",
    "blue": "navy",
    "night": "midnight",
    "gradient": "coral",
    "comic": "vivid",
    "energetic": "vivid",
    "calm": "cool",
    "hopeful": "dusk",
    "nostalgic": "retro",
    "golden": "warm",
    "balanced": "warm",
    "dramatic": "dusk",
    "subtle": "sand",
    "spring": "blossom",
    "summer": "warm",
    "autumn": "terracotta",
    "winter": "frost",
}

# The sets that suit any product: what is drawn when no input asks for one.
_NEUTRAL = ("linen", "sand", "sage", "terracotta", "cool", "slate")


def named(word: str) -> Palette | None:
    """Return the palette that a lower-case word asks for, None for a word that names none."""
    return _BY_NAME.get(_SYNONYMS.get(word, word))


def pick(rng: random.Random) -> Palette:
    """Return one of the palettes that suit any product."""
    return _BY_NAME[rng.choice(_NEUTRAL)]
