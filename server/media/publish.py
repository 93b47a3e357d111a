"""A publisher's session (WHIP): what a phone sends into its slot."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from .codecs import Kind
from .congestion import Arrivals
from .errors import OfferRejected
from .negotiation import Accepted, Offer, Section
from .rtcp import BitrateLimit, Goodbye, Packet, ReceiverReport, SenderReport, SourceDescription
from .session import Host, Session
from .uplink import Uplink

if TYPE_CHECKING:
    from .slot import Slot

REPORT_INTERVAL_S = 1.0
# For senders without transport-wide feedback: reached at once instead of after half a minute of slow growth, as a limit
# that comes within the first two seconds is taken as the estimate.
BITRATE_LIMIT_BPS = 3_000_000


class PublishSession(Session):
    """Replaces the slot's present publisher when its first media packet arrives, not before:
    an offer that never connects interrupts nothing."""

    kind: Literal["publish", "view"] = "publish"

    def __init__(self, host: Host, slot: Slot, offer: Offer) -> None:
        super().__init__(host, slot.id, offer)
        self._slot = slot
        self._ssrc = secrets.randbits(32)
        self._uplinks: dict[Kind, Uplink] = {}
        self._routes: list[Callable[[bytes, float], None] | None] = [None] * 128
        self._next_report = 0.0
        self._arrivals: Arrivals | None = None
        decisions: list[Accepted | Section] = []
        for section in offer.sections:
            decision = self._accept(section)
            decisions.append(decision or section)
        if not self._uplinks:
            raise OfferRejected("the offer sends no media that we take: H.264, VP8 or Opus")
        self._answer(decisions)

    def _accept(self, section: Section) -> Accepted | None:
        if not section.formats or not section.can_send:
            return None
        kind: Kind = "audio" if section.kind == "audio" else "video"
        item = section.formats[0]
        uplink = Uplink(
            self._slot.tracks[kind],
            item,
            self._ssrc,
            send=self.send_rtcp,
            on_join=self._joined,
            on_unrepaired=self._slot.request_keyframe if kind == "video" else lambda: None,
        )
        self._uplinks[kind] = uplink
        if section.transport_cc is not None and self._arrivals is None:
            # One numbering for the whole transport, and in a bundle one number for the extension.
            self._arrivals = Arrivals(section.transport_cc)
        self._routes[item.payload_type] = uplink.media
        if item.rtx_payload_type is not None and item.rtx_payload_type < 128:
            self._routes[item.rtx_payload_type] = uplink.retransmission
        return Accepted(section, (item,), "recvonly")

    @property
    def codec_names(self) -> dict[Kind, str]:
        return {kind: uplink.format.name for kind, uplink in self._uplinks.items()}

    @property
    def uplinks(self) -> dict[Kind, Uplink]:
        return self._uplinks

    def _connected(self) -> None:
        pass

    def _detach(self) -> None:
        self._routes = [None] * 128  # whatever comes from now on goes nowhere
        self._slot.publisher_gone(self)
        for uplink in self._uplinks.values():
            uplink.close()

    def _joined(self, uplink: Uplink) -> None:
        self._next_report = 0.0  # report at once: see BITRATE_LIMIT_BPS
        self._slot.stream_joined(self, uplink.track.kind)

    def _rtp_received(self, packet: bytes, now: float) -> None:
        if self._arrivals is not None:
            # Of every packet, also of those that merely probe the way.
            self._arrivals.packet(packet, now)
        route = self._routes[packet[1] & 0x7F]
        if route is None:
            self.malformed += 1
            return
        if self._slot.publisher is not self and not self._slot.take_over(self):
            return
        self._slot.heard_at = now
        if not self._slot.held:
            route(packet, now)

    def begin_anew(self) -> None:
        """What comes next is taken for a stream that begins: nothing before it is missing."""
        for uplink in self._uplinks.values():
            uplink.begin_anew()

    def _rtcp_received(self, packet: Packet, now: float) -> None:
        if isinstance(packet, SenderReport) and self._slot.publisher is self:
            for kind, uplink in self._uplinks.items():
                if uplink.ssrc == packet.ssrc:
                    report = uplink.reported(packet, now)
                    if report is not None:
                        self._slot.clock_reported(kind, report)
        elif isinstance(packet, Goodbye):
            # A stopped track says goodbye as well as a leaving peer; DTLS tells the latter.
            return

    def _tell_arrivals(self) -> None:
        if self._arrivals is None:
            return
        ssrc = next((uplink.ssrc for uplink in self._uplinks.values() if uplink.ssrc is not None), 0)
        feedback = self._arrivals.feedback(self._ssrc, ssrc)
        if feedback is not None:
            self.send_rtcp(feedback)

    def request_keyframe(self) -> None:
        video = self._uplinks.get("video")
        request = video.keyframe_request() if video is not None else None
        if request is not None:
            self.send_rtcp(request)

    def pulse(self, now: float) -> None:
        super().pulse(now)
        if not self.connected:
            return
        self._tell_arrivals()
        if now < self._next_report:
            return
        # Before there is media as well: clients take our silence for a broken way.
        self._next_report = now + REPORT_INTERVAL_S
        blocks = [block for uplink in self._uplinks.values() if (block := uplink.report_block(now))]
        if self._slot.publisher is self:
            self._slot.note_loss([block.fraction_lost / 256 for block in blocks])
        packets: list[Packet] = [
            ReceiverReport(self._ssrc, tuple(blocks)),
            SourceDescription(self._ssrc, self.id),
        ]
        video = self._uplinks.get("video")
        if video is not None and video.ssrc is not None and self._arrivals is None:
            packets.append(BitrateLimit(self._ssrc, BITRATE_LIMIT_BPS, (video.ssrc,)))
        self.send_rtcp(*packets)
