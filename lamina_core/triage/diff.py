"""Comparisons: of two inputs, of two texts, and of the inputs that fail with those that succeed. All of it is pure."""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any, Literal
from urllib.parse import urlsplit

WORK_LIMIT = 20_000_000  # steps of difflib at worst: about 0.4 s
SHARED_LIMIT = 10
VALUE_LIMIT = 60  # signs of a value that a sentence shows
PATH_LIMIT = 2_000  # signs; a longer text is no file's name or path

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_ENDING = re.compile(r"\.[a-z][a-z0-9]{1,4}\Z", re.IGNORECASE)


class Difference(StrEnum):
    """What became of one input."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Change:
    """One input that differs; `before` is None for an added one, `after` for a removed one."""

    name: str
    difference: Difference
    before: Any
    after: Any


@dataclass(frozen=True)
class Segment:
    """A part of two texts: in both of them, gone from the first, or new in the second."""

    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True)
class Shared:
    """Something that failed executions share in one input and that successes lack, in numbers of executions.

    `what` says it in words. `value` is the exact value, the host, the ending, or the number of signs; it is None
    where the fact is that the input is given, or (`missing`) that it is not.
    """

    name: str
    value: Any
    in_failures: int
    of_failures: int
    in_successes: int
    of_successes: int
    what: str
    missing: bool = False


def same_json(one: Any, other: Any) -> bool:
    """Say whether two values are the same JSON; unlike for Python, 1, 1.0 and true are three values."""
    pairs = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            if left.keys() != right.keys():
                return False
            pairs += [(left[key], right[key]) for key in left]
        elif type(left) is not type(right):
            return False
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif left != right:
            return False
    return True


def compare_inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, in the order of the inputs before, then the added ones."""
    changes = []
    for name, value in before.items():
        if name not in after:
            changes.append(Change(name, Difference.REMOVED, value, None))
        elif not same_json(value, after[name]):
            changes.append(Change(name, Difference.CHANGED, value, after[name]))
    changes += [Change(name, Difference.ADDED, None, value) for name, value in after.items() if name not in before]
    return tuple(changes)


def apply_changes(before: Mapping[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """Return the inputs after the changes, in a new object."""
    after = dict(before)
    for change in changes:
        if change.difference is Difference.REMOVED:
            after.pop(change.name, None)
        else:
            after[change.name] = change.after
    return after


def compare_text(before: str, after: str) -> tuple[Segment, ...]:
    """Return both texts as segments, word by word: same and gone make up the first, same and new the second.

    Where comparing would take too long, all between what the texts begin and end with alike is one change.
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    head = _count_alike(old, new)
    old_tail, new_tail = old[head:], new[head:]
    tail = _count_alike(old_tail[::-1], new_tail[::-1])
    old_middle, new_middle = old_tail[: len(old_tail) - tail], new_tail[: len(new_tail) - tail]
    parts: list[Segment] = [Segment("same", "".join(old[:head]))]
    parts += _compare_words(old_middle, new_middle)
    parts.append(Segment("same", "".join(old_tail[len(old_middle) :])))
    return tuple(part for part in parts if part.text)


def _count_alike(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _compare_words(old: Sequence[str], new: Sequence[str]) -> list[Segment]:
    matcher = SequenceMatcher(str.isspace, old, new)  # a space alone is nothing in common
    if _measure_work(matcher, old) > WORK_LIMIT:
        return [Segment("gone", "".join(old)), Segment("new", "".join(new))]
    parts = []
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            parts.append(Segment("same", "".join(old[start:end])))
        else:
            parts += [Segment("gone", "".join(old[start:end])), Segment("new", "".join(new[new_start:new_end]))]
    return parts


def _measure_work(matcher: SequenceMatcher[str], old: Sequence[str]) -> int:
    """Return how many steps the matcher takes at worst: a round tries all equal pairs and may settle one word."""
    places: dict[str, list[int]] = matcher.b2j  # type: ignore[attr-defined]  # documented, yet not in its stubs
    pairs = [len(places[word]) for word in old if word in places]
    rounds = min(len(pairs), sum(map(len, places.values())))
    return rounds * (len(old) + sum(pairs))


class _Sort(IntEnum):
    """Kinds of traits, the simplest first: between equals the simpler one is told first."""

    VALUE = 1
    MISSING = 2
    GIVEN = 3
    EMPTY = 4
    HOST = 5
    ENDING = 6
    LENGTH = 7


@dataclass(frozen=True)
class _Trait:
    """Something that may be true of one input; `key` stands for the value, which may be a list or an object."""

    name: str
    sort: _Sort
    key: str = ""
    value: Any = field(default=None, compare=False)
    what: str = field(default="", compare=False)


def find_shared(failures: Sequence[Mapping[str, Any]], successes: Sequence[Mapping[str, Any]]) -> tuple[Shared, ...]:
    """Return what the inputs of failed executions share and those of successes lack, the most telling first.

    Looked at, input by input: its exact value, whether it is given at all, and, of its text or any of the texts in its
    list, whether it is blank, a link's host, a file's ending, and whether it is longer than every such text among the
    successes (links aside). Kept is what holds for at least 60 % of the failures (so for two, unless there is only
    one) and, among the successes, for at most a third of that share. What says no more than an exact value already
    does is left out. Sorted by how far the shares lie apart, then the simpler first; ten at most. With few
    executions this hints at a cause and proves none, so the numbers go with it.
    """
    names = list(dict.fromkeys(name for inputs in (*failures, *successes) for name in inputs))
    longest = _measure_longest(successes)
    failed, succeeded = _find_holders(failures, names, longest), _find_holders(successes, names, longest)
    totals = len(failures), len(successes)
    found, told = [], set()
    for trait in sorted(failed, key=lambda trait: trait.sort):
        counts = len(failed[trait]), len(succeeded[trait])
        who = (trait.name, frozenset(failed[trait]), frozenset(succeeded[trait]))
        if not _is_telling(counts, totals) or who in told:
            continue
        if trait.sort is _Sort.VALUE:
            told.add(who)
        missing = trait.sort is _Sort.MISSING
        shared = Shared(trait.name, trait.value, counts[0], totals[0], counts[1], totals[1], trait.what, missing)
        found.append(shared)
    return tuple(sorted(found, key=_measure_overlap)[:SHARED_LIMIT])


def _measure_overlap(shared: Shared) -> Fraction:
    return Fraction(shared.in_successes, max(1, shared.of_successes)) - Fraction(shared.in_failures, shared.of_failures)


def _is_telling(counts: tuple[int, int], totals: tuple[int, int]) -> bool:
    (failed, succeeded), (failures, successes) = counts, totals
    return failed * 5 >= failures * 3 and succeeded * failures * 3 <= failed * successes


def _measure_longest(successes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for inputs in successes:
        for name, value in inputs.items():
            for text in _texts_of(value):
                if not _LINK.fullmatch(text):
                    longest[name] = max(longest.get(name, 0), len(text))
    return longest


def _find_holders(
    executions: Sequence[Mapping[str, Any]], names: Sequence[str], longest: Mapping[str, int]
) -> defaultdict[_Trait, set[int]]:
    """Return for each trait the positions of the executions that have it, each once however many texts show it."""
    holders: defaultdict[_Trait, set[int]] = defaultdict(set)
    for position, inputs in enumerate(executions):
        for name in names:
            if name not in inputs:
                holders[_Trait(name, _Sort.MISSING, what="not given")].add(position)
                continue
            for trait in _find_traits(name, inputs[name], longest.get(name)):
                holders[trait].add(position)
    return holders


def _find_traits(name: str, value: Any, longest: int | None) -> Iterator[_Trait]:
    yield _Trait(name, _Sort.GIVEN, what="given")
    key = _to_key(value)
    if key is not None:
        yield _Trait(name, _Sort.VALUE, key, value, f"exactly {_spell(value)}")
    for text in _texts_of(value):
        if not text.strip():
            yield _Trait(name, _Sort.EMPTY, value="", what="empty text")
        link = _LINK.fullmatch(text)
        host, path = _split_link(text) if link else (None, text)
        if host:
            yield _Trait(name, _Sort.HOST, host, host, f"host {_cut(host)}")
        ending = _ENDING.search(path) if len(path) <= PATH_LIMIT and len(path.split()) == 1 else None
        if ending:
            yield _Trait(name, _Sort.ENDING, ending[0].lower(), ending[0].lower(), f"ends in {ending[0].lower()}")
        if not link and longest is not None and len(text) > longest:
            yield _Trait(name, _Sort.LENGTH, value=longest, what=f"longer than {longest} signs")


def _to_key(value: Any) -> str | None:
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError):  # what JSON cannot hold is compared with nothing
        return None


def _texts_of(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _split_link(link: str) -> tuple[str | None, str]:
    try:
        parts = urlsplit(link)
        return parts.hostname, parts.path
    except ValueError:  # a broken IPv6 address
        return None, ""


def _spell(value: Any) -> str:
    if isinstance(value, str):  # cut inside the quotes, so that they close
        return json.dumps(_cut(value), ensure_ascii=False)
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"
