"""Builds the file Chromium shows as its camera: numbered frames as concatenated JPEG pictures.

Chromium (`--use-file-for-fake-video-capture`) plays an .mjpeg file at 30 frames a second whatever it holds, and starts
again at its first picture after the last: the number falls back to 0, so a test that needs a running number for longer
than the file takes a longer file (`frames`). It decides by the file name's ending, which must be `.mjpeg`.

    python -m tests.peers.build_camera camera.mjpeg
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.peers import counter

FPS = 30
FRAMES = 20 * FPS
SIZE = (640, 360)
QUALITY = 80


def scenery(width: int, height: int) -> NDArray[np.uint8]:
    """A smooth coloured picture twice as wide as asked for, to slide behind the number."""
    x = np.linspace(0, 4 * np.pi, width * 2, dtype=np.float32)[None, :]
    y = np.linspace(0, np.pi, height, dtype=np.float32)[:, None]
    planes = [120 + 60 * np.sin(x + phase) * np.cos(y * (1 + phase)) for phase in (0.0, 1.1, 2.3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def picture(background: NDArray[Any], number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Frame `number`: BGR, with the number for programs above and for people below."""
    width, height = size
    shift = number * 3 % width
    image = background[:height, shift : shift + width].copy()
    counter.draw(image, number)
    scale = width / 640
    where = (round(250 * scale), round(300 * scale))
    cv2.putText(image, f"{number:05d}", where, cv2.FONT_HERSHEY_SIMPLEX, 1.5 * scale, (255,) * 3, 3)
    return image


def build(path: Path, frames: int = FRAMES, size: tuple[int, int] = SIZE, first: int = 0) -> Path:
    """Write `frames` numbered frames to `path`, whole or not at all, unless it is there; returns the path."""
    if path.exists():
        return path
    background = scenery(*size)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        for number in range(first, first + frames):
            done, jpeg = cv2.imencode(
                ".jpg", picture(background, number, size), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
            )
            assert done
            file.write(jpeg.tobytes())
    return partial.rename(path)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
