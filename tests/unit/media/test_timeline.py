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
        assert source.take((first + step) & 0xFFFF) == 100 + step
        assert source.next_sequence == (first + step + 1) & 0xFFFF
        assert source.turn((stamp + step * 100_000) & 0xFFFFFFFF) == 5000 + step * 100_000
        assert source.publisher_number(100 + step) == first + step


@given(st.lists(st.tuples(st.integers(-30_000, 30_000), st.integers(-60_000, 60_000)), min_size=1))
def test_the_foremost_packet_is_remembered_whatever_comes(steps: list[tuple[int, int]]) -> None:
    source = Timeline(90_000, 100, 5000).join(7, 9, 0.0)
    for number, place in steps:
        newest, foremost = source.newest, source.place
        sequence = source.publisher_sequence(newest + number)
        stamp = (foremost - 5000 + 9 + place) & 0xFFFFFFFF
        assert source.take(sequence) == newest + number
        assert source.newest == max(newest, newest + number)
        assert source.number((source.next_sequence - 1) & 0xFFFF) == source.newest
        assert source.turn(stamp) == foremost + place
        assert source.place == max(foremost, foremost + place)
        assert source.timestamp(source.stamp) == source.place


def test_the_publishers_own_number_is_found_again() -> None:
    source = Timeline(90_000, 100, 5000).join(65_530, 0, 0.0)
    assert source.publisher_sequence(source.number(3)) == 3
    assert source.publisher_number(source.number(3)) == 65_539


@given(st.integers(0, 65535), st.integers(0, 0xFFFFFFFF), st.floats(0, 86_400))
def test_a_rejoin_continues_the_numbers_and_skips_the_time_between(
    sequence: int, stamp: int, gap_s: float
) -> None:
    timeline = Timeline(90_000, 100, 5000)
    first = timeline.join(1, 1, 10.0)
    first.take(4)
    first.turn(9001)
    first.heard_at = 10.1
    second = timeline.join(sequence, stamp, 10.1 + gap_s)
    assert second.number(sequence) == 104
    step = second.timestamp(stamp) - 14_000
    assert abs(step - gap_s * 90_000) <= 1.5
    assert step >= 1


def test_a_late_packet_does_not_turn_the_timeline_back() -> None:
    timeline = Timeline(90_000, 100, 5000)
    first = timeline.join(1, 0, 0.0)
    for sequence, timestamp in ((5, 12_000), (3, 6_000)):
        first.take(sequence)
        first.turn(timestamp)
    assert timeline.join(7, 7, 1.0).number(7) == 105
