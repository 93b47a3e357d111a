from hypothesis import given
from hypothesis import strategies as st

from server.media.wrap import Unwrapper, unwrap


@given(st.integers(-(2**40), 2**40), st.integers(-32767, 32767))
def test_a_sequence_number_near_the_last_one_is_found_again(near: int, step: int) -> None:
    assert unwrap((near + step) & 0xFFFF, near, 16) == near + step


@given(st.lists(st.integers(-300, 300), max_size=50), st.integers(0, 65535))
def test_a_disturbed_counter_unwraps_across_any_number_of_turns(steps: list[int], first: int) -> None:
    unwrapper = Unwrapper(16)
    expected = unwrapper(first)
    assert expected == first
    for step in [*steps, *[30000] * 6]:
        expected = (unwrapper.last or 0) + step
        assert unwrapper(expected & 0xFFFF) == expected


def test_a_timestamp_wraps_forward() -> None:
    unwrapper = Unwrapper(32)
    assert unwrapper(0xFFFFFF00) == 0xFFFFFF00
    assert unwrapper(0x100) == 0x1_0000_0100
    assert unwrapper(0xFFFFFF80) == 0xFFFFFF80
    assert unwrapper.last == 0x1_0000_0100
