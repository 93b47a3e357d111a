"""What a case may be: matters, licence kinds, credit codes, addresses, states. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stdnum.cn import uscc

from server.errors import N_

CaseState = Literal["open", "inspecting", "decided", "closed"]

TRANSITIONS: dict[CaseState, frozenset[CaseState]] = {
    "open": frozenset({"inspecting", "closed"}),
    "inspecting": frozenset({"open", "decided"}),
    "decided": frozenset({"inspecting", "closed"}),
    "closed": frozenset(),
}
"""An inspection that is called off or leaves the matter undecided opens the case again. Closing is final."""

STATES: tuple[CaseState, ...] = tuple(TRANSITIONS)


def sources_of(target: CaseState) -> list[CaseState]:
    """The states from which a case may come to `target`."""
    return [state for state, targets in TRANSITIONS.items() if target in targets]


@dataclass(frozen=True, slots=True)
class LicenceKind:
    key: str
    name: str
    """Message id."""


@dataclass(frozen=True, slots=True)
class Matter:
    """A kind of case. `template` is the checklist an inspection of it starts with."""

    key: str
    name: str
    """Message id."""
    licence: str
    """Message id of the licence's name."""
    licence_kinds: tuple[LicenceKind, ...]
    template: str
    retention_years: int | None
    """How long evidence is kept after the result; None: for ever. The office's own schedule is in its settings."""


SEED_LICENCE_KINDS = (
    LicenceKind("seed-a", N_("A: breeding, production and sale of main crop seed, nationwide")),
    LicenceKind("seed-b", N_("B: hybrid seed of main crops and its parents")),
    LicenceKind("seed-c", N_("C: conventional seed of main crops")),
    LicenceKind("seed-d", N_("D: seed of other crops")),
)

MATTERS: dict[str, Matter] = {
    matter.key: matter
    for matter in (
        Matter(
            "seed-licence-address",
            N_("Seed licence: change of address"),
            N_("Crop-seed production and operation licence"),
            SEED_LICENCE_KINDS,
            "seed-licence-address",
            10,
        ),
        Matter(
            "seed-licence-premises",
            N_("Seed licence: premises moved or rebuilt"),
            N_("Crop-seed production and operation licence"),
            SEED_LICENCE_KINDS,
            "seed-licence-facility",
            30,
        ),
        Matter(
            "food-business-premises",
            N_("Food business licence: change of premises"),
            N_("Food business licence"),
            (
                LicenceKind("food-catering", N_("Catering")),
                LicenceKind("food-retail", N_("Food retail")),
                LicenceKind("food-canteen", N_("Canteen of an institution")),
            ),
            "food-business",
            10,
        ),
        Matter(
            "gathering-place-fire",
            N_("Public gathering place: fire safety before opening"),
            N_("Fire safety permit of a public gathering place"),
            (LicenceKind("gathering-place", N_("Public gathering place")),),
            "gathering-place-fire",
            30,
        ),
    )
}
DEFAULT_MATTER = "seed-licence-address"
NOT_HELD = "not-held"
"""In the office's schedule: what is left of an inspection that was never held."""
NOT_HELD_YEARS = 1


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long evidence is kept: the office's own schedule, `own`, over what the matters say. None: for ever."""

    own: Mapping[str, int | None] = field(default_factory=dict)

    def years_of(self, matter: str) -> int | None:
        """After the result, or after the end if there never is one. Of a matter that nobody knows for ever."""
        known = MATTERS.get(matter)
        return self.own.get(matter, known.retention_years if known else None)

    @property
    def years_of_not_held(self) -> int | None:
        """After it was cancelled."""
        return self.own.get(NOT_HELD, NOT_HELD_YEARS)

    @property
    def unknown(self) -> list[str]:
        """Entries of the schedule that are of no matter."""
        return sorted(self.own.keys() - MATTERS.keys() - {NOT_HELD})


def is_kind_of_another_licence(matter: str, kind: str) -> bool:
    """Whether `kind` is known, but for other matters only. A kind that nobody knows may be older than our list."""
    own = {entry.key for entry in MATTERS[matter].licence_kinds}
    known = {entry.key for other in MATTERS.values() for entry in other.licence_kinds}
    return kind in known - own


def licence_kind_name(matter: str, kind: str) -> str:
    """The message id of a licence kind; what an API client wrote itself is its own name."""
    known = MATTERS.get(matter)
    return next((entry.name for entry in known.licence_kinds if entry.key == kind), kind) if known else kind


_CREDIT_CODE_CHARACTERS = frozenset("0123456789ABCDEFGHJKLMNPQRTUWXY")


def normal_credit_code(text: str) -> str:
    """Upper case, without the spaces and hyphens that people put between groups."""
    return "".join(text.split()).replace("-", "").upper()


def credit_code_problem(code: str) -> str | None:
    """Why `code` cannot be a unified social credit code (GB 32100-2015: 18 characters without I, O, S, V, Z)."""
    if len(code) != 18:
        return N_("A unified social credit code has 18 characters.")
    if not _CREDIT_CODE_CHARACTERS.issuperset(code):
        return N_("A unified social credit code has digits and capital letters without I, O, S, V and Z.")
    return None


def has_good_check_digit(code: str) -> bool:
    """Whether the last character fits the others. A wrong one is most often a typing error, but irregular codes
    from before the standard exist, so a person may confirm it."""
    return code[-1] == uscc.calc_check_digit(code[:17])


def location_problem(latitude: float, longitude: float) -> str | None:
    """Why these WGS-84 degrees are no place on earth."""
    if not -90 <= latitude <= 90:
        return N_("A latitude is from -90 to 90 degrees.")
    if not -180 <= longitude <= 180:
        return N_("A longitude is from -180 to 180 degrees.")
    return None
