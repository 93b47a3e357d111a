"""The walk as data: which picture is seen when, from where. Pure."""

import bisect
import itertools
import math
from dataclasses import dataclass
from typing import Literal

Sound = Literal["outdoors", "room", "machines"]

FADE_S = 0.8
MARGIN = 0.03
"""Share of the picture's width kept free at each side, so that the hand's tremor never shows an edge."""


@dataclass(frozen=True)
class View:
    """A window on a picture: centre as shares of its size, width as a share of its width."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Scene:
    """A picture (`assets/<name>.webp`), how long the phone stays with it and how it moves meanwhile."""

    name: str
    seconds: float
    begin: View
    end: View
    sound: Sound


@dataclass(frozen=True)
class Shot:
    """What one instant shows: a scene, its view, and the next scene coming through by `mix` (0 to 1)."""

    scene: int
    view: View
    next_scene: int
    next_view: View
    mix: float


SCENES = (
    Scene("street", 9, View(0.43, 0.50, 0.86), View(0.56, 0.48, 0.80), "outdoors"),
    Scene("doorplate", 6, View(0.50, 0.50, 0.90), View(0.50, 0.47, 0.80), "outdoors"),
    Scene("signboard", 7, View(0.48, 0.52, 0.90), View(0.44, 0.50, 0.84), "outdoors"),
    Scene("licence", 7, View(0.50, 0.52, 0.90), View(0.50, 0.48, 0.80), "room"),
    Scene("laboratory", 9, View(0.42, 0.50, 0.82), View(0.58, 0.50, 0.82), "room"),
    Scene("purity", 6, View(0.52, 0.52, 0.92), View(0.50, 0.51, 0.80), "room"),
    Scene("balance", 6, View(0.48, 0.53, 0.92), View(0.50, 0.55, 0.80), "room"),
    Scene("microscope", 6, View(0.52, 0.54, 0.92), View(0.50, 0.56, 0.80), "room"),
    Scene("line", 12, View(0.42, 0.55, 0.80), View(0.58, 0.54, 0.80), "machines"),
    Scene("store", 9, View(0.44, 0.52, 0.90), View(0.55, 0.53, 0.82), "room"),
)

STARTS_S = tuple(itertools.accumulate((scene.seconds for scene in SCENES), initial=0.0))
LOOP_S = STARTS_S[-1]


def shot_at(time_s: float) -> Shot:
    """What the walk shows at a time; it begins anew after `LOOP_S` seconds."""
    at = time_s % LOOP_S
    index = bisect.bisect_right(STARTS_S, at) - 1
    scene, following = SCENES[index], (index + 1) % len(SCENES)
    since, left = at - STARTS_S[index], STARTS_S[index + 1] - at
    mix = max(0.0, 1 - left / FADE_S)
    # A scene is on its way from half a fade before its start, so that nothing jumps when it takes over.
    return Shot(
        index,
        _view(scene, since, time_s),
        following,
        _view(SCENES[following], since - scene.seconds, time_s),
        mix,
    )


def _view(scene: Scene, since_s: float, time_s: float) -> View:
    share = (since_s + FADE_S) / (scene.seconds + FADE_S)
    eased = share * share * (3 - 2 * share)
    begin, end = scene.begin, scene.end
    width = min(begin.width + (end.width - begin.width) * eased, 1 - 2 * MARGIN)
    x = begin.x + (end.x - begin.x) * eased + tremor(time_s, 0.0)
    y = begin.y + (end.y - begin.y) * eased + tremor(time_s, 2.0)
    half = width / 2
    return View(min(max(x, half), 1 - half), min(max(y, half), 1 - half), width)


def tremor(time_s: float, phase: float) -> float:
    """The hand's movement as a share of the picture: breathing, and a faster small shake."""
    return 0.004 * math.sin(0.9 * time_s + phase) + 0.0012 * math.sin(4.7 * time_s + 3 * phase)
