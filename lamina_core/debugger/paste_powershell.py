"""PowerShell's Invoke-WebRequest and Invoke-RestMethod, as browsers copy them and people write them."""

import re

from lamina_core import errors
from lamina_core.debugger.paste_shapes import Pairs, is_header_name
from lamina_core.debugger.paste_shells import undo_backticks
from lamina_core.debugger.records import Specimen, specimen_from

_MOST_STRINGS = 20_000  # of one parameter, however often variables stand in each other
_COMMAND = re.compile(r"\b(?:Invoke-WebRequest|Invoke-RestMethod|iwr|irm)\b", re.IGNORECASE)
_BEGINNING = re.compile(r"(?:PS [^>\n]{0,200}>)?\s*+(?:\$\w++(?:\.\w++)*+\s*+=|Invoke-|iwr\b|irm\b)", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
      @'[ ]*+\r?\n(?P<here>(?:(?!\r?\n'@).)*+)\r?\n'@
    | @"[ ]*+\r?\n(?P<dear>(?:(?!\r?\n"@).)*+)\r?\n"@
    | '(?P<single>[^']*+(?:''[^']*+)*+)'
    | "(?P<double>[^"`]*+(?:(?:`.|"")[^"`]*+)*+)"
    | (?<!\S)-(?P<parameter>[A-Za-z]++)
    | (?P<variable>\$[A-Za-z]\w*+)(?P<assigned>\s*+=)?
    | (?<![\w$.-])(?P<bare>[A-Za-z][\w-]*+)(?=[ ]?=)
    """,
    re.VERBOSE | re.DOTALL,
)


def read_powershell(text: str) -> Specimen | None:
    """Return the webhook that a PowerShell command sends, None if the text does not begin with one."""
    if not _BEGINNING.match(text) or not _COMMAND.search(text):
        return None
    slots = _sort(text)
    headers = _pair(slots.get("headers", []))
    content_type = slots.get("contenttype")
    if not headers:
        raise errors.PasteRefused(
            "This is a PowerShell command without headers that can be read (-Headers @{...}). Paste it with its "
            "headers written out, or paste the raw request."
        )
    headers += [("Content-Type", content_type[0])] if content_type else []
    body = "".join(slots.get("body", [])[:1])
    if "body" in slots and not slots["body"]:
        raise errors.PasteRefused(
            "The body of this PowerShell command is not in the text. Put the text itself after -Body, or give it as a "
            "file or in its own field."
        )
    remarks = () if body else ("The command sends no body.",)
    return specimen_from(headers, body.encode(), exact=False, source="a PowerShell command", remarks=remarks)


def _sort(text: str) -> dict[str, list[str]]:
    """Return the strings that follow each parameter; a variable stands for those that were assigned to it."""
    slots: dict[str, list[str]] = {}
    filling: list[str] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "parameter":
            filling = slots.setdefault(match["parameter"].lower(), [])
        elif kind == "assigned":
            filling = slots[match["variable"].lower()] = []
        elif kind == "variable":
            filling += slots.get(match["variable"].lower(), [])[: max(_MOST_STRINGS - len(filling), 0)]
        elif kind is not None:
            filling.append(_content(kind, match[kind]))
    return slots


def _content(kind: str, inside: str) -> str:
    if kind == "single":
        return inside.replace("''", "'")
    return undo_backticks(inside) if kind in {"double", "dear"} else inside


def _pair(strings: list[str]) -> Pairs:
    pairs = zip(strings[::2], strings[1::2], strict=False)
    return [(name, value) for name, value in pairs if is_header_name(name)]
