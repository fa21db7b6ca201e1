"""Compared texts as Markdown, marked by colour and by a line through them or bold letters."""

import re
from collections.abc import Sequence

from lamina_core.triage.diff import Segment
from pages.components.messages import plain

_HARD_SPACE = "\u00a0"
_LINE_END = re.compile(r"\r\n|\r|\n")
_PIECE = re.compile(r"\S(?:.{0,300}\S)?|\s+")  # a mark in Markdown ends within 999 signs, and escapes double them


def draw(segments: Sequence[Segment]) -> str:
    """Return compared texts as Markdown: what is gone struck out on red, what is new bold on green."""
    lines = _LINE_END.split("".join(map(_draw_segment, segments)))
    return "  \n".join(_keep_indent(line) or _HARD_SPACE for line in lines)


def _keep_indent(line: str) -> str:
    bare = line.lstrip(" \t")
    return _HARD_SPACE * (len(line) - len(bare)) + bare


def _draw_segment(segment: Segment) -> str:
    """Mark the words and not the spaces at their edges, which Markdown would not strike out."""
    drawn = []
    for place, line in enumerate(_LINE_END.split(segment.text)):
        if place:
            drawn.append({"same": "\n", "gone": _mark("gone", "↵"), "new": _mark("new", "↵") + "\n"}[segment.kind])
        pieces = _PIECE.findall(line)
        if segment.kind != "same" and pieces and not line.strip():
            pieces = ["␣" * len(line)]
        drawn += [piece if piece.isspace() else _mark(segment.kind, plain(piece)) for piece in pieces]
    return "".join(drawn)


def _mark(kind: str, text: str) -> str:
    return {"same": text, "gone": f":red-background[~~{text}~~]", "new": f":green-background[**{text}**]"}[kind]
