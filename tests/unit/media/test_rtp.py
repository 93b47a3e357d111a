import pytest
from aiortc.rtp import RtpPacket, unwrap_rtx
from hypothesis import given
from hypothesis import strategies as st

from server.media.rtp import (
    addressed,
    payload_span,
    retransmission,
    retransmitted,
    sequence_of,
    slot_form,
    timestamp_of,
)

PAYLOAD = b"payload"


def span_of(packet: bytes) -> bytes | None:
    span = payload_span(packet)
    return packet[span[0] : span[1]] if span is not None else None


def test_the_payload_of_a_bare_packet_follows_its_header() -> None:
    assert span_of(RtpPacket(payload=PAYLOAD).serialize()) == PAYLOAD


def test_contributing_sources_extensions_and_padding_are_no_payload() -> None:
    packet = RtpPacket(payload=PAYLOAD)
    packet.csrc = [1, 2]
    packet.padding_size = 5
    data = bytearray(packet.serialize())
    data[0] |= 0x10
    extended = bytes(data[:20]) + b"\xbe\xde\x00\x01" + b"\x10\xff\x00\x00" + bytes(data[20:])
    assert span_of(extended) == PAYLOAD


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(20),
        b"\x8f" + bytes(20),
        b"\x90" + bytes(11),
        b"\x90" + bytes(11) + b"\xbe\xde\xff\xff",
        b"\xa0" + bytes(11) + b"\x00",
        b"\xa0" + bytes(11) + b"\x09",
    ],
)
def test_what_is_no_rtp_packet_has_no_payload(packet: bytes) -> None:
    assert payload_span(packet) is None


@given(st.binary(max_size=60))
def test_no_bytes_whatever_break_the_reader(packet: bytes) -> None:
    span = payload_span(packet)
    assert span is None or 12 <= span[0] <= span[1] <= len(packet)


def test_a_packet_is_addressed_without_touching_its_numbers() -> None:
    packet = slot_form(0x80, 65536 + 7, (1 << 32) + 9, PAYLOAD)
    parsed = RtpPacket.parse(addressed(packet, 101, 0xDEADBEEF))
    assert (parsed.payload_type, parsed.ssrc, parsed.marker) == (101, 0xDEADBEEF, 1)
    assert (parsed.sequence_number, parsed.timestamp, parsed.payload) == (7, 9, PAYLOAD)
    assert (sequence_of(packet), timestamp_of(packet)) == (7, 9)


def test_a_retransmission_is_what_a_stock_peer_unwraps() -> None:
    packet = slot_form(0x80, 700, 9000, PAYLOAD)
    parsed = RtpPacket.parse(retransmission(packet, 102, 5, 65537))
    assert (parsed.payload_type, parsed.ssrc, parsed.sequence_number) == (102, 5, 1)
    original = unwrap_rtx(parsed, payload_type=101, ssrc=6)
    assert (original.sequence_number, original.timestamp, original.marker) == (700, 9000, 1)
    assert original.payload == PAYLOAD
    assert retransmitted(parsed.payload) == (700, PAYLOAD)


def test_padding_on_the_repair_stream_is_no_retransmission() -> None:
    assert retransmitted(b"") is None
    assert retransmitted(b"\x00") is None
