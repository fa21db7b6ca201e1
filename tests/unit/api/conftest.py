"""A client whose other side is a function of the test."""

import json

import httpx
import pytest

from lamina_core.api.client import LaminaClient
from lamina_core.config import Secret
from lamina_core.domain import Generation

KEY = "lma_unit_0123456789"


@pytest.fixture
def open_client(clock, rng):
    """Return a maker of clients; `answer` takes the httpx.Request and returns, or raises, what comes back."""
    opened: list[LaminaClient] = []

    def make(answer, generation: Generation = Generation.RUNS, **more) -> LaminaClient:
        settings = {"base_url": "https://lamina.example.com", "api_key": Secret(KEY), "clock": clock, "rng": rng}
        client = LaminaClient(**(settings | more), generation=generation, inner=httpx.MockTransport(answer))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def open_answering(open_client):
    """Return a maker of clients to whom every request is answered with the same JSON."""

    def make(document, status: int = 200, headers=None):
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        every = {"content-type": "application/json"} | (headers or {})
        return open_client(lambda request: httpx.Response(status, headers=every, content=content))

    return make
