"""How many webhooks a second become durable, beside what the same server does without storing them.

Every delivery is signed, about 2 KB, and ends an execution of its own, as Lamina's do. Ratios are taken within one
run, round by round, for the machine's speed drifts.
"""

import asyncio
import json
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.figures import Figure
from lamina_core import registration, signing
from lamina_core.clock import SystemClock
from lamina_core.domain import Generation, Origin, Registration
from lamina_core.store import engine, notes
from lamina_core.store.writer import Writer

ROUNDS = 3
DELIVERIES = 3_000  # in one round of one way
NAIVE_DELIVERIES = 400
CONNECTIONS = (16, 64)  # at once; a burst of ends, as the second, is what the receiver is built for
WAYS = {"no-op": "/no-op", "verify": "/verify", "durable": "/webhooks/lamina", "naive": "/naive"}


@dataclass(frozen=True)
class Load:
    """What came of one round: answers a second, and latencies in seconds, sorted."""

    rate: float
    latencies: Sequence[float]

    def at(self, share: float) -> float:
        """Return the latency that this share of the answers stays under."""
        return self.latencies[round(share * (len(self.latencies) - 1))]


def measure() -> list[Figure]:
    """Load each way in turn, a few rounds, and return the medians of the ratios."""
    key = signing.SigningKey.from_seed("bench", secrets.token_bytes(32))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/desk.db"
        names = [f"bench-{place:06}" for place in range(ROUNDS * len(CONNECTIONS) * len(WAYS) * DELIVERIES)]
        _fill(url, names, key)
        with _serving(url) as port:
            unused = iter(names)
            loads = [
                {(way, many): _load_way(port, key, way, many, unused) for many in CONNECTIONS for way in WAYS}
                for _ in range(ROUNDS)
            ]
    many = CONNECTIONS[-1]
    ratios = {way: _median(each["verify", many].rate / each[way, many].rate for each in loads) for way in WAYS}
    for way, connections in loads[0]:
        rate = _median(each[way, connections].rate for each in loads)
        p50, p99 = (_median(each[way, connections].at(share) for each in loads) * 1000 for share in (0.5, 0.99))
        print(f"{way:<8} from {connections:>2} at once {rate:>8.0f}/s   p50 {p50:>7.2f} ms   p99 {p99:>7.2f} ms")
    tail = _median(each["durable", many].at(0.99) / each["durable", many].at(0.5) for each in loads)
    return [
        Figure("webhooks verified / made durable", ratios["durable"], "x", 1 / 0.6, ratios["naive"]),
        Figure("durable webhooks, p99 / p50", tail, "x", 10.0),
    ]


def _median(figures: Iterable[float]) -> float:
    return statistics.median(figures)


def _fill(url: str, names: Sequence[str], key: signing.SigningKey) -> None:
    engines = engine.open_engines(url)
    engine.migrate(engines.write)
    writer = Writer(engines.write, SystemClock())
    writer.start()
    now = datetime.now(UTC)
    rows = [Registration(name, "app-1", Origin.REGISTERED, {}, now) for name in names]
    writer.run(lambda connection: registration.register(connection, rows, "bench", Generation.EXECUTIONS, now))
    key_set = {"keys": [signing.to_jwk(key.public())]}
    writer.run(lambda connection: notes.write(connection, notes.KEY_SET, key_set, now))
    writer.stop()
    engines.close()


@contextmanager
def _serving(url: str) -> Generator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.receiving", str(port), url]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _load_way(port: int, key: signing.SigningKey, way: str, connections: int, unused: Iterator[str]) -> Load:
    count = NAIVE_DELIVERIES if way == "naive" else DELIVERIES
    requests = [build_delivery(WAYS[way], key, next(unused)) for _ in range(count)]
    return asyncio.run(_load(port, requests, connections))


def build_delivery(path: str, key: signing.SigningKey, name: str) -> bytes:
    """Return a signed request that ends an execution."""
    now = datetime.now(UTC)
    output = {"id": "n-1", "label": "Picture", "type": "image", "status": "completed", "error": None}
    output["value"] = f"https://media.example.com/{name}/{'x' * 1_500}.png"
    report = {
        "executionId": name,
        "workflowId": "app-1",
        "status": "completed",
        "outputs": [output],
        "errorMessage": None,
        "createdAt": now.isoformat(),
        "startedAt": now.isoformat(),
        "completedAt": now.isoformat(),
    }
    body = json.dumps({"data": report}).encode()
    stamp = str(int(now.timestamp()))
    head = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"{signing.SIGNATURE_HEADER}: {key.sign(stamp, body)}",
        f"{signing.TIMESTAMP_HEADER}: {stamp}",
        f"{signing.REQUEST_ID_HEADER}: {name}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _load(port: int, requests: Sequence[bytes], connections: int) -> Load:
    waiting, latencies = iter(requests), []

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the receiver answered {head[:40]!r}")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(connections)))
    return Load(len(requests) / (time.perf_counter() - began), sorted(latencies))
