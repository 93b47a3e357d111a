"""Header extensions of a publisher's packets, as a phone's browser writes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from server.media.bridge import MediaDescription

TRANSPORT_NUMBER = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
OFFERED = {2: SEND_TIME, 3: TRANSPORT_NUMBER}
"""By number, as Chromium offers them. It also names its section until the first report comes: no lasting load."""

_NAMES = {TRANSPORT_NUMBER: "transport-cc", SEND_TIME: "abs-send-time"}
_PROFILE = b"\xbe\xde"


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the other side took; None for what it left out."""

    transport_number: int | None = None
    send_time: int | None = None

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        taken = ((TRANSPORT_NUMBER, self.transport_number), (SEND_TIME, self.send_time))
        return tuple(_NAMES[uri] for uri, number in taken if number is not None)

    def header(self, number: int, now_ns: int) -> bytes:
        """The one-byte form (RFC 8285 section 4.2) with `number` of the connection's packets; empty for none."""
        elements = b""
        if self.send_time is not None:
            # 24 bits of seconds, 18 of them behind the point.
            elements += bytes((self.send_time << 4 | 2,))
            elements += ((now_ns << 18) // 1_000_000_000 & 0xFFFFFF).to_bytes(3, "big")
        if self.transport_number is not None:
            elements += bytes((self.transport_number << 4 | 1, number >> 8 & 0xFF, number & 0xFF))
        if not elements:
            return b""
        words = -(-len(elements) // 4)
        return _PROFILE + words.to_bytes(2, "big") + elements.ljust(4 * words, b"\0")


def taken_in(media: MediaDescription) -> Extensions:
    """Of one section of an answer, or of an offer, which would take them."""
    numbers = {item.uri: item.id for item in media.rtp.headerExtensions}
    return Extensions(numbers.get(TRANSPORT_NUMBER), numbers.get(SEND_TIME))
