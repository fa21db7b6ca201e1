"""What the inputs of an execution ask for, as far as a picture can show it."""

import random
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lamina_core.sandbox.catalogue import App, OutputPlan, Parameter
from lamina_core.sandbox.media import palettes
from lamina_core.sandbox.media.palettes import Colour, Palette

_READ = 2000  # characters of an input that are looked at
_GREATEST = 1e15  # numbers beyond are no text that anybody meant
_SIDES = (256, 1536)  # pixels: the least and the most that a side may have

_SUBJECTS = {
    "sneaker": "sneaker sneakers shoe shoes trainer trainers boot boots runner",
    "handbag": "handbag handbags bag bags tote purse backpack satchel luggage",
    "ceramic-mug": "mug mugs cup cups coffee tea ceramic espresso pottery",
    "armchair": "armchair chair chairs sofa couch furniture living interior",
    "wristwatch": "wristwatch watch watches clock chronograph",
    "plant": "plant plants houseplant leaf leaves flower flowers garden fern",
    "portrait": "portrait portraits person people face avatar selfie woman man",
    "skyline": "skyline city cities urban tower towers street building buildings",
    "bottle": "bottle bottles perfume fragrance serum shampoo lotion wine cosmetics",
}
_SUBJECT_OF = {word: subject for subject, words in _SUBJECTS.items() for word in words.split()}

_RATIO = re.compile(r"([1-9][0-9]?):([1-9][0-9]?)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Brief:
    """What to draw: `treatment` is plain, comic, poster or detail, `season` spring, autumn, winter or empty.

    `palette` is None where nothing asks for colours; `extras` are further subjects to show beside the first.
    """

    subject: str
    extras: tuple[str, ...]
    palette: Palette | None
    treatment: str
    season: str
    is_loose: bool
    width: int
    height: int
    caption: str

    def colours(self, app: App, seed: int) -> tuple[Palette, tuple[Colour, Colour]]:
        """Return the palette and the ware's (body, accent), the same for all outputs of one seed."""
        rng = chance(seed, app.app_id)
        palette = self.palette or palettes.pick(rng)
        return palette, rng.choice(palette.wares)


def chance(*parts: object) -> random.Random:
    """Return chance that these words decide, the same in every process."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - a picture's composition is no secret


def read(app: App, output: OutputPlan, inputs: Mapping[str, Any]) -> Brief:
    """Return what these effective values, keyed by parameter name, ask of one output."""
    by_type = {kind: [item for item in app.parameters if item.type == kind] for kind in ("text", "options", "url")}
    chosen = _words(text for item in by_type["options"] for text in texts(inputs.get(item.name)))
    label = _words([output.label])
    subjects = _subjects(app, inputs)
    width, height = _size(output, [text for item in by_type["options"] for text in texts(inputs.get(item.name))])
    return Brief(
        subject=subjects[0],
        extras=tuple(subjects[1:]) if output.label == "Moodboard" else (),
        palette=_palette([*label, *chosen, *_words(_values(by_type["text"], inputs))]),
        treatment=_treatment(label, chosen),
        season=next((word for word in label if word in {"spring", "autumn", "winter"}), ""),
        is_loose="loose" in chosen,
        width=width,
        height=height,
        caption=_caption(output, by_type["text"], inputs) or app.name,
    )


def texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, those of a list one by one, cut where a reader would stop."""
    if isinstance(value, str):
        yield value[:_READ]
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _GREATEST:
        yield str(value)
    elif isinstance(value, (list, tuple)):
        for item in value[:20]:
            if isinstance(item, str):
                yield item[:_READ]


def plain(text: str) -> str:
    """Return the text without control characters and half characters, white space made single."""
    kept = (" " if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} else char for char in text[:_READ])
    return " ".join("".join(kept).split())


def _values(parameters: list[Parameter], inputs: Mapping[str, Any]) -> Iterator[str]:
    for parameter in parameters:
        yield from texts(inputs.get(parameter.name))


def _words(found: Any) -> list[str]:
    return [word.lower() for text in found for word in _WORD.findall(text)]


def _subjects(app: App, inputs: Mapping[str, Any]) -> list[str]:
    """Return what the inputs show, in the parameters' order, then what the app is about."""
    found: list[str] = []
    for parameter in app.parameters:
        for text in texts(inputs.get(parameter.name)):
            # Of an address only the file's name says what the picture shows.
            read_text = text.rstrip("/").rpartition("/")[2] if parameter.type == "url" else text
            found.extend(_SUBJECT_OF[word] for word in _words([read_text]) if word in _SUBJECT_OF)
    found.extend(_SUBJECT_OF[word] for word in _words([app.name, app.description or ""]) if word in _SUBJECT_OF)
    return list(dict.fromkeys(found)) or ["bottle"]


def _palette(words: list[str]) -> Palette | None:
    return next((palette for word in words if (palette := palettes.named(word)) is not None), None)


def _treatment(label: list[str], chosen: list[str]) -> str:
    if "comic" in chosen:
        return "comic"
    if "poster" in chosen:
        return "poster"
    return "detail" if "detail" in label else "plain"


def _size(output: OutputPlan, chosen: list[str]) -> tuple[int, int]:
    ratio = next((match for text in chosen if (match := _RATIO.fullmatch(text.strip()))), None)
    least, most = _SIDES
    width, height = output.width, output.height
    if ratio is not None:
        across, down = int(ratio[1]), int(ratio[2])
        longest = max(width, height)
        width, height = (longest, longest * down // across) if across >= down else (longest * across // down, longest)
    return min(max(width, least), most), min(max(height, least), most)


def _caption(output: OutputPlan, parameters: list[Parameter], inputs: Mapping[str, Any]) -> str:
    label = set(_words([output.label]))
    # An output may have a text of its own: "German 1:1" shows "Headline (German)".
    nearest = sorted(parameters, key=lambda item: label.isdisjoint(_words([item.name])))
    return next((text for value in _values(nearest, inputs) if (text := plain(value))), "")
