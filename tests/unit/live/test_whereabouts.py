"""A grade for a position: what distance and accuracy allow to say, and always why."""

import pytest

from server.live.whereabouts import distance_m, judge

PLACE = (37.5878, 118.5473)
METRE = 1 / 111_195
"""Degrees of latitude."""


def north(metres: float) -> tuple[float, float]:
    return PLACE[0] + metres * METRE, PLACE[1]


def test_a_degree_of_latitude_is_some_111_kilometres() -> None:
    assert distance_m((0, 0), (1, 0)) == pytest.approx(111_195, abs=1)
    assert distance_m((60, 10), (60, 11)) == pytest.approx(55_597, abs=60)
    assert distance_m(PLACE, PLACE) == 0


@pytest.mark.parametrize(
    ("metres", "accuracy_m", "grade"),
    [
        (0, 12, "near"),
        (180, 15, "near"),
        (195, 15, "uncertain"),
        (0, 800, "uncertain"),
        (0, 151, "uncertain"),
        (450, 10, "uncertain"),
        (1100, 200, "uncertain"),
        (1100, 50, "far"),
        (9000, 1000, "far"),
    ],
)
def test_a_grade_says_no_more_than_the_accuracy_allows(metres: float, accuracy_m: float, grade: str) -> None:
    judged = judge(*north(metres), accuracy_m, PLACE)
    assert judged.grade == grade
    assert judged.distance_m == round(metres)


def test_no_grade_is_without_the_reason_that_a_position_can_be_false() -> None:
    for metres in (0, 500, 5000):
        assert judge(*north(metres), 10, PLACE).reasons[-1] == "claimed"


def test_a_case_without_coordinates_is_not_compared() -> None:
    judged = judge(*PLACE, 10, None)
    assert (judged.distance_m, judged.grade, judged.reasons) == (None, "unknown", ("no_place", "claimed"))


def test_some_hundred_metres_may_be_the_offset_of_a_chinese_map() -> None:
    assert "map_offset" in judge(*north(500), 10, PLACE).reasons
    assert "map_offset" not in judge(*north(500), 400, PLACE).reasons
    assert "map_offset" not in judge(*north(50), 10, PLACE).reasons


def test_a_coarse_fix_is_called_coarse() -> None:
    assert "coarse" in judge(*PLACE, 900, PLACE).reasons
    assert "coarse" not in judge(*PLACE, 30, PLACE).reasons
