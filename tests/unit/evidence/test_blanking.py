"""Blanked pieces: nothing of what was in them is left, nothing beside them is touched."""

from pathlib import Path

import pytest

from server.evidence.blanking import blank
from server.evidence.segments import SegmentHasher
from server.media.model import PartSegment
from server.media.part import PartFile
from server.media.repair import repair_part
from tests.evidence.recorded import FPS, head, pictures

SECONDS = 8


def record(path: Path, *, closed: bool) -> tuple[list[PartSegment], list[bytes]]:
    """(its pieces, its pictures); as a kill left it unless it is closed."""
    container = "mp4" if path.suffix == ".mp4" else "webm"
    pieces: list[PartSegment] = []
    packets = pictures(SECONDS * FPS, container, seed=3)
    file = PartFile(path, head(container), SegmentHasher(container), pieces.append)
    for index, (packet, keyframe) in enumerate(packets):
        file.write("video", packet, index / FPS, 1 / FPS, keyframe=keyframe)
    if closed:
        file.close()
    else:
        file.abandon()
        repair_part(path)
    return pieces, [packet for packet, _ in packets]


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_nothing_is_left_of_a_piece_and_all_of_the_rest(tmp_path: Path, suffix: str, closed: bool) -> None:
    path = tmp_path / f"part.{suffix}"
    pieces, packets = record(path, closed=closed)
    before, chosen = path.read_bytes(), pieces[1]
    blank(path, [(chosen.start, chosen.end)])
    after = path.read_bytes()
    assert (after[: chosen.start], after[chosen.end :]) == (before[: chosen.start], before[chosen.end :])
    # The muxer writes each picture's lengths anew; its end stays as it was.
    hit = [packet for packet in packets if chosen.start <= before.find(packet[-64:]) < chosen.end]
    assert len(hit) >= FPS
    for packet in hit:
        # Its first half may hold parameters, which are those of other pictures too.
        assert not any(packet[at : at + 12] in after for at in range(len(packet) // 2, len(packet) - 12, 12))


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
@pytest.mark.parametrize("damage", [b"stco", b"stsz", b"tfhd", b"trun", b"hdlr", b"moov"])
def test_what_cannot_be_read_becomes_zeros_throughout(tmp_path: Path, damage: bytes, closed: bool) -> None:
    path = tmp_path / "part.mp4"
    (_, chosen, *_), _ = record(path, closed=closed)
    data = bytearray(path.read_bytes())
    if (at := data.rfind(damage)) < 0:
        pytest.skip("this file has no such box")
    data[at : at + 4] = b"xxxx"
    path.write_bytes(data)
    blank(path, [(chosen.start, chosen.end)])
    piece = path.read_bytes()[chosen.start : chosen.end]
    allowed = b"\0\xff\x0c\x80\x0a"
    assert sum(byte not in allowed for byte in piece) < len(piece) / 10


def test_a_file_of_another_kind_becomes_zeros(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"\0\0\0\x0cftypiso5" + bytes(range(256)) * 8)
    blank(path, [(100, 200), (300, 400)])
    data = path.read_bytes()
    assert not any(data[100:200])
    assert not any(data[300:400])
    assert all(data[number] == (number - 12) % 256 for number in range(200, 300))
