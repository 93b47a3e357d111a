"""How a good datagram becomes a bad one. Deterministic for a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_SIZE = 2000
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


class Mutator:
    def __init__(self, corpus: Sequence[bytes], chance: random.Random) -> None:
        self._corpus = corpus
        self._chance = chance
        self._ways = (
            self._as_it_is,
            self._flipped,
            self._cut,
            self._longer,
            self._extreme,
            self._spliced,
            self._random,
        )

    def datagram(self) -> bytes:
        made = self._chance.choice(self._ways)(self._chance.choice(self._corpus))
        return made[:MAX_SIZE]

    def _as_it_is(self, good: bytes) -> bytes:
        return good  # a duplicate, or a replay

    def _flipped(self, good: bytes) -> bytes:
        changed = bytearray(good)
        for _ in range(self._chance.randint(1, 4)):
            changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _cut(self, good: bytes) -> bytes:
        return good[: self._chance.randrange(len(good) + 1)]

    def _longer(self, good: bytes) -> bytes:
        return good + self._chance.randbytes(self._chance.choice((1, 4, 64, 1400)))

    def _extreme(self, good: bytes) -> bytes:
        """Lengths, counts and types are bytes near the beginning."""
        changed = bytearray(good)
        for _ in range(self._chance.randint(1, 3)):
            changed[self._chance.randrange(min(len(changed), 24))] = self._chance.choice(_EXTREMES)
        return bytes(changed)

    def _spliced(self, good: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return good[: self._chance.randrange(len(good) + 1)] + other[self._chance.randrange(len(other) + 1) :]

    def _random(self, good: bytes) -> bytes:
        first = bytes([self._chance.choice((0, 1, 22, 63, 128, 144, 191, self._chance.randrange(256)))])
        return first + self._chance.randbytes(self._chance.choice((0, 1, 11, len(good), 1200)))
