"""A picture that flashes white and a sound that beeps at the same instants, and analysers that find both again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from server.demo.tracks import encoder
from tests.peers.pacing import (
    AUDIO_FRAME,
    AUDIO_RATE_HZ,
    AUDIO_TIME_BASE,
    VIDEO_CLOCK_HZ,
    VIDEO_TIME_BASE,
    Epoch,
)

PERIOD_S = 1.0
LENGTH_S = 0.1
FIRST_S = 0.5
TONE_HZ = 1000.0
FPS = 30
WINDOW_S = 0.004
BRIGHT = 128
LOUD = 0.08
"""Share of full scale that the tone's amplitude must reach to count; the beep is made at 0.5."""


def is_on(media_s: float) -> bool:
    """Whether the flash and the beep are on at a media time."""
    return bool(_on(np.array([round(media_s * AUDIO_RATE_HZ)]))[0])


def _on(sample: NDArray[np.int64]) -> NDArray[np.bool_]:
    # In whole samples: with fractions of a second, rounding would now and then part the flash from the beep.
    since = sample - round(FIRST_S * AUDIO_RATE_HZ)
    within: NDArray[np.bool_] = since % round(PERIOD_S * AUDIO_RATE_HZ) < round(LENGTH_S * AUDIO_RATE_HZ)
    return (since >= 0) & within


def beep(first_sample: int, samples: int = AUDIO_FRAME) -> NDArray[np.int16]:
    """Samples of the sound, mono, 48 kHz, from a position on."""
    position = first_sample + np.arange(samples)
    time = position / AUDIO_RATE_HZ
    wave: NDArray[Any] = np.where(_on(position), 0.5 * np.sin(2 * np.pi * TONE_HZ * time), 0.0)
    return (wave * 32767).astype(np.int16)


def flash(media_s: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey picture: white while on, black else."""
    width, height = size
    return np.full((height, width), 255 if is_on(media_s) else 0, np.uint8)


class FlashTrack(MediaStreamTrack):
    """Flashing frames, encoded ahead of time.

    aiortc's sender reports say that a frame was captured when its last packet left. A frame encoded before it is
    due leaves when it is due, so the reports are right however slowly a busy machine encodes.
    """

    kind = "video"

    def __init__(self, epoch: Epoch, size: tuple[int, int] = (640, 360)) -> None:
        super().__init__()
        self._epoch = epoch
        self._size = size
        self._encoder = encoder(*size, FPS)
        self._frame = -1

    async def recv(self) -> av.Packet[av.VideoStream]:
        if self.readyState != "live":
            raise MediaStreamError
        # Frames that are overdue are left out: a burst would put them all at one arrival time.
        self._frame = max(self._frame, math.floor(self._epoch.now_s() * FPS)) + 1
        packet = self._encode(self._frame)
        await self._epoch.wait_until(self._frame / FPS)
        return packet

    def _encode(self, number: int) -> av.Packet[av.VideoStream]:
        grey = av.VideoFrame.from_ndarray(flash(number / FPS, self._size), format="gray")
        frame = grey.reformat(format="yuv420p")
        frame.pts, frame.time_base = number * VIDEO_CLOCK_HZ // FPS, VIDEO_TIME_BASE
        (packet,) = self._encoder.encode(frame)
        return packet


class BeepTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, epoch: Epoch) -> None:
        super().__init__()
        self._epoch = epoch
        self._sample = 0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await self._epoch.wait_until(self._sample / AUDIO_RATE_HZ)
        frame = av.AudioFrame.from_ndarray(beep(self._sample)[None, :], format="s16", layout="mono")
        frame.sample_rate = AUDIO_RATE_HZ
        frame.time_base = AUDIO_TIME_BASE
        frame.pts = self._sample
        self._sample += AUDIO_FRAME
        return frame


def flash_times(path: Path | str) -> list[float]:
    """Seconds on the file's timeline at which the picture turns white, by the timestamp of the first white frame."""
    times, was_bright = [], True  # a file that begins white does not tell when the flash began
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            bright = bool(frame.to_ndarray(format="gray").mean() > BRIGHT)
            if bright and not was_bright:
                times.append(float(frame.time or 0.0))
            was_bright = bright
    return times


def beep_times(path: Path | str) -> list[float]:
    """Seconds on the file's timeline at which the tone begins, to about 4 ms."""
    times, was_loud = [], True
    for time, amplitude in _tone(path):
        if amplitude > LOUD and not was_loud:
            times.append(time)
        # Hysteresis: the codec's ringing at the tone's edges must not make two beeps of one.
        was_loud = amplitude > (LOUD / 2 if was_loud else LOUD)
    return times


def _tone(path: Path | str) -> Iterator[tuple[float, float]]:
    """(start of window in seconds, amplitude of the tone in it as a share of full scale), window by window."""
    size = round(WINDOW_S * AUDIO_RATE_HZ)
    probe = np.exp(-2j * np.pi * TONE_HZ * np.arange(size) / AUDIO_RATE_HZ)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE_HZ)
    with av.open(str(path)) as container:
        held, held_at = np.empty(0, np.float32), 0.0
        for decoded in container.decode(audio=0):
            decoded_at = float(decoded.time or 0.0)
            # Positions come from timestamps, never from counts: a gap in the file must stay a gap.
            if held.size == 0 or abs(decoded_at - held_at - held.size / AUDIO_RATE_HZ) > WINDOW_S:
                held, held_at = np.empty(0, np.float32), decoded_at
            for frame in resampler.resample(decoded):
                held = np.concatenate([held, frame.to_ndarray().reshape(-1)])
            while held.size >= size:
                yield held_at, float(2 * abs(np.dot(held[:size], probe)) / size)
                held, held_at = held[size:], held_at + WINDOW_S
