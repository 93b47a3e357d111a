"""Frame numbers survive what cameras, codecs and screens do to a picture."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.peers import build_camera, counter

NUMBERS = [0, 1, 255, 256, 4660, 21845, 43690, 65534, 65535]


def grey(width: int = 640, height: int = 360, level: int = 90) -> counter.Image:
    return np.full((height, width), level, np.uint8)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (320, 180), (960, 540)])
def test_a_number_is_read_back_at_every_size(number: int, size: tuple[int, int]) -> None:
    image = grey(*size)
    counter.draw(image, number)
    assert counter.read(image) == number


def test_a_number_is_read_back_from_a_colour_picture() -> None:
    image = build_camera.picture(build_camera.scenery(640, 360), 777)
    assert image.shape == (360, 640, 3)
    assert counter.read(image) == 777


def test_numbers_start_again_after_65535() -> None:
    image = grey()
    counter.draw(image, 65536 + 12)
    assert counter.read(image) == 12


def test_every_number_has_both_black_and_white_cells() -> None:
    cells = np.array([counter.bits(n) for n in range(counter.NUMBERS)])
    assert cells.any(axis=1).all()
    assert not cells.all(axis=1).any()


def test_every_number_differs_from_its_neighbour_in_more_than_one_cell() -> None:
    cells = np.array([counter.bits(n) for n in range(counter.NUMBERS)])
    assert (cells[1:] != cells[:-1]).sum(axis=1).min() > 1


def test_a_single_wrong_cell_is_noticed() -> None:
    for cell in range(24):
        image = grey()
        counter.draw(image, 4660)
        x = counter.LEFT_PX + cell % 12 * 40
        y = counter.TOP_PX + cell // 12 * 40
        image[y : y + 40, x : x + 40] = 255 - image[y : y + 40, x : x + 40]
        assert counter.read(image) is None


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_blank_picture_has_no_number(level: int) -> None:
    assert counter.read(grey(level=level)) is None


def test_noise_has_no_number() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        cells = rng.integers(0, 256, (9, 16)).astype(np.uint8)
        assert counter.read(cv2.resize(cells, (640, 360), interpolation=cv2.INTER_NEAREST)) is None


def test_two_frames_blended_half_and_half_are_not_taken_for_one() -> None:
    first, second = grey(), grey()
    counter.draw(first, 1000)
    counter.draw(second, 1001)
    assert counter.read(np.asarray(cv2.addWeighted(first, 0.5, second, 0.5, 0))) is None


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_numbers_survive_jpeg(quality: int) -> None:
    background = build_camera.scenery(640, 360)
    for number in NUMBERS:
        _, jpeg = cv2.imencode(
            ".jpg", build_camera.picture(background, number), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert counter.read(decoded) == number


@pytest.mark.parametrize(
    ("codec", "size"), [("libx264", (640, 360)), ("libvpx", (640, 360)), ("libx264", (1280, 720))]
)
def test_numbers_survive_video_at_low_bitrate(codec: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "numbers.mkv"
    background = build_camera.scenery(*size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 200_000 * size[0] // 640
        stream.options = {"tune": "zerolatency"} if codec == "libx264" else {"deadline": "realtime"}
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(
                build_camera.picture(background, number + 30000, size), format="bgr24"
            )
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        read = [counter.read(f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]
    assert read == list(range(30000, 30060))
