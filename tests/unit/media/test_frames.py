from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.codecs import VIDEO_CODECS
from server.media.frames import Frame, FrameAssembler, Ordered, ReorderBuffer
from server.media.rtp import sequence_of, slot_form
from tests.unit.media.material import FRAME_RTP, encoded, video_packets


def numbers(released: list[Ordered]) -> list[int]:
    return [sequence_of(ordered.packet) for ordered in released]


def buffer_fed(*order: int) -> tuple[ReorderBuffer, list[Ordered]]:
    buffer, released = ReorderBuffer(0.5), []
    for number in order:
        released += buffer.push(number, slot_form(0, number, 0, b""), number / 100)
    return buffer, released


def test_packets_in_order_pass_at_once() -> None:
    assert numbers(buffer_fed(1, 2, 3)[1]) == [1, 2, 3]


def test_packets_out_of_order_come_out_in_order() -> None:
    _, released = buffer_fed(1, 3, 4, 2, 5)
    assert numbers(released) == [1, 2, 3, 4, 5]
    assert not any(ordered.after_loss for ordered in released)


def test_a_missing_packet_is_waited_for_and_then_passed_over() -> None:
    buffer, released = buffer_fed(1, 3, 4)
    assert numbers(released) == [1]
    assert buffer.expire(0.5) == []
    late = buffer.expire(0.54)
    assert numbers(late) == [3, 4]
    assert [ordered.after_loss for ordered in late] == [True, False]


def test_a_packet_that_comes_after_it_was_passed_over_is_left_out() -> None:
    buffer, _ = buffer_fed(1, 3)
    buffer.expire(1.0)
    assert buffer.push(2, b"late", 1.0) == []


def test_two_losses_are_passed_over_one_after_the_other() -> None:
    buffer, _ = buffer_fed(1, 3, 5)
    late = buffer.expire(9.0)
    assert [(sequence_of(o.packet), o.after_loss) for o in late] == [(3, True), (5, True)]


def test_draining_gives_out_all_that_is_left() -> None:
    buffer, _ = buffer_fed(1, 3, 6)
    assert numbers(buffer.drain()) == [3, 6]


def test_the_buffer_is_bounded() -> None:
    buffer = ReorderBuffer(100.0, max_held=10)
    buffer.push(0, slot_form(0, 0, 0, b""), 0.0)
    released = []
    for number in range(2, 30):
        released += buffer.push(number, slot_form(0, number, 0, b""), 0.0)
    assert numbers(released) == list(range(2, 30))


@given(st.permutations(range(40)))
def test_any_order_comes_out_in_order_after_the_first(order: list[int]) -> None:
    buffer, released = buffer_fed(*order)
    released += buffer.drain()
    assert numbers(released) == sorted(number for number in order if number >= order[0])


def assembled(
    codec: str, lost: Collection[int] = (), packets: list[tuple[int, bytes]] | None = None
) -> tuple[list[Frame], FrameAssembler]:
    assembler, frames = FrameAssembler(VIDEO_CODECS[codec]), []
    gap = True
    for number, packet in packets or video_packets(codec):
        if number in lost:
            gap = True
            continue
        frames += assembler.push(Ordered(packet, number / 100, gap))
        gap = False
    return frames, assembler


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_every_frame_of_a_whole_stream_comes_out(codec: str) -> None:
    frames, assembler = assembled(codec)
    assert [frame.timestamp for frame in frames] == [i * FRAME_RTP for i in range(len(encoded(codec)))]
    assert [frame.keyframe for frame in frames] == [i % 6 == 0 for i in range(len(frames))]
    assert assembler.dropped == 0


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_after_a_loss_nothing_comes_out_until_a_keyframe(codec: str) -> None:
    packets = video_packets(codec)
    victim = next(number for number, packet in packets if packet[4:8] == (2 * FRAME_RTP).to_bytes(4, "big"))
    frames, assembler = assembled(codec, {victim})
    shown = [frame.timestamp // FRAME_RTP for frame in frames]
    assert shown == [0, 1, *range(6, 12)]
    assert assembler.dropped >= 3


def test_a_stream_is_taken_up_at_its_first_keyframe() -> None:
    packets = [entry for entry in video_packets() if entry[1][4:8] >= (3 * FRAME_RTP).to_bytes(4, "big")]
    frames, _ = assembled("H264", packets=packets)
    assert [frame.timestamp // FRAME_RTP for frame in frames] == list(range(6, 12))


def test_a_keyframe_that_lost_its_head_is_no_keyframe() -> None:
    packets = video_packets(size=(1280, 720))
    heads = {number for number, packet in packets if VIDEO_CODECS["H264"].starts_keyframe(packet, 12)}
    frames, _ = assembled("H264", {min(heads)}, packets)
    assert all(frame.timestamp >= 6 * FRAME_RTP for frame in frames)


def test_a_stream_without_markers_is_told_apart_by_its_timestamps() -> None:
    bare = [(number, packet[:1] + b"\x00" + packet[2:]) for number, packet in video_packets()]
    frames, _ = assembled("H264", packets=bare)
    assert [frame.timestamp // FRAME_RTP for frame in frames] == list(range(11))


def test_a_keyframe_may_begin_with_a_delimiter() -> None:
    packets: list[tuple[int, bytes]] = []
    for _, packet in video_packets():
        timestamp = int.from_bytes(packet[4:8], "big")
        if not packets or packets[-1][1][1] & 0x80:
            packets.append((len(packets), slot_form(0, len(packets), timestamp, b"\x09\x10")))
        packets.append((len(packets), packet))
    frames, _ = assembled("H264", packets=packets)
    assert [frame.keyframe for frame in frames] == [i % 6 == 0 for i in range(12)]


def test_padding_between_frames_is_no_frame() -> None:
    packets = []
    for number, packet in video_packets():
        packets.append((2 * number, packet))
        packets.append((2 * number + 1, slot_form(0, 2 * number + 1, 123, b"")))
    whole = [entry for entry in packets if entry[1][1] & 0x80 or len(entry[1]) > 12]
    frames, assembler = assembled("H264", packets=[(i, packet) for i, (_, packet) in enumerate(whole)])
    assert len(frames) == 12
    assert assembler.dropped == 0


def test_a_frame_that_turns_out_broken_breaks_what_follows() -> None:
    assembler = FrameAssembler(VIDEO_CODECS["H264"])
    shown = []
    for number, packet in video_packets():
        for frame in assembler.push(Ordered(packet, 0.0, number == 0)):
            if frame.timestamp == FRAME_RTP:
                assembler.reject()
            else:
                shown.append(frame.timestamp // FRAME_RTP)
    assert shown == [0, *range(6, 12)]
