"""The codecs that we forward and record, and what differs between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from . import h264, vp8

Kind = Literal["audio", "video"]


@dataclass(frozen=True, slots=True)
class VideoCodec:
    """How one video codec sits in RTP. All functions are pure."""

    name: str
    openings: bytes
    "Every first octet of a payload for which `starts_keyframe` need be asked."
    starts_keyframe: Callable[[bytes, int], bool]
    "(packet, where its payload begins)"
    depacketize: Callable[[Sequence[bytes]], bytes]
    size_of: Callable[[bytes], tuple[int, int]]
    "Picture size of a keyframe as `depacketize` gives it; ValueError when it does not tell."
    find_size: Callable[[bytes, int], tuple[int, int] | None]
    "Picture size in a packet that starts a keyframe."


def _h264_size(packet: bytes, start: int) -> tuple[int, int] | None:
    sps = h264.find_sps(packet, start)
    if sps is None:
        return None
    try:
        return h264.picture_size(sps)
    except ValueError:
        return None


def _h264_unit_size(unit: bytes) -> tuple[int, int]:
    sets = h264.parameter_sets(unit)
    if sets is None:
        raise ValueError("no parameter sets")
    return h264.picture_size(sets[0])


H264 = VideoCodec("H264", h264.OPENINGS, h264.starts_keyframe, h264.depacketize, _h264_unit_size, _h264_size)
VP8 = VideoCodec(
    "VP8", vp8.OPENINGS, vp8.starts_keyframe, vp8.depacketize, vp8.picture_size, vp8.find_picture_size
)

VIDEO_CODECS = {codec.name: codec for codec in (H264, VP8)}

VIDEO_CLOCK_HZ = 90_000
AUDIO_CLOCK_HZ = 48_000
CLOCK_HZ: dict[Kind, int] = {"audio": AUDIO_CLOCK_HZ, "video": VIDEO_CLOCK_HZ}
