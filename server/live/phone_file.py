"""A file that a phone's browser recorded: opened, checked, and copied packet by packet into one that can be seeked.

A browser writes its recording as it goes: no index, no duration. The packets stay as they are; only the container is
written anew. Blocking: call it in a thread.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from server.media.part import sha256_of
from server.storage.files import sync_folder

CODECS = {
    "webm": frozenset({"vp8", "vp9", "av1", "h264", "opus"}),
    "mp4": frozenset({"h264", "hevc", "vp9", "av1", "aac", "opus"}),
}
LARGEST_SIDE = 4096
_DEMUXERS = {"webm": "matroska", "mp4": "mov"}
_SEEKABLE: dict[str, dict[str, str]] = {"webm": {"cues_to_front": "0"}, "mp4": {"movflags": "faststart"}}


class NotARecording(Exception):
    """The file is not what its media type says, or holds something else than one picture and one sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFile:
    """The copy: `duration_s` as its packets have it."""

    media_type: str
    duration_s: float
    size_bytes: int
    sha256: str
    width: int | None
    height: int | None


def copy_seekable(source: Path, media_type: str, target: Path) -> PhoneFile:
    """Check `source` and write `target`, whole or not at all. NotARecording says what is wrong."""
    container = media_type.partition("/")[2]
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _check_magic(source, container)
        with av.open(str(source), format=_DEMUXERS[container]) as reading:
            streams = _streams(reading, container)
            _decode_one(reading, streams)
        with av.open(str(source), format=_DEMUXERS[container]) as reading:
            duration_s = _copy(reading, partial, container)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        video = next((stream for stream in streams if stream[0] == "video"), None)
        if media_type.startswith("video/") != (video is not None):
            raise NotARecording("the streams are not those of its media type")
        partial.replace(target)
        sync_folder(target.parent)
    except (av.FFmpegError, ValueError) as error:
        raise NotARecording(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return PhoneFile(
        media_type=media_type,
        duration_s=duration_s,
        size_bytes=target.stat().st_size,
        sha256=sha256_of(target),
        width=video[1] if video else None,
        height=video[2] if video else None,
    )


def _check_magic(source: Path, container: str) -> None:
    with source.open("rb") as file:
        head = file.read(12)
    is_right = head[:4] == b"\x1aE\xdf\xa3" if container == "webm" else head[4:8] == b"ftyp"
    if not is_right:
        raise NotARecording(f"not a {container} file")


def _streams(reading: Any, container: str) -> list[tuple[str, int, int]]:
    """(kind, width, height) of each stream; at most one of picture and one of sound, and nothing else."""
    found: list[tuple[str, int, int]] = []
    for stream in reading.streams:
        if stream.type not in ("video", "audio") or any(kind == stream.type for kind, _, _ in found):
            raise NotARecording(f"a stream too many: {stream.type}")
        codec = stream.codec_context.codec.canonical_name
        if codec not in CODECS[container]:
            raise NotARecording(f"codec {codec}")
        width = stream.codec_context.width if stream.type == "video" else 0
        height = stream.codec_context.height if stream.type == "video" else 0
        if max(width, height) > LARGEST_SIDE:
            raise NotARecording(f"{width}x{height} pixels")
        found.append((stream.type, width, height))
    if not found:
        raise NotARecording("no stream")
    return found


def _decode_one(reading: Any, streams: list[tuple[str, int, int]]) -> None:
    """The first picture (or sound) can really be shown."""
    kind = "video" if any(one == "video" for one, _, _ in streams) else "audio"
    if next(reading.decode(**{kind: 0}), None) is None:
        raise NotARecording(f"no {kind} that can be decoded")


def _copy(reading: Any, target: Path, container: str) -> float:
    """The packets of `reading` into `target`; seconds to the end of the last one."""
    duration_s = 0.0
    with av.open(str(target), "w", format=container, options=_SEEKABLE[container]) as writing:
        outputs = {stream.index: writing.add_stream_from_template(stream) for stream in reading.streams}
        for packet in reading.demux():
            if packet.pts is None or packet.dts is None:
                continue
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            duration_s = max(duration_s, end)
            packet.stream = outputs[packet.stream.index]
            writing.mux(packet)
    if duration_s <= 0:
        raise NotARecording("nothing in it")
    return duration_s
