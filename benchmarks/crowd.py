"""How many operators may watch at once: sessions that refresh every three seconds, over a million executions.

A session is one websocket that does what the screen does in a browser: it opens Executions with filters of its own,
and asks for every part that refreshes as often as the server told it to. A refresh lasts from that to the last part's
end; each message is unpacked, none is drawn. Signed webhooks arrive meanwhile. This process shares the machine.
"""

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import stores
from benchmarks.figures import Figure
from benchmarks.processes import Running, running, wait_for_port
from benchmarks.receiver import build_delivery
from benchmarks.sessions import Board, Session, Watch
from lamina_core import registration, signing
from lamina_core.clock import SystemClock
from lamina_core.domain import Generation, Origin, Registration
from lamina_core.store import engine, notes
from lamina_core.store.writer import Writer
from lamina_core.webhooks import receiver

EXECUTIONS = 1_000_000
OPERATORS, STEPS = 100, (50, 100, 150, 200, 250, 300)
_REFRESH, _WEBHOOK = 300.0, 50.0  # milliseconds that p95 may take
_WARM_UP, _WATCHED = 6.0, 15.0  # seconds of each step
_WEBHOOKS = 1_200  # more than are sent
_PAUSE = 0.2  # seconds between two webhooks
_BETWEEN = 0.07  # seconds between two who come: their refreshes lie apart


def measure() -> list[Figure]:
    """Let more and more operators in, until they wait too long, and return what holds for a hundred."""
    key = signing.SigningKey.from_seed("bench", secrets.token_bytes(32))
    names = [f"crowd-{secrets.token_hex(6)}-{place}" for place in range(_WEBHOOKS)]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{stores.copy_file(EXECUTIONS, Path(folder))}"
        _prepare(url, names, key)
        with running(url) as desk:
            wait_for_port(desk.port)
            watches = asyncio.run(_fill(desk, key, iter(names)))
    held = [number for number, watch in watches.items() if _p95(watch.refreshes) <= _REFRESH]
    print(f"within {_REFRESH:.0f} ms up to {max(held, default=0)} operators, of {max(watches)} that were tried")
    watch, alone = watches[OPERATORS], watches[1]
    return [
        Figure(
            f"a refresh of {OPERATORS} operators, p95", _p95(watch.refreshes), "ms", _REFRESH, _p95(alone.refreshes)
        ),
        Figure("webhook meanwhile, p95", _p95(watch.webhooks), "ms", _WEBHOOK, _p95(alone.webhooks)),
    ]


def _prepare(url: str, names: Sequence[str], key: signing.SigningKey) -> None:
    """Register the executions that webhooks end, and the key that these are signed with."""
    engines = engine.open_engines(url)
    writer = Writer(engines.write, SystemClock())
    writer.start()
    now = datetime.now(UTC)
    rows = [Registration(name, "app-1", Origin.REGISTERED, {}, now) for name in names]
    writer.run(lambda connection: registration.register(connection, rows, "bench", Generation.EXECUTIONS, now))
    key_set = {"keys": [signing.to_jwk(key.public())]}
    writer.run(lambda connection: notes.write(connection, notes.KEY_SET, key_set, now))
    writer.stop()
    engines.close()


async def _fill(desk: Running, key: signing.SigningKey, names: Iterator[str]) -> dict[int, Watch]:
    """Raise the number of sessions step by step; the first step is one operator alone."""
    watches: dict[int, Watch] = {}
    board, sessions = Board(), list[asyncio.Task[None]]()
    sender = asyncio.create_task(_send_webhooks(desk.port, key, names, board))
    print(f"{'operators':>9}{'refresh p50':>13}{'p95':>8}{'left out':>10}{'webhook p95':>13}{'CPU':>7}{'memory':>9}")
    for number in (1, *STEPS):
        for place in range(len(sessions), number):
            sessions.append(asyncio.create_task(Session(place, desk.port, board).stay()))
            await asyncio.sleep(_BETWEEN)
        await asyncio.sleep(_WARM_UP)
        watch = board.watch = watches[number] = Watch(is_on=True)
        used, began = desk.read_cpu(), time.monotonic()
        await asyncio.sleep(_WATCHED)
        watch.is_on = False
        _tell(number, watch, (desk.read_cpu() - used) / (time.monotonic() - began), desk.read_memory())
        for task in (sender, *sessions):
            if task.done():
                task.result()  # whatever ended it
        if _p95(watch.refreshes) > 2 * _REFRESH and number >= OPERATORS:
            break
    for task in (sender, *sessions):
        task.cancel()
    await asyncio.gather(sender, *sessions, return_exceptions=True)
    return watches


async def _send_webhooks(port: int, key: signing.SigningKey, names: Iterator[str], board: Board) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for name in names:
        await asyncio.sleep(_PAUSE)
        request = build_delivery(receiver.PATH, key, name)
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the receiver answered {head[:40]!r}")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        if board.watch.is_on:
            board.watch.webhooks.append((time.perf_counter() - began) * 1000)


def _tell(number: int, watch: Watch, cpu: float, memory: float) -> None:
    refresh = f"{statistics.median(watch.refreshes):>13.0f}{_p95(watch.refreshes):>8.0f}{watch.behind:>10}"
    print(f"{number:>9}{refresh}{_p95(watch.webhooks):>13.1f}{cpu:>7.0%}{memory:>6.0f} MB")


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[18]
