"""What a phone's word about its position is worth: distance to the case's place, a grade, the reasons. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_M = 6_371_008.8
"""Mean radius; WGS-84's flattening makes a difference of at most 0.6 % of the distance."""
AT_MOST_M = 200.0
"""A site with its yard: within this, allowing for the fix's own accuracy, is "at the place"."""
AWAY_FROM_M = 1_000.0
COARSE_M = 150.0
"""Cells and Wi-Fi give this or worse; a satellite fix is better."""
MAP_OFFSET_M = (100.0, 900.0)
"""How far coordinates of a Chinese map (GCJ-02) lie from WGS-84."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`grade`: `near`, `uncertain`, `far` or `unknown`; `reasons` are codes, and never none."""

    distance_m: int | None
    grade: str
    reasons: tuple[str, ...]


def judge(lat: float, lon: float, accuracy_m: float, place: tuple[float, float] | None) -> Whereabouts:
    """Grade one fix (WGS-84 degrees, radius of accuracy in metres) against the `place` of the case.

    A browser's position can be set by an app and is not proved by anything: `claimed` is always among the reasons.
    """
    coarse = ("coarse",) if accuracy_m > COARSE_M else ()
    if place is None:
        return Whereabouts(None, "unknown", ("no_place", *coarse, "claimed"))
    away_m = distance_m((lat, lon), place)
    if away_m + accuracy_m <= AT_MOST_M and not coarse:
        grade, why = "near", ("within",)
    elif away_m - accuracy_m > AWAY_FROM_M:
        grade, why = "far", ("beyond",)
    else:
        grade, why = "uncertain", ("between",)
    low, high = MAP_OFFSET_M
    offset = ("map_offset",) if grade == "uncertain" and not coarse and low < away_m < high else ()
    return Whereabouts(round(away_m), grade, (*why, *coarse, *offset, "claimed"))


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Along the great circle between two (latitude, longitude) in degrees."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, at)) for at in (one, other))
    a = math.sin((lat2 - lat1) / 2) ** 2
    b = math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, a + b)))
