import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media import h264
from tests.unit.media.material import encoded, payloads_of


def nals(unit: bytes) -> list[bytes]:
    return list(h264.nal_units(unit))


@pytest.mark.parametrize("index", [0, 1, 6])
def test_a_packetized_frame_comes_back_whole(index: int) -> None:
    frame = encoded()[index]
    assert nals(h264.depacketize(payloads_of("H264", frame))) == nals(frame)


def test_a_frame_in_fragments_comes_back_whole() -> None:
    frame = encoded(size=(1280, 720), count=1)[0]
    payloads = payloads_of("H264", frame)
    assert any(payload[0] & 0x1F == 28 for payload in payloads)
    assert nals(h264.depacketize(payloads)) == nals(frame)


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x7c\x85abc"],
        [b"\x7c\x05abc", b"\x7c\x45def"],
        [b"\x7c\x85abc", b"\x7c\x85def"],
        [b"\x7c\x85abc", b"\x65def"],
        [b"\x7c"],
        [b"\x78\x00\xffab"],
        [b"\x7fabc"],
        [b"\x60abc"],
    ],
)
def test_fragments_that_do_not_fit_together_are_refused(payloads: list[bytes]) -> None:
    with pytest.raises(ValueError):
        h264.depacketize(payloads)


def test_the_first_packet_of_a_keyframe_is_known_and_no_other() -> None:
    for index, frame in enumerate(encoded()):
        payloads = payloads_of("H264", frame)
        assert h264.starts_keyframe(payloads[0], 0) == (index % 6 == 0)


def test_a_keyframe_begins_with_its_parameter_sets() -> None:
    assert h264.starts_keyframe(b"\x67\x42\x00", 0)
    assert h264.starts_keyframe(b"\x78\x00\x02\x09\x10\x00\x01\x67", 0)
    assert not h264.starts_keyframe(b"\x78\x00\x02\x09\x10\x00\x01\x68", 0)
    assert not h264.starts_keyframe(b"\x65\x80\x00", 0)
    assert not h264.starts_keyframe(b"\x7c\x85\x80", 0)
    assert not h264.starts_keyframe(b"", 0)


@pytest.mark.parametrize("size", [(320, 180), (640, 360), (1280, 720), (180, 320), (176, 144), (1920, 1080)])
def test_the_picture_size_is_read_after_cropping(size: tuple[int, int]) -> None:
    frame = encoded(count=1, size=size)[0]
    sets = h264.parameter_sets(frame)
    assert sets is not None
    assert h264.picture_size(sets[0]) == size
    sps = h264.find_sps(payloads_of("H264", frame)[0], 0)
    assert sps is not None
    assert h264.picture_size(sps) == size


def test_the_size_of_a_high_profile_stream_is_read_too() -> None:
    # 1920 x 1080, High profile with cropping, as libx264 writes it.
    sps = bytes.fromhex("67640028acd940780227e5c044000003000400000300f03c60c658")
    assert h264.picture_size(sps) == (1920, 1080)


def test_a_frame_without_parameter_sets_has_none() -> None:
    assert h264.parameter_sets(encoded()[1]) is None
    assert h264.find_sps(payloads_of("H264", encoded()[1])[0], 0) is None


@pytest.mark.parametrize("sps", [b"", b"\x67", b"\x67\x42\x00\x1f", b"\x67\x42\x00\x1f" + bytes(60)])
def test_a_truncated_or_absurd_parameter_set_is_refused(sps: bytes) -> None:
    with pytest.raises(ValueError):
        h264.picture_size(sps)


@given(st.binary(max_size=80))
def test_no_bytes_whatever_break_the_readers(data: bytes) -> None:
    h264.starts_keyframe(data, 0)
    h264.find_sps(data, 0)
    h264.parameter_sets(data)
    for attempt in (lambda: h264.picture_size(data), lambda: h264.depacketize([data, data])):
        try:
            attempt()
        except ValueError:
            continue
