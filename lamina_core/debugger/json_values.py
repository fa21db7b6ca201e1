"""What JSON writers do to numbers and to the order of keys, on the pieces of `json_text`."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from math import factorial, isfinite, prod
from typing import Any

from lamina_core.debugger.json_text import Pieces

_MOST_ORDERS = 1_000
_MOST_MEMBERS = 5  # of an object whose members are put into every order

# As Lamina writes a run: the orders of its status answer and of an output.
LAMINA_ORDER = (
    *("data", "executionId", "runId", "id", "workflowId", "workflowName", "label", "type", "value", "status"),
    *("outputs", "error", "errorMessage", "startedAt", "completedAt", "createdAt", "progress", "quality"),
    *("totalOutputs", "completedOutputs", "failedOutputs", "percentComplete", "score", "threshold", "passed"),
    *("attempts", "timeout", "mimeType", "contentDescription", "compatibleInputTypes", "suggestedNextSteps"),
    *("canChainAs", "platformsOptimized", "dimensions", "width", "height", "durationSeconds"),
)
_LAMINA_PLACE = {name: place for place, name in enumerate(LAMINA_ORDER)}


# Numbers


def _is_number(piece: str) -> bool:
    return piece[0] in "-0123456789" and piece != "-Infinity"


def _as_float(piece: str) -> float | None:
    try:
        value = float(piece)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _python_number(piece: str) -> str:
    value = _as_float(piece) if re.search("[.eE]", piece) else None
    return piece if value is None else repr(value)


def javascript_number(piece: str) -> str:
    """Write a number as JavaScript does (ECMA-262, Number::toString)."""
    value = _as_float(piece)
    if value is None:
        return piece
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, power = f"{abs(value)!r}e0".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(power.partition("e")[0])
    point -= len(whole + fraction) - len(digits) if whole.strip("0") == "" else 0
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}{exponent}"


def number_forms(pieces: Sequence[str]) -> Iterator[tuple[str, Pieces]]:
    """Give the pieces with numbers as other writers write them, each with whose manner that is."""
    for name, write in (("JavaScript's numbers", javascript_number), ("Python's numbers", _python_number)):
        written = {piece: write(piece) for piece in set(pieces) if _is_number(piece)}
        yield name, tuple(written.get(piece, piece) for piece in pieces)
    places = [at for at, piece in enumerate(pieces) if re.fullmatch("-?[0-9]+", piece)]
    subsets = [places, *([place] for place in places)]
    if len(places) <= 7:
        subsets += [list(some) for size in range(2, len(places)) for some in itertools.combinations(places, size)]
    for some in subsets:
        pointed = list(pieces)
        for at in some:
            pointed[at] += ".0"
        yield "whole numbers with .0", tuple(pointed)


# The order of keys


Nested = list[Any]  # pieces, and further such lists


def _flatten(nested: Nested) -> Pieces:
    flat: list[str] = []
    waiting = [iter(nested)]
    while waiting:
        for part in waiting[-1]:
            if isinstance(part, list):
                waiting.append(iter(part))
                break
            flat.append(part)
        else:
            waiting.pop()
    return tuple(flat)


def _arrange(pieces: Sequence[str], arrange: Callable[[list[Nested]], list[Nested]]) -> Pieces | None:
    """Put the members of every object, `[key, ":", value…]`, into another order; None if this is no whole JSON."""
    stack: list[tuple[str, list[Nested]]] = [("", [[]])]
    for piece in pieces:
        if piece in {"{", "["}:
            stack.append((piece, [[]]))
        elif piece in {"}", "]"}:
            opener, members = stack.pop()
            if opener + piece not in {"{}", "[]"}:
                return None
            if opener == "{" and members != [[]]:
                if any(len(member) != 3 or member[1] != ":" for member in members):
                    return None
                members = arrange(members)
            inside = [part for member in members for part in (",", *member)][1:]
            stack[-1][1][-1].append([opener, *inside, piece])
        elif piece == ",":
            stack[-1][1].append([])
        else:
            stack[-1][1][-1].append(piece)
    return _flatten(stack[0][1][0]) if len(stack) == 1 and len(stack[0][1]) == 1 else None


def sort_keys(pieces: Sequence[str]) -> Pieces | None:
    """Put the keys of every object into the order of the alphabet."""
    return _arrange(pieces, lambda members: sorted(members, key=lambda member: member[0][1:-1]))


def order_as_lamina(pieces: Sequence[str]) -> Pieces | None:
    """Put the keys of every object into Lamina's order, unknown ones last as they are."""
    last = len(LAMINA_ORDER)
    return _arrange(
        pieces, lambda members: sorted(members, key=lambda member: _LAMINA_PLACE.get(member[0][1:-1], last))
    )


def other_orders(pieces: Sequence[str]) -> Iterator[Pieces]:
    """Give every order that the keys of small objects can have, if these are few."""
    sizes: list[int] = []

    def take_size(members: list[Nested]) -> list[Nested]:
        sizes.append(len(members))
        return members

    if _arrange(pieces, take_size) is None:
        return
    varied = [size for size in sizes if 1 < size <= _MOST_MEMBERS]
    if len(varied) > _MOST_ORDERS or prod(map(factorial, varied)) > _MOST_ORDERS:
        return
    ways = [itertools.permutations(range(size)) if size in varied else [tuple(range(size))] for size in sizes]
    for chosen in itertools.product(*ways):
        orders = iter(chosen)
        arranged = _arrange(pieces, lambda members: [members[at] for at in next(orders)])  # noqa: B023 - used at once
        if arranged is not None:
            yield arranged
