"""A new case, parsed from texts."""

from typing import Any

import pytest

from server.cases.new_case import CHECK_DIGIT_QUESTION, parse_new_case
from server.cases.rules import MATTERS
from server.errors import Invalid

GOOD: dict[str, Any] = {
    "matter": "seed-licence-address",
    "enterprise_name": "丰禾种业有限公司",
    "credit_code": "91110000600037341L",
    "licence_kind": "seed-b",
    "licence_number": "B 0007",
    "old_address": "府前街 18 号",
    "new_address": "民丰路 6 号",
    "latitude": "37.5878",
    "longitude": "118.5473",
    "is_code_confirmed": False,
}


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse_new_case(**{**GOOD, **changes})
    return caught.value.fields


def test_good_texts_become_a_case() -> None:
    case = parse_new_case(**GOOD)
    assert (case.latitude, case.longitude) == (37.5878, 118.5473)
    assert case.check_digit_fits


def test_spaces_around_and_doubled_are_put_right() -> None:
    assert parse_new_case(**{**GOOD, "new_address": "  民丰路   6 号 "}).new_address == "民丰路 6 号"


@pytest.mark.parametrize("kind", ["seed-b", "an-older-kind"])
def test_a_kind_of_the_matters_licence_or_one_that_nobody_knows_is_taken(kind: str) -> None:
    assert parse_new_case(**{**GOOD, "licence_kind": kind}).licence_kind == kind


def test_a_kind_of_another_matters_licence_is_a_mistake() -> None:
    other = MATTERS["food-business-premises"].licence_kinds[0].key
    assert set(problems(licence_kind=other)) == {"licence_kind"}


def test_every_missing_text_is_named_at_once() -> None:
    missing = dict.fromkeys(("enterprise_name", "licence_kind", "licence_number", "new_address"), " ")
    assert set(problems(**missing, credit_code="")) == {*missing, "credit_code"}


def test_a_text_that_would_not_fit_the_table_is_refused() -> None:
    assert set(problems(enterprise_name="x" * 201)) == {"enterprise_name"}


def test_an_unknown_matter_is_refused() -> None:
    assert set(problems(matter="fishing")) == {"matter"}


def test_a_wrong_check_digit_asks_for_confirmation() -> None:
    assert problems(credit_code="91110000600037341M") == {"credit_code": CHECK_DIGIT_QUESTION}


def test_a_confirmed_wrong_check_digit_is_taken_and_kept_in_mind() -> None:
    case = parse_new_case(**{**GOOD, "credit_code": "91110000600037341M", "is_code_confirmed": True})
    assert not case.check_digit_fits


def test_confirmation_does_not_help_a_code_that_is_none() -> None:
    assert set(problems(credit_code="123", is_code_confirmed=True)) == {"credit_code"}


def test_a_case_needs_no_coordinates() -> None:
    case = parse_new_case(**{**GOOD, "latitude": "", "longitude": None})
    assert case.latitude is None
    assert case.longitude is None


@pytest.mark.parametrize(
    ("latitude", "longitude", "field"),
    [
        ("37.5", "", "longitude"),
        ("", "118.5", "latitude"),
        ("north", "118.5", "latitude"),
        ("97", "118.5", "latitude"),
        ("nan", "118.5", "latitude"),
    ],
)
def test_half_a_place_or_none_at_all_is_refused(latitude: str, longitude: str, field: str) -> None:
    assert set(problems(latitude=latitude, longitude=longitude)) == {field}


def test_a_place_on_the_equator_counts() -> None:
    assert parse_new_case(**{**GOOD, "latitude": 0.0, "longitude": 0.0}).latitude == 0.0
