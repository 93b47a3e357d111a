"""Sequence numbers matched between publisher and viewer."""

import struct

from server.bench.clip import Clip, Packet
from server.bench.streams import EncodedStream, ForwardedStream, Source

MS = 1_000_000
CLIP = Clip(
    1.0,
    tuple(Packet(i / 10, "video", i * 9000, True, bytes([i]) * 20) for i in range(10)),
)


def source() -> Source:
    return Source(CLIP, "video", 1, 102)


def renumbered(packet: bytes, shift: int) -> bytes:
    sequence = (int.from_bytes(packet[2:4], "big") + shift) & 0xFFFF
    return packet[:2] + struct.pack("!H", sequence) + packet[4:]


def send(origin: Source, count: int, first: int = 0) -> list[bytes]:
    return [origin.packet(CLIP.packets[i % 10], i // 10, i * 10 * MS) for i in range(first, first + count)]


def test_a_viewer_of_renumbered_packets_finds_what_is_missing_and_how_late_the_rest_is() -> None:
    origin = source()
    stream = ForwardedStream(origin, lambda packet: packet)
    for packet in send(origin, 3):
        stream.received(renumbered(packet, 40_000), 0)
    assert stream.ready
    stream.open()
    packets = send(origin, 5, first=3)
    for index in (0, 1, 3, 4):
        stream.received(renumbered(packets[index], 40_000), (3 + index) * 10 * MS + 2 * MS)
    assert stream.window is not None
    stream.window.close()
    assert (stream.window.sent, stream.window.lost) == (5, 1)
    assert list(stream.window.delays_us) == [2000] * 4
    assert stream.mismatches == 0


def test_a_packet_with_a_header_extension_is_known_by_its_payload_all_the_same() -> None:
    origin = source()
    packet = origin.packet(CLIP.packets[0], 0, 0, b"\xbe\xde\x00\x01\x31\x00\x07\x00")
    assert packet[0] == 0x90
    stream = ForwardedStream(origin, lambda protected: protected)
    stream.received(packet, 0)
    assert stream.ready


def test_packets_sent_after_the_window_are_not_in_it() -> None:
    origin = source()
    stream = ForwardedStream(origin, lambda packet: packet)
    stream.received(send(origin, 1)[0], 0)
    stream.open()
    assert stream.window is not None
    inside = send(origin, 2, first=1)
    stream.window.close()
    late = send(origin, 1, first=3)
    for packet in [*inside, *late]:
        stream.received(packet, 100 * MS)
    assert (stream.window.sent, stream.window.lost, len(stream.window.delays_us)) == (2, 0, 2)


def test_the_last_packets_of_the_window_count_as_lost_when_they_do_not_come() -> None:
    origin = source()
    stream = ForwardedStream(origin, lambda packet: packet)
    stream.received(send(origin, 1)[0], 0)
    stream.open()
    send(origin, 4, first=1)
    assert stream.window is not None
    stream.window.close()
    assert stream.window.lost == 4


def test_a_payload_is_matched_to_the_newest_repetition_of_the_clip() -> None:
    origin = source()
    packets = send(origin, 25)
    assert origin.number_of(packets[24][12:]) == origin.first_number + 24
    assert origin.number_of(packets[15][12:]) == origin.first_number + 15
    assert origin.number_of(b"strange") is None
    assert origin.holds(origin.first_number + 13, bytes([3]) * 20)


def test_a_stream_of_other_payloads_never_gets_ready() -> None:
    origin = source()
    stream = ForwardedStream(origin, lambda _: b"\x80\x66" + bytes(10) + b"something else")
    for packet in send(origin, 3):
        stream.received(packet, 0)
    assert not stream.ready


def test_frames_that_were_encoded_anew_are_known_by_their_distance_from_the_first() -> None:
    origin = source()
    stream = EncodedStream(origin, lambda packet: packet)

    def frame(number: int) -> bytes:
        return struct.pack("!BBHII", 0x80, 0x80 | 96, number, (5_000_000 + number * 3000) & 0xFFFFFFFF, 9)

    send(origin, 4)
    stream.received(frame(0), 0)
    stream.open()
    send(origin, 3, first=4)
    stream.received(frame(4), 40 * MS + 7 * MS)
    stream.received(frame(6), 60 * MS + 9 * MS)
    assert stream.window is not None
    stream.window.close()
    assert (stream.window.frames_sent, stream.frames) == (3, 2)
    assert list(stream.window.delays_us) == [7000, 9000]
    stream.open()
    stream.received(frame(5), 90 * MS)
    assert (stream.frames, stream.delivered) == (0, 1)
