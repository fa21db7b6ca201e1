"""The kinds of value that a printed literal stands for, whichever language printed it."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """A number as it is written: what a conversion would lose is what a signature notices."""

    text: str


@dataclass(frozen=True)
class Word:
    """A name or a note that stands for something that is not shown, such as undefined or [Function]."""

    text: str


@dataclass(frozen=True)
class Table:
    """An object, a dict or a map: pairs in their order, keys that are there twice included."""

    pairs: list[tuple["Value", "Value"]]


@dataclass(frozen=True)
class Call:
    """A call or a class in front of its content: Headers({...}), Map(2) {...}."""

    name: str
    arguments: list["Value"]
    named: Table


Value: TypeAlias = bool | str | bytes | Number | Word | list["Value"] | Table | Call | None
