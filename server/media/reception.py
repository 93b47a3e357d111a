"""Reception statistics of one stream (RFC 3550 sections 6.4.1, A.3 and A.8). Pure."""


class Reception:
    """Counts packets as the network delivered them: a retransmission does not make a loss undone."""

    __slots__ = (
        "_clock_rate",
        "_expected_before",
        "_first",
        "_jitter",
        "_received_before",
        "_transit",
        "highest",
        "received",
    )

    def __init__(self, clock_rate: int, first: int) -> None:
        """`first`: the endless sequence number that the stream begins with."""
        self._clock_rate = clock_rate
        self._first = first
        self.highest = first
        "Highest endless sequence number."
        self.received = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter = 0.0
        self._transit: float | None = None

    @property
    def lost(self) -> int:
        """Cumulative; negative when the network duplicated packets."""
        return self.highest - self._first + 1 - self.received

    @property
    def jitter_s(self) -> float:
        return self._jitter / self._clock_rate

    @property
    def jitter(self) -> int:
        """Interarrival jitter in RTP units."""
        return int(self._jitter)

    def turned(self, timestamp: int, now: float) -> None:
        """The first packet with a new (endless) timestamp came. Those after it say how the sender paces a frame,
        not what the network does."""
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            self._jitter += (abs(transit - self._transit) - self._jitter) / 16
        self._transit = transit

    def fraction_lost(self) -> int:
        """The share lost since the previous call, in 1/256; starts a new interval."""
        expected = self.highest - self._first + 1
        expected_interval = expected - self._expected_before
        received_interval = self.received - self._received_before
        self._expected_before, self._received_before = expected, self.received
        lost = expected_interval - received_interval
        if expected_interval <= 0 or lost <= 0:
            return 0
        return min(255, (lost << 8) // expected_interval)
