"""How often strangers may have something computed: receipts checked, proofs of the office's log made."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict

from aiohttp import web

from server.errors import Throttled
from server.web.keys import CLOCK
from server.web.middlewares import remote_address

BURST = 10
"""Checks without a pause; people try a file, then another one."""
REFILL_S = 6.0
MOST_ADDRESSES = 10_000
EVERYBODY = ""
BURST_OF_ALL = 60
REFILL_OF_ALL_S = 1.0


class Allowance:
    """Tokens of each address, and of all together. What is forgotten first is the address that was longest away.

    Pure: addresses and seconds in, seconds to wait out.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, address: str, now_s: float) -> int:
        """Whole seconds until the next check is allowed; 0 if this one is."""
        waits = [
            self._wait(EVERYBODY, now_s, BURST_OF_ALL, REFILL_OF_ALL_S),
            self._wait(f"of {address}", now_s, BURST, REFILL_S),
        ]
        if not any(waits):
            for key in (f"of {address}", EVERYBODY):
                tokens, at_s = self._left[key]
                self._left[key] = (tokens - 1, at_s)
                self._left.move_to_end(key)
        while len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        return max(waits)

    def _wait(self, key: str, now_s: float, burst: int, refill_s: float) -> int:
        tokens, at_s = self._left.get(key, (float(burst), now_s))
        tokens = min(float(burst), tokens + (now_s - at_s) / refill_s)
        self._left[key] = (tokens, now_s)
        return 0 if tokens >= 1 else math.ceil((1 - tokens) * refill_s)


ALLOWANCE = web.AppKey("allowance", Allowance)
ONE_CHECK = web.AppKey("one_check", asyncio.Lock)
"""Checks wait for each other: they compute, and inspections that run are not to feel it."""


def take_allowance(request: web.Request) -> None:
    """One check of the visitor's. Throttled."""
    wait_s = request.app[ALLOWANCE].take(remote_address(request), request.app[CLOCK].monotonic_s())
    if wait_s:
        raise Throttled(seconds=wait_s)
