"""How often something may be done: some at once, then one after the other. Pure: the caller's clock in seconds."""

from __future__ import annotations


class TokenBucket:
    """`burst` at once, and one more every `refill_s`."""

    def __init__(self, burst: float, refill_s: float, now: float) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether it may be done now; if so, that is counted."""
        allowed = self.wait_s(now) == 0
        if allowed:
            self._tokens -= 1
        return allowed

    def wait_s(self, now: float) -> float:
        """Seconds until it may be done; 0 for now."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) / self._refill_s)
        self._at = max(self._at, now)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) * self._refill_s
