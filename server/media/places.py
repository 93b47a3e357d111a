"""Where in a part the frame of an RTP timestamp stands. Pure.

A part's time is not its RTP time plus a constant: the recorder follows the publisher's clock, and a track that was
placed before the sender's reports came is drawn to its place by and by. So a part keeps a few of its pictures' places.
"""

from __future__ import annotations

from collections.abc import Sequence

from .codecs import VIDEO_CLOCK_HZ
from .wrap import unwrap

Place = tuple[int, int]
"""RTP timestamp (the slot's, 32 bits) and presentation time of one picture, both in 1/90,000 s."""

WITHIN = VIDEO_CLOCK_HZ * 5 // 1000


class Places:
    """So few of a part's pictures that the RTP clock, counted on from the one before, finds all others to 5 ms."""

    def __init__(self) -> None:
        self._kept: list[Place] = []

    def note(self, timestamp: int, at_s: float) -> None:
        """The next picture: its RTP timestamp (also endless) and its presentation time."""
        timestamp, at = timestamp & 0xFFFFFFFF, round(at_s * VIDEO_CLOCK_HZ)
        if not self._kept or abs(_counted_on(self._kept[-1], timestamp) - at) > WITHIN:
            self._kept.append((timestamp, at))

    def kept(self) -> tuple[Place, ...]:
        return tuple(self._kept)


def moment_of(places: Sequence[Place], rtp_timestamp: int) -> float | None:
    """A moment at which a player of the part shows this picture: up to 10 ms after it comes up, so that it is there for
    certain. In seconds; None for a timestamp from before the first picture, and for a part without pictures."""
    earlier = [place for place in places if unwrap(rtp_timestamp, place[0], 32) >= place[0]]
    if not earlier:
        return None
    return (_counted_on(earlier[-1], rtp_timestamp) + WITHIN) / VIDEO_CLOCK_HZ


def _counted_on(place: Place, rtp_timestamp: int) -> int:
    return place[1] + unwrap(rtp_timestamp, place[0], 32) - place[0]
