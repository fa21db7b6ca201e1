"""How others write JSON and text: Python, PHP, .NET, Java, PostgreSQL, all by hand, and Node by Node itself."""

import functools
import json
import random
import re
import subprocess
from typing import Any

from tests.unit.debugger import payloads
from tests.unit.debugger.damage import ChangeBytes
from tests.unit.debugger.payloads import EVERYTHING, draw_wild_number

AS_IS: dict[str, Any] = {"ensure_ascii": False}
COMPACT: dict[str, Any] = {"separators": (",", ":")}
TIMES = [1_773_478_800 + 7 * place for place in range(-15, 15)]  # when webhooks are signed


def python(**options: Any) -> ChangeBytes:
    """Parse JSON and write it again by Python's json."""
    return lambda body, _rng: json.dumps(json.loads(body), **options).encode()


def escape(characters: str, *, capital: bool = False) -> str:
    units = characters.encode("utf-16-be")
    form = "\\u{:02X}{:02X}" if capital else "\\u{:02x}{:02x}"
    return "".join(form.format(*units[at : at + 2]) for at in range(0, len(units), 2))


def escaping(signs: str, *, capital: bool = False) -> ChangeBytes:
    """Write signs that can stand in strings alone as escapes; a pattern says which."""

    def change(body: bytes, _rng: random.Random) -> bytes:
        return re.sub(signs, lambda found: escape(found[0], capital=capital), body.decode()).encode()

    return change


def php(body: bytes, _rng: random.Random) -> bytes:
    return json.dumps(json.loads(body), **COMPACT).replace("/", "\\/").encode()


def php_pretty(body: bytes, _rng: random.Random) -> bytes:
    return json.dumps(json.loads(body), indent=4).replace("/", "\\/").encode()


def php_slashes(body: bytes, _rng: random.Random) -> bytes:
    return body.replace(b"/", b"\\/")


def dotnet(body: bytes, _rng: random.Random) -> bytes:
    """Write as System.Text.Json does: everything but harmless ASCII is an escape in capitals."""

    def write_escape(found: re.Match[str]) -> str:
        return r"\u0022" if found[0] == '\\"' else found[0].upper().replace("U", "u", 1) if found[1] else found[0]

    text = re.sub(r"\\(u....)|\\.", write_escape, body.decode())
    return re.sub("[<>&'+`]|[^\x00-\x7e]", lambda found: escape(found[0], capital=True), text).encode()


def jackson(body: bytes, _rng: random.Random) -> bytes:
    """Write as Java's Jackson does when it prints prettily: blanks around colons, arrays in one line."""

    def show(value: object, indent: str) -> str:
        if isinstance(value, dict) and value:
            deeper = indent + "  "
            lines = [f"{deeper}{show(name, '')} : {show(inner, deeper)}" for name, inner in value.items()]
            return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
        if isinstance(value, list) and value:
            return "[ " + ", ".join(show(inner, indent) for inner in value) + " ]"
        return {"{}": "{ }", "[]": "[ ]"}.get(text := json.dumps(value, **AS_IS), text)

    return show(json.loads(body), "").encode()


def arrange(value: Any, order: Any) -> Any:
    """Put the members of every object into an order of their names."""
    if isinstance(value, dict):
        return {name: arrange(value[name], order) for name in order(list(value))}
    return [arrange(inner, order) for inner in value] if isinstance(value, list) else value


def postgres(body: bytes, _rng: random.Random) -> bytes:
    """Write as the type jsonb does: short names first, a blank after commas and colons."""
    value = arrange(json.loads(body), lambda names: sorted(names, key=lambda name: (len(name.encode()), name)))
    return json.dumps(value, **AS_IS).encode()


def shuffled(body: bytes, rng: random.Random) -> bytes:
    return payloads.write(arrange(json.loads(body), lambda names: rng.sample(names, len(names))))


# Node

_NODE = """
const bodies = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const habits = bodies.texts.map((text) => {
  const value = JSON.parse(text);
  const signed = JSON.stringify(value);
  return {
    text, signed,
    pretty: JSON.stringify(value, null, 2),
    tabs: JSON.stringify(value, null, "\\t"),
    string: JSON.stringify(signed),
    uri: encodeURIComponent(signed),
    form: new URLSearchParams({ event: "run", payload: signed }).toString(),
    key: new URLSearchParams({ [signed]: "" }).toString(),
    latin1: Buffer.from(signed).toString("latin1"),
    cp1252: new TextDecoder("windows-1252").decode(Buffer.from(signed)),
    base64: Buffer.from(signed).toString("base64"),
    base64url: Buffer.from(signed).toString("base64url"),
    kept: String(value),
  };
});
const dates = bodies.times.map((time) => new Date(time * 1000)).map((date) => ({
  iso: date.toISOString(), utc: date.toUTCString(), spoken: date.toString(), json: JSON.stringify(date),
}));
console.log(JSON.stringify({ habits, dates }));
"""


@functools.cache
def _ask_node() -> Any:
    """Return what Node makes of forty bodies, and how it writes the times."""
    rng = random.Random("written by Node")
    draws = (payloads.draw_run, payloads.draw_free, draw_crossing, draw_huge)
    drawn = [draw(rng) for draw in draws for _ in range(10)]
    given = json.dumps({"texts": [body.decode() for body in drawn], "times": TIMES})
    made = subprocess.run(["node", "-e", _NODE], input=given.encode(), capture_output=True, check=True, timeout=60)
    return json.loads(made.stdout)


def draw_crossing(rng: random.Random) -> bytes:
    """Return a body with numbers that Python and Node write differently, but both exactly: 1e-05 and 1e+16."""
    numbers = [number for number in (draw_wild_number(rng) for _ in range(9)) if isinstance(number, float)]
    numbers = [number for number in numbers if not number.is_integer() or number > 1e15]
    return payloads.write({"numbers": [1e-05, 12, *numbers], "note": payloads.draw_text(rng, EVERYTHING)})


def draw_huge(rng: random.Random) -> bytes:
    """Return a body with whole numbers that JavaScript rounds."""
    return payloads.write({"data": {"id": rng.randint(10**18, 10**20) * 10 + 7}})


def by_node(form: str) -> ChangeBytes:
    """Return what Node makes of a body that one of the following drew."""
    return lambda body, _rng: next(
        habit[form].encode() for habit in _ask_node()["habits"] if body.decode() in {habit["signed"], habit["text"]}
    )


def draw_node(rng: random.Random) -> bytes:
    """Return a body that Node wrote."""
    return rng.choice(_ask_node()["habits"])["signed"].encode()


def draw_foreign_by_node(rng: random.Random) -> bytes:
    """Return a body that Node wrote and that is not all ASCII."""
    return rng.choice([habit["signed"] for habit in _ask_node()["habits"] if not habit["signed"].isascii()]).encode()


def draw_crossing_by_node(rng: random.Random) -> bytes:
    """Return a body of Node's with numbers that Python writes differently."""
    return rng.choice([habit["signed"] for habit in _ask_node()["habits"][20:30]]).encode()


def draw_huge_for_node(rng: random.Random) -> bytes:
    """Return a body that Node will round."""
    return rng.choice([habit["text"] for habit in _ask_node()["habits"][-10:]]).encode()


def node_date(form: str, timestamp: str) -> str:
    """Return how Node writes one of TIMES."""
    return _ask_node()["dates"][TIMES.index(int(timestamp))][form]
