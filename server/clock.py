"""The one clock: UTC wall time, monotonic time, and their text form (RFC 3339)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

TIME_ZONE = ZoneInfo("Asia/Shanghai")
"""Pages, case numbers and "today" go by Beijing time; evidence and API speak UTC."""


class Clock(Protocol):
    """What the rest of the house asks for the time; tests pass one that they set themselves."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump; meaningful only as differences within one process."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and `Z`: `2026-11-21T08:30:00.125Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def parse_rfc3339(text: str) -> datetime:
    """The aware UTC moment that `text` names; ValueError if it is no RFC 3339 time with an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no UTC offset in {text!r}")
    return moment.astimezone(UTC)
