"""What a bad network does to the datagrams of one direction, decided by their count and a seed: each time the same."""

import math
import random
from dataclasses import dataclass

REORDERED_S = 0.02
"""A datagram out of its order comes by so much later: on a busy way some ten others overtake it."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares are of all datagrams; times are seconds. In a burst, which begins each `burst_every_s`, none passes."""

    loss: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0
    burst_s: float = 0.0
    burst_every_s: float = 10.0


CLEAR = Weather()


class Way:
    """One direction, at first in clear weather."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._last = -math.inf
        self._since = 0.0
        self._weather = CLEAR

    def change(self, weather: Weather, now: float) -> None:
        """The first burst begins `now`; the chance goes on from where it is."""
        self._weather, self._since = weather, now

    def leaves_at(self, now: float) -> float | None:
        """When a datagram that comes `now` leaves again; None if it is lost."""
        weather = self._weather
        # Three for every datagram, so that one kind of trouble does not change what another one hits.
        lost, late, delay = self._chance.random(), self._chance.random(), self._chance.random()
        if weather.burst_s and (now - self._since) % weather.burst_every_s < weather.burst_s:
            return None
        if lost < weather.loss:
            return None
        # A later one never leaves at the same time: timers of one moment have no order.
        at = max(now + delay * weather.jitter_s, math.nextafter(self._last, math.inf))
        if late < weather.reorder:
            return at + REORDERED_S
        self._last = at
        return at
