"""The walk as tracks for a peer connection, on one clock."""

from __future__ import annotations

import asyncio
import datetime
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.codeccontext import VideoCodecContext

from server.demo.ambience import RATE_HZ, soundtrack
from server.demo.picture import HEIGHT, WIDTH, Renderer
from server.demo.route import SCENES, shot_at

FPS = 20
BITRATE_BPS = 1_500_000
KEYFRAME_EVERY_S = 1
VIDEO_CLOCK_HZ = 90_000
AUDIO_FRAME = 960
"""Samples in 20 ms, the packet time of Opus."""


class Walk:
    """Everything that outlives a connection: pictures, sound, the clock and the frame number."""

    def __init__(self) -> None:
        self.renderer = Renderer()
        self.sound = soundtrack()
        self.number = 0
        self._started_at: float | None = None

    def now_s(self) -> float:
        """Seconds since the walk began, which is when somebody first asks."""
        loop = asyncio.get_running_loop()
        if self._started_at is None:
            self._started_at = loop.time()
        return loop.time() - self._started_at

    def place(self) -> str:
        """The name of the scene that is seen now."""
        return SCENES[shot_at(self.now_s()).scene].name

    def tracks(self) -> list[MediaStreamTrack]:
        """New tracks for a new connection; the walk goes on where it is."""
        return [WalkTrack(self), AmbienceTrack(self)]


def encoder(width: int = WIDTH, height: int = HEIGHT, fps: int = FPS) -> VideoCodecContext:
    """Constrained-baseline H.264 at a third of the cost of aiortc's own settings (10 against 32 ms, measured)."""
    codec = VideoCodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.bit_rate = BITRATE_BPS
    codec.framerate = Fraction(fps)
    codec.time_base = Fraction(1, VIDEO_CLOCK_HZ)
    # aiortc passes requests for a keyframe to its own encoder only, so one comes often enough to need no asking.
    codec.gop_size = KEYFRAME_EVERY_S * fps
    codec.thread_count = 1
    codec.profile = "Baseline"
    codec.options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "level": "31",
        "x264-params": f"vbv-maxrate={BITRATE_BPS // 750}:vbv-bufsize={BITRATE_BPS // 1500}:scenecut=0",
    }
    return codec


class WalkTrack(MediaStreamTrack):
    """The picture, already encoded: `recv` gives `av.Packet`s, which aiortc only packs."""

    kind = "video"

    def __init__(self, walk: Walk) -> None:
        super().__init__()
        self._walk = walk
        self._encoder = encoder()
        self._tick = -1

    async def recv(self) -> av.Packet[av.VideoStream]:
        while self.readyState == "live":
            # A tick that was missed is left out: the picture's time must stay the clock's time.
            self._tick = max(self._tick + 1, int(self._walk.now_s() * FPS))
            await asyncio.sleep(max(0.0, self._tick / FPS - self._walk.now_s()))
            packet = await asyncio.to_thread(self._encode, self._tick / FPS)
            if packet is not None:
                return packet
        raise MediaStreamError

    def _encode(self, media_s: float) -> av.Packet[av.VideoStream] | None:
        walk = self._walk
        planes = walk.renderer.frame(shot_at(media_s), datetime.datetime.now(datetime.UTC), walk.number)
        walk.number += 1
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = round(media_s * VIDEO_CLOCK_HZ)
        frame.time_base = Fraction(1, VIDEO_CLOCK_HZ)
        packets = self._encoder.encode(frame)
        return packets[0] if packets else None


class AmbienceTrack(MediaStreamTrack):
    """The sound in frames of 20 ms, at the same place of the walk as the picture."""

    kind = "audio"

    def __init__(self, walk: Walk) -> None:
        super().__init__()
        self._walk = walk
        self._frame = -1

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        per_second = RATE_HZ // AUDIO_FRAME
        self._frame = max(self._frame + 1, int(self._walk.now_s() * per_second))
        await asyncio.sleep(max(0.0, self._frame / per_second - self._walk.now_s()))
        first = self._frame * AUDIO_FRAME
        indices = np.arange(first, first + AUDIO_FRAME)
        samples = np.take(self._walk.sound, indices, mode="wrap")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.time_base = Fraction(1, RATE_HZ)
        frame.pts = first
        return frame
