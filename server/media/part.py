"""One file of a recording, written packet by packet so that a killed process leaves all but the last half second.

MP4: fragments of half a second while it grows, and an ordinary file with an index once it is closed
(`hybrid_fragmented`). WebM for VP8, which MP4 players do not expect. Blocking; lives in the recorder's thread.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from .codecs import AUDIO_CLOCK_HZ, CLOCK_HZ, VIDEO_CLOCK_HZ, Kind
from .model import Container, Digester, PartSegment, VideoShape
from .places import Place, Places

logger = logging.getLogger(__name__)

FRAGMENT_S = 0.5
# A digest about so often, at the end of the fragment in hand.
SEGMENT_S = 2.0
# Made once: a Fraction costs more than the packet that it is for.
_TIME_BASE: dict[Kind, Fraction] = {kind: Fraction(1, hz) for kind, hz in CLOCK_HZ.items()}

_FORMATS: dict[Container, tuple[str, dict[str, str]]] = {
    "mp4": (
        "mp4",
        {
            "movflags": "hybrid_fragmented+delay_moov",
            "frag_duration": str(round(FRAGMENT_S * 1e6)),
            # Finer than the usual millisecond, for the edit list that says when each track begins.
            "movie_timescale": str(VIDEO_CLOCK_HZ),
        },
    ),
    "webm": ("webm", {"cluster_time_limit": str(round(FRAGMENT_S * 1e3))}),
}
# Without sound (a muted or missing microphone) pictures must not be held back to be interleaved with it.
_INTERLEAVE_S = 0.2
# The muxer writes nothing before it has a packet of each kind: one that is silent for so long after its first packet
# does not bar the way for the others.
_BARRED_AT_MOST_S = 2.0
_COMMON = {"flush_packets": "1", "max_interleave_delta": str(round(_INTERLEAVE_S * 1e6))}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHead:
    """What is known when a part begins; stored in the file's comment so that it can be repaired by itself."""

    index: int
    started_at: datetime
    video: VideoShape | None
    audio: bool
    first_rtp_timestamp: int | None = None
    first_video_s: float | None = None

    @property
    def container(self) -> Container:
        return "webm" if self.video is not None and self.video.codec == "VP8" else "mp4"

    @property
    def media_type(self) -> str:
        return f"{'audio' if self.video is None else 'video'}/{self.container}"

    @property
    def suffix(self) -> str:
        return ".m4a" if self.video is None else f".{self.container}"

    @property
    def first_place(self) -> tuple[Place, ...]:
        """Of the first picture, if there is one."""
        places = Places()
        if self.first_rtp_timestamp is not None and self.first_video_s is not None:
            places.note(self.first_rtp_timestamp, self.first_video_s)
        return places.kept()

    def to_comment(self) -> str:
        video = self.video
        return json.dumps(
            {
                "yunkan_part": 1,
                "index": self.index,
                "started_at": self.started_at.isoformat(),
                "video": [video.width, video.height, video.codec] if video is not None else None,
                "audio": self.audio,
                "first_rtp_timestamp": self.first_rtp_timestamp,
                "first_video_s": self.first_video_s,
            }
        )

    @classmethod
    def from_comment(cls, comment: str) -> PartHead:
        """Raises ValueError when the comment is not ours."""
        try:
            value: dict[str, Any] = json.loads(comment)
            video = value["video"]
            return cls(
                index=int(value["index"]),
                started_at=datetime.fromisoformat(value["started_at"]),
                video=VideoShape(width=video[0], height=video[1], codec=video[2]) if video else None,
                audio=bool(value["audio"]),
                first_rtp_timestamp=value["first_rtp_timestamp"],
                first_video_s=value["first_video_s"],
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError("the file's comment is not a part's") from error


class _File:
    """The muxer's file: knows how much was written, and whether something has to reach the disk yet.

    The digester sees every byte on its way, so that what was hashed is what the muxer gave, not what a disk gives back.
    """

    def __init__(self, raw: BinaryIO, digester: Digester | None = None) -> None:
        self._raw = raw
        self._digester = digester
        self._position = 0
        self.size_bytes = 0
        self.dirty = False

    def write(self, data: bytes) -> int:
        if self._digester is not None:
            self._digester.write(self._position, data)
        view = memoryview(data)
        while view:
            written = self._raw.write(view)
            self._position += written
            view = view[written:]
        self.dirty = True
        self.size_bytes = max(self.size_bytes, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = self._raw.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def sync(self) -> None:
        os.fsync(self._raw.fileno())
        self.dirty = False

    @property
    def closed(self) -> bool:
        return self._raw.closed

    def close(self) -> None:
        self._raw.close()


class PartFile:
    """Times are seconds from the part's beginning. Raises OSError (a full disk), av.FFmpegError.

    With a `digester`, `on_segment` is told the digest of what has reached the disk: about every two seconds and once
    at the close.
    """

    def __init__(
        self,
        path: Path,
        head: PartHead,
        digester: Digester | None = None,
        on_segment: Callable[[PartSegment], None] | None = None,
    ) -> None:
        self.path = path
        self.head = head
        self.duration_s = 0.0
        self._digester = digester
        self._on_segment = on_segment
        self._segment_due_s = SEGMENT_S
        self._last: dict[Kind, int] = {}
        # The newest packet of each kind waits for the next one, which says how long it lasts: the MP4 muxer ends the
        # process (an assertion in movenc.c) when a fragment's last packet claims to last into the next fragment.
        self._held: dict[Kind, tuple[int, av.Packet[Any]]] = {}
        format_name, options = _FORMATS[head.container]
        self._file = _File(path.open("xb", buffering=0), digester)
        try:
            self._container = av.open(self._file, "w", format=format_name, options=options | _COMMON)
            self._container.metadata["comment"] = head.to_comment()
            self._streams = self._add_streams(head)
            self._barring = set(self._streams)
            sync_folder(path.parent)
        except BaseException:
            self._file.close()
            path.unlink(missing_ok=True)  # the next attempt has the same name
            raise

    def _add_streams(self, head: PartHead) -> dict[Kind, Any]:
        streams: dict[Kind, Any] = {}
        if head.video is not None:
            name = "h264" if head.video.codec == "H264" else "vp8"
            video = self._container.add_mux_stream(name, width=head.video.width, height=head.video.height)
            video.time_base = _TIME_BASE["video"]
            streams["video"] = video
        if head.audio:
            # An encoder that is never fed: it writes the OpusHead that the containers want.
            audio = self._container.add_stream("libopus", rate=AUDIO_CLOCK_HZ)
            audio.codec_context.layout = "stereo"
            audio.time_base = _TIME_BASE["audio"]
            streams["audio"] = audio
        return streams

    @property
    def size_bytes(self) -> int:
        return self._file.size_bytes

    def write(self, kind: Kind, data: bytes, at_s: float, duration_s: float, *, keyframe: bool) -> None:
        """One video frame or one Opus packet. A kind that the part has no track for is left out."""
        stream = self._streams.get(kind)
        if stream is None:
            return
        hz = CLOCK_HZ[kind]
        # Containers want strictly growing times; a clock correction may come out one unit short of that.
        pts = max(round(at_s * hz), self._last.get(kind, -1) + 1)
        self._last[kind] = pts
        packet = av.Packet(data)
        packet.stream = stream
        packet.time_base = _TIME_BASE[kind]
        packet.pts = packet.dts = pts
        packet.duration = max(1, round(duration_s * hz))
        packet.is_keyframe = keyframe
        if kind in self._held:
            begun, held = self._held[kind]
            held.duration = pts - begun
            self._container.mux(held)
            self._barring.discard(kind)
        if self._barring:
            self._unbar(at_s)
        self._held[kind] = pts, packet
        if self._file.dirty:
            self._file.sync()
            if self.duration_s >= self._segment_due_s:
                self._cut_segment(self._muxed_s())
        self.duration_s = max(self.duration_s, pts / hz + duration_s)

    def takes(self, kind: Kind) -> bool:
        """Whether there is a track for it that has not ended."""
        return kind in self._streams

    def _unbar(self, at_s: float) -> None:
        for kind, (begun, held) in tuple(self._held.items()):
            if kind in self._barring and begun / CLOCK_HZ[kind] < at_s - _BARRED_AT_MOST_S:
                # How long it lasts is not known, and a track's times are the sum of what its packets last: so it ends.
                held.duration = 1
                self._container.mux(self._held.pop(kind)[1])
                self._barring.discard(kind)
                del self._streams[kind]

    def close(self, until_s: float = 0.0) -> None:
        """Writes the index; the file is an ordinary one from here on.

        All kinds end together, at `until_s` or where the longest does: the last picture stays until then, as it did on
        every screen, and after the last sound there is silence.
        """
        self.duration_s = max(self.duration_s, until_s)
        try:
            for kind, (begun, held) in self._held.items():
                held.duration = max(held.duration or 1, round(self.duration_s * CLOCK_HZ[kind]) - begun)
                self._container.mux(held)
            self._container.close()
            self._file.sync()
            self._cut_segment(self.duration_s)
        finally:
            self._file.close()

    def _muxed_s(self) -> float:
        """Where what was written ends, to one frame: the muxer keeps a kind that is ahead waiting for the other."""
        reached = [last / CLOCK_HZ[kind] for kind, last in self._last.items()]
        return max(min(reached), max(reached) - _INTERLEAVE_S)

    def _cut_segment(self, to_s: float) -> None:
        """Only what has reached the disk: a digest in the log must not outlive its bytes."""
        self._segment_due_s = self.duration_s + SEGMENT_S
        if self._digester is None or self._on_segment is None:
            return
        segment = self._digester.cut(round(to_s * 1000))
        if self._digester.disturbed:
            logger.error("%s: the muxer rewrote a fragment; its digests end here", self.path.name)
            self._digester = None
        elif segment is not None:
            self._on_segment(segment)

    def abandon(self) -> None:
        """Gives up without an index: what is on the disk stays as it is, to be repaired."""
        self._file.close()
        self._container.close()  # sees the closed file and writes nothing


def sync_folder(folder: Path) -> None:
    """A file is on the disk only when its folder's entry is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
