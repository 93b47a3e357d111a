"""What a part's muxer is given comes out as it was, however unevenly it came."""

import os
import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import av
import pytest

from server.evidence.segments import SegmentHasher
from server.media.codecs import CLOCK_HZ, Kind
from server.media.model import PartSegment, VideoShape
from server.media.part import PartFile, PartHead
from tests.unit.media.material import encoded, opus


def times_of(path: Path, kind: Kind) -> list[int]:
    """Of every packet, in units of the kind's clock, from the first one's."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.get({kind: 0})
        hz = CLOCK_HZ[kind]
        found = [
            round(float(packet.pts * packet.time_base) * hz)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None
        ]
    return [at - found[0] for at in found]


@pytest.mark.parametrize("seed", range(4))
def test_frames_that_come_unevenly_keep_their_times(tmp_path: Path, seed: int) -> None:
    """Two thirds of a second without a frame, then a burst: what FFmpeg's muxer once ended the whole process for."""
    chance = random.Random(seed)
    shape = VideoShape(width=320, height=180, codec="H264")
    head = PartHead(index=1, started_at=datetime(2026, 5, 4, tzinfo=UTC), video=shape, audio=True)
    part = PartFile(tmp_path / "part.mp4", head)
    frames = encoded(count=90, keyframe_every=30)
    pictures, at = [], 0
    for number in range(90):
        pictures.append((at, number))
        at += chance.choice((60_000, 45_000, 3000, 3000, 3000, 900, 1))
    end_s = at / 90_000
    sounds = [(960 * number, number) for number in range(round(end_s * 50))]
    given = [
        (at / 90_000, "video", number, at - last)
        for (at, number), last in zip(pictures, [0, *(at for at, _ in pictures)], strict=False)
    ]
    given += [(at / 48_000, "audio", number, 960) for at, number in sounds]
    for at_s, kind, number, lasts in sorted(given, key=lambda one: one[0]):
        if kind == "video":
            # What the recorder believes that a frame lasts is how long the one before it did.
            part.write("video", frames[number], at_s, lasts / 90_000, keyframe=number % 30 == 0)
        else:
            part.write("audio", opus()[number % 50], at_s, 0.02, keyframe=True)
    part.close()
    assert times_of(part.path, "video") == [at for at, _ in pictures]
    assert times_of(part.path, "audio") == [at for at, _ in sounds]


@pytest.mark.parametrize("sounds", [1, 2])
def test_sound_that_stops_at_once_does_not_keep_the_pictures_from_the_disk(
    tmp_path: Path, sounds: int
) -> None:
    shape = VideoShape(width=320, height=180, codec="H264")
    head = PartHead(index=1, started_at=datetime(2026, 5, 4, tzinfo=UTC), video=shape, audio=True)
    told: list[PartSegment] = []
    part = PartFile(tmp_path / "part.mp4", head, SegmentHasher("mp4"), told.append)
    frames = encoded(count=90, keyframe_every=30)
    for number in range(sounds):
        part.write("audio", opus()[number], 0.02 * number, 0.02, keyframe=True)
    for number in range(3000):
        part.write("video", frames[number % 90], number / 30, 1 / 30, keyframe=number % 30 == 0)
    assert len(told) >= 45
    assert part.takes("audio") is (sounds > 1)
    assert part.size_bytes > 0.95 * sum(len(frames[number % 90]) for number in range(2950))
    part.close()
    assert times_of(part.path, "audio") == [960 * number for number in range(sounds)]
    assert len(times_of(part.path, "video")) == 3000


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_every_fragment_is_on_the_disk_before_more_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    head = PartHead(
        index=1,
        started_at=datetime(2026, 5, 4, tzinfo=UTC),
        video=VideoShape(width=320, height=180, codec=codec),
        audio=True,
    )
    path = tmp_path / f"part{head.suffix}"
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        if os.path.sameopenfile(descriptor, watched):
            synced.append(os.fstat(descriptor).st_size)

    part = PartFile(path, head)
    watched = os.open(path, os.O_RDONLY)
    monkeypatch.setattr(os, "fsync", fsync)
    frames = encoded(codec, count=90, keyframe_every=30)
    sizes = [path.stat().st_size]
    for number in range(90):
        part.write("video", frames[number], number / 30, 1 / 30, keyframe=number % 30 == 0)
        part.write("audio", opus()[number % 50], number / 30, 1 / 30, keyframe=True)
        sizes.append(path.stat().st_size)
        assert sizes[-1] == max(synced, default=0)
    # Each time that the file grew it was asked for once: not for every packet, which no disk would bear.
    assert synced == [after for before, after in pairwise(sizes) if after > before]
    fragments = path.read_bytes().count(b"moof" if codec == "H264" else b"\x1f\x43\xb6\x75")
    assert 5 <= fragments <= len(synced) <= fragments + 2
    part.close()
    os.close(watched)
    assert synced[-1] == path.stat().st_size
