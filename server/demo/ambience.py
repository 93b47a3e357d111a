"""The walk's sound: quiet air, machines in the plant, footsteps while walking, a soft chime at each new scene. Pure."""

import numpy as np
from numpy.typing import NDArray

from server.demo.route import FADE_S, SCENES, STARTS_S, Sound

RATE_HZ = 48_000
Wave = NDArray[np.float32]

AIR = {"outdoors": 0.020, "room": 0.006, "machines": 0.012}
STEP_EVERY_S = 0.62
CHIME_HZ = (659.26, 987.77)
CHIME_S = 1.2


def soundtrack(seed: int = 20) -> NDArray[np.int16]:
    """One loop of the walk, mono, 48 kHz; the same for the same seed."""
    rng = np.random.default_rng(seed)
    track = np.concatenate([_scene(scene.sound, scene.seconds, rng) for scene in SCENES])
    for start_s in STARTS_S[:-1]:
        _add(track, chime(), start_s)
    samples: NDArray[np.int16] = (np.clip(track, -1, 1) * 32767).astype(np.int16)
    return samples


def chime() -> Wave:
    """Two decaying tones, one a little after the other."""
    time = np.arange(round(CHIME_S * RATE_HZ)) / RATE_HZ
    wave = np.zeros(time.size)
    for index, pitch_hz in enumerate(CHIME_HZ):
        since = np.maximum(time - 0.12 * index, 0)
        attack = np.minimum(since / 0.01, 1)
        wave += 0.05 * attack * np.exp(-5 * since) * np.sin(2 * np.pi * pitch_hz * since)
    # Silent at its very end: a cut-off tail would click.
    return (wave * np.minimum((CHIME_S - time) / 0.1, 1)).astype(np.float32)


def footstep(rng: np.random.Generator) -> Wave:
    """A dull thud with a little grit."""
    time = np.arange(round(0.14 * RATE_HZ)) / RATE_HZ
    thud = np.sin(2 * np.pi * 74 * time) * np.exp(-38 * time)
    grit = smooth(rng.standard_normal(time.size), 12) * np.exp(-55 * time)
    return (0.05 * thud + 0.07 * grit).astype(np.float32)


def smooth(noise: NDArray[np.float64], taps: int) -> NDArray[np.float64]:
    """A moving average, which takes the hiss out of white noise."""
    return np.convolve(noise, np.full(taps, 1 / taps), mode="same")


def _scene(sound: Sound, seconds: float, rng: np.random.Generator) -> Wave:
    size = round(seconds * RATE_HZ)
    time = np.arange(size) / RATE_HZ
    air = smooth(rng.standard_normal(size), 40) * 6.0 * AIR[sound]
    if sound == "outdoors":
        air *= 1 + 0.5 * np.sin(2 * np.pi * 0.21 * time)  # a breeze
    if sound == "machines":
        beat = 1 + 0.25 * np.sin(2 * np.pi * 6.2 * time)
        hum = sum(np.sin(2 * np.pi * 49.5 * k * time) / k for k in (1, 2, 3, 5))
        air += 0.018 * beat * hum
    track: Wave = air.astype(np.float32)
    # The person walks up to each place, then stands and shows it.
    for at_s in np.arange(FADE_S, min(seconds * 0.5, 4.0), STEP_EVERY_S):
        _add(track, footstep(rng), float(at_s))
    return track


def _add(track: Wave, sound: Wave, at_s: float) -> None:
    start = round(at_s * RATE_HZ)
    end = min(start + sound.size, track.size)
    track[start:end] += sound[: end - start]
