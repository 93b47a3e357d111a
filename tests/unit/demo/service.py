"""A stand-in for the service's edge, as small as the protocol allows: join, WHIP, WHEP, the room."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from server.demo.loopback import loopback_candidates

Answer = tuple[int, dict[str, Any]]
TOKEN = "participant-token"
JOINED: Answer = (
    201,
    {
        "participant": "me",
        "role": "enterprise",
        "token": TOKEN,
        "base": "/live/0/one",
        "ice_servers": [],
        "inspection": "one",
        "expires_at": "2030-01-01T00:00:00Z",
    },
)


def refused(status: int, code: str, **more: Any) -> Answer:
    return status, {"error": {"code": code, "message": f"because {code}", "request_id": "r", **more}}


class Service:
    """Records what it is asked; what it answers can be set before."""

    def __init__(self) -> None:
        self.join_answers: list[Answer] = [JOINED]
        self.joins: list[dict[str, Any]] = []
        self.whip_refusal: Answer | None = None
        self.connections: list[RTCPeerConnection] = []
        self.tracks: list[Any] = []
        self.sources: list[str] = []
        self.deleted: list[str] = []
        self.said: list[dict[str, Any]] = []
        self.after: list[int] = []
        self.protocols: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.room_status: int | None = None
        self.greeting: list[dict[str, Any]] = [{"type": "hello", "seq": 0, "state": "live"}]
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda m: {"type": "ack", "re": m["id"]}
        self.changed = asyncio.Condition()
        self.relay = MediaRelay()
        self.playing: Any = None

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait until something that happened makes `condition` true."""
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(condition)

    async def tell(self, **message: Any) -> None:
        """Send a message on the newest room connection."""
        await self.sockets[-1].send_json(message)

    async def until_connected(self, count: int = 1) -> None:
        """Wait until this side, too, has connected: the client is ready one flight of the handshake earlier."""
        await self.until(
            lambda: [c.connectionState for c in self.connections[:count]] == ["connected"] * count
        )

    def heard(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.said if m["type"] == kind]

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _join(self, request: web.Request) -> web.Response:
        self.joins.append(await request.json())
        status, body = self.join_answers.pop(0) if len(self.join_answers) > 1 else self.join_answers[0]
        return web.json_response(body, status=status)

    async def _offer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response(refused(401, "unauthenticated")[1], status=401)
        if self.whip_refusal is not None:
            return web.json_response(self.whip_refusal[1], status=self.whip_refusal[0])
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.on("track", self.tracks.append)
        connection.on("connectionstatechange", self._notify)
        self.connections.append(connection)
        await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        if "slot" in request.match_info:
            connection.addTrack(self.relay.subscribe(self.playing))
        self.sources.append(request.query.get("source", ""))
        with loopback_candidates(True):
            await connection.setLocalDescription(await connection.createAnswer())
        await self._notify()
        return web.Response(
            status=201,
            text=connection.localDescription.sdp,
            content_type="application/sdp",
            headers={"Location": f"/live/0/one/sessions/{len(self.connections)}"},
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["id"])
        await self.connections[int(request.match_info["id"]) - 1].close()
        await self._notify()
        return web.Response(status=204)

    async def _room(self, request: web.Request) -> web.StreamResponse:
        if self.room_status is not None:
            return web.Response(status=self.room_status)
        self.protocols.append(request.headers["Sec-WebSocket-Protocol"])
        self.after.append(int(request.query["after"]))
        socket = web.WebSocketResponse(protocols=("yunkan.v1",))
        await socket.prepare(request)
        self.sockets.append(socket)
        for message in self.greeting:
            await socket.send_json(message)
        await self._notify()
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                message = json.loads(frame.data)
                self.said.append(message)
                await socket.send_json(self.answer(message))
                await self._notify()
        return socket

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/v1/join", self._join),
                web.post("/live/0/one/whip", self._offer),
                web.post("/live/0/one/whep/{slot}", self._offer),
                web.delete("/live/0/one/sessions/{id}", self._delete),
                web.get("/live/0/one/room", self._room),
            ]
        )
        return app

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()
        await asyncio.gather(*(connection.close() for connection in self.connections))


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Service, str]]:
    """A running stand-in and its address."""
    service = Service()
    async with TestServer(service.application(), host="127.0.0.1") as server:
        try:
            yield service, str(server.make_url("/"))
        finally:
            await service.close()
