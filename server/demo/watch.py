"""Deciding from what the service says whether what we publish still arrives."""

from dataclasses import dataclass

PATIENCE_S = 4.0
"""Two `media` messages' worth, and longer than connecting takes."""


@dataclass
class ArrivalWatch:
    """Says when to publish anew: a restarted service is silent about the old connection, and ICE notices after 30 s.

    Times are seconds of any one monotonic clock.
    """

    published_at: float | None = None
    _missing_since: float | None = None

    def published(self, now: float) -> None:
        """A connection has just been made."""
        self.published_at = now
        self._missing_since = None

    def closed(self) -> None:
        """There is no connection; nothing is expected to arrive."""
        self.published_at = None

    def heard(self, live: bool, now: float) -> bool:
        """Take what a `media` message says; True if a new connection should replace the present one."""
        if live or self.published_at is None:
            self._missing_since = None
            return False
        if self._missing_since is None:
            self._missing_since = now
        return now - max(self._missing_since, self.published_at) >= PATIENCE_S
