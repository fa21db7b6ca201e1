"""A receiver on a real store, its keys from a Lamina whose answers a test decides."""

import hashlib
import json
import random

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import signing
from lamina_core.api.client import LaminaClient
from lamina_core.config import Secret
from lamina_core.domain import Generation
from lamina_core.polling.budget import Budget
from lamina_core.signing import SigningKey
from lamina_core.webhooks.keys import KeyRing
from lamina_core.webhooks.receiver import PATH, Receiver


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


class KeyServer:
    """Lamina's signing-key endpoint: the keys that it serves now, or the answer it gives instead."""

    def __init__(self) -> None:
        self.keys = [SigningKey.from_seed("k-1", bytes(range(32)))]
        self.asked = 0
        self.instead: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/webhooks/signing-key"
        self.asked += 1
        if self.instead is not None:
            return self.instead
        return httpx.Response(200, json={"keys": [signing.to_jwk(key.public()) for key in self.keys]})


@pytest.fixture
def lamina() -> KeyServer:
    return KeyServer()


@pytest.fixture
def client(lamina, clock):
    made = LaminaClient(
        base_url="https://lamina.example.com",
        api_key=Secret("lma_test"),
        generation=Generation.EXECUTIONS,
        clock=clock,
        rng=random.Random(1),
        inner=httpx.MockTransport(lamina),
    )
    yield made
    made.close()


@pytest.fixture
def budget(clock) -> Budget:
    return Budget(100, clock)


@pytest.fixture
def keys(engines, writer, client, budget, clock) -> KeyRing:
    return KeyRing(engines, writer, client, budget, clock)


@pytest.fixture
def receiver(writer, keys, clock) -> Receiver:
    return Receiver(writer, keys, clock)


@pytest.fixture
def app(receiver) -> Starlette:
    return Starlette(routes=[Route(PATH, receiver.receive, methods=["POST"])])


class Post:
    """One webhook as Lamina would send it, every part open to change."""

    def __init__(self, clock, key: SigningKey) -> None:
        self.key = key
        self.body = json.dumps({"data": {"executionId": "e-1", "workflowId": "app-1", "status": "completed"}}).encode()
        self.timestamp = str(int(clock.now().timestamp()))
        self.request_id: str | None = "e-1"

    def headers(self) -> dict[str, str]:
        made = {
            signing.SIGNATURE_HEADER: self.key.sign(self.timestamp, self.body),
            signing.TIMESTAMP_HEADER: self.timestamp,
            signing.USER_ID_HEADER: "user-1",
            "Content-Type": "application/json",
        }
        return made if self.request_id is None else made | {signing.REQUEST_ID_HEADER: self.request_id}

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@pytest.fixture
def post(clock, lamina) -> Post:
    return Post(clock, lamina.keys[0])
