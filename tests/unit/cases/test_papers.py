"""What an uploaded paper is, told by its bytes."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from server.apart import NotRun
from server.cases.papers import JPEG, PDF, PNG, WEBP, BrokenPaper, PaperType, UnknownPaper, recognise
from server.errors import Unavailable
from server.vision import pictures

PICTURE = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)
MINIMAL_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nstartxref\n9\n%%EOF\n"


def encoded(extension: str, *parameters: int) -> bytes:
    return cv2.imencode(extension, PICTURE, list(parameters))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (MINIMAL_PDF, PDF),
        (encoded(".jpg"), JPEG),
        (encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), JPEG),
        (encoded(".png"), PNG),
        (encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 80), WEBP),
        (encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101), WEBP),
    ],
)
async def test_papers_are_known_by_their_bytes(data: bytes, kind: PaperType) -> None:
    assert await recognise(data) == kind


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<script>alert(1)</script>", b"PK\x03\x04", b"GIF89a", b"\x7fELF"]
)
async def test_anything_else_is_unknown(data: bytes) -> None:
    with pytest.raises(UnknownPaper):
        await recognise(data)


@pytest.mark.parametrize("data", [encoded(".jpg"), encoded(".png"), encoded(".webp")])
async def test_a_picture_that_is_only_a_beginning_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenPaper):
        await recognise(data[:20])


async def test_a_pdf_without_its_end_is_broken() -> None:
    with pytest.raises(BrokenPaper):
        await recognise(MINIMAL_PDF[:20])


async def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_opened() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(BrokenPaper):
        await recognise(bomb + encoded(".png")[33:])


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
async def test_a_picture_whose_end_is_missing_is_broken(extension: str, share: float) -> None:
    data = encoded(extension)
    with pytest.raises(BrokenPaper):
        await recognise(data[: int(len(data) * share)])


async def test_what_a_phone_appends_behind_the_picture_does_no_harm() -> None:
    assert await recognise(encoded(".jpg") + b"maker's own trailer") == JPEG


async def test_a_picture_that_cannot_be_opened_now_is_not_called_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise NotRun

    monkeypatch.setattr(pictures, "run_apart", fail)
    with pytest.raises(Unavailable):
        await recognise(encoded(".jpg"))
    assert await recognise(MINIMAL_PDF) == PDF
