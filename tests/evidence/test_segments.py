"""Segment digests of parts as the product writes them: true while written, true after the close."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.evidence.segments import Container, Segment, SegmentHasher, check
from server.media import part
from tests.evidence.recorded import record


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_what_was_hashed_while_recording_is_true_of_the_closed_file(
    tmp_path: Path, container: Container
) -> None:
    path = tmp_path / f"part.{container}"
    segments = record(path, 7, container)
    data = path.read_bytes()
    found = check(io.BytesIO(data), segments)
    assert found.bad == []
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert len(segments) == 4
    assert [s.index for s in segments] == [0, 1, 2, 3]
    assert [s.end for s in segments[:-1]] == [s.start for s in segments[1:]]
    assert [(s.from_ms, s.to_ms) for s in segments] == [(0, 2000), (2000, 4000), (4000, 6000), (6000, 7000)]
    marks = {"mp4": b"moof", "webm": bytes.fromhex("1f43b675")}
    at = 4 if container == "mp4" else 0
    assert all(data[s.start + at : s.start + at + 4] == marks[container] for s in segments)
    assert all(hashlib.sha256(data[s.start : s.end]).hexdigest() == s.sha256 for s in segments)


def test_the_close_of_a_hybrid_mp4_changes_its_head_and_not_the_segments(tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    segments = record(path, 3)
    data = path.read_bytes()
    assert b"moof" not in data[: segments[0].start]
    assert data.rindex(b"moov") >= segments[-1].end
    assert segments[-1].end < len(data)


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_segments_cover_every_picture(tmp_path: Path, container: Container) -> None:
    path = tmp_path / f"part.{container}"
    segments = record(path, 5, container)
    data = path.read_bytes()
    marker = b"moof" if container == "mp4" else bytes.fromhex("1f43b675")
    covered = b"".join(data[s.start : s.end] for s in segments)
    assert covered.count(marker) == data.count(marker) > 5


def test_a_changed_byte_names_its_segment(tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    segments = record(path, 7)
    data = bytearray(path.read_bytes())
    data[segments[2].start + 100] ^= 1
    bad = check(io.BytesIO(bytes(data)), segments).bad
    assert [b.index for b in bad] == [2]
    assert "not those that were recorded" in bad[0].reason


def test_a_fragment_cut_out_of_the_middle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    segments = record(path, 7)
    data = path.read_bytes()
    without = data[: segments[1].start] + data[segments[1].end :]
    assert [b.index for b in check(io.BytesIO(without), segments).bad] == [1, 2, 3]


def test_a_truncated_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    segments = record(path, 7)
    bad = check(io.BytesIO(path.read_bytes()[: segments[3].end - 1]), segments).bad
    assert [(b.index, b.reason) for b in bad] == [(3, "the file ends before it does")]


def test_a_segment_missing_from_the_log_is_found(tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    segments = record(path, 7)
    bad = check(io.BytesIO(path.read_bytes()), [segments[0], *segments[2:]]).bad
    assert bad[0].index == 1
    assert "missing" in bad[0].reason


def test_cuts_at_any_size_of_write_give_the_same_digests(tmp_path: Path) -> None:
    path = tmp_path / "part.webm"
    segments = record(path, 5, "webm")
    data = path.read_bytes()
    hasher = SegmentHasher("webm")
    made = []
    position = 0
    for segment in segments:
        while position < segment.end:
            step = min(997, segment.end - position)
            hasher.write(position, data[position : position + step])
            position += step
        made.append(hasher.cut(segment.to_ms))
    assert made == segments


def test_nothing_complete_gives_no_segment() -> None:
    hasher = SegmentHasher("mp4")
    assert hasher.cut(2000) is None
    hasher.write(
        0, (32).to_bytes(4, "big") + b"ftyp" + bytes(24) + (16).to_bytes(4, "big") + b"moof" + bytes(4)
    )
    assert hasher.cut(2000) is None


def test_a_muxer_that_goes_back_into_a_fragment_is_noticed() -> None:
    hasher = SegmentHasher("mp4")
    hasher.write(0, (8).to_bytes(4, "big") + b"free")
    hasher.write(8, (8).to_bytes(4, "big") + b"moof" + (16).to_bytes(4, "big") + b"mdat" + bytes(8))
    hasher.write(0, bytes(8))
    assert not hasher.disturbed
    hasher.write(20, b"x")
    assert hasher.disturbed


def test_what_is_patched_after_the_last_fragment_disturbs_only_if_another_follows() -> None:
    hasher = SegmentHasher("mp4")
    fragment = (8).to_bytes(4, "big") + b"moof" + (16).to_bytes(4, "big") + b"mdat" + bytes(8)
    hasher.write(0, fragment + (100).to_bytes(4, "big") + b"moov" + bytes(92))
    hasher.write(24, (100).to_bytes(4, "big"))
    assert not hasher.disturbed
    segment = hasher.cut(1000)
    assert segment is not None
    assert (segment.start, segment.end) == (0, 24)
    hasher.write(124, fragment)
    assert hasher.disturbed


def test_the_index_of_a_long_part_does_not_disturb_its_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written piece by piece, and its sizes afterwards."""
    monkeypatch.setattr(part._File, "sync", lambda file: setattr(file, "dirty", False))
    path, hasher, segments = tmp_path / "part.m4a", SegmentHasher("mp4"), list[Any]()
    about = part.PartHead(index=1, started_at=datetime(2026, 5, 4, tzinfo=UTC), video=None, audio=True)
    file = part.PartFile(path, about, hasher, segments.append)
    for index in range(15_000):
        file.write(
            "audio",
            bytes([0b11111000, *index.to_bytes(index % 3 + 2, "big")]),
            index / 50,
            0.02,
            keyframe=True,
        )
    file.close()
    data = path.read_bytes()
    assert len(data) - data.rindex(b"moov") > 32_768
    assert check(io.BytesIO(data), segments).bad == []
    assert segments[-1].to_ms == 300_000
    assert b"moof" not in data[segments[-1].end :]


def test_a_segment_survives_its_event() -> None:
    segment = Segment(3, 100, 200, 0, 2000, "ab" * 32)
    assert Segment.from_body({"slot": "s", "part": "p", **segment.as_body()}) == segment


@pytest.mark.parametrize(
    "change",
    [{"start": -1}, {"end": 1.5}, {"index": True}, {"end": 1 << 60}, {"sha256": 3}, {"sha256": "ab"}],
)
def test_a_segment_of_other_shape_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="segment's"):
        Segment.from_body({**Segment(3, 100, 200, 0, 2000, "ab" * 32).as_body(), **change})
