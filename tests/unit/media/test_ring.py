import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.ring import Ring


def ring_of(*numbers: int, capacity: int = 128, max_bytes: int = 10_000, max_age_s: float = 10.0) -> Ring:
    ring = Ring(capacity, max_bytes, max_age_s)
    for number in numbers:
        ring.add(number, b"%d" % number, float(number))
    return ring


def kept(ring: Ring) -> list[int]:
    return [number for number, _, _ in ring.packets()]


def test_a_packet_is_found_by_its_sixteen_bits() -> None:
    ring = ring_of(65_535, 65_536, 65_537)
    assert ring.find(65_535) == b"65535"
    assert ring.find(1) == b"65537"
    assert ring.find(2) is None
    assert ring.find(65_534) is None


def test_an_empty_ring_finds_nothing() -> None:
    assert ring_of().find(0) is None
    assert ring_of().packets() == []


def test_a_packet_out_of_order_takes_its_place() -> None:
    assert kept(ring_of(1, 4, 2)) == [1, 2, 4]


def test_a_duplicate_is_refused() -> None:
    ring = ring_of(1, 2)
    assert not ring.add(1, b"again", 3.0)
    assert ring.find(1) == b"1"


def test_what_is_older_than_everything_kept_is_refused() -> None:
    ring = ring_of(*range(100, 193))
    assert not ring.add(100, b"late", 193.0)
    assert kept(ring)[0] == 181  # by age: ten seconds before the latest look, with number 191


def test_the_count_is_bounded() -> None:
    ring = ring_of(*range(1000), max_age_s=10_000)
    assert 64 <= len(kept(ring)) <= 128
    assert kept(ring)[-1] == 999
    assert kept(ring) == list(range(kept(ring)[0], 1000))


def test_the_bytes_are_bounded() -> None:
    ring = Ring(1024, 1000, 1000.0)
    for number in range(256):
        ring.add(number, bytes(100), 0.0)
    assert ring.size_bytes == 1000
    assert len(kept(ring)) == 10
    for number in range(256, 319):
        ring.add(number, bytes(100), 0.0)
    assert ring.size_bytes == 7300  # what has come since the latest look


def test_the_newest_packet_is_kept_however_big_it_is() -> None:
    ring = Ring(1024, 10, 1000.0)
    for number in range(62, 64):
        ring.add(number, bytes(100), 0.0)
    assert kept(ring) == [63]


def test_a_stream_with_holes_is_bounded_as_well() -> None:
    ring = Ring(1024, 1000, 1000.0)
    for number in range(0, 1000, 2):
        ring.add(number, bytes(100), 0.0)
        assert ring.size_bytes <= 1100


def test_a_jump_beyond_the_ring_empties_it() -> None:
    ring = ring_of(1, 2, 3, 1000)
    assert kept(ring) == [1000]
    assert ring.size_bytes == 4


def test_a_cleared_ring_begins_anew() -> None:
    ring = ring_of(50, 51)
    ring.clear()
    assert ring.packets() == []
    assert ring.add(7, b"x", 0.0)
    assert kept(ring) == [7]


def test_the_capacity_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Ring(130, 10, 1.0)
    with pytest.raises(ValueError, match="128 at least"):
        Ring(64, 10, 1.0)


@given(st.lists(st.tuples(st.integers(-140, 140) | st.just(1), st.integers(1, 30)), max_size=400))
def test_whatever_comes_the_books_are_right(steps: list[tuple[int, int]]) -> None:
    ring = Ring(128, 300, 5.0)
    newest, now = 1000, 0.0
    for step, size in steps:
        number = newest + step
        newest = max(newest, number)
        now += 0.1
        ring.add(number, bytes(size), now)
        packets = ring.packets()
        assert ring.size_bytes == sum(len(packet) for _, packet, _ in packets)
        assert len(packets) <= 128
        assert len(packets) <= 1 or ring.size_bytes <= 300 + 64 * 30
        numbers = [entry[0] for entry in packets]
        assert numbers == sorted(set(numbers))
        for entry_number, packet, _ in packets:
            assert ring.find(entry_number & 0xFFFF) is packet


def test_what_is_too_old_goes_within_sixty_four_packets() -> None:
    ring = Ring(4096, 1 << 20, 2.0)
    for number in range(1000):
        ring.add(number, b"x", number / 100)
        age_s = number / 100 - ring.packets()[0][2]
        assert age_s <= 2.64 + 1e-9
    assert 200 <= len(ring.packets()) <= 264
