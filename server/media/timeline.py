"""The slot's own continuous RTP numbering, which outlives publishers. Pure."""

from .wrap import Unwrapper


class Source:
    """One publisher's stream placed on the slot's timeline. Numbers out are endless."""

    __slots__ = ("_number_offset", "_numbers", "_timestamp_offset", "_timestamps", "first_number")

    def __init__(
        self,
        numbers: Unwrapper,
        timestamps: Unwrapper,
        number_offset: int,
        timestamp_offset: int,
        first_number: int,
    ) -> None:
        self._numbers = numbers
        self._timestamps = timestamps
        self._number_offset = number_offset
        self._timestamp_offset = timestamp_offset
        self.first_number = first_number
        "The slot number of the first packet; an earlier one (reordered before it) has no place on the timeline."

    def number(self, sequence: int) -> int:
        """Slot number of the publisher's 16-bit sequence number."""
        return self._numbers(sequence) + self._number_offset

    def timestamp(self, timestamp: int) -> int:
        """Slot timestamp of the publisher's 32-bit timestamp."""
        return self._timestamps(timestamp) + self._timestamp_offset

    def place(self, sequence: int, timestamp: int) -> tuple[int, int]:
        """`number` and `timestamp` of one packet in one step: for each packet that comes."""
        numbers, timestamps = self._numbers, self._timestamps
        last = numbers.last or 0
        number = last + ((sequence - last + 0x8000) & 0xFFFF) - 0x8000
        if number > last:
            numbers.last = number
        last = timestamps.last or 0
        place = last + ((timestamp - last + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if place > last:
            timestamps.last = place
        return number + self._number_offset, place + self._timestamp_offset

    def publisher_sequence(self, number: int) -> int:
        """The publisher's 16-bit sequence number behind a slot number."""
        return (number - self._number_offset) & 0xFFFF


class Timeline:
    """One kind (audio or video) of a slot. A new publisher goes on where the old one ended:
    the next sequence number, and a timestamp later by the wall time between them."""

    def __init__(self, clock_rate: int, first_number: int, first_timestamp: int) -> None:
        self.clock_rate = clock_rate
        self._next_number = first_number
        self._next_timestamp = first_timestamp
        # The foremost packet that went through.
        self.last_number = -1
        self.last_timestamp = 0
        self.last_arrival_s = 0.0

    def join(self, sequence: int, timestamp: int, now: float) -> Source:
        """A stream begins with this packet, which arrived at `now` (monotonic seconds)."""
        number, place = self._next_number, self._next_timestamp
        if self.last_number >= 0:
            number = self.last_number + 1
            # At least one unit forward: two frames must never share a timestamp.
            place = self.last_timestamp + max(1, round((now - self.last_arrival_s) * self.clock_rate))
        numbers, timestamps = Unwrapper(16), Unwrapper(32)
        first = numbers(sequence)
        return Source(numbers, timestamps, number - first, place - timestamps(timestamp), number)

    def advance(self, number: int, timestamp: int, now: float) -> None:
        """Remember the foremost packet that went through."""
        if number > self.last_number:
            self.last_number, self.last_timestamp, self.last_arrival_s = number, timestamp, now
