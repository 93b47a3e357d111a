"""How good a picture is as evidence: sharpness and exposure, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH = 640


@dataclass(frozen=True, slots=True)
class Quality:
    """`sharpness`: variance of the Laplacian at 640 px width (under about 30 text is hardly legible);
    `brightness`: mean luma, 0 to 255; `clipped`: share of pixels that are black or blown out, 0 to 1."""

    sharpness: float
    brightness: float
    clipped: float


def measure(image: NDArray[np.uint8]) -> Quality:
    """Of a BGR image, height x width x 3."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height, width = gray.shape
    if width > _WIDTH:
        gray = cv2.resize(gray, (_WIDTH, max(1, height * _WIDTH // width)), interpolation=cv2.INTER_AREA)
    clipped = float(np.count_nonzero((gray <= 4) | (gray >= 251))) / gray.size
    return Quality(
        sharpness=round(float(cv2.Laplacian(gray, cv2.CV_64F).var()), 2),
        brightness=round(float(gray.mean()), 2),
        clipped=round(clipped, 4),
    )


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Lossless, so that the stored snapshot is the decoded frame and nothing else."""
    encoded, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not encoded:
        raise ValueError(f"cannot encode an image of shape {image.shape}")
    return data.tobytes()
