"""What a publisher has sent and what a viewer got of it, packet by packet. Pure: bytes and nanoseconds in."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable

from server.bench.clip import CLOCK_HZ, FPS, Clip, Kind, Packet
from server.bench.figures import Tally, endless
from server.media.rtp import HEADER, payload_span, timestamp_of

_STAMPS = 1 << 16
# An anchored stream is looked into again now and then: is this number still this payload?
_VERIFY_EVERY = 256
FRAMES_KEPT = 4096
FRAME_UNITS = CLOCK_HZ["video"] // FPS


class Source:
    """One stream of a publisher: makes its packets and remembers when each was sent."""

    def __init__(self, clip: Clip, kind: Kind, ssrc: int, payload_type: int) -> None:
        self.kind = kind
        self.ssrc = ssrc
        self.packets = clip.of(kind)
        self.first_number = random.randrange(0x4000)  # noqa: S311
        self.next_number = self.first_number
        self.sent_ns = array("q", bytes(8 * _STAMPS))
        self.octets = 0
        self.frame_sent_ns = array("q", bytes(8 * FRAMES_KEPT))
        "When the last packet of each of the newest frames was sent."
        self.frames_sent = 0
        self._payload_type = payload_type
        self._first_timestamp = random.randrange(1 << 30)  # noqa: S311
        self._loop_units = round(clip.seconds * CLOCK_HZ[kind])
        self._places = {packet.payload: index for index, packet in enumerate(self.packets)}

    def packet(self, packet: Packet, loops: int, now_ns: int, extension: bytes = b"") -> bytes:
        """`packet` of the clip's `loops`-th repetition as unprotected RTP; it counts as sent `now_ns`."""
        number = self.next_number
        self.next_number += 1
        self.sent_ns[number & 0xFFFF] = now_ns
        timestamp = (self._first_timestamp + loops * self._loop_units + packet.timestamp) & 0xFFFFFFFF
        if packet.marker:
            self.frame_sent_ns[self.frames_sent % FRAMES_KEPT] = now_ns
            self.frames_sent += 1
        self.octets += len(packet.payload)
        marker = 0x80 if packet.marker else 0
        first = 0x90 if extension else 0x80
        header = HEADER.pack(first, marker | self._payload_type, number & 0xFFFF, timestamp, self.ssrc)
        return header + extension + packet.payload

    def timestamp_at(self, media_s: float) -> int:
        return (self._first_timestamp + round(media_s * CLOCK_HZ[self.kind])) & 0xFFFFFFFF

    def number_of(self, payload: bytes) -> int | None:
        """The newest sent packet with this payload."""
        place = self._places.get(payload)
        if place is None:
            return None
        count = len(self.packets)
        newest = self.next_number - 1
        number = newest - (newest - self.first_number - place) % count
        return number if number >= self.first_number else None

    def holds(self, number: int, payload: bytes) -> bool:
        return self.packets[(number - self.first_number) % len(self.packets)].payload == payload


class Window:
    """What was measured of one stream between `open` and `close`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tally = Tally(source.next_number)
        self.end: int | None = None
        self.delays_us = array("I")
        self.first_frame = source.frames_sent

    def close(self) -> None:
        self.end = self.source.next_number
        self.frames_sent = self.source.frames_sent - self.first_frame

    @property
    def sent(self) -> int:
        return (self.source.next_number if self.end is None else self.end) - self.tally.first

    @property
    def lost(self) -> int:
        return self.tally.lost(self.source.next_number if self.end is None else self.end)


class ForwardedStream:
    """A viewer's stream that carries the publisher's payloads under other numbers, at a constant distance.

    The first packets are unprotected and looked up by payload: that gives the distance. From then on a packet's own
    number names the publisher's, and both were stamped by the one clock of this machine.
    """

    def __init__(self, source: Source, unprotect: Callable[[bytes], bytes]) -> None:
        self.source = source
        self.ready = False
        self.mismatches = 0
        "Packets whose payload was not the one that their number promised."
        self.window: Window | None = None
        self.highest = 0
        self.ssrc = 0
        self._unprotect = unprotect
        self._distance = 0
        self._until_check = 0

    def open(self) -> None:
        self.window = Window(self.source)

    def received(self, datagram: bytes, arrived_ns: int) -> None:
        sequence = (datagram[2] << 8) | datagram[3]
        self.highest = sequence
        if self._until_check == 0:
            self._check(datagram, sequence)
            if not self.ready:
                return
        self._until_check -= 1
        source = self.source
        number = endless((sequence - self._distance) & 0xFFFF, source.next_number)
        window = self.window
        if window is None or (window.end is not None and number >= window.end):
            return
        if window.tally.add(number):
            window.delays_us.append(max(0, arrived_ns - source.sent_ns[number & 0xFFFF]) // 1000)

    def _check(self, datagram: bytes, sequence: int) -> None:
        packet = self._unprotect(datagram)
        span = payload_span(packet)
        payload = packet[span[0] : span[1]] if span is not None else b""
        self.ssrc = int.from_bytes(packet[8:12], "big")
        if self.ready:
            number = endless((sequence - self._distance) & 0xFFFF, self.source.next_number)
            if self.source.holds(number, payload):
                self._until_check = _VERIFY_EVERY
                return
            self.mismatches += 1
        number_found = self.source.number_of(payload)
        if number_found is None:
            return
        self._distance = (sequence - number_found) & 0xFFFF
        self.ready = True
        self._until_check = _VERIFY_EVERY


class EncodedStream:
    """A viewer's stream that was encoded anew: no packet is the publisher's, but frames keep their distance in time.

    The first frame that comes out is taken to be the first that went in (viewers are connected before anything is
    sent); should the server have dropped that one, the delay shown is too small by the frames dropped before.
    """

    def __init__(self, source: Source, _unprotect: Callable[[bytes], bytes]) -> None:
        self.source = source
        self.ready = source.kind == "audio"
        self.mismatches = 0
        self.window: Window | None = None
        self.highest = 0
        self.ssrc = 0
        self.frames = 0
        "Frames of the window that arrived."
        self.delivered = 0
        "Frames that arrived while the window was open, also those from before it."
        self._first_timestamp = 0

    def open(self) -> None:
        self.window = Window(self.source)
        self.frames = self.delivered = 0

    def received(self, datagram: bytes, arrived_ns: int) -> None:
        self.highest = (datagram[2] << 8) | datagram[3]
        self.ssrc = int.from_bytes(datagram[8:12], "big")
        if self.source.kind == "audio":
            return
        timestamp = timestamp_of(datagram)
        if not self.ready:
            self.ready, self._first_timestamp = True, timestamp
        if not datagram[1] & 0x80:
            return
        frame = round(((timestamp - self._first_timestamp) & 0xFFFFFFFF) / FRAME_UNITS)
        window = self.window
        if window is None or frame >= self.source.frames_sent:
            return
        if frame >= window.first_frame and (
            window.end is None or frame < window.first_frame + window.frames_sent
        ):
            self.frames += 1
        if window.end is None:
            self.delivered += 1
            sent_ns = self.source.frame_sent_ns[frame % FRAMES_KEPT]
            window.delays_us.append(max(0, arrived_ns - sent_ns) // 1000)


Stream = ForwardedStream | EncodedStream
