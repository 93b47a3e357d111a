"""Sharp pictures measure sharper, dark ones darker."""

import cv2
import numpy as np

from server.vision.quality import encode_png, measure

RANDOM = np.random.default_rng(7)
SHARP = RANDOM.integers(0, 255, (360, 640, 3), dtype=np.uint8)


def test_a_blurred_picture_is_less_sharp() -> None:
    blurred = np.asarray(cv2.GaussianBlur(SHARP, (15, 15), 5), dtype=np.uint8)
    assert measure(blurred).sharpness < measure(SHARP).sharpness / 10


def test_black_and_blown_out_pictures_are_clipped() -> None:
    black, white = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 255, np.uint8)
    assert (measure(black).brightness, measure(black).clipped) == (0, 1)
    assert (measure(white).brightness, measure(white).clipped) == (255, 1)


def test_the_size_of_the_picture_does_not_decide_its_sharpness() -> None:
    large = np.asarray(cv2.resize(SHARP, (1920, 1080), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    assert 0.3 < measure(large).sharpness / measure(SHARP).sharpness < 3


def test_png_keeps_every_pixel() -> None:
    decoded = cv2.imdecode(np.frombuffer(encode_png(SHARP), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(decoded), SHARP)
