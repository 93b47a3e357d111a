"""RTP packets (RFC 3550 section 5.1) as bytes: read, brought into the slot's form, addressed to a viewer.

The *slot form* of a packet is what a slot keeps and hands on: a bare 12-byte header (no padding, contributing
sources or extensions), payload type 0, SSRC 0, and the slot's own sequence number and timestamp.
"""

import struct

HEADER = struct.Struct("!BBHII")
HEADER_SIZE = 12
_SSRC = struct.Struct("!I")
_SEQUENCE = struct.Struct("!H")
_TIMESTAMP = struct.Struct("!I")


def payload_span(packet: bytes) -> tuple[int, int] | None:
    """Where the payload of `packet` begins and ends, or None for what is no RTP packet."""
    size = len(packet)
    if size < HEADER_SIZE:
        return None
    first = packet[0]
    if first == 0x80:
        return HEADER_SIZE, size
    if first >> 6 != 2:
        return None
    start = HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * ((packet[start + 2] << 8) | packet[start + 3])
    if size < start:
        return None
    if first & 0x20:
        padding = packet[size - 1]
        if not padding or start + padding > size:
            return None
        return start, size - padding
    return start, size


def sequence_of(packet: bytes) -> int:
    return (packet[2] << 8) | packet[3]


def timestamp_of(packet: bytes) -> int:
    timestamp: int = _TIMESTAMP.unpack_from(packet, 4)[0]
    return timestamp


def slot_form(marker: int, sequence: int, timestamp: int, payload: bytes) -> bytes:
    """`marker` is 0x80 or 0; `sequence` and `timestamp` may be endless."""
    return HEADER.pack(0x80, marker, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 0) + payload


def addressed(packet: bytes, payload_type: int, ssrc: int) -> bytes:
    """A slot-form packet with one viewer's payload type and SSRC."""
    buffer = bytearray(packet)
    buffer[1] |= payload_type
    _SSRC.pack_into(buffer, 8, ssrc)
    return bytes(buffer)


def retransmission(packet: bytes, payload_type: int, ssrc: int, sequence: int) -> bytes:
    """A slot-form packet wrapped for retransmission (RFC 4588 section 4)."""
    header = HEADER.pack(
        0x80, (packet[1] & 0x80) | payload_type, sequence & 0xFFFF, timestamp_of(packet), ssrc
    )
    return header + packet[2:4] + packet[HEADER_SIZE:]


def retransmitted(payload: bytes) -> tuple[int, bytes] | None:
    """Original sequence number and payload out of a retransmission's payload; None for bare padding."""
    if len(payload) < 2:
        return None
    return _SEQUENCE.unpack_from(payload)[0], payload[2:]
