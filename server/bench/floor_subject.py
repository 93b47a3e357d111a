"""The floor as a server under test, and as a calculation from its tight loop."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from server.bench import floor, sdp
from server.bench.clip import Clip
from server.bench.peer import Peer
from server.bench.processes import Child, ServerFailed
from server.bench.subject import RecordingState

_GREETINGS = 20
_GREETING_S = 0.1
_TIGHT_TIMEOUT_S = 60


class StaticKeys:
    """In place of a handshake: both ends know the key."""

    protect: Callable[[bytes], bytes]
    unprotect: Callable[[bytes], bytes]
    protect_rtcp: Callable[[bytes], bytes]
    unprotect_rtcp: Callable[[bytes], bytes]

    def __init__(self) -> None:
        inward, outward = floor.inward(), floor.outward()
        self.protect, self.unprotect = outward.protect, inward.unprotect
        self.protect_rtcp, self.unprotect_rtcp = outward.protect_rtcp, inward.unprotect_rtcp

    def feed(self, _datagram: bytes, /) -> bool:
        return False

    async def connect(self, _fingerprints: object, /) -> bool:
        return True

    async def close(self) -> None:
        return


class FloorSubject:
    """Forwards and does nothing else: no negotiation, no repair, no recording."""

    name = "floor"
    encoded = False
    address = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: Child | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        assert self._child is not None  # noqa: S101
        return self._child.pid

    async def open(self) -> None:
        self._child = Child(
            [sys.executable, "-m", "server.bench.floor", "forward"], self._folder / "floor.log", {}
        )
        self._port = int((await self._child.line("listening on")).split()[-1])

    async def publish(self, index: int, peer: Peer) -> None:
        await self._greet(peer, b"P%d" % index)

    async def view(self, index: int, peer: Peer) -> None:
        await self._greet(peer, b"V%d" % index)

    async def recording(self, index: int) -> RecordingState:
        return RecordingState(False, 0.0, 0.0, "none")

    async def close(self) -> None:
        if self._child is not None:
            await self._child.stop()

    async def _greet(self, peer: Peer, greeting: bytes) -> None:
        address = ("127.0.0.1", self._port)
        peer.remote = sdp.Remote(
            "floor", "floor", [], "client", address, {sdp.OPUS: "audio", sdp.H264: "video"}
        )
        peer.secure = StaticKeys()
        peer.socket.connect(address)
        peer.socket.send(greeting)
        for _ in range(_GREETINGS):
            await asyncio.sleep(_GREETING_S / 10)
            try:
                if peer.socket.recv(16) == b"ok":
                    return
            except BlockingIOError:
                continue
        raise ServerFailed("the floor's forwarder does not answer")


async def tight_percent(clip: Clip, viewers: int) -> float:
    """% of one core per inspection by the tight loop: each packet comes in once and goes out to every viewer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.bench.floor",
        "tight",
        str(clip.mean_bytes),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), _TIGHT_TIMEOUT_S)
    cost_us = json.loads(output)
    per_packet_us: float = cost_us["in"] + viewers * cost_us["out"]
    return clip.packets_per_s * per_packet_us / 1e6 * 100
