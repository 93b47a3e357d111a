"""A server as aiortc's own examples show it: MediaRelay to the viewers, MediaRecorder to a file. Run as a process.

python -m server.bench.aiortc_server FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder, MediaRelay

from server.demo.loopback import loopback_candidates


class Server:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._relay = MediaRelay()
        self._connections: list[RTCPeerConnection] = []
        self._tracks: dict[str, list[MediaStreamTrack]] = {}
        self._recorders: dict[str, MediaRecorder] = {}

    async def publish(self, request: web.Request) -> web.Response:
        room = request.match_info["room"]
        connection = self._open()
        recorder = self._recorders[room] = MediaRecorder(str(self._folder / f"{room}.mp4"))
        tracks = self._tracks[room] = []

        @connection.on("track")
        def _(track: MediaStreamTrack) -> None:
            tracks.append(track)
            recorder.addTrack(self._relay.subscribe(track))

        response = await self._answer(connection, request)
        await recorder.start()
        return response

    async def view(self, request: web.Request) -> web.Response:
        connection = self._open()
        for track in self._tracks[request.match_info["room"]]:
            connection.addTrack(self._relay.subscribe(track))
        return await self._answer(connection, request)

    async def stop(self, request: web.Request) -> web.Response:
        await self._recorders[request.match_info["room"]].stop()
        return web.Response()

    def _open(self) -> RTCPeerConnection:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.append(connection)
        return connection

    @staticmethod
    async def _answer(connection: RTCPeerConnection, request: web.Request) -> web.Response:
        await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        with loopback_candidates(True):
            await connection.setLocalDescription(await connection.createAnswer())
        return web.Response(text=connection.localDescription.sdp)


async def serve(folder: Path) -> None:
    server = Server(folder)
    app = web.Application()
    app.router.add_post("/publish/{room}", server.publish)
    app.router.add_post("/view/{room}", server.view)
    app.router.add_post("/stop/{room}", server.stop)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on {runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
