"""Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01), the receiving side. Pure.

The sender numbers all packets of a connection, whatever their stream; we tell it some ten times a second when each
of them arrived. From delays that grow, and from losses, it finds what the way carries and lowers or raises its
bitrate. (Browsers' senders know this best: they also see what they sent, and probe for more.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from typing import NamedTuple

from .wrap import Unwrapper

EXTENSION = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
FEEDBACK = ("transport-cc", "")

_TICK_S = 0.000_25
_TICKS_OF_REFERENCE = 256  # reference times count 64 ms
_MAX_RUN = 0x1FFF
_EXTENSION = 12  # where a header extension begins, without contributing sources
_from_bytes = int.from_bytes
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2
# One feedback speaks of so many packets at most: what came before a jump in the numbers is another story.
# As many as one datagram carries, whatever the times between them.
_MAX_SPAN = 600
# Between two feedbacks: a flood of packets must not fill the memory.
_MAX_WAITING = 4096


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """RTPFB with FMT 15 (section 3.1). `arrivals`: for the packets from `base` on, the arrival in ticks of 250 us
    on the receiver's own clock, or None for one that has not come."""

    ssrc: int
    media_ssrc: int
    base: int
    number: int
    "Counts feedbacks; 8 bits."
    arrivals: tuple[int | None, ...]

    def __bytes__(self) -> bytes:
        first = next((tick for tick in self.arrivals if tick is not None), 0)
        reference = first // _TICKS_OF_REFERENCE
        chunks, deltas = _encode_all(self.arrivals, reference * _TICKS_OF_REFERENCE)
        body = struct.pack(
            "!IIHHI",
            self.ssrc,
            self.media_ssrc,
            self.base & 0xFFFF,
            len(self.arrivals),
            (reference & 0xFFFFFF) << 8 | self.number & 0xFF,
        )
        body += chunks + deltas
        padding = -len(body) % 4
        header = struct.pack("!BBH", 0xA0 | 15 if padding else 0x80 | 15, 205, (len(body) + padding) // 4)
        return header + body + (bytes(padding - 1) + bytes((padding,)) if padding else b"")

    @classmethod
    def parse(cls, packet: bytes) -> TransportFeedback:
        """A whole RTCP packet. Raises ValueError."""
        try:
            ssrc, media_ssrc, base, count, word = struct.unpack_from("!IIHHI", packet, 4)
            symbols: list[int] = []
            position = 20
            while len(symbols) < count:
                (chunk,) = struct.unpack_from("!H", packet, position)
                position += 2
                symbols += _symbols(chunk)
            arrivals: list[int | None] = []
            tick = (word >> 8) * _TICKS_OF_REFERENCE
            for symbol in symbols[:count]:
                if symbol == _NOT_RECEIVED:
                    arrivals.append(None)
                    continue
                form = "!B" if symbol == _SMALL else "!h"
                tick += struct.unpack_from(form, packet, position)[0]
                position += 1 if symbol == _SMALL else 2
                arrivals.append(tick)
        except struct.error as error:
            raise ValueError("transport feedback is truncated") from error
        return cls(ssrc, media_ssrc, base, word & 0xFF, tuple(arrivals))


def _encode_all(arrivals: tuple[int | None, ...], tick: int) -> tuple[bytes, bytes]:
    """The packet status chunks, and the receive deltas."""
    try:
        # Nearly always all of them came, one soon after the other: one run of small deltas.
        deltas = bytes(map(sub, arrivals, (tick, *arrivals)))
    except (TypeError, ValueError):
        symbols, deltas = _encode(arrivals, tick)
        return b"".join(_chunks(symbols)), deltas
    if len(deltas) > _MAX_RUN:
        return b"".join(_chunks([_SMALL] * len(deltas))), deltas
    return (struct.pack("!H", _SMALL << 13 | len(deltas)) if deltas else b""), deltas


def _encode(arrivals: Sequence[int | None], tick: int) -> tuple[list[int], bytes]:
    """The status symbols, and the receive deltas (section 3.1.5)."""
    symbols: list[int] = []
    deltas = bytearray()
    for arrival in arrivals:
        if arrival is None:
            symbols.append(_NOT_RECEIVED)
            continue
        delta = max(-0x8000, min(0x7FFF, arrival - tick))
        tick += delta
        if 0 <= delta <= 0xFF:
            symbols.append(_SMALL)
            deltas.append(delta)
        else:
            symbols.append(_LARGE)
            deltas += struct.pack("!h", delta)
    return symbols, bytes(deltas)


def _chunks(symbols: Sequence[int]) -> Iterator[bytes]:
    """Packet status chunks: runs where they are worth it, else vectors of seven (sections 3.1.3 and 3.1.4)."""
    position = 0
    while position < len(symbols):
        symbol = symbols[position]
        run = 1
        while run < _MAX_RUN and position + run < len(symbols) and symbols[position + run] == symbol:
            run += 1
        if run >= 7 or position + run == len(symbols):
            yield struct.pack("!H", symbol << 13 | run)
            position += run
            continue
        word = 0xC000
        for index, each in enumerate(symbols[position : position + 7]):
            word |= each << (12 - 2 * index)
        yield struct.pack("!H", word)
        position += 7


def _symbols(chunk: int) -> list[int]:
    if not chunk & 0x8000:
        return [chunk >> 13 & 3] * (chunk & _MAX_RUN)
    if chunk & 0x4000:
        return [chunk >> (12 - 2 * index) & 3 for index in range(7)]
    return [chunk >> (13 - index) & 1 for index in range(14)]


class _Layout(NamedTuple):
    """Where the number stands, for all packets whose header extension is made alike: of the extension's beginning as
    one big-endian number, the bits that `mask` shows are those of `pattern`."""

    end: int
    mask: int
    pattern: int


def _find(packet: bytes, extension: int) -> _Layout | None:
    """How this packet's one-byte header extension (RFC 8285 section 4.2) leads to the transport-wide number, which are
    the last two bytes before `end`."""
    if not packet[0] & 0x10:
        return None
    start = _EXTENSION + 4 * (packet[0] & 0x0F)
    if packet[start : start + 2] != b"\xbe\xde" or len(packet) < start + 4:
        return None
    position = start + 4
    end = min(len(packet), position + 4 * (packet[start + 2] << 8 | packet[start + 3]))
    shown = bytearray(b"\xff\xff\xff\xff")
    while position < end:
        head = packet[position]
        shown.append(0xFF)
        position += 1
        if head == 0:
            continue
        size = (head & 0x0F) + 1
        shown += bytes(size)
        position += size
        if head >> 4 == extension and size == 2 and position <= end:
            mask = int.from_bytes(shown, "big")
            return _Layout(position, mask, int.from_bytes(packet[start:position], "big") & mask)
    return None


def find_number(packet: bytes, extension: int) -> int | None:
    """The transport-wide number of an RTP packet."""
    found = _find(packet, extension)
    return None if found is None else packet[found.end - 2] << 8 | packet[found.end - 1]


class Arrivals:
    """Collects when the packets of one connection arrived, and writes feedback of it."""

    def __init__(self, extension: int) -> None:
        self._extension = extension
        # Nearly all packets are made like the one before: see `packet`.
        self._layout = _Layout(_EXTENSION, 0, -1)
        self._numbers = Unwrapper(16)
        self._waiting: list[tuple[int, float]] = []  # as they came: 16 bits, arrival
        self._next: int | None = None
        self._count = 0

    def packet(self, packet: bytes, now: float) -> None:
        """An RTP packet of the connection that arrived at `now` (monotonic seconds)."""
        if packet[0] == 0x90:  # no contributing sources, no padding
            end, mask, pattern = self._layout
            value = _from_bytes(packet[_EXTENSION:end], "big")
            if value & mask != pattern:
                found = _find(packet, self._extension)
                if found is None:
                    return
                self._layout = found
                value = _from_bytes(packet[_EXTENSION : found.end], "big")
            number: int | None = value & 0xFFFF
        else:
            number = find_number(packet, self._extension)
        if number is not None and len(self._waiting) < _MAX_WAITING:
            self._waiting.append((number, now))

    def feedback(self, ssrc: int, media_ssrc: int) -> TransportFeedback | None:
        """Of what has arrived since the last one, and what is missing in between; None when nothing has."""
        if not self._waiting:
            return None
        unwrapped = self._numbers
        ticks: dict[int, int] = {}
        for number, arrived in self._waiting:
            ticks.setdefault(unwrapped(number), int(arrived / _TICK_S))
        self._waiting.clear()
        last = max(ticks)
        first = min(*ticks, last if self._next is None else self._next)
        first = max(first, last - _MAX_SPAN + 1)
        self._next = last + 1
        self._count += 1
        arrivals = tuple(map(ticks.get, range(first, last + 1)))
        return TransportFeedback(ssrc, media_ssrc, first & 0xFFFF, self._count & 0xFF, arrivals)
