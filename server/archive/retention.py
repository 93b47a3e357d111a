"""How long the evidence of an inspection is kept, by whose rule, and what holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.archive.models import Disposal, Hold, Seal
from server.archive.package_metadata import FOR_EVER, longer, retention_text
from server.cases.models import Case
from server.cases.rules import MATTERS, RetentionPolicy
from server.inspections.lookup import require
from server.inspections.models import Inspection

Kind = Literal["sealed", "no-result", "not-held", ""]
"""What of an inspection is kept: a sealed package; a recording without a result; what was arranged and then called
off. Nothing is said before that."""
UNSEALED = ("ended", "cancelled")
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Retention:
    """`period` in words; `until`: not before then, None for ever. `holds` that stand, newest first."""

    kind: Kind
    period: str
    until: datetime | None
    holds: list[Hold]
    disposal: Disposal | None
    is_due: bool

    @property
    def may_be_proposed(self) -> bool:
        return self.is_due and not self.holds and self.disposal is None

    @property
    def needs_two(self) -> bool:
        """What was never held has no evidence: one person may end it."""
        return self.kind != "not-held"


@dataclass(frozen=True, slots=True)
class Due:
    """An inspection whose time has come, or about whose end somebody has begun to decide."""

    inspection: Inspection
    case: Case
    retention: Retention


def kept_until(since: datetime, years: int) -> datetime:
    """The same day so many years later; from 29 February the day after where there is none."""
    try:
        return since.replace(year=since.year + years)
    except ValueError:
        return since.replace(year=since.year + years, month=3, day=1)


def since_when(inspection: Inspection) -> datetime | None:
    """From when on its time runs; None before its end."""
    return inspection.cancelled_at or inspection.concluded_at or inspection.ended_at


async def find_retention(
    session: AsyncSession, inspection: Inspection, now: datetime, policy: RetentionPolicy
) -> Retention:
    """What is to be said of one inspection, in the current language. A schedule that has become shorter takes nothing
    from what a sealed package says of itself.
    """
    case = await session.get_one(Case, inspection.case_id)
    kind = _kind(inspection)
    years = policy.years_of_not_held if kind == "not-held" else policy.years_of(case.matter)
    if kind == "sealed" and (seal := await session.get(Seal, inspection.id)) is not None:
        years = longer(years, seal.kept_years)
    since = since_when(inspection)
    until = kept_until(since, years) if kind and since is not None and years is not None else None
    holds = await session.scalars(
        select(Hold)
        .where(Hold.inspection_id == inspection.id, Hold.lifted_at.is_(None))
        .order_by(Hold.id.desc())
    )
    found = await session.get(Disposal, inspection.id, populate_existing=True)
    is_due = until is not None and until <= now
    return Retention(kind, retention_text(years), until, list(holds), found, is_due)


async def list_due(
    session: AsyncSession, actor: Actor, now: datetime, policy: RetentionPolicy
) -> tuple[list[Due], int]:
    """The office's, those kept longest beyond their time first (at most MOST_LISTED), and how many there are."""
    require(actor, "archive.view")
    told = list(await session.scalars(select(Seal.kept_years).where(Seal.kept_years.is_not(None)).distinct()))
    listed = _is_listed(now, policy, [years for years in told if years is not None])
    wanted = and_(Inspection.office_id == actor.office_id, listed)
    query = select(Inspection, Case).join(Case, Case.id == Inspection.case_id).where(wanted)
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    since = func.coalesce(Inspection.cancelled_at, Inspection.concluded_at, Inspection.ended_at)
    rows = await session.execute(query.order_by(since, Inspection.id).limit(MOST_LISTED))
    return [
        Due(inspection, case, await find_retention(session, inspection, now, policy))
        for inspection, case in rows
    ], total


def _kind(inspection: Inspection) -> Kind:
    kinds: dict[str, Kind] = {"concluded": "sealed", "ended": "no-result", "cancelled": "not-held"}
    return kinds.get(inspection.state, "")


def _is_listed(now: datetime, policy: RetentionPolicy, told: Sequence[int]) -> ColumnElement[bool]:
    """Due and not ended, by each matter's own years and, of `told`, by those of the package; or proposed."""
    over = exists().where(Disposal.inspection_id == Inspection.id, Disposal.done_at.is_not(None))
    proposed = exists().where(Disposal.inspection_id == Inspection.id)
    over_by_itself = or_(
        Seal.kept_years.is_(None),
        *(
            and_(Seal.kept_years == years, Inspection.concluded_at <= kept_until(now, -years))
            for years in told
            if years != FOR_EVER
        ),
    )
    sealed = exists().where(Seal.inspection_id == Inspection.id, Seal.sealed_at.is_not(None), over_by_itself)
    due: list[ColumnElement[bool]] = []
    if (years := policy.years_of_not_held) is not None:
        due.append(and_(Inspection.state == "cancelled", Inspection.cancelled_at <= kept_until(now, -years)))
    for matter in MATTERS:
        if (years := policy.years_of(matter)) is not None:
            since = kept_until(now, -years)
            due += [
                and_(Case.matter == matter, sealed, Inspection.concluded_at <= since),
                and_(Case.matter == matter, Inspection.state == "ended", Inspection.ended_at <= since),
            ]
    return and_(~over, or_(proposed, *due))
