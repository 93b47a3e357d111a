"""A viewer's session (WHEP): what one reviewer's browser gets of a slot."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Literal

from server.pace import TokenBucket

from .codecs import Kind
from .errors import OfferRejected
from .negotiation import Accepted, Format, Offer, Outgoing, Section
from .rtcp import Nack, Packet, PictureLoss, ReceiverReport, SenderReport, SourceDescription
from .rtp import HEADER_SIZE, addressed, retransmission, sequence_of
from .session import Host, Session
from .track import Forward, Track

if TYPE_CHECKING:
    from .slot import Slot

REPORT_INTERVAL_S = 1.0
# Repairs may take as much again as the stream itself; a viewer that asks for more is lost anyway, or hostile.
REPAIR_BYTES_PER_S = 400_000
# A keyframe costs the phone's thin way a burst. A viewer whose picture breaks again and again has the regular ones too.
KEYFRAMES_AT_ONCE = 5
KEYFRAME_REFILL_S = 2.0


class Downlink:
    """One track on its way to one viewer."""

    def __init__(
        self, session: ViewSession, track: Track, formats: tuple[Format, ...], outgoing: Outgoing
    ) -> None:
        self.track = track
        self.outgoing = outgoing
        self._session = session
        self._formats = {item.name: item for item in reversed(formats)}
        self._format: Format | None = None
        self._first_number: int | None = None
        self._rtx_sequence = secrets.randbits(14)
        # What the track had received when it began to flow here: the difference was sent.
        self._packets_before = self._bytes_before = 0
        self._repair_budget = float(REPAIR_BYTES_PER_S)
        self._budget_at = time.monotonic()
        self.loss = 0.0
        "Share of what was sent that did not arrive, as the viewer reported last."

    def begin(self, packet: bytes) -> Forward | None:
        """A viewer that did not offer the publisher's codec is let go: it comes again, and is told."""
        self._format = self._formats.get(self.track.codec_name or "")
        if self._format is None:
            self._session.end_soon()
            return None
        if self._first_number is None:
            self._first_number = sequence_of(packet)
            self._packets_before = self.track.packets_received - 1
            self._bytes_before = self.track.bytes_received - len(packet)
        return self._session.forwarder(self._format.payload_type, self.outgoing.ssrc.to_bytes(4, "big"))

    @property
    def _packets(self) -> int:
        return 0 if self._first_number is None else self.track.packets_received - self._packets_before

    def resend(self, sequences: tuple[int, ...], now: float) -> None:
        """Answers a NACK from the slot's ring."""
        item, first = self._format, self._first_number
        if item is None or first is None:
            return
        self._repair_budget = min(
            REPAIR_BYTES_PER_S, self._repair_budget + (now - self._budget_at) * REPAIR_BYTES_PER_S
        )
        self._budget_at = now
        for sequence in sequences:
            packet = self.track.ring.find(sequence)
            # Nothing from before this viewer came: its SRTP context does not know those numbers.
            if packet is None or (self._packets < 0x8000 and (sequence - first) & 0xFFFF >= 0x8000):
                continue
            if self._repair_budget < len(packet):
                return
            self._repair_budget -= len(packet)
            if item.rtx_payload_type is not None and self.outgoing.rtx_ssrc is not None:
                self._rtx_sequence += 1
                again = retransmission(
                    packet, item.rtx_payload_type, self.outgoing.rtx_ssrc, self._rtx_sequence
                )
            else:
                again = addressed(packet, item.payload_type, self.outgoing.ssrc)
            self._session.send_rtp(again)

    def report(self, now: float) -> SenderReport | None:
        """The publisher's own clock, carried forward to now: both kinds stay in step as the publisher has them."""
        clock = self.track.report
        if clock is None or not self._packets:
            return None
        elapsed = now - clock.arrived_s
        return SenderReport(
            self.outgoing.ssrc,
            clock.ntp + int(elapsed * (1 << 32)),
            clock.timestamp + int(elapsed * self.track.clock_hz),
            self._packets,
            self.track.bytes_received - self._bytes_before - HEADER_SIZE * self._packets,
        )


class ViewSession(Session):
    """Accepts every codec that it and we know, the slot's own first, so that a publisher with another one
    can follow without a new negotiation. Before any publisher came that is H.264, then VP8."""

    kind: Literal["publish", "view"] = "view"

    def __init__(self, host: Host, slot: Slot, offer: Offer) -> None:
        super().__init__(host, slot.id, offer)
        self._slot = slot
        self._downlinks: dict[Kind, Downlink] = {}
        self._next_report = 0.0
        self._keyframes = TokenBucket(KEYFRAMES_AT_ONCE, KEYFRAME_REFILL_S, self.opened_at)
        self._picture_lost_at: float | None = None
        cname = secrets.token_hex(8)
        decisions = [self._accept(section, cname) or section for section in offer.sections]
        if not self._downlinks:
            raise OfferRejected("the offer receives no media that we send: H.264, VP8 or Opus")
        self._answer(decisions)

    def _accept(self, section: Section, cname: str) -> Accepted | None:
        if not section.formats or not section.can_receive:
            return None
        kind: Kind = "audio" if section.kind == "audio" else "video"
        track = self._slot.tracks[kind]
        formats = self._choose(section, track)
        has_rtx = any(item.rtx_payload_type is not None for item in formats)
        outgoing = Outgoing(
            ssrc=secrets.randbits(32),
            rtx_ssrc=secrets.randbits(32) if has_rtx else None,
            cname=cname,
            stream=self._slot.stream,
        )
        self._downlinks[kind] = Downlink(self, track, formats, outgoing)
        return Accepted(section, formats, "sendonly", outgoing)

    @staticmethod
    def _choose(section: Section, track: Track) -> tuple[Format, ...]:
        """The best format of each codec, the slot's codec first. Raises OfferRejected when that one is missing."""
        best: dict[str, Format] = {}
        for item in section.formats:
            best.setdefault(item.name, item)
        wanted = track.codec_name
        if wanted is None:
            return tuple(best.values())
        if wanted not in best:
            raise OfferRejected(f"the slot's {track.kind} is {wanted}, which the offer does not receive")
        return (best.pop(wanted), *best.values())

    def downlink(self, kind: Kind) -> Downlink | None:
        return self._downlinks.get(kind)

    @property
    def loss(self) -> float:
        """Of the kind that suffers most; 0 where nothing was reported."""
        return max((downlink.loss for downlink in self._downlinks.values()), default=0.0)

    def _connected(self) -> None:
        for downlink in self._downlinks.values():
            downlink.track.add_sink(downlink)
        if "video" in self._downlinks:
            self._slot.request_keyframe()

    def _detach(self) -> None:
        for downlink in self._downlinks.values():
            downlink.track.remove_sink(downlink)
        self._slot.viewer_gone(self)

    def _rtp_received(self, packet: bytes, now: float) -> None:
        self.malformed += 1  # a viewer has nothing to send

    def _rtcp_received(self, packet: Packet, now: float) -> None:
        if isinstance(packet, Nack):
            for downlink in self._downlinks.values():
                if downlink.outgoing.ssrc == packet.media_ssrc:
                    downlink.resend(packet.lost, now)
        elif isinstance(packet, PictureLoss):
            self._picture_lost_at = now
            self._mend(now)
        elif isinstance(packet, ReceiverReport | SenderReport):
            for block in packet.reports:
                for downlink in self._downlinks.values():
                    if downlink.outgoing.ssrc == block.ssrc:
                        downlink.loss = block.fraction_lost / 256

    def _mend(self, now: float) -> None:
        """Asks for the keyframe that this viewer lacks: at once, or as soon as it may."""
        lost_at = self._picture_lost_at
        if lost_at is None:
            return
        came = self._slot.tracks["video"].keyframe_at > lost_at
        if came or self._slot.keyframe_wanted or self._keyframes.take(now):
            self._picture_lost_at = None
            if not came:
                self._slot.request_keyframe()

    def pulse(self, now: float) -> None:
        super().pulse(now)
        self._mend(now)
        if not self.connected or now < self._next_report:
            return
        self._next_report = now + REPORT_INTERVAL_S
        packets: list[Packet] = []
        for downlink in self._downlinks.values():
            report = downlink.report(now)
            if report is not None:
                packets += (report, SourceDescription(downlink.outgoing.ssrc, downlink.outgoing.cname))
        # Without media as well: clients take our silence for a broken way.
        self.send_rtcp(*(packets or [ReceiverReport(next(iter(self._downlinks.values())).outgoing.ssrc)]))
