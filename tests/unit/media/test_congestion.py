"""Transport-wide feedback: what arrived when, as browsers read it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.congestion import Arrivals, TransportFeedback, find_number
from server.media.rtp import HEADER

ARRIVALS = st.lists(st.none() | st.integers(0, 3000), min_size=1, max_size=80)


def packet(number: int, extension: int = 3, *, before: bytes = b"") -> bytes:
    elements = before + bytes((extension << 4 | 1, number >> 8 & 0xFF, number & 0xFF))
    elements += bytes(-len(elements) % 4)
    header = HEADER.pack(0x90, 96, 1, 2, 3) + b"\xbe\xde" + (len(elements) // 4).to_bytes(2, "big")
    return header + elements + b"payload"


def test_the_number_is_found_alone_and_behind_others() -> None:
    assert find_number(packet(0x1234), 3) == 0x1234
    assert find_number(packet(0x1234, before=b"\x10\xaa\x00\x22abc"), 3) == 0x1234
    assert find_number(packet(0x1234, extension=4), 3) is None
    assert find_number(HEADER.pack(0x80, 96, 1, 2, 3) + b"payload", 3) is None


@given(st.binary(min_size=12, max_size=60))
def test_any_bytes_have_a_number_or_none(noise: bytes) -> None:
    find_number(bytes((noise[0] | 0x90,)) + noise[1:], 3)
    arrivals = Arrivals(3)
    arrivals.packet(noise, 1.0)


ELEMENTS = st.lists(
    st.tuples(st.sampled_from([1, 2, 4, 9]), st.binary(min_size=1, max_size=5)) | st.none(), max_size=4
)


@given(st.lists(st.tuples(ELEMENTS, st.integers(0, 3)), min_size=1, max_size=8), st.randoms())
def test_the_number_is_found_however_the_extension_is_made_and_whenever_that_changes(
    layouts: list[tuple[list[tuple[int, bytes] | None], int]], chance: random.Random
) -> None:
    arrivals = Arrivals(3)
    expected: list[int] = []
    for number in range(100, 140):
        before, kind = chance.choice(layouts)
        elements = b"".join(
            bytes((item[0] << 4 | len(item[1]) - 1,)) + item[1] if item else b"\x00" for item in before
        )
        sent = packet(number, before=elements)
        if kind == 1:  # padding after the payload, as of probes
            sent = b"\xb0" + sent[1:] + b"\x01"
        elif kind == 2:  # one contributing source
            sent = b"\x91" + sent[1:12] + bytes(4) + sent[12:]
        elif kind == 3:  # without the number; its place is taken by what looks alike
            sent = packet(number, extension=5, before=elements)
        if kind != 3:
            expected.append(number)
        arrivals.packet(sent, 1.0)
    said = arrivals.feedback(1, 2)
    came = [said.base + index for index, tick in enumerate(said.arrivals) if tick is not None] if said else []
    assert came == expected


PIECES = st.sampled_from([b"\x10\xaa", b"\x22abc", b"\x00", b""])


@given(st.lists(st.tuples(PIECES, st.integers(1, 40)), min_size=1), st.binary(max_size=40))
def test_what_is_read_of_a_packet_does_not_depend_on_those_before(
    cuts: list[tuple[bytes, int]], noise: bytes
) -> None:
    arrivals = Arrivals(3)
    given_packets = [packet(0x1234, before=before)[:size] for before, size in cuts]
    for each in (*given_packets, b"\x90" + noise, given_packets[0] + noise):
        arrivals._waiting.clear()
        arrivals.packet(each, 1.0)
        number = find_number(each, 3)
        assert [found for found, _ in arrivals._waiting] == ([] if number is None else [number])


def test_feedback_tells_arrivals_in_quarters_of_a_millisecond() -> None:
    arrivals = Arrivals(3)
    for number, at in ((65534, 10.0), (65535, 10.001), (1, 10.1)):
        arrivals.packet(packet(number), at)
    said = arrivals.feedback(7, 9)
    assert said is not None
    assert (said.base, said.arrivals) == (65534, (40000, 40004, None, 40400))
    # As section 3.1 lays it out: 14 bytes of head, a vector of symbols, three deltas (two small, one large), padding.
    assert bytes(said) == (
        b"\xaf\xcd\x00\x06" + b"\x00\x00\x00\x07\x00\x00\x00\x09" + b"\xff\xfe\x00\x04\x00\x00\x9c\x01"
        b"\xd4\x80" + b"\x40\x04\x01\x8c" + b"\x00\x02"
    )


def test_every_feedback_goes_on_where_the_last_one_ended() -> None:
    arrivals = Arrivals(3)
    arrivals.packet(packet(5), 1.0)
    assert arrivals.feedback(1, 2) is not None
    assert arrivals.feedback(1, 2) is None
    arrivals.packet(packet(8), 1.1)
    said = arrivals.feedback(1, 2)
    assert said is not None
    assert (said.base, said.number, said.arrivals) == (6, 2, (None, None, 4400))
    # One that was told to be missing comes after all.
    arrivals.packet(packet(7), 1.2)
    said = arrivals.feedback(1, 2)
    assert said is not None
    assert (said.base, said.arrivals) == (7, (4800,))


def test_a_jump_in_the_numbers_does_not_make_a_giant() -> None:
    arrivals = Arrivals(3)
    arrivals.packet(packet(0), 1.0)
    arrivals.packet(packet(30000), 1.0)
    said = arrivals.feedback(1, 2)
    assert said is not None
    assert len(said.arrivals) <= 600
    for number in range(10_000):
        arrivals.packet(packet(30000), float(number))
    assert arrivals.feedback(1, 2) is not None


@given(ARRIVALS, st.integers(0, 0xFFFF))
def test_feedback_is_read_back_as_it_was_written(ticks: list[int | None], base: int) -> None:
    said = TransportFeedback(1, 2, base, 3, tuple(ticks))
    packed = bytes(said)
    assert len(packed) % 4 == 0
    assert len(packed) == 4 + 4 * int.from_bytes(packed[2:4], "big")
    assert TransportFeedback.parse(packed) == said


@given(st.binary(max_size=80))
def test_mangled_feedback_is_read_or_refused(noise: bytes) -> None:
    try:
        TransportFeedback.parse(noise)
    except ValueError:
        return


@pytest.mark.parametrize("count", [1, 6, 7, 8, 9000])
def test_long_runs_take_few_bytes(count: int) -> None:
    said = TransportFeedback(1, 2, 0, 0, (None,) * count)
    assert len(bytes(said)) <= 24
    assert TransportFeedback.parse(bytes(said)) == said
