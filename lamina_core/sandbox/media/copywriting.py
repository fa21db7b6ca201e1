"""Marketing texts built from the inputs: a stock of sentences, chosen by tone, language and chance."""

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from lamina_core.sandbox.catalogue import App, OutputPlan
from lamina_core.sandbox.media import brief as briefs
from lamina_core.sandbox.media import palettes
from lamina_core.sandbox.media.palettes import Colour, Palette

Values = Mapping[str, str]  # the texts among the effective inputs, by the parameters' keys
Stock = Mapping[str, Mapping[str, tuple[str, ...]]]  # templates by language and tone; tone "" suits all

_NAME = 80  # characters of a product's name that fit a sentence
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\s*\n\s*")

_HEADLINES: Stock = {
    "English": {
        "Friendly": ("Meet {name}, your new everyday favourite", "Say hello to {name}"),
        "Confident": ("{name}. Nothing left to prove.", "The standard is called {name}"),
        "Playful": ("{name}: blink and it's gone", "Warning: {name} may cause compliments"),
        "Premium": ("{name}, considered to the last detail", "The quiet art of {name}"),
    },
    "German": {
        "Friendly": ("{name}: Ihr neuer Liebling für jeden Tag", "Schön, dass es {name} gibt"),
        "Confident": ("{name}. Mehr muss man nicht sagen.", "Der Maßstab heißt {name}"),
        "Playful": ("{name}: schneller weg, als man gucken kann", "Vorsicht: {name} sorgt für Komplimente"),
        "Premium": ("{name}, durchdacht bis ins Detail", "Die leise Kunst von {name}"),
    },
    "French": {
        "Friendly": ("{name}, votre nouveau favori de tous les jours", "Dites bonjour à {name}"),
        "Confident": ("{name}. Tout est dit.", "La référence s'appelle {name}"),
        "Playful": ("{name} : déjà presque parti", "Attention : {name} attire les compliments"),
        "Premium": ("{name}, pensé jusque dans le détail", "L'art discret de {name}"),
    },
    "Spanish": {
        "Friendly": ("{name}, tu nuevo favorito de cada día", "Di hola a {name}"),
        "Confident": ("{name}. No hay más que decir.", "La referencia se llama {name}"),
        "Playful": ("{name}: visto y no visto", "Cuidado: {name} provoca cumplidos"),
        "Premium": ("{name}, pensado hasta el último detalle", "El arte discreto de {name}"),
    },
}

_BODIES = {
    "English": (
        "{name} was made for the days when everything has to fit into one bag and one mood.",
        "Some things you notice at once; {name} you notice every day.",
        "You know what you need. {name} simply gets it right.",
    ),
    "German": (
        "{name} ist für Tage gemacht, an denen alles passen muss. Gute Materialien, klare Form, kein Schnickschnack. "
        "Wer {name} einmal hat, fragt sich, wie es vorher ging.",
        "Manches fällt sofort auf, {name} überzeugt jeden Tag aufs Neue. Sorgfältig gefertigt, angenehm leicht und "
        "bereit für alles, was heute noch kommt.",
    ),
    "French": (
        "{name} est fait pour les journées bien remplies. De belles matières, une ligne claire et rien de superflu. "
        "Une fois adopté, on se demande comment on faisait avant.",
        "Certaines choses se remarquent tout de suite ; {name} se remarque chaque jour. Soigneusement fabriqué, léger "
        "et prêt pour la suite de votre journée.",
    ),
    "Spanish": (
        "{name} está hecho para los días en que todo tiene que encajar. Buenos materiales, líneas claras y nada "
        "de más. Cuando lo pruebas, no recuerdas cómo era antes.",
        "Hay cosas que se notan al instante; {name} se nota cada día. Hecho con cuidado, ligero y listo para todo lo "
        "que venga hoy.",
    ),
}

_CALLS: Stock = {
    "English": {
        "Friendly": ("Find yours today.", "Come and take a look."),
        "Confident": ("Get yours now.", "Order today. Decide at home."),
        "Playful": ("Go on, treat yourself.", "Quick, before your friends do."),
        "Premium": ("Discover the collection.", "Reserve yours."),
    },
    "German": {"": ("Jetzt entdecken.", "Heute noch bestellen.", "Schauen Sie vorbei.")},
    "French": {"": ("Découvrez-le dès maintenant.", "Commandez aujourd'hui.", "Venez le voir.")},
    "Spanish": {"": ("Descúbrelo ahora.", "Pídelo hoy mismo.", "Ven a verlo.")},
}

_OPENINGS = {
    "Warm": (
        "{name} is the kind of thing you reach for without thinking.",
        "There is a small pleasure in using {name}, and it does not wear off.",
    ),
    "Matter-of-fact": (
        "{name} does one job and does it well.",
        "{name}, in short: well made, easy to use, simple to care for.",
    ),
    "Premium": (
        "{name} begins with the material and ends with the last stitch of attention.",
        "Few pieces ask for as little and give as much as {name}.",
    ),
}
_MIDDLES = (
    "Every part of it has a reason to be there, and none of them asks for attention.",
    "It feels as good on an ordinary Tuesday as it does on the day it arrives.",
    "It keeps its shape and its looks long after the novelty has gone.",
)
_CARE = (
    "To keep it looking its best, clean it with a soft, damp cloth and let it dry in the shade.",
    "Care is simple: a soft cloth, lukewarm water, and a little time to dry.",
)


def compose_text(app: App, output: OutputPlan, inputs: Mapping[str, Any], seed: int) -> str:
    """Return the text of one output, built from the effective inputs, keyed by the parameters' names."""
    values = {
        parameter.key: text
        for parameter in app.parameters
        if (text := "\n".join(line for part in briefs.texts(inputs.get(parameter.name)) for line in _lines(part)))
    }
    if output.label == "Palette Notes":
        return _palette_notes(app, values, *briefs.read(app, output, inputs).colours(app, seed))
    composers: Mapping[str, Callable[[str, Values, random.Random], str]] = {
        "Headline": _headline,
        "Primary Text": _primary_text,
        "Call to Action": _call,
        "Post Caption": _post_caption,
    }
    compose = composers.get(output.label, _description)
    return compose(_name(app, values), values, briefs.chance(seed, app.app_id, output.node_id))


def _headline(name: str, values: Values, rng: random.Random) -> str:
    return rng.choice(_by_tone(_HEADLINES, values)).replace("{name}", name)


def _primary_text(name: str, values: Values, rng: random.Random) -> str:
    language = _language(values)
    body = rng.choice(_BODIES[language]).replace("{name}", name)
    # The benefits are quoted as they were written, so only a text in their own language can carry them.
    return " ".join([body, *_sentences(values.get("key_benefits", ""))[:4]]) if language == "English" else body


def _call(_name: str, values: Values, rng: random.Random) -> str:
    return rng.choice(_by_tone(_CALLS, values))


def _description(name: str, values: Values, rng: random.Random) -> str:
    length = values.get("length", "Medium")
    opening = rng.choice(_OPENINGS.get(values.get("tone", ""), _OPENINGS["Warm"])).replace("{name}", name)
    paragraphs = [opening if length == "Short" else f"{opening} {rng.choice(_MIDDLES)}"]
    facts = _sentences(values.get("facts", ""))[: {"Short": 2, "Long": 12}.get(length, 5)]
    if facts:
        paragraphs.append("Good to know:\n" + "\n".join(f"- {fact.rstrip('.')}" for fact in facts))
    paragraphs.append(rng.choice(_CARE))
    if length == "Long":
        paragraphs.append(f"{name} arrives ready to use, in packaging that can go straight into paper recycling.")
    return "\n\n".join(paragraphs)


def _palette_notes(app: App, values: Values, palette: Palette, ware: tuple[Colour, Colour]) -> str:
    theme = (_sentences(values.get("theme", "")) or [app.name])[0].rstrip(".")
    wall, floor, body, accent = map(palettes.hex_name, (palette.wall[1], palette.floor[0], *ware))
    return (
        f"{theme}: the references meet in {palette.name} tones.\n\n"
        f"Walls in {wall} and a floor in {floor} carry most of the surface. {body} belongs to the main piece, {accent} "
        "is the accent: use it once per view and no more. Keep metals brushed and fabrics matte, so that daylight does "
        "the rest."
    )


def _post_caption(name: str, values: Values, rng: random.Random) -> str:
    idea = (_sentences(values.get("idea", "")) or [f"{name}."])[0]
    shown = idea.removeprefix("Show ").removeprefix("how ")
    closing = values.get("closing_line") or rng.choice(
        ("Which look is yours?", "Save it for the next long day.", "Tell us where you would take it.")
    )
    tags = {"Warm": "#goldenhour", "Cool": "#calmcolours", "Vivid": "#colourpop", "Pastel": "#softtones"}
    tag = tags.get(values.get("look", ""), "#everyday")
    return f"{shown[:1].upper()}{shown[1:]} {closing}\n\n#newin {tag} #madetolast"


def _by_tone(stock: Stock, values: Values) -> tuple[str, ...]:
    tones = stock[_language(values)]
    return tones.get(values.get("tone", ""), next(iter(tones.values())))


def _language(values: Values) -> str:
    asked = values.get("language", "")
    return asked if asked in _BODIES else "English"


def _name(app: App, values: Values) -> str:
    name = " ".join(values.get("product_name", app.name).split())
    return name if len(name) <= _NAME else f"{name[: _NAME - 1].rstrip()}…"


def _lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := briefs.plain(raw))]


def _sentences(text: str) -> list[str]:
    return [sentence for part in _SENTENCE_END.split(text) if (sentence := part.strip().lstrip("-•* "))]
