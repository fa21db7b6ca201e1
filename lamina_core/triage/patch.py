"""One change that is applied to the inputs of many executions: pure, nothing is stored or sent here.

Names of inputs are exact, odd white space included (contract, section 2.2).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lamina_core import errors

NAME_LIMIT = 60  # signs of a field's name that a description shows
VALUE_LIMIT = 80  # signs of a value that a description shows


class PatchKind(StrEnum):
    """What a patch does to its field."""

    SET = "set"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True)
class Patch:
    """One change to the input called `field`: set takes `value`, replace takes `find` and `replacement`."""

    kind: PatchKind
    field: str
    value: Any = None
    find: str = ""
    replacement: str = ""


def apply_patch(patch: Patch | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with the change made, in a new object; without a patch, a copy.

    Replace looks for the literal text in a text, and in every text within a list or an object. To learn whether
    anything changed, compare by `diff.same_json`: Python itself takes 1, 1.0 and true for the same.
    """
    patched = dict(inputs)
    if patch is None:
        return patched
    if patch.kind is PatchKind.SET:
        patched[patch.field] = patch.value
    elif patch.kind is PatchKind.REMOVE:
        patched.pop(patch.field, None)
    elif patch.field in patched and patch.find:
        patched[patch.field] = _replace(patched[patch.field], patch.find, patch.replacement)
    return patched


def _replace(value: Any, find: str, replacement: str) -> Any:
    if isinstance(value, str):
        return value.replace(find, replacement)
    if isinstance(value, list):
        return [_replace(item, find, replacement) for item in value]
    if isinstance(value, dict):
        return {key: _replace(item, find, replacement) for key, item in value.items()}
    return value


def check_patch(patch: Patch) -> None:
    """Raise OperationRefused, saying what to correct, for a patch that cannot be applied or sent."""
    if not patch.field:
        raise errors.OperationRefused("Name the input that is to change.")
    if patch.kind is PatchKind.REPLACE and not patch.find:
        raise errors.OperationRefused("Give the text that is to be replaced.")
    document = to_document(patch)
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        text.encode()
        kept = json.loads(text) == document
    except UnicodeEncodeError:
        message = "A text holds half a character (a lone surrogate), which cannot be sent."
        raise errors.OperationRefused(message) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.OperationRefused(f"This change cannot be sent as JSON: {error}.") from None
    if not kept:  # a tuple, or a key that is no text, comes back as something else
        raise errors.OperationRefused("The new value is none of JSON's: its lists or names would be altered.")


def to_document(patch: Patch) -> dict[str, Any]:
    """Return the patch as an object that JSON can hold."""
    return {
        "kind": patch.kind.value,
        "field": patch.field,
        "value": patch.value,
        "find": patch.find,
        "replacement": patch.replacement,
    }


def from_document(document: Any) -> Patch:
    """Return the patch that a document tells of; ValueError says what is wrong with it."""
    if not isinstance(document, Mapping):
        raise ValueError("A change is an object with a kind and a field.")
    try:
        kind = PatchKind(str(document.get("kind")))
    except ValueError:
        raise ValueError(f"The kind of a change is one of {', '.join(PatchKind)}.") from None
    needed = {PatchKind.SET: ["value"], PatchKind.REPLACE: ["find", "replacement"], PatchKind.REMOVE: []}[kind]
    for key in ["field", *needed]:
        if key not in document:
            raise ValueError(f"A change of the kind {kind} needs {key}.")
    texts = {key: document.get(key, "") for key in ("field", "find", "replacement")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"The {key} of a change is a text.")
    return Patch(kind, value=document.get("value"), **texts)


def describe_patch(patch: Patch) -> str:
    """Return the change in one plain sentence for the history, long names and values cut."""
    name = _spell_name(patch.field)
    if patch.kind is PatchKind.SET:
        return f"set {name} to {_spell(patch.value)}"
    if patch.kind is PatchKind.REMOVE:
        return f"remove {name}"
    if not patch.replacement:
        return f"remove {_spell(patch.find)} from {name}"
    return f"replace {_spell(patch.find)} with {_spell(patch.replacement)} in {name}"


def _spell_name(name: str) -> str:
    """Put a name into quotes where its ends or its line breaks would be lost without them."""
    plain = name.isprintable() and name == name.strip() and name != ""
    return _cut(name, NAME_LIMIT) if plain else json.dumps(_cut(name, NAME_LIMIT), ensure_ascii=False)


def _spell(value: Any) -> str:
    if isinstance(value, str):  # cut inside the quotes, so that they close
        return json.dumps(_cut(value, VALUE_LIMIT), ensure_ascii=False)
    return _cut(json.dumps(value, ensure_ascii=False), VALUE_LIMIT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
