"""A JSON object read strictly: each field is asked for once, by kind, and what nobody asked for is refused."""

import math
from typing import Any

from lamina_core import errors

_MISSING = object()


class Document:
    """One object of a file, knowing where in the file it stands.

    Every reading method raises errors.ConfigurationError with that place and the field's name.
    """

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise errors.ConfigurationError(f"{place}: should be an object, not {_describe(value)}")
        self._fields: dict[str, Any] = value
        self._place = place
        self._asked: set[str] = set()

    def error(self, field: str, problem: str) -> errors.ConfigurationError:
        """Return the error that says what is wrong with a field."""
        return errors.ConfigurationError(f"{self._place}: {field}: {problem}")

    def finish(self) -> None:
        """Refuse fields that were never asked for: most are misspelt."""
        unknown = sorted(self._fields.keys() - self._asked)
        if unknown:
            raise self.error(unknown[0], "is not a known field")

    def anything(self, field: str) -> Any:
        """Return the field whatever its kind, None where it is absent."""
        self._asked.add(field)
        return self._fields.get(field)

    def text(self, field: str) -> str:
        """Return a text that is not empty."""
        value = self._required(field)
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, f"should be a text, not {_describe(value)}")
        return value

    def optional_text(self, field: str) -> str | None:
        """Return a text that is not empty, None where the field is null or absent."""
        return None if self.anything(field) is None else self.text(field)

    def choice(self, field: str, among: tuple[str, ...]) -> str:
        """Return a text that is one of these."""
        value = self.text(field)
        if value not in among:
            raise self.error(field, f"should be one of {', '.join(among)}, not {value!r}")
        return value

    def flag(self, field: str, *, absent: bool | None = None) -> bool:
        """Return true or false."""
        value = self._required(field, absent)
        if not isinstance(value, bool):
            raise self.error(field, f"should be true or false, not {_describe(value)}")
        return value

    def number(self, field: str, *, above: float | None = None) -> float:
        """Return a finite number of at least 0, or greater than `above`."""
        value = self._required(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise self.error(field, f"should be a number of at least 0, not {_describe(value)}")
        if above is not None and value <= above:
            raise self.error(field, f"should be greater than {above}, not {value}")
        return float(value)

    def whole(self, field: str, *, absent: int | None = None) -> int:
        """Return a whole number of at least 0."""
        value = self._required(field, absent)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(field, f"should be a whole number of at least 0, not {_describe(value)}")
        return value

    def wholes(self, field: str, *, absent: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return a list of whole numbers of at least 0."""
        values = self._list(field, absent)
        if any(isinstance(value, bool) or not isinstance(value, int) or value < 0 for value in values):
            raise self.error(field, "should list whole numbers of at least 0")
        return tuple(values)

    def texts(
        self, field: str, *, absent: tuple[str, ...] | None = None, among: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Return a list of texts that are not empty, each one of `among` where that is given."""
        values = self._list(field, absent)
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise self.error(field, "should list texts, none of them empty")
        if among is not None and not set(values) <= set(among):
            raise self.error(field, f"should list only {', '.join(among)}")
        return tuple(values)

    def document(self, field: str) -> "Document":
        """Return a nested object."""
        return Document(self._required(field), f"{self._place}: {field}")

    def documents(self, field: str, *, title: str | None = None) -> list["Document"]:
        """Return a list of nested objects, each placed by its number and, where it has one, its title."""
        found = []
        for number, value in enumerate(self._list(field, None), start=1):
            place = f"{self._place}: {field} {number}"
            if title is not None and isinstance(value, dict) and isinstance(value.get(title), str):
                place += f" ({value[title]!r})"
            found.append(Document(value, place))
        return found

    def _list(self, field: str, absent: tuple[Any, ...] | None) -> list[Any]:
        value = self._required(field, None if absent is None else list(absent))
        if not isinstance(value, list):
            raise self.error(field, f"should be a list, not {_describe(value)}")
        return value

    def _required(self, field: str, absent: Any = None) -> Any:
        self._asked.add(field)
        value = self._fields.get(field, _MISSING)
        if value is not _MISSING:
            return value
        if absent is None:
            raise self.error(field, "is missing")
        return absent


def _describe(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
