"""Errors as operators see them: what happened and what to do, never a traceback."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st

from lamina_core import errors

log = logging.getLogger(__name__)


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
    """Return the Markdown of one error that an operator is about to see."""
    log.warning("shown to an operator: %s", error)
    request_id = getattr(error, "request_id", None)
    return plain(str(error)) + (f"\n\nLamina's request id: `{request_id}`" if request_id else "")


def plain(text: str) -> str:
    """Return a text from outside so that Markdown shows it letter by letter."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|~$:@&^=" else sign for sign in text)
