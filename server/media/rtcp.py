"""RTCP packets: `parse` and `__bytes__` mirror each other (RFC 3550, 4585, 5104, REMB draft)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from .congestion import TransportFeedback

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK = 1
_PLI, _APPLICATION = 1, 15
_CNAME = 1

_REPORT = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IQIII")
_PAIR = struct.Struct("!II")

# Seconds between the NTP era (1900) and the Unix era (1970).
NTP_EPOCH_S = 2_208_988_800


def is_rtcp(packet: bytes) -> bool:
    """Tells RTCP from RTP on a shared port (RFC 5761 section 4)."""
    return 192 <= packet[1] <= 223


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """One reception report; `fraction_lost` in 1/256, `jitter` in RTP units, `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    packets_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    last_report: int = 0
    delay: int = 0

    def __bytes__(self) -> bytes:
        lost = max(-0x800000, min(0x7FFFFF, self.packets_lost)) & 0xFFFFFF
        return _REPORT.pack(
            self.ssrc,
            (self.fraction_lost << 24) | lost,
            self.highest_sequence & 0xFFFFFFFF,
            self.jitter & 0xFFFFFFFF,
            self.last_report,
            self.delay & 0xFFFFFFFF,
        )

    @classmethod
    def parse(cls, data: bytes) -> "ReportBlock":
        ssrc, loss, highest, jitter, last_report, delay = _REPORT.unpack(data)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        return cls(ssrc, loss >> 24, lost, highest, jitter, last_report, delay)


def _blocks(data: bytes, count: int) -> tuple[ReportBlock, ...]:
    if len(data) < 24 * count:
        raise ValueError("RTCP report is truncated")
    return tuple(ReportBlock.parse(data[i * 24 : i * 24 + 24]) for i in range(count))


@dataclass(frozen=True, slots=True)
class SenderReport:
    """`ntp` is 32.32 fixed point since 1900, `rtp` the same instant on the RTP clock."""

    ssrc: int
    ntp: int
    rtp: int
    packet_count: int = 0
    octet_count: int = 0
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = _SENDER.pack(
            self.ssrc,
            self.ntp & 0xFFFFFFFFFFFFFFFF,
            self.rtp & 0xFFFFFFFF,
            self.packet_count & 0xFFFFFFFF,
            self.octet_count & 0xFFFFFFFF,
        )
        return _framed(_SR, len(self.reports), body + b"".join(map(bytes, self.reports)))

    @classmethod
    def parse(cls, body: bytes, count: int) -> "SenderReport":
        if len(body) < _SENDER.size:
            raise ValueError("RTCP sender report is truncated")
        ssrc, ntp, rtp, packets, octets = _SENDER.unpack_from(body)
        return cls(ssrc, ntp, rtp, packets, octets, _blocks(body[_SENDER.size :], count))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        return _framed(
            _RR, len(self.reports), struct.pack("!I", self.ssrc) + b"".join(map(bytes, self.reports))
        )

    @classmethod
    def parse(cls, body: bytes, count: int) -> "ReceiverReport":
        return cls(_head(body), _blocks(body[4:], count))


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """One chunk with the canonical name only; other items are not kept."""

    ssrc: int
    cname: str

    def __bytes__(self) -> bytes:
        name = self.cname.encode()[:255]
        chunk = struct.pack("!IBB", self.ssrc, _CNAME, len(name)) + name
        return _framed(_SDES, 1, chunk + bytes(4 - len(chunk) % 4))

    @classmethod
    def parse(cls, body: bytes, count: int) -> "SourceDescription | None":
        if count < 1 or len(body) < 6 or body[4] != _CNAME or len(body) < 6 + body[5]:
            return None
        return cls(_head(body), body[6 : 6 + body[5]].decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        return _framed(_BYE, len(self.ssrcs), struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs))

    @classmethod
    def parse(cls, body: bytes, count: int) -> "Goodbye":
        if len(body) < 4 * count:
            raise ValueError("RTCP goodbye is truncated")
        return cls(struct.unpack_from(f"!{count}I", body))


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic negative acknowledgement (RFC 4585 section 6.2.1). `lost` in ascending wrapped order."""

    ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    def __bytes__(self) -> bytes:
        items: list[tuple[int, int]] = []
        for sequence in self.lost:
            if items:
                first, mask = items[-1]
                distance = (sequence - first) & 0xFFFF
                if 1 <= distance <= 16:
                    items[-1] = (first, mask | 1 << (distance - 1))
                    continue
            items.append((sequence, 0))
        body = _PAIR.pack(self.ssrc, self.media_ssrc)
        return _framed(_RTPFB, _NACK, body + b"".join(struct.pack("!HH", *item) for item in items))

    @classmethod
    def parse(cls, body: bytes) -> "Nack":
        ssrc, media_ssrc = _pair(body)
        lost: list[int] = []
        for first, mask in struct.iter_unpack("!HH", body[8 : len(body) - len(body) % 4]):
            lost.append(first)
            lost.extend((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
        return cls(ssrc, media_ssrc, tuple(lost))


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """A request for a keyframe: picture loss indication, or a full intra request when it is parsed from one."""

    ssrc: int
    media_ssrc: int

    def __bytes__(self) -> bytes:
        return _framed(_PSFB, _PLI, _PAIR.pack(self.ssrc, self.media_ssrc))

    @classmethod
    def parse(cls, body: bytes) -> "PictureLoss":
        return cls(*_pair(body))


@dataclass(frozen=True, slots=True)
class BitrateLimit:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb section 2.2)."""

    ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        exponent = max(0, self.bitrate_bps.bit_length() - 18)
        mantissa = self.bitrate_bps >> exponent
        body = _PAIR.pack(self.ssrc, 0) + b"REMB"
        body += struct.pack("!I", len(self.ssrcs) << 24 | exponent << 18 | mantissa)
        return _framed(_PSFB, _APPLICATION, body + struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs))

    @classmethod
    def parse(cls, body: bytes) -> "BitrateLimit | None":
        if body[8:12] != b"REMB" or len(body) < 16:
            return None
        (word,) = struct.unpack_from("!I", body, 12)
        count = word >> 24
        if len(body) < 16 + 4 * count:
            raise ValueError("REMB is truncated")
        bitrate = (word & 0x3FFFF) << (word >> 18 & 0x3F)
        return cls(_head(body), bitrate, struct.unpack_from(f"!{count}I", body, 16))


Packet: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLoss
    | BitrateLimit
    | TransportFeedback
)


def _head(body: bytes) -> int:
    if len(body) < 4:
        raise ValueError("RTCP packet is truncated")
    ssrc: int = struct.unpack_from("!I", body)[0]
    return ssrc


def _pair(body: bytes) -> tuple[int, int]:
    if len(body) < 8:
        raise ValueError("RTCP feedback is truncated")
    ssrc, media_ssrc = _PAIR.unpack_from(body)
    return ssrc, media_ssrc


def _parse_one(packet_type: int, count: int, body: bytes) -> Packet | None:
    match packet_type, count:
        case 200, _:
            return SenderReport.parse(body, count)
        case 201, _:
            return ReceiverReport.parse(body, count)
        case 202, _:
            return SourceDescription.parse(body, count)
        case 203, _:
            return Goodbye.parse(body, count)
        case 205, 1:
            return Nack.parse(body)
        case 206, 1 | 4:
            return PictureLoss.parse(body)
        case 206, 15:
            return BitrateLimit.parse(body)
    return None


def parse(data: bytes) -> list[Packet]:
    """The known packets of a compound; unknown ones are skipped. Raises ValueError when it is malformed."""
    packets: list[Packet] = []
    position = 0
    while position < len(data):
        if len(data) < position + 4:
            raise ValueError("RTCP header is truncated")
        first, packet_type, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise ValueError("RTCP packet has a wrong version or length")
        body = data[position + 4 : end]
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise ValueError("RTCP padding is malformed")
            body = body[: -body[-1]]
        packet = _parse_one(packet_type, first & 0x1F, body)
        if packet is not None:
            packets.append(packet)
        position = end
    return packets


def compound(packets: Iterable[Packet]) -> bytes:
    return b"".join(map(bytes, packets))


def ntp_from_seconds(seconds: float) -> int:
    """Unix time in seconds as 32.32 fixed point since 1900."""
    return round((seconds + NTP_EPOCH_S) * (1 << 32))


def seconds_from_ntp(ntp: int) -> float:
    """The 32.32 fixed point time as seconds since 1900 (which clock it belongs to is the sender's affair)."""
    return ntp / (1 << 32)
