"""Stock aiortc peers of the engine in the same process, an observer that remembers, and a lossy network."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from server.media import MediaEngine, Part, PartSegment, Session, Slot
from server.media.bridge import Certificate
from server.media.port import MediaPort
from server.media.session import Host


@dataclass
class Observer:
    """Remembers what it is told, in order."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _note(self, name: str, value: Any) -> None:
        self.events.append((name, value))
        self.changed.set()

    def slot_live(self, slot: Slot) -> None:
        self._note("live", slot.id)

    def slot_interrupted(self, slot: Slot, cause: str) -> None:
        self._note("interrupted", cause)

    def slot_lacking(self, slot: Slot, kind: str, since: datetime) -> None:
        self._note("lacking", (kind, since))

    def slot_complete(self, slot: Slot, kind: str, since: datetime) -> None:
        self._note("complete", (kind, since))

    def part_opened(self, slot: Slot, part: Part) -> None:
        self._note("opened", part)

    def part_segment(self, slot: Slot, part: Part, segment: PartSegment) -> None:
        self._note("segment", segment)

    def part_closed(self, slot: Slot, part: Part) -> None:
        self._note("closed", part)

    def recording_failed(self, slot: Slot, reason: str) -> None:
        self._note("failed", reason)

    def all(self, name: str) -> list[Any]:
        return [value for kind, value in self.events if kind == name]

    async def wait_for(self, name: str, count: int = 1, timeout_s: float = 20.0) -> Any:
        """The `count`-th event of that name."""

        async def seen() -> Any:
            while len(self.all(name)) < count:
                self.changed.clear()
                await self.changed.wait()
            return self.all(name)[count - 1]

        return await asyncio.wait_for(seen(), timeout_s)


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    async def poll() -> None:
        while not condition():  # noqa: ASYNC110 - a condition of the engine, which sets no event for it
            await asyncio.sleep(0.02)

    await asyncio.wait_for(poll(), timeout_s)


def video_codecs(name: str) -> list[Any]:
    capabilities = RTCRtpSender.getCapabilities("video").codecs
    return [codec for codec in capabilities if codec.mimeType in (f"video/{name}", "video/rtx")]


class Phone:
    """Publishes tracks into a slot."""

    def __init__(self, tracks: Iterable[MediaStreamTrack], codec: str = "H264") -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks = list(tracks)
        for track in self.tracks:
            transceiver = self.connection.addTransceiver(track, direction="sendonly")
            if track.kind == "video":
                transceiver.setCodecPreferences(video_codecs(codec))
        self.session: Session | None = None

    async def publish(self, slot: Slot) -> Session:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.session = await slot.publish(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(self.session.answer_sdp, "answer"))
        return self.session

    async def close(self) -> None:
        for track in self.tracks:
            track.stop()
        await self.connection.close()


@dataclass
class Seen:
    kind: str
    pts: int
    frame: Any
    at: float


class Desk:
    """Views a slot and keeps the decoded frames."""

    def __init__(self, kinds: Iterable[str] = ("video", "audio"), codec: str | None = None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.seen: list[Seen] = []
        self._readers: list[asyncio.Task[None]] = []
        self.connection.on("track", self._track)
        for kind in kinds:
            transceiver = self.connection.addTransceiver(kind, direction="recvonly")
            if kind == "video" and codec is not None:
                transceiver.setCodecPreferences(video_codecs(codec))
        self.session: Session | None = None

    def _track(self, track: MediaStreamTrack) -> None:
        self._readers.append(asyncio.get_running_loop().create_task(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            assert frame.pts is not None
            self.seen.append(Seen(track.kind, frame.pts, frame, asyncio.get_running_loop().time()))

    async def view(self, slot: Slot) -> Session:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.session = await slot.view(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(self.session.answer_sdp, "answer"))
        return self.session

    def of(self, kind: str) -> list[Seen]:
        return [item for item in self.seen if item.kind == kind]

    async def frames(self, kind: str, count: int, timeout_s: float = 20.0) -> list[Seen]:
        await until(lambda: len(self.of(kind)) >= count, timeout_s)
        return self.of(kind)

    async def close(self) -> None:
        await self.connection.close()
        await asyncio.gather(*self._readers)


class LossySocket:
    """A UDP socket that loses datagrams by a rule; True loses the datagram."""

    def __init__(self, udp: socket.socket) -> None:
        self._udp = udp
        self.lose_inward: Callable[[bytes], bool] = lambda _: False
        self.lose_outward: Callable[[bytes], bool] = lambda _: False

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        while True:
            datagram, address = self._udp.recvfrom(size)
            if not self.lose_inward(datagram):
                return datagram, address

    def sendto(self, datagram: bytes, address: Any) -> int:
        if self.lose_outward(datagram):
            return len(datagram)
        return self._udp.sendto(datagram, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._udp, name)


async def lossy_engine() -> tuple[MediaEngine, LossySocket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    udp.bind(("127.0.0.1", 0))
    lossy = LossySocket(udp)
    port = MediaPort(lossy)  # type: ignore[arg-type]
    host = Host(port, Certificate.generateCertificate(), [port.address])
    return MediaEngine(port, host), lossy


def is_media(datagram: bytes) -> bool:
    """SRTP, not SRTCP."""
    return 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223
