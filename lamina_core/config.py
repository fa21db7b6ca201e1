"""Settings: the only reader of the environment, and the only place that knows their defaults."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from lamina_core import errors
from lamina_core.addresses import Address, read_address
from lamina_core.domain import Generation
from lamina_core.keep import Keep, read_keep

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT / "data"

LAMINA_BASE_URL = "https://app.uselamina.ai"
SANDBOX_KEY = "lma_sandbox_demo"  # no secret: the sandbox takes any key of this shape

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

SETTINGS: Mapping[str, str] = {
    "LAMINA_API_KEY": "workspace key, never shown, logged or stored; unset: the sandbox is used",
    "LAMINA_BASE_URL": "where Lamina is; plain http only to this machine",
    "LAMINA_API_GENERATION": "`executions`, `v1-executions` or `runs`; `runs` brings cancel and estimates",
    "LAMINA_DATABASE_URL": "where executions are stored: SQLite or `postgresql+psycopg://...`",
    "LAMINA_PUBLIC_URL": "where Lamina can reach this process; unset: no webhooks, executions are polled",
    "LAMINA_SANDBOX_PORT": "port of the sandbox",
    "LAMINA_SANDBOX_SPEED": "how much faster than life sandbox executions and its webhook retries go",
    "LAMINA_DESK_ENVIRONMENT": "name shown in the frame, so that nobody takes staging for production",
    "LAMINA_DESK_HOST": "address that the dashboard listens on",
    "LAMINA_DESK_PORT": "port that the dashboard listens on",
    "LAMINA_DESK_INGEST_TOKEN": "bearer token with which a backend registers executions that it started; unset: off",
    "LAMINA_DESK_IMPORT": "`on`: take in from Lamina's list what others started; needs generation `runs`",
    "LAMINA_DESK_SEND_TO": "addresses that the webhook workbench may POST to, and below, parted by commas; unset: none",
    "LAMINA_DESK_KEEP": "days that ended executions are kept, such as `completed=90,failed=365,*=180`; unset: for ever",
    "LAMINA_DESK_KEEP_PAYLOADS": "days that their inputs, outputs and reports are kept; unset: as long as they are",
    "LAMINA_DESK_KEEP_DELIVERIES": "days that deliveries are kept; unset: as long as their executions are",
    "LAMINA_RATE_LIMIT_PER_MINUTE": "Lamina's limit per address; all requests together stay under it",
}


class Secret:
    """A text that no log, page or error shows by accident."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(...)"

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value


@dataclass(frozen=True)
class Settings:
    """What this process was told; URLs carry no trailing slash."""

    api_key: Secret
    base_url: str
    generation: Generation
    database_url: str
    public_url: str | None
    sandbox: bool
    sandbox_port: int
    sandbox_speed: float
    environment: str
    host: str
    port: int
    ingest_token: Secret | None
    import_listed: bool
    send_to: tuple[Address, ...]
    keep: Keep
    rate_limit_per_minute: int

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no log may show."""
        return (self.api_key.reveal(), *([self.ingest_token.reveal()] if self.ingest_token else []))

    @property
    def lamina(self) -> str:
        """Return to which Lamina a store belongs; the sandbox is one, whatever its port."""
        return "the sandbox" if self.sandbox else self.base_url

    @property
    def sandbox_database(self) -> Path:
        """Return the file in which the embedded sandbox keeps its own state, beside the store where that is a file."""
        is_file = self.database_url.startswith("sqlite:///")
        return (Path(self.database_url.removeprefix("sqlite:///")).parent if is_file else DATA) / "sandbox.db"


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of this environment.

    An empty variable counts as unset. ConfigurationError names the variable and what it may be.
    """
    given = {name: environ.get(name, "").strip() for name in SETTINGS}
    sandbox = not given["LAMINA_API_KEY"]
    if sandbox and given["LAMINA_BASE_URL"]:
        raise errors.ConfigurationError(
            "LAMINA_BASE_URL is set but LAMINA_API_KEY is not. Set the key of that Lamina, "
            "or unset LAMINA_BASE_URL to work with the sandbox."
        )
    sandbox_port = _port("LAMINA_SANDBOX_PORT", given["LAMINA_SANDBOX_PORT"] or "8787")
    base_url = f"http://127.0.0.1:{sandbox_port}"
    if not sandbox:
        base_url = _lamina_url(given["LAMINA_BASE_URL"] or LAMINA_BASE_URL)
    default_database = DATA / ("demo.db" if sandbox else "lamina.db")
    public_url = given["LAMINA_PUBLIC_URL"]
    generation = _generation(given["LAMINA_API_GENERATION"] or "executions")
    ingest_token = given["LAMINA_DESK_INGEST_TOKEN"]
    return Settings(
        api_key=_secret("LAMINA_API_KEY", given["LAMINA_API_KEY"] or SANDBOX_KEY),
        base_url=base_url,
        generation=generation,
        database_url=_database_url(
            "LAMINA_DATABASE_URL", given["LAMINA_DATABASE_URL"] or f"sqlite:///{default_database}"
        ),
        public_url=_url("LAMINA_PUBLIC_URL", public_url) if public_url else None,
        sandbox=sandbox,
        sandbox_port=sandbox_port,
        sandbox_speed=_speed(given["LAMINA_SANDBOX_SPEED"] or "1"),
        environment=given["LAMINA_DESK_ENVIRONMENT"] or ("sandbox" if sandbox else str(urlsplit(base_url).hostname)),
        host=given["LAMINA_DESK_HOST"] or "127.0.0.1",
        port=_port("LAMINA_DESK_PORT", given["LAMINA_DESK_PORT"] or "8501"),
        ingest_token=_secret("LAMINA_DESK_INGEST_TOKEN", ingest_token) if ingest_token else None,
        import_listed=_import(given["LAMINA_DESK_IMPORT"] or "off", generation),
        send_to=_send_to(given["LAMINA_DESK_SEND_TO"]),
        keep=read_keep(
            given["LAMINA_DESK_KEEP"], given["LAMINA_DESK_KEEP_PAYLOADS"], given["LAMINA_DESK_KEEP_DELIVERIES"]
        ),
        rate_limit_per_minute=_rate_limit(given["LAMINA_RATE_LIMIT_PER_MINUTE"] or "100"),
    )


def _secret(name: str, text: str) -> Secret:
    if not re.fullmatch(r"[!-~]+", text):
        raise errors.ConfigurationError(
            f"{name} holds a character that no key has, such as a blank or a curly quotation mark. Copy it anew."
        )
    return Secret(text)


def _import(text: str, generation: Generation) -> bool:
    if text not in {"on", "off"}:
        raise errors.ConfigurationError(f"LAMINA_DESK_IMPORT must be on or off, not {text!r}.")
    if text == "on" and generation is not Generation.RUNS:
        raise errors.ConfigurationError("LAMINA_DESK_IMPORT=on needs LAMINA_API_GENERATION=runs, which has the list.")
    return text == "on"


def _send_to(text: str) -> tuple[Address, ...]:
    found = []
    for place, entry in enumerate(text.split(","), 1):
        if not entry.strip():
            continue
        try:
            address = read_address(entry.strip())
        except ValueError as error:
            raise errors.ConfigurationError(
                f"Entry {place} of LAMINA_DESK_SEND_TO cannot be used: {error}. "
                "Give addresses such as https://staging.example.com/webhooks, parted by commas."
            ) from None
        if address.query is not None:
            raise errors.ConfigurationError(
                f"Entry {place} of LAMINA_DESK_SEND_TO has a query (?). Leave it out: any query is allowed."
            )
        found.append(address)
    return tuple(dict.fromkeys(found))


def _url(name: str, text: str) -> str:
    if "@" in text:
        raise errors.ConfigurationError(f"{name} must not carry credentials.")
    if not _is_url(text):
        raise errors.ConfigurationError(f"{name} must be an http(s) URL without query, not {text!r}.")
    return text.rstrip("/")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and "?" not in text and "#" not in text and not re.search(r"\s", text)


def _lamina_url(text: str) -> str:
    url = _url("LAMINA_BASE_URL", text)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise errors.ConfigurationError(
            "LAMINA_BASE_URL must use https: plain http would send the API key readable over the network."
        )
    return url


def _generation(text: str) -> Generation:
    try:
        return Generation(text)
    except ValueError:
        known = ", ".join(Generation)
        raise errors.ConfigurationError(f"LAMINA_API_GENERATION must be one of {known}, not {text!r}.") from None


def _database_url(name: str, text: str) -> str:
    if not re.match(r"(sqlite:///[^:]|postgresql\+psycopg://.)", text) or not _has_good_port(text):
        raise errors.ConfigurationError(
            f"{name} must look like sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/name."
        )
    return text


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _port(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise errors.ConfigurationError(f"{name} must be a port between 1 and 65535, not {text!r}.")
    return int(text)


def _speed(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not 0.01 <= float(text) <= 10_000:
        raise errors.ConfigurationError(f"LAMINA_SANDBOX_SPEED must be a number between 0.01 and 10000, not {text!r}.")
    return float(text)


def _rate_limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 10:
        raise errors.ConfigurationError(
            f"LAMINA_RATE_LIMIT_PER_MINUTE must be a whole number of 10 or more, not {text!r}."
        )
    return int(text)


def with_database(settings: Settings, url: str) -> Settings:
    """Return the settings with the database of a command's option; ConfigurationError if it is no URL of one."""
    return replace(settings, database_url=_database_url("--database", url))


def from_environment() -> Settings:
    """Return the settings of this process's environment."""
    return load(os.environ)
