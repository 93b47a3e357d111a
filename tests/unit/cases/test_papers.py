"""What an uploaded paper is, told by its bytes."""

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cases.papers import JPEG, PDF, PNG, WEBP, BrokenPaper, PaperType, UnknownPaper, recognise

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
def test_papers_are_known_by_their_bytes(data: bytes, kind: PaperType) -> None:
    assert recognise(data) == kind


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<script>alert(1)</script>", b"PK\x03\x04", b"GIF89a", b"\x7fELF"]
)
def test_anything_else_is_unknown(data: bytes) -> None:
    with pytest.raises(UnknownPaper):
        recognise(data)


@pytest.mark.parametrize("data", [encoded(".jpg"), encoded(".png"), encoded(".webp")])
def test_a_picture_that_is_only_a_beginning_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenPaper):
        recognise(data[:20])


def test_a_pdf_without_its_end_is_broken() -> None:
    with pytest.raises(BrokenPaper):
        recognise(MINIMAL_PDF[:20])


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_opened() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(BrokenPaper):
        recognise(bomb + encoded(".png")[33:])


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_a_picture_whose_end_is_missing_is_broken(extension: str, share: float) -> None:
    data = encoded(extension)
    with pytest.raises(BrokenPaper):
        recognise(data[: int(len(data) * share)])


def test_what_a_phone_appends_behind_the_picture_does_no_harm() -> None:
    assert recognise(encoded(".jpg") + b"maker's own trailer") == JPEG


@settings(deadline=None)
@given(st.sampled_from([".jpg", ".png", ".webp"]), st.integers(0, 400), st.binary(max_size=64))
def test_damaged_pictures_never_do_worse_than_be_refused(extension: str, position: int, noise: bytes) -> None:
    data = encoded(extension)
    with contextlib.suppress(BrokenPaper, UnknownPaper):
        recognise(data[:position] + noise + data[position + len(noise) :])
