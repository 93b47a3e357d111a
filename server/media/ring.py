"""The last seconds of one stream in slot form: repairs viewers' losses and holds the pictures for snapshots. Pure."""

# What is over its bounds is dropped some at a time: looking with every packet costs more than to keep it.
_SETTLE = 64


class Ring:
    """Holds slot-form packets by endless sequence number, bounded by count, bytes and age (to 64 packets)."""

    def __init__(self, capacity: int, max_bytes: int, max_age_s: float) -> None:
        if capacity & (capacity - 1) or capacity < 2 * _SETTLE:
            raise ValueError(f"capacity must be a power of two, and {2 * _SETTLE} at least")
        self._mask = capacity - 1
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._packets: list[bytes | None] = [None] * capacity
        self._arrivals: list[float] = [0.0] * capacity
        self._oldest = 0
        self._next: int | None = None
        self._settled = 0  # up to here packets are in `_size`
        self._size = 0

    def add(self, number: int, packet: bytes, now: float) -> bool:
        """False when the packet is a duplicate or older than everything that is kept."""
        if number != self._next and not self._goes_to(number, packet, now):
            return False
        index = number & self._mask
        self._packets[index] = packet
        self._arrivals[index] = now
        if number == self._next:
            # Nearly every packet.
            self._next = number + 1
            if not self._next % _SETTLE:
                self._settle(now)
        return True

    @property
    def size_bytes(self) -> int:
        return self._size + self._unsettled()

    def find(self, sequence: int) -> bytes | None:
        """The packet with this 16-bit sequence number, if it is kept."""
        if self._next is None:
            return None
        # Half a turn of the 16-bit number is far beyond `capacity`, so this is never ambiguous.
        number = self._next - 1 - ((self._next - 1 - sequence) & 0xFFFF)
        if number < self._oldest:
            return None
        return self._packets[number & self._mask]

    def packets(self) -> list[tuple[int, bytes, float]]:
        """(number, packet, arrival) of everything kept, ascending."""
        kept = []
        for number in range(self._oldest, self._next or 0):
            packet = self._packets[number & self._mask]
            if packet is not None:
                kept.append((number, packet, self._arrivals[number & self._mask]))
        return kept

    def clear(self) -> None:
        self._packets = [None] * self._capacity
        self._next = None
        self._oldest = self._settled = self._size = 0

    def _goes_to(self, number: int, packet: bytes, now: float) -> bool:
        """Makes `number` the next one, or finds its free place among those before."""
        if self._next is None or number - self._next >= self._capacity - _SETTLE:
            self.clear()
            self._oldest = self._settled = self._next = number
        elif number > self._next:
            self._settle(now)
            self._settled = self._next = number
            self._drop_to(number + _SETTLE - self._capacity)
        elif number < self._oldest or self._packets[number & self._mask] is not None:
            return False
        elif number < self._settled:
            self._size += len(packet)
        return True

    def _unsettled(self) -> int:
        begin, end = self._settled & self._mask, (self._next or 0) & self._mask
        new = self._packets[begin:end] if begin <= end else self._packets[begin:] + self._packets[:end]
        return sum(len(packet) for packet in new if packet is not None)

    def _settle(self, now: float) -> None:
        """Drops what is over the bounds, and makes room for what comes until the next time."""
        self._size, self._settled = self.size_bytes, self._next or 0
        self._drop_to(self._settled + _SETTLE - self._capacity)
        limit = now - self._max_age_s
        while self._oldest < self._settled - 1:
            index = self._oldest & self._mask
            if self._packets[index] is not None and (
                self._size <= self._max_bytes and self._arrivals[index] >= limit
            ):
                return
            self._drop_to(self._oldest + 1)

    def _drop_to(self, oldest: int) -> None:
        for number in range(self._oldest, oldest):
            index = number & self._mask
            packet = self._packets[index]
            if packet is not None:
                self._size -= len(packet)
                self._packets[index] = None
        self._oldest = max(self._oldest, oldest)
