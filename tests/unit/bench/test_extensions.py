"""Header extensions of the load's packets."""

from aiortc.rtp import unpack_header_extensions

from server.bench.extensions import Extensions
from server.media.congestion import Arrivals, find_number
from server.media.rtp import HEADER, payload_span

SECOND_NS = 1_000_000_000


def packet(extensions: Extensions, number: int, now_ns: int = 0) -> bytes:
    return HEADER.pack(0x90, 102, 1, 2, 3) + extensions.header(number, now_ns) + b"payload"


def test_the_number_of_the_transport_is_read_where_it_was_written() -> None:
    made = packet(Extensions(transport_number=3), 0x1_2345)
    assert find_number(made, 3) == 0x2345
    assert payload_span(made) == (20, len(made))


def test_two_elements_are_two_to_a_strange_parser_too() -> None:
    header = Extensions(transport_number=3, send_time=2).header(7, 65 * SECOND_NS + SECOND_NS // 2)
    assert len(header) % 4 == 0
    read = dict(unpack_header_extensions(0xBEDE, header[4:]))
    assert read == {2: (((65 << 18) + (1 << 17)) & 0xFFFFFF).to_bytes(3, "big"), 3: b"\0\x07"}


def test_what_was_not_taken_is_not_sent() -> None:
    assert Extensions().header(1, 1) == b""
    assert not Extensions()
    assert Extensions(send_time=2).names == ("abs-send-time",)


def test_an_engine_can_tell_all_arrivals_of_growing_numbers() -> None:
    arrivals = Arrivals(3)
    for number in range(0xFFFE, 0x1_0003):
        arrivals.packet(packet(Extensions(transport_number=3), number), number / 1000)
    feedback = arrivals.feedback(1, 2)
    assert feedback is not None
    assert feedback.base == 0xFFFE
    assert len(feedback.arrivals) == 5 and None not in feedback.arrivals
