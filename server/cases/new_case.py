"""What a new case says, parsed: a `NewCase` that exists is one that can be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.cases.rules import (
    MATTERS,
    credit_code_problem,
    has_good_check_digit,
    is_kind_of_another_licence,
    location_problem,
    normal_credit_code,
)
from server.errors import N_, Invalid

_NEEDED = N_("This is needed.")
_TOO_LONG = N_("This is too long.")
_LIMITS = {
    "enterprise_name": 200,
    "licence_kind": 60,
    "licence_number": 80,
    "old_address": 500,
    "new_address": 500,
}
CHECK_DIGIT_QUESTION = N_(
    "The last character does not fit the others. Compare with the business licence; if it says so, confirm below."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A checked case. Degrees are WGS-84. `check_digit_fits` is False for an irregular code that was accepted."""

    matter: str
    enterprise_name: str
    credit_code: str
    licence_kind: str
    licence_number: str
    old_address: str
    new_address: str
    latitude: float | None
    longitude: float | None
    check_digit_fits: bool = True


def parse_new_case(
    *,
    matter: str,
    credit_code: str,
    latitude: str | float | None,
    longitude: str | float | None,
    is_code_confirmed: bool,
    **texts: str,
) -> NewCase:
    """A NewCase out of texts; Invalid names every field that cannot be taken.

    `texts` are enterprise_name, licence_kind, licence_number, old_address and new_address. A wrong check digit
    is a problem until somebody confirms it.
    """
    problems: dict[str, str] = {}
    if matter not in MATTERS:
        problems["matter"] = N_("Choose one of the matters.")
    values: dict[str, Any] = {}
    for name, limit in _LIMITS.items():
        values[name] = " ".join(texts[name].split())
        if not values[name]:
            problems[name] = _NEEDED
        elif len(values[name]) > limit:
            problems[name] = _TOO_LONG
    if matter in MATTERS and is_kind_of_another_licence(matter, values["licence_kind"]):
        problems["licence_kind"] = N_("This kind belongs to the licence of another matter.")
    code = normal_credit_code(credit_code)
    problem = credit_code_problem(code)
    fits = problem is None and has_good_check_digit(code)
    if problem is not None:
        problems["credit_code"] = problem
    elif not fits and not is_code_confirmed:
        problems["credit_code"] = CHECK_DIGIT_QUESTION
    degrees = _location(latitude, longitude, problems)
    if problems:
        raise Invalid(problems)
    return NewCase(
        matter=matter,
        credit_code=code,
        latitude=degrees[0],
        longitude=degrees[1],
        check_digit_fits=fits,
        **values,
    )


def _location(
    latitude: str | float | None, longitude: str | float | None, problems: dict[str, str]
) -> tuple[float | None, float | None]:
    given = [value is not None and str(value).strip() != "" for value in (latitude, longitude)]
    if not any(given):
        return None, None
    if not all(given):
        problems["longitude" if given[0] else "latitude"] = N_("Give both coordinates, or none.")
        return None, None
    try:
        degrees = float(latitude or 0), float(longitude or 0)
    except ValueError:
        problems["latitude"] = N_("Give decimal degrees, as in 37.58790.")
        return None, None
    if problem := location_problem(*degrees):
        problems["latitude"] = problem
    return degrees
