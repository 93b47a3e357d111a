"""A clock that runs like the machine's but can be set ahead."""

import time
from datetime import UTC, datetime, timedelta


class SettableClock:
    """Starts at `start` and runs; `advance` jumps ahead."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime.now(UTC)
        self._began = time.monotonic()
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began) + self._ahead

    def monotonic_s(self) -> float:
        return time.monotonic() + self._ahead.total_seconds()

    def advance(self, **duration: float) -> None:
        """`advance(minutes=5)`."""
        self._ahead += timedelta(**duration)
