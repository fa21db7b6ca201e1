"""PowerShell's Invoke-WebRequest and Invoke-RestMethod, as browsers copy them and people write them."""

import re
from collections.abc import Iterator

from lamina_core import errors
from lamina_core.debugger.paste.shapes import Pairs, is_header_name
from lamina_core.debugger.paste.shells import undo_backticks
from lamina_core.debugger.records import Specimen, specimen_from

_MOST_STRINGS = 20_000  # of one parameter, however often variables stand in each other
_COMMAND = re.compile(r"\b(?:Invoke-WebRequest|Invoke-RestMethod|iwr|irm)\b", re.IGNORECASE)
_BEGINNING = re.compile(r"(?:PS [^>\n]{0,200}>)?\s*+(?:\$\w++(?:\.\w++)*+\s*+=|Invoke-|iwr\b|irm\b)", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
      @(?P<here>['"])[ ]*+\r?\n
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
    for kind, content in _strings(text):
        if kind == "parameter":
            filling = slots.setdefault(content, [])
        elif kind == "assigned":
            filling = slots[content] = []
        elif kind == "variable":
            filling += slots.get(content, [])[: max(_MOST_STRINGS - len(filling), 0)]
        else:
            filling.append(content)
    return slots


def _strings(text: str) -> Iterator[tuple[str, str]]:
    """Give parameters, variables and strings with their content, in their order."""
    at = 0
    while match := _TOKEN.search(text, at):
        at, kind = match.end(), match.lastgroup or ""
        if kind == "here":
            end = text.find(f"\n{match[kind]}@", at - 1)
            if end < 0:
                return
            content = text[at:end].removesuffix("\r")
            yield kind, content if match[kind] == "'" else undo_backticks(content)
            at = end + 3
        elif kind == "single":
            yield kind, match[kind].replace("''", "'")
        elif kind == "double":
            yield kind, undo_backticks(match[kind])
        elif kind == "bare":
            yield kind, match[kind]
        else:
            yield kind, match["parameter" if kind == "parameter" else "variable"].lower()


def _pair(strings: list[str]) -> Pairs:
    pairs = zip(strings[::2], strings[1::2], strict=False)
    return [(name, value) for name, value in pairs if is_header_name(name)]
