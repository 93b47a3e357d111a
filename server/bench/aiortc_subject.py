"""Stock aiortc: decodes, encodes again, records by encoding once more."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from aiohttp import ClientSession

from server.bench.peer import Peer
from server.bench.processes import Child, ServerFailed
from server.bench.subject import RecordingState, playable_s


class AiortcSubject:
    """`server.bench.aiortc_server` in a process of its own."""

    name = "aiortc"
    encoded = True
    address = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: Child | None = None
        self._http: ClientSession | None = None
        self._address = ""

    @property
    def pid(self) -> int:
        assert self._child is not None  # noqa: S101
        return self._child.pid

    async def open(self) -> None:
        self._child = Child(
            [sys.executable, "-m", "server.bench.aiortc_server", str(self._folder)],
            self._folder / "aiortc.log",
            {"PYTHONUNBUFFERED": "1"},
        )
        line = await self._child.line("listening on")
        self._address = f"http://127.0.0.1:{line.split()[-1]}"
        self._http = ClientSession()

    async def publish(self, index: int, peer: Peer) -> None:
        await peer.connect(await self._post(f"/publish/{index}", peer.offer))

    async def view(self, index: int, peer: Peer) -> None:
        await peer.connect(await self._post(f"/view/{index}", peer.offer))

    async def recording(self, index: int) -> RecordingState:
        begun = time.monotonic()
        path = self._folder / f"{index}.mp4"
        held_s = await asyncio.to_thread(playable_s, path)
        await self._post(f"/stop/{index}", "")
        return RecordingState(held_s is not None, held_s or 0.0, time.monotonic() - begun)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
        if self._child is not None:
            await self._child.stop()

    async def _post(self, path: str, body: str) -> str:
        assert self._http is not None  # noqa: S101
        async with self._http.post(self._address + path, data=body) as response:
            if response.status != 200:
                raise ServerFailed(f"{path}: {response.status}")
            return await response.text()
