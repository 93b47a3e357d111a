"""What publishers send, made and cut up."""

from server.bench.clip import MAX_PAYLOAD, make_clip, packetise, split
from server.media import h264

SPS, PPS = bytes([0x67, 1, 2, 3]), bytes([0x68, 4])
START = b"\x00\x00\x00\x01"


def test_an_access_unit_comes_out_of_its_packets_again() -> None:
    picture = bytes([0x65]) + bytes(range(1, 251)) * 20
    unit = START + SPS + START + PPS + b"\x00\x00\x01" + picture
    payloads = packetise(unit)
    assert all(len(payload) <= MAX_PAYLOAD for payload in payloads)
    assert list(split(h264.depacketize(payloads))) == [SPS, PPS, picture]


def test_the_clip_is_what_a_phone_sends() -> None:
    clip = make_clip(2)
    assert 1_000_000 < clip.bits_per_s < 1_800_000
    assert sum(packet.marker for packet in clip.packets) == 60
    assert len(clip.of("audio")) == 100
    assert [packet.at_s for packet in clip.packets] == sorted(packet.at_s for packet in clip.packets)
    assert all(packet.at_s >= packet.timestamp / 90_000 - 1e-4 for packet in clip.of("video"))
    assert all(0 <= packet.at_s < clip.seconds for packet in clip.packets)
    assert len({packet.payload for packet in clip.packets}) == len(clip.packets)
