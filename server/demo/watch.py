"""Deciding from what the service says whether what we publish still arrives."""

from dataclasses import dataclass

PATIENCE_S = 2.0
"""How long the service may say that nothing arrives: it may just have started and still be listening."""
GRACE_S = 4.0
"""What the service needs at most to see a new connection's first packets."""


@dataclass
class ArrivalWatch:
    """Says when to publish anew: a restarted service is silent about the old connection, and ICE notices after 30 s.

    Times are seconds of any one monotonic clock.
    """

    published_at: float | None = None
    missing_since: float | None = None

    def published(self, now: float) -> None:
        """A connection has just been made."""
        self.published_at = now

    def closed(self) -> None:
        """There is no connection; nothing is expected to arrive."""
        self.published_at = None

    def heard(self, live: bool, now: float) -> None:
        """Take what a `media` message says; the service repeats it only when it changes."""
        if live:
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now

    def out_of_touch(self) -> None:
        """The room is lost: what it said last is no longer known to be so."""
        self.missing_since = None

    def is_due(self, now: float) -> bool:
        """Whether a new connection should replace the present one."""
        if self.published_at is None or self.missing_since is None:
            return False
        return now - self.missing_since >= PATIENCE_S and now - self.published_at >= GRACE_S
