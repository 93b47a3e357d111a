import numpy as np
import pytest

from server.media import snapshot
from server.media.codecs import VIDEO_CODECS
from server.media.errors import FrameGone, NoPicture, NotSupported
from server.media.snapshot import Decoded, decode
from tests.peers import counter
from tests.unit.media.material import FRAME_RTP, encoded, video_packets

BASE = 2**32 - 4 * FRAME_RTP


def shot(
    timestamp: int | None, *, codec: str = "H264", lost: int | None = None, breaks: tuple[int, ...] = ()
) -> Decoded:
    packets = [
        (number, packet, number / 100)
        for number, packet in video_packets(codec, first_timestamp=BASE)
        if number != lost
    ]
    return decode(packets, breaks, VIDEO_CODECS[codec], timestamp)


def at(index: int) -> int:
    return (BASE + index * FRAME_RTP) & 0xFFFFFFFF


@pytest.mark.parametrize("codec", ["H264", "VP8"])
@pytest.mark.parametrize("index", [0, 3, 5, 6, 11])
def test_the_asked_frame_is_the_one_that_is_shown(codec: str, index: int) -> None:
    decoded = shot(at(index), codec=codec)
    assert counter.read(decoded.image) == index
    assert decoded.timestamp == at(index)
    assert decoded.image.dtype == np.uint8
    assert decoded.image.shape == (180, 320, 3)


def test_without_a_wish_it_is_the_newest() -> None:
    decoded = shot(None)
    assert counter.read(decoded.image) == 11
    assert decoded.arrived_s == pytest.approx(0.11, abs=0.05)


def test_a_frame_that_is_not_there_is_gone() -> None:
    with pytest.raises(FrameGone):
        shot(12345)


def test_a_frame_after_a_loss_is_gone_and_the_newest_is_the_last_good_one() -> None:
    # The packet of frame 7 is missing; frames 8 to 11 refer to it.
    number = next(
        n for n, packet in video_packets(first_timestamp=BASE) if packet[4:8] == at(7).to_bytes(4, "big")
    )
    for index in (7, 8, 11):
        with pytest.raises(FrameGone):
            shot(at(index), lost=number)
    assert counter.read(shot(None, lost=number).image) == 6


def test_a_frame_that_another_publisher_did_not_finish_is_gone() -> None:
    packets = video_packets(first_timestamp=BASE)
    cut = next(n for n, packet in packets if packet[4:8] == at(6).to_bytes(4, "big"))
    bare = [(n, packet[:1] + b"\x00" + packet[2:], 0.0) for n, packet in packets]
    whole = decode(bare, (), VIDEO_CODECS["H264"], at(5))
    assert counter.read(whole.image) == 5
    with pytest.raises(FrameGone):
        decode(bare, (cut,), VIDEO_CODECS["H264"], at(5))


def test_nothing_received_is_no_picture() -> None:
    with pytest.raises(NoPicture):
        decode([], (), VIDEO_CODECS["H264"], None)


def test_only_broken_data_is_an_error_and_no_picture() -> None:
    packets = [(n, p[:20] + bytes(len(p) - 20), 0.0) for n, p in video_packets(size=(640, 360))]
    with pytest.raises((FrameGone, NoPicture)):
        decode(packets, (), VIDEO_CODECS["H264"], None)


def test_a_picture_of_absurd_size_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_PIXELS", 320 * 180 - 1)
    with pytest.raises(NotSupported, match="320 x 180"):
        shot(None)


def test_the_material_has_the_frames_that_the_tests_count_on() -> None:
    assert len(encoded()) == 12
