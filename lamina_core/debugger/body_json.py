"""How a JSON body may have been written when it was signed: other white space, escapes, numbers, order of keys."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from lamina_core.debugger import json_text, json_values
from lamina_core.debugger.json_text import LAYOUTS, Layout, Pieces
from lamina_core.debugger.records import Variant

_COMMON_FORMS = 3  # of numbers: JavaScript's, Python's, all with a point

Names = tuple[str, ...]
Named = tuple[str, Pieces]


def _spellings(pieces: Pieces) -> list[Named]:
    """Return the ways in which characters beyond ASCII can be written, those that change nothing left out."""
    plain = json_text.unescape_unicode(pieces)
    return _distinct(
        pieces,
        ("characters as themselves", plain),
        ("\\u escapes", json_text.escape_unicode(plain)),
        ("\\u escapes in capitals", json_text.escape_unicode(plain, capital=True)),
    )


def _slashes(pieces: Pieces) -> list[Named]:
    return _distinct(
        pieces,
        ("slashes as themselves", json_text.unescape_slashes(pieces)),
        ("slashes as \\/", json_text.escape_slashes(pieces)),
    )


def _markup(pieces: Pieces) -> list[Named]:
    plain = json_text.unescape_markup(pieces)
    return _distinct(
        pieces,
        ("< > & ' as themselves", plain),
        ("< > & as \\u escapes", json_text.escape_markup(plain)),
        ("< > & ' as \\u escapes", json_text.escape_markup(plain, "<>&'", capital=True)),
        ("< > & ' + as \\u escapes", json_text.escape_markup(plain, "<>&'+`", capital=True)),
    )


def _orders(pieces: Pieces) -> list[Named]:
    if ":" not in pieces:
        return []
    arranged = (
        ("keys in Lamina's order", json_values.order_as_lamina(pieces)),
        ("keys in the order of the alphabet", json_values.sort_keys(pieces)),
    )
    return _distinct(pieces, *((name, found) for name, found in arranged if found is not None))


def _distinct(given: Pieces, *named: Named) -> list[Named]:
    seen, kept = {given}, []
    for name, pieces in named:
        if pieces not in seen:
            seen.add(pieces)
            kept.append((name, pieces))
    return kept


def _numbers(pieces: Pieces) -> list[Named]:
    return _distinct(pieces, *itertools.islice(json_values.number_forms(pieces), _COMMON_FORMS))


_HABITS: tuple[tuple[str, Callable[[Pieces], Sequence[Named]]], ...] = (
    ("body_unicode_escapes", _spellings),
    ("body_slash_escapes", _slashes),
    ("body_markup_escapes", _markup),
    ("body_keys_reordered", _orders),
)


_COMBINED = (_numbers, *(habit for _, habit in _HABITS))


def vary_json(body: bytes) -> Iterator[Variant]:
    """Give other ways of writing this JSON, those that differ in one habit first; nothing if it is none."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    pieces = json_text.take_apart(text)
    if pieces is None:
        return
    bare, present = json_text.without_space(pieces), json_text.find_layout(pieces)
    yield from _in_other_layouts("body_reformatted", "", bare, present)
    for cause, habit in _HABITS:
        for name, changed in habit(pieces if cause != "body_keys_reordered" else bare):
            yield from _write(cause, name, changed, present if cause == "body_keys_reordered" else None)
    numbers = json_values.number_forms(pieces)
    yield from _with_numbers(pieces, itertools.islice(numbers, _COMMON_FORMS))
    yield from _of_another_writer(bare, present)
    yield from _with_numbers(pieces, numbers)
    for changed in json_values.other_orders(bare):
        yield from _write("body_keys_reordered", "keys in another order", changed, present)


def _with_numbers(pieces: Pieces, forms: Iterator[Named]) -> Iterator[Variant]:
    for name, changed in forms:
        if changed != pieces:
            yield from _write("body_numbers", name, changed, None)


def _write(cause: str, name: str, pieces: Pieces, layout: Layout | None) -> Iterator[Variant]:
    text = "".join(pieces) if layout is None else json_text.lay_out(pieces, layout)
    if text is not None:
        yield Variant(cause, f"signed: {name}", text.encode(errors="surrogatepass"))


def _in_other_layouts(cause: str, name: str, bare: Pieces, present: Layout | None) -> Iterator[Variant]:
    for layout in LAYOUTS:
        if layout is not present:
            yield from _write(cause, ", ".join(filter(None, (layout.name, name))), bare, layout)


def _of_another_writer(bare: Pieces, present: Layout | None) -> Iterator[Variant]:
    """Give what writers make that differ in several habits, the usual layouts first."""
    combined: list[tuple[Names, Pieces]] = []
    for names, pieces in _combine(bare):
        combined.append((names, pieces))
        yield from _combined(LAYOUTS[0], names, pieces, present)
    for layout in LAYOUTS[1:]:
        for names, pieces in combined:
            yield from _combined(layout, names, pieces, present)


def _combined(layout: Layout, names: Names, pieces: Pieces, present: Layout | None) -> Iterator[Variant]:
    if len(names) > (layout is present):  # else it was tried as one habit
        yield from _write("body_reserialized", ", ".join((layout.name, *names)), pieces, layout)


def _combine(bare: Pieces) -> Iterator[tuple[Names, Pieces]]:
    """Give what several habits together make, fewest first and one at a time: each takes a while if it is long."""
    waiting: deque[tuple[Names, Pieces, int]] = deque([((), bare, 0)])
    while waiting:
        names, pieces, first = waiting.popleft()
        for place, habit in enumerate(_COMBINED[first:], first + 1):
            for name, changed in habit(pieces):
                waiting.append(((*names, name), changed, place))
                yield (*names, name), changed
