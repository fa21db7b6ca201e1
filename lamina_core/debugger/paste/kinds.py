"""The kinds of value that a printed literal stands for, whichever language printed it, and how brackets become one."""

from dataclasses import dataclass, field
from typing import TypeAlias

_SKIPPED_WORDS = {"new", "await", "return"}


class Unreadable(ValueError):
    """The text at this place is no literal, or not a whole one."""


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


@dataclass
class Frame:
    """A bracket that is not closed yet, with what was read inside of it."""

    opener: str
    name: str | None = None
    entries: list[tuple[Value, Value, bool]] = field(default_factory=list)  # the flag: there is a key
    key: Value = None
    keyed: bool = False
    values: list[Value] = field(default_factory=list)  # more than one only where strings are joined
    whole: bool = False

    def put(self, value: Value) -> None:
        """Add a value: the first, more of a string, or the content after a class."""
        if not self.values:
            self.values.append(value)
            return
        last = self.values[-1]
        if self.whole:
            raise Unreadable("two values without a comma between them")
        if (isinstance(last, str) and isinstance(value, str)) or (isinstance(last, bytes) and isinstance(value, bytes)):
            self.values.append(value)
        elif isinstance(last, Word) and last.text in _SKIPPED_WORDS:
            self.values[-1] = value
        elif isinstance(last, Word) and isinstance(value, (Table, list)):
            self.values[-1] = Call(last.text, [value], Table([]))
        elif isinstance(last, Call) and isinstance(value, (Table, list)):
            last.arguments.append(value)
        elif not (isinstance(last, Word) and isinstance(value, Word) and value.text[0] in "<["):
            raise Unreadable("two values without a comma between them")

    def end_string(self) -> Value:
        """Node's console shows no more of a long string: nothing can be joined to it."""
        if self.whole:
            raise Unreadable("a string that was cut twice")
        self.whole, self.values = True, [self.take()]
        return self.values[0]

    def take(self) -> Value:
        """Return the value that is being read, its pieces joined."""
        texts = [value for value in self.values if isinstance(value, str)]
        if len(texts) == len(self.values):
            return "".join(texts)
        pieces = [value for value in self.values if isinstance(value, bytes)]
        return b"".join(pieces) if len(pieces) == len(self.values) else self.values[0]

    def end_key(self) -> None:
        """Take what was read for a key."""
        if self.keyed or not self.values:
            raise Unreadable("a colon without a key before it")
        self.key, self.keyed, self.values, self.whole = self.take(), True, [], False

    def end_entry(self) -> None:
        """Take what was read for a value, if anything was."""
        if self.values:
            self.entries.append((self.key, self.take(), self.keyed))
        elif self.keyed:
            raise Unreadable("a key without a value")
        self.key, self.keyed, self.values, self.whole = None, False, [], False

    def build(self, after_comma: bool) -> Value:
        """Return what the brackets hold; `after_comma` makes one value in parentheses a tuple."""
        named = Table([(key, value) for key, value, keyed in self.entries if keyed])
        others = [value for _, value, keyed in self.entries if not keyed]
        if self.name is not None:
            return Call(self.name, others, named)
        if self.opener == "{":
            return others if others and not named.pairs else named
        if named.pairs and self.opener == "[" and not others:
            return named  # util.inspect shows an array's further properties with keys
        if self.opener == "(" and len(others) == 1 and not after_comma:
            return others[0]
        return others
