"""Texts from outside in Markdown: escapes for what Markdown means, joiners where Streamlit draws after it."""

import pytest

from pages.components.links import is_link
from pages.components.messages import plain

JOINER, HARD_SPACE = "\u2060", "\u00a0"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("simple words, no signs", "simple words, no signs"),
        ("# *a* _b_ `c`", "\\# \\*a\\* \\_b\\_ \\`c\\`"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
        ("$x$ \\frac", "\\$x\\$ \\\\frac"),
        (":red[x] :smile:", "\\:red\\[x\\] \\:smile\\:"),
        (":material/delete:", f"\\:{JOINER}material/delete\\:"),
        (":streamlit:", f"\\:{JOINER}streamlit\\:"),
        ("a -> b <- c", f"a \\-{JOINER}\\> b \\<{JOINER}\\- c"),
        ("a->b", "a\\-\\>b"),
        ("  two\n\tthree", f"{HARD_SPACE * 2}two\n{HARD_SPACE}three"),
        ("two  spaces ", "two  spaces "),
        ("", ""),
    ],
)
def test_a_text_is_written_so_that_it_is_shown_letter_by_letter(text: str, markdown: str):
    assert plain(text) == markdown


@pytest.mark.parametrize("value", ["http://a", "https://a/b?c#d", "https://[::1]/x", "http://user@host:1/"])
def test_whole_links_are_links(value: str):
    assert is_link(value)


@pytest.mark.parametrize(
    "value",
    ["", "http://", "https://?", "http://[", "ftp://a", "javascript:x", "//a", "/a", " http://a", None, 1, [], {}],
)
def test_what_is_no_whole_http_link_is_none(value: object):
    assert not is_link(value)
