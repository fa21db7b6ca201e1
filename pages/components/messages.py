"""Errors as operators see them: what happened and what to do, never a traceback."""

import re
from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st

from lamina_core import errors

_MEANT = frozenset("\\`*_{}[]()<>#+-.!|~$:@&^=")  # by Markdown
_INDENT = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)
_DRAWN = re.compile(r":(?=material/|streamlit:)|(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)")
_HARD_SPACE, _JOINER = "\u00a0", "\u2060"


@contextmanager
def shown() -> Generator[None]:
    """Show an error of ours in place of what the block would have drawn."""
    try:
        yield
    except errors.DeskError as error:
        show_error(error)


def show_error(error: errors.DeskError) -> None:
    """Draw one error, with Lamina's request id where there is one."""
    st.error(describe(error), icon="⚠️")


def describe(error: errors.DeskError) -> str:
    """Return the Markdown of one error: what happened, what to do, and Lamina's request id where there is one."""
    advice = " Set LAMINA_API_KEY to a valid key and restart." if isinstance(error, errors.AuthRefused) else ""
    request_id = getattr(error, "request_id", None)
    return plain(str(error)) + advice + (f"\n\nLamina's request id: `{request_id}`" if request_id else "")


def code(text: str) -> str:
    """Return a text from outside as Markdown's code, whatever backticks it holds."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if longest else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def plain(text: str) -> str:
    """Return a text from outside so that Markdown shows it letter by letter.

    Streamlit draws icons and arrows where escapes are gone already: there a joiner that nobody sees keeps
    the signs apart. Spaces that begin a line would be dropped, or make it code.
    """
    text = _INDENT.sub(lambda spaces: _HARD_SPACE * len(spaces[0]), text)
    text = _DRAWN.sub(lambda signs: f"{signs[0][0]}{_JOINER}{signs[0][1:]}", text)
    return "".join(f"\\{sign}" if sign in _MEANT else sign for sign in text)
