"""Bodies that were parsed and written again.

Of what a parser loses only some can be found again, and only such bodies are drawn: keys that were sorted where they
are Lamina's or few; 5.0 that became 5 where numbers are few. Whole numbers that JavaScript rounded are lost.
"""

import json
import random

from tests.unit.debugger import payloads, writers
from tests.unit.debugger.damage import both_ways, indicated, on_the_way, through_node
from tests.unit.debugger.payloads import LATIN, PLAIN, SIGNS, STRANGE, WIDE, draw_run, draw_small, drawing
from tests.unit.debugger.writers import AS_IS, COMPACT, by_node, python

SLASHED = drawing(["https://example.com/out/7f3a.png?v=1"], PLAIN)
FOREIGN = drawing([*LATIN, *WIDE], PLAIN, SIGNS, STRANGE)
MARKED = drawing(["<b>bold</b> & more"], ["it's"], PLAIN)
CONTROLLED = drawing(["\b\f\x01\x1f"], PLAIN, LATIN)
LINKED = drawing(["Größe 4×5 https://example.com/ä", "日本/100€"], PLAIN, SIGNS, WIDE)
QUOTING = drawing(['say "fox"', "a+b `c`"], LATIN, WIDE, SIGNS)


def _whole(body: bytes, _rng: random.Random) -> bytes:
    """Write 5.0 as 5, as JavaScript and Go do."""

    def read(text: str) -> float:
        return int(float(text)) if text.endswith(".0") else float(text)

    return payloads.write(json.loads(body, parse_float=read))


def _pointed(body: bytes, _rng: random.Random) -> bytes:
    """Write 5 as 5.0, as those do who hold every number as a float."""
    return payloads.write(json.loads(body, parse_int=float))


def _csharp(body: bytes, _rng: random.Random) -> bytes:
    """Write 1e-05 as 1E-05."""
    return body.replace(b"e-0", b"E-0").replace(b"e+", b"E+")


def _capital(body: bytes, _rng: random.Random) -> bytes:
    r"""Write \u001f as \u001F, as Jackson does."""
    return body.replace(b"\\u001f", b"\\u001F")


REFORMATTED = [
    *(
        damage
        for indent in (2, 4, "\t", 1, 3, 0)
        for damage in both_ways("body_reformatted", f"indented by {indent!r}", python(**AS_IS, indent=indent))
    ),
    *both_ways("body_reformatted", "blanks after commas and colons", python(**AS_IS)),
    *both_ways("body_reformatted", "blanks after colons", python(**AS_IS, separators=(",", ": "))),
    on_the_way("body_reformatted", "Python's defaults, all ASCII", python(), drawing(PLAIN)),
    on_the_way("body_reformatted", "Jackson", writers.jackson),
    *through_node(
        on_the_way("body_reformatted", "Node, by 2", by_node("pretty"), writers.draw_node),
        on_the_way("body_reformatted", "Node, by tabs", by_node("tabs"), writers.draw_node),
    ),
]
REORDERED = [
    on_the_way("body_keys_reordered", "sorted run", python(**AS_IS, **COMPACT, sort_keys=True), draw_run),
    *both_ways("body_keys_reordered", "sorted, few", python(**AS_IS, **COMPACT, sort_keys=True), draw_small),
    on_the_way("body_keys_reordered", "shuffled run", writers.shuffled, draw_run),
    on_the_way("body_keys_reordered", "shuffled, few", writers.shuffled, draw_small),
]
ESCAPED = [
    *both_ways("body_unicode_escapes", "Python's", python(**COMPACT), FOREIGN),
    *both_ways("body_unicode_escapes", "in capitals", writers.escaping("[^\x00-\x7e]", capital=True), FOREIGN),
    on_the_way("body_unicode_escapes", "control characters in capitals", _capital, CONTROLLED),
    *both_ways("body_slash_escapes", "all", writers.php_slashes, SLASHED),
    *both_ways("body_slash_escapes", "PHP", writers.php, SLASHED),
    *both_ways("body_markup_escapes", "Go", writers.escaping("[<>&]"), MARKED),
    *both_ways("body_markup_escapes", "PHP", writers.escaping("[<>&']", capital=True), MARKED),
    on_the_way("body_markup_escapes", ".NET", writers.dotnet, drawing(["<b>bold</b> & more", 'say "fox"'], PLAIN)),
]
NUMBERS = [
    *both_ways("body_numbers", "5 for 5.0", _whole, payloads.draw_pointed),
    *both_ways("body_numbers", "5.0 for 5", _pointed, payloads.draw_small),
    on_the_way("body_numbers", "E for e", _csharp, payloads.draw_wild),
    *through_node(
        on_the_way("body_numbers", "Python after Node", python(**AS_IS, **COMPACT), writers.draw_crossing_by_node)
    ),
    *indicated(
        *through_node(on_the_way("body_numbers", "rounded", by_node("signed"), writers.draw_huge_for_node)),
    ),
]
RESERIALIZED = [
    *both_ways("body_reserialized", "Python's defaults", python(), FOREIGN),
    *both_ways("body_reserialized", "Python, indented", python(indent=2), FOREIGN),
    *both_ways("body_reserialized", "PHP", writers.php, LINKED),
    *both_ways("body_reserialized", "PHP, pretty", writers.php_pretty, LINKED),
    on_the_way("body_reserialized", ".NET", writers.dotnet, QUOTING, "body_markup_escapes", "body_unicode_escapes"),
    on_the_way("body_reserialized", "PostgreSQL", writers.postgres, draw_run),
    on_the_way("body_reserialized", "sorted and escaped", python(sort_keys=True), draw_run),
    *through_node(
        on_the_way("body_reserialized", "Python after Node", python(indent=2), writers.draw_foreign_by_node),
    ),
]
DAMAGES = [*REFORMATTED, *REORDERED, *ESCAPED, *NUMBERS, *RESERIALIZED]
