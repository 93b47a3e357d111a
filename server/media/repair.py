"""Makes a file that a killed process left open an ordinary playable one. Blocking."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from .model import Part
from .part import PartHead, sha256_of, sync_folder

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


def _remux(source: Path, target: Path) -> tuple[PartHead, float]:
    """Copies the packets into an ordinary file; the head found and the duration in seconds."""
    with av.open(str(source)) as given:
        comment = given.metadata.get("comment") or given.metadata.get("COMMENT") or ""
        head = PartHead.from_comment(comment)
        duration = 0.0
        with target.open("xb") as raw:
            format_name = "webm" if head.container == "webm" else "mp4"
            options = {"movie_timescale": "90000"} if format_name == "mp4" else {}
            with av.open(raw, "w", format=format_name, options=options) as made:
                made.metadata["comment"] = comment
                streams = {item.index: made.add_stream_from_template(item) for item in given.streams}
                try:
                    for packet in given.demux():
                        if packet.dts is None or packet.pts is None or not packet.size:
                            continue
                        base = packet.time_base or Fraction(1, 1000)
                        end = packet.pts + (packet.duration or 0)
                        duration = max(duration, float(end * base))
                        packet.stream = streams[packet.stream.index]
                        made.mux(packet)
                except (av.error.InvalidDataError, av.error.EOFError):
                    logger.info("%s ends in the middle of a cluster", source.name)
            raw.flush()
            os.fsync(raw.fileno())
    return head, duration


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
    )


def _probe(path: Path) -> tuple[PartHead, float]:
    with av.open(str(path)) as given:
        comment = given.metadata.get("comment") or given.metadata.get("COMMENT") or ""
        return PartHead.from_comment(comment), (given.duration or 0) / av.time_base


def repair_part(path: Path) -> Part | None:
    """Cuts at the last whole fragment, copies into an ordinary file, puts it in the place of the old one in one step.
    A file that was closed properly is only described. None when nothing can be recovered.
    With no room for the copy the file is cut and left fragmented, which players accept."""
    if not path.is_file():
        return None
    is_mp4 = path.suffix in (".mp4", ".m4a")
    try:
        if is_mp4:
            if _is_closed(path):
                return _describe(path, *_probe(path))
            size = whole_size(path)
            if not size:
                return None
            if size < path.stat().st_size:
                os.truncate(path, size)
        made = path.with_name(path.name + ".repaired")
        made.unlink(missing_ok=True)
        try:
            head, duration_s = _remux(path, made)
            if duration_s <= 0:
                return None
            made.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            if isinstance(error, av.FFmpegError) or error.errno not in (
                errno.ENOSPC,
                errno.EDQUOT,
                errno.EFBIG,
            ):
                raise
            head, duration_s = _probe(path)
        finally:
            with suppress(OSError):
                made.unlink(missing_ok=True)
        return _describe(path, head, duration_s)
    except (av.FFmpegError, ValueError) as error:
        logger.warning("%s cannot be repaired: %s", path.name, error)
        return None
