"""A frame number drawn in the picture so that a program can read it back after any codec.

24 cells in two rows of twelve, black = 0 and white = 1, most significant bit first: a 16-bit number and its
CRC-8. Cells are 40 px wide at 640x360 and scale with the picture.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

NUMBERS = 1 << 16
COLUMNS, ROWS = 12, 2
CELL_PX, REFERENCE_WIDTH = 40, 640
LEFT_PX, TOP_PX = 80, 20
MIN_CONTRAST = 80
UNSURE = 0.2
"""A cell whose level lies within this share of the contrast around the middle is neither black nor white."""


def check(number: int) -> int:
    """CRC-8 (polynomial x8+x2+x+1) of a 16-bit number; the start value makes blank pictures invalid."""
    crc = 0xA5
    for byte in number.to_bytes(2, "big"):
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def bits(number: int) -> NDArray[np.bool_]:
    """The 24 cells of a number in reading order."""
    word = (number % NUMBERS) << 8 | check(number % NUMBERS)
    return np.array([word >> (23 - i) & 1 for i in range(24)], np.bool_)


def draw(image: NDArray[Any], number: int) -> None:
    """Draw `number` (modulo 65536) into a grey or colour picture in place."""
    unit = image.shape[1] / REFERENCE_WIDTH
    white = (255,) * (image.shape[2] if image.ndim == 3 else 1)
    black = (0,) * len(white)
    for cell, bit in enumerate(bits(number)):
        x0, y0, x1, y1 = _box(cell, unit, 0.0)
        cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), white if bit else black, -1)


def read(image: NDArray[Any]) -> int | None:
    """The number in a grey or BGR picture, or None if there is none or it cannot be trusted."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    unit = grey.shape[1] / REFERENCE_WIDTH
    levels = np.empty(COLUMNS * ROWS)
    for cell in range(COLUMNS * ROWS):
        x0, y0, x1, y1 = _box(cell, unit, 0.25)
        patch = grey[y0:y1, x0:x1]
        if patch.size == 0:
            return None
        levels[cell] = patch.mean()
    low, high = levels.min(), levels.max()
    if high - low < MIN_CONTRAST:
        return None
    share = (levels - low) / (high - low)
    if bool(np.any(np.abs(share - 0.5) < UNSURE)):
        return None
    word = int("".join("1" if s > 0.5 else "0" for s in share), 2)
    number = word >> 8
    return number if check(number) == word & 0xFF else None


def _box(cell: int, unit: float, margin: float) -> tuple[int, int, int, int]:
    row, column = divmod(cell, COLUMNS)
    x, y = LEFT_PX + column * CELL_PX, TOP_PX + row * CELL_PX
    inset = CELL_PX * margin
    return (
        round((x + inset) * unit),
        round((y + inset) * unit),
        round((x + CELL_PX - inset) * unit),
        round((y + CELL_PX - inset) * unit),
    )
