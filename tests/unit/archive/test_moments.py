"""A snapshot's frame is in the part that was written when it came, wherever its arrival time points."""

import pytest

from server.archive.moments import Moment, find_moment
from server.live.models import Part, Snapshot


def part(name: str, places: list[list[int]] | None, duration_s: float, slot: str = "camera") -> Part:
    return Part(id=name, slot_id=slot, places=places, duration_s=duration_s)


SNAPSHOT = Snapshot(slot_id="camera", rtp_timestamp=900_000)


def test_of_two_parts_the_one_with_the_frame_is_named_and_when_in_it() -> None:
    first, second = part("a", [[0, 0]], 5.0), part("b", [[450_000, 9000]], 30.0)
    found = find_moment(SNAPSHOT, [first, second, part("c", [[990_000, 0]], 9.0)])
    assert found == Moment("b", pytest.approx(5.105))


def test_a_frame_that_was_not_recorded_is_in_none() -> None:
    parts = [part("a", [[0, 0]], 5.0), part("b", [[0, 0]], 50.0, slot="desk"), part("phone", None, 60.0)]
    assert find_moment(SNAPSHOT, parts) is None


def test_where_the_timestamps_came_round_the_part_that_began_last_is_named() -> None:
    early, late = part("early", [[0, 0]], 40_000.0), part("late", [[810_000, 0]], 60.0)
    assert find_moment(SNAPSHOT, [early, late]) == Moment("late", pytest.approx(1.005))
