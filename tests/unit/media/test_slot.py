"""A slot with a publisher of straw, at times that the tests make up."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from server.media import MediaConfig, MediaEngine, MediaError, OfferRejected, Slot
from server.media.codecs import Kind
from server.media.congestion import TransportFeedback
from server.media.publish import PublishSession
from server.media.rtcp import BitrateLimit, PictureLoss, ReceiverReport, ReportBlock
from server.media.rtp import HEADER
from server.media.session import CONNECT_TIMEOUT_S, CONSENT_TIMEOUT_S
from tests.media.peers import Observer, until
from tests.unit.media import offers


@pytest.fixture
async def engine() -> AsyncIterator[MediaEngine]:
    opened = await MediaEngine.open(MediaConfig())
    yield opened
    await opened.close()


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def slot(engine: MediaEngine, observer: Observer) -> Slot:
    return engine.open_slot("camera", observer)


class Video:
    jitter_s = 0.0
    unrepaired = 0


class Straw:
    """Counts what a publisher is asked for."""

    uplinks: dict[str, Any] = {}

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.now = 0.0

    def request_keyframe(self) -> None:
        self.asked_at.append(self.now)

    def begin_anew(self) -> None:
        pass


@pytest.fixture
def straw(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Straw]:
    made = Straw()
    monkeypatch.setattr("server.media.slot.time.monotonic", lambda: made.now)
    slot.publisher = made  # type: ignore[assignment]
    slot.tracks["video"].codec_name = "H264"
    yield made
    slot.publisher = None


def pulse(slot: Slot, straw: Straw, *, until_s: float, heard: bool = True) -> None:
    while straw.now < until_s:
        straw.now = round(straw.now + 0.1, 3)
        if heard:
            slot.heard_at = straw.now
        slot.pulse(straw.now)


async def test_a_keyframe_is_asked_for_every_five_seconds(slot: Slot, straw: Straw) -> None:
    straw.now = 100.0
    pulse(slot, straw, until_s=118.0)
    gaps = [later - earlier for earlier, later in zip(straw.asked_at, straw.asked_at[1:], strict=False)]
    assert len(gaps) >= 3
    assert gaps == pytest.approx([5.0] * len(gaps), abs=0.11)


async def test_no_keyframe_is_asked_for_when_one_has_just_come(slot: Slot, straw: Straw) -> None:
    straw.now = 100.0
    for second in range(1, 20):
        slot.tracks["video"].keyframe_at = straw.now
        pulse(slot, straw, until_s=100.0 + second)
    assert straw.asked_at == []


async def test_many_requests_are_merged_to_two_a_second(slot: Slot, straw: Straw) -> None:
    straw.now = 100.0
    slot.tracks["video"].keyframe_at = 100.0
    for _ in range(30):
        straw.now = round(straw.now + 0.033, 3)
        slot.request_keyframe()
        slot.pulse(straw.now)
    assert 2 <= len(straw.asked_at) <= 3
    # The last request is not forgotten: it is made as soon as it may be.
    slot.request_keyframe()
    before = len(straw.asked_at)
    pulse(slot, straw, until_s=straw.now + 0.6, heard=False)
    assert len(straw.asked_at) == before + 1


async def look(slot: Slot) -> Any:
    """A viewer that has just connected."""
    viewer: Any = await slot.view(offers.typical("recvonly"))
    viewer._connected()
    return viewer


async def test_a_viewer_that_always_wants_another_picture_does_not_get_one_each_time(
    slot: Slot, straw: Straw
) -> None:
    straw.now = 100.0
    viewer = await look(slot)
    assert straw.asked_at == [100.0]
    for _ in range(60 * 30):
        straw.now = round(straw.now + 1 / 30, 3)
        slot.tracks["video"].keyframe_at = straw.now - 0.05  # they come, so none is asked for by the clock
        viewer._rtcp_received(PictureLoss(1, 2), straw.now)
        viewer._heard_at = straw.now
        slot.pulse(straw.now)
    # Its first one, five at once, and one every two seconds.
    assert 30 <= len(straw.asked_at) <= 1 + 5 + 30
    # Somebody else is none the worse for it.
    before = len(straw.asked_at)
    straw.now += 1.0
    await look(slot)
    assert straw.asked_at[before:] == [straw.now]


async def test_a_viewer_that_has_asked_often_gets_its_picture_a_little_later(
    slot: Slot, straw: Straw
) -> None:
    straw.now = 100.0
    viewer = await look(slot)
    for _ in range(6):
        straw.now += 0.51
        viewer._rtcp_received(PictureLoss(1, 2), straw.now)
    assert len(straw.asked_at) == 7
    straw.now += 0.51
    viewer._rtcp_received(PictureLoss(1, 2), straw.now)
    assert len(straw.asked_at) == 7
    pulse(slot, straw, until_s=straw.now + 2.0, heard=False)
    assert len(straw.asked_at) == 8


async def test_a_viewer_whose_picture_came_meanwhile_asks_for_none(slot: Slot, straw: Straw) -> None:
    straw.now = 100.0
    viewer = await look(slot)
    for _ in range(6):
        straw.now += 0.51
        viewer._rtcp_received(PictureLoss(1, 2), straw.now)
    before = len(straw.asked_at)
    straw.now += 0.51
    viewer._rtcp_received(PictureLoss(1, 2), straw.now)
    slot.tracks["video"].keyframe_at = straw.now + 0.1
    pulse(slot, straw, until_s=straw.now + 3.0, heard=False)
    assert len(straw.asked_at) == before


async def test_two_seconds_without_media_interrupt(slot: Slot, straw: Straw, observer: Observer) -> None:
    straw.now = 100.0
    pulse(slot, straw, until_s=101.0)
    assert slot.live
    pulse(slot, straw, until_s=102.8, heard=False)
    assert slot.live
    pulse(slot, straw, until_s=103.1, heard=False)
    assert not slot.live
    pulse(slot, straw, until_s=104.0)
    assert [name for name, _ in observer.events] == ["live", "interrupted", "live"]


async def test_a_slot_that_is_live_again_asks_for_a_keyframe(slot: Slot, straw: Straw) -> None:
    straw.uplinks = {"video": Video()}
    straw.now = 100.0
    slot.tracks["video"].keyframe_at = 101.5
    pulse(slot, straw, until_s=101.0)
    pulse(slot, straw, until_s=103.5, heard=False)
    assert not slot.live
    straw.asked_at.clear()
    slot.tracks["video"].keyframe_at = straw.now
    pulse(slot, straw, until_s=103.7)
    assert slot.live
    assert len(straw.asked_at) == 1


async def test_a_silence_cuts_the_recording_once(
    slot: Slot, straw: Straw, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot.publisher = None
    slot.start_recording(tmp_path, str)
    slot.publisher = straw  # type: ignore[assignment]
    cuts: list[float] = []
    monkeypatch.setattr(slot._recorder, "cut", lambda: cuts.append(straw.now))
    straw.now = 100.0
    for until_s in (101.0, 111.0):
        pulse(slot, straw, until_s=until_s)
        pulse(slot, straw, until_s=until_s + 5.0, heard=False)
    assert cuts == pytest.approx([103.0, 113.0])


async def test_a_picture_that_stops_while_the_sound_goes_on_is_told_and_asked_for(
    slot: Slot, straw: Straw, observer: Observer
) -> None:
    def send(until_s: float, *kinds: Kind) -> None:
        while straw.now < until_s:
            for kind in kinds:
                slot.tracks[kind].bytes_received += 100
            pulse(slot, straw, until_s=straw.now + 0.05)

    straw.now = 100.0
    slot.tracks["video"].keyframe_at = 100.0
    send(102.0, "audio", "video")
    assert observer.all("lacking") == []
    before = len(straw.asked_at)
    send(104.5, "audio")
    ((kind, since),) = observer.all("lacking")
    assert kind == "video"
    assert (datetime.now(UTC) - since).total_seconds() == pytest.approx(straw.now - 102.0, abs=0.5)
    assert slot.live
    assert len(straw.asked_at) > before
    slot.tracks["video"].keyframe_at = straw.now
    send(105.0, "audio", "video")
    assert [kind for kind, _ in observer.all("complete")] == ["video"]


async def test_a_peer_that_does_not_connect_is_let_go(slot: Slot) -> None:
    session = await slot.publish(offers.typical())
    session.pulse(session.opened_at + CONNECT_TIMEOUT_S - 1)
    assert not session.closed
    ended: list[str] = []
    session.on_closed(lambda it: ended.append(it.id))
    session.pulse(session.opened_at + CONNECT_TIMEOUT_S + 1)
    await until(lambda: ended == [session.id])
    assert session.closed


async def test_a_peer_that_falls_silent_is_let_go(slot: Slot) -> None:
    session = await slot.view(offers.typical("recvonly"))
    session._secure.ready = True
    session.pulse(session.opened_at + CONSENT_TIMEOUT_S - 1)
    assert not session.closed
    session.pulse(session.opened_at + CONSENT_TIMEOUT_S + 1)
    assert session.closed


@pytest.mark.parametrize("verb", ["publish", "view"])
async def test_a_connected_peer_hears_something_every_second_without_media(
    slot: Slot, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Clients take silence for a broken way."""
    offer = offers.typical() if verb == "publish" else offers.typical("recvonly")
    session = await getattr(slot, verb)(offer)
    said: list[float] = []
    session._secure.ready = True
    now = session.opened_at
    monkeypatch.setattr(session, "send_rtcp", lambda *packets: said.append(now) if packets else None)
    while now < session.opened_at + 5:
        now += 0.1
        session.pulse(now)
    assert len(said) == pytest.approx(5, abs=1)


def heard_from(session: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a session that believes itself connected says by RTCP."""
    said: list[Any] = []
    session._secure.ready = True
    monkeypatch.setattr(session, "send_rtcp", lambda *packets: said.extend(packets))
    return said


def media_packet(number: int) -> bytes:
    extension = b"\xbe\xde\x00\x01\x41" + number.to_bytes(2, "big") + b"\0"
    return HEADER.pack(0x90, 111, number, 960 * number, 77) + extension + b"voice"


async def test_a_publisher_that_numbers_its_packets_is_told_when_each_arrived(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = await slot.publish(offers.numbered())
    said = heard_from(session, monkeypatch)
    now = session.opened_at
    for number in (1, 2, 4):
        session._rtp_received(media_packet(number), now + number / 100)
    session.pulse(now + 0.1)
    (feedback,) = [item for item in said if isinstance(item, TransportFeedback)]
    assert (feedback.media_ssrc, feedback.base) == (77, 1)
    assert [tick is not None for tick in feedback.arrivals] == [True, True, False, True]
    # The packets themselves are taken as if they had no extension.
    assert slot.tracks["audio"].ring.packets()[0][1].endswith(b"voice")
    assert not any(isinstance(item, BitrateLimit) for item in said)


async def test_what_is_sent_to_a_held_slot_goes_nowhere_and_takes_no_numbers(slot: Slot) -> None:
    session: Any = await slot.publish(offers.numbered())
    now = session.opened_at

    def send(*numbers: int) -> None:
        for number in numbers:
            session._rtp_received(media_packet(number), now + number / 10)
            slot.pulse(now + number / 10)

    voice = slot.tracks["audio"]
    send(1, 2, 3)
    slot.hold()
    send(4, 5, 30)  # it is neither silence nor a fault
    assert (voice.packets_received, slot.live, slot.heard_at) == (3, True, now + 3)
    slot.release()
    send(31, 32)
    numbers = [HEADER.unpack_from(packet)[2] for _, packet, _ in voice.ring.packets()]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    stamps = [HEADER.unpack_from(packet)[3] for _, packet, _ in voice.ring.packets()]
    assert stamps[3] - stamps[2] == pytest.approx(2.8 * 48_000, abs=1)
    assert voice.breaks[-1] & 0xFFFF == numbers[3]


async def test_a_slot_that_was_held_lacks_nothing(slot: Slot, straw: Straw, observer: Observer) -> None:
    def send(until_s: float) -> None:
        while straw.now < until_s:
            for kind in ("audio", "video"):
                slot.tracks[kind].bytes_received += 0 if slot.held else 100
            pulse(slot, straw, until_s=straw.now + 0.1)

    straw.now = 101.0
    send(103.0)
    slot.hold()
    asked = list(straw.asked_at)
    send(120.0)
    assert straw.asked_at == asked  # nobody could see a keyframe
    slot.release()
    slot.tracks["audio"].bytes_received += 100  # the sound is there first
    pulse(slot, straw, until_s=120.1)
    send(125.0)
    assert observer.all("lacking") == []


async def test_the_slowest_viewer_does_not_lower_what_is_recorded(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher: Any = await slot.publish(offers.typical())
    viewer: Any = await slot.view(offers.typical("recvonly"))
    said = heard_from(publisher, monkeypatch)
    slot.take_over(publisher)
    ssrc = viewer.downlink("video").outgoing.ssrc
    viewer._rtcp_received(BitrateLimit(1, 50_000, (ssrc,)), 1.0)
    viewer._rtcp_received(ReceiverReport(1, (ReportBlock(ssrc, fraction_lost=128),)), 1.0)
    assert said == []
    assert viewer.loss == 0.5
    assert publisher.loss == 0


async def test_of_two_offers_that_did_not_connect_the_newer_counts(slot: Slot) -> None:
    first = await slot.publish(offers.typical())
    second = await slot.publish(offers.typical())
    assert first.closed
    assert not second.closed


async def test_a_callback_after_the_end_is_called_at_once(slot: Slot) -> None:
    session = await slot.view(offers.typical("recvonly"))
    await session.close()
    await session.close()
    called: list[str] = []
    session.on_closed(lambda it: called.append(it.id))
    assert called == [session.id]


async def test_a_viewers_offer_that_receives_nothing_is_refused(slot: Slot) -> None:
    with pytest.raises(OfferRejected, match="receives no media"):
        await slot.view(offers.typical("sendonly"))
    with pytest.raises(OfferRejected, match="sends no media"):
        await slot.publish(offers.typical("recvonly"))


async def test_trickled_candidates_need_no_answer_and_new_credentials_get_one(slot: Slot) -> None:
    session = await slot.publish(offers.typical())
    etag = session.etag
    same = "a=ice-ufrag:rH8w\r\na=ice-pwd:DwoagPseCfkn2Wbq/iQzoOJN\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    assert await session.patch(same + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n") is None
    assert await session.patch("a=end-of-candidates\r\n") is None
    assert session.etag == etag
    answer = await session.patch("a=ice-ufrag:newu\r\na=ice-pwd:DwoagPseCfkn2Wbq/iQzoOJN\r\n")
    assert answer is not None
    assert "a=ice-ufrag:" in answer
    assert session.etag != etag
    # A fragment of the first generation that was under way is no further restart.
    assert await session.patch(same) is None
    with pytest.raises(OfferRejected, match="ice-pwd"):
        await session.patch("a=ice-ufrag:other\r\n")
    await session.close()
    with pytest.raises(MediaError):
        await session.patch(same)


async def test_a_slots_name_is_its_own(engine: MediaEngine, slot: Slot, observer: Observer) -> None:
    with pytest.raises(MediaError, match="open already"):
        engine.open_slot("camera", observer)
    assert engine.find_slot("camera") is slot
    await slot.close()
    with pytest.raises(MediaError, match="closed"):
        await slot.publish(offers.typical())
    await engine.close()
    with pytest.raises(MediaError, match="closed"):
        engine.open_slot("camera", observer)


async def test_the_advertised_address_stands_in_the_answer(observer: Observer) -> None:
    engine = await MediaEngine.open(MediaConfig(advertised_address="203.0.113.9"))
    session = await engine.open_slot("camera", observer).publish(offers.typical())
    assert f" 203.0.113.9 {engine.port} typ host" in session.answer_sdp
    await engine.close()


async def test_an_engine_on_all_addresses_names_those_of_the_machine(observer: Observer) -> None:
    engine = await MediaEngine.open(MediaConfig(address="0.0.0.0"))
    session = await engine.open_slot("camera", observer).publish(offers.typical())
    assert " 0.0.0.0 " not in session.answer_sdp.replace("IN IP4 0.0.0.0", "")
    assert f" {engine.port} typ host" in session.answer_sdp
    await engine.close()


async def test_recording_twice_at_once_is_an_error(slot: Slot, tmp_path: Any) -> None:
    slot.start_recording(tmp_path, str)
    with pytest.raises(MediaError, match="already"):
        slot.start_recording(tmp_path, str)
    await slot.stop_recording()
    await slot.stop_recording()
    slot.start_recording(tmp_path, str)


async def test_a_publishers_answer_takes_one_codec_of_each_kind(slot: Slot) -> None:
    session = await slot.publish(offers.typical())
    assert isinstance(session, PublishSession)
    assert session.codec_names == {"audio": "opus", "video": "H264"}
    lines = [line for line in session.answer_sdp.splitlines() if line.startswith("m=")]
    assert [line.split(" ", 3)[3] for line in lines] == ["111", "108 109"]
