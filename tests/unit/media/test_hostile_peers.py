"""Peers that passed the handshake and then send nonsense."""

import random
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.media import MediaConfig, MediaEngine, Slot
from server.media.congestion import TransportFeedback
from server.media.losses import MAX_MISSING
from server.media.publish import PublishSession
from server.media.rtcp import Nack, PictureLoss, SenderReport, parse
from server.media.rtp import addressed, slot_form
from server.media.view import ViewSession
from tests.media.peers import Observer
from tests.unit.media import offers

VIDEO, RTX, AUDIO = 108, 109, 111


class Clear:
    """SRTP that encrypts nothing, and remembers what went out."""

    ready = True

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def protect(self, packet: bytes) -> bytes:
        self.sent.append(packet)
        return packet

    protect_rtcp = protect

    def sealer(self, payload_type: int, ssrc: bytes) -> Callable[[bytes], bytes]:
        return lambda packet: self.protect(addressed(packet, payload_type, int.from_bytes(ssrc, "big")))

    def unprotect(self, packet: bytes) -> bytes:
        return packet

    unprotect_rtcp = unprotect

    async def close(self) -> None:
        self.ready = False


@pytest.fixture
async def slot() -> AsyncIterator[Slot]:
    engine = await MediaEngine.open(MediaConfig())
    yield engine.open_slot("camera", Observer())
    await engine.close()
    assert engine.counters.failures == 0


async def in_clear(session: PublishSession | ViewSession) -> Clear:
    clear = Clear()
    await session._secure.close()
    session._secure = clear  # type: ignore[assignment]
    session._early = None
    session._remote = ("127.0.0.1", 9)
    session._connected()
    return clear


@pytest.fixture
async def publisher(slot: Slot) -> PublishSession:
    session = await slot.publish(offers.typical())
    assert isinstance(session, PublishSession)
    await in_clear(session)
    return session


def rtp(
    payload_type: int, sequence: int, timestamp: int = 0, ssrc: int = 7, payload: bytes = b"\x61xyz"
) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence, timestamp, ssrc) + payload


async def test_random_packets_of_a_publisher_break_nothing(slot: Slot, publisher: PublishSession) -> None:
    chance = random.Random(5)
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    await in_clear(viewer)
    now = time.monotonic()
    for step in range(20_000):
        head = bytes(
            [
                chance.choice((0x80, 0x80, 0x90, 0xA0, 0xB3, 0x8F)),
                chance.choice((VIDEO, RTX, AUDIO, 200, 205, 206, 77)),
            ]
        )
        publisher.media_received(
            head + chance.randbytes(chance.choice((0, 1, 9, 10, 12, 30, 1200))), now + step / 1000
        )
    assert slot.tracks["video"].ring.size_bytes <= 12 << 20
    slot.pulse(now + 20)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(min_size=2, max_size=80))
async def test_any_bytes_of_a_publisher_are_taken_or_counted(
    slot: Slot, publisher: PublishSession, data: bytes
) -> None:
    publisher.media_received(data, time.monotonic())
    publisher.media_received(b"\x80" + data, time.monotonic())


async def test_a_second_source_in_one_stream_does_not_tear_the_first(
    slot: Slot, publisher: PublishSession
) -> None:
    now = time.monotonic()
    for sequence in range(100):
        publisher.media_received(rtp(VIDEO, sequence, ssrc=7), now + sequence / 100)
        publisher.media_received(rtp(VIDEO, 30_000 + sequence, ssrc=8), now + sequence / 100)
    numbers = [number for number, _, _ in slot.tracks["video"].ring.packets()]
    assert numbers == list(range(numbers[0], numbers[0] + 100))
    assert publisher.uplinks["video"].strangers == 100


async def test_a_source_that_fell_silent_is_followed_by_another(
    slot: Slot, publisher: PublishSession
) -> None:
    now = time.monotonic()
    publisher.media_received(rtp(VIDEO, 5, ssrc=7), now)
    publisher.media_received(rtp(VIDEO, 30_000, ssrc=8), now + 1.0)
    numbers = [number for number, _, _ in slot.tracks["video"].ring.packets()]
    assert numbers == [numbers[0], numbers[0] + 1]


async def test_duplicates_are_forwarded_once(slot: Slot, publisher: PublishSession) -> None:
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    clear = await in_clear(viewer)
    for _ in range(3):
        publisher.media_received(rtp(AUDIO, 9), time.monotonic())
    assert len([packet for packet in clear.sent if packet[1] & 0x7F == AUDIO]) == 1


async def test_a_packet_from_before_the_first_one_has_no_place(slot: Slot, publisher: PublishSession) -> None:
    now = time.monotonic()
    publisher.media_received(rtp(VIDEO, 100), now)
    publisher.media_received(rtp(VIDEO, 99), now)
    assert len(slot.tracks["video"].ring.packets()) == 1


async def test_a_packet_too_big_for_one_viewer_reaches_the_recorder_and_is_counted(
    slot: Slot, publisher: PublishSession
) -> None:
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    clear = await in_clear(viewer)

    def too_long(packet: bytes) -> bytes:
        raise ValueError("packet is too long")

    clear.protect = too_long  # type: ignore[method-assign]
    publisher.media_received(rtp(AUDIO, 1, payload=bytes(1400)), time.monotonic())
    assert viewer.malformed == 1
    assert publisher.malformed == 0
    assert len(slot.tracks["audio"].ring.packets()) == 1


async def test_a_viewer_that_asks_for_everything_again_and_again_is_bounded(
    slot: Slot, publisher: PublishSession
) -> None:
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    clear = await in_clear(viewer)
    now = time.monotonic()
    for sequence in range(900):
        publisher.media_received(rtp(AUDIO, sequence, payload=bytes(1000)), now)
    downlink = viewer.downlink("audio")
    assert downlink is not None
    kept = [number & 0xFFFF for number, _, _ in slot.tracks["audio"].ring.packets()]
    before = sum(map(len, clear.sent))
    for _ in range(20):
        viewer.media_received(bytes(Nack(1, downlink.outgoing.ssrc, tuple(kept))), now)
    assert sum(map(len, clear.sent)) - before < 1_000_000


async def test_a_viewer_gets_nothing_again_from_before_it_came(slot: Slot, publisher: PublishSession) -> None:
    now = time.monotonic()
    publisher.media_received(rtp(AUDIO, 1), now)
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    clear = await in_clear(viewer)
    publisher.media_received(rtp(AUDIO, 2), now)
    (first, _, _), (second, _, _) = slot.tracks["audio"].ring.packets()
    downlink = viewer.downlink("audio")
    assert downlink is not None
    sent = len(clear.sent)
    viewer.media_received(bytes(Nack(1, downlink.outgoing.ssrc, (first & 0xFFFF, second & 0xFFFF))), now)
    again = clear.sent[sent:]
    assert [int.from_bytes(packet[2:4], "big") for packet in again] == [second & 0xFFFF]


async def test_a_viewers_own_media_is_refused(slot: Slot) -> None:
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    await in_clear(viewer)
    viewer.media_received(slot_form(0, 1, 1, b"x"), time.monotonic())
    assert viewer.malformed == 1


async def test_reports_of_streams_that_do_not_exist_are_ignored(
    slot: Slot, publisher: PublishSession
) -> None:
    publisher.media_received(bytes(SenderReport(99, 1 << 40, 5)), time.monotonic())
    publisher.media_received(bytes(PictureLoss(1, 99)), time.monotonic())
    assert slot.tracks["video"].report is None


async def test_sender_reports_reach_viewers_on_the_slots_timeline(
    slot: Slot, publisher: PublishSession
) -> None:
    now = time.monotonic()
    viewer = await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    await in_clear(viewer)
    publisher.media_received(rtp(AUDIO, 1, timestamp=48_000), now)
    publisher.media_received(bytes(SenderReport(7, 5 << 32, 48_000)), now)
    downlink = viewer.downlink("audio")
    assert downlink is not None
    report = downlink.report(now + 2.0)
    assert report is not None
    (_, packet, _), *_ = slot.tracks["audio"].ring.packets()
    assert report.ntp == 7 << 32
    assert report.rtp & 0xFFFFFFFF == (int.from_bytes(packet[4:8], "big") + 96_000) & 0xFFFFFFFF
    assert report.packet_count == 1


def said(clear: Clear, kind: type) -> list[Any]:
    """What went out by RTCP, of one kind."""
    reports = [packet for packet in clear.sent if 191 < packet[1] < 224]
    return [item for packet in reports for item in parse(packet) if isinstance(item, kind)]


async def test_a_burst_that_is_beyond_repair_asks_for_a_keyframe_at_once(slot: Slot) -> None:
    session = await slot.publish(offers.typical())
    assert isinstance(session, PublishSession)
    clear, now = await in_clear(session), time.monotonic()
    session.media_received(rtp(VIDEO, 1), now)
    slot._keyframe_asked_at = 0.0
    clear.sent.clear()
    session.media_received(rtp(VIDEO, 2 + MAX_MISSING), now + 2.0)
    assert len(said(clear, PictureLoss)) == 1
    assert slot.stats().packets_unrepaired == MAX_MISSING


async def test_what_was_not_repaired_is_counted_when_the_publisher_is_gone(
    slot: Slot, publisher: PublishSession
) -> None:
    now = time.monotonic()
    publisher.media_received(rtp(VIDEO, 1), now)
    publisher.media_received(rtp(VIDEO, 2 + MAX_MISSING), now)
    publisher.media_received(rtp(VIDEO, 1, ssrc=8), now + 1.0)  # another stream of the same publisher
    publisher.media_received(rtp(VIDEO, 2 + MAX_MISSING, ssrc=8), now + 1.0)
    await publisher.close()
    assert slot.publisher is None
    assert slot.stats().packets_unrepaired == 2 * MAX_MISSING


async def test_a_publisher_with_a_thousand_holes_gets_requests_that_fit_into_datagrams(slot: Slot) -> None:
    session = await slot.publish(offers.typical())
    assert isinstance(session, PublishSession)
    clear = await in_clear(session)
    now = time.monotonic() - 0.1
    for sequence in range(0, 20 * 399, 20):
        session.media_received(rtp(VIDEO, sequence), now)
    # Nineteen are missing before each: the list keeps the newest four hundred, scattered over all their bits.
    session.uplinks["video"]._ask_again()
    asked = said(clear, Nack)
    assert sum(len(nack.lost) for nack in asked) == MAX_MISSING
    assert max(map(len, clear.sent)) <= 1400


async def test_reports_too_long_for_a_datagram_are_one_peers_loss(slot: Slot) -> None:
    session = await slot.publish(offers.numbered())
    assert isinstance(session, PublishSession)
    clear = await in_clear(session)
    now = time.monotonic()
    for number in range(2000):
        extension = b"\xbe\xde\x00\x01\x41" + number.to_bytes(2, "big") + b"\0"
        packet = struct.pack("!BBHII", 0x90, AUDIO, number, 0, 7) + extension + b"x"
        session.media_received(packet, now + number % 7)
    slot.pulse(now + 0.1)
    (feedback,) = [packet for packet in clear.sent if packet[1] == 205]
    assert len(TransportFeedback.parse(feedback).arrivals) == 600
    assert max(map(len, clear.sent)) <= 1400

    def too_long(packet: bytes) -> bytes:
        raise ValueError("packet is too long")

    clear.protect_rtcp = too_long  # type: ignore[method-assign]
    slot.pulse(now + 2)
    assert session.malformed == 1


async def test_a_viewer_that_cannot_take_the_publishers_codec_is_let_go(slot: Slot) -> None:
    only_vp8 = offers.offer(offers.video(offers.vp8(), "recvonly", mid="0"))
    viewer, other = await slot.view(only_vp8), await slot.view(offers.typical("recvonly"))
    assert isinstance(viewer, ViewSession)
    assert isinstance(other, ViewSession)
    await in_clear(viewer)
    seen = await in_clear(other)
    publisher = await slot.publish(offers.offer(offers.video(offers.h264(), mid="0")))
    assert isinstance(publisher, PublishSession)
    await in_clear(publisher)
    publisher.media_received(rtp(VIDEO, 1, payload=b"\x67sps"), time.monotonic())
    assert viewer.closed
    assert not other.closed
    assert len([packet for packet in seen.sent if packet[1] & 0x7F == VIDEO]) == 1


async def test_copies_that_probe_the_way_repair_nothing(slot: Slot, publisher: PublishSession) -> None:
    now = time.monotonic()
    for sequence in (1, 2, 4):
        publisher.media_received(rtp(VIDEO, sequence), now)
    for original in (2, 3):
        publisher.media_received(rtp(RTX, original, payload=original.to_bytes(2, "big") + b"\x61xyz"), now)
    assert slot.stats().packets_repaired == 1
    assert len(slot.tracks["video"].ring.packets()) == 4


async def test_header_extensions_that_change_in_mid_stream_leave_every_payload_whole(
    slot: Slot, publisher: PublishSession
) -> None:
    now = time.monotonic()
    plain = rtp(AUDIO, 0)[1:12]
    heads = [
        (b"\x90", b"\xbe\xde\x00\x01abcd"),
        (b"\x90", b"\xbe\xde\x00\x01efgh"),
        (b"\x90", b"\xbe\xde\x00\x02abcdefgh"),
        (b"\x90", b"\x10\x00\x00\x02abcdefgh"),
        (b"\x90", b"\xbe\xde\x00\x00"),
        (b"\x80", b""),
        (b"\x91", b"csrc\xbe\xde\x00\x01abcd"),
        (b"\x90", b"\xbe\xde\x00\x01abcd"),
    ]
    sent = []
    for number, (first, extension) in enumerate(heads):
        head = first + plain[:1] + number.to_bytes(2, "big") + plain[3:]
        sent.append(b"payload %d" % number)
        publisher.media_received(head + extension + sent[-1], now)
        # One that ends within its extension is no packet, whatever came before.
        publisher.media_received(head + extension[:-1], now)
    assert [packet[12:] for _, packet, _ in slot.tracks["audio"].ring.packets()] == sent
    assert publisher.malformed == len([extension for _, extension in heads if extension])
