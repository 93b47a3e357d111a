"""H.264 over RTP (RFC 6184, packetization mode 1) and the few fields of the elementary stream that we need. Pure."""

from collections.abc import Iterable, Iterator

START_CODE = b"\x00\x00\x00\x01"

_NON_IDR, _IDR, _SPS, _PPS, _STAP_A, _FU_A = 1, 5, 7, 8, 24, 28
OPENINGS = bytes(octet for octet in range(256) if octet & 0x1F in (_SPS, _STAP_A))


def starts_keyframe(packet: bytes, start: int) -> bool:
    """Whether the payload that begins at `start` is the beginning of a keyframe: a sequence parameter set.

    An IDR slice alone does not count: without the parameter sets before it, it cannot be told from one that lost them.
    """
    if len(packet) <= start:
        return False
    kind = packet[start] & 0x1F
    if kind == _SPS:
        return True
    if kind != _STAP_A:
        return False
    position = start + 1
    while position + 3 <= len(packet):
        if packet[position + 2] & 0x1F == _SPS:
            return True
        position += 2 + ((packet[position] << 8) | packet[position + 1])
    return False


def _aggregated(payload: bytes) -> Iterator[bytes]:
    position = 1
    while position + 2 <= len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        position += 2
        if position + size > len(payload):
            raise ValueError("STAP-A is truncated")
        if size:
            yield payload[position : position + size]
        position += size


def depacketize(payloads: Iterable[bytes]) -> bytes:
    """One access unit in Annex B form from its RTP payloads in order. Raises ValueError when they do not fit."""
    unit = bytearray()
    in_fragment = False
    for payload in payloads:
        if not payload:
            continue
        kind = payload[0] & 0x1F
        if in_fragment and kind != _FU_A:
            raise ValueError("fragmented NAL unit has no end")
        if 1 <= kind <= 23:
            unit += START_CODE + payload
        elif kind == _STAP_A:
            for nal in _aggregated(payload):
                unit += START_CODE + nal
        elif kind == _FU_A:
            if len(payload) < 2:
                raise ValueError("FU-A is truncated")
            begins, ends = payload[1] & 0x80, payload[1] & 0x40
            if bool(begins) == in_fragment:
                raise ValueError("FU-A begins twice or in the middle")
            if begins:
                unit += START_CODE + bytes([(payload[0] & 0xE0) | (payload[1] & 0x1F)])
            unit += payload[2:]
            in_fragment = not ends
        else:
            raise ValueError(f"NAL unit type {kind} does not belong to packetization mode 1")
    if in_fragment:
        raise ValueError("fragmented NAL unit has no end")
    return bytes(unit)


def nal_units(unit: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    position = unit.find(b"\x00\x00\x01")
    while position >= 0:
        begin = position + 3
        position = unit.find(b"\x00\x00\x01", begin)
        end = len(unit) if position < 0 else position
        yield unit[begin:end].rstrip(b"\x00") if position >= 0 else unit[begin:]


def parameter_sets(unit: bytes) -> tuple[bytes, bytes] | None:
    """The first sequence and picture parameter set of an access unit, if it carries both."""
    sps = pps = None
    for nal in nal_units(unit):
        kind = nal[0] & 0x1F if nal else 0
        if kind == _SPS:
            sps = sps or nal
        elif kind == _PPS:
            pps = pps or nal
        elif kind in (_NON_IDR, _IDR):
            break
    return (sps, pps) if sps and pps else None


def find_sps(packet: bytes, start: int) -> bytes | None:
    """The sequence parameter set that the payload at `start` carries at its head, if it does."""
    payload = packet[start:]
    kind = payload[0] & 0x1F if payload else 0
    if kind == _SPS:
        return payload
    if kind == _STAP_A:
        try:
            return next((nal for nal in _aggregated(payload) if nal[0] & 0x1F == _SPS), None)
        except ValueError:
            return None
    return None


class _Bits:
    def __init__(self, data: bytes) -> None:
        # Emulation prevention bytes (section 7.4.1.1) are no part of the syntax.
        data = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("parameter set is truncated")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("Exp-Golomb code is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -(value // 2)


_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_MAX_SIDE = 16384


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.read(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def picture_size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels after cropping (section 7.3.2.1.1). Raises ValueError for nonsense."""
    bits = _Bits(sps[1:256])
    profile = bits.read(8)
    bits.read(16)
    bits.unsigned()
    chroma, separate_planes = 1, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.unsigned()
        if chroma == 3:
            separate_planes = bits.read(1)
        bits.unsigned()
        bits.unsigned()
        bits.read(1)
        if bits.read(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    bits.unsigned()
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 256)):
            bits.signed()
    bits.unsigned()
    bits.read(1)
    width = (bits.unsigned() + 1) * 16
    map_units = bits.unsigned() + 1
    frame_only = bits.read(1)
    height = map_units * 16 * (2 - frame_only)
    if not frame_only:
        bits.read(1)
    bits.read(1)
    if bits.read(1):
        monochrome = chroma == 0 or separate_planes
        unit_x = 1 if monochrome or chroma == 3 else 2
        unit_y = (2 if chroma == 1 and not separate_planes else 1) * (2 - frame_only)
        width -= (bits.unsigned() + bits.unsigned()) * unit_x
        height -= (bits.unsigned() + bits.unsigned()) * unit_y
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise ValueError(f"absurd picture size {width} x {height}")
    return width, height
