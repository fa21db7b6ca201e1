"""Random bodies of webhooks, as senders write them: Lamina's runs of each generation, and JSON of any other shape."""

import json
import random
import unicodedata
from collections.abc import Callable
from typing import Any

PLAIN = ["prompt", "a fox in the snow", "https://example.com/out/7f3a.png?v=1", "done", "#1", "x" * 40, "50%", "a=b"]
LATIN = ["Füchse", "déjà vu", "¿qué?", "Größe 4×5", "naïve café"]
WIDE = [
    *(
        "🦊",
        "👩\u200d👩\u200d👧",
        "🇪🇺 ok",
        "e\u0301a\u0308",
        "שלום עולם",
        "مرحبا",
        "狐の絵",
        "한국어",
        "Ωμέγα",
        "ﬁne ½ ²",
    ),
    *("łódź", "Привет", "a\u2028b", "\ufeffmark", "日本 100€"),
]
SIGNS = [
    'say "fox"',
    "back\\slash \\u00e9",
    "it's",
    "<b>bold</b> & more",
    "a+b `c`",
    "line\nbreak\ttab",
    "\b\f\x01\x1f",
]
QUOTED = ["“typed”", "‘single’ — dash…", "„unten“", "«dehors»"]
_ANY = random.Random("letters of every alphabet")
_PLANES = [range(0x20, 0x80), range(0xA0, 0x600), range(0x900, 0x3100), range(0x4E00, 0xD800), range(0xF900, 0x1FB00)]
STRANGE = ["".join(chr(_ANY.choice(_ANY.choice(_PLANES))) for _ in range(_ANY.randint(2, 9))) for _ in range(30)]
EVERYTHING = [*PLAIN, *LATIN, *WIDE, *SIGNS, *QUOTED, *STRANGE]
STATUSES = ["completed", "failed", "cancelled"]

Draw = Callable[[random.Random], bytes]


def write(value: Any) -> bytes:
    """Write JSON as Lamina does: compact, characters as themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def draw_text(rng: random.Random, words: list[str], most: int = 5) -> str:
    return " ".join(rng.choices(words, k=rng.randint(1, most)))


def draw_number(rng: random.Random) -> int | float:
    """Return a number that every writer writes alike."""
    return rng.choice([0, rng.randint(-9, 2_000), rng.randint(2**31, 2**52), round(rng.uniform(1, 99), 3) + 0.0001])


def draw_wild_number(rng: random.Random) -> int | float:
    """Return a number that Python writes in its own manner: 5.0, 1e-05, 1e+16, or a very big one."""
    whole = float(rng.randint(1, 99))
    exponents = [rng.uniform(1, 9) * 10.0 ** rng.choice([-9, -7, -5, 16, 18, 25, 300])]
    return rng.choice([whole, 1e-05, 1e16, rng.random() * 1e-5, 10 ** rng.randint(20, 40) + 7, *exponents])


# Lamina's runs


def draw_output(rng: random.Random, words: list[str]) -> dict[str, Any]:
    status = rng.choice(["completed", "completed", "error", "pending"])
    kind = rng.choice(["image", "video", "text"]) if status == "completed" else "pending"
    path = f"https://example.com/out/{rng.randbytes(6).hex()}"
    value = None if kind == "pending" else draw_text(rng, words, 9) if kind == "text" else f"{path}.{kind[:3]}"
    output = {"id": f"node-{rng.randint(1, 99)}", "label": draw_text(rng, words, 2), "type": kind, "value": value}
    output |= {"status": status, "error": draw_text(rng, words) if status == "error" else None}
    if rng.random() < 0.2:
        output |= {"mimeType": "image/png", "dimensions": {"width": rng.randint(64, 4096), "height": 64}}
    return output


def draw_run(rng: random.Random, words: list[str] = EVERYTHING) -> bytes:
    """Return a run as Lamina's webhook shows it, of any generation, with its fields in Lamina's order."""
    is_newest = rng.random() < 0.5
    status = rng.choice(STATUSES)
    outputs = [draw_output(rng, words) for _ in range(rng.choice([0, 1, 1, 2, 4, 12]))]
    data: dict[str, Any] = {"runId" if is_newest else "executionId": rng.randbytes(8).hex(), "workflowId": "w-1"}
    data |= {"status": status, "outputs": outputs}
    data |= {"errorMessage": draw_text(rng, words) if status == "failed" else None}
    data |= {"startedAt": "2026-03-14T08:59:01.120Z", "completedAt": "2026-03-14T08:59:58.400Z"}
    data |= {"createdAt": "2026-03-14T08:59:00.000Z"}
    if is_newest:
        done = sum(output["status"] == "completed" for output in outputs)
        failed = sum(output["status"] == "error" for output in outputs)
        data["progress"] = {"totalOutputs": len(outputs), "completedOutputs": done, "failedOutputs": failed}
        data["progress"]["percentComplete"] = rng.choice([100, None])
        if rng.random() < 0.3:
            data["quality"] = {"score": 0.87, "threshold": 0.75, "passed": True, "attempts": 2}
    return write({"data": data})


# JSON of any shape


def draw_value(rng: random.Random, words: list[str], number: Callable[..., Any], depth: int = 3) -> Any:
    kind = rng.choice(["text", "text", "number", "word", "list", "object"] if depth else ["text", "number", "word"])
    if kind == "list":
        return [draw_value(rng, words, number, depth - 1) for _ in range(rng.randint(0, 4))]
    if kind == "object":
        return draw_object(rng, words, number, depth - 1)
    simple = {"text": draw_text(rng, words), "number": number(rng), "word": rng.choice([True, False, None, "", {}, []])}
    return simple[kind]


def draw_object(rng: random.Random, words: list[str], number: Callable[..., Any], depth: int = 3) -> dict[str, Any]:
    names = [*words, "z", "id", "Name", "a b"]
    return {rng.choice(names): draw_value(rng, words, number, depth) for _ in range(rng.randint(1, 6))}


def nest(rng: random.Random, inner: Any, levels: int) -> Any:
    for _ in range(levels):
        inner = [inner] if rng.random() < 0.5 else {rng.choice(["a", "b c", "nested"]): inner}
    return inner


def draw_free(
    rng: random.Random, words: list[str] = EVERYTHING, number: Callable[..., Any] = draw_number, deepest: int = 60
) -> bytes:
    """Return an object of any shape, now and then a deep one."""
    document = {draw_text(rng, words, 1): draw_value(rng, words, number), **draw_object(rng, words, number)}
    if rng.random() < 0.2:
        document["deep"] = nest(rng, document.copy(), rng.randint(10, deepest - 6))
    return write(document)


def draw_long(rng: random.Random, words: list[str] = EVERYTHING) -> bytes:
    """Return a body with a text of up to 100 KB."""
    text = " ".join(rng.choices(words, k=rng.randint(1_000, 9_000)))
    return write({"data": {"executionId": "e-1", "status": "completed", "outputs": [{"value": text}]}})


def draw_any(rng: random.Random) -> bytes:
    """Return any of them, a long one seldom."""
    return rng.choices([draw_run, draw_free, draw_long], [10, 10, 1])[0](rng)


def drawing(*words: list[str], shapes: tuple[Callable[..., bytes], ...] = (draw_run, draw_free)) -> Draw:
    """Return a drawing of bodies that only these words are in; the first kind of words is in every body."""
    together = [word for some in words for word in some]

    def draw(rng: random.Random) -> bytes:
        while True:
            body = rng.choice(shapes)(rng, together)
            if any(json.dumps(word, ensure_ascii=False)[1:-1].encode() in body for word in words[0]):
                return body

    return draw


def draw_small(rng: random.Random) -> bytes:
    """Return an object whose members can be put into every order: three or four, one of them with two of its own."""
    names = rng.sample(["zeta", "Ä", "alpha", "id", "b/c", "9"], 4)
    inner = {names[3]: draw_number(rng), names[2]: draw_text(rng, EVERYTHING)}
    members = {name: draw_text(rng, EVERYTHING) for name in names[: rng.randint(2, 3)]} | {"inner": inner}
    return write(dict(rng.sample(list(members.items()), len(members))))


def draw_wild(rng: random.Random) -> bytes:
    """Return a body with numbers in Python's manner."""
    return write({"wild": draw_wild_number(rng), **json.loads(draw_free(rng, EVERYTHING, draw_wild_number))})


def draw_pointed(rng: random.Random) -> bytes:
    """Return a body whose numbers are few, some of them whole ones with a point: 5.0."""
    numbers = [float(rng.randint(-9, 99)), *(rng.choice([7, 3.25, 8.0, -2]) for _ in range(rng.randint(0, 4)))]
    return write({"cost": rng.sample(numbers, len(numbers)), "note": draw_text(rng, EVERYTHING)})


def draw_legible(rng: random.Random) -> bytes:
    """Return a body of letters that Python shows as themselves, so that its length does not double."""
    return drawing(LATIN, PLAIN, QUOTED, shapes=(draw_run, draw_free, draw_long))(rng)


def draw_compatible(rng: random.Random) -> bytes:
    """Return a body of letters and signs that are taken apart as far as they can be."""
    return unicodedata.normalize("NFKD", draw_run(rng, [*LATIN, *WIDE]).decode()).encode()
