"""The slot's own continuous RTP numbering, which outlives publishers. Pure."""

from .wrap import unwrap


class Source:
    """One publisher's stream placed on the slot's timeline. Numbers and timestamps out are endless.

    Whoever takes the stream's packets moves it on: `take` for any packet; `next_sequence`, `newest` and `stamp` are
    open for the one that is simply the next, as nearly all are.
    """

    __slots__ = (
        "_number_offset",
        "_timestamp_offset",
        "first_number",
        "heard_at",
        "newest",
        "next_sequence",
        "place",
        "stamp",
    )

    def __init__(self, sequence: int, timestamp: int, number: int, place: int, now: float) -> None:
        self.first_number = number
        "The slot number of the first packet; an earlier one (reordered before it) has no place on the timeline."
        self.newest = number
        self.next_sequence = (sequence + 1) & 0xFFFF
        "The publisher's 16-bit number of the packet after the newest one."
        self.stamp = timestamp
        "The publisher's 32-bit timestamp of the foremost frame, and `place` the slot's."
        self.place = place
        self.heard_at = now
        self._number_offset = number - sequence
        self._timestamp_offset = place - timestamp

    def number(self, sequence: int) -> int:
        """Slot number of the publisher's 16-bit sequence number."""
        return unwrap(sequence + self._number_offset, self.newest, 16)

    def timestamp(self, timestamp: int) -> int:
        """Slot timestamp of the publisher's 32-bit timestamp."""
        return unwrap(timestamp + self._timestamp_offset, self.place, 32)

    def take(self, sequence: int) -> int:
        """Slot number of a packet that came; the stream goes on from the foremost."""
        number = self.number(sequence)
        if number > self.newest:
            self.newest = number
            self.next_sequence = (sequence + 1) & 0xFFFF
        return number

    def turn(self, timestamp: int) -> int:
        """Slot timestamp of a packet that came; the stream goes on from the foremost."""
        place = self.timestamp(timestamp)
        if place > self.place:
            self.place, self.stamp = place, timestamp
        return place

    def publisher_number(self, number: int) -> int:
        """The publisher's own endless sequence number behind a slot number."""
        return number - self._number_offset

    def publisher_sequence(self, number: int) -> int:
        """The publisher's 16-bit sequence number behind a slot number."""
        return (number - self._number_offset) & 0xFFFF


class Timeline:
    """One kind (audio or video) of a slot. A new publisher goes on where the old one ended:
    the next sequence number, and a timestamp later by the wall time between them."""

    def __init__(self, clock_rate: int, first_number: int, first_timestamp: int) -> None:
        self.clock_rate = clock_rate
        self._first = first_number, first_timestamp
        self._source: Source | None = None

    def join(self, sequence: int, timestamp: int, now: float) -> Source:
        """A stream begins with this packet, which arrived at `now` (monotonic seconds)."""
        number, place = self._first
        before = self._source
        if before is not None:
            number = before.newest + 1
            # At least one unit forward: two frames must never share a timestamp.
            place = before.place + max(1, round((now - before.heard_at) * self.clock_rate))
        self._source = Source(sequence, timestamp, number, place, now)
        return self._source
