"""A recording of which pieces were blanked plays in Chromium: over the gap, to its end."""

import base64
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from server.evidence.blanking import blank
from server.evidence.segments import SegmentHasher
from server.media.model import PartSegment, VideoShape
from server.media.part import PartFile, PartHead
from server.media.repair import repair_part
from tests.evidence.recorded import FPS, HEIGHT, WIDTH, pictures
from tests.peers.chromium import Chromium

SECONDS = 10
SOUND_S = 0.02
KINDS = {"closed.mp4": True, "killed.mp4": False, "closed.webm": True, "killed.webm": False}
PLAY = """
async (address) => {
  const video = document.createElement("video");
  video.src = address;
  video.playbackRate = 4;
  const over = new Promise((resolve) => {
    video.onended = () => resolve("ended");
    video.onerror = () => resolve(video.error.message);
  });
  document.body.append(video);
  await video.play().catch(() => {});
  return [await over, video.currentTime, video.duration];
}
"""


def record(path: Path, *, sound: bool, closed: bool) -> list[PartSegment]:
    """A part of noise, closed in order or as a kill left it; its pieces as they were logged."""
    container = "mp4" if path.suffix == ".mp4" else "webm"
    head = PartHead(
        index=1,
        started_at=datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
        video=VideoShape(width=WIDTH, height=HEIGHT, codec="H264" if container == "mp4" else "VP8"),
        audio=sound,
    )
    pieces: list[PartSegment] = []
    file = PartFile(path, head, SegmentHasher(container), pieces.append)
    tones = tone() if sound else iter(())
    for index, (packet, keyframe) in enumerate(pictures(SECONDS * FPS, container, seed=5)):
        file.write("video", packet, index / FPS, 1 / FPS, keyframe=keyframe)
        for number in range(round(1 / FPS / SOUND_S)):
            if heard := next(tones, b""):
                file.write("audio", heard, index / FPS + number * SOUND_S, SOUND_S, keyframe=True)
    if closed:
        file.close()
    else:
        file.abandon()
        assert repair_part(path) is not None
    return [piece for piece in pieces if piece.end <= path.stat().st_size]


def tone() -> Iterator[bytes]:
    """Opus packets of twenty milliseconds."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.time_base = Fraction(1, 48_000)
    for index in range(SECONDS * 50 + 50):
        times = (np.arange(960) + 960 * index) / 48_000
        wave = (np.sin(2 * math.pi * 440 * times) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None, :], format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, 960 * index
        yield from (bytes(packet) for packet in encoder.encode(frame))


@pytest.mark.parametrize(("kind", "sound"), [*((kind, True) for kind in KINDS), ("closed.mp4", False)])
async def test_a_blanked_recording_plays_to_its_end(
    browser: Chromium, tmp_path: Path, kind: str, sound: bool
) -> None:
    path = tmp_path / kind
    pieces = record(path, sound=sound, closed=KINDS[kind])
    assert len(pieces) > 3
    before = path.read_bytes()
    media_type = "video/mp4" if path.suffix == ".mp4" else "video/webm"
    async with browser.desk("http://127.0.0.1") as context:
        page = await context.new_page()
        for chosen in (pieces[:1], pieces[1:-1], pieces[-1:]):
            path.write_bytes(before)
            blank(path, [(piece.start, piece.end) for piece in chosen])
            address = f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"
            how, reached, duration = await page.evaluate(PLAY, address)
            assert how == "ended", chosen
            assert reached == pytest.approx(duration, abs=0.2)
