"""What a picture file really is, told by its bytes and by opening it. Pure and slow: call it in a thread."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np

MOST_PIXELS = 150_000_000
"""More than any phone takes; a few kilobytes can claim far more and fill the memory."""
JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
EXTENSIONS = {JPEG: "jpg", PNG: "png", WEBP: "webp"}


class NotAPicture(ValueError):
    """Neither JPEG nor PNG nor WebP."""


class BrokenPicture(ValueError):
    """It begins as a picture and cannot be opened: damaged, cut off, or too large."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """`width` and `height` in pixels as coded, whichever way up it is shown."""

    media_type: str
    width: int
    height: int


def recognise(data: bytes) -> PictureFile:
    """A file's name has no say in it. NotAPicture, BrokenPicture."""
    if data.startswith(b"\xff\xd8\xff"):
        media_type = JPEG
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        media_type = PNG
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        media_type = WEBP
    else:
        raise NotAPicture
    size = {JPEG: _jpeg_size, PNG: _png_size, WEBP: _webp_size}[media_type](data)
    if size is None or not 0 < size[0] * size[1] <= MOST_PIXELS or not _has_its_end(data, media_type):
        raise BrokenPicture
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    except cv2.error as error:
        raise BrokenPicture from error
    if picture is None or picture.size == 0:
        raise BrokenPicture
    return PictureFile(media_type, *size)


def _has_its_end(data: bytes, media_type: str) -> bool:
    """Whether the file was not cut off; decoders fill the missing part with grey and say nothing."""
    if media_type == PNG:
        return b"IEND\xaeB`\x82" in data
    if media_type == WEBP:
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    # In coded picture data FF is always followed by 00 or a restart marker, so FF D9 behind the picture's own
    # frame header is its end; a preview in the header has one of its own before, a phone's trailer one behind.
    return data.find(b"\xff\xd9", _jpeg_frame_header(data) or 0) != -1


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the IHDR chunk (ISO/IEC 15948, 11.2.1)."""
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the frame header (ITU-T T.81, B.2.2)."""
    position = _jpeg_frame_header(data)
    if position is None:
        return None
    height, width = struct.unpack(">HH", data[position + 5 : position + 9])
    return width, height


def _jpeg_frame_header(data: bytes) -> int | None:
    """Where the SOF marker is (ITU-T T.81, table B.1: C0 to CF without C4, C8 and CC)."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return position
        position += 2 + int(struct.unpack(">H", data[position + 2 : position + 4])[0])
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    if len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
