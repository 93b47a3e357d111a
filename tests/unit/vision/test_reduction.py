"""Pictures made smaller for documents."""

import cv2
import numpy as np
import pytest

from server.vision.reduction import reduced_jpeg


def png(width: int, height: int) -> bytes:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (0, 0, 200)
    return cv2.imencode(".png", image)[1].tobytes()


def opened(jpeg: bytes | None) -> np.ndarray:
    assert jpeg is not None
    assert jpeg.startswith(b"\xff\xd8\xff")
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.mark.parametrize(
    ("before", "after"), [((1920, 1080), (960, 540)), ((640, 360), (640, 360)), ((3000, 2), (1000, 1))]
)
def test_a_picture_is_made_no_wider_than_asked_and_keeps_its_proportions(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    image = opened(reduced_jpeg(png(*before), 1000))
    assert (image.shape[1], image.shape[0]) == after
    assert image[0, 0, 2] > 150 > image[0, -1, 2]


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert reduced_jpeg(png(1920, 1080), 1000) == reduced_jpeg(png(1920, 1080), 1000)


@pytest.mark.parametrize("data", [b"", b"no picture", png(64, 64)[:20]])
def test_what_is_no_picture_gives_none(data: bytes) -> None:
    assert reduced_jpeg(data, 1000) is None
