"""The demonstration's walk as the file that Chromium shows as its camera (see tests/peers/build_camera.py)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
from PIL import Image

from server.demo.picture import Renderer
from server.demo.route import SCENES, STARTS_S, shot_at

FPS = 30
DRAWN_EVERY = 3
"""One drawing serves so many frames: the walk is slow, and drawing is what takes the time."""
STAY = (("doorplate", 5.0), ("laboratory", 40.0))
QUALITY = 85


def build(path: Path) -> Path:
    """Write the walk with its clock to `path` (.mjpeg); a scene that is asked for longer is walked more slowly."""
    renderer, begun = Renderer(), datetime.now(UTC)
    names = [scene.name for scene in SCENES]
    number = 0
    with path.open("wb") as file:
        for name, seconds in STAY:
            index = names.index(name)
            start_s, share = STARTS_S[index], 0.85 * SCENES[index].seconds / seconds
            for frame in range(0, round(seconds * FPS), DRAWN_EVERY):
                now = begun + timedelta(seconds=number / FPS)
                planes = renderer.frame(shot_at(start_s + frame / FPS * share), now, number)
                image = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
                done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                assert done
                file.write(jpeg.tobytes() * DRAWN_EVERY)
                number += DRAWN_EVERY
    return path


def write_paper(path: Path) -> Path:
    """A picture that can be handed in as material."""
    Image.new("RGB", (640, 900), "#f4f1e8").save(path)
    return path
