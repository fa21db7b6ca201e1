"""A document that an operator names by its address, such as a key set somewhere else than at our Lamina."""

import httpx

from lamina_core import errors
from lamina_core.api import transport
from lamina_core.config import Secret


def fetch_document(url: str, limit: int, api_key: Secret | None = None) -> bytes:
    """Return what lies at an http(s) address; ApiError if there is nothing usable.

    Redirects are not followed; more than `limit` bytes are refused. A key goes to Lamina's own addresses only.
    """
    headers = {"accept": "application/json"} | ({"x-api-key": api_key.reveal()} if api_key else {})
    try:
        with (
            httpx.Client(timeout=transport.TIMEOUT, follow_redirects=False, trust_env=False) as http,
            http.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise errors.ApiUnreadable(
                    f"{url} answered with HTTP {response.status_code}.", status=response.status_code
                )
            content = b""
            for part in response.iter_bytes():
                content += part
                if len(content) > limit:
                    raise errors.ApiUnreadable(f"{url} holds more than {limit:,} bytes.", status=200)
            return content
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise errors.ApiUnreachable(f"{url} cannot be read: {error or type(error).__name__}.", sent=False) from error
