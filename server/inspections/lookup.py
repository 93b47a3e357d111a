"""Finding inspections, and who may: staff those of their office, a participant the one they joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Staff
from server.accounts.rules import Actor
from server.cases.models import Case
from server.errors import Forbidden
from server.inspections.errors import InspectionNotFound
from server.inspections.models import Inspection, InspectionReviewer
from server.inspections.rules import JOINABLE


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
    limit: int | None = 100,
) -> list[tuple[Inspection, Case]]:
    """The office's inspections in some states, with their cases, by the appointed time. Bounds are [from, before)."""
    wanted = _appointed(actor, states, starts_from, starts_before)
    return await _with_cases(session, *wanted, limit=limit)


async def count_inspections(
    session: AsyncSession,
    actor: Actor,
    *,
    states: Sequence[str],
    starts_from: datetime | None = None,
    starts_before: datetime | None = None,
) -> int:
    """How many `list_with_cases` would find without a limit."""
    wanted = _appointed(actor, states, starts_from, starts_before)
    return await session.scalar(select(func.count()).select_from(Inspection).where(*wanted)) or 0


async def list_present(
    session: AsyncSession, actor: Actor, occupied: Sequence[str]
) -> list[tuple[Inspection, Case]]:
    """The office's inspections that are live, and of those not over the `occupied` ones, with their cases."""
    not_over = _appointed(actor, JOINABLE, None, None)
    return await _with_cases(
        session, *not_over, or_(Inspection.state == "live", Inspection.id.in_(occupied)), limit=None
    )


def _appointed(
    actor: Actor, states: Sequence[str], starts_from: datetime | None, starts_before: datetime | None
) -> list[ColumnElement[bool]]:
    actor.require("inspection.view")
    wanted: list[ColumnElement[bool]] = [
        Inspection.office_id == actor.office_id,
        Inspection.state.in_(states),
    ]
    if starts_from is not None:
        wanted.append(Inspection.starts_at >= starts_from)
    if starts_before is not None:
        wanted.append(Inspection.starts_at < starts_before)
    return wanted


async def _with_cases(
    session: AsyncSession, *wanted: ColumnElement[bool], limit: int | None
) -> list[tuple[Inspection, Case]]:
    query = (
        select(Inspection, Case)
        .join(Case, Case.id == Inspection.case_id)
        .where(*wanted)
        .order_by(Inspection.starts_at, Inspection.id)
        .limit(limit)
    )
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
