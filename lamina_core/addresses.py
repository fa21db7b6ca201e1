"""Web addresses as a list of allowed ones compares them, taken apart strictly.

What two readers could take for two hosts or two paths is refused, and whoever sends uses `Address.url`, which is put
together anew, never the text that was read.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

import idna

LENGTH = 2_000  # characters

_SHAPE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[^\[\]:@%\\]{1,253})(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """An http(s) address; the host is in ASCII and lower case, an IPv6 one in brackets and as short as it goes."""

    scheme: str
    host: str
    port: int
    path: str = ""  # empty, or begins with a slash
    query: str | None = None

    @property
    def place(self) -> str:
        """Return the address without its query, which may hold secrets: for logs and people."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    @property
    def url(self) -> str:
        """Return the address as it is requested."""
        return self.place if self.query is None else f"{self.place}?{self.query}"

    def covers(self, other: "Address") -> bool:
        """Say whether the other one is this one or below it, whatever its query."""
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        above = self.path.rstrip("/")
        return other.path == above or other.path.startswith(f"{above}/")


def read_address(text: str) -> Address:
    """Return what a text names; ValueError says what is wrong, without repeating the text."""
    if len(text) > LENGTH:
        raise ValueError(f"it is longer than {LENGTH:,} characters")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError("it does not begin with http:// or https://")
    scheme, authority, path, query, fragment = shape.groups()
    if "@" in authority:
        raise ValueError("it carries credentials")
    if fragment is not None:
        raise ValueError("it has a fragment (#)")
    scheme = scheme.lower()
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts[2] or _PORTS[scheme]) if parts else 0
    if parts is None or not 1 <= port <= 65_535:
        raise ValueError("its host or port cannot be read")
    if not _PATH.fullmatch(path) or any(map(_is_ambiguous, path.split("/"))):
        raise ValueError("its path has a part that could be read in two ways")
    if query is not None and not _QUERY.fullmatch(query):
        raise ValueError("its query holds a character that must be percent-encoded")
    return Address(scheme, _read_host(parts[1]), port, path, query)


def _read_host(text: str) -> str:
    try:
        if text.startswith("["):
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        name = (text if text.isascii() else idna.encode(text, uts46=True).decode()).lower()
    except ValueError:
        raise ValueError("its host is no name and no IP address") from None
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise ValueError("its host is no name and no IP address")
    return name


def _is_ambiguous(segment: str) -> bool:
    """Say whether a part of a path may lead elsewhere for a server that decodes it, however often it does."""
    while True:
        if "/" in segment or "\\" in segment or segment.partition(";")[0] in {".", ".."}:
            return True
        try:
            decoded = unquote(segment, errors="strict")
        except UnicodeDecodeError:
            return True
        if decoded == segment:
            return False
        segment = decoded
