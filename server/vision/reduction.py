"""A picture made smaller for a document."""

from __future__ import annotations

import cv2
import numpy as np

_QUALITY = 82


def reduced_jpeg(picture: bytes, width: int) -> bytes | None:
    """JPEG of at most `width` pixels across, of any picture that OpenCV opens; None for one that it does not.

    The same bytes for the same picture, as long as OpenCV is the same.
    """
    try:
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if image is None:
        return None
    height_is, width_is = image.shape[:2]
    if width_is > width:
        # By a whole number: averaging whole pixels is fifteen times as fast as parts of them.
        factor = -(-width_is // width)
        size = (width_is // factor, max(1, height_is // factor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else None
