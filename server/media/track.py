"""Audio or video of a slot: the one timeline, the ring, and the way of a packet to viewers and recorder."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from .codecs import CLOCK_HZ, Kind, VideoCodec
from .ring import Ring
from .rtp import HEADER, HEADER_SIZE
from .timeline import Source, Timeline

RING_AGE_S = 12.0
_pack = HEADER.pack
_RING: dict[Kind, tuple[int, int]] = {"video": (8192, 12 << 20), "audio": (1024, 1 << 20)}


Forward: TypeAlias = Callable[[bytes], None]
"Takes one slot-form packet to a viewer."


class Sink(Protocol):
    """A viewer's end of a track."""

    def begin(self, packet: bytes) -> Forward | None:
        """From this packet on the viewer gets all of the stream; None for one that cannot take it."""


class Tap(Protocol):
    """The recorder's end of a track."""

    def packet(self, kind: Kind, packet: bytes, now: float) -> None: ...


class ClockReport(NamedTuple):
    """The publisher's latest sender report, on the slot's timeline."""

    ntp: int
    timestamp: int
    arrived_s: float


class Track:
    """Owned by the slot; publishers come and go."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.clock_hz = CLOCK_HZ[kind]
        # Below half of the range, so that a viewer's SRTP rollover counter starts unambiguously (RFC 3711 3.3.1).
        self.timeline = Timeline(self.clock_hz, secrets.randbits(14), secrets.randbits(31))
        self.ring = Ring(*_RING[kind], RING_AGE_S)
        self._waiting: tuple[Sink, ...] = ()  # pictures begin with a keyframe
        self._flowing: dict[Sink, Forward] = {}
        self._forwards: tuple[Forward, ...] = ()
        self.tap: Tap | None = None
        self.codec_name: str | None = None
        self.video_codec: VideoCodec | None = None
        self.size: tuple[int, int] | None = None
        self.report: ClockReport | None = None
        self.breaks: list[int] = []
        "Numbers at which another publisher's stream begins."
        self.keyframe_at = 0.0
        "When the latest keyframe began to arrive (monotonic seconds)."
        self.bytes_received = 0
        "Of packets in slot form."
        self.packets_received = 0
        self.frames_received = 0

    def begin(self, codec_name: str, video_codec: VideoCodec | None, source: Source) -> None:
        """A publisher's stream begins."""
        if codec_name != self.codec_name:
            self.ring.clear()
            self.size = None
        self.codec_name, self.video_codec = codec_name, video_codec
        self.report = None
        oldest = source.first_number - 65536
        self.breaks = [*[number for number in self.breaks if number > oldest][-64:], source.first_number]

    def push(self, number: int, timestamp: int, marker: int, payload: bytes, now: float) -> bool:
        """One packet of the present publisher; `marker` is 0x80 or 0. False for one that was there before."""
        packet = _pack(0x80, marker, number & 0xFFFF, timestamp & 0xFFFFFFFF, 0) + payload  # as `slot_form`
        if not self.ring.add(number, packet, now):
            return False
        self.packets_received += 1
        self.bytes_received += len(packet)
        if marker:
            self.frames_received += 1
        codec = self.video_codec
        if codec is None:
            if self._waiting:
                self._admit(packet)
        elif payload[:1] in codec.openings and codec.starts_keyframe(packet, HEADER_SIZE):
            self.keyframe_at = now
            self.size = codec.find_size(packet, HEADER_SIZE) or self.size
            if self._waiting:
                self._admit(packet)
        for forward in self._forwards:
            forward(packet)
        if self.tap is not None:
            self.tap.packet(self.kind, packet, now)
        return True

    @property
    def sinks(self) -> tuple[Sink, ...]:
        return (*self._flowing, *self._waiting)

    def add_sink(self, sink: Sink) -> None:
        """It begins with the next keyframe; with the next packet of sound."""
        self._waiting = (*self._waiting, sink)

    def remove_sink(self, sink: Sink) -> None:
        self._waiting = tuple(item for item in self._waiting if item is not sink)
        self._flowing.pop(sink, None)
        self._forwards = tuple(self._flowing.values())

    def restart_sinks(self) -> None:
        """Another stream begins: its codec may need another payload type, its pictures a keyframe."""
        self._waiting = self.sinks
        self._flowing.clear()
        self._forwards = ()

    def _admit(self, packet: bytes) -> None:
        waiting, self._waiting = self._waiting, ()
        for sink in waiting:
            forward = sink.begin(packet)
            if forward is not None:
                self._flowing[sink] = forward
        self._forwards = tuple(self._flowing.values())
