"""What a picture file really is, told by its bytes and by opening it.

Its bytes are looked at first, which costs little; it is opened by a process of its own (`picture_reader`), within
limits and one picture at a time, however many come at once.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from server.apart import NotRun, Unfinished, run_apart
from server.vision import picture_reader

MOST_PIXELS = 150_000_000
"""More than any phone takes; a few kilobytes can claim far more and fill the memory."""
JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
EXTENSIONS = {JPEG: "jpg", PNG: "png", WEBP: "webp"}
_MOST_SEGMENTS = 10_000
"""Before a JPEG's frame header; the longest colour profile and depth map have some hundreds."""
# A thread beside those of asyncio.to_thread, where rooms and leases do their work: pictures wait for each other only.
_ONE_AT_A_TIME = ThreadPoolExecutor(1, "picture")


class NotAPicture(ValueError):
    """Neither JPEG nor PNG nor WebP."""


class BrokenPicture(ValueError):
    """It begins as a picture and cannot be opened: damaged, cut off, too large, or made to break its reader."""


class NotOpenedNow(Exception):
    """The machine's trouble, not the picture's: try again."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """`width` and `height` in pixels as coded, whichever way up it is shown."""

    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What opening one picture may take; a progressive JPEG of MOST_PIXELS needs more than 1 GiB.

    `patience_s`: by the clock, also when the machine has other things to do.
    """

    memory_bytes: int = 1536 << 20
    cpu_s: int = 20
    patience_s: float = 120


LIMITS = Limits()


async def recognise(read: Callable[[], bytes], limits: Limits = LIMITS) -> PictureFile:
    """What the file that `read` gives is; it is called when the picture's turn has come, so that none waits in memory.

    A file's name has no say in it. NotAPicture, BrokenPicture, NotOpenedNow.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_ONE_AT_A_TIME, _recognise, read, limits)


def _recognise(read: Callable[[], bytes], limits: Limits) -> PictureFile:
    data = read()
    found = identify(data)
    _open(data, limits)
    return found


def _open(data: bytes, limits: Limits) -> None:
    asked = (str(limits.memory_bytes), str(limits.cpu_s))
    try:
        said = run_apart(picture_reader.__file__, *asked, patience_s=limits.patience_s, data=data)
    except NotRun as error:
        raise NotOpenedNow(str(error)) from error
    except Unfinished as error:
        if _words(error.said)[:1] != [picture_reader.BEGUN]:
            raise NotOpenedNow(f"{error}, before it read anything") from error
        raise BrokenPicture(str(error)) from error
    if _words(said) != [picture_reader.BEGUN, picture_reader.OPENED]:
        raise BrokenPicture


def _words(said: bytes) -> list[str]:
    return said.decode("ascii", "replace").split()


def identify(data: bytes) -> PictureFile:
    """What it says of itself, and whether it is whole, without opening it. NotAPicture, BrokenPicture."""
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
    for _ in range(_MOST_SEGMENTS):
        if position + 9 > len(data) or data[position] != 0xFF:
            break
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
