"""A file that a phone's browser recorded: opened, checked, and copied packet by packet into one that can be seeked.

A browser writes its recording as it goes: no index, no duration. The packets stay as they are; only the container is
written anew. A program of its own, run by `phone_file` in a process of its own: what a stranger sent is read here, and
a file made to break the decoder breaks only this. It imports nothing of the house.

    python phone_copy.py SOURCE MEDIA_TYPE TARGET

prints {"duration_s", "video": [width, height] or null}; or {"refused": why} if it is not a recording, {"trouble": why}
if the machine has no room for the copy now, {"failed": why} if it is not known which of the two.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import av

CODECS = {
    "webm": frozenset({"vp8", "vp9", "av1", "h264", "opus"}),
    "mp4": frozenset({"h264", "hevc", "vp9", "av1", "aac", "opus"}),
}
LARGEST_SIDE = 4096
MEMORY_BYTES = 2 << 30
CPU_S = 60
"""A file that keeps its reader busy for longer is made for it; of a machine that is busy otherwise it says nothing."""
_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EACCES}
)
_OF_EITHER = frozenset({errno.EIO, errno.ENOMEM})
_DEMUXERS = {"webm": "matroska", "mp4": "mov"}
_SEEKABLE: dict[str, dict[str, str]] = {"webm": {"cues_to_front": "0"}, "mp4": {"movflags": "faststart"}}


class NotARecording(Exception):
    """The file is not what its media type says, or holds something else than one picture and one sound."""


def copy(source: Path, media_type: str, target: Path) -> dict[str, Any]:
    """Check `source` and write `target`. NotARecording says what is wrong; OSError, MemoryError."""
    container = media_type.partition("/")[2]
    try:
        _check_magic(source, container)
        with av.open(str(source), format=_DEMUXERS[container]) as reading:
            streams = _streams(reading, container)
            _decode_one(reading, streams)
        with av.open(str(source), format=_DEMUXERS[container]) as reading:
            duration_s = _copy(reading, target, container)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in _OF_THE_MACHINE | _OF_EITHER:
            raise
        raise NotARecording(str(error)) from error
    video = next(([width, height] for kind, width, height in streams if kind == "video"), None)
    if media_type.startswith("video/") != (video is not None):
        raise NotARecording("the streams are not those of its media type")
    return {"duration_s": duration_s, "video": video}


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


def main(source: str, media_type: str, target: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    try:
        answer = copy(Path(source), media_type, Path(target))
        with Path(target).open("rb") as file:
            os.fsync(file.fileno())
    except NotARecording as error:
        answer = {"refused": str(error)}
    except (OSError, MemoryError) as error:
        of_the_machine = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
        answer = {"trouble" if of_the_machine else "failed": repr(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
