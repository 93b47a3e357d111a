"""Half a minute of video over a network that loses by a pattern, on a clock of its own: the same on every machine.

The phone sends thirty pictures a second, the loss list asks again for what is missing, and both requests and repairs
are lost as everything else is.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import pytest

from server.media.losses import GIVE_UP_S, LossList
from tests.unit.media.test_losses import receive

FPS = 30
PACKETS = 6
"""Of one picture: about 1.5 Mbit/s."""
SECONDS = 30.0
NACK_TICK_S = 0.02
KEYFRAME_PAUSE_S = 0.5
KEYFRAME_EVERY_S = 5
NOT_FOR_EVER_S = SECONDS + 5

Lose = Callable[[float], bool]


@dataclass
class Way:
    """Time, what happens in it, and when what arrived."""

    lose: Lose
    one_way_s: float
    now: float = 0.0
    losses: LossList = field(default_factory=LossList)
    newest: int = 0
    arrived: dict[int, float] = field(default_factory=dict)
    keyframes: list[int] = field(default_factory=lambda: [0])
    "Pictures that need no other."
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Any = field(default_factory=count)
    _keyframe_due: bool = False
    _asked_for_keyframe: float = -1.0

    def at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), act))

    def run(self) -> None:
        for picture in range(int(SECONDS * FPS)):
            self.at(picture / FPS, lambda picture=picture: self._shoot(picture))  # type: ignore[misc]
        self.at(NACK_TICK_S, self._tick)
        while self._events and self._events[0][0] < NOT_FOR_EVER_S:
            self.now, _, act = heapq.heappop(self._events)
            act()

    def _shoot(self, picture: int) -> None:
        if self._keyframe_due or picture - self.keyframes[-1] >= KEYFRAME_EVERY_S * FPS:
            self._keyframe_due = False
            self.keyframes.append(picture)
        for index in range(PACKETS):
            self._send(picture * PACKETS + index, 0.002 * index)

    def _send(self, number: int, later_s: float = 0.0) -> None:
        if not self.lose(self.now):
            self.at(self.now + later_s + self.one_way_s, lambda: self._arrive(number))

    def _resend(self, numbers: list[int]) -> None:
        for number in numbers:
            self._send(number)

    def _arrive(self, number: int) -> None:
        if not self.arrived:
            # The slot asks when a stream begins: what came before the first packet is never missed.
            self.at(self.now + self.one_way_s, lambda: setattr(self, "_keyframe_due", True))
            self.newest = number
        self.arrived.setdefault(number, self.now)
        self.newest = receive(self.losses, self.newest, number, self.now)

    def _tick(self) -> None:
        """As the uplink does: ask again, and for a keyframe when something was given up."""
        before = self.losses.abandoned
        asked = self.losses.due(self.now)
        if asked and not self.lose(self.now):
            self.at(self.now + self.one_way_s, lambda: self._resend(asked))
        if self.losses.abandoned > before and self.now - self._asked_for_keyframe > KEYFRAME_PAUSE_S:
            self._asked_for_keyframe = self.now
            self.at(self.now + self.one_way_s, lambda: setattr(self, "_keyframe_due", True))
        self.at(self.now + NACK_TICK_S, self._tick)

    def shown(self) -> list[tuple[int, float]]:
        """The pictures that can be decoded, in order, with the time of the last packet that each needed."""
        shown: list[tuple[int, float]] = []
        whole, ready = True, 0.0
        for picture in range(int(SECONDS * FPS)):
            arrivals = [self.arrived.get(picture * PACKETS + index) for index in range(PACKETS)]
            if picture in self.keyframes:
                whole = True
            if None in arrivals:
                whole = False
            if whole:
                ready = max([ready, *(at for at in arrivals if at is not None)])
                shown.append((picture, ready))
        return shown

    def shows_all(self) -> bool:
        """Nothing is missing from the first picture on (of which the network may have lost the first packets)."""
        pictures = [picture for picture, _ in self.shown()]
        return pictures[0] < FPS and pictures == list(range(pictures[0], int(SECONDS * FPS)))

    def longest_freeze_s(self) -> float:
        return max(late - early for (_, early), (_, late) in pairwise(self.shown()))


def share(part: float, seed: int) -> Lose:
    chance = random.Random(seed)
    return lambda _: chance.random() < part


def bursts(now: float) -> bool:
    """0.3 s of nothing in every ten seconds."""
    return 5.0 <= now % 10 < 5.3


@pytest.mark.parametrize("round_trip_s", [0.02, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_at_five_percent_loss_each_way_every_picture_comes(seed: int, round_trip_s: float) -> None:
    way = Way(share(0.05, seed), round_trip_s / 2)
    way.run()
    assert way.losses.abandoned == 0
    assert way.shows_all()
    assert way.longest_freeze_s() < GIVE_UP_S


@pytest.mark.parametrize("round_trip_s", [0.02, 0.1])
def test_bursts_of_three_hundred_milliseconds_lose_no_picture(round_trip_s: float) -> None:
    way = Way(bursts, round_trip_s / 2)
    way.run()
    assert way.losses.abandoned == 0
    assert way.shows_all()
    assert way.longest_freeze_s() < 0.7


@pytest.mark.parametrize("seed", range(5))
def test_at_fifteen_percent_loss_the_picture_never_freezes_for_a_second(seed: int) -> None:
    way = Way(share(0.15, seed), 0.03)
    way.run()
    shown = way.shown()
    assert len(shown) > 0.9 * SECONDS * FPS
    assert way.longest_freeze_s() < 1.0
