"""The last seconds of one stream in slot form: repairs viewers' losses and holds the pictures for snapshots. Pure."""

# Old packets go some at a time: looking for one with every packet that comes costs more than to keep it.
_SLACK_S = 0.5


class Ring:
    """Holds slot-form packets by endless sequence number, bounded by count, bytes and age."""

    def __init__(self, capacity: int, max_bytes: int, max_age_s: float) -> None:
        if capacity & (capacity - 1):
            raise ValueError("capacity must be a power of two")
        self._mask = capacity - 1
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._packets: list[bytes | None] = [None] * capacity
        self._arrivals: list[float] = [0.0] * capacity
        self._oldest = 0
        self._newest: int | None = None
        self.size_bytes = 0

    def add(self, number: int, packet: bytes, now: float) -> bool:
        """False when the packet is a duplicate or older than everything that is kept."""
        newest = self._newest
        if newest is None:
            self._oldest = self._newest = number
        elif number > newest:
            if number - newest >= self._capacity:
                self.clear()
                self._oldest = number
            self._newest = number
        elif number < self._oldest or self._packets[number & self._mask] is not None:
            return False
        while number - self._oldest >= self._capacity:
            self._drop_oldest()
        index = number & self._mask
        self._packets[index] = packet
        self._arrivals[index] = now
        self.size_bytes += len(packet)
        oldest = self._oldest & self._mask
        if (
            self.size_bytes > self._max_bytes
            or self._packets[oldest] is None
            or self._arrivals[oldest] < now - self._max_age_s - _SLACK_S
        ):
            self._shrink(now)
        return True

    def find(self, sequence: int) -> bytes | None:
        """The packet with this 16-bit sequence number, if it is kept."""
        if self._newest is None:
            return None
        number = self._newest - ((self._newest - sequence) & 0xFFFF)
        if number < self._oldest or self._newest - number >= self._capacity:
            return None
        return self._packets[number & self._mask]

    def packets(self) -> list[tuple[int, bytes, float]]:
        """(number, packet, arrival) of everything kept, ascending."""
        if self._newest is None:
            return []
        kept = []
        for number in range(self._oldest, self._newest + 1):
            packet = self._packets[number & self._mask]
            if packet is not None:
                kept.append((number, packet, self._arrivals[number & self._mask]))
        return kept

    def clear(self) -> None:
        self._packets = [None] * self._capacity
        self._newest = None
        self._oldest = 0
        self.size_bytes = 0

    def _shrink(self, now: float) -> None:
        # Half a turn of the 16-bit number is far beyond `capacity`, so `find` is never ambiguous.
        limit = now - self._max_age_s
        newest = self._newest
        while self._oldest != newest:
            index = self._oldest & self._mask
            if self._packets[index] is not None and (
                self.size_bytes <= self._max_bytes and self._arrivals[index] >= limit
            ):
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        index = self._oldest & self._mask
        packet = self._packets[index]
        if packet is not None:
            self.size_bytes -= len(packet)
            self._packets[index] = None
        self._oldest += 1
