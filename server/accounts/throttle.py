"""How long somebody who keeps failing to sign in has to wait. Pure: counts and times in, seconds out."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

FREE_PER_USERNAME = 5
"""Attempts without any delay; people mistype."""
FREE_PER_ADDRESS = 30
"""A whole office may share one address."""
LONGEST_WAIT_S = 15 * 60
FORGOTTEN_AFTER = timedelta(hours=1)


def wait_s(count: int, last_at: datetime, now: datetime, *, free: int) -> int:
    """Whole seconds until the next attempt is allowed, 0 if it is allowed now.

    `count` failures, the newest at `last_at`. The delay doubles with each one beyond the free ones.
    """
    if count < free or now - last_at >= FORGOTTEN_AFTER:
        return 0
    delay_s = min(2.0 ** min(count - free, 20), LONGEST_WAIT_S)
    remaining_s = delay_s - (now - last_at).total_seconds()
    return max(0, math.ceil(remaining_s))
