"""Tracks that deliver on one shared clock, so that sound and picture of one peer belong together."""

import asyncio
from fractions import Fraction

VIDEO_CLOCK_HZ = 90_000
AUDIO_RATE_HZ = 48_000
AUDIO_FRAME = 960
"""Samples in 20 ms, the packet time of Opus."""

VIDEO_TIME_BASE = Fraction(1, VIDEO_CLOCK_HZ)
AUDIO_TIME_BASE = Fraction(1, AUDIO_RATE_HZ)


class Epoch:
    """The instant media time 0 of all tracks that share it; set by the first who asks."""

    def __init__(self) -> None:
        self._started_at: float | None = None

    def now_s(self) -> float:
        """Media time in seconds."""
        loop = asyncio.get_running_loop()
        if self._started_at is None:
            self._started_at = loop.time()
        return loop.time() - self._started_at

    async def wait_until(self, media_s: float) -> None:
        await asyncio.sleep(max(0.0, media_s - self.now_s()))
