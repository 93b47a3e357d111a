"""Files that a killed process, or a full disk, left behind."""

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from server.media.codecs import Kind
from server.media.model import VideoShape
from server.media.part import PartFile, PartHead
from server.media.repair import repair_part, whole_size
from tests.peers.clients import numbers_in
from tests.unit.media.material import encoded, opus

STARTED = datetime(2026, 5, 4, 8, 0, 0, 250_000, tzinfo=UTC)


def head_of(codec: str = "H264", *, sound: bool = True) -> PartHead:
    return PartHead(
        index=3,
        started_at=STARTED,
        video=VideoShape(width=320, height=180, codec=codec),
        audio=sound,
        first_rtp_timestamp=77,
        first_video_s=0.0,
    )


def written(directory: Path, codec: str = "H264", seconds: float = 3.0) -> PartFile:
    head = head_of(codec)
    part = PartFile(directory / f"part{head.suffix}", head)
    frames = encoded(codec, count=90, keyframe_every=30)
    events = [(i / 30, True, frames[i]) for i in range(round(seconds * 30))]
    events += [(i / 50, False, opus()[i % 50]) for i in range(round(seconds * 50))]
    for at_s, picture, data in sorted(events, key=lambda event: event[:2]):
        kind: Kind = "video" if picture else "audio"
        keyframe = not picture or at_s == int(at_s)
        part.write(kind, data, at_s, 1 / 30 if picture else 0.02, keyframe=keyframe)
    return part


def left_behind(directory: Path, codec: str = "H264") -> Path:
    """What is on the disk when the process is killed after three seconds."""
    part = written(directory, codec)
    copy = part.path.with_stem("killed")
    shutil.copy(part.path, copy)
    part.close()
    return copy


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_file_left_open_is_cut_and_described(tmp_path: Path, codec: str) -> None:
    path = left_behind(tmp_path, codec)
    part = repair_part(path)
    assert part is not None
    assert (part.index, part.started_at, part.first_rtp_timestamp) == (3, STARTED, 77)
    assert part.duration_s >= 2.0
    assert part.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    numbers = [number for _, number in numbers_in(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 60
    with av.open(str(path)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(part.duration_s, abs=0.05)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_sound_and_picture_keep_their_times(tmp_path: Path, codec: str) -> None:
    path = left_behind(tmp_path, codec)
    repair_part(path)
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            rate = 30 if packet.stream.type == "video" else 50
            assert at_s * rate == pytest.approx(round(at_s * rate), abs=0.03)


@pytest.mark.parametrize("cut", [1, 9, 500, 3000])
def test_a_fragment_cut_in_the_middle_is_left_out(tmp_path: Path, cut: int) -> None:
    path = left_behind(tmp_path)
    before = path.read_bytes()
    path.write_bytes(before[:-cut])
    part = repair_part(path)
    assert part is not None
    numbers = [number for _, number in numbers_in(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 30


def test_garbage_after_the_last_fragment_is_cut_off(tmp_path: Path) -> None:
    path = left_behind(tmp_path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\xff" * 100)
    assert whole_size(path) == size
    assert repair_part(path) is not None


def test_a_file_that_was_closed_is_only_described(tmp_path: Path) -> None:
    part = written(tmp_path)
    part.close()
    before = part.path.read_bytes()
    described = repair_part(part.path)
    assert described is not None
    assert part.path.read_bytes() == before
    assert described.duration_s == pytest.approx(3.0, abs=0.05)
    assert described.started_at == STARTED


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"\x00\x00\x00\x08free", b"hello, this is no film"])
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".m4a"])
def test_nothing_is_recovered_from_nothing(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"part{suffix}"
    path.write_bytes(content)
    assert repair_part(path) is None
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_not_there_is_not_recovered(tmp_path: Path) -> None:
    assert repair_part(tmp_path / "nowhere.mp4") is None


def test_a_film_that_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        container.mux(stream.encode(av.VideoFrame(640, 480, "yuv420p")))
        container.mux(stream.encode(None))
    before = path.read_bytes()
    assert repair_part(path) is None
    assert path.read_bytes() == before


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_repair_moves_no_byte_of_a_fragment(tmp_path: Path, codec: str) -> None:
    path = left_behind(tmp_path, codec)
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(b"\xff" * 100)
    assert repair_part(path) is not None
    after = path.read_bytes()
    mark = {"H264": b"moof", "VP8": b"\x1f\x43\xb6\x75"}[codec]
    head = before.index(mark)
    assert after[head:] == before[head:]
    assert (after[:head] == before[:head]) == (codec == "H264")  # a WebM's head is told the duration
    assert [item.name for item in tmp_path.iterdir() if item.stem == "killed"] == [path.name]


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_repaired_file_can_be_seeked(tmp_path: Path, codec: str) -> None:
    path = left_behind(tmp_path, codec)
    repair_part(path)
    with av.open(str(path)) as container:
        container.seek(1_500_000)
        found = next(container.decode(video=0))
        assert found.time == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_repaired_file_is_only_described(tmp_path: Path, codec: str) -> None:
    path = left_behind(tmp_path, codec)
    first = repair_part(path)
    assert first is not None
    assert repair_part(path) == first


def test_a_webm_that_was_closed_is_only_described(tmp_path: Path) -> None:
    part = written(tmp_path, "VP8")
    part.close()
    before = part.path.read_bytes()
    described = repair_part(part.path)
    assert described is not None
    assert part.path.read_bytes() == before
    assert described.duration_s == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("cut", [1, 9, 500])
def test_a_cluster_cut_in_the_middle_is_left_out(tmp_path: Path, cut: int) -> None:
    path = left_behind(tmp_path, "VP8")
    os.truncate(path, path.stat().st_size - cut)
    part = repair_part(path)
    assert part is not None
    numbers = [number for _, number in numbers_in(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 30
    with av.open(str(path)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(part.duration_s, abs=0.05)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_file_killed_while_its_end_was_written_keeps_its_fragments(tmp_path: Path, codec: str) -> None:
    """Up to the patch of its head, at which the muxer ends, the file is that of a recording under way."""
    open_ = left_behind(tmp_path, codec).read_bytes()
    (tmp_path / "closed").mkdir()
    part = written(tmp_path / "closed", codec)
    part.close()
    closed = part.path.read_bytes()
    head = open_.index({"H264": b"moof", "VP8": b"\x1f\x43\xb6\x75"}[codec])
    part.path.write_bytes(open_[:head] + closed[head : -1 if codec == "H264" else None])
    found = repair_part(part.path)
    assert found is not None
    assert found.duration_s == pytest.approx(3.0, abs=0.05)
    assert len(numbers_in(part.path)) == 90


def test_a_part_begins_and_ends_with_its_head(tmp_path: Path) -> None:
    head = head_of()
    assert PartHead.from_comment(head.to_comment()) == head
    with pytest.raises(ValueError, match="part"):
        PartHead.from_comment('{"other": 1}')
    with pytest.raises(ValueError):
        PartHead.from_comment("")
    with pytest.raises(ValueError, match="part"):
        PartHead.from_comment("[]")


def test_times_that_do_not_grow_are_written_all_the_same(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "part.mp4", head_of(sound=False))
    for frame in encoded(count=10):
        part.write("video", frame, 1.0, 1 / 30, keyframe=True)
    part.close()
    assert len(numbers_in(part.path)) == 10


def test_a_kind_without_a_track_is_left_out(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "part.mp4", head_of(sound=False))
    part.write("audio", opus()[0], 0.0, 0.02, keyframe=True)
    part.write("video", encoded()[0], 0.0, 1 / 30, keyframe=True)
    part.close()
    with av.open(str(part.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
