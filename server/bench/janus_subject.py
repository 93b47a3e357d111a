"""Janus VideoRoom with recording: configured in a temporary folder, spoken to over a Unix socket.

Janus leaves loopback interfaces out whatever its settings say, so its media sockets are on an address of this machine
that is none; the kernel carries what both ends of it send on the loopback interface all the same.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from server.bench import sdp
from server.bench.peer import Peer
from server.bench.processes import Child, ServerFailed
from server.bench.subject import RecordingState, Unavailable
from server.serving import own_addresses

_ANSWER_TIMEOUT_S = 20.0
_READY_S = 15.0
# Its Unix socket does not always come up: it may say that it has started and end all the same.
_STARTS = 10
_CONVERT_S = 120
_FEED_TRIES, _FEED_WAIT_S = 100, 0.05
_MAX_MESSAGE = 1 << 18
_LIBRARIES = ("/usr/lib/*/janus", "/usr/lib/janus", "/opt/janus/lib/janus", "/usr/local/lib/janus")

_CORE = """
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{libraries}/plugins"
  transports_folder = "{libraries}/transports"
  events_folder = "{folder}/none"
  loggers_folder = "{folder}/none"
  debug_level = 4
  session_timeout = 0
  protected_folders = []
}}
nat: {{ ice_lite = true, ice_enforce_list = "{address}" }}
plugins: {{ disable = "{others}" }}
transports: {{ disable = "{transports}" }}
"""
_SOCKET = """
general: {{ enabled = true, json = "compact", path = "{path}", type = "SOCK_SEQPACKET" }}
admin: {{ admin_enabled = false }}
"""


class JanusSubject:
    """One room per inspection: one publisher, recorded as Janus records (.mjr files)."""

    name = "janus"
    encoded = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recordings = folder / "recordings"
        self._child: Child | None = None
        self._socket: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._publishers: dict[int, tuple[int, int]] = {}
        self._session = 0
        self.address = ""

    @property
    def pid(self) -> int:
        assert self._child is not None  # noqa: S101
        return self._child.pid

    async def open(self) -> None:
        program, libraries = await asyncio.to_thread(self._find)
        addresses = own_addresses()
        if not addresses:
            raise Unavailable("janus needs an address that is not loopback, and this machine has none")
        self.address = addresses[0]
        path = self._folder / "api"
        await asyncio.to_thread(self._configure, libraries, path)
        for start in range(_STARTS):
            self._child = Child(
                [program, "-F", str(self._folder), "-C", str(self._folder / "janus.jcfg")],
                self._folder / f"janus-{start}.log",
                {},
            )
            try:
                await self._child.line("Unix Sockets transport plugin initialized")
                if "Unix Sockets thread ended" in self._child.tail():
                    raise ServerFailed(self._child.tail())
                self._socket = await self._dial(path)
                break
            except ServerFailed:
                await self._child.stop()
                await asyncio.to_thread(path.unlink, missing_ok=True)
                if start == _STARTS - 1:
                    raise
        self._reader = asyncio.create_task(self._read())
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]

    async def publish(self, index: int, peer: Peer) -> None:
        handle = await self._attach()
        room = 1000 + index
        await self._request(
            handle,
            {
                "request": "create",
                "room": room,
                "publishers": 1,
                "audiocodec": "opus",
                "videocodec": "h264",
                "h264_profile": "42e01f",
                "record": True,
                "rec_dir": str(self._recordings),
                "audiolevel_ext": False,
            },
        )
        joined = await self._request(
            handle,
            {"request": "joinandconfigure", "room": room, "ptype": "publisher", "filename": f"part-{index}"},
            {"type": "offer", "sdp": peer.offer},
        )
        self._publishers[index] = (handle, joined["plugindata"]["data"]["id"])
        await self._connect(handle, peer, joined["jsep"]["sdp"])

    async def view(self, index: int, peer: Peer) -> None:
        handle = await self._attach()
        attached = await self._subscribe(handle, index)
        offer = attached["jsep"]["sdp"]
        await self._request(
            handle, {"request": "start"}, {"type": "answer", "sdp": sdp.answer(peer.local, offer)}
        )
        await self._connect(handle, peer, offer)

    async def recording(self, index: int) -> RecordingState:
        begun = time.monotonic()
        handle = self._publishers[index][0]
        await self._request(handle, {"request": "configure", "record": False})
        await self._request(handle, {"request": "unpublish"})
        converter = await asyncio.to_thread(shutil.which, "janus-pp-rec")
        if converter is None:
            return RecordingState(False, 0.0, 0.0, "the program janus-pp-rec is not installed")
        sources = await asyncio.to_thread(lambda: sorted(self._recordings.glob(f"part-{index}-*.mjr")))
        for source in sources:
            suffix = "opus" if "audio" in source.name else "mp4"
            process = await asyncio.create_subprocess_exec(
                converter,
                str(source),
                str(source.with_suffix(f".{suffix}")),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            if await asyncio.wait_for(process.wait(), _CONVERT_S):
                return RecordingState(False, 0.0, 0.0, f"janus-pp-rec failed on {source.name}")
        if not sources:
            return RecordingState(False, 0.0, 0.0, "no .mjr file was written")
        return RecordingState(
            False, 0.0, time.monotonic() - begun, "janus-pp-rec; sound and picture still in two files"
        )

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        if self._child is not None:
            await self._child.stop()

    # -- inner -----------------------------------------------------------------------------------

    @staticmethod
    def _find() -> tuple[str, Path]:
        program = shutil.which("janus")
        if program is None:
            raise Unavailable("the program janus is not installed (Debian: apt install janus janus-tools)")
        for pattern in _LIBRARIES:
            for folder in Path("/").glob(pattern[1:]):
                if (folder / "plugins" / "libjanus_videoroom.so").exists():
                    return program, folder
        raise Unavailable("the plugins of janus were not found")

    def _configure(self, libraries: Path, path: Path) -> None:
        self._recordings.mkdir()
        others = sorted(
            file.name for file in (libraries / "plugins").glob("*.so") if file.name != "libjanus_videoroom.so"
        )
        transports = sorted(
            file.name for file in (libraries / "transports").glob("*.so") if file.name != "libjanus_pfunix.so"
        )
        core = _CORE.format(
            folder=self._folder,
            address=self.address,
            libraries=libraries,
            others=",".join(others),
            transports=",".join(transports),
        )
        (self._folder / "janus.jcfg").write_text(core)
        (self._folder / "janus.transport.pfunix.jcfg").write_text(_SOCKET.format(path=path))
        (self._folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")

    async def _dial(self, path: Path) -> socket.socket:
        deadline = time.monotonic() + _READY_S
        loop = asyncio.get_running_loop()
        assert self._child is not None  # noqa: S101
        while True:
            self._child.check()
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            client.setblocking(False)
            try:
                await loop.sock_connect(client, str(path))
            except OSError as error:
                client.close()
                if time.monotonic() > deadline:
                    raise ServerFailed(f"janus does not answer: {self._child.tail()}") from error
                await asyncio.sleep(0.05)
            else:
                return client

    async def _subscribe(self, handle: int, index: int) -> dict[str, Any]:
        """A feed is there a moment after its publisher's handshake has ended on our side."""
        body = {
            "request": "join",
            "room": 1000 + index,
            "ptype": "subscriber",
            "streams": [{"feed": self._publishers[index][1]}],
        }
        for _ in range(_FEED_TRIES):
            try:
                return await self._request(handle, body)
            except ServerFailed as error:
                if "No such feed" not in str(error):
                    raise
                await asyncio.sleep(_FEED_WAIT_S)
        raise ServerFailed("janus: the publisher's feed did not come up")

    async def _attach(self) -> int:
        body = {"janus": "attach", "session_id": self._session, "plugin": "janus.plugin.videoroom"}
        handle: int = (await self._ask(body))["data"]["id"]
        return handle

    async def _connect(self, handle: int, peer: Peer, remote_sdp: str) -> None:
        trickle = {"janus": "trickle", "session_id": self._session, "handle_id": handle}
        await self._ask({**trickle, "candidate": {"completed": True}}, acknowledged=True)
        await peer.connect(remote_sdp)

    async def _request(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        message: dict[str, Any] = {
            "janus": "message",
            "session_id": self._session,
            "handle_id": handle,
            "body": body,
        }
        if jsep is not None:
            message["jsep"] = jsep
        answer = await self._ask(message)
        data = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise ServerFailed(f"janus {body['request']}: {data['error']}")
        return answer

    async def _ask(self, message: dict[str, Any], *, acknowledged: bool = False) -> dict[str, Any]:
        assert self._socket is not None  # noqa: S101
        transaction = secrets.token_hex(8)
        answers = self._answers[transaction] = asyncio.Queue()
        await asyncio.get_running_loop().sock_sendall(
            self._socket, json.dumps({**message, "transaction": transaction}).encode()
        )
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                answer = await answers.get()
                # An asynchronous request is acknowledged first and answered by an event later.
                while answer["janus"] == "ack" and not acknowledged:
                    answer = await answers.get()
        finally:
            del self._answers[transaction]
        if answer["janus"] == "error":
            raise ServerFailed(f"janus: {answer['error']['reason']}")
        return answer

    async def _read(self) -> None:
        assert self._socket is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._socket, _MAX_MESSAGE):
            message = json.loads(data)
            answers = self._answers.get(message.get("transaction", ""))
            if answers is not None:
                answers.put_nowait(message)
