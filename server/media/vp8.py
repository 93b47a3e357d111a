"""VP8 over RTP (RFC 7741) and the head of its keyframes (RFC 6386 section 9.1). Pure."""

from collections.abc import Iterable


def _descriptor_size(packet: bytes, start: int) -> int:
    """Octets of the payload descriptor (RFC 7741 section 4.2). Raises ValueError when it is truncated."""
    size = len(packet)
    if size <= start:
        raise ValueError("VP8 payload is empty")
    length = 1
    if packet[start] & 0x80:
        if size <= start + 1:
            raise ValueError("VP8 payload descriptor is truncated")
        extensions = packet[start + 1]
        length = 2
        if extensions & 0x80:
            if size <= start + length:
                raise ValueError("VP8 payload descriptor is truncated")
            length += 2 if packet[start + length] & 0x80 else 1
        if extensions & 0x40:
            length += 1
        if extensions & 0x30:
            length += 1
    if size < start + length:
        raise ValueError("VP8 payload descriptor is truncated")
    return length


def _begins_frame(first: int) -> bool:
    return first & 0x10 != 0 and first & 0x07 == 0


OPENINGS = bytes(octet for octet in range(256) if _begins_frame(octet))


def starts_keyframe(packet: bytes, start: int) -> bool:
    if len(packet) <= start or not _begins_frame(packet[start]):
        return False
    try:
        begin = start + _descriptor_size(packet, start)
    except ValueError:
        return False
    return begin < len(packet) and not packet[begin] & 1


def depacketize(payloads: Iterable[bytes]) -> bytes:
    """One frame from its RTP payloads in order. Raises ValueError when they do not fit together."""
    frame = bytearray()
    for payload in payloads:
        if not payload:
            continue
        size = _descriptor_size(payload, 0)
        if not frame and not _begins_frame(payload[0]):
            raise ValueError("VP8 frame has no beginning")
        frame += payload[size:]
    return bytes(frame)


def picture_size(frame: bytes) -> tuple[int, int]:
    """Width and height in pixels of a keyframe. Raises ValueError for anything else."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        raise ValueError("not the head of a VP8 keyframe")
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    if not width or not height:
        raise ValueError("VP8 keyframe without a size")
    return width, height


def find_picture_size(packet: bytes, start: int) -> tuple[int, int] | None:
    """The picture size in the payload at `start`, if a keyframe begins there."""
    try:
        return picture_size(packet[start + _descriptor_size(packet, start) :])
    except ValueError:
        return None
