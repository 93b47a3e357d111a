"""Counters that wrap around, made endless: RTP sequence numbers (16 bits) and timestamps (32 bits)."""


def unwrap(value: int, near: int, bits: int) -> int:
    """The endless number that is congruent to `value` modulo 2**bits and closest to `near`."""
    size = 1 << bits
    half = size >> 1
    return near + ((value - near + half) & (size - 1)) - half


class Unwrapper:
    """Follows one wrapping counter. The first value is taken as it is; order may be disturbed by up to half a turn."""

    __slots__ = ("_half", "_mask", "last")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << bits - 1
        self.last: int | None = None
        "Highest endless value seen so far."

    def __call__(self, value: int) -> int:
        last = self.last
        if last is None:
            self.last = value
            return value
        endless = (
            last + ((value - last + self._half) & self._mask) - self._half
        )  # as `unwrap`, once per packet
        if endless > last:
            self.last = endless
        return endless
