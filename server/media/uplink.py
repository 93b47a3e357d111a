"""One stream from a publisher: numbers mapped to the slot's, losses asked for again, reception reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .codecs import VIDEO_CODECS
from .losses import LossList
from .negotiation import Format
from .reception import Reception
from .rtcp import Nack, Packet, PictureLoss, ReportBlock, SenderReport
from .rtp import HEADER, HEADER_SIZE, payload_span, retransmitted
from .timeline import Source
from .track import ClockReport, Track

_NACK_TICK_S = 0.02
# A second source in one stream is taken when the first has been silent for so long.
_SOURCE_SILENT_S = 0.5
# So many scattered numbers fit into one datagram; the rest goes with the next.
_MAX_ASKED = 300
_EXTENDED_SIZE = HEADER_SIZE + 4
_unpack_header = HEADER.unpack_from


class Uplink:
    """Created per accepted section of a publisher's offer."""

    def __init__(
        self,
        track: Track,
        item: Format,
        local_ssrc: int,
        *,
        send: Callable[[Packet], None],
        on_join: Callable[[Uplink], None],
        on_unrepaired: Callable[[], None],
    ) -> None:
        self.track = track
        self.format = item
        self.reception: Reception | None = None
        self.ssrc: int | None = None
        self._losses = LossList() if item.has_nack else None
        self._unrepaired_before = 0
        self._local_ssrc = local_ssrc
        self._source: Source | None = None
        self._send = send
        self._on_join = on_join
        self._on_unrepaired = on_unrepaired
        self._timer: asyncio.TimerHandle | None = None
        self._report: SenderReport | None = None
        self._reported_at = 0.0
        # Profile and length of the latest header extension, and where the payload begins then.
        self._extension: bytes | None = None
        self._payload_at = 0
        self.repaired = 0
        self.strangers = 0
        "Packets of a second source that were not taken."

    @property
    def jitter_s(self) -> float:
        return self.reception.jitter_s if self.reception is not None else 0.0

    @property
    def unrepaired(self) -> int:
        """Packets that were given up, of all streams so far."""
        return self._unrepaired_before + (self._losses.abandoned if self._losses is not None else 0)

    def media(self, packet: bytes, now: float) -> None:
        if (
            packet[0] == 0x90
            and packet[HEADER_SIZE:_EXTENDED_SIZE] == self._extension
            and len(packet) >= self._payload_at
        ):
            payload = packet[self._payload_at :]  # an extension as long as the last one, as nearly all have
        else:
            payload = self._payload(packet)
        _, marker_type, sequence, timestamp, ssrc = _unpack_header(packet)
        source, reception = self._source, self.reception
        if source is None or reception is None or ssrc != self.ssrc:
            if source is not None and now - source.heard_at < _SOURCE_SILENT_S:
                self.strangers += 1
                return
            source, reception = self._join(sequence, timestamp, ssrc, now)
            number = source.first_number
        elif sequence == source.next_sequence:
            # Nearly every packet: what follows is all that it costs.
            source.next_sequence = (sequence + 1) & 0xFFFF
            number = source.newest = source.newest + 1
        else:
            number = self._out_of_order(source, sequence, now)
        source.heard_at = now
        reception.received += 1
        if timestamp == source.stamp:
            place = source.place
        else:
            place = source.turn(timestamp)
            reception.turned(place, now)
        if number >= source.first_number:
            self.track.push(number, place, marker_type & 0x80, payload, now)

    def _payload(self, packet: bytes) -> bytes:
        """Raises ValueError for what is no RTP packet."""
        span = payload_span(packet)
        if span is None:
            raise ValueError("not an RTP packet")
        if packet[0] == 0x90:  # no contributing sources, no padding
            self._extension, self._payload_at = packet[HEADER_SIZE:_EXTENDED_SIZE], span[0]
        return packet[span[0] : span[1]]

    def _out_of_order(self, source: Source, sequence: int, now: float) -> int:
        """The slot number of a packet that is not the next one: some are missing, or it is late."""
        newest = source.newest
        number = source.take(sequence)
        losses = self._losses
        if losses is not None:
            before = losses.abandoned
            if number > newest:
                losses.skipped(newest + 1, number, now)
            else:
                losses.came(number, now)
            if losses.abandoned != before:
                self._on_unrepaired()
            if losses.pending and self._timer is None:
                self._arm()
        return number

    def retransmission(self, packet: bytes, now: float) -> None:
        """RFC 4588; counts as a repair, not as a reception."""
        span = payload_span(packet)
        source = self._source
        if span is None or source is None:
            return
        original = retransmitted(packet[span[0] : span[1]])
        if original is None:
            return
        _, marker_type, _, timestamp, _ = _unpack_header(packet)
        sequence, payload = original
        number = self._out_of_order(source, sequence, now)
        if number < source.first_number:
            return
        # Some senders probe the way with copies of what has come: those repair nothing.
        self.repaired += self.track.push(number, source.turn(timestamp), marker_type & 0x80, payload, now)

    def _join(self, sequence: int, timestamp: int, ssrc: int, now: float) -> tuple[Source, Reception]:
        self.ssrc = ssrc
        self._source = source = self.track.timeline.join(sequence, timestamp, now)
        self._report = None
        if self._losses is not None:
            self._unrepaired_before += self._losses.abandoned
            self._losses = LossList()
        self.reception = reception = Reception(self.track.clock_hz, sequence)
        reception.turned(source.place, now)
        self.track.begin(self.format.name, VIDEO_CODECS.get(self.format.name), source)
        self._on_join(self)
        return source, reception

    def begin_anew(self) -> None:
        """The next packet joins the timeline as the first of a stream."""
        self._source = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_NACK_TICK_S, self._ask_again)

    def _ask_again(self) -> None:
        self._timer = None
        losses, source = self._losses, self._source
        if losses is None or source is None or self.ssrc is None:
            return
        before = losses.abandoned
        asked = losses.due(time.monotonic())
        for begin in range(0, len(asked), _MAX_ASKED):
            sequences = tuple(map(source.publisher_sequence, asked[begin : begin + _MAX_ASKED]))
            self._send(Nack(self._local_ssrc, self.ssrc, sequences))
        if losses.abandoned != before:
            self._on_unrepaired()
        if losses.pending:
            self._arm()

    def reported(self, report: SenderReport, now: float) -> ClockReport | None:
        """A sender report of this stream; None while the stream itself has not begun."""
        self._report, self._reported_at = report, now
        if self._source is None:
            return None
        self.track.report = ClockReport(report.ntp, self._source.timestamp(report.rtp), now)
        return self.track.report

    def report_block(self, now: float) -> ReportBlock | None:
        source, reception = self._source, self.reception
        if self.ssrc is None or source is None or reception is None:
            return None
        last, delay = 0, 0
        if self._report is not None:
            last = self._report.ntp >> 16 & 0xFFFFFFFF
            delay = int((now - self._reported_at) * 65536)
        reception.highest = source.publisher_number(source.newest)
        return ReportBlock(
            self.ssrc,
            reception.fraction_lost(),
            reception.lost,
            reception.highest,
            reception.jitter,
            last,
            delay,
        )

    def keyframe_request(self) -> PictureLoss | None:
        return None if self.ssrc is None else PictureLoss(self._local_ssrc, self.ssrc)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._losses is not None:
            self._unrepaired_before += self._losses.abandoned
        self._losses = None
        self._source = None
