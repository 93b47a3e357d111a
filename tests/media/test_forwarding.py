"""Publishers and viewers through the engine."""

import re

import numpy as np
import pytest
from aiortc import RTCSessionDescription

from server.media import FrameGone, MediaEngine, NoPicture, OfferRejected, Slot
from server.media.rtp import timestamp_of
from tests.media.conftest import Peers
from tests.media.peers import Observer, Phone, until
from tests.peers import counter
from tests.peers.clients import CounterTrack, counter_tracks
from tests.peers.flash_beep import BeepTrack
from tests.peers.pacing import Epoch


def number_of(frame: object) -> int | None:
    grey = frame.to_ndarray(format="gray")  # type: ignore[attr-defined]
    return counter.read(np.ascontiguousarray(grey))


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_viewer_sees_and_hears_the_publisher(slot: Slot, peers: Peers, codec: str) -> None:
    desk = peers.desk()
    await peers.phone(*counter_tracks(), codec=codec).publish(slot)
    await until(lambda: slot.live)
    await desk.view(slot)
    seen = await desk.frames("video", 20)
    numbers = [number_of(item.frame) for item in seen]
    assert all(number is not None for number in numbers)
    steps = np.diff(np.array(numbers, dtype=int))
    assert (steps == 1).all()
    assert len(await desk.frames("audio", 20)) >= 20


async def test_a_viewer_may_come_before_the_publisher(slot: Slot, peers: Peers) -> None:
    desk = peers.desk()
    await desk.view(slot)
    await until(lambda: slot.stats().viewers == 1)
    await peers.phone(*counter_tracks()).publish(slot)
    assert number_of((await desk.frames("video", 1))[0].frame) is not None


async def test_the_first_frames_reach_a_viewer_who_waits_already(slot: Slot, peers: Peers) -> None:
    desk = peers.desk("video")
    await desk.view(slot)
    await until(lambda: slot.stats().viewers == 1)
    await peers.phone(CounterTrack(Epoch())).publish(slot)
    assert number_of((await desk.frames("video", 1))[0].frame) == 0


async def test_two_viewers_see_the_same_timestamps(slot: Slot, peers: Peers) -> None:
    first, second = peers.desk("video"), peers.desk("video")
    await first.view(slot)
    await second.view(slot)
    await peers.phone(CounterTrack(Epoch())).publish(slot)
    shown = {item.pts: number_of(item.frame) for item in await first.frames("video", 15)}
    again = {item.pts: number_of(item.frame) for item in await second.frames("video", 15)}
    common = shown.keys() & again.keys()
    assert len(common) >= 10
    assert all(shown[pts] == again[pts] for pts in common)


async def test_a_slot_is_live_while_media_arrives(slot: Slot, observer: Observer, peers: Peers) -> None:
    phone = peers.phone(*counter_tracks())
    await phone.publish(slot)
    await observer.wait_for("live")
    assert slot.live
    await phone.close()
    assert await observer.wait_for("interrupted") == "closed"
    assert not slot.live


async def test_silence_interrupts_a_slot_and_media_revives_it(
    slot: Slot, observer: Observer, peers: Peers
) -> None:
    phone = peers.phone(BeepTrack(Epoch()))
    await phone.publish(slot)
    await observer.wait_for("live")
    sender = phone.connection.getSenders()[0]
    track = sender.track
    sender.replaceTrack(None)
    assert await observer.wait_for("interrupted") == "no_media"
    sender.replaceTrack(track)
    await observer.wait_for("live", 2)


async def test_a_rejoin_continues_the_timeline_for_viewers(
    slot: Slot, observer: Observer, peers: Peers
) -> None:
    desk = peers.desk()
    await desk.view(slot)
    first = peers.phone(*counter_tracks())
    await first.publish(slot)
    before = await desk.frames("video", 10)
    await first.close()
    await observer.wait_for("interrupted")
    seen = len(desk.of("video"))
    await peers.phone(*counter_tracks()).publish(slot)
    after = (await desk.frames("video", seen + 10))[seen:]
    elapsed = after[0].at - before[-1].at
    step = (after[0].pts - before[-1].pts) / 90_000
    # By what a busy machine shows when; without a timeline it would be any of 2**32.
    assert step == pytest.approx(elapsed, abs=2)
    assert number_of(after[0].frame) is not None


async def test_a_newer_publisher_replaces_the_older(slot: Slot, peers: Peers) -> None:
    older, newer = peers.phone(BeepTrack(Epoch())), peers.phone(BeepTrack(Epoch()))
    first = await older.publish(slot)
    ended: list[str] = []
    first.on_closed(lambda session: ended.append(session.id))
    await until(lambda: slot.live)
    second = await newer.publish(slot)
    await until(lambda: ended == [first.id])
    assert slot.publisher is second
    assert slot.live


async def test_an_offer_that_never_connects_does_not_disturb_the_publisher(
    slot: Slot, observer: Observer, peers: Peers
) -> None:
    first = await peers.phone(BeepTrack(Epoch())).publish(slot)
    await until(lambda: slot.live)
    ghost = Phone([BeepTrack(Epoch())])
    await ghost.connection.setLocalDescription(await ghost.connection.createOffer())
    session = await slot.publish(ghost.connection.localDescription.sdp)
    await ghost.close()
    heard = slot.heard_at
    await until(lambda: slot.heard_at is not None and heard is not None and slot.heard_at > heard + 0.2)
    assert slot.publisher is first
    assert observer.all("interrupted") == []
    await session.close()
    assert slot.publisher is first


async def test_a_peer_with_another_certificate_than_its_offers_is_refused(
    slot: Slot, observer: Observer, peers: Peers
) -> None:
    phone = peers.phone(BeepTrack(Epoch()))
    await phone.connection.setLocalDescription(await phone.connection.createOffer())
    offer = phone.connection.localDescription.sdp
    forged = re.sub(r"(a=fingerprint:sha-\d+) \S\S:", r"\1 00:", offer)
    assert forged != offer
    session = await slot.publish(forged)
    ended: list[str] = []
    session.on_closed(lambda it: ended.append(it.id))
    await phone.connection.setRemoteDescription(RTCSessionDescription(session.answer_sdp, "answer"))
    await until(lambda: ended == [session.id])
    assert observer.events == []


async def test_a_viewer_without_the_slots_codec_is_told_so(slot: Slot, peers: Peers) -> None:
    await peers.phone(CounterTrack(Epoch()), codec="VP8").publish(slot)
    await until(lambda: slot.stats().video_codec == "VP8")
    desk = peers.desk("video", codec="H264")
    with pytest.raises(OfferRejected, match="VP8"):
        await desk.view(slot)


async def test_a_viewer_follows_a_publisher_with_another_codec(slot: Slot, peers: Peers) -> None:
    desk = peers.desk("video")
    await desk.view(slot)
    first = peers.phone(CounterTrack(Epoch()), codec="H264")
    await first.publish(slot)
    await desk.frames("video", 5)
    await first.close()
    await until(lambda: not slot.live)
    seen = len(desk.of("video"))
    await peers.phone(CounterTrack(Epoch()), codec="VP8").publish(slot)
    after = (await desk.frames("video", seen + 5))[seen:]
    assert number_of(after[0].frame) is not None


async def test_a_snapshot_is_the_very_frame_a_viewer_saw(slot: Slot, peers: Peers) -> None:
    class First:
        """aiortc counts a stream's timestamps from its first one; this remembers which that was."""

        timestamp: int | None = None

        def begin(self, packet: bytes) -> None:
            self.timestamp = timestamp_of(packet) if self.timestamp is None else self.timestamp

    desk, first = peers.desk("video"), First()
    slot.tracks["video"].add_sink(first)
    await desk.view(slot)
    await until(lambda: slot.stats().viewers == 1)
    await peers.phone(CounterTrack(Epoch())).publish(slot)
    for item in (await desk.frames("video", 40))[::7]:
        assert first.timestamp is not None
        asked = (first.timestamp + item.pts) & 0xFFFFFFFF
        picture = await slot.snapshot(asked)
        assert picture.rtp_timestamp == asked
        assert (picture.width, picture.height) == (640, 360)
        assert counter.read(picture.image) == number_of(item.frame)


async def test_the_newest_picture_is_recent(slot: Slot, peers: Peers) -> None:
    camera = CounterTrack(Epoch())
    await peers.phone(camera).publish(slot)
    await until(lambda: camera.last_number > 40)
    before = camera.last_number
    picture = await slot.snapshot()
    number = counter.read(picture.image)
    assert number is not None
    assert before - 3 <= number <= camera.last_number


async def test_a_frame_that_is_not_kept_is_gone(slot: Slot, peers: Peers) -> None:
    await peers.phone(CounterTrack(Epoch())).publish(slot)
    await until(lambda: slot.stats().width == 640)
    with pytest.raises(FrameGone):
        await slot.snapshot(1)


async def test_a_slot_without_video_has_no_picture(slot: Slot, peers: Peers) -> None:
    with pytest.raises(NoPicture):
        await slot.snapshot()
    await peers.phone(BeepTrack(Epoch())).publish(slot)
    await until(lambda: slot.live)
    with pytest.raises(NoPicture):
        await slot.snapshot()


async def test_a_closed_session_sends_no_more(engine: MediaEngine, slot: Slot, peers: Peers) -> None:
    desk = peers.desk("audio")
    session = await desk.view(slot)
    await peers.phone(BeepTrack(Epoch())).publish(slot)
    await desk.frames("audio", 5)
    await session.close()
    assert slot.stats().viewers == 0
    assert slot.tracks["audio"].sinks == ()


async def test_closing_a_slot_ends_its_sessions_and_frees_its_name(
    engine: MediaEngine, slot: Slot, observer: Observer, peers: Peers
) -> None:
    published = await peers.phone(BeepTrack(Epoch())).publish(slot)
    await until(lambda: slot.live)
    await slot.close()
    assert published.closed
    assert observer.all("interrupted") == ["closed"]
    assert engine.find_slot("camera-1") is None
    engine.open_slot("camera-1", observer)
