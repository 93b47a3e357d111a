"""From packets as they arrive to whole frames in order. Pure: slot-form packets and times in, frames out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .codecs import VideoCodec
from .rtp import HEADER_SIZE, timestamp_of

# What may come before a keyframe's parameter sets: an access unit delimiter, supplemental information.
_MAX_PREAMBLE = 2


class Ordered(NamedTuple):
    """A packet in its turn."""

    packet: bytes
    arrived_s: float
    after_loss: bool
    "Whether packets before it never came."


class ReorderBuffer:
    """Gives packets out in order of their endless numbers; waits for a missing one, but not for ever."""

    def __init__(self, wait_s: float, max_held: int = 4096) -> None:
        self._wait_s = wait_s
        self._max_held = max_held
        self._next: int | None = None
        self._held: dict[int, tuple[bytes, float]] = {}

    def push(self, number: int, packet: bytes, arrived_s: float) -> list[Ordered]:
        if self._next is None:
            self._next = number
        elif number < self._next:
            return []
        if number == self._next and not self._held:
            self._next = number + 1
            return [Ordered(packet, arrived_s, False)]  # nearly every packet
        self._held[number] = (packet, arrived_s)
        if number == self._next:
            return list(self._run(after_loss=False))
        if len(self._held) > self._max_held:
            return list(self._skip())
        return []

    def passes(self, number: int) -> bool:
        """Takes note that the next packet went by without coming here; False for any other, or while some are held."""
        if number != self._next or self._held:
            return False
        self._next = number + 1
        return True

    def expire(self, now: float) -> list[Ordered]:
        """Goes on past packets that have been waited for too long."""
        released: list[Ordered] = []
        while self._held:
            first = min(self._held)
            if now - self._held[first][1] < self._wait_s:
                break
            released += self._skip()
        return released

    def drain(self) -> list[Ordered]:
        """Everything that is left: nothing more will come."""
        released: list[Ordered] = []
        while self._held:
            released += self._skip()
        return released

    def _skip(self) -> Iterator[Ordered]:
        self._next = min(self._held)
        return self._run(after_loss=True)

    def _run(self, *, after_loss: bool) -> Iterator[Ordered]:
        while self._next is not None and (entry := self._held.pop(self._next, None)) is not None:
            self._next += 1
            yield Ordered(entry[0], entry[1], after_loss)
            after_loss = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One decodable video frame."""

    timestamp: int
    "The slot's 32-bit RTP timestamp."
    payloads: tuple[bytes, ...]
    keyframe: bool
    arrived_s: float
    "When its first packet arrived."


class FrameAssembler:
    """Joins packets in order to frames and lets only decodable ones through: after a loss it waits for a keyframe,
    because a picture built upon a missing one would show what the camera never saw."""

    def __init__(self, codec: VideoCodec) -> None:
        self._codec = codec
        self._payloads: list[bytes] = []
        self._timestamp = 0
        self._stamp = b""
        self._arrived_s = 0.0
        self._keyframe = False
        self._whole = False
        self._decodable = False
        self._ended = True
        self.dropped = 0
        "Frames that could not be used."

    def push(self, ordered: Ordered) -> list[Frame]:
        packet, arrived_s, after_loss = ordered
        frames: list[Frame] = []
        timestamp = timestamp_of(packet)
        if after_loss:
            self._give_up()
        elif not self._ended and timestamp != self._timestamp:
            # Some senders set no marker: the next timestamp ends the frame as well.
            frames += self._finish()
        if self._ended:
            if len(packet) <= HEADER_SIZE:
                return frames  # padding between frames
            self._begin(packet, timestamp, arrived_s)
        elif not self._keyframe and len(self._payloads) <= _MAX_PREAMBLE:
            self._keyframe = self._codec.starts_keyframe(packet, HEADER_SIZE)
            self._whole = self._whole or self._keyframe
        if len(packet) > HEADER_SIZE:
            self._payloads.append(packet[HEADER_SIZE:])
        if packet[1] & 0x80:
            frames += self._finish()
        return frames

    def is_within(self, packet: bytes) -> bool:
        """Whether this packet, if it is the next one, neither begins nor ends a frame, nor tells of what kind it is:
        as most do. It may then go to `go_on`."""
        return (
            packet[4:8] == self._stamp
            and not self._ended
            and packet[1] < 0x80
            and len(packet) > HEADER_SIZE
            and (
                packet[HEADER_SIZE] not in self._codec.openings
                or self._keyframe
                or len(self._payloads) > _MAX_PREAMBLE
            )
        )

    def go_on(self, packet: bytes) -> None:
        self._payloads.append(packet[HEADER_SIZE:])

    def reject(self) -> None:
        """The frame given out last turned out not to fit together."""
        self.dropped += 1
        self._decodable = False

    def _begin(self, packet: bytes, timestamp: int, arrived_s: float) -> None:
        self._timestamp, self._arrived_s = timestamp, arrived_s
        self._stamp = packet[4:8]
        self._payloads = []
        self._ended = False
        self._keyframe = self._codec.starts_keyframe(packet, HEADER_SIZE)
        self._whole = self._decodable or self._keyframe

    def _give_up(self) -> None:
        """Packets are missing: the frame in hand is broken, and so is all that refers to it."""
        if not self._ended:
            self.dropped += 1
        self._ended = True
        self._decodable = False

    def _finish(self) -> list[Frame]:
        self._ended = True
        if not self._whole:
            self.dropped += 1
            return []
        self._decodable = True
        return [Frame(self._timestamp, tuple(self._payloads), self._keyframe, self._arrived_s)]
