"""Yunkan as it is installed: `yunkan serve` with a data folder of its own, joined through its API."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType
from yarl import URL

from server.bench.peer import Peer
from server.bench.processes import Child, ServerFailed
from server.bench.subject import RecordingState, playable_s
from server.demo.joining import Joined, join

_TOKEN_TIMEOUT_S = 60
_FINAL_TIMEOUT_S = 20.0
_CASE = {
    "matter": "seed-licence-address",
    "enterprise": {"name": "Benchmark", "credit_code": "91370503MA3C0FHY70"},
    "licence": {"kind": "seed-b", "number": "1"},
    "change": {"old_address": "1", "new_address": "2"},
}


@dataclass(slots=True)
class _Room:
    inspection: str
    phone: Joined
    sockets: list[ClientWebSocketResponse] = field(default_factory=list)
    session: URL | None = None


class YunkanSubject:
    """Every participant has joined by an invitation and keeps the room's WebSocket open, as pages do."""

    name = "yunkan"
    encoded = False
    address = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._log = folder / "service.log"
        self._environment = {
            "YUNKAN_LISTEN": "127.0.0.1:0",
            "YUNKAN_DATA": str(self.data),
            "YUNKAN_DATABASE_URL": "",
            "YUNKAN_MEDIA_ADDRESS": "127.0.0.1",
            "YUNKAN_MEDIA_PORT": "0",
            "YUNKAN_RESERVE_BYTES": "0",
            "YUNKAN_LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
        }
        self._child: Child | None = None
        self._rooms: dict[int, _Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._case = ""

    @property
    def pid(self) -> int:
        assert self._child is not None  # noqa: S101
        return self._child.pid

    async def open(self) -> None:
        token = await asyncio.to_thread(self._make_token)
        self._child = Child([sys.executable, "-m", "server", "serve"], self._log, self._environment)
        line = await self._child.line('"listening"')
        self._address = str(json.loads(line)["address"])
        # Two sockets for each inspection stay open; the usual limit is a hundred.
        self._http = ClientSession(connector=TCPConnector(limit=0))
        self._headers = {"Authorization": f"Bearer {token}"}
        self._case = (await self._post("/api/v1/cases", _CASE))["id"]

    async def publish(self, index: int, peer: Peer) -> None:
        inspection = (await self._post(f"/api/v1/cases/{self._case}/inspections", {}))["id"]
        room = _Room(inspection, await self._join(inspection, "enterprise"))
        self._rooms[index] = room
        await self._enter(room, room.phone)
        answer, room.session = await self._offer(room.phone, room.phone.base / "whip", peer)
        await peer.connect(answer)

    async def view(self, index: int, peer: Peer) -> None:
        room = self._rooms[index]
        joined = await self._join(room.inspection, "reviewer")
        await self._enter(room, joined)
        slot = await self._slot(room)
        answer, _ = await self._offer(joined, joined.base / "whep" / slot, peer)
        await peer.connect(answer)

    async def recording(self, index: int) -> RecordingState:
        room, begun = self._rooms[index], time.monotonic()
        (path,) = (self.data / "inspections" / room.inspection / "data" / "media").glob("*.mp4")
        held_s = await asyncio.to_thread(playable_s, path)
        assert room.session is not None  # noqa: S101
        async with self._http.delete(room.session, headers=room.phone.headers):
            pass
        while (await self._get(f"/api/v1/inspections/{room.inspection}"))["parts"][0]["sha256"] is None:
            if time.monotonic() - begun > _FINAL_TIMEOUT_S:
                raise ServerFailed("the part was not closed")
            await asyncio.sleep(0.02)
        return RecordingState(held_s is not None, held_s or 0.0, time.monotonic() - begun)

    async def close(self) -> None:
        if self._child is None:
            return
        for room in self._rooms.values():
            for socket in room.sockets:
                await socket.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_http"):
            await self._http.close()
        await self._child.stop()

    def _make_token(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "server", "token", "create", "--role", "reviewer"],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            timeout=_TOKEN_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(done.stderr[-2000:])
        return done.stdout.strip()

    async def _join(self, inspection: str, role: str) -> Joined:
        invited = await self._post(
            f"/api/v1/inspections/{inspection}/invitations", {"role": role, "name": role}
        )
        return await join(self._http, self._address, invited["token"], role, device="bench")

    async def _enter(self, room: _Room, joined: Joined) -> None:
        socket = await self._http.ws_connect(
            joined.base / "room", protocols=("yunkan.v1", f"bearer.{joined.token}"), heartbeat=10
        )
        room.sockets.append(socket)
        task = asyncio.create_task(_listen(socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slot(self, room: _Room) -> str:
        slots = (await self._get(f"/api/v1/inspections/{room.inspection}"))["slots"]
        return str(slots[0]["id"])

    async def _offer(self, joined: Joined, url: URL, peer: Peer) -> tuple[str, URL]:
        headers = {**joined.headers, "Content-Type": "application/sdp"}
        async with self._http.post(url, data=peer.offer, headers=headers) as response:
            body = await response.text()
            if response.status != 201:
                raise ServerFailed(f"{url.path}: {response.status} {body}")
            return body, url.join(URL(response.headers["Location"]))

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(self._address + path, json=body, headers=self._headers) as response:
            if response.status != 201:
                raise ServerFailed(f"{path}: {response.status} {await response.text()}")
            return await response.json()

    async def _get(self, path: str) -> Any:
        async with self._http.get(self._address + path, headers=self._headers) as response:
            if response.status != 200:
                raise ServerFailed(f"{path}: {response.status} {await response.text()}")
            return await response.json()


async def _listen(socket: ClientWebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return
