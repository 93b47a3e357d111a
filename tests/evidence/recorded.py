"""A small recording made with the product's own writer of parts, and the segment digests of its writes."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from unittest import mock

import av
import numpy as np

from server.evidence.segments import Container, Segment, SegmentHasher
from server.media import part
from server.media.model import VideoShape

WIDTH, HEIGHT, FPS = 64, 48, 10
SEGMENT_S = 2


def record(
    path: Path, seconds: int, container: Container = "mp4", seed: int = 1, *, plain: bool = False
) -> list[Segment]:
    """Pictures of noise in a part at `path`; the segments as a recorder would have logged them.

    `plain`: of one grey instead, for a small file.
    """
    hasher = SegmentHasher(container)

    class Listening(part._File):
        def write(self, data: bytes) -> int:
            hasher.write(self.tell(), bytes(data))
            return super().write(data)

    segments: list[Segment | None] = []
    with mock.patch.object(part, "_File", Listening):
        file = part.PartFile(path, head(container))
        for index, (packet, keyframe) in enumerate(pictures(seconds * FPS, container, seed, plain)):
            if index and index % (SEGMENT_S * FPS) == 0:
                segments.append(hasher.cut(index * 1000 // FPS))
            file.write("video", packet, index / FPS, 1 / FPS, keyframe=keyframe)
        file.close()
    segments.append(hasher.cut(seconds * 1000))
    assert not hasher.disturbed
    return [segment for segment in segments if segment is not None]


def head(container: Container) -> part.PartHead:
    codec = "H264" if container == "mp4" else "VP8"
    return part.PartHead(
        index=1,
        started_at=datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
        video=VideoShape(width=WIDTH, height=HEIGHT, codec=codec),
        audio=False,
    )


def pictures(count: int, container: Container, seed: int, plain: bool = False) -> list[tuple[bytes, bool]]:
    encoder = av.CodecContext.create("libx264" if container == "mp4" else "libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS, 1)
    encoder.options = {"g": "5", "threads": "1"}
    if container == "mp4":
        encoder.options |= {"tune": "zerolatency", "preset": "ultrafast"}
    else:
        encoder.options |= {"deadline": "realtime", "lag-in-frames": "0"}
    noise = np.random.default_rng(seed)
    packets = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(
            noise.integers(0, 1 if plain else 255, (HEIGHT * 3 // 2, WIDTH), dtype=np.uint8), format="yuv420p"
        )
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [(bytes(packet), packet.is_keyframe) for packet in packets]
