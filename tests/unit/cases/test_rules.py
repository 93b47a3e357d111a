"""Credit codes, places, states and matters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cases.rules import (
    MATTERS,
    TRANSITIONS,
    credit_code_problem,
    has_good_check_digit,
    licence_kind_name,
    location_problem,
    normal_credit_code,
    sources_of,
)
from server.inspections.checklists import get_template

GOOD = "91110000600037341L"


def test_a_real_code_has_no_problem_and_a_good_check_digit() -> None:
    assert credit_code_problem(GOOD) is None
    assert has_good_check_digit(GOOD)


@settings(deadline=None)
@given(st.integers(0, 16), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_changing_any_one_character_is_noticed(position: int, character: str) -> None:
    changed = GOOD[:position] + character + GOOD[position + 1 :]
    assert has_good_check_digit(changed) == (changed == GOOD)


@pytest.mark.parametrize("code", ["", GOOD[:17], GOOD + "1"])
def test_another_length_is_a_problem(code: str) -> None:
    assert credit_code_problem(code) == "A unified social credit code has 18 characters."


@pytest.mark.parametrize("character", "IOSVZ-一")
def test_a_character_outside_the_alphabet_is_a_problem(character: str) -> None:
    assert credit_code_problem(GOOD[:8] + character + GOOD[9:]) is not None


def test_a_rural_collective_whose_code_begins_with_a_letter_is_fine() -> None:
    assert credit_code_problem("N2370521MF1234567A") is None


def test_people_may_write_groups_and_small_letters() -> None:
    assert normal_credit_code(" 91110000 6000-37341l ") == GOOD


@pytest.mark.parametrize(
    ("latitude", "longitude", "fits"),
    [
        (37.5, 118.5, True),
        (-90, 180, True),
        (90.01, 0, False),
        (0, -180.01, False),
        (float("nan"), 0, False),
        (0, float("inf"), False),
    ],
)
def test_only_places_on_earth_are_places(latitude: float, longitude: float, fits: bool) -> None:
    assert (location_problem(latitude, longitude) is None) == fits


def test_a_closed_case_stays_closed() -> None:
    assert TRANSITIONS["closed"] == frozenset()


def test_a_case_cannot_be_closed_while_it_is_inspected() -> None:
    assert set(sources_of("closed")) == {"open", "decided"}


def test_every_matter_begins_with_a_checklist_that_exists() -> None:
    for matter in MATTERS.values():
        assert get_template(matter.template).items


def test_a_licence_kind_that_a_program_made_up_is_shown_as_it_is() -> None:
    assert licence_kind_name("seed-licence-address", "seed-c") == "C: conventional seed of main crops"
    assert licence_kind_name("seed-licence-address", "Z类") == "Z类"
    assert licence_kind_name("unknown", "Z类") == "Z类"
