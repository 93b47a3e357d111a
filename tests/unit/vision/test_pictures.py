"""What a picture file is, and that opening one costs nobody else anything."""

import asyncio
import contextlib
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.vision import picture_reader, pictures
from server.vision.pictures import BrokenPicture, Limits, NotAPicture, NotOpenedNow, PictureFile, recognise

PICTURE = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)


def encoded(extension: str) -> bytes:
    return cv2.imencode(extension, PICTURE)[1].tobytes()


def huge_png(side: int) -> bytes:
    """Nothing but zeros: a few kilobytes that fill `side` times `side` bytes of memory."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def jpeg_of_many_scans(side: int, scans: int) -> bytes:
    """A few bytes for each of which the decoder walks through the whole picture once more."""
    grey = np.full((side, side), 128, np.uint8)
    data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def read_by(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = folder / "reader.py"
    script.write_text(program)
    monkeypatch.setattr(picture_reader, "__file__", str(script))


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [(".jpg", pictures.JPEG), (".png", pictures.PNG), (".webp", pictures.WEBP)],
)
async def test_a_picture_is_known_with_its_size(extension: str, media_type: str) -> None:
    assert await recognise(lambda: encoded(extension)) == PictureFile(media_type, 80, 60)


async def test_a_picture_that_needs_too_much_memory_is_broken() -> None:
    data = huge_png(12_000)
    assert (await recognise(lambda: data)).width == 12_000
    with pytest.raises(BrokenPicture):
        await recognise(lambda: data, Limits(memory_bytes=64 << 20))


async def test_a_picture_that_keeps_its_reader_busy_is_broken() -> None:
    data = jpeg_of_many_scans(8000, 4000)
    began = time.monotonic()
    with pytest.raises(BrokenPicture, match="ended with -24"):
        await recognise(lambda: data, Limits(cpu_s=1))
    assert time.monotonic() - began < 30
    assert len(data) < 1 << 20


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("print('begun', flush=True); import os; os.abort()", BrokenPicture),
        ("print('begun', flush=True); bytes(1 << 60)", BrokenPicture),
        ("print('begun', flush=True)", BrokenPicture),
        ("print('begun'); print('refused')", BrokenPicture),
        ("print('begun'); print('refused', flush=True); import os; os.abort()", BrokenPicture),
        ("print('begun', flush=True); import time; time.sleep(60)", BrokenPicture),
        ("import time; time.sleep(60)", NotOpenedNow),
        ("import no_such_library", NotOpenedNow),
        ("print('begun', flush=True); import os; os.kill(os.getpid(), 15)", NotOpenedNow),
    ],
    ids=[
        "crash",
        "no memory",
        "silence",
        "refused",
        "crash at the end",
        "too slow",
        "did not begin",
        "cannot begin",
        "stopped",
    ],
)
async def test_what_breaks_the_reader_is_broken_unless_the_machine_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, error: type[Exception]
) -> None:
    read_by(program, tmp_path, monkeypatch)
    with pytest.raises(error):
        await recognise(lambda: encoded(".jpg"), Limits(patience_s=3 if "sleep" in program else 60))


async def test_a_reader_that_does_not_start_says_nothing_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(NotOpenedNow):
        await recognise(lambda: encoded(".jpg"))


async def test_pictures_wait_for_each_other_and_nobody_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_by("print('begun', flush=True); import time; time.sleep(60)", tmp_path, monkeypatch)
    asked = []

    def read() -> bytes:
        asked.append(True)
        return encoded(".jpg")

    many = [asyncio.create_task(recognise(read, Limits(patience_s=3))) for _ in range(40)]
    await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.to_thread(int)
    assert not any(task.done() for task in many)
    assert len(asked) <= 1
    for task in many[1:]:
        task.cancel()
    with pytest.raises(BrokenPicture, match="not read within"):
        await many[0]
    assert len(asked) == 1


def test_a_header_made_of_nothing_but_markers_is_not_read_to_its_end() -> None:
    began = time.process_time()
    with pytest.raises(BrokenPicture):
        pictures.identify(b"\xff\xd8" + b"\xff" * (32 << 20))
    assert time.process_time() - began < 1


def test_a_large_picture_is_refused_by_its_header() -> None:
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 20_000, 20_000)
    with pytest.raises(BrokenPicture):
        pictures.identify(data + b"IEND\xaeB`\x82")


@settings(deadline=None)
@given(st.sampled_from([".jpg", ".png", ".webp"]), st.integers(0, 400), st.binary(max_size=64))
def test_damaged_pictures_never_do_worse_than_be_refused(extension: str, position: int, noise: bytes) -> None:
    data = encoded(extension)
    damaged = data[:position] + noise + data[position + len(noise) :]
    with contextlib.suppress(BrokenPicture, NotAPicture):
        pictures.identify(damaged)
        picture_reader.opens(damaged)
