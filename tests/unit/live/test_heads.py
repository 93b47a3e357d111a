"""A head of the log every ten seconds: not more, and not much less however late the ticks are."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from server.live.heads import HEAD_EVERY_S, HeadKey, Heads
from server.live.room import TICK_S


class Stepped:
    """A clock that stands still between steps."""

    def __init__(self) -> None:
        self.s = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self.s)

    def monotonic_s(self) -> float:
        return self.s


class Key:
    """The office's; away at first if wanted."""

    def __init__(self, *, there: bool = True) -> None:
        self.there = there
        self._key = ed25519.Ed25519PrivateKey.generate()

    def load(self) -> ed25519.Ed25519PrivateKey:
        if not self.there:
            raise FileNotFoundError
        return self._key


def heads_by(clock: Stepped, key: Key) -> Heads:
    live = cast(Any, SimpleNamespace(clock=clock))
    return Heads(live, "01K00000000000000000000000", cast(HeadKey, key))


async def given(heads: Heads, clock: Stepped, steps: list[float]) -> list[float]:
    """When heads were given, as the room's ticker asks for them."""
    times = []
    for step in steps:
        clock.s += step
        if heads.is_due(clock.s, TICK_S) and await heads.give(1, "ab" * 32) is not None:
            times.append(clock.s)
    return times


async def test_a_room_that_ticks_in_time_gives_a_head_every_ten_seconds_and_no_other() -> None:
    clock = Stepped()
    times = await given(heads_by(clock, Key()), clock, [TICK_S] * 300)
    assert [round(b - a, 6) for a, b in pairwise(times)] == [HEAD_EVERY_S] * 59


@pytest.mark.parametrize("seed", range(5))
async def test_ticks_that_come_late_neither_crowd_the_heads_nor_lose_one(seed: int) -> None:
    clock, chance = Stepped(), random.Random(seed)
    steps = [TICK_S + chance.choice((0, 0, 0.01, 0.2, 1.5)) for _ in range(500)]
    times = await given(heads_by(clock, Key()), clock, steps)
    pauses = [b - a for a, b in pairwise(times)]
    assert min(pauses) > HEAD_EVERY_S - TICK_S / 2
    assert max(pauses) <= HEAD_EVERY_S - TICK_S / 2 + max(steps)


async def test_an_office_that_gets_its_keys_gives_its_first_head_with_the_next_tick() -> None:
    clock, key = Stepped(), Key(there=False)
    heads = heads_by(clock, key)
    assert await given(heads, clock, [TICK_S] * 7) == []
    key.there = True
    times = await given(heads, clock, [TICK_S] * 7)
    assert times == [times[0], times[0] + HEAD_EVERY_S]
    assert times[0] == 1000 + 8 * TICK_S
