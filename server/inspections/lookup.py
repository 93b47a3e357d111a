"""Finding inspections, and who may: staff those of their office, a participant the one they joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Staff
from server.accounts.rules import Actor
from server.cases.models import Case
from server.errors import Forbidden
from server.inspections.errors import InspectionNotFound
from server.inspections.models import Inspection, InspectionReviewer


def require(actor: Actor, action: str) -> None:
    """The matrix, and: what is arranged around an inspection is not for its guests, reviewers among them."""
    if actor.inspection_id is not None:
        raise Forbidden(action=action)
    actor.require(action)


async def get_inspection(session: AsyncSession, actor: Actor, inspection_id: str) -> Inspection:
    """An inspection that the actor may see, or InspectionNotFound."""
    if actor.kind != "system":
        actor.require("inspection.view")
    inspection = await session.get(Inspection, inspection_id)
    if inspection is None or not (
        actor.kind == "system" or actor.sees_inspection(inspection.id, inspection.office_id)
    ):
        raise InspectionNotFound(inspection_id=inspection_id)
    return inspection


async def list_of_case(session: AsyncSession, case_id: str) -> list[Inspection]:
    """A case's inspections, newest first."""
    query = select(Inspection).where(Inspection.case_id == case_id).order_by(Inspection.id.desc())
    return list(await session.scalars(query))


async def list_with_cases(
    session: AsyncSession,
    actor: Actor,
    *,
    states: Sequence[str],
    starts_from: datetime | None = None,
    starts_before: datetime | None = None,
    limit: int = 100,
) -> list[tuple[Inspection, Case]]:
    """The office's inspections in some states, with their cases, by the appointed time. Bounds are [from, before)."""
    actor.require("inspection.view")
    query = (
        select(Inspection, Case)
        .join(Case, Case.id == Inspection.case_id)
        .where(Inspection.office_id == actor.office_id, Inspection.state.in_(states))
        .order_by(Inspection.starts_at, Inspection.id)
        .limit(limit)
    )
    if starts_from is not None:
        query = query.where(Inspection.starts_at >= starts_from)
    if starts_before is not None:
        query = query.where(Inspection.starts_at < starts_before)
    return [(row[0], row[1]) for row in await session.execute(query)]


async def list_reviewers(session: AsyncSession, inspection_id: str) -> list[Staff]:
    """Who is assigned to an inspection, by name."""
    query = (
        select(Staff)
        .join(InspectionReviewer, InspectionReviewer.staff_id == Staff.id)
        .where(InspectionReviewer.inspection_id == inspection_id)
        .order_by(Staff.name)
    )
    return list(await session.scalars(query))


async def cases_of(session: AsyncSession, actor: Actor, limit: int = 20) -> list[Case]:
    """Open cases that are the actor's own: created by them, or with an inspection assigned to them. Newest first."""
    assigned = (
        exists()
        .where(Inspection.case_id == Case.id)
        .where(InspectionReviewer.inspection_id == Inspection.id)
        .where(InspectionReviewer.staff_id == actor.id)
    )
    query = (
        select(Case)
        .where(
            Case.office_id == actor.office_id,
            Case.state != "closed",
            or_(Case.created_by == actor.id, assigned),
        )
        .order_by(Case.created_at.desc(), Case.id.desc())
        .limit(limit)
    )
    return list(await session.scalars(query))
