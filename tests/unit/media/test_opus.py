import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.opus import duration_of
from tests.unit.media.material import opus


def test_packets_of_twenty_milliseconds_are_known() -> None:
    assert {duration_of(packet) for packet in opus()} == {960}


@pytest.mark.parametrize(
    ("head", "samples"),
    [(b"\x00", 480), (b"\x18", 2880), (b"\x60", 480), (b"\x80", 120), (b"\x99", 1920), (b"\x83\x06", 720)],
)
def test_the_first_byte_tells_the_duration(head: bytes, samples: int) -> None:
    assert duration_of(head) == samples


@given(st.binary(max_size=5))
def test_every_duration_is_possible(packet: bytes) -> None:
    assert 0 < duration_of(packet) <= 5760
