"""Reception statistics of one stream (RFC 3550 sections 6.4.1, A.3 and A.8). Pure."""


class Reception:
    """Counts packets as the network delivered them: a retransmission does not make a loss undone."""

    __slots__ = (
        "_clock_rate",
        "_expected_before",
        "_first",
        "_highest",
        "_jitter",
        "_received",
        "_received_before",
        "_transit",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._first: int | None = None
        self._highest = 0
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter = 0.0
        self._transit: float | None = None

    @property
    def received(self) -> int:
        return self._received

    @property
    def highest(self) -> int:
        """Highest endless sequence number."""
        return self._highest

    @property
    def lost(self) -> int:
        """Cumulative; negative when the network duplicated packets."""
        return 0 if self._first is None else self._highest - self._first + 1 - self._received

    @property
    def jitter_s(self) -> float:
        return self._jitter / self._clock_rate

    @property
    def jitter(self) -> int:
        """Interarrival jitter in RTP units."""
        return int(self._jitter)

    def packet(self, number: int, timestamp: int, now: float) -> None:
        """`number` is the endless sequence number, `timestamp` the endless RTP timestamp."""
        if self._first is None:
            self._first = self._highest = number
        elif number > self._highest:
            self._highest = number
        self._received += 1
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            self._jitter += (abs(transit - self._transit) - self._jitter) / 16
        self._transit = transit

    def fraction_lost(self) -> int:
        """The share lost since the previous call, in 1/256; starts a new interval."""
        if self._first is None:
            return 0
        expected = self._highest - self._first + 1
        expected_interval = expected - self._expected_before
        received_interval = self._received - self._received_before
        self._expected_before, self._received_before = expected, self._received
        lost = expected_interval - received_interval
        if expected_interval <= 0 or lost <= 0:
            return 0
        return min(255, (lost << 8) // expected_interval)
