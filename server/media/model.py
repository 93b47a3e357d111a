"""The values that the engine takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .places import Place

Container = Literal["mp4", "webm"]


class PartSegment(Protocol):
    """Bytes `start` (inclusive) to `end` (exclusive) of a part; times in ms from the part's beginning."""

    @property
    def index(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def from_ms(self) -> int: ...
    @property
    def to_ms(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class Digester(Protocol):
    """Hashes a part while it is written; of what it hashes and when it may cut, the engine knows nothing."""

    @property
    def disturbed(self) -> bool:
        """Whether the muxer went back into what was hashed already."""

    def write(self, offset: int, data: bytes) -> None: ...

    def cut(self, to_ms: int) -> PartSegment | None:
        """What was completed since the last cut; None if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConfig:
    """Where the engine's one UDP socket is."""

    address: str = "127.0.0.1"
    "What the socket binds to; 0.0.0.0 for all of the machine's addresses."
    port: int = 0
    "0 takes any free port."
    advertised_address: str | None = None
    "Written into candidates instead of `address`: the public address before a one-to-one NAT."
    reserve_bytes: int = 0
    "Free disk at which recordings end their part while it can still be ended cleanly."
    digester: Callable[[Container], Digester] | None = None
    "Makes the digester of one part; without it `part_segment` is never called."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One decoded frame."""

    image: NDArray[np.uint8]
    "height x width x 3, BGR."
    rtp_timestamp: int
    "On the slot's timeline, 32 bits: what viewers see as `rtpTimestamp`."
    width: int
    height: int
    captured_at: datetime
    "UTC, by the server's clock: when the frame's first packet arrived."


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoShape:
    width: int
    height: int
    codec: str
    "H264 or VP8."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a recording: a continuous run of a slot."""

    index: int
    path: Path
    media_type: str
    "video/mp4, video/webm, audio/mp4"
    started_at: datetime
    "UTC by the server's clock: the moment of presentation time 0; refined when the part closes."
    duration_s: float = 0.0
    size_bytes: int = 0
    sha256: str | None = None
    "Hexadecimal; None while the part is open, empty when nothing of it could be saved (duration and size are 0)."
    video: VideoShape | None = None
    audio: bool = False
    first_rtp_timestamp: int | None = None
    "Slot timeline, 32 bits: the first video frame."
    first_video_s: float | None = None
    "Presentation time of that frame in the file."
    places: tuple[Place, ...] = ()
    "Where pictures stand in it; only the first one while it is open, and in a part that was repaired."


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStats:
    """What a slot receives and gives, over the last second or so."""

    live: bool
    bitrate_bps: int
    loss: float
    "Share of the publisher's packets that the network lost, before repair, 0 to 1."
    jitter_s: float
    width: int | None
    height: int | None
    fps: float
    video_codec: str | None
    audio_codec: str | None
    viewers: int
    last_packet_age_s: float | None
    recording: bool
    bytes_recorded: int
    packets_repaired: int
    "Packets that came by retransmission, of the present publisher."
    packets_unrepaired: int
    "Packets given up since the slot opened."
    frames_unrecorded: int
    "Frames that reached the recorder broken or not decodable."
