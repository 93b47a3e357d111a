"""Cuts a file that a killed process left open at its last whole fragment. Blocking.

Nothing is copied and nothing moves: what was hashed while it was recorded is still there, at the same place. The file
stays fragmented, which browsers play. Of a WebM the head is told how long it is, as its muxer would have done.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av

from .model import Part
from .part import PartHead, sha256_of

logger = logging.getLogger(__name__)

_HEADER = 8


def _boxes(path: Path) -> list[tuple[bytes, int, int]]:
    """(type, offset, size) of the whole top-level boxes of an MP4 file; stops at the first that is cut off."""
    found: list[tuple[bytes, int, int]] = []
    end = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while offset + _HEADER <= end:
            file.seek(offset)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            if size < _HEADER or offset + size > end:
                break
            found.append((kind, offset, size))
            offset += size
    return found


def whole_size(path: Path) -> int:
    """Bytes up to the end of the last whole fragment (moof and its mdat) of an MP4 file; 0 when there is none."""
    boxes = _boxes(path)
    has_index, end = False, 0
    for position, (kind, offset, size) in enumerate(boxes):
        if kind == b"moov":
            has_index = True
            if any(other == b"mdat" for other, _, _ in boxes[:position]):
                return offset + size  # an ordinary file, closed properly
        elif kind == b"mdat" and position and boxes[position - 1][0] == b"moof":
            end = offset + size
    return end if has_index else 0


def _is_closed(path: Path) -> bool:
    kinds = [kind for kind, _, _ in _boxes(path)]
    return b"moov" in kinds and b"moof" not in kinds


_EBML, _SEGMENT, _CLUSTER, _INFO = (
    b"\x1a\x45\xdf\xa3",
    b"\x18\x53\x80\x67",
    b"\x1f\x43\xb6\x75",
    b"\x15\x49\xa9\x66",
)
_VOID = b"\xec"
# An element of 8 bytes of floating point, as long as the void that the muxer left for it.
_DURATION = b"\x44\x89\x88"
_DURATION_SIZE = 11


def _elements(file: BinaryIO, offset: int, end: int) -> Iterator[tuple[bytes, int, int, int | None]]:
    """(identifier, offset, offset of the content, size of the content or None where it is unknown) of the EBML
    elements side by side from `offset` on (RFC 8794); stops at one that is cut off or makes no sense."""
    while offset < end:
        file.seek(offset)
        head = file.read(12)
        id_size = 9 - head[0].bit_length()
        if id_size > 4 or len(head) <= id_size or not head[id_size]:
            return
        size_size = 9 - head[id_size].bit_length()
        raw = head[id_size : id_size + size_size]
        if len(raw) < size_size:
            return
        mask = (1 << 7 * size_size) - 1
        size = int.from_bytes(raw, "big") & mask
        content = offset + id_size + size_size
        if size == mask:
            yield head[:id_size], offset, content, None
            return
        if content + size > end:
            return
        yield head[:id_size], offset, content, size
        offset = content + size


def _webm_spans(file: BinaryIO, size: int) -> tuple[bool, int, tuple[int, int] | None]:
    """(whether it was closed, end of the last whole cluster or 0, where the head's Info begins and ends)."""
    top = next(
        ((content, length) for name, _, content, length in _elements(file, 0, size) if name == _SEGMENT), None
    )
    if top is None:
        # The size of a segment that was closed says more than there is once its end is missing.
        return False, 0, None
    end, info = 0, None
    for name, _, content, length in _elements(file, top[0], size):
        if length is None:
            break
        if name == _INFO:
            info = (content, content + length)
        elif name == _CLUSTER:
            end = content + length
    return top[1] is not None, end, info


def _tell_duration(file: BinaryIO, info: tuple[int, int], duration_s: float) -> None:
    """Takes the place that the muxer left for it, if it did."""
    for name, offset, content, length in _elements(file, *info):
        if name == _DURATION[:2]:
            return
        if name == _VOID and length is not None and content + length - offset == _DURATION_SIZE:
            file.seek(offset)
            file.write(_DURATION + struct.pack(">d", duration_s * 1000))
            return


def _probe(path: Path) -> tuple[PartHead, float]:
    """The head, and when the last packet ends. Raises ValueError for a head that is not ours."""
    with av.open(str(path)) as given:
        comment = given.metadata.get("comment") or given.metadata.get("COMMENT") or ""
        head = PartHead.from_comment(comment)
        duration_s = 0.0
        for packet in given.demux():
            if packet.pts is not None and packet.time_base is not None:
                duration_s = max(duration_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        return head, duration_s


def _describe(path: Path, head: PartHead, duration_s: float) -> Part:
    return Part(
        index=head.index,
        path=path,
        media_type=head.media_type,
        started_at=head.started_at,
        duration_s=duration_s,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        video=head.video,
        audio=head.audio,
        first_rtp_timestamp=head.first_rtp_timestamp,
        first_video_s=head.first_video_s,
        places=head.first_place,
    )


def _repair_mp4(path: Path) -> Part | None:
    if _is_closed(path):
        return _describe(path, *_probe(path))
    size = whole_size(path)
    if not size:
        return None
    head, duration_s = _probe_cut(path, size)
    return _describe(path, head, duration_s) if duration_s > 0 else None


def _repair_webm(path: Path) -> Part | None:
    with path.open("rb") as file:
        closed, size, info = _webm_spans(file, path.stat().st_size)
    if closed:
        return _describe(path, *_probe(path))
    if not size:
        return None
    head, duration_s = _probe_cut(path, size)
    if duration_s <= 0:
        return None
    if info is not None:
        with path.open("r+b") as file:
            _tell_duration(file, info, duration_s)
            os.fsync(file.fileno())
    return _describe(path, head, duration_s)


def _probe_cut(path: Path, size: int) -> tuple[PartHead, float]:
    """Cuts only what is ours: a head that cannot be read leaves the file as it is."""
    with av.open(str(path)) as given:
        PartHead.from_comment(given.metadata.get("comment") or given.metadata.get("COMMENT") or "")
    if size < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    return _probe(path)


def repair_part(path: Path) -> Part | None:
    """Cuts at the last whole fragment (MP4) or cluster (WebM) and describes what is left.
    A file that was closed properly, or repaired already, is only described. None when nothing can be recovered."""
    if not path.is_file():
        return None
    try:
        return _repair_mp4(path) if path.suffix in (".mp4", ".m4a") else _repair_webm(path)
    except (av.FFmpegError, ValueError) as error:
        logger.warning("%s cannot be repaired: %s", path.name, error)
        return None
