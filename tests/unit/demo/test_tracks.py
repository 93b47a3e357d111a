"""The walk as tracks: one clock, a keyframe each second."""

import asyncio

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from server.demo.picture import HEIGHT, WIDTH
from server.demo.tracks import AUDIO_FRAME, FPS, VIDEO_CLOCK_HZ, AmbienceTrack, Walk, WalkTrack


@pytest.fixture(scope="module")
def walk() -> Walk:
    return Walk()


async def test_the_picture_comes_encoded_with_a_keyframe_each_second(walk: Walk) -> None:
    track = WalkTrack(walk)
    packets = [await track.recv() for _ in range(FPS + 2)]
    track.stop()
    assert [i for i, p in enumerate(packets) if p.is_keyframe] == [0, FPS]
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for p in packets for f in decoder.decode(p)]
    assert {(f.width, f.height) for f in frames if isinstance(f, av.VideoFrame)} == {(WIDTH, HEIGHT)}


async def test_the_picture_s_time_is_the_clock_s_time(walk: Walk) -> None:
    track = WalkTrack(walk)
    stamps = []
    for _ in range(3):
        packet = await track.recv()
        assert packet.pts is not None
        assert packet.time_base is not None
        stamps.append(float(packet.pts * packet.time_base))
        assert walk.now_s() - stamps[-1] >= 0
    assert all(s * FPS == pytest.approx(round(s * FPS), abs=FPS / VIDEO_CLOCK_HZ) for s in stamps)
    assert stamps == sorted(set(stamps))


async def test_frames_that_are_overdue_are_left_out(walk: Walk) -> None:
    track = WalkTrack(walk)
    first = await track.recv()
    walk._started_at = (walk._started_at or 0) - 5.0  # as if the process had been stopped for five seconds
    second = await track.recv()
    assert first.pts is not None
    assert second.pts is not None
    assert (second.pts - first.pts) / VIDEO_CLOCK_HZ >= 5.0


async def test_the_sound_comes_in_frames_of_twenty_milliseconds_without_holes(walk: Walk) -> None:
    track = AmbienceTrack(walk)
    frames = [await track.recv() for _ in range(5)]
    assert [f.samples for f in frames] == [AUDIO_FRAME] * 5
    stamps = [f.pts or 0 for f in frames]
    assert all(stamp % AUDIO_FRAME == 0 for stamp in stamps)
    at = (frames[0].pts or 0) % walk.sound.size
    assert np.array_equal(frames[0].to_ndarray()[0], walk.sound[at : at + AUDIO_FRAME])


async def test_a_stopped_track_gives_no_more(walk: Walk) -> None:
    for track in walk.tracks():
        track.stop()
        with pytest.raises(MediaStreamError):
            await asyncio.wait_for(track.recv(), 5)


async def test_a_new_connection_goes_on_where_the_walk_is(walk: Walk) -> None:
    track = WalkTrack(walk)
    packet = await track.recv()
    assert packet.pts is not None
    assert packet.pts / VIDEO_CLOCK_HZ > 1.0
    assert packet.is_keyframe
