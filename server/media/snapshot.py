"""One picture out of a slot's ring: decodes from the last keyframe up to the asked frame. Blocking; run in a thread."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, cast

import av
import numpy as np
from numpy.typing import NDArray

from .codecs import VIDEO_CLOCK_HZ, VideoCodec
from .errors import FrameGone, NoPicture, NotSupported
from .frames import Frame, FrameAssembler, Ordered

MAX_PIXELS = 4096 * 4096
_DECODERS = {"H264": "h264", "VP8": "vp8"}


class Decoded(NamedTuple):
    image: NDArray[np.uint8]
    timestamp: int
    arrived_s: float


def frames_of(
    packets: Sequence[tuple[int, bytes, float]], breaks: Sequence[int], codec: VideoCodec
) -> list[Frame]:
    """The decodable frames among ring packets (number, packet, arrival); `breaks` are where new sources begin."""
    assembler = FrameAssembler(codec)
    frames: list[Frame] = []
    fresh = set(breaks)
    previous: int | None = None
    for number, packet, arrived_s in packets:
        gap = previous is None or number != previous + 1 or number in fresh
        frames += assembler.push(Ordered(packet, arrived_s, gap))
        previous = number
    return frames


def _group_up_to(frames: Sequence[Frame], timestamp: int | None) -> list[Frame]:
    """The frames from a keyframe to the asked frame, or to the newest one."""
    end = len(frames) - 1
    if timestamp is not None:
        end = next((i for i in range(end, -1, -1) if frames[i].timestamp == timestamp), -1)
        if end < 0:
            raise FrameGone(f"no whole frame with RTP timestamp {timestamp} is kept")
    begin = next((i for i in range(end, -1, -1) if frames[i].keyframe), -1)
    if begin < 0:
        raise NoPicture("no keyframe has arrived yet")
    return list(frames[begin : end + 1])


def _check_size(keyframe: Frame, codec: VideoCodec) -> None:
    """A stream may claim a size whose picture alone would fill the memory."""
    try:
        width, height = codec.size_of(codec.depacketize(keyframe.payloads))
    except ValueError as error:
        raise FrameGone(f"the keyframe cannot be read: {error}") from error
    if width * height > MAX_PIXELS:
        raise NotSupported(f"a picture of {width} x {height} is too large")


def decode(
    packets: Sequence[tuple[int, bytes, float]],
    breaks: Sequence[int],
    codec: VideoCodec,
    timestamp: int | None,
) -> Decoded:
    """Raises FrameGone when the asked frame cannot be shown exactly, NoPicture when there is nothing to show,
    NotSupported for an absurd size."""
    group = _group_up_to(frames_of(packets, breaks, codec), timestamp)
    wanted = group[-1]
    _check_size(group[0], codec)
    decoder = cast(av.VideoCodecContext, av.CodecContext.create(_DECODERS[codec.name], "r"))
    picture: av.VideoFrame | None = None
    try:
        # The decoder is told the position in the group, which is unique; timestamps may wrap inside it.
        for position, frame in enumerate(group):
            unit = av.Packet(codec.depacketize(frame.payloads))
            unit.pts = unit.dts = position
            unit.time_base = Fraction(1, VIDEO_CLOCK_HZ)
            for shown in decoder.decode(unit):
                picture = shown
        for shown in decoder.decode(None):
            picture = shown
    except (av.FFmpegError, ValueError) as error:
        raise FrameGone(f"the frame could not be decoded: {error}") from error
    if picture is None:
        raise NoPicture("the decoder gave no picture")
    if picture.pts != len(group) - 1:
        raise FrameGone("the decoder stopped before the asked frame")
    image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    return Decoded(image, wanted.timestamp, wanted.arrived_s)
