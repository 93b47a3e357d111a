"""A frame's RTP timestamp tells where in a part it is."""

import pytest

from server.media.places import Places, moment_of

TOP = 2**32


def test_while_the_clocks_agree_one_place_tells_all_also_where_the_timestamps_wrap() -> None:
    places = Places()
    for index in range(100):
        places.note(TOP - 9000 + index * 3000, 0.25 + index / 30)
    assert places.kept() == ((TOP - 9000, 22_500),)
    for index in range(100):
        found = moment_of(places.kept(), (TOP - 9000 + index * 3000) % TOP)
        assert found == pytest.approx(0.25 + index / 30 + 0.005, abs=0.0001)


def test_a_jump_of_a_frames_time_is_kept_and_only_what_comes_after_counts_from_it() -> None:
    places = Places()
    for index in range(10):
        places.note(index * 3000, index / 30 + (0.1 if index >= 5 else 0.0))
    assert len(places.kept()) == 2
    assert moment_of(places.kept(), 4 * 3000) == pytest.approx(4 / 30 + 0.005, abs=0.0001)
    assert moment_of(places.kept(), 5 * 3000) == pytest.approx(5 / 30 + 0.105, abs=0.0001)


def test_a_frame_from_before_the_first_picture_has_no_moment_and_a_part_without_pictures_has_none() -> None:
    assert moment_of(((9000, 0),), 6000) is None
    assert moment_of((), 6000) is None
