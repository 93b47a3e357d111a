from hypothesis import given
from hypothesis import strategies as st

from server.media.timeline import Timeline


def test_the_first_stream_begins_where_the_slot_says() -> None:
    source = Timeline(90_000, 100, 5000).join(65_000, 4_000_000_000, 1.0)
    assert (source.number(65_000), source.timestamp(4_000_000_000)) == (100, 5000)
    assert source.first_number == 100


@given(st.integers(0, 65535), st.integers(0, 0xFFFFFFFF))
def test_a_stream_runs_on_across_its_own_wraps(first: int, stamp: int) -> None:
    source = Timeline(90_000, 100, 5000).join(first, stamp, 0.0)
    for step in range(0, 200_000, 7000):
        assert source.number((first + step) & 0xFFFF) == 100 + step
        assert source.timestamp((stamp + step * 100_000) & 0xFFFFFFFF) == 5000 + step * 100_000


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 0xFFFFFFFF)), min_size=1))
def test_a_place_is_the_number_and_the_timestamp_in_one_step(packets: list[tuple[int, int]]) -> None:
    one, other = (Timeline(90_000, 100, 5000).join(*packets[0], 0.0) for _ in range(2))
    for sequence, timestamp in packets:
        assert one.place(sequence, timestamp) == (other.number(sequence), other.timestamp(timestamp))


def test_the_publishers_own_number_is_found_again() -> None:
    source = Timeline(90_000, 100, 5000).join(65_530, 0, 0.0)
    assert source.publisher_sequence(source.number(3)) == 3


@given(st.integers(0, 65535), st.integers(0, 0xFFFFFFFF), st.floats(0, 86_400))
def test_a_rejoin_continues_the_numbers_and_skips_the_time_between(
    sequence: int, stamp: int, gap_s: float
) -> None:
    timeline = Timeline(90_000, 100, 5000)
    first = timeline.join(1, 1, 10.0)
    timeline.advance(first.number(1), first.timestamp(1), 10.0)
    timeline.advance(first.number(4), first.timestamp(9001), 10.1)
    second = timeline.join(sequence, stamp, 10.1 + gap_s)
    assert second.number(sequence) == 104
    step = second.timestamp(stamp) - 14_000
    assert abs(step - gap_s * 90_000) <= 1.5
    assert step >= 1


def test_a_late_packet_does_not_turn_the_timeline_back() -> None:
    timeline = Timeline(90_000, 100, 5000)
    first = timeline.join(1, 0, 0.0)
    timeline.advance(first.number(5), first.timestamp(12_000), 1.0)
    timeline.advance(first.number(3), first.timestamp(6_000), 1.1)
    assert timeline.join(7, 7, 1.0).number(7) == 105
