import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media import vp8
from tests.unit.media.material import encoded, payloads_of


@pytest.mark.parametrize("index", [0, 1, 6])
def test_a_packetized_frame_comes_back_whole(index: int) -> None:
    frame = encoded("VP8")[index]
    assert vp8.depacketize(payloads_of("VP8", frame)) == frame


def test_the_first_packet_of_a_keyframe_is_known_and_no_other() -> None:
    for index, frame in enumerate(encoded("VP8")):
        payloads = payloads_of("VP8", frame)
        assert vp8.starts_keyframe(payloads[0], 0) == (index % 6 == 0)
        assert not any(vp8.starts_keyframe(payload, 0) for payload in payloads[1:])


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_the_picture_size_is_in_the_keyframe(size: tuple[int, int]) -> None:
    frame = encoded("VP8", count=2, size=size)
    assert vp8.picture_size(frame[0]) == size
    assert vp8.find_picture_size(payloads_of("VP8", frame[0])[0], 0) == size
    assert vp8.find_picture_size(payloads_of("VP8", frame[1])[0], 0) is None


def test_a_frame_without_its_beginning_is_refused() -> None:
    payloads = payloads_of("VP8", encoded("VP8", count=1, size=(1280, 720))[0])
    assert len(payloads) > 1
    with pytest.raises(ValueError, match="beginning"):
        vp8.depacketize(payloads[1:])


@pytest.mark.parametrize("payload", [b"\x80", b"\x90\x80", b"\x90\xf0\x80"])
def test_a_truncated_descriptor_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="truncated"):
        vp8.depacketize([payload])


@given(st.binary(max_size=40))
def test_no_bytes_whatever_break_the_readers(data: bytes) -> None:
    vp8.starts_keyframe(data, 0)
    vp8.find_picture_size(data, 0)
