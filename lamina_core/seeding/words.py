"""What people write into inputs: prompts, names, file addresses and references, put together from words."""

import random

_SUBJECTS = (
    "a pair of running shoes", "a ceramic mug", "an oak side table", "a leather handbag", "a steel wristwatch",
    "a linen sofa", "a bottle of olive oil", "a knitted jumper", "a mountain bicycle", "a perfume flask",
    "a desk lamp", "a picnic basket", "a wool blanket", "a silver ring", "a garden chair", "an espresso machine",
    "ein Paar Wanderstiefel", "eine gläserne Karaffe", "un fauteuil en velours", "une théière en grès",
    "una chaqueta de algodón", "陶器の湯呑み", "革の財布", "一双白色运动鞋", "деревянный стол", "en grön tekanna",
)  # fmt: skip
_PLACES = (
    "on a low plinth", "beside a sunlit window", "on wet cobblestones", "in a quiet living room", "on a kitchen table",
    "at the edge of a pier", "in front of a brick wall", "on a marble counter", "under a pine tree", "on a train seat",
    "auf einer Fensterbank in München", "devant un café à Orléans", "sobre una mesa de azulejos", "畳の部屋で",
    "на подоконнике", "i en sommarstuga", "on a rooftop at dusk", "in a greenhouse full of ferns",
)  # fmt: skip
_LIGHTS = (
    "Soft morning light from the left.", "Hard noon sun with short shadows.", "Warm lamplight, nothing glossy.",
    "Overcast and even, no highlights.", "Golden hour, long shadows to the right.", "Neon reflections, a little grain.",
    "Weiches Licht, keine Spiegelungen.", "Lumière rasante, tons chauds.", "Luz suave y difusa.", "柔らかい逆光で。",
    "Candlelight and deep blacks.", "Studio flash with a wide softbox.",
)  # fmt: skip
_WISHES = (
    "Leave the right third quiet for a headline.", "No lettering, no hands, no people.", "Keep the logo readable.",
    "Colours slightly muted, as on uncoated paper.", "The product must stay exactly as in the photo.",
    "Turn it a little towards the camera.", "Same angle as the spring campaign.", "Make it feel cared for, not new.",
    "Make room for a price tag 🏷️.", "Keep the crop tight.", "Nothing in the background may distract.",
    "Use the brand palette: ochre, slate, bone.", "Kein Text im Bild.", "Sans personnage.", "As calm as possible 🌿.",
)  # fmt: skip
_FIRST = (
    "Harbour", "Meadow", "Atlas", "Juniper", "Solstice", "Cobalt", "Linden", "Ember", "Fjord", "Saffron", "Quartz",
    "Willow", "Aurora", "Basalt", "Clover", "Dune", "Élan", "Größe", "Ñandú", "Åsa",
)  # fmt: skip
_SECOND = (
    "Runner", "Tote", "Lamp", "Collection", "Mug", "Jacket", "Chair", "Watch", "Serum", "Blanket", "Boot", "Table",
    "Edition", "Essentials", "Frame", "Kettle", "Rug", "Backpack",
)  # fmt: skip
_FILES = (
    "front", "back", "detail", "hero", "packshot", "lifestyle", "sneaker", "mug-blue", "sofa_left", "ring_macro",
    "portrait", "IMG", "DSC", "scan", "final-v2", "model_04", "flatlay", "größe-m",
)  # fmt: skip
_FOLDERS = ("products", "uploads/2026", "campaigns/spring", "shop/media", "studio/raw", "catalogue", "ugc", "feeds/de")
_HOSTS = ("cdn.example.com", "files.example.com", "media.example.com", "assets.shop.example.com")
_SUFFIXES = ("jpg", "jpg", "png", "webp")
_SAMPLES = ("armchair", "ceramic-mug", "handbag", "plant", "portrait", "skyline", "sneaker", "wristwatch")

OPERATORS = (
    "Ada", "Amir", "Anouk", "Bao", "Carla", "Chidi", "Dagmar", "Eve", "Femke", "Goran", "Hana", "Ines", "Jonas",
    "Kaveh", "Lucía", "Mikkel", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tomoko", "Ulrike", "Vera",
)  # fmt: skip
"""Those who look after executions."""


def write_prompt(rng: random.Random) -> str:
    """Return what somebody might ask for, in one to four sentences."""
    choice = rng.choice
    text = f"Show {choice(_SUBJECTS)} {choice(_PLACES)}. {choice(_LIGHTS)}"
    while rng.random() < 0.45:
        text = f"{text} {choice(_WISHES)}"
    return text


def write_title(rng: random.Random) -> str:
    """Return a product's name or a short line."""
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}"


def write_address(rng: random.Random, mark: str = "") -> str:
    """Return the address of a picture whose file name begins with the mark."""
    name = f"{mark}{rng.choice(_FILES)}-{int(rng.random() * 90_000) + 10_000}.{rng.choice(_SUFFIXES)}"
    return f"https://{rng.choice(_HOSTS)}/{rng.choice(_FOLDERS)}/{name}"


def name_sample(rng: random.Random, mark: str = "") -> str:
    """Return the name of a picture that the sandbox has, or would have without the mark."""
    return f"{mark}{rng.choice(_SAMPLES)}.png"


def write_reference(rng: random.Random) -> str:
    """Return a customer's own number of an order or a ticket."""
    number = int(rng.random() * 9_000_000) + 1_000_000
    return rng.choice((f"ORD-{number}", f"SHOP-{number // 10}", f"ticket {number // 100}", f"#{number}"))
