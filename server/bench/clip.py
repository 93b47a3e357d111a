"""The clip that every publisher sends: encoded once, packetised once, paced as a phone's browser paces."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np

from server.demo.tracks import encoder

Kind = Literal["audio", "video"]

SECONDS = 8
FPS = 30
WIDTH, HEIGHT = 1280, 720
BITRATE_BPS = 1_500_000
KEYFRAME_EVERY_S = 2
CLOCK_HZ: dict[Kind, int] = {"audio": 48_000, "video": 90_000}
AUDIO_FRAME_S = 0.02

MAX_PAYLOAD = 1150
# libwebrtc's pacer: two and a half times the bitrate, in bursts of 5 ms.
PACE_BPS = 2.5 * BITRATE_BPS
BURST_S = 0.005

_STAP_A, _FU_A = 24, 28
_HEADER_NALS = (7, 8)


@dataclass(frozen=True, slots=True)
class Packet:
    """`at_s` and `timestamp` count from the beginning of the clip."""

    at_s: float
    kind: Kind
    timestamp: int
    marker: bool
    payload: bytes


@dataclass(frozen=True)
class Clip:
    """`packets` in the order they are sent; the clip is played over and over."""

    seconds: float
    packets: tuple[Packet, ...]

    def of(self, kind: Kind) -> list[Packet]:
        return [packet for packet in self.packets if packet.kind == kind]

    @property
    def packets_per_s(self) -> float:
        return len(self.packets) / self.seconds

    @property
    def mean_bytes(self) -> int:
        return sum(len(packet.payload) for packet in self.packets) // len(self.packets)

    @property
    def bits_per_s(self) -> float:
        return sum(len(packet.payload) for packet in self.packets) * 8 / self.seconds


def make_clip(seconds: int = SECONDS) -> Clip:
    """About three seconds of work; the same clip each time but for the encoders' releases."""
    units = list(_video(seconds))
    packets: list[Packet] = []
    free_s = 0.0
    for index, unit in enumerate(units):
        frame_s = index / FPS
        timestamp = round(frame_s * CLOCK_HZ["video"])
        payloads = packetise(unit)
        for place, payload in enumerate(payloads):
            free_s = max(free_s, frame_s)
            burst_s = max(frame_s, free_s // BURST_S * BURST_S)
            packets.append(Packet(burst_s, "video", timestamp, place == len(payloads) - 1, payload))
            free_s += len(payload) * 8 / PACE_BPS
    for index, payload in enumerate(_audio(seconds)):
        at_s = index * AUDIO_FRAME_S
        packets.append(Packet(at_s, "audio", round(at_s * CLOCK_HZ["audio"]), False, payload))
    packets.sort(key=lambda packet: packet.at_s)
    return Clip(float(seconds), tuple(packets))


def packetise(unit: bytes) -> list[bytes]:
    """RTP payloads of one Annex-B access unit (RFC 6184): STAP-A for parameter sets, FU-A for what is too long."""
    nals = list(split(unit))
    sets = [nal for nal in nals if nal[0] & 0x1F in _HEADER_NALS]
    payloads = []
    if sets:
        body = b"".join(struct.pack("!H", len(nal)) + nal for nal in sets)
        payloads.append(bytes([_STAP_A | (sets[0][0] & 0x60)]) + body)
    for nal in nals:
        if nal[0] & 0x1F in _HEADER_NALS:
            continue
        payloads.extend([nal] if len(nal) <= MAX_PAYLOAD else _fragments(nal))
    return payloads


def split(unit: bytes) -> Iterator[bytes]:
    """The NAL units between Annex-B start codes."""
    for piece in unit.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01"):
        if piece:
            yield piece


def _fragments(nal: bytes) -> Iterator[bytes]:
    body = nal[1:]
    size = MAX_PAYLOAD - 2
    for start in range(0, len(body), size):
        flags = (0x80 if start == 0 else 0) | (0x40 if start + size >= len(body) else 0)
        yield bytes([(nal[0] & 0x60) | _FU_A, flags | (nal[0] & 0x1F)]) + body[start : start + size]


def _video(seconds: int) -> Iterator[bytes]:
    codec = encoder(WIDTH, HEIGHT, FPS)
    codec.gop_size = KEYFRAME_EVERY_S * FPS
    # Its narrow buffer keeps it below what it is asked for: this gives BITRATE_BPS, measured.
    codec.bit_rate = round(1.13 * BITRATE_BPS)
    rng = np.random.default_rng(7)
    # Coarse noise that drifts, with a little fine noise: as hard to encode as a hand-held walk.
    coarse = rng.integers(40, 216, (HEIGHT // 8 + 80, WIDTH // 8 + 80), np.uint8).repeat(8, 0).repeat(8, 1)
    produced: Sequence[av.Packet[av.VideoStream]]
    for index in range(seconds * FPS):
        left, top = index * 3 % 600, index * 2 % 600
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = coarse[top : top + HEIGHT, left : left + WIDTH]
        planes[:HEIGHT] += rng.integers(0, 6, (HEIGHT, WIDTH), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = index * CLOCK_HZ["video"] // FPS
        produced = codec.encode(frame)
        for packet in produced:
            yield bytes(packet)


def _audio(seconds: int) -> Iterator[bytes]:
    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "stereo", "s16"
    codec.bit_rate = 32_000
    rng = np.random.default_rng(8)
    size = round(AUDIO_FRAME_S * 48_000)
    count = round(seconds / AUDIO_FRAME_S)
    given = 0
    for index in range(count + 5):
        samples = rng.integers(-3000, 3000, (1, 2 * size)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        frame.pts = index * size
        for packet in codec.encode(frame):
            if given < count:
                given += 1
                yield bytes(packet)
