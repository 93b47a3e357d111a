"""Audio or video of a slot: the one timeline, the ring, and the way of a packet to viewers and recorder."""

from __future__ import annotations

import secrets
from typing import NamedTuple, Protocol

from .codecs import CLOCK_HZ, Kind, VideoCodec
from .ring import Ring
from .rtp import HEADER, HEADER_SIZE
from .timeline import Source, Timeline

RING_AGE_S = 12.0
_pack = HEADER.pack
_RING: dict[Kind, tuple[int, int]] = {"video": (8192, 12 << 20), "audio": (1024, 1 << 20)}


class Sink(Protocol):
    """A viewer's end of a track."""

    def send(self, packet: bytes, starts_keyframe: bool) -> None: ...


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
        self.sinks: tuple[Sink, ...] = ()
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
        self.frames_received = 0
        self.last_timestamp: int | None = None

    def begin(self, codec_name: str, video_codec: VideoCodec | None, source: Source) -> None:
        """A publisher's stream begins."""
        if codec_name != self.codec_name:
            self.ring.clear()
            self.size = None
        self.codec_name, self.video_codec = codec_name, video_codec
        self.report = None
        oldest = source.first_number - 65536
        self.breaks = [*[number for number in self.breaks if number > oldest][-64:], source.first_number]

    def push(self, number: int, timestamp: int, marker: int, payload: bytes, now: float) -> None:
        """One packet of the present publisher; `marker` is 0x80 or 0."""
        packet = _pack(0x80, marker, number & 0xFFFF, timestamp & 0xFFFFFFFF, 0) + payload  # as `slot_form`
        if not self.ring.add(number, packet, now):
            return
        self.timeline.advance(number, timestamp, now)
        self.bytes_received += len(packet)
        if marker:
            self.frames_received += 1
        keyframe = False
        codec = self.video_codec
        if codec is not None and codec.starts_keyframe(packet, HEADER_SIZE):
            keyframe = True
            self.keyframe_at = now
            self.size = codec.find_size(packet, HEADER_SIZE) or self.size
        for sink in self.sinks:
            sink.send(packet, keyframe)
        if self.tap is not None:
            self.tap.packet(self.kind, packet, now)

    def add_sink(self, sink: Sink) -> None:
        self.sinks = (*self.sinks, sink)

    def remove_sink(self, sink: Sink) -> None:
        self.sinks = tuple(item for item in self.sinks if item is not sink)
