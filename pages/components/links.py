"""Which texts from outside are links that a browser can be given."""

from typing import Any
from urllib.parse import urlsplit


def is_link(value: Any) -> bool:
    """Say whether the value is a whole http(s) link, with a host."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:  # a host in broken brackets
        return False
