"""Publishing and playing with a peer that is not ours."""

import asyncio

import av
import pytest
from aiohttp import ClientSession

from server.demo.errors import Refused
from server.demo.joining import Joined
from server.demo.loopback import is_loopback
from server.demo.whip import WhepViewer, WhipPublisher, h264_codecs
from tests.peers import counter
from tests.peers.clients import counter_tracks, publishing, vp8_codecs
from tests.unit.demo.service import Service, refused


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("a.test", False),
        (None, False),
    ],
)
def test_the_service_on_this_machine_is_recognised(host: str | None, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def test_numbered_frames_and_sound_reach_the_service_over_loopback(
    session: ClientSession, service: Service, address: str
) -> None:
    async with publishing(session, address, "link", "王芳", counter_tracks()) as publisher:
        assert service.sources == ["camera"]
        offer = publisher.connection.localDescription.sdp
        candidates = [line for line in offer.splitlines() if line.startswith("a=candidate")]
        assert candidates
        assert all(" 127.0.0.1 " in line for line in candidates)
        assert {track.kind for track in service.tracks} == {"audio", "video"}
        audio, video = sorted(service.tracks, key=lambda track: str(track.kind))
        async with asyncio.timeout(20):
            assert isinstance(await audio.recv(), av.AudioFrame)
            numbers = [counter.read((await video.recv()).to_ndarray(format="bgr24")) for _ in range(10)]
        assert None not in numbers
        assert numbers == sorted({n for n in numbers if n is not None})


async def test_only_constrained_baseline_h264_is_offered_when_asked_for(
    joined: Joined, session: ClientSession
) -> None:
    publisher = WhipPublisher(session, joined, counter_tracks(), video_codecs=h264_codecs())
    offer = await publisher.connection.createOffer()
    await publisher.close()
    assert "VP8" not in offer.sdp
    assert "profile-level-id=42e01f" in offer.sdp
    assert "profile-level-id=42001f" not in offer.sdp


async def test_closing_deletes_the_session_at_the_service(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    publisher = WhipPublisher(session, joined, counter_tracks(), source="screen")
    await publisher.start()
    await publisher.close()
    await publisher.close()
    assert service.sources == ["screen"]
    assert service.deleted == ["1"]
    assert publisher.lost.is_set()


async def test_a_peer_that_goes_away_is_noticed(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    publisher = WhipPublisher(session, joined, counter_tracks())
    await publisher.start()
    assert not publisher.lost.is_set()
    await service.until_connected()
    await service.connections[0].close()
    async with asyncio.timeout(10):
        await publisher.lost.wait()
    await publisher.close()


async def test_a_refused_offer_says_why(session: ClientSession, service: Service, joined: Joined) -> None:
    service.whip_refusal = refused(409, "inspection_not_live")
    publisher = WhipPublisher(session, joined, counter_tracks())
    with pytest.raises(Refused) as refusal:
        await publisher.start()
    await publisher.close()
    assert refusal.value.code == "inspection_not_live"
    assert not refusal.value.is_final
    assert service.deleted == []


async def test_a_viewer_sees_what_a_slot_plays(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.playing, beeps = counter_tracks()
    viewer = WhepViewer(session, joined, "slot")
    await viewer.start()
    assert viewer.video is not None
    async with asyncio.timeout(20):
        frame = await viewer.video.recv()
    assert isinstance(frame, av.VideoFrame)
    assert counter.read(frame.to_ndarray(format="bgr24")) is not None
    await viewer.close()
    beeps.stop()
    service.playing.stop()
    assert service.deleted == ["1"]


async def test_a_phone_that_speaks_vp8_only_can_publish_too(
    session: ClientSession, service: Service, address: str
) -> None:
    async with publishing(
        session, address, "link", "王芳", counter_tracks(), video_codecs=vp8_codecs()
    ) as publisher:
        assert "H264" not in publisher.connection.localDescription.sdp
        video = next(track for track in service.tracks if track.kind == "video")
        async with asyncio.timeout(20):
            frame = await video.recv()
        assert counter.read(frame.to_ndarray(format="bgr24")) is not None
