"""Thin conveniences around the simulated phone's WHIP client for tests without a browser."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
from aiohttp import ClientSession
from aiortc import MediaStreamTrack, RTCRtpCodecCapability, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from server.demo.whip import WhipPublisher, h264_codecs, join
from tests.peers import build_camera, counter
from tests.peers.flash_beep import BeepTrack, FlashTrack
from tests.peers.pacing import VIDEO_TIME_BASE, Epoch


class CounterTrack(MediaStreamTrack):
    """Numbered frames; `last_number` is the newest one handed to the encoder."""

    kind = "video"

    def __init__(
        self, epoch: Epoch, *, fps: int = 30, size: tuple[int, int] = (640, 360), first_number: int = 0
    ) -> None:
        super().__init__()
        self._epoch = epoch
        self._fps = fps
        self._size = size
        self._background = build_camera.scenery(*size)
        self.last_number = first_number - 1

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        number = self.last_number + 1
        await self._epoch.wait_until(number / self._fps)
        image = build_camera.picture(self._background, number, self._size)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts = number * 90_000 // self._fps
        frame.time_base = VIDEO_TIME_BASE
        self.last_number = number
        return frame


@asynccontextmanager
async def publishing(
    session: ClientSession,
    address: str,
    invitation: str,
    name: str,
    tracks: Sequence[MediaStreamTrack],
    *,
    video_codecs: Sequence[RTCRtpCodecCapability] | None = None,
) -> AsyncIterator[WhipPublisher]:
    """Join by an invitation and publish until the block ends: Opus, and H.264 unless other codecs are named."""
    joined = await join(session, address, invitation, name, device="tests")
    publisher = WhipPublisher(session, joined, tracks, video_codecs=video_codecs or h264_codecs())
    try:
        await publisher.start()
        yield publisher
    finally:
        await publisher.close()


def vp8_codecs() -> list[RTCRtpCodecCapability]:
    """The codecs to offer for VP8 alone; only with frames to encode (`counter_tracks`), not with encoded ones."""
    return [
        c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType in {"video/VP8", "video/rtx"}
    ]


def counter_tracks() -> tuple[CounterTrack, BeepTrack]:
    """Numbered frames with a beep each second."""
    epoch = Epoch()
    return CounterTrack(epoch), BeepTrack(epoch)


def flash_beep_tracks() -> tuple[FlashTrack, BeepTrack]:
    """The tracks for measuring how far apart sound and picture come out."""
    epoch = Epoch()
    return FlashTrack(epoch), BeepTrack(epoch)


def numbers_in(path: Path | str) -> list[tuple[float, int | None]]:
    """(time in seconds, frame number or None if unreadable) of every picture in a recorded file."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0.0), counter.read(np.ascontiguousarray(frame.to_ndarray(format="gray"))))
            for frame in container.decode(video=0)
        ]


def track_ends(path: Path) -> dict[str, float]:
    """Where picture and sound of a file end, in seconds from its beginning."""
    ends = {}
    with av.open(str(path)) as container:
        for stream in (*container.streams.video, *container.streams.audio):
            assert stream.time_base is not None
            if path.suffix == ".webm":
                hours, minutes, seconds = stream.metadata["DURATION"].split(":")
                ends[stream.type] = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            else:
                ends[stream.type] = float(
                    ((stream.start_time or 0) + (stream.duration or 0)) * stream.time_base
                )
    return ends
