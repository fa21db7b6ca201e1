"""Operators' tabs without a browser: websockets that say what Streamlit's page would, and take in the answers."""

import asyncio
import time
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_SCREEN = "executions"
_PATIENCE = 2.5  # seconds after which a part that has not come is left out until the next time
_VIEWS = ("", "status=failed", "range=7d", "origin=form&status=completed", "triage=open", "status=failed&range=30d")


@dataclass
class Watch:
    """Milliseconds of what ended while it was on; `behind`: refreshes left out, for the last one was not done."""

    is_on: bool = False
    refreshes: list[float] = field(default_factory=list)
    webhooks: list[float] = field(default_factory=list)
    behind: int = 0


@dataclass
class Board:
    """Where sessions note their times: the present watch."""

    watch: Watch = field(default_factory=Watch)


@dataclass
class Session:
    """An operator's tab; `parts` are what refreshes by itself, and how often in seconds."""

    place: int
    port: int
    board: Board
    page: str = ""
    parts: dict[str, float] = field(default_factory=dict)

    async def stay(self) -> None:
        """Open the screen and refresh it until cancelled; a refresh lasts from when it is due to the last part."""
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        async with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None, compression=None) as line:
            await line.send(self._ask(None))
            await self._listen(line, set())
            interval = min(self.parts.values())
            due = time.perf_counter() + interval
            while True:
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                for part in self.parts:
                    await line.send(self._ask(part))
                watch, is_whole = self.board.watch, True
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await self._listen(line, set(self.parts))
                except TimeoutError:
                    is_whole = False  # Streamlit leaves out what is asked for by itself while it is busy
                took = time.perf_counter() - due
                due += interval
                if watch.is_on and is_whole:
                    watch.refreshes.append(took * 1000)
                watch.behind += watch.is_on and not is_whole
                while due + interval < time.perf_counter():
                    due += interval
                    watch.behind += watch.is_on

    def _ask(self, part: str | None) -> bytes:
        asked = BackMsg()
        rerun = asked.rerun_script
        rerun.query_string = _VIEWS[self.place % len(_VIEWS)]
        rerun.context_info.timezone = "UTC"
        if part is None:
            rerun.page_name = _SCREEN
        else:
            rerun.page_script_hash, rerun.fragment_id, rerun.is_auto_rerun = self.page, part, True
        return bytes(asked.SerializeToString())

    async def _listen(self, line: ClientConnection, parts: set[str]) -> None:
        """Take in messages until all these parts were run, or, without any, the whole screen."""
        while True:
            message = ForwardMsg.FromString(bytes(await line.recv(decode=False)))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.page = message.new_session.page_script_hash
            elif kind == "auto_rerun":
                self.parts[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "script_finished":
                parts -= set(message.metadata.run.fragment_ids)
                if not parts and self.parts:
                    return
